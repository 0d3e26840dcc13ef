"""Many children: a thousand on one loop, a hundred with loops of their own."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from types import FrameType
from typing import Any

import pytest

from task_thread import State, TaskThread, VirtualThread
from tests.supervision.parts import (
    Parent,
    Part,
    RestartType,
    Strategy,
    instance,
    parent_class,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message, on_parents_loop, own_thread

CROWDS = [
    pytest.param(on_parents_loop, 1000, id="virtual"),
    pytest.param(own_thread, 100, id="os-thread"),
]


@pytest.mark.parametrize(("place", "number"), CROWDS)
async def test_all_of_them_crash_and_come_back(
    home: Place, journal: Journal, place: Place, number: int
) -> None:
    cls = place(Part)
    async with supervisor(home, journal, max_restarts=number) as sup:
        handles = [await sup.spawn(cls, journal, str(n)) for n in range(number)]
        assert sup.handles == handles
        for handle in handles:
            handle.post(message("crash"))
        found = await asyncio.gather(*(instance(handle) for handle in handles))
        assert found == [handle.thread for handle in handles]
        assert {handle.generation for handle in handles} == {2}
        assert sup.handles == handles
        assert len(sup.children) == number
        assert sup.state is State.RUNNING
        handles[-1].post(message("crash"))
        assert (await sup.join()).kind == "crash"
        assert {handle.state for handle in handles} == {State.STOPPED, State.CRASHED}


@pytest.mark.parametrize(("place", "number"), CROWDS)
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_large_group_restarts_as_one(
    home: Place, journal: Journal, place: Place, number: int, strategy: Strategy
) -> None:
    cls = place(Part)
    async with supervisor(home, journal, strategy=strategy, max_restarts=1) as sup:
        handles = [await sup.spawn(cls, journal, str(n)) for n in range(number // 2)]
        handles[0].post(message("crash"))
        await journal.seen((handles[-1].name, "enter__"), 2)
        assert await instance(handles[-1]) is handles[-1].thread
        assert {handle.generation for handle in handles} == {2}
        assert sup.handles == handles


@pytest.mark.parametrize(("place", "number"), CROWDS)
async def test_they_are_counted_and_forgotten(
    home: Place, journal: Journal, place: Place, number: int
) -> None:
    cls = place(Part)
    async with supervisor(home, journal) as sup:
        half = number // 2
        handles = [await sup.spawn(cls, journal, restart="temporary") for _ in range(half)]
        assert len(sup.handles) == len(sup.children) == half
        handles += [await sup.spawn(cls, journal, restart="temporary") for _ in range(half)]
        assert len(sup.handles) == len(sup.children) == number
        assert sup.handles == handles == sup.handles
        for handle in handles:
            handle.post(message("crash"))
        await asyncio.gather(*(handle.join() for handle in handles))
        assert sup.handles == sup.children == []
        assert sup.state is State.RUNNING


async def test_parents_by_the_hundred(home: Place, journal: Journal) -> None:
    inner = parent_class(on_parents_loop)
    async with supervisor(home, journal) as sup:
        handles = [await sup.spawn(inner, journal, str(n)) for n in range(200)]
        workers = [await handle.thread.spawn(VirtualPart, journal) for handle in handles]
        assert len(sup.handles) == 200
        assert [handle.thread.handles for handle in handles] == [[each] for each in workers]
        for handle in handles:
            await sup.delChild(handle)
        assert sup.handles == []
        assert {worker.state for worker in workers} == {State.STOPPED}


class VirtualPart(Part, VirtualThread):
    """Cheap enough to be spawned by the thousand."""


class Bare(VirtualThread):
    """The cheapest child there is."""


class Lines:
    """Counts the lines of the core that run in this OS thread: a clock that no load disturbs."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if "task_thread" in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        self.count += event == "line"
        return self._line


async def spawn_and_stop(sup: Parent, number: int, restart: RestartType) -> float:
    """Lines for each child: of its start, its stop, its end and its removal."""
    with Lines() as lines:
        handles = [await sup.spawn(Bare, restart=restart) for _ in range(number)]
        for handle in handles:
            await handle.stop()
        for handle in handles:
            await sup.delChild(handle)
        assert sup.handles == []
    return lines.count / number


@pytest.mark.parametrize("restart", ["permanent", "temporary"])
async def test_the_cost_of_one_does_not_grow_with_their_number(
    journal: Journal, restart: RestartType
) -> None:
    async with supervisor(on_parents_loop, journal) as sup:
        await spawn_and_stop(sup, 5, restart)
        few = await spawn_and_stop(sup, 20, restart)
        many = await spawn_and_stop(sup, 400, restart)
        assert few > 100  # it does count
        assert many < 1.1 * few


# ---- what is kept of them -----------------------------------------------------------------


class Luggage:
    """Something large that a child is given and does not keep."""


class Traveller(TaskThread):
    def __init__(self, luggage: Luggage, parent: TaskThread | None = None) -> None:
        super().__init__(parent=parent)


async def gone(reference: weakref.ref[Any]) -> bool:
    """Whether nothing holds it, after all that is still under way on this loop."""
    for _ in range(10):
        await asyncio.sleep(0)
    gc.collect()
    return reference() is None


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_the_arguments_are_kept_as_long_as_they_can_be_needed(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal) as sup:
        luggage = Luggage()
        there = weakref.ref(luggage)
        handle: Any = await sup.spawn(place(Traveller), luggage, restart=restart)
        del luggage
        assert not await gone(there)
        if restart == "temporary":
            await handle.thread.stop()
            await handle.join()
        else:
            await sup.delChild(handle)
        del handle
        # Its parent's last look at it is behind a signal that is handled.
        await sup.insertSignal(message("next"))
        await journal.seen(("sup", "next"))
        assert await gone(there)


@pytest.mark.parametrize("how", ["end", "crash"])
async def test_old_instances_are_not_kept(
    home: Place, place: Place, journal: Journal, how: str
) -> None:
    async with supervisor(home, journal, max_restarts=3) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        old: list[weakref.ref[Any]] = []
        for number in range(3):
            old.append(weakref.ref(handle.thread))
            handle.post(message(how))
            await journal.seen(("a", "enter__"), number + 2)
            await instance(handle)
        await sup.insertSignal(message("next"))
        await journal.seen(("sup", "next"))
        # The traceback of the last crash, in handle.last_exit, holds the one that crashed.
        for each in old if how == "end" else old[:-1]:
            assert await gone(each)
