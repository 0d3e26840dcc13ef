"""The core: one TaskThread, a tree of them, their tasks and signals.

::

    thread ── root              the class one subclasses; running a tree
      engine                    what one thread is made of
      ├── life ── listener      the driver of one life; handling signals
      │     ├── winding ── ending        its end, in order and in time
      │     └── carrier         an OS thread with a loop
      ├── family                parents and children
      ├── tasks ── taskref      reCreate, reSchedule, delete; one task's driver
      ├── inbox ── waits        a thread's signals, and who waits for room
      │     └── exchange ── turns        signals between loops (the only importer of janus)
      ├── streams               sockets on their way
      └── lifecycle, supervision, statistics       rules and records, without loop or thread
"""
