"""What several of these tests need."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from task_thread.app.sqlite import SqliteStore
from task_thread.app.sqlite_database import Database
from task_thread.app.sqlite_thread import SqliteThread

ROOT = Path(__file__).parents[3]
TIMEOUT = 20.0


def put_into(path: Path, sql: str) -> None:
    """Run some SQL on the file, as the sqlite3 shell would."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(sql)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    """A store that is open in the block; quick, since these tests cut no power."""
    store = SqliteStore(str(path), synchronous="normal")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def thread_of(store: SqliteStore) -> SqliteThread:
    """The thread of an open store."""
    thread = store._thread
    assert thread is not None
    return thread


class Held:
    """The store's thread, held in a call until ``release()``. Made with ``await Held.take()``."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self._inside, self._go_on = threading.Event(), threading.Event()

    @classmethod
    async def take(cls, store: SqliteStore) -> Held:
        held = cls()
        held.task = asyncio.create_task(thread_of(store).read(held._stand))
        assert await asyncio.to_thread(held._inside.wait, TIMEOUT)
        return held

    def release(self) -> None:
        self._go_on.set()

    def _stand(self, _: Database) -> None:
        self._inside.set()
        assert self._go_on.wait(TIMEOUT)


class FailingConnection:
    """A connection whose statements that begin with certain words raise."""

    def __init__(self, real: sqlite3.Connection, error: Exception, *words: str) -> None:
        self._real, self._error, self._words = real, error, words

    def execute(self, sql: str, *args: Any) -> Any:
        if sql.startswith(self._words):
            raise self._error
        return self._real.execute(sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def statements_of(store: SqliteStore) -> list[str]:
    """A list to which each statement is added that the store runs from now on."""
    seen: list[str] = []
    await thread_of(store).read(lambda db: db._connection.set_trace_callback(seen.append))
    return seen
