"""Cron expressions by hand: Sunday, month ends, leap days, what may be written, what may not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from cronsim import CronSim
from hypothesis import given, settings

from task_thread.app.triggers import Cron
from tests.app.triggers.expressions import Expression, expressions
from tests.app.triggers.moments import BERLIN, EPOCH, first, since, until, utc

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def days(expression: str, number: int, after: datetime = NEW_YEAR) -> list[str]:
    return [text[:10] for text in first(number, Cron(expression), after)]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun", "0,7", "7-7"])
def test_sunday(sunday: str) -> None:
    times = list(islice(Cron(f"0 0 * * {sunday}").times(NEW_YEAR), 60))
    assert {time.strftime("%A") for time in times} == {"Sunday"}
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(days=7)}


@pytest.mark.parametrize(
    ("number", "name"),
    list(enumerate(["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"])),
)
def test_days_of_the_week(number: int, name: str) -> None:
    for written in (str(number), name[:3], name[:3].lower()):
        time = Cron(f"0 0 * * {written}").next(NEW_YEAR)
        assert time is not None
        assert time.strftime("%A") == name


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # month ends
        ("0 0 31 * *", ["2025-01-31", "2025-03-31", "2025-05-31", "2025-07-31", "2025-08-31"]),
        ("0 0 30 1-3 *", ["2025-01-30", "2025-03-30", "2026-01-30"]),
        ("0 0 L * *", ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]),
        ("0 0 L 2 *", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("0 0 LW * *", ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30", "2025-05-30"]),
        # leap days; 2100 has none
        ("0 0 29 2 *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        # the second Friday, the fifth Monday, the last Friday
        ("0 0 * * 5#2", ["2025-01-10", "2025-02-14", "2025-03-14"]),
        ("0 0 * * MON#5", ["2025-03-31", "2025-06-30", "2025-09-29"]),
        ("0 0 * * 5L", ["2025-01-31", "2025-02-28", "2025-03-28"]),
        ("0 0 * 2 MON#5", ["2044-02-29", "2072-02-29"]),
        # either of two restricted days, but both where one begins with a star
        ("0 0 13 * FRI", ["2025-01-03", "2025-01-10", "2025-01-13", "2025-01-17"]),
        ("0 0 */13 * FRI", ["2025-02-14", "2025-03-14", "2025-06-27"]),
        # lists, ranges, names, a single number
        ("0 0 1,15 6-7 *", ["2025-06-01", "2025-06-15", "2025-07-01", "2025-07-15"]),
        ("0 0 1 jan,JUL *", ["2025-07-01", "2026-01-01"]),
        ("0 0 5-5 * *", ["2025-01-05", "2025-02-05"]),
        ("0 0 * * MON-WED/2", ["2025-01-06", "2025-01-08", "2025-01-13"]),
    ],
)
def test_dates(expression: str, expected: list[str]) -> None:
    assert days(expression, len(expected)) == expected


def test_no_leap_day_in_2100() -> None:
    assert days("0 0 29 2 *", 2, datetime(2095, 1, 1, tzinfo=UTC)) == ["2096-02-29", "2104-02-29"]


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("*/20", [20, 40, 60, 80]),
        ("5/25", [5, 30, 55, 65]),
        ("10-30/10", [10, 20, 30, 70]),
        ("7,59,8", [7, 8, 59, 67]),
    ],
)
def test_seconds_come_first(field: str, seconds: list[float]) -> None:
    assert since(islice(Cron(f"{field} * * * * *").times(EPOCH), 4)) == seconds


def test_strictly_after_to_the_microsecond() -> None:
    trigger, instant = Cron("0 3 * * *"), timedelta(microseconds=1)
    three = datetime(2025, 1, 1, 3, tzinfo=UTC)
    assert trigger.next(three - instant) == three
    assert trigger.next(three) == three + timedelta(days=1)
    assert trigger.next(three + instant) == three + timedelta(days=1)


def test_start_and_end_are_included() -> None:
    start, end = datetime(2025, 3, 1, 6, tzinfo=UTC), datetime(2025, 3, 1, 9, tzinfo=BERLIN)
    trigger = Cron("0 * * * *", start=start, end=end)
    assert [time.hour for time in trigger.times(NEW_YEAR)] == [6, 7, 8]
    assert [time.hour for time in trigger.times(start)] == [7, 8]
    assert trigger.next(end) is None


def test_start_between_two_times() -> None:
    start = datetime(2025, 3, 1, 6, 0, 0, 1, tzinfo=UTC)
    assert Cron("0 * * * *", start=start).next(NEW_YEAR) == datetime(2025, 3, 1, 7, tzinfo=UTC)


def test_times_are_in_its_zone() -> None:
    time = Cron("0 12 * * *", "Asia/Kathmandu").next(datetime(2025, 6, 1, tzinfo=UTC))
    assert time is not None
    assert time.tzinfo is ZoneInfo("Asia/Kathmandu")
    assert time.isoformat() == "2025-06-01T12:00:00+05:45"


def test_zone_is_utc_by_default() -> None:
    assert Cron("0 0 * * *").timezone is UTC
    assert Cron("0 0 * * *", "UTC") == Cron("0 0 * * *", ZoneInfo("UTC")) == Cron("0 0 * * *")


def test_zone_as_an_offset() -> None:
    time = Cron("0 12 * * *", "+05:30").next(NEW_YEAR)
    assert time is not None
    assert time.isoformat() == "2025-01-01T12:00:00+05:30"


def test_a_date_that_never_comes_ends() -> None:
    """The first Monday is never the 20th."""
    assert Cron("0 0 */20 * MON#1").next(NEW_YEAR) is not None  # the 1st of a month may be
    assert Cron("0 0 */20 2 MON#4", end=datetime(2026, 1, 1, tzinfo=UTC)).next(NEW_YEAR) is None


def test_it_ends_with_the_calendar() -> None:
    assert len(list(Cron("0 0 1 * *").times(datetime(9998, 6, 1, tzinfo=UTC)))) == 18


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("60 * * * *", ["minute", "'60'", "0-59"]),
        ("* 24 * * *", ["hour", "'24'", "0-23"]),
        ("* * 0 * *", ["day-of-month", "'0'"]),
        ("* * 32 * *", ["day-of-month", "'32'"]),
        ("* * * 13 *", ["month field", "'13'"]),
        ("* * * * 8", ["day-of-week", "'8'", "Sunday"]),
        ("61 * * * * *", ["second field", "'61'"]),
        ("0 61 * * * *", ["minute field", "'61'"]),
        ("*/0 * * * *", ["minute", "'*/0'"]),
        ("a * * * *", ["minute", "'A'"]),
        ("5-1 * * * *", ["minute", "'5-1'", "upwards"]),
        ("0 0 * * SAT-SUN", ["day-of-week", "'SAT-SUN'"]),
        ("0 0 * * MON#6", ["day-of-week", "'MON#6'"]),
        ("0 0 31 2 *", ["day-of-month", "'31'", "exist"]),
        ("0 0 31 4,6,9,11 *", ["day-of-month", "'31'"]),
        ("1,,2 * * * *", ["minute", "'1,,2'"]),
        ("", ["5 fields", "has 0"]),
        ("* * * *", ["5 fields", "has 4"]),
        ("* * * * * * *", ["has 7"]),
        ("@daily", ["5 fields", "'@DAILY'"]),
    ],
)
def test_what_is_wrong_is_named(expression: str, names: list[str]) -> None:
    with pytest.raises(ValueError, match="cron expression") as caught:
        Cron(expression)
    text = str(caught.value)
    assert "\n" not in text
    assert [name for name in names if name not in text] == []


@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.text("0123456789*/,-#LWSUNMOJAFEB?", min_size=1, max_size=6), min_size=5, max_size=6
        ).map(" ".join),
    )
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_understood_or_refused_in_one_line(text: str) -> None:
    try:
        trigger = Cron(text)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        found = trigger.next(NEW_YEAR)
        assert found is None or found > NEW_YEAR
    assert "\n" not in said


def test_digits_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="cron expression"):
        Cron("9" * (sys.get_int_max_str_digits() + 1) + " * * * *")


@pytest.mark.parametrize(
    ("zone", "error"),
    [
        ("Europe/Berln", ValueError),
        ("Europe", ValueError),
        ("../etc", ValueError),
        ("", ValueError),
        ("+25:00", ValueError),
        ("+02:00[x]", ValueError),
        (7, TypeError),
        (timedelta(hours=1), TypeError),
    ],
)
def test_wrong_zones(zone: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="time zone") as caught:
        Cron("0 0 * * *", zone)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_wrong_types_and_spans() -> None:
    with pytest.raises(TypeError, match="is text, not 5"):
        Cron(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="end of a Cron lies before its start"):
        Cron("* * * * *", start=EPOCH, end=EPOCH - timedelta(seconds=1))
    with pytest.raises(ValueError, match="start of a Cron needs a time zone"):
        Cron("* * * * *", start=datetime(2025, 1, 1))  # noqa: DTZ001


@given(expressions(), st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_a_shared_expression_is_as_good_as_a_new_one(expression: Expression, shift: int) -> None:
    """Each walk begins where it is told to, whatever walks began before."""
    after = NEW_YEAR + timedelta(seconds=shift)
    trigger = Cron(expression.text)
    other, found = trigger.times(NEW_YEAR), list[datetime]()
    next(other)
    for time in islice(trigger.times(after), 5):
        next(other)
        found.append(time)
    walk = CronSim(expression.text, after.replace(tzinfo=None))
    assert found == [time.replace(tzinfo=UTC) for time in islice(walk, 5)]


def test_equal_whatever_the_spelling() -> None:
    assert Cron(" 0  0 * * mon ") == Cron("0 0 * * MON")
    assert utc(until(Cron("0 0 * * mon"), NEW_YEAR, datetime(2025, 1, 14, tzinfo=UTC))) == [
        datetime(2025, 1, 6, tzinfo=UTC),
        datetime(2025, 1, 13, tzinfo=UTC),
    ]
