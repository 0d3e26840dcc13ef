"""A wall clock that is set, a machine that slept: noticed in time, and nothing fires twice."""

from __future__ import annotations

import math

import hypothesis.strategies as st
from hypothesis import given, settings

from task_thread.app.scheduler import LOOK_AGAIN, Entry
from task_thread.app.triggers import AnyOf, Cron, Date, Interval, Trigger
from tests.app.scheduler.desk import Desk
from tests.app.triggers.moments import at

HOUR = 3600.0


def test_a_clock_that_is_set_forward_is_noticed_within_a_minute() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", Date(at(10 * HOUR))))
    desk.advance(LOOK_AGAIN / 2)
    desk.set_clock(11 * HOUR)
    desk.advance(LOOK_AGAIN / 2)
    assert desk.runs() == [(10 * HOUR, 1)]


def test_what_a_clock_that_was_set_forward_skips_is_judged_by_the_grace() -> None:
    desk = Desk()
    desk.every(10 * 60, "any")
    desk.every(10 * 60, "strict", grace=60)
    desk.set_clock(HOUR + 90)
    desk.advance(LOOK_AGAIN)
    assert desk.runs("any") == [(HOUR, 6)]
    assert (desk.runs("strict"), desk.missed("strict")) == ([], 6)


def test_adding_notices_a_clock_that_was_set_forward() -> None:
    """The timer would come too late for it, though by the clock of before it comes first."""
    desk = Desk()
    desk.every(30)
    desk.loop.settle()
    desk.set_clock(HOUR)
    desk.every(1, "b")
    desk.advance(1)
    assert desk.runs("b") == [(HOUR + 1, 1)]
    assert desk.runs("a") == [(HOUR, 120)]


def test_after_a_clock_that_goes_back_nothing_fires_twice() -> None:
    desk = Desk()
    desk.every(10)
    desk.advance(25)
    desk.set_clock(-20)
    desk.advance(20)
    assert desk.runs() == [(10, 1), (20, 1)]
    desk.advance(5)
    assert desk.runs() == [(10, 1), (20, 1), (30, 1)]


def test_a_clock_that_goes_back_holds_up_only_what_waits_for_a_later_time() -> None:
    desk = Desk()
    desk.every(10, "before")
    desk.advance(1000)
    desk.set_clock(-1000)
    desk.every(10, "after")
    desk.advance(30)
    assert desk.runs("after") == [(10, 1), (20, 1), (30, 1)]


def test_a_clock_that_jumps_about_keeps_no_one_spinning() -> None:
    desk = Desk()
    desk.every(7)
    for jump in (100, -300, 50, 1000, -2000):
        desk.set_clock(jump)
        desk.advance(LOOK_AGAIN)  # which fails where it spins


TRIGGERS: list[Trigger] = [
    Interval(seconds=7, start=at(7)),
    Interval(seconds=60, start=at(3), jitter=30),
    Cron("*/2 * * * *"),
    AnyOf(Date(at(50)), Date(at(500)), Interval(seconds=90, start=at(90))),
]


@given(
    st.sampled_from(TRIGGERS),
    st.one_of(st.none(), st.integers(0, 100).map(float)),
    st.booleans(),
    st.lists(st.tuples(st.integers(-400, 400), st.integers(0, 1200)), max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_however_the_clock_is_set_each_time_is_judged_once(
    trigger: Trigger, grace: float | None, coalesce: bool, moves: list[tuple[int, int]]
) -> None:
    desk = Desk()
    entry = Entry("a", trigger, grace=grace, coalesce=coalesce)
    desk.scheduler.add(entry)
    for jump, seconds in moves:
        desk.set_clock(jump)
        desk.advance(seconds / 10)
    assert entry.after is not None
    judged = desk.missed() + sum(number for _, number in desk.runs())
    assert judged == trigger.count(at(0), entry.after, entry.luck).number
    moments = [moment for moment, _ in desk.runs()]
    assert moments == sorted(set(moments))
    for fired in desk.fired:
        assert all(moment <= fired.now for moment, _ in fired.runs)
        latest = math.inf if grace is None else grace + 1e-7  # for floats
        assert all(fired.now - moment <= latest for moment, _ in fired.runs)
