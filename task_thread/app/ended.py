"""Runs that have ended, kept for a while so that one can ask for them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from task_thread.app.run import Run

__all__ = ["Ended"]


class Ended:
    """Forgets each run some time after its end. On the app's loop.

    :param runs: all runs by id, from which they are taken.
    :param retention: seconds.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, runs: dict[str, Run[Any]], retention: float
    ) -> None:
        self._loop = loop
        self._runs = runs
        self._retention = retention
        self._order: deque[tuple[float, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, run: Run[Any]) -> None:
        """It has ended just now."""
        self._order.append((self._loop.time() + self._retention, run.id))
        if self._timer is None:
            self._arm()

    def _arm(self) -> None:
        # Not a timer for each: one, for the oldest, and not more often than ten times within the
        # retention.
        soonest = self._loop.time() + self._retention / 10
        self._timer = self._loop.call_at(max(self._order[0][0], soonest), self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        while self._order and self._order[0][0] <= now:
            self._runs.pop(self._order.popleft()[1], None)
        self._timer = None
        if self._order:
            self._arm()

    def close(self) -> None:
        """No more sweeps."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
