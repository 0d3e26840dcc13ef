"""Tasks: reCreate, reSchedule and delete."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

import pytest

from task_thread import (
    State,
    TaskRef,
    delete,
    reCreate,
    reSchedule,
)
from task_thread.signals import Signal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Place, forever, message
from tests.support.workers import Worker


async def test_recreate_starts_a_task_with_its_arguments(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        self.tasks.work = await reCreate(self.tasks.work, self.waits, name="first")
        assert isinstance(self.tasks.work, TaskRef)
        assert not self.tasks.work.done()
        await journal.seen(("first", "began"))

    async with place(Worker)(journal, steps):
        pass
    assert journal.entries == [("first", "began"), ("first", "ended")]


async def test_recreate_ends_what_ran_and_waits_for_it(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        old = self.tasks.work = await reCreate(self.tasks.work, self.waits, "old")
        await journal.seen(("old", "began"))
        self.tasks.work = await reCreate(self.tasks.work, self.waits, "new")
        assert old.done()
        assert old.cancelled()
        await journal.seen(("new", "began"))

    async with place(Worker)(journal, steps):
        pass
    assert journal.entries == [
        ("old", "began"),
        ("old", "ended"),
        ("new", "began"),
        ("new", "ended"),
    ]


async def test_recreate_of_a_task_that_has_not_begun(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        self.tasks.work = await reCreate(None, self.waits, "old")
        self.tasks.work = await reCreate(self.tasks.work, self.waits, "new")
        await journal.seen(("new", "began"))

    async with place(Worker)(journal, steps) as thread:
        assert [task.name for task in thread.statistics().tasks] == ["work"]
    assert ("old", "began") not in journal.entries


async def test_recreate_by_the_task_itself_is_the_next_run(place: Place, journal: Journal) -> None:
    class Phoenix(Worker):
        async def rise(self, life: int) -> None:
            self.tasks.work = await reCreate(self.tasks.work, self.rise, life + 1)
            journal(("rose", life))
            if life == 3:
                self.tasks.work = await delete(self.tasks.work)

    async def steps(self: Worker) -> None:
        assert isinstance(self, Phoenix)
        self.tasks.work = await reCreate(None, self.rise, 1)

    async with place(Phoenix)(journal, steps) as thread:
        await journal.seen(("rose", 3))
        assert thread.state is State.RUNNING
    assert journal.entries == [("rose", 1), ("rose", 2), ("rose", 3)]


async def test_recreate_takes_a_plain_asyncio_task(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        plain = asyncio.create_task(forever())
        await asyncio.sleep(0)
        self.tasks.work = await reCreate(plain, self.returns)
        assert plain.cancelled()

    async with place(Worker)(journal, steps):
        await journal.seen("returned")


# ---- reSchedule -------------------------------------------------------------------------------


async def test_reschedule_runs_it_again_after_this_run(place: Place, journal: Journal) -> None:
    class Counter(Worker):
        running = False

        async def count(self, number: int) -> None:
            assert not self.running
            self.running = True
            journal(number)
            if number < 100:
                self.tasks.work = await reSchedule(self.count, number + 1)
                await asyncio.sleep(0)  # what follows the reSchedule belongs to this run
            self.running = False

    async def steps(self: Worker) -> None:
        assert isinstance(self, Counter)
        self.tasks.work = await reCreate(None, self.count, 1)

    async with place(Counter)(journal, steps):
        await journal.seen(100)
    assert journal.entries == list(range(1, 101))


async def test_reschedule_keeps_the_reference_and_the_asyncio_task(
    place: Place, journal: Journal
) -> None:
    class Thread(Worker):
        async def run_on(self, number: int) -> None:
            journal((asyncio.current_task(), self.tasks.work))
            if number < 5:
                self.tasks.work = await reSchedule(self.run_on, number + 1)
            else:
                journal("done")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.run_on, 1)

    async with place(Thread)(journal, steps):
        await journal.seen("done")
    assert len(set(journal.entries[:-1])) == 1


async def test_reschedule_to_another_function(place: Place, journal: Journal) -> None:
    class Machine(Worker):
        async def connect(self) -> None:
            journal("connect")
            self.tasks.work = await reSchedule(self.read)

        async def read(self) -> None:
            journal("read")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Machine)
        self.tasks.work = await reCreate(None, self.connect)

    async with place(Machine)(journal, steps):
        await journal.seen("read")
    assert journal.entries == ["connect", "read"]


async def test_reschedule_from_enter_starts_it(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        self.tasks.work = await reSchedule(self.returns)

    async with place(Worker)(journal, steps):
        await journal.seen("returned")


async def test_reschedule_twice_in_one_run_makes_two_tasks(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        async def split(self) -> None:
            self.tasks.work = await reSchedule(self.waits, "left")
            self.tasks.other = await reSchedule(self.waits, "right")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.split)

    async with place(Thread)(journal, steps) as thread:
        await journal.seen(("left", "began"))
        await journal.seen(("right", "began"))
        assert len(thread.statistics().tasks) == 2
    assert journal.count(("left", "ended")) == journal.count(("right", "ended")) == 1


async def test_a_cancel_ends_a_task_that_reschedules_itself_in_spite(
    place: Place, journal: Journal
) -> None:
    class Thread(Worker):
        async def tick(self) -> None:
            journal("tick")
            try:
                await forever()
            except asyncio.CancelledError:
                journal("caught")
            self.tasks.work = await reSchedule(self.tick)

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.tick)
        await journal.seen("tick")
        self.tasks.work = await delete(self.tasks.work)
        journal("deleted")

    async with place(Thread)(journal, steps) as thread:
        assert thread.statistics().tasks == ()
    assert journal.entries == ["tick", "caught", "deleted"]


async def test_delete_cancels_waits_and_returns_none(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        self.tasks.work = await reCreate(None, self.waits)
        await journal.seen(("waits", "began"))
        ref = self.tasks.work
        self.tasks.work = await delete(self.tasks.work)
        assert self.tasks.work is None
        assert ref.done()
        assert journal.entries[-1] == ("waits", "ended")

    async with place(Worker)(journal, steps):
        pass


async def test_delete_of_none_and_of_what_has_ended(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        assert await delete(None) is None
        ref = await reCreate(None, self.returns)
        await journal.seen("returned")
        assert await delete(ref) is None
        assert await delete(ref) is None

    async with place(Worker)(journal, steps):
        pass


async def test_a_task_deletes_itself_and_finishes_its_run(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        async def last(self) -> None:
            self.tasks.work = await delete(self.tasks.work)
            await asyncio.sleep(0)
            journal("went on")
            self.tasks.work = await reSchedule(self.last)

        async def signalHandler__(self, signal: Signal) -> None:
            assert self.statistics().tasks == ()
            journal("no task")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.last)

    async with place(Thread)(journal, steps) as thread:
        await journal.seen("went on")
        await thread.insertSignal(message(1))
        await journal.seen("no task")
    assert journal.count("went on") == 1


async def test_no_cancelled_error_of_the_old_task_reaches_the_caller(
    place: Place, journal: Journal
) -> None:
    class Thread(Worker):
        async def raises_when_cancelled(self) -> None:
            journal("began")
            try:
                await forever()
            finally:
                raise ValueError("in the clean-up")

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        for _ in range(3):
            ref = await reCreate(None, self.waits)
            assert await delete(ref) is None
            ref = await reCreate(None, self.waits)
            await reCreate(ref, self.waits)
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
        ref = await reCreate(None, self.raises_when_cancelled)
        await journal.seen("began")
        assert await delete(ref) is None
        journal("went on")

    async with place(Thread)(journal, steps) as thread:
        assert thread.state is State.RUNNING
    assert "went on" in journal.entries


async def test_a_cancel_of_the_caller_itself_does_reach_it(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        stop_timeout = 0.4

        async def slow_to_end(self) -> None:
            journal("began")
            try:
                await forever()
            finally:
                journal("ending")
                await journal.seen("let go")

        async def deletes(self) -> None:
            try:
                await delete(self.tasks.other)
            except asyncio.CancelledError:
                journal("cancelled")
                raise

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.other = await reCreate(None, self.slow_to_end)
        await journal.seen("began")
        self.tasks.work = await reCreate(None, self.deletes)
        await journal.seen("ending")
        self.tasks.work.cancel()
        await journal.seen("cancelled")
        journal("let go")

    async with place(Thread)(journal, steps):
        pass


async def test_a_task_that_swallows_its_cancel_is_ended_in_time(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Thread(Worker):
        stop_timeout = 0.3

        async def swallows(self) -> None:
            while True:
                try:
                    journal("waiting")
                    await forever()
                except asyncio.CancelledError:
                    continue

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        ref = self.tasks.work = await reCreate(None, self.swallows)
        await journal.seen("waiting")
        begun = monotonic()
        self.tasks.work = await delete(self.tasks.work)
        assert monotonic() - begun < PATIENCE / 2
        await asyncio.sleep(0)
        assert ref.done()

    async with place(Thread)(journal, steps) as thread:
        assert thread.statistics().tasks == ()
    assert any("work" in r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)
