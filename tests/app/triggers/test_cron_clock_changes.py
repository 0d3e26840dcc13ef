"""The days on which clocks change: against a search through every minute, and by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from task_thread.app.triggers import Cron
from tests.app.triggers.expressions import Expression, Field, expressions, fields, search
from tests.app.triggers.moments import BERLIN, LORD_HOWE, NEW_YORK, first, until, utc

MINUTE = timedelta(minutes=1)

# Zone, and the day (in UTC) on which its clocks changed.
CHANGES = [
    ("Europe/Berlin", datetime(2025, 3, 30, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2025, 10, 26, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 3, 9, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 11, 2, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2025, 10, 4, 15, 30, tzinfo=UTC)),  # half an hour
    ("Australia/Lord_Howe", datetime(2025, 4, 5, 15, tzinfo=UTC)),
    ("America/Santiago", datetime(2025, 9, 7, 4, tzinfo=UTC)),  # midnight is skipped
    ("America/Santiago", datetime(2025, 4, 6, 3, tzinfo=UTC)),
    ("America/Havana", datetime(2025, 11, 2, 5, tzinfo=UTC)),  # midnight is repeated
    ("Antarctica/Troll", datetime(2025, 3, 30, 1, tzinfo=UTC)),  # two hours
    ("Antarctica/Troll", datetime(2025, 10, 26, 1, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day is skipped
]

# Around the change something should happen: the hours of it are frequent, and every hour.
HOURS = st.one_of(
    fields(0, 3).filter(lambda field: not field.star),  # a star means all hours, not those
    st.sampled_from(
        [
            Field("*", frozenset(range(24))),
            Field("*/2", frozenset(range(0, 24, 2))),
            Field("0-23", frozenset(range(24))),
        ]
    ),
)
EVERY_DAY = Field("*", frozenset(range(32)))


def daily(expression: Expression) -> Expression:
    return Expression(
        expression.minute, expression.hour, EVERY_DAY, EVERY_DAY, EVERY_DAY, expression.second
    )


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_the_clock_does_change_there(name: str, change: datetime) -> None:
    zone = ZoneInfo(name)
    before = (change - timedelta(microseconds=1)).astimezone(zone)
    assert before.utcoffset() != change.astimezone(zone).utcoffset()


@given(
    st.sampled_from(CHANGES),
    expressions(hours=HOURS).map(daily),
    st.integers(-36 * 3600 * 1000, 12 * 3600 * 1000).map(lambda n: timedelta(milliseconds=n)),
)
@settings(max_examples=200, deadline=None)
def test_like_a_search_through_every_minute(
    place: tuple[str, datetime], expression: Expression, shift: timedelta
) -> None:
    name, change = place
    zone = ZoneInfo(name)
    start, end = change - timedelta(hours=36), change + timedelta(hours=30)
    expected = list(search(expression, zone, start, end, MINUTE))
    after = (change + shift).astimezone(zone)
    found = until(Cron(expression.text, zone), after, end)
    assert found == [time for time in expected if time > change + shift]


@given(st.sampled_from(CHANGES), expressions(hours=HOURS, seconds=fields(0, 59)).map(daily))
@settings(max_examples=30, deadline=None)
def test_like_a_search_through_every_second(
    place: tuple[str, datetime], expression: Expression
) -> None:
    name, change = place
    zone = ZoneInfo(name)
    start, end = change - timedelta(hours=1), change + timedelta(hours=2)
    expected = list(search(expression, zone, start, end, timedelta(seconds=1)))
    trigger = Cron(expression.text, zone)
    # Where hours are certain, what was shown before the search began has been done before.
    assert until(trigger, start, end) == expected


@given(
    st.sampled_from(CHANGES),
    expressions(),
    st.integers(-40 * 86400, 3600).map(lambda n: timedelta(seconds=n)),
)
@settings(max_examples=100, deadline=None)
def test_seconds_that_are_zero_change_nothing(
    place: tuple[str, datetime], expression: Expression, shift: timedelta
) -> None:
    name, change = place
    five, six = Cron(expression.text, name), Cron(f"0 {expression.text}", name)
    pair = [utc(islice(trigger.times(change + shift), 20)) for trigger in (five, six)]
    assert pair[0] == pair[1]


@given(
    st.sampled_from(CHANGES),
    expressions(hours=HOURS).map(daily),
    st.integers(-7200, 7200).map(lambda n: timedelta(seconds=n)),
)
@settings(max_examples=100, deadline=None)
def test_strictly_after_and_strictly_later(
    place: tuple[str, datetime], expression: Expression, shift: timedelta
) -> None:
    name, change = place
    after = change + shift
    times = utc(islice(Cron(expression.text, name).times(after), 30))
    assert times[0] > after
    assert times == sorted(set(times))


@given(st.sampled_from(CHANGES), expressions(hours=HOURS).map(daily))
@settings(max_examples=60, deadline=None)
def test_asked_one_by_one_the_same(place: tuple[str, datetime], expression: Expression) -> None:
    name, change = place
    trigger = Cron(expression.text, name)
    now = change - timedelta(hours=3)
    walked = utc(islice(trigger.times(now), 25))
    asked: list[datetime] = []
    for _ in range(25):
        time = trigger.next(now)
        assert time is not None
        now = time
        asked.append(time)
    assert utc(asked) == walked


# ---- by hand ------------------------------------------------------------------------------


def test_half_past_three_fires_once_at_the_autumn_change() -> None:
    assert first(2, Cron("30 3 * * *", "Europe/Berlin"), datetime(2025, 10, 26, tzinfo=BERLIN)) == [
        "2025-10-26 03:30:00+01:00",
        "2025-10-27 03:30:00+01:00",
    ]


def test_a_repeated_time_fires_the_first_time_only() -> None:
    assert first(2, Cron("30 2 * * *", "Europe/Berlin"), datetime(2025, 10, 26, tzinfo=BERLIN)) == [
        "2025-10-26 02:30:00+02:00",
        "2025-10-27 02:30:00+01:00",
    ]


def test_asked_in_the_second_pass_it_does_not_answer_with_the_first() -> None:
    second_pass = datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=1)
    assert first(1, Cron("45 2 * * *", "Europe/Berlin"), second_pass) == [
        "2025-10-27 02:45:00+01:00"
    ]


def test_a_skipped_time_fires_at_the_change() -> None:
    assert first(2, Cron("30 2 * * *", "Europe/Berlin"), datetime(2025, 3, 30, tzinfo=BERLIN)) == [
        "2025-03-30 03:00:00+02:00",
        "2025-03-31 02:30:00+02:00",
    ]


def test_several_that_are_skipped_fire_once() -> None:
    trigger = Cron("0,20,40 2,3 * * *", "Europe/Berlin")
    assert first(3, trigger, datetime(2025, 3, 30, tzinfo=BERLIN)) == [
        "2025-03-30 03:00:00+02:00",
        "2025-03-30 03:20:00+02:00",
        "2025-03-30 03:40:00+02:00",
    ]


def test_every_half_hour_goes_on_through_both_passes() -> None:
    trigger = Cron("*/30 * * * *", "America/New_York")
    assert first(5, trigger, datetime(2025, 11, 2, 0, 45, tzinfo=NEW_YORK)) == [
        "2025-11-02 01:00:00-04:00",
        "2025-11-02 01:30:00-04:00",
        "2025-11-02 01:00:00-05:00",
        "2025-11-02 01:30:00-05:00",
        "2025-11-02 02:00:00-05:00",
    ]


def test_every_half_hour_makes_nothing_up_in_spring() -> None:
    trigger = Cron("*/30 * * * *", "America/New_York")
    assert first(3, trigger, datetime(2025, 3, 9, 1, tzinfo=NEW_YORK)) == [
        "2025-03-09 01:30:00-05:00",
        "2025-03-09 03:00:00-04:00",
        "2025-03-09 03:30:00-04:00",
    ]


def test_half_an_hour_back() -> None:
    """02:00 was never skipped there: the clock went from 02:00 to 01:30, and came by again."""
    day = datetime(2025, 4, 6, tzinfo=LORD_HOWE)
    assert first(5, Cron("*/15 2 * * *", "Australia/Lord_Howe"), day) == [
        "2025-04-06 02:00:00+10:30",
        "2025-04-06 02:15:00+10:30",
        "2025-04-06 02:30:00+10:30",
        "2025-04-06 02:45:00+10:30",
        "2025-04-07 02:00:00+10:30",
    ]
    assert first(2, Cron("45 1 * * *", "Australia/Lord_Howe"), day) == [
        "2025-04-06 01:45:00+11:00",
        "2025-04-07 01:45:00+10:30",
    ]


def test_half_an_hour_forward() -> None:
    day = datetime(2025, 10, 5, tzinfo=LORD_HOWE)
    assert first(3, Cron("15,45 2 * * *", "Australia/Lord_Howe"), day) == [
        "2025-10-05 02:30:00+11:00",
        "2025-10-05 02:45:00+11:00",
        "2025-10-06 02:15:00+11:00",
    ]


def test_a_midnight_that_does_not_exist() -> None:
    day = datetime(2025, 9, 6, 12, tzinfo=ZoneInfo("America/Santiago"))
    assert first(2, Cron("0 0 * * *", "America/Santiago"), day) == [
        "2025-09-07 01:00:00-03:00",
        "2025-09-08 00:00:00-03:00",
    ]
    assert first(1, Cron("*/30 0 7 9 *", "America/Santiago"), day) == ["2026-09-07 00:00:00-03:00"]


def test_years_away_over_many_changes() -> None:
    trigger = Cron("*/30 12 29 2 *", "Europe/Berlin")
    assert first(3, trigger, datetime(2025, 7, 1, tzinfo=BERLIN)) == [
        "2028-02-29 12:00:00+01:00",
        "2028-02-29 12:30:00+01:00",
        "2032-02-29 12:00:00+01:00",
    ]


def test_both_passes_are_found_from_the_winter_before() -> None:
    """Then and in the second pass the offset is the same; the summer in between has another."""
    trigger = Cron("*/30 2 26 10 *", "Europe/Berlin")
    assert first(4, trigger, datetime(2025, 1, 15, tzinfo=BERLIN)) == [
        "2025-10-26 02:00:00+02:00",
        "2025-10-26 02:30:00+02:00",
        "2025-10-26 02:00:00+01:00",
        "2025-10-26 02:30:00+01:00",
    ]
