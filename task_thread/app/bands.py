"""Who may start next: what waits for a place in a pool, and how many of each band may run.

The rules:

- The lower priority number goes first; of one number, who came first.
- All that runs is counted together, whatever its band. A band starts only while that count is
  below the band's limit: LOW ``size``, NORMAL also ``reserve_normal``, HIGH also ``reserve_high``;
  CRITICAL has none. So who goes first also has the higher limit, and if the first one may not
  start, nobody may.

Pure: it knows no loop, no thread and no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

from task_thread.app.words import Priority, band_of

__all__ = ["Bands"]

T = TypeVar("T")

_MANY: Final = 64  # queues without anybody in them before they are looked for


class Bands(Generic[T]):
    """What waits for a place, in order, and how much runs.

    Ownership: all of it belongs to one loop. Other threads may read the counts.

    :param size: how many may run at once; None: no limit, and nothing to keep in reserve.
    :param reserve_normal: places more for NORMAL and what goes before it.
    :param reserve_high: places more for HIGH and CRITICAL.
    :ivar running: how many were taken and are not done.
    :ivar waiting: all that wait, with their priorities. To be read only.
    :raises ValueError: a size below 1, a negative reserve, or a reserve without a size.
    """

    __slots__ = ("_bounds", "_empty", "_order", "_queues", "_size", "running", "waiting")

    def __init__(self, size: int | None, reserve_normal: int = 0, reserve_high: int = 0) -> None:
        if size is not None and size < 1:
            raise ValueError(f"a pool has at least one place, or None for no limit: {size!r}")
        if reserve_normal < 0 or reserve_high < 0:
            raise ValueError(f"a reserve is 0 or more: {min(reserve_normal, reserve_high)!r}")
        if size is None and (reserve_normal or reserve_high):
            raise ValueError("a pool without a limit has nothing to keep in reserve")
        self.running = 0
        self._size = size
        normal = (size or 0) + reserve_normal
        self._bounds = (normal, normal + reserve_high)  # for NORMAL, for HIGH
        self.waiting: dict[T, int] = {}
        # A queue for each priority. Ordered dictionaries: one is taken from the front, or out of
        # the middle, at the same small cost.
        self._queues: dict[int, OrderedDict[T, None]] = {}
        self._order: list[int] = []  # the keys of _queues, as a heap
        self._empty = 0  # at most so many of them are empty

    def put(self, item: T, priority: int) -> None:
        """Let `item` wait. Known by its hash; never None.

        :raises ValueError: it waits already.
        """
        if item in self.waiting:
            raise ValueError(f"it waits already: {item!r}")
        queue = self._queues.get(priority)
        if queue is None:
            queue = self._queues[priority] = OrderedDict()
            heappush(self._order, priority)
        queue[item] = None
        self.waiting[item] = priority

    def take(self) -> T | None:
        """The next one that may start now, which runs from now on; None: nobody may, or waits."""
        if not self.waiting:
            return None
        order, queues = self._order, self._queues
        while not (queue := queues[order[0]]):
            del queues[heappop(order)]
        running = self.running
        size = self._size
        if size is not None and running >= size and not self._in_reserve(order[0]):
            return None
        item, _ = queue.popitem(last=False)
        del self.waiting[item]
        if not queue:
            self._emptied()
        self.running = running + 1
        return item

    def _in_reserve(self, priority: int) -> bool:
        """Whether there is a place for `priority` though ``size`` are taken."""
        if priority <= Priority.CRITICAL:
            return True
        if priority > Priority.NORMAL:
            return False
        normal, high = self._bounds
        return self.running < (high if priority <= Priority.HIGH else normal)

    def done(self) -> None:
        """One that was taken has ended: its place is free.

        :raises RuntimeError: nothing runs.
        """
        if not self.running:
            raise RuntimeError("nothing runs that could be done")
        self.running -= 1

    def discard(self, item: T) -> bool:
        """Take a waiting one out. False: it does not wait."""
        priority = self.waiting.pop(item, None)
        if priority is None:
            return False
        queue = self._queues[priority]
        del queue[item]
        if not queue:
            self._emptied()
        return True

    def _emptied(self) -> None:
        """A queue has become empty. It is kept, since the next one mostly has the same priority;
        but of a caller who makes up a new priority for each no more are kept than are in use."""
        self._empty += 1
        if self._empty <= _MANY or 2 * self._empty <= len(self._order):
            return
        self._queues = {key: queue for key, queue in self._queues.items() if queue}
        self._order = list(self._queues)
        heapify(self._order)
        self._empty = 0

    def ready(self) -> bool:
        """Whether :meth:`take` would give one."""
        if not self.waiting:
            return False
        if self._size is None or self.running < self._size:
            return True
        return self._in_reserve(min(key for key, queue in self._queues.items() if queue))

    def __len__(self) -> int:
        """How many wait."""
        return len(self.waiting)

    def __contains__(self, item: object) -> bool:
        """Whether it waits."""
        return item in self.waiting

    def items(self) -> list[T]:
        """All that wait, the next one first."""
        return [item for priority in sorted(self._order) for item in self._queues[priority]]

    def waiting_by_band(self) -> dict[Priority, int]:
        """How many wait in each of the four bands."""
        waiting = dict.fromkeys(Priority, 0)
        for priority, queue in self._queues.items():
            waiting[band_of(priority)] += len(queue)
        return waiting
