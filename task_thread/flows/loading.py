"""Reading what the tasks of flows take, a few flows at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from task_thread.core.ending import new_task
from task_thread.errors import StoreFailed
from task_thread.flows.flow import Flow

__all__ = ["Loading"]

_LOOK_AGAIN: Final = 1.0  # seconds after which a store that can't be read is asked again
_READERS: Final = 8  # so many at once: a store does one thing at a time, but gladly the next


class Loading:
    """Flows that are to go on, and whose history has to be read before. On the loop, all of it.

    A start with 10,000 flows under way begins at once, and reads them as it gets to them.

    :param read: reads one.
    :param done: called with a flow that was read, and whether its check is polled.
    :param failed: called with one that can't be.
    :param complain: called with one that can't be for now. It is tried again a second later.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        read: Callable[[Flow], Awaitable[None]],
        done: Callable[[Flow, bool], None],
        failed: Callable[[Flow, Exception], None],
        complain: Callable[[Flow, StoreFailed], None],
    ) -> None:
        self._loop = loop
        self._read = read
        self._done = done
        self._failed = failed
        self._complain = complain
        self._waiting: deque[tuple[Flow, bool]] = deque()
        self._readers: set[asyncio.Task[None]] = set()
        self._closed = False

    def add(self, flow: Flow, polling: bool) -> None:
        """Read this one, when its turn has come."""
        if self._closed:
            return
        self._waiting.append((flow, polling))
        if len(self._readers) < _READERS:
            self._readers.add(new_task(self._loop, self._work(), name="load flows"))

    def close(self) -> None:
        """Read no more. What was to go on does so after the next start."""
        self._closed = True
        self._waiting.clear()
        for reader in self._readers:
            reader.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                flow, polling = self._waiting.popleft()
                try:
                    await self._read(flow)
                except StoreFailed as error:  # the disk may be well again in a moment
                    self._complain(flow, error)
                    self._waiting.appendleft((flow, polling))
                    await asyncio.sleep(_LOOK_AGAIN)
                except Exception as error:  # a damaged record
                    self._failed(flow, error)
                else:
                    self._done(flow, polling)
        finally:
            me = asyncio.current_task()
            assert me is not None
            self._readers.discard(me)
