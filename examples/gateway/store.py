"""The SQLite file: plain blocking calls, no asyncio. Use a store in the thread that opened it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .readings import Row

__all__ = ["ROWS_PER_STATEMENT", "RowStore", "count_rows", "file_now"]

ROWS_PER_STATEMENT = 5000
"""How many rows one INSERT takes at most: three variables each, of the 32766 that SQLite allows."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (
    id     INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    time   REAL NOT NULL,  -- seconds since 1970, UTC
    value  REAL NOT NULL
) STRICT
"""


class RowStore:
    """A table of readings in an SQLite file, written in batches.

    The file is in WAL mode: others may read it while it is written. ``synchronous=NORMAL`` means
    that a batch survives the end of the process at once, and a loss of power from the next
    checkpoint on.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`; it is made if there is none.

        :raises sqlite3.Error: it can't be opened, or is no database.
        """
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(SCHEMA)
        except BaseException:
            self._connection.close()
            raise

    def write(self, rows: Sequence[Row]) -> None:
        """Write all of `rows` in one transaction, or none.

        :raises sqlite3.Error: they could not be written.
        """
        if not rows:
            return
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            # Many rows to a statement, not executemany: sqlite3 lets go of the interpreter's lock
            # at each step, and with a busy thread beside it, taking it back costs up to the switch
            # interval (5 ms) for each row.
            for start in range(0, len(rows), ROWS_PER_STATEMENT):
                some = rows[start : start + ROWS_PER_STATEMENT]
                values = ",".join(["(?,?,?)"] * len(some))
                execute(
                    f"INSERT INTO readings (sensor, time, value) VALUES {values}",
                    tuple(chain.from_iterable(some)),
                )
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled it back already
                execute("ROLLBACK")
            raise
        execute("COMMIT")

    def count(self) -> int:
        """How many rows the table has, by asking the file."""
        (rows,) = self._connection.execute("SELECT count(*) FROM readings").fetchone()
        return int(rows)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._connection.close()


def count_rows(path: Path) -> int:
    """How many readings the file at `path` has, seen by a connection of its own.

    :raises sqlite3.Error: it can't be read.
    """
    store = RowStore(path)
    try:
        return store.count()
    finally:
        store.close()


def file_now(path: Path) -> Path:
    """`path` with the time (UTC) in the place of its fields: ``%Y-%m-%d`` and so on."""
    text = str(path)
    return Path(datetime.now(UTC).strftime(text)) if "%" in text else path
