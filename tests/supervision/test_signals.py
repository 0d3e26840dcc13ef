"""Signals over restarts: to the instance of the moment, kept while there is none, each of them
handled once, in order, or counted as dead."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest

from task_thread import Backoff, Handle, State, TaskThread
from task_thread.errors import AskTimeout, InboxFull, SendTimeout, ThreadEnded
from task_thread.signals import Request, Signal
from tests.supervision.parts import (
    LONG,
    STRATEGIES,
    Part,
    Planned,
    Script,
    Strategy,
    Who,
    crash,
    instance,
    spawn_all,
    supervisor,
)
from tests.support.inboxes import handled
from tests.support.journal import Journal
from tests.support.threads import Place, message, payload, post_at_last

FOR_EVER = Backoff(initial=LONG, maximum=LONG, jitter=0)
QUIET = {"begins", "constructed", "holds"}


def told(journal: Journal, name: str = "a") -> list[object]:
    """The payloads that the instances of one child have handled, in order."""
    return [what for what in handled(journal, name) if what not in QUIET]


def check_sums(handle: Handle[Part]) -> None:
    inbox = handle.statistics().inbox
    assert inbox.accepted == inbox.handled + inbox.dead + inbox.depth, inbox


async def bring_down(handle: Handle[Part], journal: Journal) -> None:
    """Crash a child that has a long pause before its restart."""
    handle.post(message("crash"))
    await journal.seen(("sup", ("childExited__", str(handle.name), "crash")))
    assert handle.restarting is True


async def test_they_reach_the_instance_of_the_moment(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        for number in range(3):
            a.post(message((number, "posted")))
            await a.insertSignal(message((number, "inserted")))
            assert await instance(a) is a.thread
            await crash(a)
    ways = ("posted", "inserted")
    assert told(journal) == [(number, way) for number in range(3) for way in ways]


async def test_what_was_accepted_before_the_crash_is_handled_after_it(
    home: Place, place: Place, journal: Journal
) -> None:
    """The signal that was being handled counts as handled; those behind it are kept, in order."""
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script())
        gate = a.thread.script.gate
        a.post(message("hold"))
        await journal.seen(("a", "holds"))
        a.post(message("before"))
        a.post(message("crash"))
        for number in range(5):
            await a.insertSignal(message(number))
        first = a.thread
        gate.open()
        second = await instance(a)
        assert second is not first
        assert told(journal) == ["before", *range(5)]
        inbox = a.statistics().inbox
        assert (inbox.accepted, inbox.handled, inbox.dead, inbox.depth) == (9, 9, 0, 0)
    told_in_order = [entry for entry in journal.entries if entry[0] == "a"]
    assert told_in_order.index(("a", "before")) < told_in_order.index(("a", "exit__"))
    assert told_in_order.index(("a", "exit__")) < told_in_order.index(("a", 0))


@pytest.mark.parametrize("way", ["post", "insertSignal", "parent", "ask"])
async def test_what_is_sent_while_it_is_down_waits_for_the_next_instance(
    home: Place, place: Place, journal: Journal, way: str
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        await bring_down(a, journal)
        asking = asyncio.create_task(instance(a)) if way == "ask" else None
        for number in range(3):
            if way == "post":
                a.post(message(number))
            elif way == "insertSignal":
                await a.insertSignal(message(number))
            elif way == "parent":
                await sup.sigFromParentToChild__(message(number), a)
        if way != "ask":
            assert a.statistics().inbox.depth == 3
        await a.restart()
        if asking is not None:
            assert await asking is a.thread
        else:
            await instance(a)
            assert told(journal) == [0, 1, 2]
        check_sums(a)


async def test_to_all_children_includes_those_that_are_down(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        (b,) = await spawn_all(sup, place(Part), journal, "b")
        await bring_down(a, journal)
        await sup.sigFromParentToChild__(message("all"))
        await a.restart()
        await instance(a)
        await instance(b)
        assert told(journal, "a") == told(journal, "b") == ["all"]


async def test_what_was_sent_from_elsewhere_is_kept_too(
    home: Place, place: Place, journal: Journal
) -> None:
    """From another OS thread, and from a thread of ours: each sender's row stays in order."""

    class Sender(Part):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "send":
                for number in range(40):
                    await a.insertSignal(message(("thread", number)))
                self.note("sent")
                return None
            return await super().signalHandler__(signal)

    def post() -> None:
        for number in range(40):
            post_at_last(a, message(("posted", number)))  # it may be between two instances

    async with supervisor(home, journal, max_restarts=100) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        sender = await sup.spawn(place(Sender), journal, "s")
        poster = threading.Thread(target=post)
        poster.start()
        sender.post(message("send"))
        for _ in range(5):
            await crash(a)
        await asyncio.to_thread(poster.join)
        await journal.seen(("s", "sent"))
        await instance(a)
        for origin in ("thread", "posted"):
            row = [
                what[1] for what in told(journal) if isinstance(what, tuple) and what[0] == origin
            ]
            assert row == list(range(40))
        inbox = a.statistics().inbox
        assert inbox.dead == 0
        check_sums(a)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_bystander_loses_nothing(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    """A sibling that is stopped with the group handles or keeps what it has accepted."""
    async with supervisor(home, journal, strategy=strategy, max_restarts=10) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        for number in range(60):
            await b.insertSignal(message(number))
            if number % 20 == 10:
                a.post(message("crash"))
        await journal.seen(("a", "enter__"), 4)
        await instance(a)
        await instance(b)
        assert told(journal, "b") == list(range(60))
        assert b.statistics().inbox.dead == 0


@pytest.mark.parametrize("seed", range(3))
async def test_random_crashes_among_signals(
    home: Place, place: Place, journal: Journal, seed: int
) -> None:
    chance = random.Random(seed)
    async with supervisor(home, journal, max_restarts=1000) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        crashes = 0
        for number in range(100):
            await a.insertSignal(message(number))
            if chance.random() < 0.1:
                await a.insertSignal(message("crash"))
                crashes += 1
        await instance(a)
        assert told(journal) == list(range(100))
        inbox = a.statistics().inbox
        assert inbox.accepted == 100 + crashes + 1
        assert inbox.handled == inbox.accepted
        assert a.restarts == crashes


# ---- questions ----------------------------------------------------------------------------


class Slow(Request[int]):
    """Is under way when the thread that was asked crashes."""


class Asked(Part):
    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Slow):
            self.note("asked")
            await self.script.gate.passed()
            raise Planned("while it was asked")
        return await super().signalHandler__(signal)


async def test_a_question_that_was_under_way_fails(
    home: Place, place: Place, journal: Journal
) -> None:
    script = Script()
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Asked), journal, "a", script)
        asking = asyncio.create_task(a.ask(Slow()))
        await journal.seen(("a", "asked"))
        behind = asyncio.create_task(a.ask(Who()))
        a.post(message("behind"))
        script.gate.open()
        with pytest.raises(ThreadEnded):
            await asking
        second = await behind  # it was still in the inbox: the next instance answers
        assert second is a.thread
        assert a.generation == 2
        assert journal.count(("a", "asked")) == 1
        assert a.statistics().inbox.dead == 0


async def test_a_question_to_one_that_is_down_keeps_its_time_limit(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        await bring_down(a, journal)
        with pytest.raises(AskTimeout):
            await a.ask(Who(), timeout=0.05)


async def test_a_question_whose_child_is_given_up_fails(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        a.post(message("hold"))
        await journal.seen(("a", "holds"))
        a.post(message("crash"))
        asking = asyncio.create_task(a.ask(Who()))
        await asyncio.sleep(0)  # its first step sends it, behind the crash
        a.thread.script.gate.open()
        with pytest.raises(ThreadEnded):
            await asking
        await sup.join()


async def test_an_answered_question_is_not_asked_again(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        question = Who()
        await a.ask(question)
        with pytest.raises(ValueError, match="asked before"):
            await a.ask(question)


# ---- room ---------------------------------------------------------------------------------


class Tight(Part):
    max_qsize = 2
    send_timeout = 20.0


async def test_an_inbox_without_instance_is_as_large_as_ever(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Tight), journal, "a", backoff=FOR_EVER)
        await bring_down(a, journal)
        a.post(message(0))
        a.post(message(1))
        with pytest.raises(InboxFull):
            a.post(message("refused"))
        inbox = a.statistics().inbox
        assert (inbox.depth, inbox.capacity) == (2, 2)
        waiting = [asyncio.create_task(a.insertSignal(message(n))) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        await a.restart()
        await asyncio.gather(*waiting)
        await instance(a)
        assert told(journal) == [0, 1, 2, 3, 4]
        check_sums(a)


async def test_who_waits_for_room_in_vain_is_told(
    home: Place, place: Place, journal: Journal
) -> None:
    class Impatient(Tight):
        send_timeout = 0.05

    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Impatient), journal, "a", backoff=FOR_EVER)
        await bring_down(a, journal)
        a.post(message(0))
        a.post(message(1))
        with pytest.raises(SendTimeout):
            await a.insertSignal(message("refused"))
        await a.restart()
        await instance(a)
        assert told(journal) == [0, 1]


async def test_who_waited_for_room_when_it_crashed_goes_on_waiting(
    home: Place, place: Place, journal: Journal
) -> None:
    script = Script()
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Tight), journal, "a", script)
        a.post(message("hold"))
        await journal.seen(("a", "holds"))
        a.post(message("crash"))
        a.post(message(0))
        waiting = [asyncio.create_task(a.insertSignal(message(n))) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        script.gate.open()
        await asyncio.gather(*waiting)
        await instance(a)
        assert a.generation == 2
        assert told(journal) == [0, 1, 2, 3]
        assert a.statistics().inbox.dead == 0
        check_sums(a)


# ---- the end ------------------------------------------------------------------------------


async def test_given_up_what_it_kept_is_dead(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        a.post(message("hold"))
        await journal.seen(("a", "holds"))
        a.post(message("crash"))
        for number in range(5):
            a.post(message(number))
        a.thread.script.gate.open()
        await a.join()
        await sup.join()
        inbox = a.statistics().inbox
        assert (inbox.accepted, inbox.handled, inbox.dead, inbox.depth) == (7, 2, 5, 0)
        with pytest.raises(ThreadEnded):
            a.post(message("too late"))
        with pytest.raises(ThreadEnded):
            await a.insertSignal(message("too late"))
        with pytest.raises(ThreadEnded):
            await a.ask(Who())
    assert told(journal) == []


@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_of_one_that_does_not_come_back_too(
    home: Place, place: Place, journal: Journal, restart: str
) -> None:
    how, kind = ("crash", "crash") if restart == "temporary" else ("end", "normal")
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", restart=restart)  # type: ignore[arg-type]
        a.post(message("hold"))
        await journal.seen(("a", "holds"))
        a.post(message(how))
        for number in range(3):
            a.post(message(number))
        a.thread.script.gate.open()
        assert (await a.join()).kind == kind
        inbox = a.statistics().inbox
        # A normal end handles what was accepted before; after a crash nobody is there to do so.
        assert inbox.dead == (3 if kind == "crash" else 0)
        check_sums(a)
    assert told(journal) == ([] if kind == "crash" else [0, 1, 2])


async def test_stopped_by_hand_it_handles_what_it_has_accepted(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        for number in range(20):
            a.post(message(number))
        await a.stop()
        assert told(journal) == list(range(20))
        assert a.statistics().inbox.dead == 0
        with pytest.raises(ThreadEnded):
            a.post(message("too late"))
        await a.restart()
        a.post(message("again"))
        await instance(a)
        assert told(journal) == [*range(20), "again"]
        inbox = a.statistics().inbox
        assert (inbox.accepted, inbox.handled) == (22, 22)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_counts_go_on_over_restarts(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(home, journal, strategy=strategy, max_restarts=10) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        for round_ in range(1, 4):
            a.post(message(round_))
            b.post(message(round_))
            await crash(a)
            await instance(b)
            inbox = a.statistics().inbox
            assert (inbox.accepted, inbox.handled) == (3 * round_, 3 * round_)
            assert a.thread.statistics().inbox == inbox
            assert inbox.high_water >= 1
        check_sums(b)
        assert told(journal, "b") == [1, 2, 3]


async def test_signals_of_a_grandchild_to_a_parent_that_crashed(
    home: Place, place: Place, journal: Journal
) -> None:
    """What a child had sent up before its parent crashed is handled by the parent's next
    instance; it is accepted like any other signal."""

    class Middle(Part):
        async def enter__(self) -> None:
            self.child = await self.spawn(place(Part), journal, f"c{self.word}")
            await super().enter__()

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            self.note(("from", str(child), payload(signal)))

    async with supervisor(home, journal) as sup:
        m = await sup.spawn(home(Middle), journal, "a", Script("1", "2"))
        child = m.thread.child
        m.post(message("hold"))
        await journal.seen(("a", "holds"))
        m.post(message("crash"))
        for number in range(3):
            await child.thread.sigFromChildToParent__(message(number))
        m.thread.script.gate.open()
        await journal.seen(("a", "enter__"), 2)
        await instance(m)
        inbox = m.statistics().inbox
        assert inbox.accepted == inbox.handled + inbox.dead + inbox.depth
        assert [what for what in told(journal) if isinstance(what, tuple)] == [
            ("from", "c1", number) for number in range(3)
        ]
        assert m.state is State.RUNNING
