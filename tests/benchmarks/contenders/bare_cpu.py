"""CPU-bound handlers in bare threads with loops."""

from __future__ import annotations

import asyncio
from time import perf_counter

from .cpu_work import require_no_gil, work
from .loops import PATIENCE, LoopThread
from .placement import Place


async def _serve(pieces: int) -> None:
    for _ in range(pieces):
        work()
        await asyncio.sleep(0)


def _rate(threads: int, pieces: int) -> float:
    require_no_gil()
    crew = [LoopThread(Place(number, 2)) for number in range(threads)]
    for thread in crew:
        thread.start()
    began = perf_counter()
    for job in [thread.submit(_serve(pieces)) for thread in crew]:
        job.result(PATIENCE)
    seconds = perf_counter() - began
    for thread in crew:
        thread.stop()
        thread.join()
    return threads * pieces / seconds


def one(size: int) -> float:
    """Pieces of work per second in one thread."""
    return _rate(1, size)


def two(size: int) -> float:
    """Pieces of work per second in two threads, together."""
    return _rate(2, size)
