"""The short ways say what the long one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from task_thread.app.agenda import NEVER, Entry
from task_thread.app.judgement import begin, judge, on_time
from task_thread.app.schedule import Due, DueRun, due
from task_thread.app.triggers import AllOf, AnyOf, Cron, Date, Interval, Trigger
from tests.app.triggers.moments import BERLIN, at, seconds

TRIGGERS = st.one_of(
    st.builds(
        lambda period, start, jitter: Interval(
            seconds=period, start=at(start), jitter=period * jitter
        ),
        st.integers(1, 20),
        st.integers(-30, 30),
        st.sampled_from([0, 0.5, 0.9]),
    ),
    st.sampled_from(
        [
            Cron("*/3 * * * * *", "Europe/Berlin"),
            Cron("10-30 0 0 * * *"),
            Date(at(20)),
            AnyOf(Date(at(20)), Interval(seconds=7, start=at(0)), Date(at(40))),
            AllOf(Interval(seconds=2, start=at(0)), Interval(seconds=3, start=at(0))),
        ]
    ),
)
GRACES = st.one_of(st.none(), st.integers(0, 60).map(lambda number: number / 4))


def moment(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)


@given(TRIGGERS, st.integers(-400, 400), st.integers(0, 250), GRACES, st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_like_the_rule(
    trigger: Trigger, after: int, late: int, grace: float | None, coalesce: bool, at_edge: bool
) -> None:
    entry = Entry("a", trigger, coalesce=coalesce, grace=grace)
    begun = begin("a", trigger, at(after / 10))
    entry.luck = begun.luck
    if begun.next is None:
        return
    behind = grace if at_edge and grace is not None else late / 10
    now = begun.next.astimezone(UTC) + seconds(behind)
    found = judge(entry, begun.next, begun.after, now, now.timestamp())
    expected = due(trigger, begun.after, now, coalesce=coalesce, grace=grace, luck=begun.luck)
    assert found.due == expected
    assert moment(found.due.next) == moment(expected.next)
    assert found.stamp == (NEVER if expected.next is None else expected.next.timestamp())
    assert found.error is None
    entry.next, entry.stride = begun.next, begun.stride
    coming = on_time(entry, now, now.timestamp())
    if coming is not None:
        assert Due((DueRun(begun.next),), (), 0, True, now, coming) == expected


@pytest.mark.parametrize(("late", "grace"), [(0.0, None), (0.9, None), (0.4, 0.5)])
def test_where_ticks_are_evenly_spaced_the_trigger_is_not_asked(
    late: float, grace: float | None
) -> None:
    entry = Entry("a", Interval(seconds=1), grace=grace)
    begun = begin("a", entry.trigger, at(0))
    entry.next, entry.stride = begun.next, begun.stride
    now = at(1) + seconds(late)
    assert on_time(entry, now, now.timestamp()) == at(2)


@pytest.mark.parametrize(("late", "grace"), [(1.0, None), (7.0, None), (0.5, 0.5), (0.6, 0.5)])
def test_what_may_be_more_than_one_tick_or_missed_is_judged(
    late: float, grace: float | None
) -> None:
    entry = Entry("a", Interval(seconds=1, start=at(1)), grace=grace)
    entry.next, entry.stride = at(1), timedelta(seconds=1)
    now = at(1) + seconds(late)
    assert on_time(entry, now, now.timestamp()) is None


class Slower(Interval):
    """One of the user's own."""


@pytest.mark.parametrize(
    "trigger",
    [
        Interval(seconds=1, end=at(100)),
        Interval(seconds=1, jitter=0.5),
        Interval(hours=1, start=at(0).astimezone(BERLIN)),
        Slower(seconds=1, start=at(0)),
        Cron("* * * * * *"),
        Date(at(20)),
    ],
)
def test_other_triggers_are_asked_each_time(trigger: Trigger) -> None:
    assert begin("a", trigger, at(0)).stride is None


def test_where_the_calendar_ends_it_is_judged() -> None:
    entry = Entry("a", Interval(days=400, start=at(0)))
    entry.next, entry.stride = datetime(9999, 6, 1, tzinfo=UTC), timedelta(days=400)
    assert on_time(entry, entry.next, entry.next.timestamp()) is None


def test_in_the_everyday_case_the_trigger_is_asked_once() -> None:
    asked: list[datetime] = []

    class Counted(Date):
        def next(self, after: datetime, luck: object = None) -> datetime | None:
            asked.append(after)
            return super().next(after)

    entry = Entry("a", Counted(at(10)), grace=5.0)
    found = judge(entry, at(10), at(0), at(11), at(11).timestamp())
    assert [run.at for run in found.due.runs] == [at(10)]
    assert asked == [at(10)]
