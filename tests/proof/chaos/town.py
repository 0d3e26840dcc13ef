"""Who lives where, for senders and killers: the supervised children of a whole tree.

A *place* is one handle with its books, from its spawn until its parent has forgotten it or ended.
The books are sums and last numbers, not lists: memory that grows over the minute is a leak.

Ownership: ``_places`` and each place's ``users`` belong to the town's lock; a place's tally is
written by the child's instances, of which one runs at a time; a row by its one sender.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from task_thread import Handle
from task_thread.latch import Latch
from task_thread.signals import Signal
from tests.proof.chaos.ledger import Load, Question, inbox_of
from tests.proof.trees import PATIENCE


@dataclass
class Sums:
    """What one sender has sent to one place.

    :ivar next: its next signal's number.
    :ivar unsure: sends that failed and may have been accepted all the same.
    """

    next: int = 0
    accepted: int = 0
    unsure: int = 0


@dataclass(eq=False)
class Place:
    """A supervised child of the tree.

    :ivar above: that of its manager, to which it sends signals.
    :ivar bad_starts: how many of the next starts shall fail, and in which way.
    """

    name: str
    handle: Handle[Any] = field(init=False)
    restart: str = "permanent"
    above: Place | None = None
    starts: int = 0
    bad_starts: list[str] = field(default_factory=list)
    rows: dict[str, Sums] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    handled: int = 0
    wrong: list[str] = field(default_factory=list)
    users: int = 0
    retired: bool = False
    unused: Latch[None] = field(default_factory=Latch)

    @property
    def up(self) -> str:
        """As whom it sends to its manager."""
        return f"up from {self.name}"

    def note(self, signal: Signal) -> None:
        """An instance was given `signal`: first thing in its handler."""
        self.handled += 1
        if isinstance(signal, Load | Question):
            before = self.last.get(signal.sender, -1)
            if signal.number <= before:
                self.wrong.append(f"{signal} after {before}")
            self.last[signal.sender] = signal.number

    def check_now(self) -> None:
        """The books and the statistics agree, as far as they can while both go on."""
        least = self.handled
        inbox = inbox_of(self.handle)
        most = self.handled
        # One may have been taken out of the inbox, and not have entered its handler.
        if not least <= inbox.handled <= most + 1:
            self.wrong.append(f"{self.name}: handled {least} to {most}, and says {inbox}")

    def check_finally(self) -> None:
        """All that was accepted was handled or is counted dead."""
        inbox = inbox_of(self.handle)
        accepted = sum(row.accepted for row in self.rows.values())
        unsure = sum(row.unsure for row in self.rows.values())
        if inbox.depth or inbox.handled != self.handled:
            self.wrong.append(f"{self.name}: handled {self.handled}, and says {inbox}")
        missing = self.handled + inbox.dead - accepted
        if not 0 <= missing <= unsure:
            self.wrong.append(
                f"{self.name}: accepted {accepted} (and up to {unsure}), handled {self.handled}, "
                f"dead {inbox.dead}"
            )


class Town:
    """All places of the moment, and what became of those that were.

    :param loop: where places are settled when they are given up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._numbers = itertools.count()
        self._settling: set[asyncio.Task[None]] = set()
        self.wrong: list[str] = []
        self.totals: Counter[str] = Counter()

    def new_place(self, kind: str, restart: str, above: Place | None = None) -> Place:
        """A place that nobody lives in yet. From any thread."""
        return Place(f"{kind}-{next(self._numbers)}", restart=restart, above=above)

    def open(self, place: Place, handle: Handle[Any]) -> None:
        """Somebody lives there now. From any thread."""
        place.handle = handle
        with self._lock:
            self._places[place.name] = place

    def pick(self, rng: random.Random) -> Place | None:
        """Some place, to be given back with :meth:`release`. From any thread."""
        with self._lock:
            if not self._places:
                return None
            place = rng.choice(list(self._places.values()))
            place.users += 1
            return place

    def release(self, place: Place) -> None:
        """Nothing is on its way there from whoever picked it. From any thread."""
        with self._lock:
            place.users -= 1
            unused = place.retired and not place.users
        if unused:
            place.unused.set(None)

    def row(self, place: Place, sender: str) -> Sums:
        """The sums of `sender` there. From any thread."""
        with self._lock:
            return place.rows.setdefault(sender, Sums())

    def close(self, place: Place) -> None:
        """Nobody will live there any more, soon: settle it then. From any thread."""
        with self._lock:
            if self._places.pop(place.name, None) is None:
                return
            place.retired = True
            unused = not place.users
        if unused:
            place.unused.set(None)
        self._loop.call_soon_threadsafe(self._begin_to_settle, place)

    def _begin_to_settle(self, place: Place) -> None:
        task = self._loop.create_task(self._settle(place))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, place: Place) -> None:
        async with asyncio.timeout(PATIENCE):
            await place.handle.join()
            if not await place.unused.wait(PATIENCE):
                self.wrong.append(f"{place.name}: somebody still sends")
        self._fold(place)
        place.check_finally()
        self.wrong += place.wrong
        inbox = place.handle.statistics().inbox
        self.totals["places"] += 1
        self.totals["accepted"] += inbox.accepted
        self.totals["handled"] += inbox.handled
        self.totals["dead"] += inbox.dead
        self.totals["restarts"] += place.handle.restarts

    def _fold(self, place: Place) -> None:
        """Add the row of one who sends no more to that of all who are gone: books must not grow."""
        above, name = place.above, place.up
        if above is None:
            return
        with self._lock:
            row = above.rows.pop(name, None)
            gone = above.rows.setdefault("gone", Sums())
            if row is not None:
                gone.accepted += row.accepted
                gone.unsure += row.unsure
        above.last.pop(name, None)

    async def settle_all(self) -> None:
        """At the end of all: no place is left."""
        with self._lock:
            left = list(self._places.values())
        for place in left:
            self.close(place)
        await asyncio.sleep(0)
        while self._settling:
            await asyncio.gather(*self._settling)

    def open_places(self) -> list[Place]:
        """Those that somebody lives in. From any thread."""
        with self._lock:
            return list(self._places.values())
