"""A scheduler on a loop whose time, and a wall clock whose hands, are the test's to move."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from task_thread.app.scheduler import Due, Entry, Scheduler
from task_thread.app.triggers import Interval
from tests.app.triggers.moments import EPOCH


class Fired(NamedTuple):
    """What the scheduler told at one moment, in seconds after the epoch of the tests."""

    now: float
    key: str
    runs: list[tuple[float, int]]
    missed: int


class HandLoop(asyncio.AbstractEventLoop):
    """A loop that goes on when it is told to. Time is kept in whole microseconds."""

    def __init__(self) -> None:
        self.micros = 0
        self.rings = 0
        self.timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self.ready: list[asyncio.Handle] = []
        self.errors: list[BaseException] = []
        self._numbers = count()

    def time(self) -> float:
        return self.micros / 1e6

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self)
        self.ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self.rings += 1
        return self.call_soon(callback, *args)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self)
        heapq.heappush(self.timers, (round(when * 1e6), next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers = [timer for timer in self.timers if timer[2] is not handle]
        heapq.heapify(self.timers)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context["exception"])

    def get_debug(self) -> bool:
        return False

    def one_turn(self) -> None:
        while self.timers and self.timers[0][0] <= self.micros:
            self.ready.append(heapq.heappop(self.timers)[2])
        ready, self.ready = self.ready, []
        for handle in ready:
            handle._run()

    def settle(self) -> None:
        """All that happens without time passing."""
        for _ in range(100_000):
            if not self.ready and (not self.timers or self.timers[0][0] > self.micros):
                return
            self.one_turn()
        raise AssertionError("it spins")


class Desk:
    """A scheduler, its loop, the wall clock, and what was fired.

    :ivar ahead: by how much the wall clock was set forward, in all.
    """

    def __init__(self, *, start: bool = True, gather: float = 0.0) -> None:
        self.loop = HandLoop()  # type: ignore[abstract]  # what a scheduler asks for is there
        self.ahead = timedelta(0)
        self.fired: list[Fired] = []
        self.failed: list[tuple[str, Exception]] = []
        self.on_fire: Callable[[Entry, Due], None] | None = None
        self.scheduler = Scheduler(self.now, self._fire, self._fail, gather)
        if start:
            self.scheduler.start(self.loop)
            self.loop.settle()

    def now(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.loop.micros) + self.ahead

    def seconds(self) -> float:
        return (self.now() - EPOCH).total_seconds()

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        loop = self.loop
        until = loop.micros + round(seconds * 1e6)
        loop.settle()
        while loop.timers and loop.timers[0][0] <= until:
            loop.micros = max(loop.micros, loop.timers[0][0])
            loop.settle()
        loop.micros = max(loop.micros, until)  # a fire may take its time
        loop.settle()

    def set_clock(self, seconds: float) -> None:
        """Move the hands of the wall clock; no time passes, and nobody is told."""
        self.ahead += timedelta(seconds=seconds)

    def every(self, seconds: float, key: str = "a", **options: Any) -> Entry:
        entry = Entry(key, Interval(seconds=seconds), **options)
        self.scheduler.add(entry)
        return entry

    def runs(self, key: str = "a") -> list[tuple[float, int]]:
        return [run for fired in self.fired if fired.key == key for run in fired.runs]

    def missed(self, key: str = "a") -> int:
        return sum(fired.missed for fired in self.fired if fired.key == key)

    def _fire(self, entry: Entry, due: Due) -> None:
        runs = [((run.at - EPOCH).total_seconds(), run.stands_for) for run in due.runs]
        self.fired.append(Fired(self.seconds(), entry.key, runs, due.missed_count))
        if self.on_fire is not None:
            self.on_fire(entry, due)

    def _fail(self, entry: Entry, error: Exception) -> None:
        self.failed.append((entry.key, error))
