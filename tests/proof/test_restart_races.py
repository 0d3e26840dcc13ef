"""Senders against the restart of their receiver: what was accepted is handled once and in the order
of its sender, whichever instance handles it, and whatever moment the crash comes at."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from task_thread import Handle, TaskThread
from task_thread.errors import InboxFull, ThreadEnded
from task_thread.latch import Latch
from task_thread.signals import Signal
from tests.proof.chaos.ledger import Kill, Ledger, Load, Question, Row, inbox_of
from tests.proof.chaos.senders import SendingThread, idle, insert_all, mix_all, post_all
from tests.proof.chaos.victims import FAILING, WELL, Victim
from tests.proof.trees import PATIENCE, Planned, at_once, awaiting, only, placed

PLACES = [("os", "os"), ("os", "virtual"), ("virtual", "os"), ("virtual", "virtual")]
"""Where the parent lives, and where its child does."""


class Parent(TaskThread):
    """Supervises, and gives up never."""

    max_restarts = 10**9


@asynccontextmanager
async def parent_of(kind: str, **settings: Any) -> AsyncIterator[Parent]:
    """A parent in that place."""
    cls: type[Parent] = type("Parent", (placed(Parent, kind),), settings)
    async with cls() as parent:
        yield parent


def victim_class(kind: str, room: int) -> type[Victim]:
    """Victims in that place, in whose inbox so many may wait (0: any number)."""
    cls: type[Victim] = type("Victim", (placed(Victim, kind),), {"max_qsize": room})
    return cls


def kill_at_random(child: Handle[Victim], row: Row, times: int, rng: random.Random) -> None:
    """In a bare OS thread: end the child's instances, mostly by a signal, else from outside."""
    for _ in range(times):
        idle(rng)
        way = rng.choice((*FAILING, *WELL, "outside"))
        if way == "outside":
            awaiting(child.thread.terminate)()
            continue
        while True:
            try:
                child.post(Kill(way))
            except InboxFull:
                threading.Event().wait(0.0002)
                continue
            row.accepted.append(len(row.accepted))
            break


async def last_word(child: Handle[Victim]) -> None:
    """Return when all that was accepted before has been handled."""
    number = 0
    while True:  # it fails where the last order to end was not carried out yet
        try:
            await child.ask(Question("last", number), timeout=PATIENCE)
        except ThreadEnded:
            number += 1
            continue
        return


@pytest.mark.parametrize(("above", "below"), PLACES)
def test_senders_against_crashes(
    rng: random.Random, switching: None, above: str, below: str
) -> None:
    async def program() -> None:
        async with parent_of(above) as parent:
            restarts = [await one(parent) for _ in range(25)]
        assert sum(restarts) > 50, restarts

    async def one(parent: Parent) -> int:
        ledger = Ledger()
        child = await parent.spawn(victim_class(below, rng.choice((0, 1, 3, 8))), ledger)
        names = ("posting", "other loop", "mixing", "thread", "virtual", "beside")
        rows = {name: Row(name) for name in names}
        seeds = {name: random.Random(rng.random()) for name in names}
        count = 40

        def plan(name: str) -> tuple[Handle[Victim], Row, int, random.Random]:
            return child, rows[name], count, seeds[name]

        others = [
            SendingThread(*plan("thread")),
            placed(SendingThread, "virtual")(*plan("virtual")),
        ]
        for other in others:
            await other.__aenter__()
        beside = asyncio.create_task(mix_all(*plan("beside")))
        kills = Row("kills")
        outcomes = await asyncio.to_thread(
            at_once,
            rng,
            lambda: post_all(*plan("posting")),
            awaiting(lambda: insert_all(*plan("other loop"))),
            awaiting(lambda: mix_all(*plan("mixing"))),
            lambda: kill_at_random(child, kills, 6, seeds["posting"]),
        )
        only(outcomes)
        await beside
        for other in others:
            assert await other.sent.wait(PATIENCE)
            await other.stop()
        await last_word(child)
        before = inbox_of(child)
        await child.stop()
        inbox = inbox_of(child)
        assert (inbox.depth, inbox.dead) == (0, 0), inbox
        assert inbox.handled == ledger.handled() == before.accepted
        last = Row("last", unsure=sorted(set(ledger.by_sender()["last"])))
        ledger.check([*rows.values(), last], dead=0, kills=len(kills.accepted))
        for name in ("posting", "other loop", "thread", "virtual"):
            assert rows[name].accepted == list(range(count))
        assert child.generation == child.restarts + 1
        return child.restarts

    asyncio.run(program())


@pytest.mark.parametrize(("above", "below"), PLACES)
def test_who_waits_in_line_keeps_his_place(rng: random.Random, above: str, below: str) -> None:
    """max_qsize is 1: nearly everyone waits for room, most of them over several crashes."""

    async def program() -> None:
        async with parent_of(above) as parent:
            for _ in range(50):
                await one(parent)

    async def one(parent: Parent) -> None:
        ledger = Ledger()
        child = await parent.spawn(victim_class(below, 1), ledger)
        kills = {number for number in range(40) if rng.random() < 0.15}

        def signals(name: str) -> list[Signal]:
            return [
                Kill(rng.choice((*FAILING, *WELL))) if number in kills else Load(name, number)
                for number in range(20)
            ]

        async def line_up(batch: list[Signal]) -> None:
            # Each in a task of its own: they line up in the order of their first steps.
            async with asyncio.TaskGroup() as group:
                for signal in batch:
                    group.create_task(child.insertSignal(signal))
                    if rng.random() < 0.2:
                        await asyncio.sleep(0)

        names = ("one", "two", "three")
        outcomes = await asyncio.to_thread(
            at_once,
            rng,
            *(awaiting(partial(line_up, signals(name))) for name in names),
        )
        only(outcomes)
        await last_word(child)
        await child.stop()
        given = ledger.by_sender()
        for name in names:
            assert given[name] == [number for number in range(20) if number not in kills]
        assert len(ledger.kills) == 3 * len(kills & set(range(20)))
        inbox = inbox_of(child)
        assert (inbox.depth, inbox.dead) == (0, 0)
        assert inbox.handled == ledger.handled()
        assert inbox.high_water <= 1

    asyncio.run(program())


class Oracle(Victim):
    """Holds a question back when it is told to, and crashes over it."""

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Question) and signal.sender == "under way":
            self.ledger.note(signal)
            raise Planned("under way")
        return await super().signalHandler__(signal)


@pytest.mark.parametrize(("above", "below"), PLACES)
def test_questions_against_crashes(rng: random.Random, above: str, below: str) -> None:
    """One under way fails at once with ThreadEnded; one that waits is the next instance's."""

    async def program() -> None:
        async with parent_of(above) as parent:
            for _ in range(60):
                await one(parent)

    async def one(parent: Parent) -> None:
        ledger = Ledger()
        child = await parent.spawn(placed(Oracle, below), ledger)

        async def ask(sender: str) -> list[int | BaseException]:
            answers: list[int | BaseException] = []
            for number in range(4):
                for _ in range(rng.choice((0, 0, 1, 3))):
                    await asyncio.sleep(0)
                try:
                    number = await child.ask(Question(sender, number), timeout=PATIENCE)
                    answers.append(number)
                except ThreadEnded as error:
                    answers.append(error)
            return answers

        senders = ("patient", "under way", "waiting", "also waiting")
        answers = dict(
            zip(
                senders,
                await asyncio.to_thread(
                    at_once, rng, *(awaiting(partial(ask, sender)) for sender in senders)
                ),
                strict=True,
            )
        )
        only(list(answers.values()))
        for sender, got in answers.items():
            assert isinstance(got, list)
            if sender == "under way":
                assert all(isinstance(each, ThreadEnded) for each in got), got
            else:  # it never was in a handler that raised
                assert got == [0, 1, 2, 3], got
        # Each was given to one handler, whatever became of it there.
        assert all(row == [0, 1, 2, 3] for row in ledger.by_sender().values())
        await last_word(child)
        await child.stop()
        assert child.restarts == 4
        assert inbox_of(child).handled == ledger.handled()

    asyncio.run(program())


class Hanging(Victim):
    """Blocks its OS thread when it is told to, until the test lets it go."""

    max_qsize = 0

    def __init__(self, ledger: Ledger, blocked: Latch[None], released: threading.Event) -> None:
        self.blocked, self.released = blocked, released
        super().__init__(ledger)

    async def die(self, way: str) -> bool | None:
        if way == "hang":
            self.blocked.set(None)
            self.released.wait(PATIENCE)
            return None
        return await super().die(way)


@pytest.mark.parametrize("below", ["os", "virtual"])
def test_what_an_abandoned_one_leaves_goes_to_its_heir(rng: random.Random, below: str) -> None:
    """Its sibling crashes, the strategy wants all to start afresh, and it does not end in time.

    A virtual sibling is what crashes, or what stands beside it; what hangs has an OS thread.
    """

    async def program() -> None:
        async with parent_of("os", strategy="one_for_all", stop_timeout=5.0) as parent:
            for _ in range(12):
                await one(parent)

    async def one(parent: Parent) -> None:
        ledger, books = Ledger(), Ledger()
        blocked: Latch[None] = Latch()
        released = threading.Event()
        hanging = await parent.spawn(Hanging, ledger, blocked, released, stop_timeout=0.05)
        sibling = await parent.spawn(placed(Victim, below), books)
        first = hanging.thread
        rows = [Row("before"), Row("meanwhile"), Row("posting")]
        await hanging.insertSignal(Kill("hang"))
        await insert_all(hanging, rows[0], 20, rng)
        assert await blocked.wait(PATIENCE)
        await sibling.insertSignal(Kill("handler"))
        outcomes = await asyncio.to_thread(
            at_once,
            rng,
            awaiting(lambda: insert_all(hanging, rows[1], 300, random.Random(rng.random()))),
            lambda: post_all(hanging, rows[2], 300, random.Random(rng.random())),
        )
        only(outcomes)
        await last_word(hanging)
        assert hanging.generation == 2
        assert hanging.last_exit is not None
        assert hanging.last_exit.kind == "abandoned"
        assert hanging.thread is not first
        released.set()
        await hanging.stop()
        await sibling.stop()
        inbox = inbox_of(hanging)
        assert (inbox.depth, inbox.dead) == (0, 0), inbox
        for row in rows:
            assert ledger.by_sender()[row.sender] == row.accepted
        assert inbox.handled == ledger.handled()
        for handle in (hanging, sibling):
            await parent.delChild(handle)

    asyncio.run(program())


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize(("above", "below"), PLACES)
def test_the_parents_stop_in_the_middle(
    rng: random.Random, above: str, below: str, strategy: str
) -> None:
    """Nothing is left waiting, and all that was accepted is handled or counted dead."""

    async def program() -> None:
        for _ in range(15):
            async with parent_of(above, strategy=strategy) as parent:
                await one(parent)

    async def one(parent: Parent) -> None:
        room = rng.choice((0, 1, 4))
        books = [Ledger() for _ in range(2)]
        children = [await parent.spawn(victim_class(below, room), each) for each in books]
        rows = [[Row("posting"), Row("inserting"), Row("mixing")] for _ in children]
        kills = [Row("kills") for _ in children]

        def kill(child: Handle[Victim], row: Row) -> None:
            with pytest.raises(ThreadEnded):
                while True:
                    kill_at_random(child, row, 1, rng)

        works: list[Callable[[], object]] = []
        for child, (posting, inserting, mixing) in zip(children, rows, strict=True):
            seeds = [random.Random(rng.random()) for _ in range(3)]
            works += [
                partial(post_all, child, posting, 1000, seeds[0]),
                awaiting(partial(insert_all, child, inserting, 1000, seeds[1])),
                awaiting(partial(mix_all, child, mixing, 100, seeds[2])),
            ]
        works.append(lambda: kill(children[0], kills[0]))

        async def stop() -> None:
            await asyncio.sleep(rng.uniform(0, 0.02))  # the moment is what is drawn
            await parent.stop()

        works.append(awaiting(stop))
        outcomes = await asyncio.to_thread(at_once, rng, *works)
        only(outcomes)
        for child, book, its_rows, killing in zip(children, books, rows, kills, strict=True):
            inbox = inbox_of(child)
            assert inbox.depth == 0
            assert inbox.handled == book.handled()
            book.check(its_rows, dead=inbox.dead, kills=len(killing.accepted))
            assert child.restarting is False
            assert (await child.join()).kind in ("shutdown", "crash", "normal")

    asyncio.run(program())
