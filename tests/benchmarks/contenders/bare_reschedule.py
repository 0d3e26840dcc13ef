"""The limit of re-scheduling: a task that gives its loop a turn, again and again."""

from __future__ import annotations

import asyncio
from time import perf_counter

from .loops import PATIENCE, LoopThread


async def _turns(count: int) -> None:
    left = count
    while True:
        left -= 1
        if left == 0:
            return
        await asyncio.sleep(0)


async def _turns_of_all(tasks: int, runs: int) -> float:
    began = perf_counter()
    await asyncio.gather(*(_turns(runs // tasks) for _ in range(tasks)))
    return runs / (perf_counter() - began)


def one(runs: int) -> float:
    """Runs per second of one task."""
    return many(runs, 1)


def many(runs: int, tasks: int) -> float:
    """Runs per second of all tasks together."""
    with LoopThread() as thread:
        return thread.submit(_turns_of_all(tasks, runs)).result(PATIENCE)
