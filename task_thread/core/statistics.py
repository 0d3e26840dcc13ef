"""What ``statistics()`` returns: frozen snapshots, made without disturbing what they show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from task_thread.core.lifecycle import ExitReason, State

__all__ = ["Failure", "InboxStatistics", "TaskStatistics", "ThreadStatistics"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that a thread had, as text: nothing that the error knew is kept alive.

    :ivar summary: its type and text.
    :ivar where: the task, handler or hook that raised it.
    :ivar at: when, aware, in UTC.
    :ivar traceback: its traceback, several lines.
    """

    summary: str
    where: str
    at: datetime
    traceback: str


@dataclass(frozen=True, slots=True)
class TaskStatistics:
    """One task of a thread.

    :ivar name: its slot in ``self.tasks``, or its function's name where it is in none.
    :ivar running: whether it has not ended.
    :ivar runs: runs that have ended; each ``reSchedule`` begins another one.
    :ivar rate: runs per second, over the last second or so.
    :ivar restarts: how often it was restarted after it had raised.
    :ivar last_error: type and text of what it raised last, or None.
    """

    name: str
    running: bool
    runs: int
    rate: float
    restarts: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class InboxStatistics:
    """A thread's inbox, counted in signals. accepted == handled + dead + depth.

    :ivar depth: how many wait now.
    :ivar capacity: ``max_qsize``; 0 for no limit.
    :ivar high_water: how many have waited at the most.
    :ivar accepted: how many were accepted from senders.
    :ivar handled: how many were given to a handler.
    :ivar dead: how many were accepted and then not handled, since the thread ended before.
    """

    depth: int
    capacity: int
    high_water: int
    accepted: int
    handled: int
    dead: int


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """One thread.

    :ivar id: what ``getId()`` returns.
    :ivar class_name: the name of its class.
    :ivar state: where it is in its life.
    :ivar uptime: seconds since it was run, until its end; 0.0 before.
    :ivar tasks: its running tasks, by name.
    :ivar inbox: its inbox.
    :ivar loop_lag: seconds that a wake-up of its loop had to wait, or that one waits by now. It is
        measured from the first look on: the first snapshot of a thread says 0.0.
    :ivar children: the ids of its children.
    :ivar exit_reason: why it ended; None while it has not.
    :ivar virtual: whether it lives on its parent's loop.
    :ivar generation: which instance of its place in the tree this is; 1 is the first.
    :ivar restarts: how often its supervisor has restarted that place.
    :ivar restart_type: ``"permanent"``, ``"transient"`` or ``"temporary"``; None: unsupervised.
    :ivar last_error: the last error of this instance or, if it had none, of the one before.
    """

    id: Any
    class_name: str
    state: State
    uptime: float
    tasks: tuple[TaskStatistics, ...]
    inbox: InboxStatistics
    loop_lag: float
    children: tuple[Any, ...]
    exit_reason: ExitReason | None
    virtual: bool
    generation: int
    restarts: int
    restart_type: str | None
    last_error: Failure | None
