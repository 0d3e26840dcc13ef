"""Runs through huey on SQLite, its consumer in this process.

As durable as ours: WAL and a sync to disk each commit (its default as well). At its quickest: an
empty queue and a result that isn't there yet are asked for again after 5 ms (its default is 100
ms and growing), and results are read without being deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from huey import SqliteHuey
from huey.consumer import Consumer

from .disk import database
from .loops import PATIENCE
from .runs import rate_of_calls, same_now

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE = 0.005  # seconds between two looks at the database
WARM_UP = 100


def durable(size: int, workers: int) -> float:
    """Runs per second with that many worker threads."""
    with database() as path:
        huey = SqliteHuey("bench", filename=str(path), immediate=False, fsync=True)
        task = huey.task()(same_now)
        consumer = Consumer(
            huey,
            workers=workers,
            periodic=False,
            initial_delay=PAUSE,
            max_delay=PAUSE,
            check_worker_health=False,
        )

        def results(runs: Sequence[Any]) -> list[int]:
            wait = {"blocking": True, "backoff": 1, "max_delay": PAUSE, "timeout": PATIENCE}
            return [run.get(preserve=True, **wait) for run in runs]

        consumer.start()
        rate = rate_of_calls(task, results, size, WARM_UP)
        consumer.stop(graceful=True)
        huey.storage.close()
        return rate
