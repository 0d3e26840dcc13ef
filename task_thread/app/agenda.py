"""Which entry is due next: a heap of moments, and the entries by their keys.

Pure: it knows no loop, no thread and no clock. A moment in here is a *stamp*, seconds since 1970 as
a float: in the heap it compares five times as fast as an aware datetime, and it does not mind in
which zone that one was. Stamps of two different microseconds differ up to the year 2242.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Any, Final

from task_thread.app.triggers.base import Trigger
from task_thread.app.triggers.luck import Luck

__all__ = ["NEVER", "Agenda", "Entry", "check_grace"]

NEVER: Final = math.inf
"""The stamp of what does not come."""

_FEW: Final = 64  # dead items that are not worth a rebuild


class Entry:
    """One task's trigger, and up to when it has been judged.

    Ownership: whoever made it, until it is added to a scheduler; from then on everything but
    ``key`` and ``payload``, which never change, is the scheduler's and guarded by its lock. What
    others read of it is true, but may be of a moment ago.

    :ivar key: the task's id.
    :ivar trigger: anchored, once it has been added.
    :ivar coalesce: one run for all that is due; False: a run for each.
    :ivar grace: seconds; what is later is missed. None: any lateness is run.
    :ivar luck: decides about jitter; None where the trigger has none.
    :ivar stride: from each of the trigger's times to the next one, where that is all there is to
        know of it: it need not be asked. None: it must be.
    :ivar after: up to when it was judged, UTC; None: until it is added, which is where it begins.
    :ivar next: when it is due next, in the trigger's zone; it has passed already while it waits
        to be judged. None: there is no next time. Kept while it is paused.
    :ivar paused: whether it is to be left alone.
    :ivar payload: whatever belongs to it.
    :raises ValueError: at construction: `grace` is negative or not a number.
    """

    __slots__ = (
        "key",
        "trigger",
        "coalesce",
        "grace",
        "luck",
        "stride",
        "after",
        "next",
        "paused",
        "payload",
        "stamp",
        "ticket",
        "waits",
    )

    def __init__(
        self,
        key: str,
        trigger: Trigger,
        payload: Any = None,
        *,
        after: datetime | None = None,
        coalesce: bool = True,
        grace: float | None = None,
        paused: bool = False,
    ) -> None:
        check_grace(grace)
        self.key = key
        self.trigger = trigger
        self.payload = payload
        self.coalesce = coalesce
        self.grace = grace
        self.luck: Luck | None = None
        self.stride: timedelta | None = None
        self.after = after
        self.next: datetime | None = None
        self.paused = paused
        self.stamp = NEVER  # of `next`, or later where others go first
        self.ticket = 0  # another one with each change: says whether a thing said of it still holds
        self.waits = False  # whether its ticket is in the heap

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, {self.trigger!r}, next={self.next}, paused={self.paused})"


def check_grace(grace: float | None) -> None:
    """Refuse a grace that makes no sense.

    :raises ValueError: it is negative or not a number.
    """
    if grace is not None and not grace >= 0:
        raise ValueError(f"the grace is seconds from 0 on, or None for any: {grace!r}")


class Agenda:
    """The entries, and in which order they are due: the earliest first, then the one that was
    planned first.

    What is taken out stays in the heap as a dead item until it comes up, or until more than half
    of the heap is dead.

    Ownership: the scheduler's lock.

    :ivar entries: all of them by their keys: those too that are paused, or due no more.
    """

    __slots__ = ("entries", "_heap", "_dead", "_tickets")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._heap: list[tuple[float, int, Entry]] = []
        self._dead = 0
        self._tickets = count(1)

    def plan(self, entry: Entry, stamp: float) -> None:
        """Let `entry` come up at `stamp`, instead of whenever it was planned for."""
        self.withdraw(entry)
        entry.stamp = stamp
        if stamp != NEVER and not entry.paused:
            heappush(self._heap, (stamp, entry.ticket, entry))
            entry.waits = True

    def withdraw(self, entry: Entry) -> None:
        """It comes up no more; what was said of it before no longer holds."""
        entry.ticket = next(self._tickets)
        if entry.waits:
            entry.waits = False
            self._dead += 1
            if self._dead > max(_FEW, len(self._heap) // 2):
                self._heap = [item for item in self._heap if item[1] == item[2].ticket]
                heapify(self._heap)
                self._dead = 0

    def earliest(self) -> float:
        """When the next one comes up; ``NEVER``: none does."""
        entry = self.first(NEVER)
        return NEVER if entry is None else entry.stamp

    def first(self, stamp: float) -> Entry | None:
        """The first that comes up until `stamp`, left where it is. None: there is none."""
        heap = self._heap
        while heap:
            earliest, ticket, entry = heap[0]
            if ticket == entry.ticket:
                return entry if earliest <= stamp else None
            heappop(heap)
            self._dead -= 1
        return None

    def take(self, stamp: float) -> Entry | None:
        """The same, taken out: plan it again."""
        entry = self.first(stamp)
        if entry is not None:
            heappop(self._heap)
            entry.waits = False
        return entry

    def postpone(self, entry: Entry, stamp: float) -> None:
        """Let `entry` come up at `stamp`. Only for what :meth:`first` has just given: it is planned
        anew in one step, and not taken out of the heap and put in again."""
        entry.stamp = stamp
        entry.ticket = ticket = next(self._tickets)
        heapreplace(self._heap, (stamp, ticket, entry))

    def __len__(self) -> int:
        """How many entries wait to come up."""
        return len(self._heap) - self._dead

    @property
    def weight(self) -> int:
        """Items in the heap, the dead ones included."""
        return len(self._heap)
