"""The journal: what is in a group, who is told, and what becomes of a store's errors."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_thread import TaskThread
from task_thread.app.journal import Journal
from task_thread.app.store import Change, Store
from task_thread.errors import NotStorable, StoreError, StoreFailed


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer where it would wait for it."""

    def __init__(self) -> None:
        self._now = 1000.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> list[Any]:
                events = super().select(0)
                assert events or timeout is not None, "it would wait for ever"
                if not events and timeout:
                    loop._now += timeout
                return events

        super().__init__(Selector())

    def time(self) -> float:
        return self._now


def run(cofunc: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(cofunc())


class FakeStore:
    """Notes each group, with the time, and raises what it is told to."""

    address = "fake:"

    def __init__(self) -> None:
        self.groups: list[list[Change]] = []
        self.times: list[float] = []
        self.errors: list[Exception] = []  # for the next tries
        self.broken: Exception | None = None  # for all
        self.refuses: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.records: dict[str, bytes] = {}

    async def open(self, owner: TaskThread | None = None) -> None: ...

    async def close(self) -> None: ...

    async def live(self, kind: str) -> Sequence[tuple[str, bytes]]:
        return list(self.records.items())

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> Sequence[tuple[str, bytes]]:
        raise AssertionError("the journal does not read")

    async def get(self, kind: str, key: str) -> bytes | None:
        return self.records.get(key)

    async def write(self, changes: Sequence[Change]) -> None:
        self.times.append(asyncio.get_running_loop().time())
        self.groups.append(list(changes))
        await self.gate.wait()
        if self.broken is not None:
            raise self.broken
        if self.errors:
            raise self.errors.pop(0)
        if any(change.key in self.refuses for change in changes):
            raise NotStorable("too large")
        for change in changes:
            if change.value is None:
                self.records.pop(change.key, None)
            else:
                self.records[change.key] = change.value

    @property
    def keys(self) -> list[list[str]]:
        return [[change.key for change in group] for group in self.groups]


def change(key: str, value: bytes | None = b"x") -> Change:
    return Change("run", key, value)


class Desk:
    """A journal, its store, and what it has told."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.troubles: list[StoreError] = []
        self.told: list[tuple[str, StoreError | None]] = []
        self.journal = Journal(self.store, asyncio.get_running_loop(), self.troubles.append)

    def put(self, key: str, value: bytes | None = b"x") -> None:
        self.journal.put(change(key, value), lambda error: self.told.append((key, error)))

    def put_keenly(self, key: str, value: bytes | None = b"x", most: int = 1000) -> list[Any]:
        """Put something, and ask to be told again, but for the last of so many times.

        :returns: what is told of it.
        """
        told: list[StoreError | None] = []

        def stored(error: StoreError | None) -> bool:
            self.told.append((key, error))
            told.append(error)
            return len(told) < most

        self.journal.put(change(key, value), stored)
        return told


def test_the_fake_is_a_store() -> None:
    async def main() -> None:
        store: Store = FakeStore()
        assert isinstance(store, Store)

    run(main)


def test_what_is_put_in_one_turn_is_one_group() -> None:
    async def main() -> None:
        desk = Desk()
        for key in "abc":
            desk.put(key)
        assert desk.store.groups == []
        assert desk.journal.pending == 3
        await desk.journal.flush()
        assert desk.store.keys == [["a", "b", "c"]]
        assert desk.told == [("a", None), ("b", None), ("c", None)]
        assert desk.journal.pending == 0

    run(main)


def test_what_comes_while_one_is_written_is_the_next_group() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.gate.clear()
        desk.put("a")
        await asyncio.sleep(0)
        assert desk.store.keys == [["a"]]
        desk.put("b")
        await asyncio.sleep(0)
        desk.put("c")
        assert desk.journal.pending == 3
        desk.store.gate.set()
        await desk.journal.flush()
        assert desk.store.keys == [["a"], ["b", "c"]]

    run(main)


def test_the_last_of_several_changes_counts_and_all_are_told() -> None:
    async def main() -> None:
        desk = Desk()
        for value in (b"1", b"2", None, b"3"):
            desk.put("a", value)
        desk.put("b", None)
        assert desk.journal.pending == 2
        await desk.journal.flush()
        assert desk.store.groups == [[change("a", b"3"), change("b", None)]]
        assert desk.told == [("a", None)] * 4 + [("b", None)]

    run(main)


def test_flush_waits_for_what_was_put_before_and_for_no_more() -> None:
    async def main() -> None:
        desk = Desk()
        await desk.journal.flush()
        desk.store.gate.clear()
        desk.journal.put(change("a"), lambda _: desk.store.gate.clear())  # one passes
        first = asyncio.create_task(desk.journal.flush())
        await asyncio.sleep(0)
        desk.put("b")
        second = asyncio.create_task(desk.journal.flush())
        cancelled = asyncio.create_task(desk.journal.flush())
        await asyncio.sleep(0)
        cancelled.cancel()
        desk.store.gate.set()
        await first
        assert desk.store.keys == [["a"], ["b"]]
        assert desk.told == []
        assert not second.done()
        desk.store.gate.set()
        await second
        assert desk.told == [("b", None)]

    run(main)


def test_an_error_is_told_once_and_the_changes_are_tried_again() -> None:
    async def main() -> None:
        desk = Desk()
        full = StoreFailed("full")
        desk.store.errors = [full]
        desk.put("a")
        desk.put("b")
        with pytest.raises(StoreFailed, match="full"):
            await desk.journal.flush()
        assert desk.told == [("a", full), ("b", full)]
        assert desk.troubles == [full]
        assert desk.journal.failed is full
        assert desk.journal.pending == 2
        desk.put("b", b"newer")
        await desk.journal.flush()
        assert desk.journal.failed is None
        assert desk.store.groups[1] == [change("a"), change("b", b"newer")]
        assert desk.told[2:] == [("b", None)]

    run(main)


def test_who_asks_for_it_is_told_of_each_try_until_it_is_written() -> None:
    async def main() -> None:
        desk = Desk()
        errors = [StoreFailed("full"), StoreFailed("full still"), StoreFailed("and full")]
        desk.store.errors = list(errors)
        desk.put_keenly("a")
        desk.put("b")
        desk.put_keenly("c", most=2)
        await asyncio.sleep(100.0)
        told = {key: [error for which, error in desk.told if which == key] for key in "abc"}
        assert told == {"a": [*errors, None], "b": errors[:1], "c": errors[:2]}
        desk.put("b")  # what is over is over
        await desk.journal.flush()
        assert desk.told[7:] == [("b", None)]

    run(main)


def test_who_is_told_again_is_told_before_those_who_came_later() -> None:
    async def main() -> None:
        desk = Desk()
        full, still = StoreFailed("full"), StoreFailed("full still")
        desk.store.errors = [full, still]
        desk.store.gate.clear()
        desk.put_keenly("a")
        desk.put_keenly("b")
        await asyncio.sleep(0)
        desk.put_keenly("a", b"newer")  # while the first try is made
        desk.store.gate.set()
        await asyncio.sleep(100.0)
        assert desk.told == [
            *[("a", full), ("b", full)],
            *[("a", still), ("b", still), ("a", still)],
            *[("a", None), ("b", None), ("a", None)],
        ]
        assert desk.store.records == {"a": b"newer", "b": b"x"}

    run(main)


def test_who_is_told_again_is_told_that_it_was_refused_and_no_more() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.errors = [StoreFailed("full")]
        desk.store.refuses = {"a"}
        desk.put_keenly("a")
        desk.put_keenly("b")
        await asyncio.sleep(1.0)
        desk.put("c")
        await desk.journal.flush()
        told = [(key, type(error)) for key, error in desk.told]
        assert told == [
            ("a", StoreFailed),
            ("b", StoreFailed),
            ("a", NotStorable),
            ("b", type(None)),
            ("c", type(None)),
        ]

    run(main)


def test_a_refusal_in_a_try_that_fails_is_the_last_that_is_told() -> None:
    async def main() -> None:
        desk = Desk()
        too_large, full = NotStorable("too large"), StoreFailed("full")
        desk.store.errors = [too_large, too_large, full]  # the group, "a" alone, and "b"
        desk.put_keenly("a")
        desk.put_keenly("b")
        await asyncio.sleep(1.0)
        assert desk.told == [("a", too_large), ("b", full), ("b", None)]
        assert desk.store.records == {"b": b"x"}

    run(main)


def test_what_a_callback_puts_when_it_is_told_of_an_error_goes_along() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.errors = [StoreFailed("full")]

        def stored(error: StoreError | None) -> bool:
            desk.told.append(("a", error))
            if error is not None:
                desk.put("b")
            return True

        desk.journal.put(change("a"), stored)
        await asyncio.sleep(1.0)
        assert desk.store.keys == [["a"], ["a", "b"]]
        assert desk.told[1:] == [("a", None), ("b", None)]

    run(main)


def test_the_pauses_grow_and_a_success_ends_that() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.errors = [StoreFailed("full") for _ in range(10)]
        desk.put("a")
        await asyncio.sleep(100.0)
        assert desk.journal.pending == 0
        times = desk.store.times
        pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
        expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]
        assert pauses == pytest.approx(expected, rel=0.11)
        assert len(desk.troubles) == 10
        desk.store.errors = [StoreFailed("full")]
        begun = asyncio.get_running_loop().time()
        desk.put("b")
        await asyncio.sleep(1.0)
        assert desk.store.times[-1] - begun == pytest.approx(0.1, abs=0.03)
        assert desk.store.keys[-2:] == [["b"], ["b"]]

    run(main)


def test_something_new_is_tried_soon_but_not_at_once() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.broken = StoreFailed("full")
        desk.put("a")
        await asyncio.sleep(40.0)
        assert len(desk.store.times) > 8  # the pauses are 10 s by now
        tries, last = len(desk.store.times), desk.store.times[-1]
        for number in range(500):  # 0.5 s of puts
            desk.put(f"{number}")
            await asyncio.sleep(0.001)
        new = desk.store.times[tries:]
        assert 3 <= len(new) <= 7
        assert new[0] - last < 10.0
        desk.store.broken = None
        desk.put("z")
        await asyncio.sleep(0.11)
        assert desk.journal.pending == 0

    run(main)


def test_flush_tries_at_once() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.broken = StoreFailed("full")
        desk.put("a")
        await asyncio.sleep(40.0)
        desk.store.broken = None
        begun = asyncio.get_running_loop().time()
        await desk.journal.flush()
        assert asyncio.get_running_loop().time() - begun < 0.01
        assert desk.store.records == {"a": b"x"}

    run(main)


def test_a_flush_during_a_try_that_fails_gets_another() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.errors = [StoreFailed("full")]
        desk.store.gate.clear()
        desk.put("a")
        await asyncio.sleep(0)
        desk.put("b")
        flush = asyncio.create_task(desk.journal.flush())
        await asyncio.sleep(0)
        desk.store.gate.set()
        await flush
        assert desk.store.records == {"a": b"x", "b": b"x"}
        assert desk.store.times[1] == desk.store.times[0]

    run(main)


def test_what_the_store_refuses_is_dropped_and_the_others_are_written() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.refuses = {"3", "6"}
        for number in range(8):
            desk.put(f"{number}")
        with pytest.raises(NotStorable, match="too large"):
            await desk.journal.flush()
        assert list(desk.store.records) == ["0", "1", "2", "4", "5", "7"]
        errors = {key: type(error) for key, error in desk.told}
        assert errors == {
            f"{number}": NotStorable if f"{number}" in desk.store.refuses else type(None)
            for number in range(8)
        }
        assert [type(error) for error in desk.troubles] == [NotStorable, NotStorable]
        assert desk.journal.pending == 0
        await desk.journal.flush()

    run(main)


def test_what_can_not_be_stored_is_refused_at_once() -> None:
    async def main() -> None:
        desk = Desk()
        with pytest.raises(NotStorable):
            desk.put("\ud800")
        assert desk.journal.pending == 0
        await desk.journal.flush()
        assert desk.store.groups == []

    run(main)


def test_a_store_that_raises_anything_is_tried_again() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.errors = [ZeroDivisionError("a bug")]
        desk.put("a")
        with pytest.raises(StoreFailed, match="fake:: ZeroDivisionError: a bug"):
            await desk.journal.flush()
        await desk.journal.flush()
        assert desk.store.records == {"a": b"x"}

    run(main)


def test_callbacks_may_put_and_may_raise() -> None:
    async def main() -> None:
        desk = Desk()
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))

        def broken(_: object) -> None:
            raise ZeroDivisionError

        desk.journal.put(change("a"), broken)
        desk.journal.put(change("b"), lambda _: desk.put("c"))
        await desk.journal.flush()
        await desk.journal.flush()
        assert desk.store.keys == [["a", "b"], ["c"]]
        assert desk.told == [("c", None)]
        assert [type(what["exception"]) for what in reported] == [ZeroDivisionError]

    run(main)


def test_close_writes_what_is_there() -> None:
    async def main() -> None:
        desk = Desk()
        desk.put("a")
        await desk.journal.close(1.0)
        await desk.journal.close(1.0)
        assert desk.store.records == {"a": b"x"}
        with pytest.raises(StoreFailed, match="the journal of fake: is closed"):
            desk.put("b")
        await desk.journal.flush()

    run(main)


def test_close_tries_until_the_time_is_up() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.broken = StoreFailed("full")
        desk.put("a")
        await asyncio.sleep(40.0)  # 10 s between the tries
        tries, begun = len(desk.store.times), asyncio.get_running_loop().time()
        with pytest.raises(StoreFailed, match=r"1 change\(s\) were not written .* full"):
            await desk.journal.close(2.0)
        assert asyncio.get_running_loop().time() - begun == pytest.approx(2.0)
        assert len(desk.store.times) - tries >= 4
        with pytest.raises(StoreFailed, match="may be lost"):
            await desk.journal.flush()
        await desk.journal.close(2.0)

    run(main)


def test_close_tells_of_the_loss_who_asked_to_be_told_again() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.broken = StoreFailed("full")
        desk.put_keenly("a")
        desk.put("b")
        desk.put_keenly("c", most=1)
        await asyncio.sleep(0.05)
        with pytest.raises(StoreFailed, match=r"3 change\(s\) were not written"):
            await desk.journal.close(2.0)
        told = {key: [error for which, error in desk.told if which == key] for key in "abc"}
        assert told["b"] == told["c"] == [desk.store.broken]
        assert set(told["a"][:-1]) == {desk.store.broken}
        assert "may be lost" in f"{told['a'][-1]}"
        count = len(desk.told)
        await desk.journal.close(2.0)
        assert len(desk.told) == count
        assert desk.journal._stored == []

    run(main)


def test_close_succeeds_when_there_is_room_in_time() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.errors = [StoreFailed("full")] * 3
        desk.put("a")
        await desk.journal.close(2.0)
        assert desk.store.records == {"a": b"x"}

    run(main)


def test_close_does_not_wait_for_ever_and_tells_everyone() -> None:
    async def main() -> None:
        desk = Desk()
        desk.store.gate.clear()
        desk.put("a")
        await asyncio.sleep(0)
        desk.put("b")
        flush = asyncio.create_task(desk.journal.flush())
        await asyncio.sleep(0)
        with pytest.raises(StoreFailed, match=r"2 change\(s\).* the time was up"):
            await desk.journal.close(1.0)
        assert [(key, type(error)) for key, error in desk.told] == [
            ("a", StoreFailed),
            ("b", StoreFailed),
        ]
        with pytest.raises(StoreFailed):
            await flush
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


steps = st.one_of(
    st.tuples(
        st.sampled_from(["put", "put keenly"]),
        st.sampled_from("abcd"),
        st.one_of(st.none(), st.binary(min_size=1, max_size=2)),
    ),
    st.sampled_from(
        [("turn",), ("fail",), ("hold",), ("go",), ("flush",), ("rest", 0.05), ("rest", 5.0)]
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=40))
def test_whatever_happens_the_store_has_the_last_of_each(script: list[tuple[Any, ...]]) -> None:
    async def main() -> None:
        desk = Desk()
        model: dict[str, bytes | None] = {}
        puts = 0
        keen: list[list[Any]] = []
        flushes: list[asyncio.Task[None]] = []
        for step in script:
            match step:
                case ("put", key, value):
                    desk.put(key, value)
                    puts += 1
                    model[key] = value
                case ("put keenly", key, value):
                    keen.append(desk.put_keenly(key, value))
                    model[key] = value
                case ("turn",):
                    await asyncio.sleep(0)
                case ("rest", seconds):
                    await asyncio.sleep(seconds)
                case ("fail",):
                    desk.store.errors.append(StoreFailed("full"))
                case ("hold",):
                    desk.store.gate.clear()
                case ("go",):
                    desk.store.gate.set()
                case ("flush",):
                    flushes.append(asyncio.create_task(desk.journal.flush()))
        desk.store.gate.set()
        await asyncio.sleep(1000)
        assert desk.journal.pending == 0
        assert desk.store.records == {k: v for k, v in model.items() if v is not None}
        assert len(desk.told) - sum(map(len, keen)) == puts  # each once
        for told in keen:
            assert told[-1] is None
            assert all(isinstance(error, StoreFailed) for error in told[:-1])
        await asyncio.gather(*flushes, return_exceptions=True)
        for group in desk.store.groups:
            assert len({each.key for each in group}) == len(group)

    run(main)
