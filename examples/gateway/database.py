"""The database: writes rows to SQLite in batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from task_thread import reCreate

from .messages import Rows
from .part import Kept, Part
from .store import RowStore, file_now

if TYPE_CHECKING:
    from pathlib import Path

    from task_thread import TaskThread
    from task_thread.signals import Signal

    from .readings import Row

__all__ = ["BATCH_ROWS", "BATCH_SECONDS", "Database", "Unwritten"]

BATCH_ROWS = 5000
"""So many rows are written at once."""
BATCH_SECONDS = 0.25
"""A row waits at most so long for others to be written with."""


class Unwritten(Kept):
    """The rows that were accepted and are not in the file yet, over all instances."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []


class Database(Part):
    """Collects rows and writes each batch in one transaction.

    The calls to sqlite3 block, and may: nothing else lives on this thread's loop. While they
    last, the inbox fills and whoever sends waits. A batch that can't be written crashes this
    thread; the next instance opens the file anew and begins with that batch.

    :ivar file: the file that is written, once it runs.
    """

    max_qsize = 16  # batches of rows
    stop_timeout = 20.0
    weak_point = "rows taken over, not yet written"

    def __init__(
        self, path: Path, unwritten: Unwritten | None = None, *, parent: TaskThread | None = None
    ) -> None:
        """
        :param path: the SQLite file; made if there is none. Fields as in ``%Y-%m-%d`` are filled
            in with the time, in UTC, at which an instance opens it.
        :param unwritten: what the instance before may have left.
        """
        self.path = path
        self.unwritten = Unwritten() if unwritten is None else unwritten
        super().__init__(self.unwritten, parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.flush = None

    async def enter__(self) -> None:
        self.file = file_now(self.path)
        self.store = RowStore(self.file)
        if self.unwritten.rows:
            self.tasks.flush = await reCreate(None, self.flush)

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Rows):
            self.unwritten.rows += signal.rows
            self.weak()
            if len(self.unwritten.rows) >= BATCH_ROWS:
                self._commit()
            elif self.tasks.flush is None:
                self.tasks.flush = await reCreate(None, self.flush)
        return await super().signalHandler__(signal)

    async def flush(self) -> None:
        """Task: write what has come when the first row of it has waited long enough."""
        await asyncio.sleep(BATCH_SECONDS)
        self.tasks.flush = None
        self._commit()

    async def exit__(self) -> None:
        # On every way out, a crash included. What can't be written now, the next instance finds.
        try:
            self._commit()
        finally:
            self.store.close()

    def in_hand(self) -> int:
        return len(self.unwritten.rows)

    def _commit(self) -> None:
        if rows := self.unwritten.rows:
            self.store.write(rows)
            # No await from here on: what was written is not in the list any more, whatever comes.
            self.unwritten.rows = []
            self.counts["written"] += len(rows)
            self.counts["batches"] += 1
