"""task_thread: long-running threads of tasks.

Subclass :class:`TaskThread`, compose a tree, run its root. Who imports whom, left may import
right; a layer is loaded when it is first used, and this package loads the core alone::

    cli -> monitor -> flows -> app -> core -> log, clock, signals, errors, latch

``task_thread.testing``, the pytest plugin, may import any of them.

"""

from task_thread import errors, signals
from task_thread.core.handle import Handle
from task_thread.core.inboxview import InboxView
from task_thread.core.lifecycle import ExitReason, State
from task_thread.core.root import run
from task_thread.core.statistics import (
    Failure,
    InboxStatistics,
    TaskStatistics,
    ThreadStatistics,
)
from task_thread.core.streams import Connection, Listener
from task_thread.core.supervision import Backoff, on_error
from task_thread.core.taskref import TaskRef
from task_thread.core.tasks import delete, reCreate, reSchedule
from task_thread.core.thread import TaskThread, VirtualThread
from task_thread.log import verbose

__version__ = "0.1.0"

__all__ = [
    "Backoff",
    "Connection",
    "ExitReason",
    "Failure",
    "Handle",
    "InboxStatistics",
    "InboxView",
    "Listener",
    "State",
    "TaskRef",
    "TaskStatistics",
    "TaskThread",
    "ThreadStatistics",
    "VirtualThread",
    "delete",
    "errors",
    "on_error",
    "reCreate",
    "reSchedule",
    "run",
    "signals",
    "verbose",
]
