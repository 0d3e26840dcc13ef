"""AnyOf and AllOf: union and intersection, and an end where there is no agreement."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from time import perf_counter

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from task_thread.app.triggers import (
    AllOf,
    AnyOf,
    Cron,
    Date,
    Interval,
    Trigger,
    TriggerNeverAgrees,
    luck_of,
)
from task_thread.errors import TaskThreadError
from tests.app.triggers.moments import BERLIN, EPOCH, at, first, seconds, since, until, utc

END = 300


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start = at(draw(st.integers(-50, 50)))
    return Interval(seconds=draw(st.integers(1, 40)), start=start)


MEMBERS = st.lists(
    st.one_of(
        intervals(),
        st.integers(-20, 200).map(lambda number: Date(at(number))),
        st.just(Cron("*/7 * * * * *", "Europe/Berlin")),
    ),
    min_size=1,
    max_size=4,
)


@given(MEMBERS, st.integers(-60, 100))
@settings(max_examples=200, deadline=None)
def test_any_is_the_union(members: list[Trigger], after: int) -> None:
    expected = set[datetime]().union(*(until(each, at(after), at(END)) for each in members))
    assert until(AnyOf(*members), at(after), at(END)) == sorted(expected)


@given(MEMBERS, st.integers(-60, 100))
@settings(max_examples=200, deadline=None)
def test_all_is_the_intersection(members: list[Trigger], after: int) -> None:
    each_one = [set(until(each, at(after), at(END))) for each in members]
    expected = sorted(set.intersection(*each_one))
    found: list[datetime] = []
    try:
        for time in AllOf(*members).times(at(after)):
            if time > at(END):
                break
            found.append(time)
    except TriggerNeverAgrees:
        pass  # only after what there was
    assert utc(found) == expected


def test_any_takes_the_zone_of_the_first() -> None:
    berlin, everywhere = Cron("0 12 * * *", "Europe/Berlin"), Cron("0 10 * * *")
    after = datetime(2025, 6, 1, tzinfo=UTC)
    assert first(2, AnyOf(berlin, everywhere), after) == [
        "2025-06-01 12:00:00+02:00",
        "2025-06-02 12:00:00+02:00",
    ]
    assert first(1, AnyOf(everywhere, berlin), after) == ["2025-06-01 10:00:00+00:00"]


def test_any_through_the_repeated_hour() -> None:
    """In one zone Python compares wall times: merged by these it would go back and forth."""
    half = Interval(minutes=30, start=datetime(2025, 10, 26, 2, tzinfo=BERLIN))
    quarter = Interval(minutes=30, start=datetime(2025, 10, 26, 2, 15, tzinfo=BERLIN))
    times = utc(islice(AnyOf(half, quarter).times(datetime(2025, 10, 25, 23, tzinfo=UTC)), 8))
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=15)}


def test_any_gives_its_luck_to_all() -> None:
    luck = luck_of("a")
    member = Interval(minutes=1, start=at(0), jitter=30)
    assert first(5, AnyOf(member), at(0), luck) == first(5, member, at(0), luck)
    assert first(5, AnyOf(member), at(0), luck) != first(5, member, at(0))


def test_all_takes_no_luck() -> None:
    member = Interval(minutes=1, start=at(0), jitter=30)
    trigger = AllOf(member, Cron("* * * * *"))
    assert since(islice(trigger.times(at(0), luck_of("a")), 2)) == [60, 120]


def test_friday_the_thirteenth() -> None:
    trigger = AllOf(Cron("0 0 13 * *"), Cron("0 0 * * FRI"))
    assert first(3, trigger, EPOCH) == [
        "2025-06-13 00:00:00+00:00",
        "2026-02-13 00:00:00+00:00",
        "2026-03-13 00:00:00+00:00",
    ]


def test_what_is_frequent_costs_nothing() -> None:
    trigger = AllOf(Interval(seconds=1, start=at(0)), Cron("0 0 29 2 *"), max_tries=3)
    assert first(1, trigger, EPOCH) == ["2028-02-29 00:00:00+00:00"]


@pytest.mark.parametrize(
    "members",
    [
        [Cron("0 0 * * *"), Cron("30 0 * * *")],
        [Interval(seconds=2, start=at(0)), Interval(seconds=2, start=at(1))],
        [Interval(seconds=1, start=at(0.5)), Cron("* * * * * *")],
    ],
    ids=["crons", "intervals", "both"],
)
def test_never_agreeing_ends(members: list[Trigger]) -> None:
    began = perf_counter()
    with pytest.raises(TriggerNeverAgrees, match="1000 candidates") as caught:
        AllOf(*members).next(EPOCH)
    assert perf_counter() - began < 10
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, TaskThreadError)
    assert isinstance(caught.value, ValueError)


def test_so_many_tries_and_no_more() -> None:
    members = (Interval(seconds=7, start=at(0)), Interval(seconds=11, start=at(1)))  # 56
    tries = next(n for n in range(1, 50) if agrees(AllOf(*members, max_tries=n)))
    assert 1 < tries < 20
    assert since(islice(AllOf(*members, max_tries=30).times(at(0)), 2)) == [56, 133]


def agrees(trigger: AllOf) -> bool:
    try:
        return trigger.next(at(0)) is not None
    except TriggerNeverAgrees:
        return False


def test_all_ends_with_one_of_them() -> None:
    trigger = AllOf(Interval(seconds=5, start=at(0), end=at(20)), Interval(seconds=10, start=at(0)))
    assert since(trigger.times(at(0))) == [10, 20]
    assert AllOf(Date(at(5)), Interval(seconds=1)).next(at(6)) is None


@given(st.integers(1, 10), st.integers(-30, 30), intervals(), st.integers(-100, 200))
@settings(max_examples=200, deadline=None)
def test_tolerance(tolerance: int, start: int, other: Interval, after: int) -> None:
    rare = Interval(seconds=2 * tolerance + 1, start=at(start))
    trigger = AllOf(rare, other, tolerance=tolerance)

    def found(begin: int) -> list[datetime]:
        try:
            return utc(takewhile(lambda time: time <= at(END), trigger.times(at(begin))))
        except TriggerNeverAgrees:
            return []

    times = found(-200)
    for time in times:
        early = time - seconds(tolerance) - timedelta(microseconds=1)
        near = [until(each, early, time) for each in (rare, other)]
        assert all(near), "each has one within the tolerance"
        assert time in near[0] + near[1], "and the latest counts"
    rare_used = [until(rare, time - seconds(tolerance + 0.1), time)[-1] for time in times]
    assert len(set(rare_used)) == len(times), "each counts once"
    assert found(after) == [time for time in times if time > at(after)]


def test_within_a_tolerance_the_latest_counts() -> None:
    hourly, late = Cron("0 * * * *"), Cron("2 * * * *")
    assert first(2, AllOf(hourly, late, tolerance=120), EPOCH + timedelta(minutes=5)) == [
        "2025-01-01 01:02:00+00:00",
        "2025-01-01 02:02:00+00:00",
    ]
    with pytest.raises(TriggerNeverAgrees):
        AllOf(hourly, late, tolerance=119.999999).next(EPOCH)


def test_asked_in_the_middle_of_an_agreement() -> None:
    hourly, late = Cron("0 * * * *"), Cron("2 * * * *")
    assert first(1, AllOf(hourly, late, tolerance=120), EPOCH + timedelta(minutes=1)) == [
        "2025-01-01 00:02:00+00:00"
    ]


def test_members_are_anchored() -> None:
    pair = (Interval(seconds=4), Interval(seconds=6))
    for combined in (AnyOf(*pair), AllOf(*pair)):
        anchored = combined.anchored(at(1))
        assert anchored == type(combined)(*(each.anchored(at(1)) for each in pair))
        assert since(islice(anchored.times(at(1)), 3)) == since(islice(combined.times(at(1)), 3))
    assert since(islice(AllOf(*pair).anchored(at(1)).times(at(2)), 2)) == [13, 25]
    with pytest.raises(ValueError, match="end of an Interval"):
        AnyOf(Interval(seconds=4, end=at(2))).anchored(at(0))
    assert AllOf(Interval(seconds=4, end=at(2))).next(at(0)) is None


def test_one_in_the_other() -> None:
    trigger = AnyOf(AllOf(Cron("0 * * * *"), Cron("* 12 * * *")), Date(at(30)))
    assert first(3, trigger, EPOCH) == [
        "2025-01-01 00:00:30+00:00",
        "2025-01-01 12:00:00+00:00",
        "2025-01-02 12:00:00+00:00",
    ]


def test_wrong_arguments() -> None:
    for combined in (AnyOf, AllOf):
        with pytest.raises(ValueError, match="at least one trigger"):
            combined()
        with pytest.raises(TypeError, match="made of triggers, not of 'cron'"):
            combined("cron")  # type: ignore[arg-type]
    for tolerance in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="tolerance of an AllOf"):
            AllOf(Date(EPOCH), tolerance=tolerance)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        AllOf(Date(EPOCH), max_tries=0)
    with pytest.raises(TypeError, match="is an int"):
        AllOf(Date(EPOCH), max_tries=1.5)  # type: ignore[arg-type]


def test_the_latest_is_so_in_the_repeated_hour_too() -> None:
    early = Date(datetime(2025, 10, 26, 2, 50, tzinfo=BERLIN))
    late = Date(datetime(2025, 10, 26, 2, 10, tzinfo=BERLIN, fold=1))
    for members in ((early, late), (late, early)):
        trigger = AllOf(*members, tolerance=1800)
        assert first(1, trigger, EPOCH) == ["2025-10-26 02:10:00+01:00"]
