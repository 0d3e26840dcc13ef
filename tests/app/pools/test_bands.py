"""Bands: against a naive model, and their promises one by one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from task_thread.app.bands import Bands
from task_thread.app.words import Priority, band_of

PRIORITIES = st.one_of(
    st.sampled_from([-1, 0, 1, 50, 51, 100, 101, 200, 201]), st.integers(-1000, 1000)
)


@dataclass
class Naive:
    """The rules as they are said, and nothing for speed."""

    size: int | None
    reserve_normal: int
    reserve_high: int
    running: int = 0
    waiting: list[tuple[int, int]] = field(default_factory=list)  # (priority, item), as they came

    def limit(self, priority: int) -> float:
        band = band_of(priority)
        if self.size is None or band is Priority.CRITICAL:
            return float("inf")
        limits = {
            Priority.LOW: self.size,
            Priority.NORMAL: self.size + self.reserve_normal,
            Priority.HIGH: self.size + self.reserve_normal + self.reserve_high,
        }
        return limits[band]

    def in_order(self) -> list[tuple[int, int]]:
        return sorted(self.waiting, key=lambda pair: pair[0])  # stable: first come, first served

    def take(self) -> int | None:
        for pair in self.in_order():
            if self.running < self.limit(pair[0]):
                self.waiting.remove(pair)
                self.running += 1
                return pair[1]
        return None


class BandsAreAsTheModel(RuleBasedStateMachine):
    """Random work, each answer compared."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @initialize(
        size=st.one_of(st.none(), st.integers(1, 4)),
        normal=st.integers(0, 2),
        high=st.integers(0, 2),
    )
    def begin(self, size: int | None, normal: int, high: int) -> None:
        if size is None:
            normal = high = 0
        self.naive = Naive(size, normal, high)
        self.bands = Bands[int](size, normal, high)

    @rule(priority=PRIORITIES)
    def put(self, priority: int) -> None:
        self.count += 1
        self.naive.waiting.append((priority, self.count))
        self.bands.put(self.count, priority)

    @rule()
    def take(self) -> None:
        assert self.bands.take() == self.naive.take()

    @rule()
    def take_all(self) -> None:
        while (taken := self.naive.take()) is not None:
            assert self.bands.take() == taken
        assert self.bands.take() is None

    @precondition(lambda self: self.naive.running)
    @rule()
    def done(self) -> None:
        self.naive.running -= 1
        self.bands.done()

    @rule(which=st.integers(0, 10))
    def discard(self, which: int) -> None:
        pairs = self.naive.waiting
        if not pairs:
            assert not self.bands.discard(-1)
            return
        pair = pairs.pop(which % len(pairs))
        assert self.bands.discard(pair[1])
        assert not self.bands.discard(pair[1])

    @rule(priority=PRIORITIES)
    def put_again_what_was_discarded(self, priority: int) -> None:
        if self.naive.waiting:
            _, item = self.naive.waiting.pop()
            assert self.bands.discard(item)
            self.naive.waiting.append((priority, item))
            self.bands.put(item, priority)

    @invariant()
    def same(self) -> None:
        if not self.count:
            return
        assert len(self.bands) == len(self.naive.waiting)
        assert self.bands.running == self.naive.running
        assert self.bands.items() == [item for _, item in self.naive.in_order()]
        by_band = dict.fromkeys(Priority, 0)
        for priority, item in self.naive.waiting:
            by_band[band_of(priority)] += 1
            assert item in self.bands
        assert self.bands.waiting_by_band() == by_band


BandsAreAsTheModel.TestCase.settings = settings(deadline=None, stateful_step_count=60)
TestBandsAreAsTheModel = BandsAreAsTheModel.TestCase


def full(size: int, reserve_normal: int = 0, reserve_high: int = 0) -> Bands[str]:
    """Bands of which `size` places are taken by LOW."""
    bands = Bands[str](size, reserve_normal, reserve_high)
    for number in range(size):
        bands.put(f"low-{number}", Priority.LOW)
        assert bands.take() is not None
    return bands


def test_critical_starts_though_the_pool_is_full() -> None:
    bands = full(2)
    bands.put("low", Priority.LOW)
    for number in range(5):
        bands.put(f"critical-{number}", Priority.CRITICAL)
    assert [bands.take() for _ in range(6)] == [*(f"critical-{n}" for n in range(5)), None]
    assert bands.running == 7


@pytest.mark.parametrize(
    ("priority", "more"), [(Priority.LOW, 0), (Priority.NORMAL, 2), (Priority.HIGH, 5)]
)
def test_a_band_may_use_the_reserves_up_to_its_own(priority: Priority, more: int) -> None:
    bands = full(3, reserve_normal=2, reserve_high=3)
    for number in range(10):
        bands.put(f"next-{number}", priority)
    taken = 0
    while bands.take() is not None:
        taken += 1
    assert taken == more


def test_what_runs_in_a_reserve_holds_up_those_who_may_not_use_it() -> None:
    bands = full(1, reserve_high=1)
    bands.put("high", Priority.HIGH)
    assert bands.take() == "high"
    bands.put("low", Priority.LOW)
    bands.done()  # one of two: the size is still used up
    assert bands.take() is None
    bands.done()
    assert bands.take() == "low"


def test_priority_zero_and_below_is_critical() -> None:
    bands = full(1)
    bands.put("zero", 0)
    bands.put("below", -7)
    assert bands.take() == "below"
    assert bands.take() == "zero"


def test_the_same_item_waits_once() -> None:
    bands = Bands[str](None)
    bands.put("a", 1)
    with pytest.raises(ValueError, match="waits already"):
        bands.put("a", 2)
    assert bands.take() == "a"
    bands.put("a", 2)
    assert bands.items() == ["a"]


def test_done_without_a_start_is_an_error() -> None:
    with pytest.raises(RuntimeError):
        Bands[str](1).done()


@pytest.mark.parametrize("sizes", [(0, 0, 0), (1, -1, 0), (1, 0, -1), (None, 1, 0), (None, 0, 1)])
def test_sizes_that_make_no_sense(sizes: tuple[int | None, int, int]) -> None:
    with pytest.raises(ValueError, match=r"pool|reserve"):
        Bands[str](*sizes)


def test_critical_is_found_at_once_behind_a_hundred_thousand() -> None:
    bands = Bands[int](1)
    for number in range(100_000):
        bands.put(number, Priority.LOW)
    began = time.thread_time()
    for number in range(100_000, 101_000):
        bands.put(number, Priority.CRITICAL)
        assert bands.take() == number
    assert time.thread_time() - began < 0.5  # to look through them takes 1,000 times as long


@given(st.lists(st.booleans(), min_size=1000, max_size=1000))
@settings(deadline=None, max_examples=5)
def test_priorities_made_up_for_each_leave_nothing_behind(takes: list[bool]) -> None:
    bands = Bands[int](None)
    bands.put(-1, 1_000_000)  # so that it is never quite empty
    for number, take in enumerate(takes):
        bands.put(number, -number)
        assert (bands.take() == number) if take else bands.discard(number)
    assert len(bands) == 1
    assert len(bands._queues) < 150
    assert len(bands._order) == len(bands._queues)
