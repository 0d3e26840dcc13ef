"""Durable runs, through the public API: a run has ended when its end is on disk."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from task_thread.app import TaskApp

from .disk import database
from .loops import PATIENCE
from .ours_runs import results
from .runs import rate_of_calls, same

if TYPE_CHECKING:
    from task_thread.app import Task

WARM_UP = 100


def durable(size: int) -> float:
    """Runs per second, from the first one added to the end of the last one."""
    with database() as path:
        app = TaskApp("bench", store=f"sqlite:///{path}")
        task = app.task(same)
        with app:
            return rate_of_calls(task.add_task, results, size, WARM_UP)


def latency(size: int) -> float:
    """Milliseconds from adding a run to its end, the median, one after the other."""
    return _both(size)[0]


def latency_in_memory(size: int) -> float:
    """The same without a store."""
    return _both(size)[1]


def added_latency(size: int) -> float:
    """Milliseconds by which the first is more than the second, taken in turns."""
    stored, kept = _both(size)
    return stored - kept


def _both(size: int) -> tuple[float, float]:
    stored: list[float] = []
    kept: list[float] = []
    with database() as path:
        apps = TaskApp("stored", store=f"sqlite:///{path}"), TaskApp("kept")
        tasks = [app.task(same) for app in apps]
        with apps[0], apps[1]:
            for number in range(WARM_UP + size):
                for task, times in zip(tasks, (stored, kept), strict=True):
                    times.append(_timed(task, number))
    return median(stored[WARM_UP:]), median(kept[WARM_UP:])


def _timed(task: Task[..., Any], number: int) -> float:
    began = perf_counter()
    value = task.add_task(number).wait(PATIENCE)
    took = perf_counter() - began
    assert value == number
    return took * 1e3
