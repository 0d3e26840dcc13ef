"""What has ended, runs and other things, kept for a while so that one can ask for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Ended"]

_SHARE: Final = 0.1  # of the retention: those that end within it are forgotten together


class Ended:
    """Forgets each thing some time after its end. On the app's loop.

    Neither a timer nor a date for each: those that end within a tenth of the retention are one
    batch, which is forgotten when the last one of it has had its time.

    :param forget: called with the id of each when its time is over.
    :param retention: seconds.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, forget: Callable[[str], object], retention: float
    ) -> None:
        self._loop = loop
        self._forget = forget
        self._retention = retention
        self._batch: list[str] = []  # a timer is set for when it is complete, unless it is empty
        self._batches: deque[tuple[float, list[str]]] = deque()  # when they are to be forgotten
        self._timer: asyncio.TimerHandle | None = None

    def add(self, id: str) -> None:
        """It has ended just now."""
        if not self._batch:
            self._look_at(self._loop.time() + self._retention * _SHARE)
        self._batch.append(id)

    def _look(self) -> None:
        now = self._loop.time()
        if self._batch:
            self._batches.append((now + self._retention, self._batch))
            self._batch = []
        while self._batches and self._batches[0][0] <= now:
            for id in self._batches.popleft()[1]:
                self._forget(id)
        self.close()
        if self._batches:
            self._look_at(self._batches[0][0])

    def _look_at(self, when: float) -> None:
        """Look then, if not before."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def close(self) -> None:
        """No more looks."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
