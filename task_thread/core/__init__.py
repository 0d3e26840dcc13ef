"""The core: one TaskThread, a tree of them, their tasks and signals.

::

    thread ── root              the class one subclasses; running a tree
      ├── life ── listener      the driver of one life; handling signals
      │     └── carrier         an OS thread with a loop
      ├── family                parents and children
      ├── tasks                 reCreate, reSchedule, delete
      ├── inbox ── waits        signals on their way (the only importer of janus)
      ├── streams               sockets on their way
      └── lifecycle, supervision, statistics       rules and records, without loop or thread
"""
