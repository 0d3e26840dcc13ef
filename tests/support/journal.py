"""A list of what happened that any thread writes and that any thread or loop waits on."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

PATIENCE = 10.0
"""Seconds after which something that a test waits for is taken to be lost."""


class Journal:
    """What happened, in order. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Any] = []
        self._waiting: list[tuple[int, Any, Future[None]]] = []

    def __call__(self, entry: Any) -> None:
        """Write `entry` down, and wake who waits for it."""
        with self._lock:
            self._entries.append(entry)
            due = [each for each in self._waiting if self._has(each[0], each[1])]
            self._waiting = [each for each in self._waiting if each not in due]
        for _, _, future in due:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    @property
    def entries(self) -> list[Any]:
        """A copy of what was written until now."""
        with self._lock:
            return list(self._entries)

    def count(self, entry: Any) -> int:
        """How often `entry` was written."""
        return self.entries.count(entry)

    def index(self, entry: Any) -> int:
        """At which place `entry` was written first."""
        return self.entries.index(entry)

    def _has(self, times: int, entry: Any) -> bool:
        return self._entries.count(entry) >= times

    def _when(self, entry: Any, times: int) -> Future[None]:
        future: Future[None] = Future()
        with self._lock:
            if not self._has(times, entry):
                self._waiting.append((times, entry, future))
                return future
        future.set_result(None)
        return future

    def wait(self, entry: Any, times: int = 1) -> None:
        """Block until `entry` was written so often.

        :raises TimeoutError: it was not, within the tests' patience.
        """
        try:
            self._when(entry, times).result(PATIENCE)
        except TimeoutError:
            raise TimeoutError(f"{entry!r} did not happen in {self.entries!r}") from None

    async def seen(self, entry: Any, times: int = 1) -> None:
        """The same on the running loop."""
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._when(entry, times)), PATIENCE)
        except TimeoutError:
            raise TimeoutError(f"{entry!r} did not happen in {self.entries!r}") from None
