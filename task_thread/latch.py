"""A one-shot event with a value that any thread sets and that any loop waits for.

asyncio.Event belongs to one loop, threading.Event blocks the loop that waits for it, and a
concurrent.futures.Future weighs a kilobyte and is cancelled by whoever stops waiting for it. A
tree of threads needs many of the same kind: "has started", "has ended", "was answered".

Ownership: ``_value`` and ``_waiters`` are shared, and guarded by ``_lock`` (the value is written
once, so that reading it needs no lock after :meth:`Latch.is_set` said yes).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from asyncio.events import _get_running_loop
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_UNSET: Final = object()


class Latch(Generic[T]):
    """Set once, with a value, from any thread; waited for from any loop."""

    __slots__ = ("_lock", "_value", "_waiters", "pokes")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: Any = _UNSET
        self._waiters: list[Callable[[], None]] | None = None
        self.pokes = 0  # how often poke() was called

    def is_set(self) -> bool:
        """Whether the value is there. From any thread."""
        return self._value is not _UNSET

    def get(self) -> T:
        """The value. From any thread.

        :raises LookupError: it was not set yet.
        """
        if self._value is _UNSET:
            raise LookupError("the latch was not set yet")
        return self._value  # type: ignore[no-any-return]

    def set(self, value: T) -> bool:
        """Set the value and wake everyone who waits. From any thread.

        :returns: False, and nothing changes, where a value was set before.
        """
        with self._lock:
            if self._value is not _UNSET:
                return False
            self._value = value
            waiters, self._waiters = self._waiters, None
        for wake in waiters or ():
            wake()
        return True

    def poke(self) -> None:
        """Wake everyone who waits without setting a value, so that they look again."""
        with self._lock:
            self.pokes += 1
            waiters, self._waiters = self._waiters, None
        for wake in waiters or ():
            wake()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait on the running loop at most `timeout` seconds (None: without a limit).

        :returns: whether the value is there.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            await self.wait_once(left)
        return True

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """Hold this OS thread up until the value is there, at most `timeout` seconds (None:
        without a limit). Never on a loop's thread.

        :returns: whether the value is there.
        """
        woken = threading.Event()
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._subscribe(woken.set, None):
            left = None if deadline is None else deadline - time.monotonic()
            if not woken.wait(left):
                self._unsubscribe(woken.set)
                break
            woken.clear()
        return self.is_set()

    async def wait_once(self, timeout: float | None = None, seen: int | None = None) -> None:
        """Wait on the running loop until set, poked, or `timeout` seconds have passed.

        :param seen: ``pokes`` as they were before the caller looked at what a poke is about: if
            there has been one since, this returns at once. Without it that one would be lost.
        """
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake() -> None:
            if _get_running_loop() is loop:
                settle()
                return
            with contextlib.suppress(RuntimeError):  # closed: nobody waits on that loop any more
                loop.call_soon_threadsafe(settle)

        if not self._subscribe(wake, seen):
            return
        timer = None if timeout is None else loop.call_later(timeout, settle)
        try:
            await woken
        finally:
            if timer is not None:
                timer.cancel()
            self._unsubscribe(wake)

    def _subscribe(self, wake: Callable[[], None], seen: int | None) -> bool:
        with self._lock:
            if self._value is not _UNSET or (seen is not None and seen != self.pokes):
                return False
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(wake)
            return True

    def _unsubscribe(self, wake: Callable[[], None]) -> None:
        with self._lock:
            if self._waiters is not None and wake in self._waiters:
                self._waiters.remove(wake)
