"""A disk that is full, or fails, and has room again later."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from task_thread.app.journal import Journal
from task_thread.app.sqlite_database import Database
from task_thread.app.store import Change
from task_thread.errors import StoreError, StoreFailed
from tests.app.store.helpers import FailingConnection, opened, thread_of

LIMITED = """
import asyncio, resource, sys
from task_thread.app.journal import Journal
from task_thread.app.store import Change, store_for
from task_thread.errors import StoreError, StoreFailed

async def main():
    store = store_for("sqlite:///" + sys.argv[1])
    await store.open()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    written = 0
    try:
        while written < 10_000:
            await store.write([Change("run", f"{written}", bytes(2000))])
            written += 1
    except StoreFailed as error:
        said = error
    assert written < 10_000
    assert [key for key, _ in await store.live("run")] == [f"{n}" for n in range(written)]
    try:
        await store.write([Change("run", "no", bytes(2000))])
    except StoreFailed:
        pass
    # The journal keeps what can't be written, and writes it when there is room.
    troubles, stored = [], []
    journal = Journal(store, asyncio.get_running_loop(), troubles.append)
    for number in range(200):
        journal.put(Change("run", f"j{number}", bytes(2000)), stored.append)
    try:
        await journal.flush()
    except StoreFailed:
        pass
    assert len(troubles) == 1 and stored == troubles * 200, (troubles, stored)
    assert journal.pending == 200
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await journal.flush()
    assert journal.pending == 0 and journal.failed is None
    await store.write([Change("run", "yes", bytes(2000))])
    await journal.close(5)
    await store.close()
    print(written, said)
asyncio.run(main())
"""


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIMITED, str(path)],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=50,
    )
    written, _, said = done.stdout.decode().partition(" ")
    assert "the disk" in said

    async def main() -> None:
        async with opened(path) as store:
            keys = [key for key, _ in await store.live("run")]
            early = [f"{number}" for number in range(int(written))]
            assert keys == early + [f"j{number}" for number in range(200)] + ["yes"]

    asyncio.run(main())


def test_a_database_without_room(tmp_path: Path) -> None:
    """SQLite's own limit stands for the disk's: the same error, in the midst of a transaction."""

    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            await store.write([Change("run", "old", b"x")])
            thread = thread_of(store)

            async def limit(pages: int) -> None:
                sql = f"PRAGMA max_page_count = {pages}"
                await thread.read(lambda database: database._connection.execute(sql).fetchall())

            await limit(1)  # no more than there are
            with pytest.raises(StoreFailed, match=r"mail\.db: the disk is full"):
                await store.write(
                    [Change("run", "old", None)]
                    + [Change("run", f"{number}", bytes(5000)) for number in range(100)]
                )
            assert await store.live("run") == [("old", b"x")]
            await store.write([Change("run", "old", b"y")])  # needs no room
            await limit(1_000_000)
            await store.write([Change("run", f"{number}", bytes(5000)) for number in range(100)])
            assert len(await store.live("run")) == 101

    asyncio.run(main())


@pytest.mark.parametrize("words", ["BEGIN", "INSERT", "COMMIT"])
def test_an_error_at_any_step_changes_nothing(tmp_path: Path, words: str) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            database: Database = thread_of(store)._database
            real = database._connection
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            database._connection = FailingConnection(real, error, words)  # type: ignore[assignment]
            for _ in range(2):
                with pytest.raises(StoreFailed, match="the disk fails") as caught:
                    await store.write([Change("run", "1", b"x")])
                assert caught.value.__cause__ is error
            assert await store.get("run", "1") is None
            database._connection = real
            await store.write([Change("run", "2", b"x")])
            assert await store.live("run") == [("2", b"x")]

    asyncio.run(main())


def test_a_rollback_that_fails_is_made_up_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            database: Database = thread_of(store)._database
            real = database._connection
            error = sqlite3.OperationalError("disk I/O error")
            failing = FailingConnection(real, error, "COMMIT", "ROLLBACK")
            database._connection = failing  # type: ignore[assignment]
            for _ in range(2):
                with pytest.raises(StoreFailed):
                    await store.write([Change("run", "1", b"x")])
            database._connection = real
            await store.write([Change("run", "2", b"x")])
            assert await store.live("run") == [("2", b"x")]

    asyncio.run(main())


def test_all_of_a_group_are_told(tmp_path: Path) -> None:
    """Each has an error of its own: each raises it, and adds to its traceback."""

    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            database: Database = thread_of(store)._database
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            real = database._connection
            database._connection = FailingConnection(real, error, "COMMIT")  # type: ignore[assignment]
            writes = [store.write([Change("run", f"{number}", b"x")]) for number in range(5)]
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            assert all(type(each) is StoreFailed for each in outcomes)
            assert len({id(each) for each in outcomes}) == 5
            database._connection = real

    asyncio.run(main())


def test_the_journal_catches_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            troubles: list[StoreError] = []
            journal = Journal(store, asyncio.get_running_loop(), troubles.append)
            database: Database = thread_of(store)._database
            real = database._connection
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            database._connection = FailingConnection(real, error, "INSERT")  # type: ignore[assignment]
            for number in range(10):
                journal.put(Change("run", f"{number}", b"x"))
            with pytest.raises(StoreFailed, match="the disk is full"):
                await journal.flush()
            assert journal.failed is troubles[0]
            database._connection = real
            await journal.close(5.0)  # nobody has asked for another try but this
            assert journal.failed is None
            assert len(await store.live("run")) == 10

    asyncio.run(main())
