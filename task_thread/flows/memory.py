"""The store of an app that has no file: records in memory, gone with the process.

So there is one way to keep a flow, and an app without a file differs from one with a file in that
nothing is there at its next start, and in nothing else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from task_thread.app.store import Change, check, check_limit, end_of
from task_thread.errors import StoreFailed, StoreInUse
from task_thread.flows.sorted_keys import SortedKeys

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["MemoryStore"]

_DROPPED: Final = 100  # expired records that one write drops, and two for each of its changes
_OUTDATED: Final = 1000  # ends of records that have another by now, or are gone


class MemoryStore:
    """Records in memory (see :class:`~task_thread.app.store.Store`). It keeps what a store promises
    but for one thing: what is written does not outlive the process.

    A store that was closed may be opened again, and has then what it had; so an app that is started
    anew in this process, with the same store, finds its records.

    Ownership: all of it is guarded by ``_lock``, which is held for as long as a call takes, and
    never while one waits.

    :param now: tells seconds since 1970, UTC.
    """

    @property
    def address(self) -> str:
        """``memory:``. From any thread."""
        return "memory:"

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._is_open = False
        self._shelves: dict[str, _Shelf] = {}  # by kind
        self._ends = _Ends()

    async def open(self, owner: TaskThread | None = None) -> None:
        """See :meth:`Store.open`. From any loop.

        :raises StoreInUse: it is open.
        """
        with self._lock:
            if self._is_open:
                raise StoreInUse(f"the store {self.address} is open already")
            self._is_open = True

    async def live(self, kind: str) -> list[tuple[str, bytes]]:
        """See :meth:`Store.live`. From any loop."""
        with self._lock:
            shelf = self._shelf(kind)
            return [(key, each.value) for key, each in shelf.records.items() if each.live]

    async def get(self, kind: str, key: str) -> bytes | None:
        """See :meth:`Store.get`. From any loop."""
        with self._lock:
            record = self._shelf(kind).records.get(key)
            return None if record is None else record.value

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> list[tuple[str, bytes]]:
        """See :meth:`Store.under`. From any loop."""
        check_limit(limit)
        with self._lock:
            shelf = self._shelf(kind)
            found = islice(shelf.under(prefix, reverse), limit)
            return [(key, shelf.records[key].value) for key in found]

    async def write(self, changes: Sequence[Change]) -> None:
        """See :meth:`Store.write`. From any loop. Some records that have expired go with them."""
        for change in changes:
            check(change)
        if not changes:
            return
        with self._lock:
            self._check_open()
            # Of two changes of one record the last one holds, and what is deleted and put again
            # was there all the time.
            last = {change[:2]: change for change in changes}
            for change in last.values():
                self._make(change)
            self._drop_expired(_DROPPED + 2 * len(last))
        # A store that takes no time would never let the loop of one who writes and writes turn.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Take no more calls. From any loop; again: does nothing."""
        with self._lock:
            self._is_open = False

    # ---- inside, under the lock -----------------------------------------------------------

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreFailed(f"the store {self.address} is not open")

    def _shelf(self, kind: str) -> _Shelf:
        """What there is of a kind, to be read.

        :raises StoreFailed: the store is not open.
        """
        self._check_open()
        shelf = self._shelves.get(kind)
        return _Shelf() if shelf is None else shelf

    def _make(self, change: Change) -> None:
        kind, key, value, live, expires = change
        shelf = self._shelves.get(kind)
        if value is None:
            if shelf is not None:
                self._ends.change(kind, key, shelf.drop(key), None)
            return
        if shelf is None:
            shelf = self._shelves[kind] = _Shelf()
        self._ends.change(kind, key, shelf.put(key, _Record(value, live, expires)), expires)

    def _drop_expired(self, most: int) -> None:
        for kind, key in self._ends.before(self._now(), most):
            self._shelves[kind].drop(key)


class _Record(NamedTuple):
    value: bytes
    live: bool
    expires: float | None


class _Shelf:
    """The records of one kind: by key, in the order in which they came, and in that of their keys.

    Ownership: the store's lock.
    """

    __slots__ = ("_keys", "records")

    def __init__(self) -> None:
        self.records: dict[str, _Record] = {}
        self._keys = SortedKeys()

    def put(self, key: str, record: _Record) -> float | None:
        """Put a record in, or in place of the one that is there.

        :returns: when the one that was there would have expired.
        """
        old = self.records.get(key)
        self.records[key] = record
        if old is None:
            self._keys.add(key)
            return None
        return old.expires

    def drop(self, key: str) -> float | None:
        """Take a record out, if it is there.

        :returns: when it would have expired.
        """
        old = self.records.pop(key, None)
        if old is None:
            return None
        self._keys.remove(key)
        return old.expires

    def under(self, prefix: str, reverse: bool) -> Iterator[str]:
        """The keys that begin with `prefix`, in their order or the other way."""
        keys = self._keys.back_from(end_of(prefix)) if reverse else self._keys.since(prefix)
        return takewhile(lambda key: key.startswith(prefix), keys)


class _Ends:
    """When which record expires. A heap in which an end that no longer holds stays, until it comes
    to the top or there are more of those than of others.

    Ownership: the store's lock.
    """

    __slots__ = ("_heap", "_now")

    def __init__(self) -> None:
        self._heap: list[tuple[float, str, str]] = []
        self._now: dict[tuple[str, str], float] = {}  # kind and key: the end that holds

    def change(self, kind: str, key: str, old: float | None, new: float | None) -> None:
        """A record that was to expire at `old` expires at `new`; None for never."""
        if old == new:
            return
        if new is None:
            del self._now[kind, key]
        else:
            self._now[kind, key] = new
            heappush(self._heap, (new, kind, key))
        if len(self._heap) > 2 * len(self._now) + _OUTDATED:
            self._heap = [(end, kind, key) for (kind, key), end in self._now.items()]
            heapify(self._heap)

    def before(self, now: float, most: int) -> Iterator[tuple[str, str]]:
        """Take out what has expired: kind and key of each. It looks at so many ends at most."""
        for _ in range(most):
            if not self._heap or self._heap[0][0] > now:
                return
            end, kind, key = heappop(self._heap)
            if self._now.get((kind, key)) == end:
                del self._now[kind, key]
                yield kind, key
