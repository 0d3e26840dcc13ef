"""How long flows are kept that have ended: in memory for a minute, in the store for a week."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import time
from typing import Any, Final

from task_thread.app.ended import Ended
from task_thread.errors import StoreError

__all__ = ["Keeping"]

_SOONEST: Final = 1.0  # seconds between two sweeps
_LATER: Final = 3600.0  # the longest that a timer is set: the wall clock may be put forward


class Keeping:
    """Forgets flows some time after their end. On the loop, all of it: one timer for the memory and
    one for the store, each set to when the oldest is due.

    :param memory: seconds for which one that is done or cancelled stays in memory.
    :param store: seconds for which one that has ended, if it failed too, stays in the store.
    :param forget: called with the run id of one that leaves the memory.
    :param sweep: drops from the store what ended before a time; returns when the oldest of the
        rest did, and whether there is more to drop.
    :param begin: begins a task.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        memory: float,
        store: float,
        forget: Callable[[str], None],
        sweep: Callable[[float], Coroutine[Any, Any, tuple[float | None, bool]]],
        begin: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self._loop = loop
        self._memory = Ended(loop, forget, memory)
        self._store = store
        self._sweep = sweep
        self._begin = begin
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False
        self._dropping = False
        self._drop()

    def ended(self, id: str, *, final: bool) -> None:
        """A flow has ended just now; or (not `final`) failed, and may be resumed."""
        if self._closed:
            return
        if final:
            self._memory.add(id)
        if self._sweeping is None and not self._dropping:
            self._sweeping = self._loop.call_later(min(self._store, _LATER), self._drop)

    def close(self) -> None:
        """No more sweeps."""
        self._closed = True
        self._memory.close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _drop(self) -> None:
        self._sweeping = None
        if not self._closed:
            self._dropping = True
            self._begin(self._drop_due(), "drop ended flows")

    async def _drop_due(self) -> None:
        """Drop what is due, and come again when the next one is."""
        try:
            oldest, more = await self._sweep(time() - self._store)
        except StoreError:  # it is read again when there is cause to
            oldest, more = time() - self._store + _LATER, False
        finally:
            self._dropping = False
        if self._closed:
            return
        if more:
            self._sweeping = self._loop.call_later(0.0, self._drop)
        elif oldest is not None:
            left = max(oldest + self._store - time(), _SOONEST)
            self._sweeping = self._loop.call_later(min(left, _LATER), self._drop)
