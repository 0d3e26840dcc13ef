"""Runs that wait for their time: one heap, one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Generic, TypeVar

__all__ = ["Delays"]

T = TypeVar("T")

_FEW: Final = 32  # dead entries that are not worth a sweep


class Delays(Generic[T]):
    """Things that are due later, on the loop's clock. On the loop, all of it.

    :param due: called with each thing when its time has come.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[T], None]) -> None:
        self._loop = loop
        self._due = due
        self._heap: list[_Entry[T]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._entries: dict[int, _Entry[T]] = {}  # by the identity of what waits

    def add(self, thing: T, seconds: float) -> None:
        """Have it due in so many seconds. It is not there already."""
        entry = _Entry(self._loop.time() + seconds, next(self._numbers), thing)
        heappush(self._heap, entry)
        self._entries[id(thing)] = entry
        if self._heap[0] is entry:
            self._arm()

    def discard(self, thing: T) -> bool:
        """Forget it. Whether it was there."""
        entry = self._entries.pop(id(thing), None)
        if entry is None:
            return False
        entry.thing = None  # found dead when its time comes, or when there are too many such
        if len(self._heap) > 2 * len(self._entries) + _FEW:
            self._heap = [each for each in self._heap if each.thing is not None]
            heapify(self._heap)
            self._arm()
        return True

    def clear(self) -> list[T]:
        """Forget all of it, and return it in order."""
        things = [each.thing for each in sorted(self._heap) if each.thing is not None]
        self._heap.clear()
        self._entries.clear()
        self._arm()
        return things

    def __len__(self) -> int:
        return len(self._entries)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = self._loop.call_at(self._heap[0].at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and self._heap[0].at <= now:
            thing = heappop(self._heap).thing
            if thing is not None:
                del self._entries[id(thing)]
                self._due(thing)
        self._arm()


class _Entry(Generic[T]):
    __slots__ = ("at", "number", "thing")

    def __init__(self, at: float, number: int, thing: T) -> None:
        self.at = at
        self.number = number
        self.thing: T | None = thing

    def __lt__(self, other: _Entry[T]) -> bool:
        return (self.at, self.number) < (other.at, other.number)
