"""Ticks of scheduled tasks, through the public API."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from task_thread.app import Interval, TaskApp

from .fires import SPREAD, Fires, Once, remind

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 1  # an Interval's hours: nothing is due while it is measured


def cpu(seconds: int, tasks: int, way: int) -> float:
    """Microseconds of CPU for each fire."""
    fires = Fires(tasks, way)
    return _figure(fires, lambda: fires.cpu(seconds))


def lateness(seconds: int, tasks: int) -> float:
    """Milliseconds, 99 of 100."""
    fires = Fires(tasks, SPREAD)
    return _figure(fires, lambda: fires.lateness(seconds))


def cpu_at_once(tasks: int, lead: int) -> float:
    """Microseconds of CPU for each fire, all being due at one instant."""
    app, once = TaskApp("bench"), Once(tasks, lead)
    with app:
        for number in range(tasks):
            trigger = Interval(hours=HOUR, start=once.date)
            app.schedule(remind, trigger, id=f"tick{number}", args=(once, number))
        return once.cpu()


def adding_functions(size: int) -> float:
    """Microseconds to schedule each of so many to an app that runs, from another thread."""
    return _adding(TaskApp("bench"), _tick, size)


async def _tick() -> None:
    """A function of a module, as a program's are."""


def adding_tasks(size: int) -> float:
    """The same where what is scheduled is a task already."""
    app = TaskApp("bench")

    @app.task
    async def tick() -> None:
        pass

    return _adding(app, tick, size)


def _adding(app: TaskApp, tick: Any, size: int) -> float:
    with app:
        began = perf_counter()
        for number in range(size):
            app.schedule(tick, Interval(hours=HOUR), id=f"tick{number}")
        return (perf_counter() - began) / size * 1e6


def _figure(fires: Fires, figure: Callable[[], float]) -> float:
    app = TaskApp("bench")
    with app:
        for number in range(fires.tasks):
            trigger = Interval(seconds=fires.period, start=fires.start_date(number))
            app.schedule(fires.tick(number), trigger, id=f"tick{number}")
        return figure()
