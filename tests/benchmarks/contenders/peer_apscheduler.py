"""Triggers by APScheduler's AsyncIOScheduler, its jobs in memory.

On the same terms as ours: any lateness is run (it drops what is a second late unless told).
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from time import perf_counter
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from .fires import Fires, Once, remind
from .loops import PATIENCE, LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
HOUR = 3_600


def cpu(seconds: int, tasks: int, way: int) -> float:
    """Microseconds of CPU for each fire."""
    fires = Fires(tasks, way)
    return _figure(fires, lambda: fires.cpu(seconds))


def lateness(seconds: int, tasks: int) -> float:
    """Milliseconds, 99 of 100."""
    fires = Fires(tasks)
    return _figure(fires, lambda: fires.lateness(seconds))


def cpu_at_once(tasks: int, lead: int) -> float:
    """Microseconds of CPU for each fire, all being due at one instant."""
    once = Once(tasks, lead)

    async def begin() -> AsyncIOScheduler:
        scheduler = started()
        for number in range(tasks):
            trigger = IntervalTrigger(seconds=HOUR, start_date=once.date, timezone=UTC)
            scheduler.add_job(remind, trigger, args=(once, number), id=f"job{number}")
        return scheduler

    async def end() -> None:
        scheduler.shutdown(wait=False)

    with LoopThread() as thread:
        scheduler = thread.submit(begin()).result(PATIENCE)
        found = once.cpu()
        thread.submit(end()).result(PATIENCE)
        return found


def adding(size: int) -> float:
    """Microseconds to add each of so many jobs to a scheduler that runs, on its loop."""

    async def tick() -> None:
        pass

    async def add_all() -> float:
        scheduler = started()
        began = perf_counter()
        for number in range(size):
            scheduler.add_job(tick, IntervalTrigger(seconds=HOUR, timezone=UTC), id=f"job{number}")
        took = perf_counter() - began
        scheduler.shutdown(wait=False)
        return took / size * 1e6

    with LoopThread() as thread:
        return thread.submit(add_all()).result(PATIENCE)


def started() -> AsyncIOScheduler:
    """A scheduler that runs on the loop of the caller."""
    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=DEFAULTS)
    scheduler.start()
    return scheduler


def _figure(fires: Fires, figure: Callable[[], float]) -> float:
    async def begin() -> AsyncIOScheduler:
        scheduler = started()
        for number in range(fires.tasks):
            trigger = IntervalTrigger(
                seconds=fires.period, start_date=fires.start_date(number), timezone=UTC
            )
            scheduler.add_job(fires.tick(number), trigger, id=f"job{number}")
        return scheduler

    async def end() -> None:
        scheduler.pause()
        await asyncio.sleep(0)  # what was begun ends: its shutdown would cancel it
        scheduler.shutdown(wait=False)

    with LoopThread() as thread:
        scheduler = thread.submit(begin()).result(PATIENCE)
        found = figure()
        thread.submit(end()).result(PATIENCE)
        return found
