"""By hand: stop a child, bring it back, forget it, list what there is."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from task_thread import Backoff, ExitReason, State, TaskThread
from task_thread.errors import StartCancelled, ThreadEnded
from task_thread.signals import Signal, TerminateSignal
from tests.supervision.parts import (
    RESTART_TYPES,
    STRATEGIES,
    Parent,
    Part,
    Planned,
    RestartType,
    Script,
    Strategy,
    crash,
    crash_for_good,
    exits,
    instance,
    lives,
    parent_class,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message, payload


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_stopped_by_hand_it_stays_down_and_is_kept(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart=restart)
        other = await sup.spawn(place(Part), journal, "b")
        first = handle.thread
        await handle.stop()
        assert first.state is handle.state is State.STOPPED
        assert handle.restarting is False
        assert handle.last_exit is not None
        assert handle.last_exit.kind == "shutdown"
        assert sup.handles == [handle, other]
        assert sup.children == [other.thread]
        await crash(other)  # whatever was still to come for a would have come before
        assert handle.state is State.STOPPED
    assert lives(journal, of="a") == "+a -a"
    assert exits(journal) == [("a", "shutdown"), ("b", "crash"), ("b", "shutdown")]


async def test_a_temporary_one_that_is_stopped_is_forgotten(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart="temporary")
        await handle.stop()
        assert sup.handles == sup.children == []
        assert handle.state is State.STOPPED


async def test_stopping_what_is_down_already_does_nothing(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        for _ in range(3):
            await handle.stop()
        assert sup.handles == [handle]
        await handle.restart()
        assert await instance(handle) is handle.thread
        other = await sup.spawn(place(Part), journal, "b")
        await crash(other)
        assert handle.state is State.RUNNING  # no stop was left over
    assert lives(journal, of="a") == "+a -a +a -a"


async def test_brought_back_by_hand(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        first = handle.thread
        await handle.stop()
        await handle.restart()
        assert handle.thread is not first
        assert handle.state is State.RUNNING
        assert sup.handles == [handle]
        assert sup.children == [handle.thread]
        assert (handle.generation, handle.restarts) == (2, 0)
        assert await instance(handle) is handle.thread


async def test_a_running_one_is_stopped_first(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        first = handle.thread
        await handle.restart()
        assert first.state is State.STOPPED
        assert handle.state is State.RUNNING
        assert handle.thread is not first
    assert lives(journal) == "+a -a +a -a"


async def test_restarts_by_hand_do_not_count(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=1, restart_window=3600.0) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        for _ in range(5):
            await handle.restart()
        await crash(handle)
        assert sup.state is State.RUNNING
        assert (handle.generation, handle.restarts) == (7, 1)


@pytest.mark.parametrize("word", ["fails", "unmade"])
async def test_a_restart_by_hand_that_fails_says_so_and_the_child_stays_down(
    home: Place, place: Place, journal: Journal, word: str
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        handle = await sup.spawn(place(Part), journal, "a", Script("well", word))
        await handle.stop()
        with pytest.raises(Planned, match=r"a can't"):
            await handle.restart()
        assert sup.handles == [handle]
        assert sup.children == []
        assert handle.restarting is False
        assert sup.state is State.RUNNING
        await handle.restart()
        assert await instance(handle) is handle.thread


async def test_one_that_has_ended_normally_is_brought_back(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart="transient")
        handle.post(message("end"))
        assert (await handle.join()).kind == "normal"
        await handle.restart()
        assert await instance(handle) is handle.thread
        await handle.thread.stop()
        assert (await handle.join()).kind == "shutdown"
        await handle.restart()
        assert handle.generation == 3


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_by_hand_concerns_one_child_only(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy, max_restarts=0) as sup:
        a, b, c = await spawn_all(sup, place(Part), journal, "abc")
        others = a.thread, c.thread
        await b.stop()
        await b.restart()
        await b.restart()
        assert (a.thread, c.thread) == others
        assert (await instance(a), await instance(c)) == others
    assert lives(journal) == "+a +b +c -b +b -b +b -c -b -a"


# ---- forgetting ---------------------------------------------------------------------------


@pytest.mark.parametrize("restart", RESTART_TYPES)
@pytest.mark.parametrize("by", ["handle", "instance"])
async def test_deleted_it_is_stopped_and_forgotten(
    home: Place, place: Place, journal: Journal, restart: RestartType, by: str
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart=restart)
        other = await sup.spawn(place(Part), journal, "b")
        await sup.delChild(handle if by == "handle" else handle.thread)
        assert sup.handles == [other]
        assert sup.children == [other.thread]
        assert handle.state is State.STOPPED
        assert (await handle.join()).kind == "shutdown"
        await crash(other)
    assert lives(journal, of="a") == "+a -a"


async def test_a_deleted_one_does_not_come_back(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        await sup.delChild(handle)
        with pytest.raises(ThreadEnded):
            await handle.restart()
        with pytest.raises(ThreadEnded):
            await handle.insertSignal(message(1))
        await handle.stop()
        await sup.delChild(handle)
        assert sup.handles == []
        again = await sup.spawn(place(Part), journal, "a")
        assert again is not handle
        assert sup.handles == [again]
        assert again.generation == 1


async def test_what_was_stopped_before_is_forgotten_too(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        await handle.stop()
        await sup.delChild(handle)
        assert sup.handles == []
        with pytest.raises(ThreadEnded):
            await handle.restart()


async def test_an_earlier_instance_stands_for_its_child(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        first = handle.thread
        second = await crash(handle)
        await sup.delChild(first)
        assert sup.handles == []
        assert second.state is State.STOPPED


async def test_not_to_come_back_can_be_said_in_child_exited(
    home: Place, place: Place, journal: Journal
) -> None:
    class Own(Parent):
        async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
            await self.delChild(child)
            await super().childExited__(child, reason)

    async with home(Own)(journal, "sup") as sup:
        handle = await sup.spawn(place(Part), journal, "a", backoff=Backoff(initial=30.0))
        handle.post(message("crash"))
        await journal.seen(("sup", ("childExited__", "a", "crash")))
        assert sup.handles == []
        assert (await handle.join()).kind == "crash"
    assert lives(journal) == "+a -a"


async def test_children_without_supervision_are_deleted_as_before(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        child = place(Part)(journal, "a", parent=sup)
        await child.run()
        assert sup.handles == []
        await sup.delChild(child)
        assert sup.children == []


# ---- looking ------------------------------------------------------------------------------


async def test_handles_and_children_through_a_life(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        assert (sup.handles, sup.children) == ([], [])
        a = await sup.spawn(place(Part), journal, "a")
        assert (sup.handles, sup.children) == ([a], [a.thread])
        b = await sup.spawn(place(Part), journal, "b")
        assert (sup.handles, sup.children) == ([a, b], [a.thread, b.thread])
        await a.stop()
        assert (sup.handles, sup.children) == ([a, b], [b.thread])
        await a.restart()
        assert sup.handles == [a, b]
        assert set(sup.children) == {a.thread, b.thread}
        await sup.delChild(a)
        assert (sup.handles, sup.children) == ([b], [b.thread])
        sup.handles.clear()  # a list of one's own
        assert sup.handles == [b]


async def test_many_of_one_class_are_told_apart(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=10) as sup:
        handles = [await sup.spawn(place(Part), journal) for _ in range(3)]
        first, second, third = handles
        assert sup.handles == handles
        kept = first.thread, third.thread
        await second.stop()
        assert (first.thread, third.thread) == kept
        await crash(third)
        assert first.thread is kept[0]
        await sup.delChild(second)
        assert sup.handles == [first, third]


async def test_found_by_its_id_through_all_instances(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        assert sup.findChild("a") is handle.thread
        second = await crash(handle)
        assert sup.findChild("a") is second
        assert sup.findChild(_class=Part) is second
        assert sup.getChildIds() == ["a"]
        await handle.stop()
        assert sup.findChild("a") is None
        assert sup.findChild("b") is None


async def test_the_class_of_an_instance(home: Place, place: Place, journal: Journal) -> None:
    placed = place(Part)
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(placed, journal, "a")
        assert type(handle.thread) is placed
        assert handle.statistics().class_name == "Part"
        assert sup.statistics().class_name == "Parent"


async def test_parents_and_workers_are_listed_alike(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        inner = await sup.spawn(parent_class(home), journal, "inner")
        worker = await sup.spawn(place(Part), journal, "a")
        below = await inner.thread.spawn(place(Part), journal, "b")
        assert sup.handles == [inner, worker]
        assert inner.thread.handles == [below]
        assert sup.statistics().children == ("inner", "a")
        assert inner.statistics().children == ("b",)


# ---- sending to all -----------------------------------------------------------------------


async def test_signals_from_the_parent_by_handle_and_to_all(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        await sup.sigFromParentToChild__(message("one"), a)
        await sup.sigFromParentToChild__(message("all"))
        await journal.seen(("a", "all"))
        await journal.seen(("b", "all"))
        assert ("b", "one") not in journal.entries
        await sup.sigFromParentToChild__(message("two"), b.thread)
        await journal.seen(("b", "two"))
        await crash(a)
        await sup.sigFromParentToChild__(message("again"), a)
        await journal.seen(("a", "again"))


async def test_the_end_of_all_children_by_a_signal_is_no_end_for_good(
    home: Place, place: Place, journal: Journal
) -> None:
    """Whoever ends a permanent child in another way than by its handle sees it come back."""
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        first = a.thread
        await sup.sigFromParentToChild__(TerminateSignal())
        await first.join()
        await journal.seen(("a", "enter__"), 2)
        assert await instance(a) is not first
        second = a.thread
        await second.insertSignal(TerminateSignal())
        await second.join()
        await journal.seen(("a", "enter__"), 3)
        assert await instance(a) is not second
        assert a.restarts == 2


@pytest.mark.parametrize("way", ["insertSignal", "post", "sigFromParentToChild__"])
async def test_a_terminate_signal_through_the_handle_is_a_stop_by_hand(
    home: Place, place: Place, journal: Journal, way: str
) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        if way == "insertSignal":
            await a.insertSignal(TerminateSignal())
        elif way == "post":
            a.post(TerminateSignal())
        else:
            await sup.sigFromParentToChild__(TerminateSignal(), a)
        assert (await a.join()).kind == "shutdown"
        assert sup.handles == [a]
        assert a.state is State.STOPPED
        assert (a.generation, a.restarting) == (1, False)


async def test_from_within_the_parent_and_its_hooks(
    home: Place, place: Place, journal: Journal
) -> None:
    class Own(Parent):
        async def enter__(self) -> None:
            self.a = await self.spawn(place(Part), journal, "a")
            await self.a.stop()
            await self.a.restart()
            await self.a.restart()
            self.b = await self.spawn(place(Part), journal, "b")
            await self.delChild(self.b)

        async def signalHandler__(self, signal: Signal) -> None:
            await self.a.restart()
            await self.a.stop()
            self.note("stopped")

    async with home(Own)(journal, "sup") as sup:
        assert sup.handles == [sup.a]
        await sup.insertSignal(message("go"))
        await journal.seen(("sup", "stopped"))
        assert sup.a.state is State.STOPPED
    assert lives(journal) == "+a -a +a -a +a +b -b -a +a -a"


async def test_from_within_the_child(home: Place, place: Place, journal: Journal) -> None:
    """A child that stops itself by its handle does not wait for its own end."""

    class Own(Part):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "stop":
                await handle.stop()
                self.note("asked")
                return None
            return await super().signalHandler__(signal)

    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Own), journal, "a")
        await handle.insertSignal(message("stop"))
        await handle.join()
        assert ("a", "asked") in journal.entries
        assert handle.state is State.STOPPED
        assert sup.handles == [handle]


async def test_from_several_loops_at_once(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        handle = await sup.spawn(place(Part), journal, "a")

        async def churn() -> None:
            for _ in range(5):
                with contextlib.suppress(
                    ThreadEnded, StartCancelled
                ):  # stopped by another one meanwhile
                    await handle.restart()
                await handle.stop()

        await asyncio.gather(
            churn(), churn(), *(asyncio.to_thread(lambda: asyncio.run(churn())) for _ in range(2))
        )
        await handle.stop()
        assert handle.state is State.STOPPED
        await handle.restart()
        assert await instance(handle) is handle.thread
        assert handle.restarts == 0
        assert sup.children == [handle.thread]


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_after_the_parents_end_handles_still_answer(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart=restart)
        await sup.stop()
        assert (await handle.join()).kind == "shutdown"
        assert handle.state is State.STOPPED
        assert handle.restarting is False
        await handle.stop()
        with pytest.raises(ThreadEnded):
            await handle.restart()
        with pytest.raises(ThreadEnded):
            handle.post(message(1))


async def test_a_temporary_one_that_crashed_is_forgotten(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a", restart="temporary", name="x")
        await crash_for_good(handle)
        assert sup.handles == []
        again = await sup.spawn(place(Part), journal, "a", restart="temporary", name="x")
        assert sup.handles == [again]
