"""The store in a SQLite file, written by a thread of its own (``sqlite_thread``).

**The thread is a root of its own, and no child of the app.** A thread's children are stopped before
its ``exit__`` is called. But what an app stores last it knows last, when all its runs and children
have ended. So the app opens its store in ``enter__`` (and closes it where ``enter__`` fails after
that), and closes it at the end of ``exit__``, after its journal. When the app is abandoned, or its
process ends without ceremony, nothing that was acknowledged is lost: it is on disk.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from task_thread.app.sqlite_thread import SqliteThread
from task_thread.app.store import Change, check, check_limit
from task_thread.errors import StoreFailed, StoreInUse

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["SqliteStore"]


class SqliteStore:
    """Records in a SQLite file (see :class:`~task_thread.app.store.Store`).

    The file, made with mode 0600, and ``-wal`` and ``-shm`` beside it while it is open, belong
    together; a copy is made with ``sqlite3 FILE ".backup COPY"``, also meanwhile. ``FILE.lock``
    says who has it. The file does not shrink: the room of what was dropped is used again.

    A store that was closed may be opened again.

    Ownership: ``_thread`` is replaced by ``open`` and ``close``, which the owner awaits, one at a
    time; it is read from any thread.

    :param path: the file; a relative one is in the directory that is the working one now.
    :param synchronous: "full": what was written outlives a loss of power; "normal": it outlives the
        process.
    """

    def __init__(self, path: str, *, synchronous: Literal["full", "normal"] = "full") -> None:
        self._path = os.path.abspath(path)
        self._synchronous = synchronous
        self._thread: SqliteThread | None = None
        self._is_opening = False

    @property
    def address(self) -> str:
        """``sqlite:///`` and the file's path, as ``store_for`` takes it. From any thread."""
        return "sqlite:///" + self._path.replace("%", "%25").replace("?", "%3F")

    async def open(self, owner: TaskThread | None = None) -> None:
        """See :meth:`Store.open`. From any loop.

        :raises StoreInUse: another process has the file open, or another store of this one, or this
            store is open.
        :raises StoreTooNew: a later version of this library has written it.
        :raises StoreFailed: it can't be opened; the message says why, and what to do.
        """
        if self._thread is not None or self._is_opening:
            raise StoreInUse(f"the store {self.address} is open already")
        name = "store" if owner is None else f"{owner} store"
        thread = SqliteThread(self._path, self._synchronous, name)
        self._is_opening = True
        try:
            await thread.__aenter__()
            await thread.open_file()
        except BaseException:
            await thread.stop()
            raise
        finally:
            self._is_opening = False
        self._thread = thread

    async def live(self, kind: str) -> list[tuple[str, bytes]]:
        """See :meth:`Store.live`. From any loop."""
        return await self._opened().read(lambda database: database.live(kind))

    async def get(self, kind: str, key: str) -> bytes | None:
        """See :meth:`Store.get`. From any loop."""
        return await self._opened().read(lambda database: database.get(kind, key))

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> list[tuple[str, bytes]]:
        """See :meth:`Store.under`. From any loop."""
        check_limit(limit)
        return await self._opened().read(
            lambda database: database.under(kind, prefix, limit, reverse)
        )

    async def write(self, changes: Sequence[Change]) -> None:
        """See :meth:`Store.write`. From any loop."""
        for change in changes:
            check(change)
        if changes:
            await self._opened().write(changes)

    async def close(self) -> None:
        """Write what waits, and close the file. From any loop; again: does nothing.

        Cancelled, or when a write hangs for more than 30 s, it leaves the thread to itself, which
        goes on until it is done.
        """
        thread = self._thread
        if thread is None:
            return
        self._thread = None
        thread.refuse()
        await thread.stop()
        thread.fail_rest()

    def _opened(self) -> SqliteThread:
        thread = self._thread
        if thread is None:
            raise StoreFailed(f"the store {self.address} is not open")
        return thread
