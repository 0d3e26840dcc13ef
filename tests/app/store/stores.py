"""The stores that keep what ``Store`` promises: tests of that are run with each of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import Store
from task_thread.flows.memory import MemoryStore

MakeStore = Callable[[Path], Store]
"""Makes a store, which is not open yet; in the folder, if it has files."""

STORES: dict[str, MakeStore] = {
    "sqlite": lambda folder: SqliteStore(str(folder / "mail.db"), synchronous="normal"),
    "memory": lambda folder: MemoryStore(),
}


@asynccontextmanager
async def open_(store: Store) -> AsyncIterator[Store]:
    """The store, open in the block."""
    await store.open()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        yield store
