"""Doing something on a thread's own loop, asked for from any loop.

What is asked for ends with the thread: who waits for it is then told so, and never left waiting
for a loop that was closed before it got round to it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from task_thread.errors import ThreadEnded
from task_thread.latch import Latch

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Errands"]

R = TypeVar("R")

_Outcome = Latch[tuple[bool, Any]]


class Errands:
    """What others have asked one thread to do on its loop.

    Ownership: both attributes belong to the lock of the thread's life.
    """

    __slots__ = ("_closed", "_open", "_thread")

    def __init__(self, thread: TaskThread) -> None:
        self._thread = thread
        self._open: list[_Outcome] = []
        self._closed = False

    async def run(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Await ``work()`` on the thread's loop. From any loop; a cancel is passed on.

        :raises ThreadEnded: the thread has ended, or ends before it was done.
        :raises BaseException: what ``work()`` raised.
        """
        life = self._thread._taskthread.life
        loop = life.loop
        assert loop is not None  # its caller has looked
        if loop is asyncio.get_running_loop():
            return await work()
        outcome: _Outcome = Latch()
        with life.lock:
            if self._closed:
                raise self._refusal()
            self._open.append(outcome)
        tasks: list[asyncio.Task[Any]] = []
        context = copy_context()

        def begin() -> None:
            if self._thread._taskthread.crew.closed:  # in its last turns: nobody would await it
                outcome.set((False, self._refusal()))
                return
            tasks.append(life.create_task(self._do(work, outcome), "errand", context))

        try:
            with contextlib.suppress(RuntimeError):  # closed this moment: it is told in a moment
                loop.call_soon_threadsafe(begin)
            await outcome.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
            raise
        finally:
            with life.lock:
                if outcome in self._open:
                    self._open.remove(outcome)
        good, value = outcome.get()
        if good:
            return value  # type: ignore[no-any-return]
        raise value

    async def _do(self, work: Callable[[], Coroutine[Any, Any, Any]], outcome: _Outcome) -> None:
        try:
            outcome.set((True, await work()))
        except asyncio.CancelledError:
            outcome.set((False, self._refusal()))
            raise
        except BaseException as error:
            outcome.set((False, error))

    def close(self) -> None:
        """The thread has ended. From any thread."""
        with self._thread._taskthread.life.lock:
            self._closed = True
            left, self._open = self._open, []
        for outcome in left:
            outcome.set((False, self._refusal()))

    def _refusal(self) -> ThreadEnded:
        return ThreadEnded(f"{self._thread} ended before that was done", self._thread)
