"""Trees of ticking, chattering threads are stopped at random phases: joined within a second,
nothing ticks afterwards, and every thread says the right reason."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic

import pytest

from task_thread import ExitReason, State, TaskThread, reCreate, reSchedule
from task_thread.errors import StartCancelled
from task_thread.signals import CloseSignal, Signal, TerminateSignal
from tests.proof.trees import (
    PATIENCE,
    Bookkeeper,
    Numbered,
    at_once,
    awaiting,
    check_sums,
    only,
    placed,
)

JOIN_LIMIT = 1.0


class Ticker(Bookkeeper):
    """Ticks every 10 ms and without any wait, and tells parent and children of it."""

    max_qsize = 10
    stop_timeout = 5.0

    def __init__(self, parent: TaskThread | None, shape: Shape) -> None:
        self.shape = shape
        self.ticks = self.spins = 0
        super().__init__(parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.shape.everyone.append(self)
        self.tasks.tick = self.tasks.spin = None

    async def enter__(self) -> None:
        await super().enter__()
        self.tasks.tick = await reCreate(self.tasks.tick, self.tick)
        # One in three: that many fight for one GIL, and the fight is not what is measured here.
        if self.shape.everyone.index(self) % 3 == 0:
            # Another name than that of the task, as programs of the original library do.
            self.tasks.turning = await reCreate(None, self.spin)
        for _ in range(self.shape.children_of(self)):
            await self.shape.make(self).run()

    async def tick(self) -> None:
        await asyncio.sleep(0.01)
        self.ticks += 1
        await self.sigFromParentToChild__(Numbered(f"{self} down", self.ticks))
        self.tasks.tick = await reSchedule(self.tick)

    async def spin(self) -> None:
        self.spins += 1
        if self.spins % 16 == 0:
            await self.sigFromChildToParent__(Numbered(f"{self} up", self.spins))
        self.tasks.turning = await reSchedule(self.spin)


class Shape:
    """Draws a tree: how many children each thread has and of which kind they are."""

    def __init__(
        self, rng: random.Random, kind: str, member: type[Ticker] = Ticker, depth: int = 2
    ) -> None:
        self.rng, self.kind, self.member, self.depth = rng, kind, member, depth
        self.everyone: list[Ticker] = []

    def make(self, parent: Ticker | None) -> Ticker:
        kind = self.rng.choice(("os", "virtual")) if self.kind == "mixed" else self.kind
        return placed(self.member, kind)(parent, self)

    def children_of(self, thread: Ticker) -> int:
        depth, above = 0, thread.parent
        while above is not None:
            depth, above = depth + 1, above.parent
        return self.rng.randint(0, 2) if depth < self.depth else 0

    def counts(self) -> list[tuple[int, int, int]]:
        return [(each.ticks, each.spins, each.books.handled) for each in self.everyone]


def check_ended(shape: Shape, *kinds: str) -> None:
    for each in shape.everyone:
        assert each.exit_reason is not None, f"{each} has not ended"
        # What never came to run, since the stop was first, has ended with its parent or was
        # stopped in its start; it too says why.
        assert each.exit_reason.kind in kinds, (each, each.exit_reason)
        assert each.exit_reason.exception is None
        assert each.state is State.STOPPED
        if "exit__" in each.books.hooks:
            assert each.books.hooks == ["enter__", "stopping__", "exit__"]
        for _, reason in each.books.exited:
            assert reason.kind in kinds
        check_sums(each)
    assert not [thread.name for thread in threading.enumerate() if "Ticker-" in thread.name]


async def run_and(
    root: Ticker, delay: float, end: Callable[[], Awaitable[float]]
) -> tuple[float, ExitReason]:
    """Run the root, and do `end` after `delay` seconds, which returns when it asked for the stop.

    :returns: how long it took from there to the join, in seconds, and why it ended.
    """
    running = asyncio.create_task(root.run())
    joining = asyncio.create_task(joined(root))
    await asyncio.sleep(delay)
    ordered_at = await end()
    reason, joined_at = await joining
    await running
    return joined_at - ordered_at, reason


async def joined(root: Ticker) -> tuple[ExitReason, float]:
    """Why it ended, and when that was known here."""
    return await root.join(), monotonic()


async def stopped(root: Ticker) -> float:
    """Stop it, and return when that was asked for."""
    now = monotonic()
    await root.stop()
    return now


@pytest.mark.parametrize(("kind", "times"), [("os", 100), ("virtual", 100), ("mixed", 100)])
def test_stop_at_a_random_phase(rng: random.Random, kind: str, times: int) -> None:
    async def program() -> None:
        seen: list[tuple[Shape, list[tuple[int, int, int]]]] = []
        for _ in range(times):
            shape = Shape(rng, kind)
            root = shape.make(None)
            took, reason = await run_and(root, rng.uniform(0, 0.04), partial(stopped, root))
            assert took < JOIN_LIMIT
            assert reason.kind == "shutdown"
            check_ended(shape, "shutdown")
            seen.append((shape, shape.counts()))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # Those that ended first have had the whole test to tick again.
        for shape, counts in seen:
            assert shape.counts() == counts

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
def test_a_single_ten_millisecond_tick(rng: random.Random, kind: str) -> None:
    """The original library hangs in 8 of 12 such runs: the cancel met a task yet unborn."""

    async def program() -> None:
        roots: list[tuple[Ticker, int]] = []
        for _ in range(50):
            shape = Shape(rng, kind, depth=0)
            root = shape.make(None)
            took, reason = await run_and(
                root, 0.01 + rng.uniform(-0.001, 0.002), partial(stopped, root)
            )
            assert took < JOIN_LIMIT
            assert reason.kind == "shutdown"
            roots.append((root, root.ticks))
        assert all(root.ticks == ticks for root, ticks in roots)

    asyncio.run(program())


@pytest.mark.parametrize("way", ["stop", "terminate", "signal", "close"])
@pytest.mark.parametrize("kind", ["os", "virtual", "mixed"])
def test_stopped_from_several_threads_at_once(rng: random.Random, kind: str, way: str) -> None:
    def asking(root: Ticker) -> Callable[[], float]:
        async def ask() -> float:
            now = monotonic()
            if way == "stop":
                await root.stop()
            elif way == "terminate":
                await root.terminate()
            elif way == "signal":
                await root.insertSignal(TerminateSignal())
            else:
                root.post(CloseSignal())
            return now

        return awaiting(ask)

    async def program() -> None:
        for _ in range(8):
            shape = Shape(rng, kind)
            root = shape.make(None)

            async def end(root: Ticker = root) -> float:
                asked_at = await asyncio.to_thread(at_once, rng, *[asking(root)] * 4)
                only(asked_at)
                return min(when for when in asked_at if isinstance(when, float))

            took, reason = await run_and(root, rng.uniform(0, 0.03), end)
            assert took < JOIN_LIMIT
            assert reason.kind == "shutdown"
            check_ended(shape, "shutdown")

    asyncio.run(program())


class SlowStarter(Ticker):
    """Waits a little on its way in, before and after its children's start."""

    async def enter__(self) -> None:
        await asyncio.sleep(self.shape.rng.uniform(0, 0.004))
        await super().enter__()
        await asyncio.sleep(self.shape.rng.uniform(0, 0.004))
        self.books.hooks.append("entered")


@pytest.mark.parametrize("kind", ["os", "virtual", "mixed"])
def test_stop_during_start(rng: random.Random, kind: str) -> None:
    async def program() -> None:
        seen: list[tuple[Shape, list[tuple[int, int, int]]]] = []
        for _ in range(60):
            shape = Shape(rng, kind, SlowStarter)
            root = shape.make(None)
            delay = rng.choice((0.0, rng.uniform(0, 0.02)))
            took, reason = await run_and(root, delay, partial(stopped, root))
            assert took < JOIN_LIMIT
            assert reason.kind == "shutdown"
            for each in shape.everyone:
                assert each.exit_reason is not None, f"{each} has not ended"
                assert each.exit_reason.kind == "shutdown", (each, each.exit_reason)
                hooks = each.books.hooks
                # exit__ and stopping__ are owed to those whose enter__ has returned, and to no
                # other.
                assert ("exit__" in hooks) == ("stopping__" in hooks)
                assert ("exit__" in hooks) <= ("entered" in hooks), hooks
                check_sums(each)
            seen.append((shape, shape.counts()))
        for shape, counts in seen:
            assert shape.counts() == counts

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
def test_stop_before_run_is_not_lost(rng: random.Random, kind: str) -> None:
    async def program() -> None:
        for _ in range(50):
            shape = Shape(rng, kind)
            root = shape.make(None)
            await rng.choice((root.stop, root.terminate))()
            begun = monotonic()
            await root.run()
            assert monotonic() - begun < JOIN_LIMIT
            assert root.books.hooks == []
            assert root.exit_reason == ExitReason("shutdown")
            assert root.state is State.STOPPED

        async with Bookkeeper() as parent:
            for _ in range(50):
                child = placed(Ticker, kind)(parent, Shape(rng, kind))
                await child.stop()
                with pytest.raises(StartCancelled):
                    await child.run()
                assert child.books.hooks == []
                assert parent.children == []

    asyncio.run(program())


class Quit(Signal):
    """The handler returns False for it."""


class Quitter(Ticker):
    """One of the tree ends the root from within, by a way that is drawn, at a random moment."""

    async def enter__(self) -> None:
        await super().enter__()
        if self.shape.everyone[-1] is self or self.parent is None:
            self.tasks.quit = await reCreate(None, self.quit, self.shape.rng.uniform(0, 0.02))

    async def quit(self, delay: float) -> None:
        await asyncio.sleep(delay)
        root: TaskThread = self
        while root.parent is not None:
            root = root.parent
        way = self.shape.rng.choice(("stop", "request", "handler", "terminate"))
        if way == "stop":
            await root.stop()  # does not wait: it would wait for itself
        elif way == "request":
            await root.requestTerminate()
        elif way == "terminate":
            await root.terminate()
        else:
            await root.insertSignal(Quit())

    async def signalHandler__(self, signal: Signal) -> bool | None:
        await super().signalHandler__(signal)
        return not isinstance(signal, Quit)


@pytest.mark.parametrize("kind", ["os", "virtual", "mixed"])
def test_ended_from_within_at_a_random_phase(rng: random.Random, kind: str) -> None:
    async def program() -> None:
        for _ in range(50):
            shape = Shape(rng, kind, Quitter)
            root = shape.make(None)
            async with asyncio.timeout(PATIENCE):
                await root.run()
            assert root.exit_reason == ExitReason("normal")
            check_ended(shape, "shutdown", "normal")

    asyncio.run(program())
