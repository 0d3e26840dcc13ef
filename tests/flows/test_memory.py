"""The store in memory: what it has of its own. What all stores promise is in tests/app/store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from task_thread.app import RunStatus, Task, TaskApp
from task_thread.app.store import Change
from task_thread.flows.memory import MemoryStore
from task_thread.flows.sorted_keys import SortedKeys

WITHIN = 10.0


class Times:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def use(work: Callable[[MemoryStore, Times], Awaitable[None]]) -> None:
    """Do something with a store that is open, and a clock of its own."""

    async def main() -> None:
        times = Times()
        store = MemoryStore(times)
        await store.open()
        await work(store, times)
        await store.close()

    asyncio.run(main())


async def keys_of(store: MemoryStore, kind: str = "run") -> list[str]:
    return [key for key, _ in await store.under(kind, "")]


def test_expired_records_are_dropped_in_passing() -> None:
    async def work(store: MemoryStore, times: Times) -> None:
        await store.write(
            [
                *(Change("run", f"r{n}", b"x", n % 2 == 0, 1010.0 + n) for n in range(10)),
                Change("run", "kept", b"x", False),
                Change("task", "r1", b"x", False, 1012.0),
            ]
        )
        times.now = 1009.9
        await store.write([Change("run", "other", b"x")])
        assert len(await keys_of(store)) == 12
        times.now = 1014.0
        assert len(await keys_of(store)) == 12  # nobody has written
        await store.write([Change("run", "other", b"x")])
        assert await keys_of(store) == ["kept", "other", *(f"r{n}" for n in range(5, 10))]
        assert await store.get("run", "r1") is None
        assert [key for key, _ in await store.live("run")] == ["r6", "r8", "other"]
        assert await keys_of(store, "task") == []

    use(work)


def test_a_write_drops_only_so_many_but_all_go_in_the_end() -> None:
    async def work(store: MemoryStore, times: Times) -> None:
        await store.write([Change("run", f"r{n}", b"x", False, 1001.0) for n in range(1000)])
        times.now = 2000.0
        counts = []
        while len(await keys_of(store)) > 1:
            await store.write([Change("run", "other", b"x")])
            counts.append(len(await keys_of(store)))
        assert counts == [1000 + 1 - 102 * n for n in range(1, 10)] + [1]

    use(work)


def test_only_the_end_that_it_has_now_counts() -> None:
    async def work(store: MemoryStore, times: Times) -> None:
        async def put(key: str, expires: float | None) -> None:
            await store.write([Change("run", key, b"x", False, expires)])

        await put("for ever", 1001.0)
        await put("for ever", None)
        await put("later", 1001.0)
        await put("later", 1003.0)
        await put("sooner", 1003.0)
        await put("sooner", 1001.0)
        await put("again", 1001.0)
        await store.write([Change("run", "again", None)])
        await put("again", 1003.0)
        await put("there and back", 1001.0)
        await put("there and back", 1003.0)
        await put("there and back", 1001.0)
        times.now = 1002.0
        await put("other", None)
        assert await keys_of(store) == ["again", "for ever", "later", "other"]
        times.now = 1004.0
        await put("other", None)
        assert await keys_of(store) == ["for ever", "other"]
        assert store._ends._heap == []
        assert store._ends._now == {}

    use(work)


@pytest.mark.parametrize("last", [5000.0, None])
def test_a_record_that_changes_often_leaves_nothing_behind(last: float | None) -> None:
    async def work(store: MemoryStore, times: Times) -> None:
        for number in range(5000):
            await store.write([Change("run", "1", b"x", False, 1e6 + number)])
            await store.write([Change("run", "2", b"x", False, 1e6)])
            await store.write([Change("run", "2", None)])
        assert len(store._ends._heap) <= 1010
        await store.write([Change("run", "1", b"x", False, last)])
        times.now = 1e6
        for _ in range(12):
            await store.write([Change("run", "other", b"x")])
        assert await keys_of(store) == (["1", "other"] if last is None else ["other"])
        assert len(await store.live("run")) == 1

    use(work)


def test_under_looks_at_what_it_gives_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(store: MemoryStore, times: Times) -> None:
        for flow in range(200):
            await store.write(
                [Change("step", f"{flow:03d}/{n:04d}", b"x", live=False) for n in range(100)]
            )
        looked = 0

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def call(self: SortedKeys, start: str | None) -> object:
                nonlocal looked
                for key in real(self, start):  # type: ignore[attr-defined]
                    looked += 1
                    yield key

            return call

        monkeypatch.setattr(SortedKeys, "since", counted(SortedKeys.since))
        monkeypatch.setattr(SortedKeys, "back_from", counted(SortedKeys.back_from))
        for reverse in (False, True):
            looked = 0
            assert len(await store.under("step", "100/", reverse=reverse)) == 100
            assert looked <= 101
            looked = 0
            assert len(await store.under("step", "100/", limit=3, reverse=reverse)) == 3
            assert looked == 3

    use(work)


def test_an_app_keeps_its_runs_in_it_from_one_start_to_the_next() -> None:
    store = MemoryStore()
    begun: list[int] = []

    def program() -> tuple[TaskApp, Task[[int], int]]:
        app = TaskApp("mail", store=store)

        @app.task
        async def work(number: int) -> int:
            begun.append(number)
            return number + 1

        return app, work

    app, work = program()
    with app:
        done = work.add_task(1)
        assert done.wait(WITHIN) == 2
        waits = work.add_task(2, delay=3600.0)
    app, _ = program()
    with app:
        info = asyncio.run(app.stored_run_info(done.id))
        assert (info.status, info.result) == (RunStatus.SUCCEEDED, 2)
        assert app.run_info(waits.id).status is RunStatus.DELAYED
    assert begun == [1]
