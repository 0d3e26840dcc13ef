"""The spare OS thread that a tree keeps for its next restart: when it is there, and for whom."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from task_thread import TaskThread
from task_thread.core import spare
from task_thread.core.turns import new_event_loop
from tests.supervision.parts import Part, crash, instance, supervisor
from tests.support.journal import Journal
from tests.support.threads import Place, on_parents_loop, own_thread

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Placed(Part):
    """Knows in which OS thread it lives, and what it sees of its context."""

    async def enter__(self) -> None:
        self.os_thread = threading.current_thread()
        self.name_there = self.os_thread.name
        self.variable = VARIABLE.get()
        await super().enter__()


async def spares(sup: TaskThread) -> list[threading.Thread]:
    """The spares in the process, when all that the last restart left to do has been done."""

    async def nothing() -> None:
        await asyncio.sleep(0)

    await sup._taskthread.errands.run(nothing)
    return [each for each in threading.enumerate() if each.name.endswith("/spare")]


async def test_there_is_none_before_the_first_restart(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        await instance(await sup.spawn(Placed, journal))
        assert await spares(sup) == []


async def test_after_a_restart_there_is_one_which_the_next_instance_gets(
    home: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=9) as sup:
        handle = await sup.spawn(Placed, journal, "part")
        await crash(handle)
        for generation in range(3, 6):
            [waiting] = await spares(sup)
            latest = await crash(handle)
            assert isinstance(latest, Placed)
            assert latest.os_thread is waiting
            assert latest.name_there == "part"
            assert handle.generation == generation
        [waiting] = await spares(sup)
    assert not waiting.is_alive()


async def test_there_is_one_for_all_children_of_a_tree(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=9) as sup:
        handles = [await sup.spawn(Placed, journal, name) for name in "abc"]
        for handle in handles:
            await crash(handle)
        assert len(await spares(sup)) == 1


async def test_it_ends_with_the_child_for_which_it_was_made(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        one, other = [await sup.spawn(Placed, journal, name) for name in "ab"]
        await crash(one)
        [waiting] = await spares(sup)
        await sup.delChild(other)
        assert waiting.is_alive()
        await sup.delChild(one)
        assert not waiting.is_alive()


async def test_who_gets_it_has_the_context_of_its_spawn(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        token = VARIABLE.set("set")
        handle = await sup.spawn(Placed, journal)
        VARIABLE.reset(token)
        await crash(handle)
        [waiting] = await spares(sup)
        latest = await crash(handle)
        assert isinstance(latest, Placed)
        assert latest.os_thread is waiting
        assert latest.variable == "set"


async def test_who_makes_his_own_loops_makes_them_as_before(home: Place, journal: Journal) -> None:
    made: list[tuple[threading.Thread, str]] = []

    class Own(Placed):
        @staticmethod
        def loop_factory() -> asyncio.AbstractEventLoop:
            made.append((threading.current_thread(), VARIABLE.get()))
            return new_event_loop()

    async with supervisor(home, journal) as sup:
        token = VARIABLE.set("set")
        handle = await sup.spawn(Own, journal)
        VARIABLE.reset(token)
        lived: list[Any] = [await instance(handle), await crash(handle), await crash(handle)]
        assert await spares(sup) == []
        assert made == [(each.os_thread, "set") for each in lived]


async def test_virtual_threads_need_none(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        await crash(await sup.spawn(on_parents_loop(Part), journal))
        assert await spares(sup) == []


@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_a_system_that_has_none_to_spare_holds_no_restart_up(
    home: Place, journal: Journal, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(*_: Any) -> None:
        raise error("nothing left")

    monkeypatch.setattr(spare, "Spare", refuse)
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(Placed, journal)
        for generation in (2, 3):
            await crash(handle)
            assert handle.generation == generation
            assert await spares(sup) == []


async def test_what_can_not_be_started_leaves_no_loop(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """no_leaks looks at the loop and its descriptors."""
    start = threading.Thread.start

    def refuse_spares(thread: threading.Thread) -> None:
        if thread.name.endswith("/spare"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_spares)
    async with supervisor(own_thread, journal) as sup:
        handle = await sup.spawn(Placed, journal)
        await crash(handle)
        assert (await crash(handle)) is handle.thread


async def test_one_that_comes_too_late_ends_at_once(journal: Journal) -> None:
    """Its child is removed while it is made."""
    async with supervisor(own_thread, journal) as sup:
        handle = await sup.spawn(Placed, journal)
        latest = await crash(handle)
        await sup.delChild(handle)
        spare.prepare(latest)
        assert await spares(sup) == []
