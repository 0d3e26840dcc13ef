"""Calls in another process, one after the other, through the public API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from task_thread.app import TaskApp

from .bare_process import positive, round_trip_time
from .loops import PATIENCE, LoopThread

if TYPE_CHECKING:
    from collections.abc import Awaitable


def applied(size: int) -> float:
    """Microseconds for each, called on the app's loop."""
    app = TaskApp("bench", processes=1)

    @app.task
    async def pour() -> float:
        return await _pour(app, size)

    with app:
        time: float = pour.add_task().wait(PATIENCE)
        return time


def applied_across(size: int) -> float:
    """The same, called on another loop."""
    app = TaskApp("bench", processes=1)
    with app, LoopThread() as caller:
        return caller.submit(_pour(app, size)).result(PATIENCE)


async def _pour(app: TaskApp, size: int) -> float:
    def call(number: int) -> Awaitable[int]:
        return app.apply(positive, number, executor="process")

    return await round_trip_time(call, size)
