"""The database: writes rows to SQLite in batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from task_thread import reCreate

from .messages import Rows
from .part import Part
from .store import RowStore

if TYPE_CHECKING:
    from pathlib import Path

    from task_thread import TaskThread
    from task_thread.signals import Signal

    from .readings import Row

__all__ = ["BATCH_ROWS", "BATCH_SECONDS", "Database"]

BATCH_ROWS = 5000
"""So many rows are written at once."""
BATCH_SECONDS = 0.25
"""A row waits at most so long for others to be written with."""


class Database(Part):
    """Collects rows and writes each batch in one transaction.

    The calls to sqlite3 block, and may: nothing else lives on this thread's loop. While they
    last, the inbox fills and whoever sends waits.
    """

    max_qsize = 16  # batches of rows
    stop_timeout = 20.0

    def __init__(self, path: Path, *, parent: TaskThread | None = None) -> None:
        """:param path: the SQLite file; made if there is none."""
        self.path = path
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.flush = None
        self.batch: list[Row] = []

    async def enter__(self) -> None:
        self.store = RowStore(self.path)

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Rows):
            self.batch += signal.rows
            if len(self.batch) >= BATCH_ROWS:
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
        try:
            self._commit()
        finally:
            self.store.close()

    def _commit(self) -> None:
        if self.batch:
            self.store.write(self.batch)
            self.counts["written"] += len(self.batch)
            self.counts["batches"] += 1
            self.batch = []
