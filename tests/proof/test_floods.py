"""Floods through small inboxes, both ways and from foreign threads, while threads are stopped and
crash: every accepted signal is handled or counted dead, all sums agree, order holds."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable

import pytest

from task_thread import TaskThread, reCreate
from task_thread.errors import InboxFull, SendTimeout, ThreadEnded
from task_thread.signals import Signal
from tests.proof.trees import PATIENCE, Bookkeeper, Numbered, Planned, check_sums, placed, started


class Tally:
    """What one sender knows of what it sent to one receiver."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.accepted = self.refused = self.full = 0
        self.unsure = 0
        """Cancelled while it sent: it may have been accepted just before."""
        self._number = 0

    def signal(self) -> Numbered:
        self._number += 1
        return Numbered(self.name, self._number)

    async def send(self, send: Callable[[Signal], object], times: int) -> None:
        """Send until it is done or the receiver has ended."""
        for _ in range(times):
            try:
                await send(self.signal())  # type: ignore[misc]
            except ThreadEnded:
                self.refused += 1
                return
            except asyncio.CancelledError:
                self.unsure += 1
                raise
            self.accepted += 1

    def post(self, receiver: TaskThread, times: int) -> None:
        """Post from a thread without a loop; what finds no room is not tried again."""
        for _ in range(times):
            try:
                receiver.post(self.signal())
            except InboxFull:
                self.full += 1
            except ThreadEnded:
                self.refused += 1
                return
            else:
                self.accepted += 1


def check_tallies(receiver: Bookkeeper, tallies: list[Tally], others: int = 0) -> None:
    """What the senders know, the receiver's books and its statistics agree.

    :param others: how many more signals it has accepted, which are in no tally.
    """
    check_sums(receiver)
    inbox = receiver.statistics().inbox
    sure = sum(tally.accepted for tally in tallies) + others
    unsure = sum(tally.unsure for tally in tallies)
    assert sure <= inbox.accepted <= sure + unsure
    for tally in tallies:
        assert receiver.books.per_sender[tally.name] <= tally.accepted + tally.unsure
    if not inbox.dead and not unsure:
        for tally in tallies:
            assert receiver.books.per_sender[tally.name] == tally.accepted


class Quit(Signal):
    """Ends the thread: its handler returns False."""


class Flooded(Bookkeeper):
    """Handles with pauses drawn at random, so that its inbox fills; floods its parent."""

    def __init__(
        self,
        parent: TaskThread | None,
        rng: random.Random,
        up: int = 0,
        capacity: int | None = None,
        crashes: bool = False,
    ) -> None:
        self.rng = rng
        self.max_qsize = rng.randint(1, 10) if capacity is None else capacity
        self.slowness = rng.choice((0.0, 0.01, 0.3))
        self.up = up
        self.crashes_at = rng.randint(1, 200) if crashes and rng.random() < 0.25 else None
        super().__init__(parent)
        self.quits = 0  # accepted from the test
        self.upward = Tally(f"{self} up")

    async def enter__(self) -> None:
        await super().enter__()
        self.tasks.flood = await reCreate(
            None, self.upward.send, self.sigFromChildToParent__, self.up
        )

    async def signalHandler__(self, signal: Signal) -> bool | None:
        await super().signalHandler__(signal)
        if self.books.handled == self.crashes_at:
            raise Planned
        if self.rng.random() < self.slowness:
            await asyncio.sleep(0)
        return not isinstance(signal, Quit)


class Flooder(Bookkeeper):
    """A parent that floods its children, and is flooded by them."""

    def __init__(self, rng: random.Random, kind: str, children: int, each: int) -> None:
        self.rng, self.kind, self.number, self.each = rng, kind, children, each
        self.max_qsize = rng.randint(1, 10)
        super().__init__()
        self.family: list[Flooded] = []
        self.downward: list[Tally] = []

    async def enter__(self) -> None:
        await super().enter__()
        for _ in range(self.number):
            kind = self.rng.choice(("os", "virtual")) if self.kind == "mixed" else self.kind
            child = placed(Flooded, kind)(self, self.rng, self.each, crashes=True)
            self.family.append(child)
            self.downward.append(Tally(f"{child} down"))
            await child.run()
        for number, (child, tally) in enumerate(zip(self.family, self.downward, strict=True)):
            task = await reCreate(None, tally.send, child.insertSignal, self.each)
            setattr(self.tasks, f"flood{number}", task)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        await super().childsignalHandler__(signal, child)
        if self.rng.random() < 0.02:
            await asyncio.sleep(0)


def foreign_posts(
    receivers: list[Flooded], each: int
) -> tuple[list[threading.Thread], list[Tally]]:
    tallies = [Tally(f"foreign {number}") for number in range(len(receivers))]
    threads = [
        threading.Thread(target=tally.post, args=(receiver, each))
        for tally, receiver in zip(tallies, receivers, strict=True)
    ]
    for thread in threads:
        thread.start()
    return threads, tallies


async def end_at_random(child: Flooded, rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0, 0.05))
    if rng.random() < 0.5:
        await child.stop()
        return
    try:
        await child.insertSignal(Quit())
    except ThreadEnded:
        return
    child.quits += 1


@pytest.mark.parametrize("root_kind", ["os", "virtual"])
@pytest.mark.parametrize("kind", ["os", "virtual", "mixed"])
def test_both_ways_while_children_end(
    rng: random.Random, switching: None, kind: str, root_kind: str
) -> None:
    async def program() -> None:
        ends: list[str] = []
        for _ in range(4):
            root = placed(Flooder, root_kind)(rng, kind, 4, 1000)
            running = await started(root)
            threads, posted = foreign_posts(root.family, 1000)
            doomed = rng.sample(root.family, rng.randint(0, 4))
            async with asyncio.TaskGroup() as group:
                for child in doomed:
                    group.create_task(end_at_random(child, rng))
            await asyncio.sleep(rng.uniform(0, 0.03))
            await root.stop()
            for thread in threads:
                await asyncio.to_thread(thread.join, PATIENCE)
                assert not thread.is_alive()
            await running
            check_tallies(root, [child.upward for child in root.family], others=1)
            for child, *tallies in zip(root.family, root.downward, posted, strict=True):
                check_tallies(child, list(tallies), others=child.quits)
                assert child.exit_reason is not None
                ends.append(child.exit_reason.kind)
            told = [child for child, _ in root.books.exited]
            assert sorted(map(str, told)) == sorted(map(str, root.family))
        assert set(ends) <= {"shutdown", "crash", "normal"}

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
@pytest.mark.parametrize("capacity", [1, 2, 7, 10])
def test_every_sum_to_the_last_signal(
    rng: random.Random, switching: None, kind: str, capacity: int
) -> None:
    """Nobody is cancelled or stopped: everything arrives, in order, and nothing is dead."""

    async def program() -> None:
        async with Bookkeeper() as root:
            receiver = placed(Flooded, kind)(root, rng, 0, capacity)
            await receiver.run()
            tallies = [Tally(f"sender {number}") for number in range(6)]

            def foreign_loop(tally: Tally) -> None:
                asyncio.run(tally.send(receiver.insertSignal, 500))

            foreign = [asyncio.to_thread(foreign_loop, tally) for tally in tallies[:3]]
            here = [tally.send(receiver.insertSignal, 500) for tally in tallies[3:]]
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*foreign, *here)
            assert [tally.accepted for tally in tallies] == [500] * 6
            await receiver.stop()
            check_tallies(receiver, tallies)
            assert receiver.books.handled == 3000
            assert receiver.statistics().inbox.dead == 0

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
def test_snapshots_agree_while_it_floods(rng: random.Random, kind: str) -> None:
    """Whoever looks, whenever: accepted == handled + dead + depth, and never more than fit."""

    async def program() -> None:
        async with Bookkeeper() as root:
            child = placed(Flooded, kind)(root, rng)
            await child.run()
            seen: list[str] = []
            looking = threading.Event()

            def look() -> None:
                looking.set()
                while looking.is_set():
                    inbox = child.statistics().inbox
                    if inbox.accepted != inbox.handled + inbox.dead + inbox.depth:
                        seen.append(f"sums: {inbox}")
                    if not 0 <= inbox.depth <= inbox.capacity:
                        seen.append(f"depth: {inbox}")

            threads, posted = foreign_posts([child] * 3, 2000)
            tally = Tally("awaited")
            watcher = threading.Thread(target=look)
            watcher.start()
            await asyncio.to_thread(looking.wait, PATIENCE)
            await tally.send(child.insertSignal, 2000)
            for thread in threads:
                await asyncio.to_thread(thread.join, PATIENCE)
            await child.stop()
            looking.clear()
            await asyncio.to_thread(watcher.join, PATIENCE)
            assert seen == []
            check_tallies(child, [tally, *posted])
            assert tally.accepted == 2000

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
def test_a_receiver_that_makes_no_room(rng: random.Random, kind: str) -> None:
    """What is given up after send_timeout is the sender's again, and counted nowhere."""

    class Stuck(Flooded):
        send_timeout = 0.02

        def initVars__(self) -> None:
            super().initVars__()
            self.free = asyncio.Event()

        async def signalHandler__(self, signal: Signal) -> bool | None:
            self.books.note(signal)
            await self.free.wait()
            return None

    async def program() -> None:
        async with Bookkeeper() as root:
            child = placed(Stuck, kind)(root, rng)
            await child.run()
            tallies = [Tally(f"sender {number}") for number in range(5)]
            given_up = 0

            async def send(tally: Tally) -> None:
                nonlocal given_up
                try:
                    await tally.send(child.insertSignal, 20)
                except SendTimeout:
                    given_up += 1

            async with asyncio.TaskGroup() as group:
                for tally in tallies:
                    group.create_task(send(tally))
            assert given_up == 5
            await child.stop(timeout=0.3)  # its handler hangs, the rest dies with it
            check_tallies(child, tallies)
            inbox = child.statistics().inbox
            assert inbox.handled == 1
            assert inbox.dead == sum(tally.accepted for tally in tallies) - 1
            assert child.exit_reason is not None
            assert child.exit_reason.kind == "timeout"

    with pytest.raises(TimeoutError):  # StopTimeout: something had to be cut off
        asyncio.run(program())
