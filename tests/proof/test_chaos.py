"""A tree under load whose children are killed at random: nothing is lost, nothing is handled twice
or out of order, supervisors give up exactly when they must, and nothing is left behind or grows.

It runs for 15 seconds; TASK_THREAD_CHAOS_SECONDS says for how many.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import monotonic

import pytest

from task_thread import TaskThread, reCreate, reSchedule
from task_thread.errors import InboxFull, ThreadEnded
from task_thread.latch import Latch
from tests.proof.chaos.ledger import Kill, Load, Question
from tests.proof.chaos.town import Place, Sums, Town
from tests.proof.chaos.tree import Root, draw_tree
from tests.proof.chaos.window import Watched
from tests.proof.test_cycles import descriptors, os_threads
from tests.proof.trees import PATIENCE

SECONDS = float(os.environ.get("TASK_THREAD_CHAOS_SECONDS", "15"))
WAYS = ("handler", "task", "exit__", "stopping__", "false", "wish", "stop")
LIMIT = 2.0
"""Seconds within which a tree that does not hang has ended."""
GROWTH = 512 * 1024
"""Bytes from the second quarter of a run to the last; what is on its way comes to less."""


def end_of_others(living: set[threading.Thread]) -> None:
    """Wait for OS threads that are just about to end. The tree does not wait for one whose next
    instance never began, since the tree ended first: its loop is closed, and it has a few
    milliseconds left. What does not end is a leak."""
    for thread in set(threading.enumerate()) - living:
        if not thread.name.startswith("asyncio_"):  # of the loop's executor, which stays
            thread.join(PATIENCE)


class Shaker:
    """All that is done to the tree, until it is over.

    :ivar over: set when it is enough.
    """

    def __init__(self, town: Town, rng: random.Random) -> None:
        self.town = town
        self.over = threading.Event()
        self.seeds = random.Random(rng.random())
        self.failed: list[BaseException] = []

    # ---- load, paced by the clock ---------------------------------------------------------

    def post(self, name: str, rng: random.Random) -> None:
        """In a bare OS thread."""
        while not self.over.wait(rng.uniform(0, 0.004)):
            place = self.town.pick(rng)
            if place is None:
                continue
            row = self.town.row(place, name)
            for _ in range(rng.randint(1, 12)):
                try:
                    place.handle.post(Load(name, row.next))
                except (InboxFull, ThreadEnded):
                    break
                row.next += 1
                row.accepted += 1
            self.town.release(place)

    async def send_one(self, place: Place, name: str, row: Sums, rng: random.Random) -> bool:
        """On any loop: insert or ask. Whether the place is still there."""
        number, row.next = row.next, row.next + 1
        if rng.random() < 0.8:
            try:
                await place.handle.insertSignal(Load(name, number))
            except ThreadEnded:
                return False
        else:
            row.unsure += 1
            try:
                assert await place.handle.ask(Question(name, number), PATIENCE) == number
            except ThreadEnded:
                return False
            row.unsure -= 1
        row.accepted += 1
        return True

    async def send(self, name: str, rng: random.Random) -> None:
        """On any loop: a burst to one place."""
        place = self.town.pick(rng)
        if place is None:
            return
        row = self.town.row(place, name)
        try:
            for _ in range(rng.randint(1, 12)):
                if not await self.send_one(place, name, row, rng):
                    break
            await asyncio.sleep(0)  # what a turn has collected leaves with it
        finally:
            self.town.release(place)

    def send_from_a_loop(self, name: str, rng: random.Random) -> None:
        """In an OS thread, with a bare loop."""

        async def whole() -> None:
            while not self.over.is_set():
                await self.send(name, rng)
                await asyncio.sleep(rng.uniform(0, 0.004))

        asyncio.run(whole())

    # ---- deaths ---------------------------------------------------------------------------

    def kill(self, name: str, rng: random.Random) -> None:
        """In a bare OS thread: at random moments, at random places, by random ways."""
        while not self.over.wait(rng.expovariate(60)):
            place = self.town.pick(rng)
            if place is None:
                continue
            if place.name.startswith("manager") and rng.random() < 0.8:
                self.town.release(place)
                continue
            if rng.random() < 0.15:
                place.bad_starts = rng.choices(("constructor", "enter__"), k=rng.randint(1, 2))
            if rng.random() < 0.2:
                self.end_from_outside(place)
            else:
                row = self.town.row(place, name)
                try:
                    place.handle.post(Kill(rng.choice(WAYS)))
                    row.accepted += 1
                except (InboxFull, ThreadEnded):
                    pass
            self.town.release(place)

    def end_from_outside(self, place: Place) -> None:
        """By thread.terminate() on the instance of the moment."""
        asyncio.run(place.handle.thread.terminate())

    # ---- looking on -----------------------------------------------------------------------

    def look(self, name: str, rng: random.Random) -> None:
        """In a bare OS thread: statistics of all places, at random moments."""
        while not self.over.wait(rng.uniform(0, 0.02)):
            place = self.town.pick(rng)
            if place is not None:
                place.check_now()
                self.town.totals["looks"] += 1
                self.town.release(place)

    def begin(self) -> list[threading.Thread]:
        """Start all of it."""
        works: list[Callable[[str, random.Random], None]] = [
            self.post,
            self.post,
            self.send_from_a_loop,
            self.send_from_a_loop,
            self.kill,
            self.look,
        ]
        threads = [
            threading.Thread(
                target=self.guarded,
                args=(work, f"{work.__name__}-{number}", random.Random(self.seeds.random())),
            )
            for number, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        return threads

    def guarded(
        self, work: Callable[[str, random.Random], None], name: str, rng: random.Random
    ) -> None:
        """Do `work`, and keep what it raises for the test."""
        try:
            work(name, rng)
        except BaseException as error:
            self.failed.append(error)


class Neighbour(TaskThread):
    """Sends from a task of its own, beside the tree."""

    stop_timeout = 30.0

    def __init__(self, shaker: Shaker, rng: random.Random) -> None:
        self.shaker, self.rng = shaker, rng
        self.sent: Latch[None] = Latch()
        super().__init__()

    async def enter__(self) -> None:
        self.tasks.sending = await reCreate(None, self.send)

    async def send(self) -> None:
        """Task: a burst, and again."""
        if self.shaker.over.is_set():
            self.sent.set(None)
            return
        await self.shaker.send(str(self), self.rng)
        await asyncio.sleep(self.rng.uniform(0, 0.004))
        self.tasks.sending = await reSchedule(self.send)

    async def stopping__(self) -> None:
        assert await self.sent.wait(PATIENCE)


async def sample_memory(until: float) -> list[int]:
    """What the program has allocated, ten times a second or so."""
    sizes: list[int] = []
    while monotonic() < until:
        await asyncio.sleep(0.2)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    return sizes


async def shake(rng: random.Random, seconds: float) -> tuple[Town, list[int]]:
    """Let a tree live through it, and end it."""
    town = Town(asyncio.get_running_loop())
    shaker = Shaker(town, rng)
    async with Root(town, draw_tree(rng)):
        neighbours = [Neighbour(shaker, random.Random(rng.random())) for _ in range(2)]
        for neighbour in neighbours:
            await neighbour.__aenter__()
        threads = shaker.begin()
        sizes = await sample_memory(monotonic() + seconds)
        shaker.over.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, PATIENCE)
            assert not thread.is_alive(), f"{thread.name} hangs"
        for neighbour in neighbours:
            await neighbour.stop()
            if neighbour.exit_reason is not None and neighbour.exit_reason.exception is not None:
                shaker.failed.append(neighbour.exit_reason.exception)
    for error in shaker.failed:
        raise error
    await town.settle_all()
    return town, sizes


@pytest.mark.timeout(60 + 3 * SECONDS)
def test_chaos(rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("task_thread.core.supervisor.Plan", Watched)
    Watched.reset()

    async def program() -> tuple[Town, list[int]]:
        # One helper, always the same: how many the default executor makes is a matter of luck.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
        living = set(threading.enumerate())
        await shake(random.Random(rng.random()), 0.5)  # what is loaded once is there
        end_of_others(living)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()
        before = os_threads(), threading.active_count(), descriptors()
        tracemalloc.start()
        try:
            town, sizes = await shake(rng, SECONDS)
        finally:
            tracemalloc.stop()
        gc.collect()
        end_of_others(living)
        assert (os_threads(), threading.active_count(), descriptors()) == before
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return town, sizes

    town, sizes = asyncio.run(program())
    totals = town.totals
    print(dict(totals), f"trips {Watched.trips}, at the limit {Watched.at_the_limit}")
    print("memory, KiB:", [size // 1024 for size in sizes])
    assert town.wrong == []
    assert Watched.disagreements == []
    assert totals["accepted"] == totals["handled"] + totals["dead"]
    quarter = len(sizes) // 4  # the first is given for what fills up once
    assert median(sizes[-quarter:]) - median(sizes[quarter : 2 * quarter]) < GROWTH, sizes
    # It was chaos: much was sent, much has died, and some gave up while others just did not.
    assert totals["handled"] > 100 * SECONDS
    assert totals["restarts"] > 3 * SECONDS
    assert Watched.trips > 0
    assert Watched.at_the_limit > 0
    assert totals["gave up"] > 0
    assert totals["looks"] > 10 * SECONDS


async def in_the_middle_of_restarts(town: Town, rng: random.Random) -> None:
    """Kill some, send some, and order the root's end at a random moment after that."""
    root = Root(town, rng.sample(draw_tree(rng), 2))
    await root.__aenter__()
    for place in town.open_places():
        row = town.row(place, "test")
        place.bad_starts = rng.choices(("constructor", "enter__"), k=rng.choice((0, 0, 0, 2)))
        for number in range(rng.randint(0, 6)):
            kill = rng.random() < 0.3
            try:
                place.handle.post(Kill(rng.choice(WAYS)) if kill else Load("test", number))
            except (InboxFull, ThreadEnded):
                break
            row.accepted += 1
        if rng.random() < 0.2:
            await place.handle.thread.terminate()
    await asyncio.sleep(rng.choice((0, rng.uniform(0, 0.03))))  # the moment is what is drawn
    begun = monotonic()
    if rng.random() < 0.5:
        await root.stop()
    else:
        await root.terminate()
        await root.join()
    assert monotonic() - begun < LIMIT
    assert root.exit_reason is not None
    assert root.exit_reason.kind == "shutdown", root.exit_reason
    assert root.children == []
    await town.settle_all()


def test_the_end_at_any_moment_of_restarts(
    rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 times, as by a SIGTERM: in time, with nothing left behind and all sums right."""
    monkeypatch.setattr("task_thread.core.supervisor.Plan", Watched)
    Watched.reset()

    async def program() -> Town:
        town = Town(asyncio.get_running_loop())
        for _ in range(200):
            await in_the_middle_of_restarts(town, rng)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return town

    living = set(threading.enumerate())
    before = threading.active_count()
    town = asyncio.run(program())
    end_of_others(living)
    assert threading.active_count() == before
    assert town.wrong == []
    assert Watched.disagreements == []
    assert town.totals["accepted"] == town.totals["handled"] + town.totals["dead"]
    assert town.totals["restarts"] > 200
