"""Threads that the tests of the kit start."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from task_thread import TaskThread, VirtualThread, reSchedule
from task_thread.signals import Request, Signal


@dataclass(frozen=True)
class Note(Signal):
    """Carries something."""

    what: Any


class Count(Request[int]):
    """How many notes have come."""


class Counter(TaskThread):
    """Counts the notes that it gets, crashes on "crash", and sends each up."""

    def initVars__(self) -> None:
        self.count = 0

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Count):
            signal.reply(self.count)
        elif isinstance(signal, Note):
            if signal.what == "crash":
                raise RuntimeError("broken on purpose")
            self.count += 1
            await self.sigFromChildToParent__(signal)
        return None


class VirtualCounter(Counter, VirtualThread):
    """The same on its parent's loop."""


class Ticker(TaskThread):
    """Notes the time of its loop at each tick."""

    def __init__(
        self, pause: float = 1.0, journal: list[Any] | None = None, parent: TaskThread | None = None
    ) -> None:
        self.pause = pause
        self.journal: list[Any] = [] if journal is None else journal
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        self.tasks.tick = None

    async def enter__(self) -> None:
        self.tasks.tick = await reSchedule(self.tick)

    async def tick(self) -> None:
        await asyncio.sleep(self.pause)
        self.journal.append((asyncio.get_running_loop().time(), self.pause))
        self.tasks.tick = await reSchedule(self.tick)


class Blocked(TaskThread):
    """Holds its loop up for a while of real time, in a call that can't be interrupted."""

    seconds = 2.0

    async def signalHandler__(self, signal: Signal) -> bool | None:
        time.sleep(self.seconds)  # noqa: ASYNC251  that is what it is for
        return None
