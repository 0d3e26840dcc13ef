"""The SQLite store, from loops."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest

from task_thread import TaskThread
from task_thread.app.journal import Journal
from task_thread.app.sqlite import SqliteStore
from task_thread.app.sqlite_thread import SqliteThread
from task_thread.app.store import Change
from task_thread.errors import NotStorable, StoreError, StoreFailed, StoreInUse
from task_thread.testing import StartThread, no_leaks
from tests.app.store.helpers import TIMEOUT, Held, opened, statements_of, thread_of


def test_what_is_written_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            await store.write([Change("run", "b", b"1"), Change("run", "a", b"2")])
            await store.write([Change("run", "c", b"3", live=False), Change("task", "a", b"4")])
            assert await store.live("run") == [("b", b"1"), ("a", b"2")]
            assert await store.live("nothing") == []
            assert await store.get("run", "c") == b"3"
            assert await store.get("run", "d") is None
            await store.write([Change("run", "b", None), Change("run", "never there", None)])
            await store.write([])
        async with opened(tmp_path / "mail.db") as store:
            assert await store.live("run") == [("a", b"2")]
            assert await store.get("run", "c") == b"3"
            assert await store.live("task") == [("a", b"4")]

    with no_leaks():
        asyncio.run(main())


def test_the_file_is_its_users_alone(tmp_path: Path) -> None:
    async def main() -> None:
        before = os.umask(0)
        try:
            async with opened(tmp_path / "mail.db") as store:
                await store.write([Change("run", "1", b"secret")])
                names = sorted(os.listdir(tmp_path))
                assert names == ["mail.db", "mail.db-shm", "mail.db-wal", "mail.db.lock"]
                for name in names:
                    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
        finally:
            os.umask(before)
        assert sorted(os.listdir(tmp_path)) == ["mail.db", "mail.db.lock"]

    asyncio.run(main())


def test_a_write_is_all_or_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            with pytest.raises(NotStorable):
                await store.write([Change("run", "1", b"x"), Change("run", "\ud800", b"x")])
            # Found by SQLite only: no live that it could keep.
            odd = Change("run", "3", b"x", live=object())  # type: ignore[arg-type]
            with pytest.raises(NotStorable, match=r"mail\.db"):
                await store.write([Change("run", "2", b"x"), odd])
            assert await store.live("run") == []

    asyncio.run(main())


def test_one_bad_write_of_a_group_does_not_harm_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            held = await Held.take(store)
            odd = Change("run", "2", b"x", live=object())  # type: ignore[arg-type]
            writes = [
                asyncio.create_task(store.write([Change("run", "1", b"x")])),
                asyncio.create_task(store.write([odd])),
                asyncio.create_task(store.write([Change("run", "3", b"x")])),
            ]
            await asyncio.sleep(0)
            held.release()
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            assert [type(each) for each in outcomes] == [type(None), NotStorable, type(None)]
            assert await store.live("run") == [("1", b"x"), ("3", b"x")]

    asyncio.run(main())


def test_all_that_waits_is_one_transaction(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            statements = await statements_of(store)
            held = await Held.take(store)
            writes = [
                asyncio.create_task(store.write([Change("run", f"{number}", b"x")]))
                for number in range(50)
            ]
            await asyncio.sleep(0)
            held.release()
            await asyncio.gather(*writes)
            assert statements.count("COMMIT") == 1
            assert len(await store.live("run")) == 50

    asyncio.run(main())


def test_a_read_sees_what_was_written_before_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            held = await Held.take(store)
            tasks = [
                asyncio.create_task(store.write([Change("run", "1", b"old")])),
                asyncio.create_task(store.get("run", "1")),
                asyncio.create_task(store.write([Change("run", "1", b"new")])),
                asyncio.create_task(store.get("run", "1")),
            ]
            await asyncio.sleep(0)
            held.release()
            assert await asyncio.gather(*tasks) == [None, b"old", None, b"new"]

    asyncio.run(main())


def test_a_loop_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            held = await Held.take(store)

            async def leave() -> None:
                task = asyncio.create_task(store.write([Change("run", "1", b"x")]))
                await asyncio.sleep(0)
                task.cancel()

            await asyncio.to_thread(asyncio.run, leave())
            held.release()
            await store.write([Change("run", "2", b"x")])
            # Its caller went away, and the write was accepted before.
            assert await store.live("run") == [("1", b"x"), ("2", b"x")]

    asyncio.run(main())


def test_close_writes_what_waits(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "mail.db"), synchronous="normal")
        await store.open()
        held = await Held.take(store)
        writes = [
            asyncio.create_task(store.write([Change("run", f"{number}", b"x")]))
            for number in range(20)
        ]
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreFailed, match="not open"):
            await store.write([Change("run", "late", b"x")])
        held.release()
        await closing
        await asyncio.gather(*writes)
        async with opened(tmp_path / "mail.db") as store:
            assert len(await store.live("run")) == 20

    with no_leaks():
        asyncio.run(main())


def test_a_closed_store_says_so_and_can_be_opened_again(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "mail.db"))
        with pytest.raises(StoreFailed, match="not open"):
            await store.live("run")
        for round_ in range(3):
            await store.open()
            with pytest.raises(StoreInUse, match="open already"):
                await store.open()
            await store.write([Change("run", f"{round_}", b"x")])
            await store.close()
            await store.close()
        with pytest.raises(StoreFailed, match="not open"):
            await store.write([Change("run", "late", b"x")])
        async with opened(tmp_path / "mail.db") as store:
            assert len(await store.live("run")) == 3

    with no_leaks():
        asyncio.run(main())


def test_a_disk_that_hangs_does_not_hold_close_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thread_logs: object
) -> None:
    monkeypatch.setattr(SqliteThread, "stop_timeout", 0.2)

    async def main() -> None:
        store = SqliteStore(str(tmp_path / "mail.db"), synchronous="normal")
        await store.open()
        held = await Held.take(store)
        write = asyncio.create_task(store.write([Change("run", "1", b"x")]))
        await asyncio.sleep(0)
        os_thread = next(each for each in threading.enumerate() if each.name == "store")
        await store.close()
        with pytest.raises(StoreFailed, match="hung"):
            await write
        with pytest.raises(StoreFailed, match="hung"):
            await held.task
        held.release()
        await asyncio.to_thread(os_thread.join, TIMEOUT)
        assert not os_thread.is_alive()
        # It has let go of the file when it came back.
        async with opened(tmp_path / "mail.db") as store:
            assert await store.live("run") == []

    asyncio.run(main())


def test_an_open_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(str(tmp_path / "mail.db"))
        task = asyncio.create_task(store.open())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with opened(tmp_path / "mail.db") as store:
            assert await store.live("run") == []

    with no_leaks():
        asyncio.run(main())


class _App(TaskThread):
    """Stores something last, as a TaskApp does."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(str(path), synchronous="normal")
        self.troubles: list[StoreError] = []
        self.threads: list[str] = []
        super().__init__()

    def getId(self) -> str:
        return "mail"

    async def enter__(self) -> None:
        await self.store.open(self)
        self.threads = [thread_of(self.store).getId()]
        loop = asyncio.get_running_loop()
        self.journal = Journal(self.store, loop, self.troubles.append)
        await _Child(self).run()

    async def exit__(self) -> None:
        self.journal.put(Change("run", "last", b"x"))
        await self.journal.close(5.0)
        await self.store.close()


class _Child(TaskThread):
    parent: _App

    async def exit__(self) -> None:
        await self.parent.store.write([Change("run", "child's", b"x")])


def test_its_owner_can_write_to_its_very_end(tmp_path: Path) -> None:
    app = _App(tmp_path / "mail.db")
    with no_leaks(), app:
        assert app.children[0].getId().startswith("_Child")
        assert len(app.children) == 1  # the store is none: it would be stopped too soon
    assert app.threads == ["mail store"]
    assert app.troubles == []

    async def main() -> None:
        async with opened(tmp_path / "mail.db") as store:
            assert [key for key, _ in await store.live("run")] == ["child's", "last"]

    asyncio.run(main())


def test_it_works_while_time_stands_still(
    tmp_path: Path, manual_clock: object, start_thread: StartThread
) -> None:
    app = start_thread(_App(tmp_path / "mail.db"))
    start_thread.stop(app)
    assert app.troubles == []
    assert app.exit_reason is not None
    assert app.exit_reason.kind == "shutdown"
