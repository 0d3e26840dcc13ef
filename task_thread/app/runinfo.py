"""A run at one moment, as plain data."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from task_thread.app.progress import Progress
from task_thread.app.words import ExecutorName, RunStatus
from task_thread.errors import RunFailed

__all__ = ["RunInfo", "error_line"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run at one moment: plain data.

    :ivar id: the run's id.
    :ivar task: the task's id.
    :ivar name: the task's name.
    :ivar executor: ``"loop"``, ``"thread"`` or ``"process"``.
    :ivar attempt: which attempt it is; 0 before the first.
    :ivar time_queued: when it was accepted. All times are aware, in UTC.
    :ivar time_started: when its last attempt began; None before.
    :ivar time_ended: None before the end.
    :ivar due: the tick that it is the run of; None if it was called.
    :ivar stands_for: how many ticks it is the run of.
    :ivar result: what it gave; None before, and where it gave nothing.
    :ivar error: one line of what it raised; "" where it raised nothing.
    :ivar traceback: the text of the traceback.
    :ivar progress: how far it is, as it says itself.
    """

    id: str
    task: str
    name: str
    executor: ExecutorName
    status: RunStatus
    priority: int
    attempt: int
    time_queued: datetime
    time_started: datetime | None
    time_ended: datetime | None
    due: datetime | None
    stands_for: int
    result: Any
    error: str
    traceback: str
    progress: Progress


def error_line(error: BaseException | None) -> str:
    """One line: the class and what it says; of what an earlier life of the process has written
    down, that."""
    if error is None:
        return ""
    if isinstance(error, RunFailed):
        return str(error)
    if isinstance(error, SyntaxError):  # its first lines show the place
        return f"SyntaxError: {error}"
    return "".join(traceback.format_exception_only(error)).strip().partition("\n")[0]
