"""Opening a SQLite file: whether it is one of ours, and its tables where it is a new one.

It is kept in WAL mode, where a commit is one write and one sync of a log beside the file, and where
readers (``sqlite3 FILE``) don't hold writers up.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Final

from task_thread.app.sqlite_errors import ERRORS, explain
from task_thread.errors import StoreFailed, StoreTooNew

__all__ = ["APPLICATION_ID", "VERSION", "connect"]

APPLICATION_ID: Final = 0x54546170
"""What the header of the file says it is: "TTap"."""
VERSION: Final = 1
"""The version of the tables, the file's ``user_version``."""

_TABLES: Final = (
    # seq tells the order of insertion: what is put again keeps its place.
    """CREATE TABLE record (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        live INTEGER NOT NULL, expires REAL, UNIQUE (kind, key))""",
    # A start reads what is live without a look at what is only kept.
    "CREATE INDEX record_live ON record (kind) WHERE live",
    "CREATE INDEX record_expires ON record (expires) WHERE expires IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

_MAGIC: Final = b"SQLite format 3\0"
_SHORTEST: Final = 512  # bytes of the shortest database that is not empty
_LOCK_PATIENCE: Final = 5.0  # seconds that the lock of another program's transaction is waited for
_CHECKED: Final = 64 * 1024 * 1024  # bytes up to which a file is looked through when it is opened
_LOG_KEPT: Final = 16 * 1024 * 1024  # bytes that the log keeps of its size when it begins anew
_CACHE: Final = 16 * 1024  # KiB


def connect(path: str, synchronous: str) -> sqlite3.Connection:
    """A connection to the store in the file `path`, which is there, and held. An empty file gets
    its tables; one of somebody else's is not changed.

    :raises StoreTooNew: a later version has written it.
    :raises StoreFailed: it is no store, or damaged, or can't be used.
    """
    try:
        _look_at(path)
        connection = sqlite3.connect(path, timeout=_LOCK_PATIENCE, isolation_level=None)
    except ERRORS as error:
        raise explain(error, path, "can't open") from error
    try:
        _prepare(connection, path, synchronous)
    except ERRORS as error:
        connection.close()
        raise explain(error, path, "can't open") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _look_at(path: str) -> None:
    """See that the file is empty or a database. SQLite takes one that is shorter than its shortest
    page for empty, whatever is in it, and would write over somebody's notes.

    :raises DatabaseError: it is neither.
    """
    with open(path, "rb") as file:
        begin = file.read(_SHORTEST)
    if begin != b"" and (len(begin) < _SHORTEST or not begin.startswith(_MAGIC)):
        raise sqlite3.DatabaseError("file is not a database")


def _prepare(connection: sqlite3.Connection, path: str, synchronous: str) -> None:
    # What is in the file may come from anywhere: nothing in its schema is called.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    is_new = _is_new(connection, path)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreFailed(
            f"can't open {path}: its file system has no shared memory, which SQLite's log (WAL) "
            "needs; use a local disk"
        )
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_KEPT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE}")
    if is_new:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("COMMIT")
    elif os.path.getsize(path) <= _CHECKED:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"{found}")
    connection.execute("SELECT seq, kind, key, value, live, expires FROM record LIMIT 0")


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    """Whether the file is empty.

    :raises StoreTooNew: a later version has written it.
    :raises StoreFailed: it is not one of ours.
    """
    (is_whose,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if is_whose == 0 and version == 0 and objects == 0:
        return True
    if is_whose != APPLICATION_ID:
        raise StoreFailed(
            f"can't open {path}: it is a database of another program (application_id {is_whose}); "
            "it was left alone: choose another file"
        )
    if version > VERSION:
        raise StoreTooNew(
            f"{path} was written by a later version of task_thread (its tables are version "
            f"{version}, this one knows {VERSION}); it was left alone: update task_thread"
        )
    return False
