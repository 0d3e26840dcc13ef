"""Tests that are coroutines, for the marker ``task_thread``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from task_thread.testing.leaks import LeakError

__all__ = ["run_coroutine"]


def run_coroutine(
    cofunc: Callable[..., Coroutine[Any, Any, Any]], arguments: dict[str, Any], timeout: float
) -> None:
    """Await ``cofunc(**arguments)`` on a new loop, which is closed after that.

    :param timeout: real seconds that it may take.
    :raises TimeoutError: it took longer.
    :raises LeakError: tasks that it began were pending when it returned.
    :raises BaseException: what it raised.
    """

    async def whole() -> None:
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await cofunc(**arguments)
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"the test took longer than {timeout:g} s") from error
            raise
        await asyncio.sleep(0)  # what has just ended may still have to say so
        own = asyncio.current_task()
        names = sorted(task.get_name() for task in asyncio.all_tasks() if task is not own)
        if names:
            raise LeakError([f"the test returned with pending tasks: {', '.join(names)}"])

    with asyncio.Runner() as runner:
        runner.run(whole())
