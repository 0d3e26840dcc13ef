"""Calls in another process by bare anyio.to_process, one after the other."""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from anyio import to_process

from .loops import LoopThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WARM_UP = 200


def positive(number: int) -> int:
    """What is called: as little as can be."""
    return abs(number)


async def round_trip_time(call: Callable[[int], Awaitable[int]], size: int) -> float:
    """Microseconds from each call to its answer, the median. On the caller's loop."""
    times = []
    for number in range(WARM_UP + size):
        began = perf_counter()
        answer = await call(-number)
        times.append((perf_counter() - began) * 1e6)
        assert answer == number
    return median(times[WARM_UP:])


def called(size: int) -> float:
    """From the loop that anyio's workers belong to."""

    def call(number: int) -> Awaitable[int]:
        return to_process.run_sync(positive, number)

    # asyncio.run: anyio ends its workers with the task that was given to that.
    return asyncio.run(round_trip_time(call, size))


def called_across(size: int) -> float:
    """From another loop: by run_coroutine_threadsafe to the one that the workers belong to."""

    async def own_workers() -> float:
        owner = asyncio.get_running_loop()

        def call(number: int) -> Awaitable[int]:
            work = to_process.run_sync(positive, number)
            return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, owner))

        return await asyncio.wrap_future(caller.submit(round_trip_time(call, size)))

    with LoopThread() as caller:
        return asyncio.run(own_workers())
