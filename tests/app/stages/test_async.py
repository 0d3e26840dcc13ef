"""Async generators: one asyncio task runs all steps of one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from task_thread.app.stages import Advance, Stage

Journal = list[object]


async def cut_short(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Slow:
    """A generator that hangs in its second step."""

    def __init__(self, *, swallows: bool = False, cleans_up: bool = False) -> None:
        self.journal: Journal = []
        self.hangs = asyncio.Event()
        self.may_end = asyncio.Event()
        self.swallows = swallows
        if not cleans_up:
            self.may_end.set()

    async def steps(self) -> AsyncGenerator[str, bool]:
        self.journal.append("set up")
        try:
            yield "first"
            try:
                self.hangs.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not self.swallows:
                    raise
            yield "second"
        finally:
            self.journal.append("cleaning")
            await self.may_end.wait()
            self.journal.append("cleaned up")


def test_cut_short_it_is_cancelled_and_the_next_tick_is_fresh() -> None:
    async def main() -> None:
        slow = Slow()
        stage = Stage(slow.steps)
        await stage.tick()
        tick = asyncio.create_task(stage.tick())
        await slow.hangs.wait()
        await cut_short(tick)
        assert slow.journal == ["set up", "cleaning", "cleaned up"]
        assert await stage.tick() == Advance("first")
        assert slow.journal[3:] == ["set up"]
        stop = asyncio.create_task(stage.stop())
        slow.hangs.clear()
        await slow.hangs.wait()
        await cut_short(stop)

    asyncio.run(main())


def test_one_that_swallows_the_cancel_goes_on_with_the_next_tick() -> None:
    async def main() -> None:
        slow = Slow(swallows=True)
        stage = Stage(slow.steps)
        await stage.tick()
        tick = asyncio.create_task(stage.tick())
        await slow.hangs.wait()
        await cut_short(tick)
        assert slow.journal == ["set up"]
        assert await stage.tick() == Advance(None, ended=True)
        assert slow.journal == ["set up", "cleaning", "cleaned up"]

    asyncio.run(main())


def test_while_one_cleans_up_the_next_tick_waits() -> None:
    async def main() -> None:
        slow = Slow(cleans_up=True)
        stage = Stage(slow.steps)
        await stage.tick()
        tick = asyncio.create_task(stage.tick())
        await slow.hangs.wait()
        tick.cancel()
        await asyncio.sleep(0)
        tick.cancel()  # whoever waits loses patience with the clean-up, too
        with pytest.raises(asyncio.CancelledError):
            await tick
        fresh = asyncio.create_task(stage.tick())
        for _ in range(10):
            await asyncio.sleep(0)
        assert slow.journal == ["set up", "cleaning"]
        slow.may_end.set()
        assert await fresh == Advance("first")
        assert slow.journal == ["set up", "cleaning", "cleaned up", "set up"]

    asyncio.run(main())


def test_a_task_group_stays_open_from_tick_to_tick() -> None:
    """Each tick, and the stop, comes from another asyncio task: anyio would not have it."""
    journal: Journal = []

    async def steps() -> AsyncGenerator[int, bool]:
        async with anyio.create_task_group() as group:
            arrived = anyio.Event()
            group.start_soon(arrived.wait)
            with anyio.move_on_after(60):
                number = 0
                while (yield number):
                    number += 1
                arrived.set()
        journal.append("left")

    async def main() -> None:
        stage = Stage(steps)
        for number in range(3):
            assert await asyncio.create_task(stage.tick()) == Advance(number)
        await asyncio.create_task(stage.stop())

    asyncio.run(main())
    assert journal == ["left"]


def test_a_cancel_that_was_swallowed_does_not_count_any_more() -> None:
    """Task groups, from Python 3.13 on, take one that counts for one from outside."""

    async def steps() -> AsyncGenerator[int, bool]:
        own = asyncio.current_task()
        assert own is not None
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        yield own.cancelling()
        yield own.cancelling()

    async def main() -> None:
        stage = Stage(steps)
        tick = asyncio.create_task(stage.tick())
        for _ in range(3):
            await asyncio.sleep(0)
        await cut_short(tick)
        assert await stage.tick() == Advance(0)
        await stage.stop()

    asyncio.run(main())


def test_at_the_end_of_the_loop_it_is_closed_in_its_own_task() -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    async def steps() -> AsyncGenerator[None, bool]:
        tasks.append(asyncio.current_task())
        try:
            while (yield):
                pass
        finally:
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())

    async def main() -> Stage:
        stage = Stage(steps)
        await stage.tick()
        return stage

    assert not asyncio.run(main()).over
    first, last = tasks
    assert first is last


def test_what_it_raises_at_the_end_of_the_loop_is_told() -> None:
    told: list[BaseException] = []

    async def steps() -> AsyncGenerator[None, bool]:
        try:
            yield
        finally:
            raise LookupError("in the clean-up")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: told.append(context["exception"])
        )
        await Stage(steps, name="polling").tick()

    asyncio.run(main())
    assert [str(each) for each in told] == ["in the clean-up"]


def test_a_cancel_before_its_first_step_leaves_nobody_waiting() -> None:
    async def steps() -> AsyncGenerator[int, bool]:
        yield 1

    async def main() -> None:
        stage = Stage(steps)
        tick = asyncio.create_task(stage.tick())
        await asyncio.sleep(0)  # the stage's own task is made, and has not run
        (own,) = (each for each in asyncio.all_tasks() if each.get_name().endswith("/stage"))
        own.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tick
        assert await stage.tick() == Advance(1)
        await stage.stop()

    asyncio.run(main())


def test_cancelled_as_its_step_ends_it_stands_where_it_has_come_to() -> None:
    async def steps() -> AsyncGenerator[int, bool]:
        yield 1
        yield 2

    async def main() -> None:
        stage = Stage(steps)
        tick = asyncio.create_task(stage.tick())
        await asyncio.sleep(0)  # in the next turn the step is taken, and then the tick cancelled
        await cut_short(tick)
        assert await stage.tick() == Advance(2)
        await stage.stop()

    asyncio.run(main())
