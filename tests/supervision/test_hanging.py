"""Restarts that hang: in enter__, in a sibling's end, in a call that blocks. Nobody waits long."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

import pytest

from task_thread import Backoff, State
from task_thread.signals import Signal
from tests.supervision.parts import (
    LONG,
    STRATEGIES,
    Part,
    Script,
    Strategy,
    crash,
    exits,
    instance,
    lives,
    parent_class,
    spawn_all,
    supervisor,
)
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import (
    Place,
    Recorder,
    message,
    overdue,
    own_thread,
    payload,
)

SOON = 5.0
"""Seconds: far less than what would pass if somebody waited for what hangs."""


# ---- a start that hangs -------------------------------------------------------------------


async def test_the_parent_goes_on_while_a_child_hangs_in_its_restart(
    home: Place, place: Place, journal: Journal
) -> None:
    script = Script("well", "held")
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a", script=script)
        (b,) = await spawn_all(sup, place(Part), journal, "b")
        first = a.thread
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        assert a.state is State.STARTING
        assert a.thread is not first
        assert sup.handles == [a, b]
        await sup.insertSignal(message("work"))
        await journal.seen(("sup", "work"))
        await crash(b)  # one_for_one: it does not wait for the other
        c = await sup.spawn(place(Part), journal, "c")
        assert sup.handles == [a, b, c]
        script.gate.open()
        assert await instance(a) is a.thread
        assert a.restarting is False


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_parent_can_be_stopped_meanwhile(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        a.thread.script.from_now_on("held")
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        begun = monotonic()
        await sup.stop()
        assert monotonic() - begun < SOON
        assert (await sup.join()).kind == "shutdown"
        assert (await a.join()).kind in ("shutdown", "crash")
        assert (await b.join()).kind == "shutdown"
        assert a.restarting is False


async def test_the_child_can_be_stopped_meanwhile_and_brought_back(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=1) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        script = a.thread.script
        script.from_now_on("held")
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        await a.stop()
        assert a.restarting is False
        assert a.state is State.STOPPED
        assert sup.handles == [a]
        assert sup.children == []
        script.from_now_on("well")
        await a.restart()
        assert await instance(a) is a.thread
        assert sup.state is State.RUNNING


async def test_the_child_can_be_deleted_meanwhile(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        a.thread.script.from_now_on("held")
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        await sup.delChild(a)
        assert sup.handles == sup.children == []
        await a.join()


async def test_a_restart_by_hand_meanwhile_is_the_same_restart(
    home: Place, place: Place, journal: Journal
) -> None:
    script = Script("well", "held")
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a", script=script)
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        restarting = asyncio.create_task(a.restart())
        await asyncio.sleep(0)
        for number in range(2):  # by then the parent has taken it up
            await sup.insertSignal(message(number))
            await journal.seen(("sup", number))
        script.gate.open()
        await restarting
        assert a.generation == 2
        assert await instance(a) is a.thread
    assert lives(journal) == "+a -a +a -a"


async def test_a_group_waits_for_its_turn_and_can_be_stopped_by_hand(
    home: Place, place: Place, journal: Journal
) -> None:
    """rest_for_one: the one in the middle fails its restart again and again, with pauses."""
    pause = Backoff(initial=LONG, maximum=LONG)
    async with supervisor(home, journal, strategy="rest_for_one", max_restarts=8) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        b = await sup.spawn(place(Part), journal, "b", backoff=pause)
        c = await sup.spawn(place(Part), journal, "c")
        first = a.thread
        b.post(message("crash"))
        await c.thread.join()
        assert a.thread is first
        assert b.restarting is True
        assert c.restarting is True
        assert sup.handles == [a, b, c]
        assert sup.children == [first]
        await b.stop()
        assert b.restarting is False
        assert await instance(c) is c.thread  # nobody is in its way any more
        await b.restart()
        assert await instance(b) is b.thread
        assert a.thread is first
        b.post(message("crash"))
        await c.thread.join()
        await sup.stop()
        assert (await a.join()).kind == "shutdown"
        assert (await b.join()).kind == "crash"
        assert c.restarting is False


async def test_one_of_many_alike_that_hangs(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=8) as sup:
        handles = [await sup.spawn(place(Part), journal, script=Script()) for _ in range(3)]
        hanging = handles[1]
        hanging.thread.script.from_now_on("held")
        hanging.post(message("crash"))
        await journal.seen(("part", "begins"), 4)
        running, starting = State.RUNNING, State.STARTING
        assert [handle.state for handle in handles] == [running, starting, running]
        await sup.delChild(hanging)
        assert sup.handles == [handles[0], handles[2]]
        again = await sup.spawn(place(Part), journal, script=Script())
        again.thread.script.from_now_on("held")
        again.post(message("crash"))
        await journal.seen(("part", "begins"), 6)
        begun = monotonic()
        await sup.stop()
        assert monotonic() - begun < SOON


async def test_what_is_restarting_is_counted_as_such(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=20) as sup:
        handles = await spawn_all(sup, place(Part), journal, "abc")

        def counts() -> tuple[int, int, int]:
            """Those it has, those that are up, those that will come."""
            up = [handle for handle in sup.handles if handle.state is State.RUNNING]
            coming = [
                handle
                for handle in sup.handles
                if handle.restarting or handle.state is State.STARTING
            ]
            return len(sup.handles), len(up), len(coming)

        assert counts() == (3, 3, 0)
        for handle in handles[:2]:
            handle.thread.script.from_now_on("held")
            handle.post(message("crash"))
            await journal.seen((handle.name, "begins"), 2)
        assert counts() == (3, 1, 2)
        for handle in handles[:2]:
            handle.thread.script.gate.open()
            await instance(handle)
        assert counts() == (3, 3, 0)
        await handles[2].stop()
        assert counts() == (3, 2, 0)
        await sup.delChild(handles[2])
        assert counts() == (2, 2, 0)


# ---- an end that hangs --------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_sibling_that_does_not_want_to_end_is_cut_off(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        b = await sup.spawn(place(Part), journal, "b", Script("deaf"), stop_timeout=0.5)
        (c,) = await spawn_all(sup, place(Part), journal, "c")
        await crash(a)
        await instance(c)
        assert exits(journal) == [("a", "crash"), ("c", "shutdown"), ("b", "timeout")]
        assert (a.restarts, b.restarts, c.restarts) == (1, 1, 1)
    assert lives(journal) == "+a +b +c -a -c -b +a +b +c -c -b -a"


async def test_a_sibling_that_blocks_is_abandoned_and_replaced(
    home: Place, journal: Journal
) -> None:
    released = threading.Event()

    class Blocking(Part):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "block":
                self.note("blocks")
                released.wait(PATIENCE)
                return None
            return await super().signalHandler__(signal)

    async with supervisor(home, journal, strategy="one_for_all") as sup:
        try:
            (a,) = await spawn_all(sup, own_thread(Blocking), journal, "a")
            (b,) = await spawn_all(sup, own_thread(Blocking), journal, "b", stop_timeout=0.2)
            first = b.thread
            b.post(message("block"))
            await journal.seen(("b", "blocks"))
            await crash(a)
            assert await instance(b) is b.thread
            assert first.state is State.ABANDONED
            assert b.state is State.RUNNING
        finally:
            released.set()
    assert exits(journal)[:2] == [("a", "crash"), ("b", "abandoned")]


@pytest.mark.parametrize(("agreed", "given"), [(0.5, None), (LONG, 0.5)])
async def test_by_hand_too_the_stop_keeps_its_timeout(
    home: Place, place: Place, journal: Journal, agreed: float, given: float | None
) -> None:
    """That which was agreed, or another one that is given with the stop."""
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script("deaf"), stop_timeout=agreed)
        begun = monotonic()
        await a.stop(timeout=given)
        assert monotonic() - begun < SOON
        assert a.last_exit is not None
        assert a.last_exit.kind == "timeout"
        await a.restart()
        await a.stop()
        assert a.last_exit.kind == "shutdown"
        assert a.generation == 2
        assert sup.handles == [a]


async def test_the_parent_goes_on_while_a_child_does_not_want_to_end(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script("deaf"), stop_timeout=2.0)
        stopping = asyncio.create_task(a.stop())
        await journal.seen(("a", "exit__"))
        begun = monotonic()
        await sup.insertSignal(message("work"))
        await journal.seen(("sup", "work"))
        b = await sup.spawn(place(Part), journal, "b")
        await crash(b)
        assert monotonic() - begun < 1.0
        assert not stopping.done()
        await stopping


async def test_the_whole_tree_keeps_the_deadline_of_its_stop(
    home: Place, place: Place, journal: Journal
) -> None:
    async with overdue(home(Recorder)(journal, "top"), "exit__") as top:
        sup = parent_class(home)(journal, "sup", parent=top)
        await sup.run()
        for name, word in zip("abc", ("well", "deaf", "well"), strict=True):
            await sup.spawn(place(Part), journal, name, Script(word), stop_timeout=LONG)
        a, b, c = sup.handles
        begun = monotonic()
        await sup.stop(timeout=1.0)
        assert monotonic() - begun < SOON
        assert [(await each.join()).kind for each in (a, b, c)] == [
            "shutdown",
            "timeout",
            "shutdown",
        ]


async def test_many_alike_some_of_which_do_not_want_to_end(
    home: Place, place: Place, journal: Journal
) -> None:
    async with overdue(home(Recorder)(journal, "top"), "exit__") as top:
        sup = parent_class(home)(journal, "sup", parent=top)
        await sup.run()
        handles = [
            await sup.spawn(
                place(Part), journal, "abcdefgh"[number], Script("deaf" if number % 3 == 1 else ""),
                restart="temporary",
            )
            for number in range(8)
        ]  # fmt: skip
        begun = monotonic()
        await sup.stop(timeout=2.0)
        assert monotonic() - begun < SOON
        reasons = [await handle.join() for handle in handles]
        # Which of the two it is, cut off or given up, is a question of milliseconds here.
        assert [reason.failed for reason in reasons] == [n % 3 == 1 for n in range(8)]
