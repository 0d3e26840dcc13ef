"""Tasks on a trigger, on a call, in a pool, with results that survive.

::

    app = TaskApp("mail", threads=8)

    @app.task(retry=3, max_time=10.0)
    def send(to, body): ...

    with app:
        run = send.add_task("ann", "hi")
        run.wait(timeout=5)

A :class:`Task` is a callable with options, a :class:`Run` is one execution of it, a
:class:`TaskApp` is the TaskThread that runs them.

``import task_thread`` loads none of it, and what is named here is loaded when it is first used.
It comes with ``pip install 'task-thread[app]'``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.app.app import TaskApp
    from task_thread.app.default import background_task, default_app
    from task_thread.app.events import (
        AppEvent,
        RunEnded,
        RunEvent,
        RunMissed,
        RunRetrying,
        RunSkipped,
        RunStarted,
        StoreTrouble,
        TaskAdded,
        TaskDeleted,
        TaskEvent,
        TaskPaused,
        TaskResumed,
        TaskUpdated,
    )
    from task_thread.app.middleware import Middleware
    from task_thread.app.options import TaskOptions
    from task_thread.app.pool import Pool
    from task_thread.app.progress import Progress
    from task_thread.app.run import Run
    from task_thread.app.runinfo import RunInfo
    from task_thread.app.statistics import AppStatistics, LaneStatistics
    from task_thread.app.store import Change, Store
    from task_thread.app.task import PreparedCall, Task
    from task_thread.app.taskset import TaskSet
    from task_thread.app.triggers import (
        AllOf,
        AnyOf,
        Cron,
        Date,
        Interval,
        Trigger,
        TriggerNeverAgrees,
        make_trigger,
    )
    from task_thread.app.words import Priority, RunStatus
    from task_thread.core.supervision import Backoff

__all__ = [
    "AllOf",
    "AnyOf",
    "AppEvent",
    "AppStatistics",
    "Backoff",
    "Change",
    "Cron",
    "Date",
    "Interval",
    "LaneStatistics",
    "Middleware",
    "Pool",
    "PreparedCall",
    "Priority",
    "Progress",
    "Run",
    "RunEnded",
    "RunEvent",
    "RunInfo",
    "RunMissed",
    "RunRetrying",
    "RunSkipped",
    "RunStarted",
    "RunStatus",
    "Store",
    "StoreTrouble",
    "Task",
    "TaskAdded",
    "TaskApp",
    "TaskDeleted",
    "TaskEvent",
    "TaskOptions",
    "TaskPaused",
    "TaskResumed",
    "TaskSet",
    "TaskUpdated",
    "Trigger",
    "TriggerNeverAgrees",
    "background_task",
    "default_app",
    "make_trigger",
]

_HOMES: Final = {
    "app": ("TaskApp",),
    "default": ("background_task", "default_app"),
    "events": (
        "AppEvent", "RunEnded", "RunEvent", "RunMissed", "RunRetrying", "RunSkipped", "RunStarted",
        "StoreTrouble", "TaskAdded", "TaskDeleted", "TaskEvent", "TaskPaused", "TaskResumed",
        "TaskUpdated",
    ),
    "middleware": ("Middleware",),
    "options": ("Backoff", "TaskOptions"),
    "pool": ("Pool",),
    "progress": ("Progress",),
    "run": ("Run",),
    "runinfo": ("RunInfo",),
    "statistics": ("AppStatistics", "LaneStatistics"),
    "store": ("Change", "Store"),
    "task": ("PreparedCall", "Task"),
    "taskset": ("TaskSet",),
    "triggers": (
        "AllOf", "AnyOf", "Cron", "Date", "Interval", "Trigger", "TriggerNeverAgrees",
        "make_trigger",
    ),
    "words": ("Priority", "RunStatus"),
}  # fmt: skip
_ON_FIRST_USE: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _ON_FIRST_USE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
