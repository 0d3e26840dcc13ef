"""The parent ends while its children do other things: nothing comes back, and all of it in time."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from task_thread import State
from tests.supervision.parts import (
    RESTART_TYPES,
    STRATEGIES,
    Parent,
    Part,
    RestartType,
    Script,
    Strategy,
    crash,
    exits,
    hooks,
    instance,
    lives,
    parent_class,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, Recorder, message, overdue

SOON = 5.0


@pytest.mark.parametrize("timeout", [None, 60.0])
async def test_children_and_parents_alike_are_asked_and_awaited(
    home: Place, place: Place, journal: Journal, timeout: float | None
) -> None:
    async with supervisor(home, journal) as sup:
        inner = await sup.spawn(parent_class(home), journal, "inner", stop_timeout=timeout)
        below = await inner.thread.spawn(place(Part), journal, "b", stop_timeout=timeout)
        worker = await sup.spawn(place(Part), journal, "a", stop_timeout=timeout)
        await sup.stop()
        for handle in (inner, below, worker):
            assert (await handle.join()).kind == "shutdown"
    assert lives(journal) == "+b +a -a -b"


async def test_one_that_does_not_want_to_end_gets_its_time_and_no_more(
    home: Place, place: Place, journal: Journal
) -> None:
    async with overdue(home(Recorder)(journal, "top"), "exit__") as top:
        sup = parent_class(home)(journal, "sup", parent=top)
        await sup.run()
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        (b,) = await spawn_all(sup, place(Part), journal, "b", script=Script("deaf"))
        begun = monotonic()
        await sup.stop(timeout=0.8)
        assert monotonic() - begun < SOON
        assert (await a.join()).kind == "shutdown"
        assert (await b.join()).kind == "timeout"
        assert (await sup.join()).kind == "shutdown"


@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_without_any_time_it_is_cut_off_at_once(
    home: Place, place: Place, journal: Journal, timeout: float
) -> None:
    """A stop_timeout of 0 is the counterpart of a kill: one does not wait for it."""
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script("deaf"), stop_timeout=timeout)
        b = await sup.spawn(place(Part), journal, "b")
        begun = monotonic()
        await a.stop()
        assert monotonic() - begun < SOON
        assert a.last_exit is not None
        assert a.last_exit.kind in ("timeout", "abandoned")
        assert await instance(b) is b.thread


ENDS = ["crash", "end", "stop"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_children_that_end_by_themselves_meanwhile(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    """While the youngest takes its time to end, the others end in all ways that there are."""
    gate = Script().gate

    class Slow(Part):
        async def exit__(self) -> None:
            self.note("closing")
            await gate.passed()
            await super().exit__()

    async with supervisor(home, journal, strategy=strategy, max_restarts=0) as sup:
        (first,) = await spawn_all(sup, place(Part), journal, "z", restart="temporary")
        others: list[tuple[Any, str]] = [
            (await sup.spawn(place(Part), journal, f"{restart} {how}", restart=restart), how)
            for restart in RESTART_TYPES
            for how in ENDS
        ]
        last = await sup.spawn(place(Slow), journal, "slow")
        stopping = asyncio.create_task(sup.stop())
        await journal.seen(("slow", "closing"))
        for handle, how in others:
            if how == "stop":
                await handle.thread.stop()
            else:
                handle.post(message(how))
                await handle.thread.join()
        gate.open()
        await stopping
        assert (await sup.join()).kind == "shutdown"
        kinds = {"crash": "crash", "end": "normal", "stop": "shutdown"}
        for handle, how in others:
            assert (await handle.join()).kind == kinds[how]
            assert (handle.generation, handle.restarts) == (1, 0)
        assert (await first.join()).kind == (await last.join()).kind == "shutdown"


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_children_that_end_in_their_own_way_when_asked(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    class Stubborn(Part):
        async def stopping__(self) -> None:
            if self.name in ("a", "b"):
                raise ValueError("not like this")

    async with supervisor(home, journal, max_restarts=0) as sup:
        a, b, c = await spawn_all(sup, place(Stubborn), journal, "abc", restart=restart)
        await sup.stop()
        assert (await sup.join()).kind == "shutdown"
        assert [(await each.join()).kind for each in (a, b, c)] == ["crash", "crash", "shutdown"]
        assert {each.generation for each in (a, b, c)} == {1}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_while_siblings_are_stopped_for_a_restart(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    gate = Script().gate

    class Slow(Part):
        async def exit__(self) -> None:
            if self.name == "c":
                self.note("closing")
                await gate.passed()
            await super().exit__()

    async with supervisor(home, journal, strategy=strategy) as sup:
        a, b, c = await spawn_all(sup, place(Slow), journal, "abc")
        a.post(message("crash"))
        await journal.seen(("c", "closing"))
        assert a.restarting is True
        stopping = asyncio.create_task(sup.stop())
        await journal.seen(("sup", "stopping__"))
        gate.open()
        await stopping
        assert [each.generation for each in (a, b, c)] == [1, 1, 1]
        assert not any(each.restarting for each in (a, b, c))
    assert lives(journal) == "+a +b +c -a -c -b"
    assert exits(journal) == [("a", "crash"), ("c", "shutdown"), ("b", "shutdown")]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_while_a_child_enters_again(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        b.thread.script.from_now_on("held")
        b.post(message("crash"))
        await journal.seen(("b", "begins"), 2)
        await sup.stop()
        assert (a.restarting, b.restarting) == (False, False)
        assert b.state is State.STOPPED
        assert hooks(journal, "enter__", of="b") == [("b", "enter__")]


async def test_while_a_constructor_is_at_work(home: Place, place: Place, journal: Journal) -> None:
    """The constructor of a next instance stops its own parent: it does not start any more."""

    class Fatal(Part):
        def __init__(self, journal: Journal, name: str, parent: Parent) -> None:
            super().__init__(journal, name, parent=parent)
            if len(hooks(journal, "constructed")) == 2:
                parent._taskthread.life.order_end("shutdown")

    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Fatal), journal, "a")
        a.post(message("crash"))
        assert (await sup.join()).kind == "shutdown"
        await a.join()
        assert a.restarting is False
    assert lives(journal) == "+a -a"


async def test_from_the_parents_own_hooks(home: Place, place: Place, journal: Journal) -> None:
    class Own(Parent):
        async def childExited__(self, child: Any, reason: Any) -> None:
            await super().childExited__(child, reason)
            await self.stop()

    async with home(Recorder)(journal, "top") as top:
        sup = home(Own)(journal, "sup", parent=top)
        await sup.run()
        a = await sup.spawn(place(Part), journal, "a")
        a.post(message("crash"))
        assert (await sup.join()).kind == "normal"
        await a.join()
        assert a.restarting is False
    assert lives(journal).count("+a") == lives(journal).count("-a")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_parent_that_crashes_stops_its_children_and_restarts_none(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    class Own(parent_class(home, strategy=strategy)):  # type: ignore[misc]
        async def signalHandler__(self, signal: Any) -> None:
            raise ValueError("the parent")

    async with home(Recorder)(journal, "top") as top:
        sup = Own(journal, "sup", parent=top)
        await sup.run()
        handles = await spawn_all(sup, place(Part), journal, "abc")
        sup.post(message(1))
        assert str((await sup.join()).exception) == "the parent"
        assert {(await handle.join()).kind for handle in handles} == {"shutdown"}
    assert lives(journal) == "+a +b +c -c -b -a"


async def test_a_naughty_child_that_refuses_its_end_does_not_hold_up_its_parent(
    home: Place, place: Place, journal: Journal
) -> None:
    class Naughty(Part):
        """Swallows every cancel in its exit."""

        async def exit__(self) -> None:
            self.note("closing")
            while True:
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    continue

    async with supervisor(home, journal) as sup:
        naughty = await sup.spawn(place(Naughty), journal, "a", stop_timeout=0.6)
        stopping = asyncio.create_task(naughty.stop())
        await journal.seen(("a", "closing"))
        await sup.insertSignal(message("foo"))
        await journal.seen(("sup", "foo"))
        await stopping
        assert naughty.last_exit is not None
        assert naughty.last_exit.kind == "timeout"
        await crash(await sup.spawn(place(Part), journal, "b"))
