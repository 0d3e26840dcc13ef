"""What is due: against an enumeration, at its limits, and after months of downtime."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from task_thread.app.schedule import LISTED, Due, DueRun, due
from task_thread.app.triggers import (
    AllOf,
    AnyOf,
    Cron,
    Date,
    Interval,
    Luck,
    Trigger,
    TriggerNeverAgrees,
    luck_of,
)
from tests.app.triggers.moments import BERLIN, EPOCH, at, seconds, since, utc

EVERY_SECOND = Interval(seconds=1, start=EPOCH)
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
GRACES = st.one_of(st.none(), st.integers(0, 100).map(lambda number: number / 2), st.just(math.inf))
MOMENTS = st.integers(-400, 800).map(lambda number: number / 10)


def enumerated(trigger: Trigger, after: datetime, now: datetime, luck: Luck) -> list[datetime]:
    return utc(takewhile(lambda time: time <= now, trigger.times(after, luck)))


def moment(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)


@given(TRIGGERS, MOMENTS, MOMENTS, st.booleans(), GRACES)
@settings(max_examples=400, deadline=None)
def test_like_an_enumeration(
    trigger: Trigger, after: float, now: float, coalesce: bool, grace: float | None
) -> None:
    luck = luck_of("a")
    found = due(trigger, at(after), at(now), coalesce=coalesce, grace=grace, luck=luck)
    passed = enumerated(trigger, at(after), at(now), luck)
    late = [
        time for time in passed if grace is not None and (at(now) - time).total_seconds() > grace
    ]
    fresh = passed[len(late) :]
    runs = [(time, 1) for time in fresh]
    if coalesce and fresh:
        runs = [(fresh[-1], len(fresh))]
    assert [(moment(run.at), run.stands_for) for run in found.runs] == runs
    assert utc(found.missed) == late
    assert found.missed_count == len(late)
    assert found.exact
    assert found.until == at(max(after, now))
    assert moment(found.next) == moment(trigger.next(found.until, luck))
    assert found.error is None


@given(TRIGGERS, MOMENTS, MOMENTS, GRACES, st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_past_the_limit_nothing_is_lost(
    trigger: Trigger, after: float, now: float, grace: float | None, limit: int
) -> None:
    """Whatever the limit: the runs of all answers together, and the next time, are the same."""
    luck = luck_of("b")
    whole = due(trigger, at(after), at(now), coalesce=False, grace=grace, luck=luck)
    runs: list[datetime] = []
    missed = 0
    here, part = at(after), None
    while part is None or (part.next is not None and part.next <= at(now)):
        part = due(trigger, here, at(now), coalesce=False, grace=grace, luck=luck, limit=limit)
        assert len(part.runs) <= limit
        runs += [run.at for run in part.runs]
        missed += part.missed_count
        assert part.until > here or at(now) <= here
        here = part.until
    assert utc(runs) == utc(run.at for run in whole.runs)
    assert moment(part.next) == moment(whole.next)
    assert missed <= whole.missed_count


@given(TRIGGERS, MOMENTS, MOMENTS, GRACES, st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_past_the_limit_one_run_at_the_same_time(
    trigger: Trigger, after: float, now: float, grace: float | None, limit: int
) -> None:
    luck = luck_of("c")
    whole = due(trigger, at(after), at(now), grace=grace, luck=luck)
    part = due(trigger, at(after), at(now), grace=grace, luck=luck, limit=limit)
    assert utc(run.at for run in part.runs) == utc(run.at for run in whole.runs)
    assert moment(part.next) == moment(whole.next)
    assert part.until == whole.until
    assert utc(part.missed) == utc(whole.missed)[:LISTED]
    pairs = list(zip(part.runs, whole.runs, strict=True))
    if part.exact:
        assert [one.stands_for == other.stands_for for one, other in pairs] == [True] * len(pairs)
        assert part.missed_count == whole.missed_count
    else:
        assert all(0 < one.stands_for <= other.stands_for for one, other in pairs)
        assert part.missed_count <= whole.missed_count


class Asked(Trigger):
    """Another trigger, with the number of times that were taken from it."""

    def __init__(self, inner: Trigger) -> None:
        self.inner = inner
        self.taken = 0

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        for time in self.inner.times(after, luck):
            self.taken += 1
            yield time


class Counted(Asked):
    """One that can count without walking."""

    def count(self, *args: object, **options: object) -> tuple[int, bool]:  # type: ignore[override]
        return self.inner.count(*args, **options)  # type: ignore[arg-type]


QUARTER = timedelta(days=90)
IN_A_QUARTER = 90 * 24 * 3600


@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize("grace", [None, 30.0])
def test_a_quarter_of_downtime_costs_little(coalesce: bool, grace: float | None) -> None:
    trigger = Counted(EVERY_SECOND)
    found = due(trigger, EPOCH, EPOCH + QUARTER, coalesce=coalesce, grace=grace)
    assert trigger.taken < 2500
    assert found.exact
    stand_for = sum(run.stands_for for run in found.runs)
    if grace is not None:
        assert stand_for == 31  # those of 30 s ago, and of now
        assert found.missed_count == IN_A_QUARTER - 31
        assert since(found.missed) == list(range(1, LISTED + 1))
        assert found.next == EPOCH + QUARTER + seconds(1)
    elif coalesce:
        assert found.runs == (DueRun(EPOCH + QUARTER, IN_A_QUARTER),)
        assert found.next == EPOCH + QUARTER + seconds(1)
    else:
        assert since(run.at for run in found.runs) == list(range(1, 1001))
        assert found.until == at(1000)
        assert found.next == at(1001)


def test_a_quarter_of_downtime_where_nothing_can_count() -> None:
    trigger = Asked(Cron("* * * * * *", "Europe/Berlin"))
    found = due(trigger, EPOCH, EPOCH + QUARTER, grace=3600.0)
    assert trigger.taken < 4000
    assert found.runs == (DueRun((EPOCH + QUARTER).astimezone(BERLIN), 1000),)
    assert (found.missed_count, found.exact) == (1000, False)
    assert moment(found.next) == EPOCH + QUARTER + seconds(1)


def test_the_last_of_a_burst_long_ago() -> None:
    trigger = Asked(Cron("* 0 3 1 1 *"))
    now = EPOCH + QUARTER
    found = due(trigger, EPOCH, now, limit=10)
    assert found.runs == (DueRun(EPOCH + timedelta(hours=3, seconds=59), 10),)
    assert trigger.taken < 200


# ---- by hand ------------------------------------------------------------------------------


def test_exactly_as_late_as_allowed_is_run() -> None:
    trigger = Date(at(10))
    assert due(trigger, at(0), at(15), grace=5).runs == (DueRun(at(10)),)
    late = due(trigger, at(0), at(15.000001), grace=5)
    assert (late.runs, late.missed, late.missed_count, late.next) == ((), (at(10),), 1, None)


def test_a_grace_of_zero_is_zero() -> None:
    assert due(Date(at(10)), at(0), at(10), grace=0).runs == (DueRun(at(10)),)
    assert due(Date(at(10)), at(0), at(10.000001), grace=0).runs == ()


def test_by_default_any_lateness_is_run_once() -> None:
    found = due(EVERY_SECOND, at(0), at(500))
    assert found.runs == (DueRun(at(500), 500),)
    assert found.missed == ()


def test_nothing_is_due_twice_and_nothing_left_out() -> None:
    one = due(EVERY_SECOND, at(0), at(2), coalesce=False)
    two = due(EVERY_SECOND, one.until, at(4), coalesce=False)
    assert since(run.at for run in one.runs + two.runs) == [1, 2, 3, 4]


def test_a_clock_that_goes_back_makes_nothing_due_again() -> None:
    found = due(EVERY_SECOND, at(10), at(5))
    assert found == Due((), (), 0, True, at(10), at(11))


def test_through_the_repeated_hour() -> None:
    """In one zone Python compares wall times: 02:10 of the second pass is after 02:50."""
    trigger = Interval(minutes=20, start=datetime(2025, 10, 26, 2, tzinfo=BERLIN))
    after = datetime(2025, 10, 26, 2, 50, tzinfo=BERLIN)
    now = datetime(2025, 10, 26, 2, 10, tzinfo=BERLIN, fold=1)
    found = due(trigger, after, now)
    assert [run.at.isoformat() for run in found.runs] == ["2025-10-26T02:00:00+01:00"]
    assert found.next is not None
    assert found.next.isoformat() == "2025-10-26T02:20:00+01:00"


def test_one_that_never_agrees_says_so() -> None:
    never = AllOf(Interval(seconds=2, start=at(0)), Interval(seconds=2, start=at(7)), max_tries=5)
    for trigger in (never, AnyOf(Date(at(6)), never)):
        for now in (at(-1), at(1)):
            found = due(trigger, at(0), now)
            assert (found.runs, found.next) == ((), None)
            assert isinstance(found.error, TriggerNeverAgrees)


class Fails(Trigger):
    """Two times, and then it finds no more."""

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        yield from (time for time in (at(1), at(2)) if time > after)
        raise TriggerNeverAgrees("that was all")


@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize("coalesce", [True, False])
def test_what_is_due_is_run_before_it_fails(limit: int, coalesce: bool) -> None:
    assert due(Fails(), at(0), at(1.5)).next == at(2)
    here, runs = at(0), list[DueRun]()
    while True:
        found = due(Fails(), here, at(3), coalesce=coalesce, limit=limit)
        runs += found.runs
        here = found.until
        if found.next is None:
            break
    assert isinstance(found.error, TriggerNeverAgrees)
    assert runs[-1].at == at(2)
    if not coalesce:
        assert runs == [DueRun(at(1)), DueRun(at(2))]


def test_jitter_moves_what_is_due() -> None:
    trigger = Interval(seconds=10, start=at(0), jitter=5)
    late: Luck = lambda moment: 0.5  # noqa: E731
    assert due(trigger, at(0), at(10), luck=late).runs == (DueRun(at(2.5)),)
    assert due(trigger, at(3), at(12), luck=late).runs == ()
    assert due(trigger, at(3), at(12), luck=late).next == at(12.5)
    assert due(trigger, at(12), at(12.5), luck=late).runs == (DueRun(at(12.5)),)


def test_wrong_arguments() -> None:
    for grace in (-1, math.nan):
        with pytest.raises(ValueError, match="grace is seconds from 0 on"):
            due(EVERY_SECOND, at(0), at(1), grace=grace)
    with pytest.raises(ValueError, match="limit is at least 1"):
        due(EVERY_SECOND, at(0), at(1), limit=0)
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="after needs a time zone"):
        due(EVERY_SECOND, naive, at(1))
    with pytest.raises(ValueError, match="now needs a time zone"):
        due(EVERY_SECOND, at(1), naive)


def test_past_the_limit_and_past_the_end_nothing_comes() -> None:
    trigger = Interval(seconds=1, start=at(1), end=at(5))
    found = due(trigger, at(0), at(10), coalesce=False, grace=6, limit=2)
    assert found.runs == (DueRun(at(4)), DueRun(at(5)))
    assert (found.missed_count, found.until, found.next) == (3, at(10), None)
