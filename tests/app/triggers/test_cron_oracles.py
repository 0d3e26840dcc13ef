"""Cron expressions against two libraries, where these agree with each other and with cron.

In UTC: what both do on the day of a clock change is known to be wrong. croniter takes ``*/2``
for a restricted day, APScheduler always wants both days to match, and counts them from Monday.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from task_thread.app.triggers import Cron
from tests.app.triggers.expressions import (
    DAYS,
    MONTHS,
    STAR,
    Expression,
    Field,
    expressions,
    fields,
    weekdays,
)
from tests.app.triggers.moments import at, utc

croniter = pytest.importorskip("croniter", reason="an oracle").croniter
apscheduler = pytest.importorskip("apscheduler.triggers.cron", reason="an oracle")

HOW_MANY = 6

MOMENTS = st.integers(-30 * 365 * 86400, 70 * 365 * 86400).map(at)


def with_a_free_day(day: Field, weekday: Field, rest: Expression) -> Expression:
    return Expression(rest.minute, rest.hour, day, rest.month, weekday, rest.second)


# Both libraries agree with cron where one of the two days is "*" alone.
ONE_DAY_FREE = st.one_of(
    st.builds(with_a_free_day, STAR, weekdays(), expressions()),
    st.builds(with_a_free_day, fields(1, 31), STAR, expressions()),
).filter(Expression.possible)


def by_croniter(expression: Expression, after: datetime, number: int) -> list[datetime]:
    walk = croniter(expression.text, after, second_at_beginning=True, max_years_between_matches=50)
    return [walk.get_next(datetime) for _ in range(number)]


def by_apscheduler(expression: Expression, after: datetime, number: int) -> list[datetime]:
    free = expression.weekday.text == "*"
    names = ",".join(
        DAYS[number].lower() for number in sorted(expression.weekday.means - {59}) if number < 7
    )
    trigger = apscheduler.CronTrigger(
        minute=expression.minute.text,
        hour=expression.hour.text,
        day=expression.day.text,
        month=",".join(map(str, sorted(expression.month.means))),
        day_of_week="*" if free else names,
        second="0" if expression.second is None else expression.second.text,
        timezone=UTC,
    )
    found: list[datetime] = []
    for _ in range(number):
        after = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        found.append(after)
    return found


@given(ONE_DAY_FREE, MOMENTS)
@settings(max_examples=150, deadline=None)
def test_like_croniter_and_apscheduler(expression: Expression, after: datetime) -> None:
    ours = utc(islice(Cron(expression.text).times(after), HOW_MANY))
    assert ours == by_croniter(expression, after, HOW_MANY)
    assert ours == by_apscheduler(expression, after, HOW_MANY)


NO_STAR = st.one_of(
    st.integers(1, 28).map(lambda day: Field(str(day), frozenset({day}))),
    st.just(Field("1,15-17,31", frozenset({1, 15, 16, 17, 31}))),
)


@given(expressions(days=NO_STAR).filter(lambda each: not each.weekday.star), MOMENTS)
@settings(max_examples=60, deadline=None)
def test_either_day_like_croniter(expression: Expression, after: datetime) -> None:
    ours = utc(islice(Cron(expression.text).times(after), HOW_MANY))
    assert ours == by_croniter(expression, after, HOW_MANY)


@given(st.builds(with_a_free_day, STAR, STAR, expressions(seconds=fields(0, 59))), MOMENTS)
@settings(max_examples=100, deadline=None)
def test_with_seconds_like_both(expression: Expression, after: datetime) -> None:
    ours = utc(islice(Cron(expression.text).times(after), HOW_MANY))
    assert ours == by_croniter(expression, after, HOW_MANY)
    assert ours == by_apscheduler(expression, after, HOW_MANY)


def test_names_are_those_of_the_calendar() -> None:
    days = {date.strftime("%a").upper(): date.isoweekday() % 7 for date in _a_week()}
    assert [days[name] for name in DAYS] == list(range(7))
    assert [datetime(2025, n + 1, 1, tzinfo=UTC).strftime("%b").upper() for n in range(12)] == list(
        MONTHS
    )


def _a_week() -> list[datetime]:
    return [datetime(2025, 6, day, tzinfo=UTC) for day in range(1, 8)]
