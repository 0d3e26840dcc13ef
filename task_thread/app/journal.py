"""The app's pen: what changes is written down in groups, one after the other.

::

    put  put  put ........ put put put ................ put
    |<- one turn ->|<- while the first is written ->|
         group 1               group 2                group 3

Nobody waits to put a change down. While one group is written to the store the next one gathers, so
the disk is always busy and never hurried: under load each of its syncs serves hundreds of changes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final

from task_thread.app.store import Change, Store, check
from task_thread.core.ending import new_task
from task_thread.core.supervision import Backoff
from task_thread.errors import NotStorable, StoreError, StoreFailed

__all__ = ["Journal", "Stored"]

Stored = Callable[[StoreError | None], bool | None]
"""Told that a change is on disk, with None, or why not; returns True then to be told again."""

_Place = tuple[str, str]  # kind and key of a record
_Group = dict[_Place, Change]

_BACKOFF: Final = Backoff(initial=0.1, factor=2.0, maximum=10.0, jitter=0.1)


class Journal:
    """Writes changes to a store, in groups. On the loop that it is made on, and on no other.

    - **Together or not at all**: what is put between two awaits of the caller is in one group,
      which the store writes whole or not at all.
    - **In order**: a group is written when the one before it is. No change is overtaken by one that
      was put later.
    - **Only the last counts**: of several changes of one record that wait, the last is written.

    When the store fails the group is kept, joined by what comes, and tried again: after 0.1 s, then
    less and less often up to every 10 s; sooner where something new is put, though not more often
    than every 0.1 s.

    A change that the store refuses for good (:class:`~task_thread.errors.NotStorable`, found only
    when it is written) is dropped, and those of its group are written in smaller ones.

    Ownership: all of it belongs to the loop.

    :param store: an open store. The journal does not close it.
    :param loop: the loop that it lives on.
    :param on_trouble: called with the error of each try that has failed, and of each change that
        was refused.

    :ivar failed: the error of the last try; None where it was written.
    """

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        on_trouble: Callable[[StoreError], None],
    ) -> None:
        self._store, self._loop, self._on_trouble = store, loop, on_trouble
        self.failed: StoreError | None = None
        # Not the context of whoever happens to put the first change.
        self._context = copy_context()
        self._puts = 0  # how many there were, ever
        self._waiting: _Group = {}
        self._stored: list[tuple[_Place, Stored]] = []  # for what is waiting
        self._group: _Group = {}  # what is written just now
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []  # each for so many puts
        self._writer: asyncio.Task[None] | None = None  # while there is something to write
        self._failures = 0  # in a row
        self._rest: _Rest | None = None  # between two tries
        self._closed = False

    @property
    def pending(self) -> int:
        """How many changes are not on disk yet, those included that are written just now."""
        return len(self._waiting) + len(self._group)

    def put(self, change: Change, stored: Stored | None = None) -> None:
        """Write `change` down, soon. Does not wait.

        :param stored: called on the loop when the change, or one that was put later and replaces
            it, is on disk, with None; or with the error when the first try to write it has failed.
            The change is still kept then, and tried again. Where the callback returns True it
            is told how that went as well, and so on: until the change was written (None), refused
            for good (NotStorable), or lost in ``close()``.
        :raises NotStorable: it can't be stored. Nothing was changed.
        :raises StoreFailed: the journal is closed.
        """
        if self._closed:
            raise StoreFailed(f"the journal of {self._store.address} is closed")
        check(change)
        place = change[:2]
        self._waiting[place] = change
        if stored is not None:
            self._stored.append((place, stored))
        self._puts += 1
        if self._writer is None:
            self._begin()
        elif self._rest is not None:
            self._rest.shorten()

    async def flush(self) -> None:
        """Wait until all that was put before is on disk. Tries at once where a pause was on.

        :raises StoreError: it could not be written: it is kept, and tried again; or the store has
            refused some of it.
        """
        if self._writer is None:
            if not self._waiting:
                return
            if self._closed:
                raise self._lost()
            self._begin()
        written: asyncio.Future[None] = self._loop.create_future()
        self._flushes.append((self._puts, written))
        if self._rest is not None:
            self._rest.end()
        await written

    async def close(self, timeout: float) -> None:
        """Take no more changes, and write what is there. Again: does nothing.

        :param timeout: seconds within which it is tried, again and again where it fails.
        :raises StoreFailed: the time is up, and some changes are not known to be on disk.
        """
        self._closed = True
        writer = self._writer
        if writer is None:
            return
        self._failures = 0  # short pauses: there is not much time
        if self._rest is not None:
            self._rest.end()
        try:
            await asyncio.wait((writer,), timeout=timeout)
        finally:
            writer.cancel()
        await asyncio.wait((writer,))
        if self._waiting:
            error = self._lost()
            stored, self._stored = self._stored, []
            self._tell(stored, error, {})
            self._stored = []  # there is nothing more to tell
            self._end_flushes(self._puts, error)
            raise error

    # ---- inside ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """Write from the next turn on: what else is put in this one goes along."""
        self._writer = new_task(self._loop, self._write(), name="journal", context=self._context)

    async def _write(self) -> None:
        """Write group after group, until nothing waits."""
        try:
            while self._waiting:
                error = await self._write_waiting()
                # Who waits for a flush has come during this try, and wants another.
                if error is not None and not self._flushes:
                    self._rest = _Rest(self._loop, _BACKOFF.delay(self._failures, random.random()))
                    try:
                        await self._rest.wait()
                    finally:
                        self._rest = None
        finally:
            self._writer = None

    async def _write_waiting(self) -> StoreError | None:
        """Make all that waits one group, write it, and tell everyone how that went."""
        self._group, self._waiting = self._waiting, {}
        stored, self._stored = self._stored, []
        puts = self._puts
        refused: dict[_Place, StoreError] = {}
        try:
            error = await self._write_group(self._group, refused)
        except BaseException:  # cancelled: it may be written, or not
            self._stored = stored + self._stored
            self._take_back(refused)
            raise
        if error is not None:
            self._take_back(refused)
        self._group = {}
        self.failed = error
        self._failures = 0 if error is None else self._failures + 1
        for trouble in refused.values() if error is None else (*refused.values(), error):
            self._call(self._on_trouble, trouble)
        self._tell(stored, error, refused)
        self._end_flushes(puts, error if error is not None else next(iter(refused.values()), None))
        return error

    async def _write_group(
        self, group: _Group, refused: dict[_Place, StoreError]
    ) -> StoreError | None:
        """Write `group`, without what the store refuses, which goes to `refused`.

        :returns: why it could not be written now.
        """
        try:
            await self._store.write(list(group.values()))
        except NotStorable as error:
            places = list(group)
            if len(places) == 1:
                refused[places[0]] = error
                return None
            middle = len(places) // 2
            for half in (places[:middle], places[middle:]):
                failed = await self._write_group({place: group[place] for place in half}, refused)
                if failed is not None:
                    return failed  # what is written already is written once more, later
        except StoreError as error:
            return error
        except Exception as error:
            failed = StoreFailed(f"{self._store.address}: {type(error).__name__}: {error}")
            failed.__cause__ = error
            return failed
        return None

    def _take_back(self, refused: dict[_Place, StoreError]) -> None:
        """The group that was not written waits again, but for what is newer."""
        group, self._group = self._group, {}
        for place in refused:
            del group[place]
        group.update(self._waiting)
        self._waiting = group

    def _tell(
        self,
        stored: list[tuple[_Place, Stored]],
        error: StoreError | None,
        refused: dict[_Place, StoreError],
    ) -> None:
        """:param error: why the group was not written, and is tried again."""
        again: list[tuple[_Place, Stored]] = []
        for told in stored:
            place, callback = told
            more = self._call(callback, refused.get(place, error) if refused else error)
            if more is True and error is not None and place not in refused:
                again.append(told)
        if again:  # before what was put meanwhile
            self._stored = again + self._stored

    def _end_flushes(self, puts: int, error: StoreError | None) -> None:
        """End the flushes that wait for so many puts, or fewer."""
        waiting, self._flushes = self._flushes, []
        for flush in waiting:
            upto, written = flush
            if upto > puts:
                self._flushes.append(flush)
            elif written.done():  # cancelled
                continue
            elif error is None:
                written.set_result(None)
            else:
                written.set_exception(error)

    def _call(self, callback: Callable[[Any], bool | None], argument: object) -> bool | None:
        """Call what is not the journal's; what it raises is reported as of any callback."""
        try:
            return callback(argument)
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"the journal called {callback!r}", "exception": error}
            )
            return None

    def _lost(self) -> StoreFailed:
        why = "the time was up" if self.failed is None else self.failed
        return StoreFailed(
            f"{len(self._waiting)} change(s) were not written to {self._store.address}, and may be "
            f"lost: {why}"
        )


class _Rest:
    """The pause between two tries. On the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._over: asyncio.Future[None] = loop.create_future()
        self._soonest = loop.time() + min(seconds, _BACKOFF.initial)
        self._timer = loop.call_later(seconds, self.end)
        self._is_short = False

    async def wait(self) -> None:
        """Wait for its end."""
        try:
            await self._over
        finally:
            self._timer.cancel()

    def shorten(self) -> None:
        """There is something new to write: end when the shortest pause is over."""
        if not self._is_short:
            self._is_short = True
            self._timer.cancel()
            self._timer = self._loop.call_at(self._soonest, self.end)

    def end(self) -> None:
        """Try again now."""
        if not self._over.done():
            self._over.set_result(None)
