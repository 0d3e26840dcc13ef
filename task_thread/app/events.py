"""What an app tells of its runs and tasks: signals, for its parent and for callbacks alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from task_thread.signals import Signal

if TYPE_CHECKING:
    from task_thread.app.runinfo import RunInfo

__all__ = [
    "AppEvent",
    "RunEnded",
    "RunEvent",
    "RunMissed",
    "RunRetrying",
    "RunSkipped",
    "RunStarted",
    "StoreTrouble",
    "TaskAdded",
    "TaskDeleted",
    "TaskEvent",
    "TaskPaused",
    "TaskResumed",
    "TaskUpdated",
]

E = TypeVar("E", bound="AppEvent")


@dataclass(frozen=True, slots=True)
class AppEvent(Signal):
    """Something happened in an app. Subscribe to a class and you get its subclasses too.

    :ivar app: the app's name.
    """

    app: str


@dataclass(frozen=True, slots=True)
class TaskEvent(AppEvent):
    """About a task.

    :ivar task: its id.
    """

    task: str


@dataclass(frozen=True, slots=True)
class TaskAdded(TaskEvent):
    """A task is new, or has replaced another one."""


@dataclass(frozen=True, slots=True)
class TaskUpdated(TaskEvent):
    """Its options, its trigger, its function or its arguments are others."""


@dataclass(frozen=True, slots=True)
class TaskPaused(TaskEvent):
    """It has no ticks until it is resumed."""


@dataclass(frozen=True, slots=True)
class TaskResumed(TaskEvent):
    """It has ticks again."""


@dataclass(frozen=True, slots=True)
class TaskDeleted(TaskEvent):
    """It is gone."""


@dataclass(frozen=True, slots=True)
class RunEvent(AppEvent):
    """About a run.

    :ivar run: the run at that moment.
    """

    run: RunInfo


@dataclass(frozen=True, slots=True)
class RunStarted(RunEvent):
    """An attempt begins."""


@dataclass(frozen=True, slots=True)
class RunRetrying(RunEvent):
    """An attempt has failed, and there will be another one."""


@dataclass(frozen=True, slots=True)
class RunEnded(RunEvent):
    """It has succeeded, failed, or was cancelled: ``run.status`` says which."""


@dataclass(frozen=True, slots=True)
class RunMissed(RunEvent):
    """Ticks came later than the grace allows; ``run.stands_for`` says how many."""


@dataclass(frozen=True, slots=True)
class RunSkipped(RunEvent):
    """A tick found as many runs under way as ``max_instances`` allows."""


@dataclass(frozen=True, slots=True)
class StoreTrouble(AppEvent):
    """The store could not be written; it is tried again.

    :ivar error: one line of what it said.
    """

    error: str
