"""Starting asyncio tasks that must not start at once, and ending those that do not want to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextvars import Context
from time import monotonic
from typing import Any, Final

__all__ = ["close_by_force", "end_tasks", "is_forced_close", "new_task", "where_it_hangs"]


def new_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    *,
    name: str | None = None,
    context: Context | None = None,
) -> asyncio.Task[Any]:
    """A task that takes its first step in a later turn of `loop`, as tasks do.

    Also where the loop has a task factory of the user's: one that starts tasks eagerly would run
    this one before its maker has kept it, and in a context that is entered already.
    """
    if loop.get_task_factory() is not None:
        return asyncio.Task(coroutine, loop=loop, name=name, context=context)
    return loop.create_task(coroutine, name=name, context=context)


_LAST_TURNS: Final = 0.01  # seconds for tasks to find that their coroutine was closed


async def end_tasks(
    tasks: Mapping[asyncio.Task[Any], Any], limit: float
) -> list[tuple[asyncio.Task[Any], str]]:
    """Wait for cancelled `tasks` to end; at half the time cancel again, at the limit close them.

    :param tasks: each with the coroutine that it drives, if that is not its own.
    :param limit: when to be done with it, in seconds of :func:`time.monotonic`.
    :returns: those that had to be closed by force, each with where it hung.
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
    stubborn = [(task, where_it_hangs(task, tasks[task])) for task in pending]
    for task in pending:
        close_by_force(task)
    if pending:
        await asyncio.wait(pending, timeout=_LAST_TURNS)
    return stubborn


def close_by_force(task: asyncio.Task[Any]) -> bool:
    """Close the coroutine under a task that swallows every cancel: no ``except`` for an Exception
    or a CancelledError holds a GeneratorExit up. Whether that worked."""
    coroutine: Any = task.get_coro()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it has been said by name
    # What it does with that, or that it is found closed when it is woken, is no news any more.
    task.add_done_callback(_retrieve)
    try:
        coroutine.close()
    except (RuntimeError, ValueError):
        return False  # it caught even that, or it is the one that runs right now
    task.cancel()
    return True


def is_forced_close(error: BaseException) -> bool:
    """Whether `error` is how a coroutine, or one inside it that resists, meets its close()."""
    return isinstance(error, GeneratorExit) or (
        type(error) is RuntimeError and str(error).endswith("ignored GeneratorExit")
    )


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def where_it_hangs(task: asyncio.Task[Any], coroutine: Any = None) -> str:
    """The lines in which a suspended task, or the `coroutine` that it drives, hangs; the innermost
    one last."""
    awaited: Any = task.get_coro() if coroutine is None else coroutine
    lines: list[str] = []
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        code = frame.f_code
        lines.append(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        awaited = awaited.cr_await
    return f"it hangs in {' > '.join(lines)}" if lines else "it hangs"
