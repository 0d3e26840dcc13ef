"""Tasks that never wait: they starve nobody, and are warned of."""

from __future__ import annotations

import asyncio
import logging
import threading
from time import monotonic

import pytest

from task_thread import (
    reCreate,
    reSchedule,
)
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Place, forever, message
from tests.support.workers import Worker


async def test_a_task_that_never_waits_starves_nobody(place: Place, journal: Journal) -> None:
    class Busy(Worker):
        runs = 0

        async def spin(self) -> None:
            self.runs += 1
            self.tasks.work = await reSchedule(self.spin)

        async def signalHandler__(self, signal: Signal) -> None:
            journal("handled")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Busy)
        self.tasks.work = await reCreate(None, self.spin)

    async with place(Busy)(journal, steps) as thread:
        for number in range(1, 11):
            await thread.insertSignal(message(number))
            await journal.seen("handled", number)
    assert isinstance(thread, Busy)
    assert thread.runs > 0


async def test_busy_task_is_warned_of_once_with_its_measured_rate(
    caplog: pytest.LogCaptureFixture, journal: Journal
) -> None:
    warned = threading.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "without ever waiting" in record.getMessage():
                warned.set()

    class Busy(Worker):
        runs = 0
        runs_after = 0

        async def spin(self) -> None:
            self.runs += 1
            if warned.is_set():
                self.runs_after += 1
                if self.runs_after > self.runs // 2:  # another second and more
                    journal("long after")
                    await forever()
            self.tasks.spin = await reSchedule(self.spin)

    async def steps(self: Worker) -> None:
        assert isinstance(self, Busy)
        self.tasks.spin = await reCreate(None, self.spin)

    logger = logging.getLogger("Busy")
    handler = Heard()
    logger.addHandler(handler)
    try:
        begun = monotonic()
        async with Busy(journal, steps) as thread:
            await journal.seen("long after")
            seconds = monotonic() - begun
    finally:
        logger.removeHandler(handler)
    (said,) = [r.getMessage() for r in caplog.records if "without ever waiting" in r.getMessage()]
    told = int(said.split("runs_per_second=")[1].split()[0])
    assert isinstance(thread, Busy)
    average = thread.runs / seconds
    assert average / 3 < told < average * 3
    assert "Busy-" in said
    assert "spin" in said


async def test_task_that_waits_is_not_warned_of(
    caplog: pytest.LogCaptureFixture, journal: Journal
) -> None:
    class Polite(Worker):
        async def tick(self, begun: float) -> None:
            await asyncio.sleep(0.0001)
            if monotonic() - begun < 1.3:
                self.tasks.work = await reSchedule(self.tick, begun)
            else:
                journal("done")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Polite)
        self.tasks.work = await reCreate(None, self.tick, monotonic())

    async with Polite(journal, steps):
        await journal.seen("done")
    assert caplog.records == []
