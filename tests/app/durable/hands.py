"""What these tests share: the file of a store, looked at and written into from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from task_thread.app import TaskApp
from task_thread.app.sqlite_thread import SqliteThread

WITHIN = 10.0


class File:
    """The file of a store. From any thread.

    :param path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def records(self, kind: str = "run") -> dict[str, Any]:
        """All records of a kind by their keys, in their order."""
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            found = database.execute(
                "SELECT key, value FROM record WHERE kind = ? ORDER BY seq", (kind,)
            ).fetchall()
        return {key: json.loads(value) for key, value in found}

    def only(self, kind: str = "run") -> Any:
        """The one record of a kind."""
        (record,) = self.records(kind).values()
        return record

    def put(self, kind: str, key: str, value: Any) -> None:
        """Write a record, as bytes or as what is to be JSON, over what is there."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute(
                "INSERT INTO record (kind, key, value, live) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                (kind, key, data),
            )
            database.commit()

    def change(self, kind: str, key: str, **fields: Any) -> None:
        """Change some fields of a record."""
        self.put(kind, key, {**self.records(kind)[key], **fields})

    def as_killed_now(self) -> File:
        """The file as a kill -9 at this moment would leave it; a copy, which a next life opens."""
        copy = File(self.path.with_name(f"{self.path.stem}+.db"))
        with (
            contextlib.closing(sqlite3.connect(self.path)) as here,
            contextlib.closing(sqlite3.connect(copy.path)) as there,
        ):
            here.backup(there)
        return copy


def flush(app: TaskApp) -> None:
    """Wait until all is on disk, in a thread without a loop."""
    asyncio.run(app.flush())


def thread_of(app: TaskApp) -> SqliteThread:
    """The thread of the app's store."""
    store: Any = app._app.store
    thread: SqliteThread = store._thread
    return thread


def in_store(app: TaskApp, work: Callable[[Any], Any]) -> Any:
    """What ``work(database)`` gives, in the store's thread."""
    return asyncio.run(thread_of(app).read(work))


async def nothing() -> None:
    """Do nothing."""


def settled(app: TaskApp) -> None:
    """Return when the app's loop has done what it was asked to do before. Nothing is stored."""
    asyncio.run(app.apply(nothing, priority=0))
