"""What every store promises: the tests of this module are run with each that there is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from task_thread.app.journal import Journal
from task_thread.app.store import LARGEST_VALUE, Change, Store
from task_thread.errors import NotStorable, StoreFailed, StoreInUse
from task_thread.testing import no_leaks
from tests.app.store.helpers import TIMEOUT
from tests.app.store.stores import STORES, open_


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store that is not open yet."""
    return STORES[request.param](tmp_path)


def use(store: Store, work: Callable[[Store], Awaitable[None]]) -> None:
    """Do something with the store, which is open meanwhile."""

    async def main() -> None:
        async with open_(store):
            await work(store)

    with no_leaks():
        asyncio.run(main())


def test_it_is_one(store: Store) -> None:
    assert isinstance(store, Store)
    assert store.address.startswith(("sqlite:///", "memory:"))


def test_what_is_written_is_there(store: Store) -> None:
    async def work(store: Store) -> None:
        await store.write([Change("run", "b", b"1"), Change("run", "a", b"2")])
        await store.write([Change("run", "c", b"3", live=False), Change("task", "a", b"4")])
        assert await store.live("run") == [("b", b"1"), ("a", b"2")]
        assert await store.live("nothing") == []
        assert await store.get("run", "c") == b"3"
        assert await store.get("run", "d") is None
        assert await store.get("nothing", "d") is None
        await store.write([Change("run", "b", None), Change("run", "never there", None)])
        await store.write([Change("nothing", "never there", None)])
        await store.write([])
        assert await store.live("run") == [("a", b"2")]
        assert await store.get("run", "b") is None

    use(store, work)


def test_any_text_and_any_bytes(store: Store) -> None:
    async def work(store: Store) -> None:
        everything = [Change("läufe", key, bytes(range(256))) for key in ("", "\0", "日本", "';--")]
        await store.write(everything)
        assert await store.live("läufe") == [(each.key, each.value) for each in everything]
        for change in everything:
            assert await store.get("läufe", change.key) == change.value

    use(store, work)


def test_what_is_put_again_keeps_its_place(store: Store) -> None:
    async def work(store: Store) -> None:
        await store.write([Change("run", key, b"1", live=key != "b") for key in "abc"])
        await store.write([Change("run", "a", b"2", live=False)])
        assert await store.live("run") == [("c", b"1")]
        await store.write([Change("run", "a", b"3"), Change("run", "b", b"3")])
        assert await store.live("run") == [("a", b"3"), ("b", b"3"), ("c", b"1")]
        # In one write: it was there all the time.
        await store.write([Change("run", "a", None), Change("run", "a", b"4")])
        assert await store.live("run") == [("a", b"4"), ("b", b"3"), ("c", b"1")]
        await store.write([Change("run", "a", None)])
        await store.write([Change("run", "a", b"5")])
        assert await store.live("run") == [("b", b"3"), ("c", b"1"), ("a", b"5")]

    use(store, work)


def test_of_two_changes_of_one_record_the_last_holds(store: Store) -> None:
    async def work(store: Store) -> None:
        await store.write([Change("run", "a", b"1"), Change("run", "a", b"2")])
        await store.write([Change("run", "b", b"1"), Change("run", "b", None)])
        assert await store.live("run") == [("a", b"2")]
        assert await store.under("run", "") == [("a", b"2")]

    use(store, work)


@pytest.mark.parametrize(
    "bad",
    [
        Change("run", "\ud800", b"x"),
        Change("run", "1", "text"),  # type: ignore[arg-type]
        Change("run", "1", bytes(LARGEST_VALUE + 1)),
        Change("run", "1", b"x", expires=float("nan")),
    ],
)
def test_a_write_is_all_or_nothing(store: Store, bad: Change) -> None:
    async def work(store: Store) -> None:
        await store.write([Change("run", "old", b"x")])
        with pytest.raises(NotStorable):
            await store.write([Change("run", "old", None), Change("run", "2", b"x"), bad])
        assert await store.live("run") == [("old", b"x")]

    use(store, work)


def test_it_must_be_open(store: Store) -> None:
    async def main() -> None:
        for _ in range(2):
            for call in (
                store.live("run"),
                store.get("run", "1"),
                store.under("run", "1"),
                store.write([Change("run", "1", b"x")]),
            ):
                with pytest.raises(StoreFailed, match="not open"):
                    await call
            await store.open()
            await store.close()

    with no_leaks():
        asyncio.run(main())


def test_it_is_opened_and_closed_in_turn(store: Store) -> None:
    async def main() -> None:
        for number in range(3):
            await store.open()
            with pytest.raises(StoreInUse, match="open already"):
                await store.open()
            await store.write([Change("run", f"{number}", b"x")])
            await store.close()
            await store.close()
        await store.open()
        assert [key for key, _ in await store.live("run")] == ["0", "1", "2"]
        assert [key for key, _ in await store.under("run", "")] == ["0", "1", "2"]
        await store.close()

    with no_leaks():
        asyncio.run(main())


def test_many_loops_at_once(store: Store) -> None:
    loops, writes = 4, 50
    barrier = threading.Barrier(loops)
    failures: list[BaseException] = []

    def other(number: int) -> None:
        async def write_all() -> None:
            barrier.wait(TIMEOUT)
            for count in range(writes):
                await store.write([Change("run", f"{number}-{count:02d}", b"x")])
                if count % 2:
                    await store.write([Change("run", f"{number}-{count - 1:02d}", None)])
                own = await store.under("run", f"{number}-", limit=2, reverse=True)
                assert own[0] == (f"{number}-{count:02d}", b"x")

        try:
            asyncio.run(write_all())
        except BaseException as error:
            failures.append(error)

    async def work(store: Store) -> None:
        threads = [threading.Thread(target=other, args=(n,)) for n in range(loops)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join, TIMEOUT)
        assert failures == []
        keys = [key for key, _ in await store.live("run")]
        expected = [f"{n}-{count:02d}" for n in range(loops) for count in range(1, writes, 2)]
        assert sorted(keys) == expected
        assert [key for key, _ in await store.under("run", "")] == expected
        for number in range(loops):
            own = [key for key in keys if key.startswith(f"{number}-")]
            assert own == sorted(own)

    use(store, work)


def test_a_journal_writes_to_it(store: Store) -> None:
    async def work(store: Store) -> None:
        told: list[object] = []
        journal = Journal(store, asyncio.get_running_loop(), told.append)
        for number in range(100):
            journal.put(Change("run", f"{number:02d}", b"x"), told.append)
        await journal.flush()
        await journal.close(1.0)
        assert told == [None] * 100
        assert len(await store.live("run")) == 100

    use(store, work)


def test_one_who_writes_and_writes_lets_others_have_their_turn(store: Store) -> None:
    async def work(store: Store) -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(10):
            await store.write([Change("run", "1", b"x")])
        task.cancel()
        assert turns >= 9

    use(store, work)
