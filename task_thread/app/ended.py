"""Runs that have ended, kept for a while so that one can ask for them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from task_thread.app.run import Run

__all__ = ["Ended"]

_SHARE: Final = 0.1  # of the retention: those that end within it are forgotten together


class Ended:
    """Forgets each run some time after its end. On the app's loop.

    Neither a timer nor a date for each: those that end within a tenth of the retention are one
    batch, which is forgotten when the last one of it has had its time.

    :param runs: all runs by id, from which they are taken.
    :param retention: seconds.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, runs: dict[str, Run[Any]], retention: float
    ) -> None:
        self._loop = loop
        self._runs = runs
        self._retention = retention
        self._batch: list[str] = []  # a timer is set for when it is complete, unless it is empty
        self._batches: deque[tuple[float, list[str]]] = deque()  # when they are to be forgotten
        self._timer: asyncio.TimerHandle | None = None

    def add(self, run: Run[Any]) -> None:
        """It has ended just now."""
        if not self._batch:
            self._look_at(self._loop.time() + self._retention * _SHARE)
        self._batch.append(run.id)

    def _look(self) -> None:
        now = self._loop.time()
        if self._batch:
            self._batches.append((now + self._retention, self._batch))
            self._batch = []
        while self._batches and self._batches[0][0] <= now:
            for id in self._batches.popleft()[1]:
                self._runs.pop(id, None)
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
