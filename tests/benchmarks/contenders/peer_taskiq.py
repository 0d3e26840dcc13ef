"""Runs through taskiq's in-memory broker.

At its quickest: all results are kept (it keeps 100 unless told), arguments are not cast to the
types of the signature, and all are waited for at once, not by asking for each until it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskiq import InMemoryBroker

from .loops import PATIENCE, LoopThread
from .placement import Place
from .runs import rate_of_runs, same

if TYPE_CHECKING:
    from collections.abc import Sequence


def in_memory(size: int) -> float:
    """Runs per second, all in one loop: kiq awaited for each, then all results read."""

    async def pour() -> float:
        broker = InMemoryBroker(max_stored_results=-1, cast_types=False)
        task = broker.register_task(same, task_name="same")
        await broker.startup()

        async def results(runs: Sequence[Any]) -> list[int]:
            await broker.wait_all()
            return [(await run.get_result()).return_value for run in runs]

        rate = await rate_of_runs(task.kiq, results, size)
        await broker.shutdown()
        return rate

    with LoopThread(Place(0, 1)) as thread:
        return thread.submit(pour()).result(PATIENCE)
