"""Sync generators, whose steps can't be cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from task_thread.app.stages import Advance, Stage
from tests.app.stages.hands import os_threads

Journal = list[object]


class Slow:
    """A generator that hangs in its second step until it is let go."""

    def __init__(self) -> None:
        self.journal: Journal = []
        self.hangs = threading.Event()
        self.let_go = threading.Event()

    def steps(self) -> Generator[str, bool, None]:
        self.journal.append("set up")
        try:
            yield "first"
            self.hangs.set()
            assert self.let_go.wait(20)
            yield "second"
            self.journal.append("went on")
        finally:
            self.journal.append("cleaned up")


async def cut_short(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cut_short_it_is_closed_when_its_step_is_over_and_the_next_tick_is_fresh() -> None:
    slow = Slow()

    async def main() -> None:
        with os_threads() as call:
            stage = Stage(slow.steps, call=call)
            await stage.tick()
            tick = asyncio.create_task(stage.tick())
            await asyncio.to_thread(slow.hangs.wait, 20)
            await cut_short(tick)
            fresh = asyncio.create_task(stage.tick())
            done, _ = await asyncio.wait([fresh], timeout=0.02)
            assert not done  # two of them at once could hold the same port
            slow.let_go.set()
            assert await fresh == Advance("first")
            assert slow.journal == ["set up", "cleaned up", "set up"]
            await stage.stop()

    asyncio.run(main())
    assert slow.journal[3:] == ["cleaned up"]


def test_a_stop_that_is_cut_short_leaves_the_generator_to_its_own_thread() -> None:
    slow = Slow()

    async def main() -> None:
        with os_threads() as call:
            stage = Stage(slow.steps, call=call)
            await stage.tick()
            stop = asyncio.create_task(stage.stop())
            await asyncio.to_thread(slow.hangs.wait, 20)
            await cut_short(stop)
            assert await stage.tick() == Advance(None, ended=True)
            slow.let_go.set()

    asyncio.run(main())
    assert slow.journal == ["set up", "cleaned up"]


def test_a_stop_while_a_step_goes_on_without_a_waiter_waits_for_it() -> None:
    slow = Slow()

    async def main() -> None:
        with os_threads() as call:
            stage = Stage(slow.steps, call=call)
            await stage.tick()
            tick = asyncio.create_task(stage.tick())
            await asyncio.to_thread(slow.hangs.wait, 20)
            await cut_short(tick)
            stop = asyncio.create_task(stage.stop())
            slow.let_go.set()
            await stop
            assert slow.journal == ["set up", "cleaned up"]

    asyncio.run(main())


def test_cancelled_before_the_step_began_nothing_has_happened() -> None:
    journal: Journal = []
    kept: list[Callable[[], Any]] = []

    def steps() -> Generator[int, bool, None]:
        number = 0
        while (yield number):
            number += 1
        journal.append("told")

    async def main() -> None:
        busy = True

        async def call(fn: Callable[[], Any]) -> Any:
            if busy:
                kept.append(fn)
                await asyncio.get_running_loop().create_future()
            return fn()

        stage = Stage(steps, call=call)

        async def one_cancelled() -> None:
            tick = asyncio.create_task(stage.tick())
            await asyncio.sleep(0)
            await cut_short(tick)
            assert kept.pop()() is None  # the thread gets round to it at last

        await one_cancelled()
        busy = False
        assert await stage.tick() == Advance(0)  # as the first one, not sent True
        busy = True
        await one_cancelled()
        busy = False
        assert await stage.tick() == Advance(1)  # it has not moved meanwhile
        await stage.stop()

    asyncio.run(main())
    assert journal == ["told"]


def test_a_call_that_fails_leaves_the_generator_where_it_is() -> None:
    def steps() -> Generator[int, bool, None]:
        number = 0
        while (yield number):
            number += 1

    async def main() -> None:
        refuses = False

        async def call(fn: Callable[[], Any]) -> Any:
            if refuses:
                raise RuntimeError("can't start new thread")
            return fn()

        stage = Stage(steps, call=call)
        await stage.tick()
        refuses = True
        with pytest.raises(RuntimeError, match="new thread"):
            await stage.tick()
        refuses = False
        assert await stage.tick() == Advance(1)
        await stage.stop()

    asyncio.run(main())


@pytest.mark.parametrize("turn", range(20))
def test_cancelled_at_any_moment_it_is_cleaned_up_once(turn: int) -> None:
    """However a cancel and the end of a step meet."""
    begun, ended, running = 0, 0, 0

    def steps() -> Generator[None, bool, None]:
        nonlocal begun, ended, running
        begun += 1
        running += 1
        try:
            while (yield):
                assert running == 1
        finally:
            running -= 1
            ended += 1

    async def main() -> None:
        with os_threads() as call:
            stage = Stage(steps, call=call)
            for number in range(50):
                tick = asyncio.create_task(stage.tick())
                for _ in range((turn + number) % 7):
                    await asyncio.sleep(0)
                tick.cancel()
                await asyncio.wait([tick])
            await stage.stop()

    asyncio.run(main())
    assert begun == ended
    assert running == 0
