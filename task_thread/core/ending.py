"""Ending asyncio tasks that may not want to end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import Any

__all__ = ["close_by_force", "end_tasks", "where_it_hangs"]


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], limit: float) -> list[asyncio.Task[Any]]:
    """Wait for cancelled `tasks` to end; at half the time cancel again, at the limit close them.

    :param limit: when to be done with it, in seconds of :func:`time.monotonic`.
    :returns: those that had to be closed by force.
    """
    pending = {task for task in tasks if not task.done()}
    if not pending:
        return []
    half = max(0.0, (limit - monotonic()) / 2)
    _, pending = await asyncio.wait(pending, timeout=half)
    if not pending:
        return []
    for task in pending:
        task.cancel()
    _, pending = await asyncio.wait(pending, timeout=max(0.01, limit - monotonic()))
    for task in pending:
        close_by_force(task)
    return list(pending)


def close_by_force(task: asyncio.Task[Any]) -> bool:
    """Close the coroutine under a task that swallows every cancel: no ``except`` for an Exception
    or a CancelledError holds a GeneratorExit up. Whether that worked."""
    coroutine: Any = task.get_coro()
    try:
        coroutine.close()
    except (RuntimeError, ValueError):
        return False  # it caught even that, or it is the one that runs right now
    # The task finds its coroutine closed when it is woken, which would be logged as an error.
    task.add_done_callback(_retrieve)
    task.cancel()
    return True


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def where_it_hangs(task: asyncio.Task[Any]) -> str:
    """In which line a suspended task hangs."""
    frames = task.get_stack()
    awaited: Any = task.get_coro()
    while getattr(awaited, "cr_await", None) is not None:
        awaited = awaited.cr_await
        frame = getattr(awaited, "cr_frame", None)
        if frame is not None:
            frames = [frame]
    if not frames:
        return "it hangs"
    frame = frames[-1]
    return f"it hangs in {frame.f_code.co_qualname}, {frame.f_code.co_filename}:{frame.f_lineno}"
