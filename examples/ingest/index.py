"""The index: a SQLite file of its own, which other programs read. A row for each file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["note", "tell_place"]

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    flow TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    state TEXT NOT NULL, place TEXT NOT NULL
)
"""


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The index, and one transaction. In any OS thread."""
    with closing(sqlite3.connect(path, timeout=30.0)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        database.execute(_TABLE)
        yield database


def note(path: Path, flow: str, name: str, size: int, sha256: str) -> None:
    """Write a file's row. Its key is the flow's run id, so once more gives the same row."""
    with _opened(path) as database:
        database.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, 'waiting', ?)",
            (flow, name, size, sha256, f"incoming/{name}"),
        )


def tell_place(path: Path, flow: str, state: str, place: str) -> None:
    """Say in a file's row where it is now."""
    with _opened(path) as database:
        database.execute(
            "UPDATE files SET state = ?, place = ? WHERE flow = ?", (state, place, flow)
        )
