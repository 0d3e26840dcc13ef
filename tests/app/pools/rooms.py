"""A loop to try a pool on, which must leave nothing behind."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from task_thread.app.processes import Processes
from task_thread.app.threads import Threads
from task_thread.testing import no_leaks

__all__ = ["begun", "call", "in_processes", "in_threads", "join_all", "seeded"]


def in_threads(work: Callable[[Threads], Coroutine[Any, Any, None]], idle: float = 10.0) -> None:
    """Run `work` with Threads called "pool", close them, and see that nothing is left."""

    async def main() -> None:
        threads = Threads("pool", idle)
        await work(threads)
        await threads.close()

    with no_leaks():
        asyncio.run(main())


def in_processes(work: Callable[[Processes], Coroutine[Any, Any, None]]) -> None:
    """Run `work` with Processes, close them, and see that nothing is left."""

    async def main() -> None:
        processes = Processes()
        await work(processes)
        await processes.close()
        assert processes.pids() == []

    with no_leaks():
        asyncio.run(main())


async def call(threads: Threads, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call it in a thread, in a copy of the context."""
    return await threads.call(fn, args, kwargs, copy_context())


async def begun(threads: Threads, fn: Callable[..., Any], *args: Any) -> asyncio.Task[Any]:
    """A task that waits for such a call, which was handed to a thread already."""
    task = asyncio.create_task(call(threads, fn, *args))
    await asyncio.sleep(0)
    return task


def join_all(name: str = "pool") -> None:
    """Wait for the OS threads of that pool to end."""
    for thread in threading.enumerate():
        if thread.name.startswith(f"{name}-"):
            thread.join(10)
            assert not thread.is_alive()


def seeded() -> random.Random:
    """Luck whose seed pytest shows when the test fails."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)
