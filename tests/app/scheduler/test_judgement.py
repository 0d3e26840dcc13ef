"""The short way says what the long one does."""

from __future__ import annotations

from datetime import UTC, datetime

import hypothesis.strategies as st
from hypothesis import given, settings

from task_thread.app.agenda import NEVER, Entry
from task_thread.app.judgement import begin, judge
from task_thread.app.schedule import due
from task_thread.app.triggers import AllOf, AnyOf, Cron, Date, Interval, Trigger
from tests.app.triggers.moments import at, seconds

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
