"""Runs in memory, through the public API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from task_thread.app import TaskApp

from .loops import PATIENCE
from .placement import Place
from .runs import THREADS, gathered, rate_of_calls, rate_of_runs, same, same_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from task_thread.app import Run


def on_its_loop(size: int) -> float:
    """Runs per second where a coroutine on the app's loop adds them and awaits them."""
    app = TaskApp("bench")
    task = app.task(same)

    @app.task
    async def pour() -> float:
        Place(0, 1).take()

        async def add(number: int) -> Run[int]:
            return task.add_task(number)

        return await rate_of_runs(add, gathered, size)

    with app:
        rate: float = pour.add_task().wait(PATIENCE)
        return rate


def from_thread(size: int, cores: int) -> float:
    """The same where another OS thread adds them and waits for them."""
    app = TaskApp("bench")
    task = app.task(same)

    @app.task
    async def move() -> None:
        Place(1, cores).take()

    Place(0, cores).take()
    with app:
        move.add_task().wait(PATIENCE)
        return rate_of_calls(task.add_task, results, size)


def of_functions(size: int) -> float:
    """Runs per second of a plain function, in the app's OS threads, added from another one."""
    app = TaskApp("bench", threads=THREADS)
    task = app.task(same_now)
    with app:
        return rate_of_calls(task.add_task, results, size)


def results(runs: Sequence[Run[int]]) -> list[int]:
    """Wait for all of them."""
    return [run.wait(PATIENCE) for run in runs]
