"""Permanent, transient, temporary: who comes back after which end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from task_thread import ExitReason, Handle, State, TaskThread
from task_thread.signals import Signal
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
    instance,
    lives,
    spawn_all,
    supervisor,
)
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import (
    Place,
    Plain,
    message,
    own_thread,
    payload,
)


async def by_its_handler(handle: Handle[Part]) -> None:
    await handle.insertSignal(message("end"))


async def by_request(handle: Handle[Part]) -> None:
    await handle.thread.requestTerminate()


async def by_stop(handle: Handle[Part]) -> None:
    await handle.thread.stop()


async def by_terminate(handle: Handle[Part]) -> None:
    await handle.thread.terminate()


async def by_crash(handle: Handle[Part]) -> None:
    handle.post(message("crash"))


ENDS = [
    pytest.param(by_its_handler, "normal", id="handler-false"),
    pytest.param(by_request, "normal", id="requestTerminate"),
    pytest.param(by_stop, "shutdown", id="stop"),
    pytest.param(by_terminate, "shutdown", id="terminate"),
    pytest.param(by_crash, "crash", id="crash"),
]


def comes_back(restart: RestartType, kind: str) -> bool:
    """The contract, once more."""
    if restart == "permanent":
        return True
    return restart == "transient" and kind not in ("normal", "shutdown")


async def check_what_follows(
    sup: Parent, handle: Handle[Part], first: TaskThread, restart: RestartType, kind: str
) -> None:
    """After the first instance's end for that reason."""
    if comes_back(restart, kind):
        second = await instance(handle)
        assert second is not first
        assert second.state is State.RUNNING
        assert (handle.generation, handle.restarts) == (2, 1)
        assert handle.last_exit is not None
        assert handle.last_exit.kind == kind
        assert sup.handles == [handle]
        assert sup.children == [second]
    else:
        assert (await handle.join()).kind == kind
        assert handle.thread is first
        assert handle.restarting is False
        assert (handle.generation, handle.restarts) == (1, 0)
        assert sup.handles == ([] if restart == "temporary" else [handle])
        assert sup.children == []


@pytest.mark.parametrize("restart", RESTART_TYPES)
@pytest.mark.parametrize(("end", "kind"), ENDS)
async def test_who_comes_back_after_which_end(
    home: Place, place: Place, journal: Journal, restart: RestartType, end: object, kind: str
) -> None:
    assert callable(end)
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart=restart)
        first = handle.thread
        await end(handle)
        assert (await first.join()).kind == kind
        await check_what_follows(sup, handle, first, restart, kind)
        assert sup.state is State.RUNNING
    assert exits(journal)[0] == ("a", kind)
    assert lives(journal) == ("+a -a +a -a" if comes_back(restart, kind) else "+a -a")


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_one_that_was_cut_off_has_failed(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", Script("deaf"), restart=restart)
        first = handle.thread
        await first.stop(timeout=0.5)
        assert first.exit_reason is not None
        assert first.exit_reason.kind == "timeout"
        await check_what_follows(sup, handle, first, restart, "timeout")


class Blocking(Part):
    """Its handler holds the loop up in a call that nobody can interrupt."""

    released = threading.Event()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if payload(signal) == "block":
            self.note("blocks")
            self.released.wait(PATIENCE)
            return None
        return await super().signalHandler__(signal)


@asynccontextmanager
async def releasing() -> AsyncIterator[None]:
    """In the end the call that blocks returns."""
    Blocking.released.clear()
    try:
        yield
    finally:
        Blocking.released.set()


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_one_that_was_abandoned_has_failed(
    home: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal) as sup, releasing():
        handle = await sup.spawn(own_thread(Blocking), journal, "a", restart=restart)
        first = handle.thread
        handle.post(message("block"))
        await journal.seen(("a", "blocks"))
        await first.stop(timeout=0.2)
        assert first.state is State.ABANDONED
        await check_what_follows(sup, handle, first, restart, "abandoned")


async def test_all_who_wait_for_one_that_is_abandoned_are_told_the_same(
    home: Place, journal: Journal
) -> None:
    """Its own child hangs as well, so that it takes a while to give it up."""

    class Carrying(Blocking):
        async def enter__(self) -> None:
            below = await self.spawn(own_thread(Blocking), journal, "b")
            below.post(message("block"))
            await super().enter__()

    async with supervisor(home, journal) as sup, releasing():
        handle = await sup.spawn(own_thread(Carrying), journal, "a", restart="temporary")
        first = handle.thread
        handle.post(message("block"))
        await journal.seen(("a", "blocks"))
        await journal.seen(("b", "blocks"))
        reasons = asyncio.gather(
            first.join(),
            handle.join(),
            *(asyncio.to_thread(lambda: asyncio.run(first.join())) for _ in range(2)),
        )
        await first.stop(timeout=0.4)
        assert {reason.kind for reason in await reasons} == {"abandoned"}
        assert handle.last_exit is first.exit_reason
        await journal.seen(("sup", ("childExited__", "a", "abandoned")))


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_a_crash_in_exit_after_an_order_to_stop_counts_as_a_crash(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    class Sore(Part):
        async def exit__(self) -> None:
            await super().exit__()
            if handle.generation == 1:
                raise ValueError("at the end")

    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Sore), journal, "a", restart=restart)
        first = handle.thread
        await first.stop()
        await check_what_follows(sup, handle, first, restart, "crash")


@pytest.mark.parametrize("kinds", [("normal", "shutdown", "crash", "shutdown", "normal")])
async def test_a_permanent_one_comes_back_after_each_of_many_ends(
    home: Place, place: Place, journal: Journal, kinds: tuple[str, ...]
) -> None:
    ends = {"normal": by_its_handler, "shutdown": by_stop, "crash": by_crash}
    async with supervisor(home, journal, max_restarts=len(kinds)) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        for number, kind in enumerate(kinds, 2):
            await ends[kind](handle)
            await journal.seen(("a", "enter__"), number)
            await instance(handle)
            assert handle.last_exit is not None
            assert handle.last_exit.kind == kind
        assert handle.restarts == len(kinds)
    assert exits(journal) == [*(("a", kind) for kind in kinds), ("a", "shutdown")]


async def test_a_transient_one_that_ended_normally_is_kept_and_can_come_back(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart="transient")
        for kind, end in (("normal", by_its_handler), ("shutdown", by_stop)):
            await end(handle)
            assert (await handle.join()).kind == kind
            assert handle.state is State.STOPPED
            assert sup.handles == [handle]
            await handle.restart()
        assert (handle.generation, handle.restarts) == (3, 0)


async def test_a_transient_one_that_ends_normally_in_its_restart_stays_down(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=1) as sup:
        handle = await sup.spawn(
            place(Part), journal, "a", Script("well", "ends"), restart="transient"
        )
        handle.post(message("crash"))
        assert (await handle.join()).kind == "normal"
        assert handle.restarting is False
        assert sup.handles == [handle]
        assert sup.state is State.RUNNING


async def test_a_permanent_one_that_ends_normally_in_its_restart_is_restarted_once_more(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=3) as sup:
        handle = await sup.spawn(place(Part), journal, "a", Script("well", "ends", "ends"))
        await crash(handle)
        assert handle.restarts == 3
        assert sup.state is State.RUNNING
        handle.post(message("crash"))  # each of them has counted
        assert (await sup.join()).kind == "crash"


async def test_a_temporary_bystander_is_stopped_with_the_group_and_does_not_come_back(
    home: Place, place: Place, journal: Journal
) -> None:
    strategies: tuple[Strategy, ...] = ("one_for_all", "rest_for_one")
    for strategy in strategies:
        async with supervisor(home, journal, strategy=strategy, max_restarts=1) as sup:
            a = await sup.spawn(place(Part), journal, "a")
            b = await sup.spawn(place(Part), journal, "b", restart="temporary")
            await crash(a)
            assert (await b.join()).kind == "shutdown"
            assert sup.handles == [a]
            assert sup.state is State.RUNNING
    assert lives(journal) == " ".join(["+a +b -a -b +a -a"] * 2)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_end_of_a_temporary_one_is_nobodys_restart(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy, max_restarts=0) as sup:
        a, c = await spawn_all(sup, place(Part), journal, "ac")
        b = await sup.spawn(place(Part), journal, "b", restart="temporary")
        for end in (by_its_handler, by_stop, by_crash):
            await end(b)
            await b.join()
            assert sup.handles == [a, c]
            b = await sup.spawn(place(Part), journal, "b", restart="temporary")
        assert (a.generation, c.generation) == (1, 1)
        assert await instance(a) is a.thread


async def test_the_reason_is_one_object_everywhere(
    home: Place, place: Place, journal: Journal
) -> None:
    class Curious(Parent):
        async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
            self.told = child, reason

    async with Plain() as top:
        sup = home(Curious)(journal, "sup", parent=top)
        await sup.run()
        handle = await sup.spawn(place(Part), journal, "a", restart="temporary")
        handle.post(message("crash"))
        reason = await handle.join()
        assert handle.last_exit is reason
        assert handle.thread.exit_reason is reason
        await sup.stop()
        assert sup.told == (handle.thread, reason)
