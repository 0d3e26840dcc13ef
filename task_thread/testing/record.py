"""A list that any thread writes and that any thread or loop waits on.

Ownership: everything belongs to the lock. What a waiter looks for is asked in the waiter's own
thread, so that a predicate which raises fails the test and not the thread that writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

__all__ = ["Record"]

T = TypeVar("T")


class Record(Generic[T]):
    """What happened, in order. From any thread."""

    def __init__(self) -> None:
        self._grown = threading.Condition()
        self._entries: list[T] = []
        self._wakers: list[Callable[[], None]] = []

    def add(self, entry: T) -> None:
        """Write `entry` down and wake who waits."""
        with self._grown:
            self._entries.append(entry)
            self._grown.notify_all()
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    @property
    def entries(self) -> list[T]:
        """A copy of what was written until now."""
        with self._grown:
            return list(self._entries)

    def clear(self) -> None:
        """Forget what was written."""
        with self._grown:
            self._entries.clear()

    def find(self, wanted: Callable[[T], bool], times: int = 1) -> tuple[T, ...]:
        """The entry that is `wanted`, the one that makes `times` of them; empty if not yet there.

        :raises ValueError: `times` is less than one.
        """
        if times < 1:
            raise ValueError(f"wait for at least one, not for times={times}")
        found = 0
        for entry in self.entries:
            if wanted(entry):
                found += 1
                if found == times:
                    return (entry,)
        return ()

    def wait_for(
        self, wanted: Callable[[T], bool], times: int, timeout: float, explain: Callable[[], str]
    ) -> T:
        """Block until :meth:`find` finds something, and return it.

        :param timeout: real seconds to wait at the most.
        :raises TimeoutError: it did not, and `explain` says what there was instead.
        """
        deadline = monotonic() + timeout
        while True:
            with self._grown:
                known = len(self._entries)
            if found := self.find(wanted, times):
                return found[0]
            if not self._wait_for_more(known, deadline - monotonic()):
                raise TimeoutError(explain())

    def _wait_for_more(self, known: int, timeout: float) -> bool:
        """Block until there are other than `known` entries. Whether there are."""
        with self._grown:
            return self._grown.wait_for(lambda: len(self._entries) != known, timeout)

    async def seen(
        self, wanted: Callable[[T], bool], times: int, timeout: float, explain: Callable[[], str]
    ) -> T:
        """The same on the running loop.

        :raises TimeoutError: as :meth:`wait_for`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            grown: asyncio.Future[None] = loop.create_future()

            def wake(grown: asyncio.Future[None] = grown) -> None:
                def settle() -> None:
                    if not grown.done():
                        grown.set_result(None)

                with contextlib.suppress(RuntimeError):  # closed: nobody waits there any more
                    loop.call_soon_threadsafe(settle)

            with self._grown:
                self._wakers.append(wake)
            try:
                if found := self.find(wanted, times):
                    return found[0]
                await asyncio.wait_for(grown, deadline - loop.time())
            except TimeoutError:
                raise TimeoutError(explain()) from None
            finally:
                with self._grown:
                    if wake in self._wakers:
                        self._wakers.remove(wake)
