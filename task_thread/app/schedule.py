"""What is due: the pure rule by which a scheduler decides when it looks at a task.

A time that is due is run, or it is too late for that and missed: each is one or the other, and
its own lateness decides, whatever else is due. What is run may be run once for all of them. After
months of downtime the answer costs about as much as ever: times that nobody will run are counted by
division where the trigger can do that, and up to a limit where it must be walked through.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple

from task_thread.app.triggers.base import COUNTED, Count, Trigger
from task_thread.app.triggers.luck import Luck
from task_thread.app.triggers.moments import aware
from task_thread.errors import TriggerNeverAgrees

__all__ = ["LISTED", "Due", "DueRun", "due"]

LISTED: Final = 100
"""So many missed times are listed; all are counted."""

_INSTANT: Final = timedelta(microseconds=1)


class DueRun(NamedTuple):
    """One run that is due.

    :ivar at: when it was due; of several the latest.
    :ivar stands_for: how many due times it is the run of.
    """

    at: datetime
    stands_for: int = 1


class Due(NamedTuple):
    """What :func:`due` found.

    :ivar runs: what is to be run now, in order.
    :ivar missed: the first of the times that are too late to be run, at most ``LISTED``.
    :ivar missed_count: how many there are.
    :ivar exact: False if ``missed_count`` or ``stands_for`` are only "at least so many".
    :ivar until: what has been judged; pass it as `after` the next time, so that nothing is
        judged twice and nothing is left out.
    :ivar next: the first time after ``until``, None if there is none. It has passed already where
        there was more than is run in one go: ask again at once.
    :ivar error: why there is no next one, where the trigger failed to find it.
    """

    runs: tuple[DueRun, ...]
    missed: tuple[datetime, ...]
    missed_count: int
    exact: bool
    until: datetime
    next: datetime | None
    error: TriggerNeverAgrees | None = None


def due(
    trigger: Trigger,
    after: datetime,
    now: datetime,
    *,
    coalesce: bool = True,
    grace: float | None = None,
    luck: Luck | None = None,
    limit: int = COUNTED,
) -> Due:
    """What is due after `after`, up to and with `now`, and what comes next.

    :param trigger: anchored, if it is an interval without a start.
    :param after: what was judged before: ``until`` of the last answer, or the moment at which the
        task was scheduled.
    :param now: where the clock has gone back behind `after`, nothing is due.
    :param coalesce: one run for all that is due, True by default; False: a run for each.
    :param grace: seconds; what is later than this is missed. None: any lateness is run.
    :param luck: what decides about jitter; the same function each time.
    :param limit: so many times are walked through one by one at the most, and so many runs are
        given at once.
    :raises ValueError: `after` or `now` has no time zone, or `grace` is negative.
    """
    if grace is not None and not grace >= 0:
        raise ValueError(f"the grace is seconds from 0 on, or None for any: {grace!r}")
    if limit < 1:
        raise ValueError(f"the limit is at least 1: {limit!r}")
    after, now = _utc(aware(after, "after")), _utc(aware(now, "now"))
    look = _Look(trigger, luck)
    if now <= after:
        return Due((), (), 0, True, after, look.next(after), look.error)
    # What comes up to `stale` is too late.
    stale = after
    if grace is not None and grace < (now - after).total_seconds():
        stale = max(after, now - timedelta(seconds=grace) - _INSTANT)
    passed: list[datetime] = []
    for time in look.times(after):
        if _utc(time) > now:
            return _judged(passed, time, stale, now, coalesce, look)
        if len(passed) == limit:
            return _many(after, stale, now, coalesce, limit, look)
        passed.append(time)
    return _judged(passed, None, stale, now, coalesce, look)


class _Look:
    """A trigger's times; that it fails to find another one is noted, and they end."""

    def __init__(self, trigger: Trigger, luck: Luck | None) -> None:
        self.trigger = trigger
        self.luck = luck
        self.error: TriggerNeverAgrees | None = None

    def times(self, after: datetime) -> Iterator[datetime]:
        try:
            yield from self.trigger.times(after, self.luck)
        except TriggerNeverAgrees as error:
            self.error = error

    def next(self, after: datetime) -> datetime | None:
        return next(self.times(after), None)

    def due(
        self,
        runs: list[DueRun],
        missed: list[datetime],
        missed_count: Count,
        until: datetime,
        coming: datetime | None,
        exact: bool = True,
    ) -> Due:
        error = self.error if coming is None else None
        listed, exact = tuple(missed[:LISTED]), exact and missed_count.exact
        return Due(tuple(runs), listed, missed_count.number, exact, until, coming, error)


def _judged(
    passed: list[datetime],
    coming: datetime | None,
    stale: datetime,
    now: datetime,
    coalesce: bool,
    look: _Look,
) -> Due:
    """The everyday case: all that has passed is at hand."""
    missed = [time for time in passed if _utc(time) <= stale]
    fresh = passed[len(missed) :]
    if coalesce and fresh:
        runs = [DueRun(fresh[-1], len(fresh))]
    else:
        runs = [DueRun(time) for time in fresh]
    return look.due(runs, missed, Count(len(missed), exact=True), now, coming)


def _many(
    after: datetime, stale: datetime, now: datetime, coalesce: bool, limit: int, look: _Look
) -> Due:
    """More has passed than one wants to walk through."""
    early = islice(look.times(after), LISTED)
    missed = [time for time in early if _utc(time) <= stale]
    missed_count = look.trigger.count(after, stale, look.luck, limit)
    if coalesce:
        number, exact = look.trigger.count(stale, now, look.luck, limit)
        run = [DueRun(_latest(look, stale, now), number)] if number else []
        return look.due(run, missed, missed_count, now, look.next(now), exact)
    coming, until = None, now
    runs = list[DueRun]()
    for time in look.times(stale):
        coming = time
        if _utc(time) > now:
            break
        if len(runs) == limit:
            until = _utc(runs[-1].at)
            break
        runs.append(DueRun(time))
    else:
        coming = None
    return look.due(runs, missed, missed_count, until, coming)


def _latest(look: _Look, after: datetime, until: datetime) -> datetime:
    """The last time in a span in which there is one, by halving what is left of it."""
    found = after
    low, high = after, until
    while True:
        step = look.next(low)
        if step is None or _utc(step) > until:
            return found
        found, low = step, _utc(step)
        middle = low + (high - low) / 2
        jump = look.next(middle)
        if jump is not None and _utc(jump) <= until:
            found, low = jump, _utc(jump)
        else:
            high = middle


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)
