"""The records in a SQLite database, and the few statements that are needed.

Many rows go into one statement: Python lets go of the interpreter lock for each statement, and has
to wait for it afterwards, which beside a busy loop takes as long as hundreds of rows.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from itertools import chain
from typing import Any, Final

from task_thread.app.sqlite_file import StoreFile
from task_thread.app.sqlite_tables import connect
from task_thread.app.store import Change, end_of

__all__ = ["Database"]

# Rows of one statement. No more than 199: a SQLite of before 3.32 takes 999 parameters.
_SIZES: Final = (128, 16, 1)
_DROPPED: Final = 100  # expired records that one group drops, and two for each of its changes


def _put(rows: int) -> str:
    return (
        "INSERT INTO record (kind, key, value, live, expires) VALUES "
        + ", ".join(["(?, ?, ?, ?, ?)"] * rows)
        + " ON CONFLICT (kind, key) DO UPDATE"
        " SET value = excluded.value, live = excluded.live, expires = excluded.expires"
    )


def _delete(rows: int) -> str:
    # The join is told its order: else SQLite looks at every record of the file.
    places = ", ".join(["(?, ?)"] * rows)
    return (
        f"WITH gone (kind, key) AS (VALUES {places}) DELETE FROM record WHERE seq IN (SELECT seq"
        " FROM gone CROSS JOIN record ON record.kind = gone.kind AND record.key = gone.key)"
    )


_PUTS: Final = {rows: _put(rows) for rows in _SIZES}
_DELETES: Final = {rows: _delete(rows) for rows in _SIZES}


class Database:
    """An open database, and the right to its file.

    Ownership: the thread that made it; SQLite's connection refuses all others.

    :param path: the file. It is made where it is missing.
    :param synchronous: "full": a commit outlives a loss of power; "normal": it outlives the
        process.
    :param now: tells seconds since 1970, UTC.
    :raises StoreError: as ``Store.open``.

    :ivar path: where the file really is.
    """

    def __init__(
        self, path: str, synchronous: str = "full", now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._file = StoreFile(path)
        self.path = self._file.path
        try:
            self._connection = connect(self.path, synchronous)
        except BaseException:
            self._file.release()
            raise
        self._soonest = -math.inf  # no record expires before; as far as is known

    def apply(self, changes: Iterable[Change]) -> None:
        """Make all `changes` in one transaction, and come back when it is on disk. Of two changes
        of one record the last one holds. Some records that have expired go with them.

        :raises Exception: one of ``sqlite_errors.ERRORS``; nothing was changed then.
        """
        connection = self._connection
        last = {change[:2]: change for change in changes}
        gone = [place for place, change in last.items() if change.value is None]
        for place in gone:
            del last[place]
        if connection.in_transaction:  # a rollback failed, and would fail the BEGIN as well
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _many(connection, _DELETES, gone)
            _many(connection, _PUTS, list(last.values()))
            soonest = self._drop_expired(last.values(), _DROPPED + 2 * len(last))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        self._soonest = soonest

    def live(self, kind: str) -> list[tuple[str, bytes]]:
        """See ``Store.live``.

        :raises Exception: one of ``sqlite_errors.ERRORS``.
        """
        return _pairs(
            self._select("SELECT key, value FROM record WHERE kind = ? AND live ORDER BY seq", kind)
        )

    def get(self, kind: str, key: str) -> bytes | None:
        """See ``Store.get``.

        :raises Exception: one of ``sqlite_errors.ERRORS``.
        """
        rows = self._select("SELECT value FROM record WHERE kind = ? AND key = ?", kind, key)
        return _expect(bytes, rows[0][0]) if rows else None

    def under(
        self, kind: str, prefix: str, limit: int | None = None, reverse: bool = False
    ) -> list[tuple[str, bytes]]:
        """See ``Store.under``.

        :raises Exception: one of ``sqlite_errors.ERRORS``.
        """
        # Two bounds, which the index of (kind, key) knows, in its order: LIKE sees a pattern in %
        # and _, and takes "a" for "A".
        end = end_of(prefix)
        return _pairs(
            self._select(
                "SELECT key, value FROM record WHERE kind = ? AND key >= ?"
                + (" AND key < ?" if end is not None else "")
                + (" ORDER BY key DESC" if reverse else " ORDER BY key")
                + " LIMIT ?",
                *((kind, prefix) if end is None else (kind, prefix, end)),
                -1 if limit is None else limit,
            )
        )

    def close(self) -> None:
        """Close it, and let others have the file. Once."""
        try:
            self._connection.close()
        finally:
            self._file.release()

    def _select(self, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
        # Closed at once: one that has failed halfway would hold on to what the file was then, as
        # long as its error is held by somebody.
        with closing(self._connection.execute(sql, values)) as cursor:
            return cursor.fetchall()

    def _drop_expired(self, put: Iterable[Change], most: int) -> float:
        """Drop records that have expired, at most so many, in the transaction that is open.

        :returns: before when, as is known now, no record expires.
        """
        soonest = min((each.expires for each in put if each.expires is not None), default=math.inf)
        soonest = min(soonest, self._soonest)
        now = self._now()
        if soonest > now:
            return soonest
        self._connection.execute(
            "DELETE FROM record WHERE seq IN"
            " (SELECT seq FROM record WHERE expires <= ? ORDER BY expires LIMIT ?)",
            (now, most),
        )
        (found,) = self._connection.execute(
            "SELECT min(expires) FROM record WHERE expires IS NOT NULL"
        ).fetchone()
        return math.inf if found is None else _expect(float, found)


def _many(
    connection: sqlite3.Connection,
    statements: dict[int, str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Run a statement for all `rows`, with as many at a time as there is one for."""
    done = 0
    for size, statement in statements.items():
        while len(rows) - done >= size:
            connection.execute(statement, list(chain.from_iterable(rows[done : done + size])))
            done += size


def _pairs(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, bytes]]:
    return [(_expect(str, key), _expect(bytes, value)) for key, value in rows]


def _expect(kind: type[Any], value: object) -> Any:
    """`value`, which is of that type unless somebody has written into the file.

    :raises DatabaseError: it is not.
    """
    if type(value) is not kind:
        raise sqlite3.DatabaseError(f"a column holds {type(value).__name__}, not {kind.__name__}")
    return value
