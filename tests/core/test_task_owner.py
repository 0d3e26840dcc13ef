"""The thread owns its tasks, whatever their slots are called, and refuses what it can't own."""

from __future__ import annotations

import asyncio

import pytest

from task_thread import (
    TaskRef,
    delete,
    reCreate,
    reSchedule,
)
from task_thread.errors import NotInThread, ThreadEnded, WrongLoop
from tests.support.journal import Journal
from tests.support.threads import Place, forever
from tests.support.workers import Worker


async def test_a_misnamed_slot_cannot_leak(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        kept: TaskRef

        async def tick(self) -> None:
            journal("tick")
            await asyncio.sleep(0)
            self.tasks.tikc = await reSchedule(self.tick)

        async def exit__(self) -> None:
            self.tasks.work = await delete(self.tasks.work)

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.tick)
        await reCreate(None, self.waits, "in no slot")
        await journal.seen(("in no slot", "began"))
        self.kept = await reCreate(None, self.waits, "in an attribute")
        await journal.seen(("in an attribute", "began"))
        await journal.seen("tick")

    async with place(Thread)(journal, steps) as thread:
        pass
    assert thread.statistics().tasks == ()
    ticks = journal.count("tick")
    assert ("in no slot", "ended") in journal.entries
    assert ("in an attribute", "ended") in journal.entries
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert journal.count("tick") == ticks


async def test_slot_and_asyncio_task_are_named_thread_slot(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        def getId(self) -> str:
            return "poller 7"

        async def named(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            journal((task.get_name(), self.tasks.slot_name.name))
            await forever()

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.slot_name = await reCreate(None, self.named)

    async with place(Thread)(journal, steps) as thread:
        await journal.seen(("poller 7/slot_name", "poller 7/slot_name"))
        assert [task.name for task in thread.statistics().tasks] == ["slot_name"]


async def test_task_in_no_slot_is_named_after_its_function(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        ref = await reCreate(None, self.waits)
        assert ref.name == f"{self}/waits"

    async with place(Worker)(journal, steps) as thread:
        assert [task.name for task in thread.statistics().tasks] == ["waits"]


async def test_function_that_is_no_method_belongs_to_the_thread_around(
    place: Place, journal: Journal
) -> None:
    async def job(number: int) -> None:
        journal(number)
        try:
            await forever()
        finally:
            journal("ended")

    async def steps(self: Worker) -> None:
        self.tasks.work = await reCreate(None, job, 7)
        await journal.seen(7)

    async with place(Worker)(journal, steps):
        pass
    assert journal.entries == [7, "ended"]


async def test_tasks_need_a_thread_around(journal: Journal) -> None:
    with pytest.raises(NotInThread):
        await reCreate(None, forever)
    with pytest.raises(NotInThread):
        await reSchedule(forever)
    with pytest.raises(NotInThread):
        await reCreate(None, Worker(journal).waits)  # does not run yet


async def test_tasks_of_another_loop_are_refused(journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        self.tasks.work = await reCreate(None, self.waits)

    async with Worker(journal, steps) as thread:
        with pytest.raises(WrongLoop, match=str(thread)):
            await reCreate(None, thread.waits)
        with pytest.raises(WrongLoop, match=str(thread)):
            await reSchedule(thread.waits)
        with pytest.raises(WrongLoop, match=str(thread)):
            await delete(thread.tasks.work)


async def test_tasks_of_a_thread_that_has_ended_are_refused(place: Place, journal: Journal) -> None:
    async with place(Worker)(journal) as thread:
        pass
    with pytest.raises((ThreadEnded, WrongLoop)):
        await reCreate(None, thread.waits)


async def test_wrong_arguments_are_an_error_at_the_caller(place: Place, journal: Journal) -> None:
    async def steps(self: Worker) -> None:
        running = self.tasks.work = await reCreate(None, self.waits)
        with pytest.raises(TypeError):
            await reCreate(self.tasks.work, self.waits, 1, 2)
        assert not running.done()  # what ran in the slot still does
        with pytest.raises(TypeError):
            await reSchedule(self.waits, nmae="x")
        with pytest.raises(TypeError, match="coroutine function"):
            await reCreate(None, self.getInfo)  # type: ignore[arg-type]
        called = self.waits()
        with pytest.raises(TypeError, match="do not call it"):
            await reCreate(None, called)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await reCreate("task", self.waits)
        with pytest.raises(TypeError):
            await delete("task")
        journal("checked")

    async with place(Worker)(journal, steps):
        pass
    assert "checked" in journal.entries
