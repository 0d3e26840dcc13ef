"""Opening a file: one that is held, foreign, too new, damaged, or not to be had."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from task_thread.app.sqlite import SqliteStore
from task_thread.app.sqlite_database import Database
from task_thread.app.sqlite_errors import ERRORS
from task_thread.app.sqlite_tables import APPLICATION_ID, VERSION
from task_thread.app.store import Change
from task_thread.errors import StoreError, StoreFailed, StoreInUse, StoreTooNew
from task_thread.testing import no_leaks
from tests.app.store.helpers import TIMEOUT, FailingConnection, opened, put_into, thread_of

HOLDER = """
import asyncio, sys
from task_thread.app.store import store_for
async def main():
    store = store_for("sqlite:///" + sys.argv[1])
    await store.open()
    print("open", flush=True)
    sys.stdin.read()
    await store.close()
asyncio.run(main())
"""


def failing_to_open(path: Path, kind: type[StoreError], says: str) -> None:
    async def main() -> None:
        store = SqliteStore(str(path))
        with pytest.raises(kind, match=says):
            await store.open()
        with pytest.raises(StoreFailed, match="not open"):
            await store.live("run")

    with no_leaks():
        asyncio.run(main())


def test_two_stores_of_one_process(tmp_path: Path, thread_logs: object) -> None:
    path = tmp_path / "mail.db"
    link = tmp_path / "link.db"
    link.symlink_to(path)

    async def main() -> None:
        async with opened(path) as store:
            for same in (path, link):
                with pytest.raises(StoreInUse, match=f"another store of this .*{os.getpid()}"):
                    await SqliteStore(str(same)).open()
            await store.write([Change("run", "1", b"x")])
        async with opened(link) as store:
            assert await store.live("run") == [("1", b"x")]

    with no_leaks():
        asyncio.run(main())
    assert thread_logs.filter(level="error") == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_two_processes(tmp_path: Path, how: str) -> None:
    path = tmp_path / "mail.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        failing_to_open(path, StoreInUse, f"in use by process {holder.pid}; a store has one")
        if how == "killed":
            holder.kill()
        else:
            holder.stdin.close()
        holder.wait(TIMEOUT)

    async def main() -> None:
        async with opened(path) as store:
            assert await store.live("run") == []

    asyncio.run(main())


def test_a_reader_does_not_disturb(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"

    async def main() -> None:
        async with opened(path) as store:
            await store.write([Change("run", "1", b"x")])
            reader = sqlite3.connect(path)
            reader.execute("BEGIN")
            count = "SELECT count(*) FROM record"
            assert reader.execute(count).fetchone() == (1,)
            await store.write([Change("run", "2", b"x")])
            assert reader.execute(count).fetchone() == (1,)
            reader.rollback()
            assert reader.execute(count).fetchone() == (2,)
            reader.close()

    asyncio.run(main())


def test_somebody_elses_lock_is_an_error_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mail.db"
    monkeypatch.setattr("task_thread.app.sqlite_tables._LOCK_PATIENCE", 0.01)

    async def main() -> None:
        async with opened(path) as store:
            shell = sqlite3.connect(path, isolation_level=None)
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFailed, match="a sqlite3 shell in a transaction"):
                await store.write([Change("run", "1", b"x")])
            shell.execute("ROLLBACK")
            shell.close()
            await store.write([Change("run", "1", b"x")])

    asyncio.run(main())


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    Database(str(path)).close()
    put_into(path, f"PRAGMA user_version = {VERSION + 1}; PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    failing_to_open(path, StoreTooNew, f"version {VERSION + 1}, this one knows {VERSION}")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE theirs (a)",
        "CREATE TABLE record (seq, kind, key, value, live, expires)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 3",
    ],
)
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "theirs.db"
    put_into(path, sql)
    before = path.read_bytes()
    failing_to_open(path, StoreFailed, "of another program")
    assert path.read_bytes() == before


def test_tables_that_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    put_into(path, f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}")
    failing_to_open(path, StoreFailed, "damaged, .*no such table")


def test_a_file_that_was_only_just_made_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    path.touch()
    put_into(path, "PRAGMA journal_mode = WAL")  # where a kill -9 may have left it

    async def main() -> None:
        async with opened(path) as store:
            assert await store.live("run") == []

    asyncio.run(main())


def test_the_folder_is_missing(tmp_path: Path) -> None:
    failing_to_open(tmp_path / "no" / "mail.db", StoreFailed, f"no folder {tmp_path}/no; make it")
    assert os.listdir(tmp_path) == []


def test_the_path_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mail.db").mkdir()
    failing_to_open(tmp_path / "mail.db", StoreFailed, "no regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_folder_is_not_to_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    failing_to_open(folder / "mail.db", StoreFailed, "Permission denied")


def test_text_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    path.write_text("dear ann,\n" * 100)
    failing_to_open(path, StoreFailed, "damaged, or no database: put a backup")
    assert path.read_text() == "dear ann,\n" * 100


def test_random_bytes_are_no_database(tmp_path: Path) -> None:
    dice = random.Random(4)
    for _ in range(40):
        path = tmp_path / f"{dice.random()}.db"
        path.write_bytes(dice.randbytes(dice.choice((1, 15, 16, 99, 100, 512, 4096, 20000))))
        with pytest.raises(StoreFailed, match=path.name):
            Database(str(path))


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_fails_in_order_or_works(tmp_path: Path, seed: int) -> None:
    """Whatever is in the file: what is raised is one of ERRORS, which the thread turns into a
    StoreFailed, and nothing hangs."""
    dice = random.Random(seed)
    whole = tmp_path / "whole.db"
    database = Database(str(whole), "normal")
    database.apply([Change("run", f"k{n}", dice.randbytes(300), n % 2 == 0, 1.0 * n) for n in
                    range(300)])  # fmt: skip
    database.close()
    good = whole.read_bytes()
    failed, says = 0, list[str]()
    for number in range(15):
        path = tmp_path / f"{number}.db"
        data = bytearray(good)
        how = dice.choice(("flip", "cut", "page", "header"))
        if how == "cut":
            del data[dice.randrange(len(data)) :]
        elif how == "page":
            begin = dice.randrange(len(data) // 4096) * 4096
            data[begin : begin + 4096] = dice.randbytes(4096)
        for _ in range(dice.randrange(1, 40)):
            end = 100 if how == "header" else len(data)
            if end > 0 and data:
                data[dice.randrange(min(end, len(data)))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            database = Database(str(path), "normal")
        except StoreError as error:
            failed += 1
            says.append(str(error))
            continue
        try:
            database.live("run")
            database.get("run", "k7")
            database.apply([Change("run", f"k{n}", None if n % 3 else b"new") for n in range(200)])
        except ERRORS:
            failed += 1
        finally:
            database.close()
    assert all(str(tmp_path) in each for each in says)
    assert failed > 2, "these files were to be damaged"


def test_damage_deep_inside_is_found_when_it_is_opened_or_read(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"

    async def main() -> None:
        async with opened(path) as store:
            await store.write([Change("run", f"{n}", bytes(3000)) for n in range(2000)])
        with path.open("r+b") as file:
            file.seek(4096 * 3)
            file.write(b"\xff" * 4096 * 200)
        with pytest.raises(StoreFailed, match=r"can't open .*damaged.*backup"):
            await SqliteStore(str(path)).open()
        big = "task_thread.app.sqlite_tables._CHECKED"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(big, 0)  # as with a file that takes too long to look through
            async with opened(path) as store:
                with pytest.raises(StoreFailed, match=r"damaged.*backup"):
                    await store.live("run")

    asyncio.run(main())


def test_a_text_that_is_none_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"

    async def main() -> None:
        async with opened(path) as store:
            for key in ("CAST(x'ff' AS TEXT)", "x'31'", "7.5"):
                put_into(path, f"INSERT INTO record VALUES (NULL, 'run', {key}, x'', 1, NULL)")
                if key == "7.5":
                    continue  # a column of text makes it one
                with pytest.raises(StoreFailed, match="damaged"):
                    await store.live("run")
                put_into(path, "DELETE FROM record")
            assert await store.live("run") == [("7.5", b"")]

    asyncio.run(main())


def test_a_backup_is_a_store(tmp_path: Path) -> None:
    path, copy = tmp_path / "mail.db", tmp_path / "copy.db"

    async def main() -> None:
        async with opened(path) as store:
            await store.write([Change("run", "1", b"x")])
            with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
                source.backup(target)
            source.close()
            target.close()
            async with opened(copy) as same:
                assert await same.live("run") == [("1", b"x")]
        shutil.copy(path, tmp_path / "closed.db")  # a closed one is one file
        async with opened(tmp_path / "closed.db") as same:
            assert await same.live("run") == [("1", b"x")]

    asyncio.run(main())


def test_a_read_that_fails_is_a_store_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            await store.write([Change("run", "1", b"x")])
            database = thread_of(store)._database
            real = database._connection
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
            database._connection = FailingConnection(real, error, "SELECT")  # type: ignore[assignment]
            with pytest.raises(StoreFailed, match=r"can't read .*mail\.db: the disk fails"):
                await store.get("run", "1")
            database._connection = real
            assert await store.get("run", "1") == b"x"

    asyncio.run(main())
