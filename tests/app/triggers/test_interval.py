"""Intervals: a fixed rate, found by division, with jitter that is never carried over."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import count, islice, pairwise, takewhile
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from task_thread.app.triggers import Interval, Luck, luck_of
from tests.app.triggers.moments import BERLIN, EPOCH, at, first, seconds, since, utc

TENTHS = st.integers(-500, 500).map(lambda number: number / 10)
NAIVE = datetime(2025, 1, 1)  # noqa: DTZ001
PERIODS = st.integers(1, 100).map(lambda number: number / 10)


def always(share: float) -> Luck:
    return lambda moment: share


def ticks(start: float, period: float, end: float | None) -> list[datetime]:
    """One after the other, as far as any test here looks."""
    walk = (at(start) + index * seconds(period) for index in count())
    return list(takewhile(lambda tick: tick <= at(150 if end is None else end), walk))


@given(TENTHS, PERIODS, st.one_of(st.none(), TENTHS.map(abs)), TENTHS)
@settings(max_examples=300, deadline=None)
def test_like_a_walk_from_the_start(
    start: float, period: float, length: float | None, after: float
) -> None:
    end = None if length is None else start + length
    trigger = Interval(seconds=period, start=at(start), end=None if end is None else at(end))
    expected = [tick for tick in ticks(start, period, end) if tick > at(after)]
    assert utc(takewhile(lambda tick: tick <= at(150), trigger.times(at(after)))) == expected


@given(TENTHS, PERIODS, st.one_of(st.none(), TENTHS.map(abs)), TENTHS, TENTHS, st.data())
@settings(max_examples=300, deadline=None)
def test_count_is_what_a_walk_counts(
    start: float,
    period: float,
    length: float | None,
    after: float,
    span: float,
    data: st.DataObject,
) -> None:
    end = None if length is None else at(start + length)
    luck = luck_of("a") if data.draw(st.booleans()) else None
    jitter = data.draw(st.floats(0, period * 0.99))
    trigger = Interval(seconds=period, start=at(start), end=end, jitter=jitter)
    until = at(after + span)
    walked = sum(1 for _ in takewhile(lambda tick: tick <= until, trigger.times(at(after), luck)))
    assert trigger.count(at(after), until, luck, limit=1) == (walked, True)


def test_nothing_drifts_in_a_hundred_years() -> None:
    trigger = Interval(seconds=0.1, start=EPOCH)
    later = EPOCH + timedelta(days=36525)
    assert utc(islice(trigger.times(later), 2)) == [later + seconds(0.1), later + seconds(0.2)]


def test_the_start_is_the_first_tick() -> None:
    trigger = Interval(minutes=1, start=at(0))
    assert since(islice(trigger.times(at(-0.000001)), 2)) == [0, 60]
    assert since(islice(trigger.times(at(0)), 2)) == [60, 120]


def test_without_a_start_the_first_tick_is_a_period_away() -> None:
    trigger = Interval(minutes=1)
    assert since(islice(trigger.times(at(7)), 2)) == [67, 127]
    anchored = trigger.anchored(at(7))
    assert since(islice(anchored.times(at(7)), 2)) == [67, 127]
    assert since(islice(anchored.times(at(100)), 2)) == [127, 187]
    assert anchored.anchored(at(99)) is anchored


def test_without_a_start_jitter_does_not_make_it_early() -> None:
    trigger = Interval(minutes=1, jitter=10)
    for each in (trigger, trigger.anchored(at(0))):
        assert since(islice(each.times(at(0), always(0.5)), 2)) == [65, 125]


def test_the_five_add_up() -> None:
    trigger = Interval(weeks=1, days=1, hours=1, minutes=1, seconds=1.5)
    assert trigger.period == timedelta(days=8, seconds=3661.5)
    assert Interval(minutes=1) == Interval(seconds=60)
    assert Interval(hours=1, seconds=-3599) == Interval(seconds=1)


def test_a_day_is_24_hours_on_the_day_of_a_clock_change() -> None:
    trigger = Interval(days=1, start=datetime(2025, 10, 25, 12, tzinfo=BERLIN))
    assert first(2, trigger, datetime(2025, 10, 25, 12, tzinfo=BERLIN)) == [
        "2025-10-26 11:00:00+01:00",
        "2025-10-27 11:00:00+01:00",
    ]


def test_through_the_repeated_hour() -> None:
    trigger = Interval(minutes=30, start=datetime(2025, 10, 26, 2, tzinfo=BERLIN))
    assert first(4, trigger, datetime(2025, 10, 26, 1, 59, tzinfo=BERLIN)) == [
        "2025-10-26 02:00:00+02:00",
        "2025-10-26 02:30:00+02:00",
        "2025-10-26 02:00:00+01:00",
        "2025-10-26 02:30:00+01:00",
    ]


# ---- jitter -------------------------------------------------------------------------------


@given(PERIODS, st.floats(0, 0.99), st.text(max_size=5), TENTHS, st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_jitter_keeps_order_and_is_not_carried_over(
    period: float, share: float, name: str, after: float, end: int
) -> None:
    luck = luck_of(name)
    trigger = Interval(seconds=period, start=at(-20), end=at(end), jitter=share * period)
    plain = Interval(seconds=period, start=at(-20), end=at(end))
    jittered = utc(islice(trigger.times(at(-21), luck), 100))
    nominal = utc(islice(plain.times(at(-21)), 100))
    assert len(jittered) == len(nominal)
    for tick, late in zip(nominal, jittered, strict=True):
        assert tick <= late <= min(tick + seconds(share * period), at(end))
    assert all(earlier < later for earlier, later in pairwise(jittered))
    # Wherever one begins to ask, the same ticks come.
    asked = utc(takewhile(lambda time: time <= jittered[-1], trigger.times(at(after), luck)))
    assert asked == [time for time in jittered if time > at(after)]


def test_without_luck_there_is_no_jitter() -> None:
    trigger = Interval(seconds=10, start=at(0), jitter=5)
    assert since(islice(trigger.times(at(0)), 2)) == [10, 20]
    assert since(islice(trigger.times(at(0), always(1)), 3)) == [5, 15, 25]


def test_luck_is_the_same_everywhere_and_another_for_each_name() -> None:
    # The numbers are part of what is stored: a tick that is planned must be found again.
    assert [round(luck_of(name)(EPOCH), 6) for name in ("mail", "sweep")] == [0.477498, 0.520223]
    assert luck_of("mail")(EPOCH) == luck_of("mail")(EPOCH.astimezone(BERLIN))


def test_luck_is_spread_evenly() -> None:
    luck = luck_of("spread")
    drawn = sorted(luck(at(number)) for number in range(2000))
    assert 0 <= drawn[0] < drawn[-1] < 1
    assert max(abs(value - index / 2000) for index, value in enumerate(drawn)) < 0.05


# ---- what makes no sense ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "at least a microsecond"),
        ({"seconds": 0}, "at least a microsecond"),
        ({"seconds": -1}, "at least a microsecond"),
        ({"seconds": 1e-9}, "at least a microsecond"),
        ({"seconds": math.nan}, "make no sense"),
        ({"days": math.inf}, "make no sense"),
        ({"seconds": 1, "jitter": -0.5}, "jitter is from 0"),
        ({"seconds": 1, "jitter": 1}, "jitter is from 0"),
        ({"seconds": 1, "jitter": 0.9999999}, "jitter is from 0"),  # as microseconds it is 1 s
        ({"seconds": 1, "jitter": math.nan}, "make no sense"),
        ({"seconds": 1, "start": NAIVE}, "start of an Interval needs a time zone"),
        ({"seconds": 1, "end": NAIVE}, "end of an Interval needs a time zone"),
        ({"seconds": 1, "start": at(1), "end": at(0)}, "lies before its start"),
    ],
)
def test_wrong_values(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        Interval(**options)
    assert "\n" not in str(caught.value)


def test_wrong_types() -> None:
    with pytest.raises(TypeError):
        Interval(seconds="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Interval(5)  # type: ignore[call-arg]


def test_an_anchor_behind_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="end of an Interval lies before its start"):
        Interval(minutes=1, end=at(30)).anchored(at(0))
    assert list(Interval(minutes=1, end=at(30)).times(at(0))) == []


def test_it_ends_with_the_calendar() -> None:
    trigger = Interval(weeks=26, start=datetime(9998, 1, 1, tzinfo=UTC))
    assert len(list(trigger.times(EPOCH))) == 5
    far = Interval(days=3_000_000)
    assert far.next(EPOCH) is None
    assert far.count(EPOCH, at(1)) == (0, True)
    with pytest.raises(ValueError, match="calendar ends"):
        far.anchored(EPOCH)
