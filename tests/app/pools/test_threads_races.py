"""Threads: two things at the same moment, some hundred times each."""

from __future__ import annotations

import asyncio
import random
import threading
from contextvars import copy_context
from typing import Any

from task_thread.app.threads import Threads
from task_thread.testing import no_leaks
from tests.app.pools.rooms import begun, call, in_threads, join_all, seeded

ROUNDS = 400


def spin(turns: int) -> None:
    """Take a little time, without waiting for anything."""
    for _ in range(turns):
        pass


def together(barrier: threading.Barrier, turns: int, value: Any) -> Any:
    barrier.wait(10)
    spin(turns)
    if isinstance(value, BaseException):
        raise value
    return value


def test_a_call_that_ends_while_it_is_cancelled() -> None:
    luck = seeded()
    outcomes = {"value": 0, "cancelled": 0}

    async def work(threads: Threads) -> None:
        for number in range(ROUNDS):
            barrier = threading.Barrier(2)
            value: Any = ValueError(number) if luck.random() < 0.3 else number
            task = await begun(threads, together, barrier, luck.randrange(3000), value)
            await asyncio.sleep(0)
            barrier.wait(10)
            spin(luck.randrange(6000))
            for _ in range(luck.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            outcomes["cancelled" if task.cancelled() else "value"] += 1
            if not task.cancelled():
                assert (task.exception() or task.result()) == value
            assert threads.busy == 0
            assert threads.abandoned in (0, 1, 2)
            assert await call(threads, abs, -number) == number
        await threads.close()
        join_all()
        assert threads.abandoned == threads.busy == threads.idle_count == 0
        assert threads.left() == []

    in_threads(work)
    print(outcomes)
    assert outcomes["value"] > 20
    assert outcomes["cancelled"] > 20


def test_close_while_calls_end() -> None:
    luck = seeded()

    async def once() -> None:
        threads = Threads("pool")
        count = luck.randrange(1, 6)
        barrier = threading.Barrier(count + 1)
        tasks = [
            await begun(threads, together, barrier, luck.randrange(3000), number)
            for number in range(count)
        ]
        await asyncio.sleep(0)
        barrier.wait(10)
        spin(luck.randrange(6000))
        for _ in range(luck.randrange(3)):
            await asyncio.sleep(0)
        await threads.close()
        assert await asyncio.gather(*tasks) == list(range(count))
        assert threads.busy == threads.idle_count == threads.abandoned == 0
        assert not [each for each in threading.enumerate() if each.name.startswith("pool-")]

    async def main() -> None:
        for _ in range(ROUNDS):
            await once()

    with no_leaks():
        asyncio.run(main())


def test_close_that_is_cut_short_while_calls_end() -> None:
    luck = seeded()

    async def once() -> None:
        threads = Threads("pool")
        barrier = threading.Barrier(3)
        tasks = [
            await begun(threads, together, barrier, luck.randrange(3000), number)
            for number in (0, 1)
        ]
        await asyncio.sleep(0)
        closing = asyncio.create_task(threads.close())
        await asyncio.sleep(0)
        barrier.wait(10)
        spin(luck.randrange(6000))
        for task in (closing, *tasks):
            if luck.random() < 0.5:
                task.cancel()
        await asyncio.wait([closing, *tasks])
        for number, task in enumerate(tasks):
            assert task.cancelled() or task.result() == number
        await threads.close()
        join_all()
        assert threads.busy == threads.idle_count == threads.abandoned == 0

    async def main() -> None:
        for _ in range(ROUNDS):
            await once()

    with no_leaks():
        asyncio.run(main())


def test_the_loop_is_closed_while_calls_end() -> None:
    luck = seeded()
    for _ in range(ROUNDS // 4):
        barrier = threading.Barrier(3)

        async def main(barrier: threading.Barrier) -> None:
            threads = Threads("pool", idle=0.01)
            tasks = [await begun(threads, together, barrier, luck.randrange(3000), 0) for _ in "12"]
            await asyncio.sleep(0)
            barrier.wait(10)
            spin(luck.randrange(3000))
            for task in tasks:
                task.cancel()

        with no_leaks():
            asyncio.run(main(barrier))


def test_a_thread_is_called_at_the_moment_when_it_ends_idle() -> None:
    luck = seeded()

    async def work(threads: Threads) -> None:
        loop = asyncio.get_running_loop()
        for number in range(ROUNDS):
            woken = loop.create_future()
            loop.call_later(luck.uniform(0.0, 0.002), woken.set_result, None)
            await woken
            assert await call(threads, abs, -number) == number

    in_threads(work, idle=0.001)


def test_many_callers_each_get_their_own_value() -> None:
    luck = seeded()

    def double(number: int) -> int:
        spin(number % 300)
        return 2 * number

    async def caller(threads: Threads, own: random.Random) -> None:
        for _ in range(100):
            number = own.randrange(10**9)
            assert await threads.call(double, (number,), {}, copy_context()) == 2 * number

    async def work(threads: Threads) -> None:
        seeds = [luck.random() for _ in range(30)]
        await asyncio.gather(*(caller(threads, random.Random(seed)) for seed in seeds))
        assert threads.idle_count <= 30
        assert threads.busy == 0

    in_threads(work, idle=0.002)
