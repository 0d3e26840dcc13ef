"""Whom a restart concerns, and in which order they end and start."""

from __future__ import annotations

import asyncio

import pytest

from task_thread import State
from tests.supervision.parts import (
    STRATEGIES,
    Part,
    Script,
    Strategy,
    crash,
    exits,
    instance,
    lives,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message

NAMES = "abcd"


def concerned(strategy: Strategy, failed: str, names: str = NAMES) -> str:
    """The contract: who is restarted with `failed`, in the order of the spawn."""
    return {
        "one_for_one": failed,
        "one_for_all": names,
        "rest_for_one": names[names.index(failed) :],
    }[strategy]


def story(strategy: Strategy, failed: str, names: str = NAMES) -> str:
    """What is told of one restart: the one that failed, the others' ends, all the starts."""
    group = concerned(strategy, failed, names)
    others = [f"-{name}" for name in reversed(group) if name != failed]
    return " ".join([f"-{failed}", *others, *(f"+{name}" for name in group)])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("failed", NAMES)
async def test_who_is_restarted_in_which_order(
    home: Place, place: Place, journal: Journal, strategy: Strategy, failed: str
) -> None:
    async with supervisor(home, journal, strategy=strategy) as sup:
        handles = dict(zip(NAMES, await spawn_all(sup, place(Part), journal, NAMES), strict=True))
        before = {name: handle.thread for name, handle in handles.items()}
        handles[failed].post(message("crash"))
        group = concerned(strategy, failed)
        for name in group:  # the youngest last: it is the last to be up again
            await journal.seen((name, "enter__"), 2)
            await instance(handles[name])
        for name, handle in handles.items():
            changed = name in group
            assert (handle.thread is not before[name]) == changed
            assert before[name].state is (
                State.CRASHED if name == failed else State.STOPPED if changed else State.RUNNING
            )
            assert handle.generation == (2 if changed else 1)
            assert handle.state is State.RUNNING
        assert sup.handles == list(handles.values())
        assert set(sup.children) == {handle.thread for handle in handles.values()}
    assert lives(journal, since=4) == f"{story(strategy, failed)} -d -c -b -a"
    told = [(failed, "crash")]
    told += [(name, "shutdown") for name in reversed(group) if name != failed]
    assert exits(journal)[: len(told)] == told


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_one_restart_after_the_other(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    row = "cadb"
    async with supervisor(home, journal, strategy=strategy, max_restarts=4) as sup:
        handles = dict(zip(NAMES, await spawn_all(sup, place(Part), journal, NAMES), strict=True))
        times = dict.fromkeys(NAMES, 1)
        for failed in row:
            handles[failed].post(message("crash"))
            for name in concerned(strategy, failed):
                times[name] += 1
                await journal.seen((name, "enter__"), times[name])
                await instance(handles[name])
        assert {name: handle.generation for name, handle in handles.items()} == times
    stories = " ".join(story(strategy, failed) for failed in row)
    assert lives(journal, since=4) == f"{stories} -d -c -b -a"


async def test_the_order_is_that_of_the_spawn_not_of_the_names(
    home: Place, place: Place, journal: Journal
) -> None:
    order = "gcahb"
    async with supervisor(home, journal, strategy="rest_for_one") as sup:
        handles = await spawn_all(sup, place(Part), journal, order)
        await crash(handles[2])
        await instance(handles[-1])
        assert sup.handles == handles
    assert lives(journal) == (
        "+g +c +a +h +b"  # in the order of the spawn
        " -a -b -h +a +h +b"  # the third one crashes
        " -b -h -a -c -g"  # the youngest place first, though some are older instances
    )


async def test_a_restart_by_hand_keeps_a_childs_place_in_the_order(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, strategy="rest_for_one") as sup:
        a, b, c = await spawn_all(sup, place(Part), journal, "abc")
        await a.restart()
        assert sup.handles == [a, b, c]
        await crash(b)
        await instance(c)
        assert a.generation == 2
        await crash(a)
        await instance(c)
        assert (a.generation, b.generation, c.generation) == (3, 3, 3)
    assert lives(journal) == "+a +b +c -a +a -b -c +b +c -a -c -b +a +b +c -c -b -a"


async def test_children_without_supervision_are_not_concerned(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, strategy="one_for_all") as sup:
        a = await sup.spawn(place(Part), journal, "a")
        loner = place(Part)(journal, "x", parent=sup)
        await loner.run()
        await crash(a)
        assert loner.state is State.RUNNING
        await loner.stop()
        assert await instance(a) is a.thread
        assert (a.generation, a.restarts) == (2, 1)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_who_was_stopped_by_hand_stays_down(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy) as sup:
        a, b, c = await spawn_all(sup, place(Part), journal, "abc")
        await b.stop()
        await crash(a)
        await instance(c)
        assert b.state is State.STOPPED
        assert (b.generation, b.restarting) == (1, False)
        assert sup.handles == [a, b, c]
        await b.restart()
        await crash(a)
        await instance(c)
        assert b.generation == 3
    assert lives(journal) == "+a +b +c -b -a -c +a +c +b -a -c -b +a +b +c -c -b -a"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_the_siblings_count_their_restarts_too(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        await crash(a)
        await instance(b)
        assert (a.restarts, b.restarts) == (1, 1)
        assert b.last_exit is not None
        assert b.last_exit.kind == "shutdown"


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_two_that_crash_at_once(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    """One failure that takes two down is not more than two restarts, and all are up again."""
    async with supervisor(home, journal, strategy=strategy, max_restarts=2) as sup:
        a, b, c = await spawn_all(sup, place(Part), journal, "abc")
        a.post(message("crash"))
        b.post(message("crash"))
        for handle in (a, b, c):
            assert (await instance(handle)).state is State.RUNNING
        await journal.seen(("b", "enter__"), 2)
        assert sup.state is State.RUNNING
        assert exits(journal)[:1] in ([("a", "crash")], [("b", "crash")])


async def test_a_sibling_that_crashes_while_the_group_is_stopped_is_no_second_restart(
    home: Place, place: Place, journal: Journal
) -> None:
    class Leaning(Part):
        """Its end makes the one before it crash."""

        async def exit__(self) -> None:
            if self.name == "c" and b.generation == 1:
                b.post(message("crash"))
                await b.thread.join()
            await super().exit__()

    async with supervisor(home, journal, strategy="one_for_all", max_restarts=1) as sup:
        a, b, c = await spawn_all(sup, place(Leaning), journal, "abc")
        await crash(a)
        assert await instance(c) is c.thread
        assert (a.generation, b.generation, c.generation) == (2, 2, 2)
        assert sup.state is State.RUNNING
    assert exits(journal)[:3] == [("a", "crash"), ("b", "crash"), ("c", "shutdown")]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_spawn_while_the_group_restarts(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    """It waits for its turn, and starts behind the others."""
    script = Script("well", "held")
    async with supervisor(home, journal, strategy=strategy) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a", script=script)
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        spawning = asyncio.create_task(sup.spawn(place(Part), journal, "b"))
        await asyncio.sleep(0)
        script.gate.open()
        b = await spawning
        assert await instance(a) is a.thread
        assert await instance(b) is b.thread
        assert sup.handles == [a, b]
        assert (a.generation, b.generation) == (2, 1)
    assert lives(journal) == "+a -a +a +b -b -a"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_sibling_crashes_while_a_spawn_is_under_way(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    """The new one is one of the group: it starts again with it, and spawn returns then."""
    script = Script("held")
    async with supervisor(home, journal, strategy=strategy) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        spawning = asyncio.create_task(sup.spawn(place(Part), journal, "b", script))
        await journal.seen(("b", "begins"))
        await crash(a)
        script.gate.open()
        b = await spawning
        assert await instance(b) is b.thread
        assert b.state is State.RUNNING
        assert sup.handles == [a, b]
