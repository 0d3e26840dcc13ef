"""Threads whose tasks tests play with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from task_thread import (
    TaskThread,
)
from tests.support.journal import Journal
from tests.support.threads import forever

Steps = Callable[["Worker"], Awaitable[None]]


class Worker(TaskThread):
    """Runs what a test gives it in its enter__, and has tasks to work with."""

    def __init__(
        self, journal: Journal, steps: Steps | None = None, parent: TaskThread | None = None
    ) -> None:
        self.journal = journal
        self.steps = steps
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        self.tasks.work = None
        self.tasks.other = None

    async def enter__(self) -> None:
        if self.steps is not None:
            await self.steps(self)

    async def waits(self, name: str = "waits") -> None:
        self.journal((name, "began"))
        try:
            await forever()
        finally:
            self.journal((name, "ended"))

    async def returns(self) -> None:
        self.journal("returned")
