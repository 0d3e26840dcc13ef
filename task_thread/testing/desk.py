"""A loop in real time, in an OS thread of its own, on which the kit waits for threads.

A plain test has no loop, an asynchronous one must not wait for a second loop in its own thread,
and a thread under test may hang: so whoever waits for a thread's start and end, and gives it up in
time, sits at a desk apart.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Desk"]

T = TypeVar("T")


class Desk:
    """Runs coroutines for threads without a loop. Begins when it is first used."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None) -> T:
        """Run `coroutine`, and block until it has ended. From any other OS thread.

        The context is the caller's.

        :param timeout: real seconds to wait at the most; None for no limit.
        :raises TimeoutError: it took longer, and was cancelled.
        :raises BaseException: what the coroutine raised.
        """
        if self._loop is None:
            self._loop = asyncio.SelectorEventLoop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="test-desk", daemon=True
            )
            self._thread.start()

        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            if not future.cancel():  # it has ended this moment, or has raised this itself
                return future.result()
            raise

    def close(self) -> None:
        """End it."""
        if self._loop is None or self._thread is None:
            return
        loop, self._loop = self._loop, None
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
