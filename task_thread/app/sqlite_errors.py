"""What SQLite's errors mean to whoever runs the program: one clear line each."""

from __future__ import annotations

import sqlite3
from typing import Final

from task_thread.errors import StoreFailed

__all__ = ["ERRORS", "explain", "is_of_the_call"]

ERRORS: Final = (sqlite3.Error, OSError, ValueError, OverflowError, MemoryError)
"""What work on a database may raise: the file may hold anything, and the disk do anything."""

_DAMAGED: Final = (
    "it is damaged, or no database: put a backup in its place, or move it away, with its -wal and "
    "-shm, to begin anew (sqlite3 FILE .recover saves what can be read)"
)
_FULL: Final = "the disk is full, or the file has reached a limit"

_MEANINGS: Final[dict[int, str]] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: "the disk fails, or is full, or the file has reached a limit",
    sqlite3.SQLITE_ERROR: _DAMAGED,  # a statement of ours does not fit the tables
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: "another program holds it locked: a sqlite3 shell in a transaction?",
    sqlite3.SQLITE_LOCKED: "another program holds it locked: a sqlite3 shell in a transaction?",
    sqlite3.SQLITE_READONLY: "it can't be written: see who owns it, its mode, and the folder's",
    sqlite3.SQLITE_PERM: "it can't be used: see who owns it, its mode, and the folder's",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened: see who owns it, its mode, and the folder's",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}

# What was to be written may be at fault. Without a code it is Python's, which can't turn it into
# one of SQLite's types.
_OF_THE_CALL: Final = (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT)
_OF_PYTHON: Final = (
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)


def _code(error: BaseException) -> int | None:
    """SQLite's primary code; None where the error did not come from SQLite itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def explain(error: BaseException, path: str, doing: str) -> StoreFailed:
    """The StoreFailed that says what `error` means, which came of `doing` something to `path`."""
    code = _code(error)
    if code is None and (type(error) is sqlite3.DatabaseError or "UTF-8" in str(error)):
        meaning = _DAMAGED  # found by ourselves, or a text that is none
    else:
        meaning = _MEANINGS.get(-1 if code is None else code, "")
    said = f"{type(error).__name__}: {error}" if str(error) != "" else type(error).__name__
    text = f"{doing} {path}: {meaning} ({said})" if meaning != "" else f"{doing} {path}: {said}"
    failed = StoreFailed(text)
    failed.__cause__ = error
    return failed


def is_of_the_call(error: BaseException) -> bool:
    """Whether what was to be written may be at fault, rather than the file or the disk."""
    code = _code(error)
    return isinstance(error, _OF_PYTHON) if code is None else code in _OF_THE_CALL
