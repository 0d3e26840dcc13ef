"""The core: one TaskThread, a tree of them, their tasks and signals.

::

    thread ── hooks, root       the class one subclasses; running a tree
      engine                    what one thread is made of
      ├── life ── listener      the driver of one life; handling signals
      │     ├── winding ── ending        its end, in order and in time
      │     ├── judge           waiting for it, and giving it up
      │     └── carrier ── spare         an OS thread with a loop; one for the next restart
      ├── family                parents and children
      │     └── supervisor ── handle ── recipe       restarts of spawned children
      ├── tasks ── taskref      reCreate, reSchedule, delete; one task's driver
      ├── inbox ── questions, waits      its signals, who waits for a reply or for room
      │     └── exchange ── turns        signals between loops (the only importer of janus)
      ├── errands               work for a thread's loop, asked for from another one
      ├── streams               sockets on their way
      └── lifecycle, strategy, plan, supervision, statistics      rules and records, without a loop
"""
