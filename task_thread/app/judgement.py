"""What becomes of an entry that has come up, and when it comes up next.

Pure. The rule is that of ``schedule.py``; here are the short ways for what happens a thousand times
a second, one time due and not late: the trigger is asked once, or, where its times are evenly
spaced, not at all. And here a trigger that fails, or gives what is no later time, is told from one
that works: that one would come up again and again, for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from task_thread.app.agenda import NEVER, Entry
from task_thread.app.schedule import LISTED, Due, DueRun, due
from task_thread.app.triggers import AnyOf, Cron, Date, Interval
from task_thread.app.triggers.base import COUNTED, Trigger
from task_thread.app.triggers.combine import AllOf
from task_thread.app.triggers.luck import Luck, luck_of
from task_thread.errors import TriggerNeverAgrees

__all__ = ["Beginning", "Verdict", "begin", "judge", "on_time"]

_DOUBT: Final = 2e-6  # seconds within which stamps are not trusted to tell on which side one is


class Beginning(NamedTuple):
    """A trigger as it is entered."""

    trigger: Trigger
    luck: Luck | None
    stride: timedelta | None
    after: datetime
    next: datetime | None
    stamp: float


class Verdict(NamedTuple):
    """What :func:`judge` found.

    :ivar due: what is to be run, what was missed, and what comes next.
    :ivar stamp: of what comes next.
    :ivar error: why nothing does.
    """

    due: Due
    stamp: float
    error: Exception | None


def begin(key: str, trigger: Trigger, after: datetime) -> Beginning:
    """The trigger, anchored at `after`, and its first time after that.

    :raises TriggerNeverAgrees: it found none.
    :raises ValueError: it gave a time that does not come after `after`, or one without a zone.
    :raises Exception: whatever a trigger of the user's own raises.
    """
    trigger = trigger.anchored(after)
    luck = luck_of(key) if _has_jitter(trigger) else None
    coming = trigger.next(after, luck)
    stamp = _stamp(trigger, coming, after)
    return Beginning(trigger, luck, _stride_of(trigger), after, coming, stamp)


def on_time(entry: Entry, now: datetime, stamp: float) -> datetime | None:
    """When `entry`, whose next time has come, is due after that, if that time is to be run, and
    nothing else is due, and the trigger need not be asked for it. None: :func:`judge` it.

    :param now: UTC.
    :param stamp: of `now`.
    """
    time, stride, grace = entry.next, entry.stride, entry.grace
    if stride is None or time is None:
        return None
    try:
        coming = time + stride
    except OverflowError:  # where the calendar ends
        return None
    if coming <= now or (grace is not None and stamp - time.timestamp() >= grace - _DOUBT):
        return None
    return coming


def judge(entry: Entry, time: datetime, after: datetime, now: datetime, stamp: float) -> Verdict:
    """What is due of `entry`, whose next time has come. Never raises an Exception.

    :param time: that next time.
    :param after: up to when it was judged.
    :param now: UTC.
    :param stamp: of `now`.
    """
    trigger, grace = entry.trigger, entry.grace
    try:
        try:
            coming = trigger.next(time, entry.luck)
            following = _stamp(trigger, coming, time)
        except TriggerNeverAgrees:
            following = -NEVER  # the long way knows what to say
        else:
            late = stamp - time.timestamp()
            if following > stamp and (grace is None or late < grace - _DOUBT):
                return Verdict(Due((DueRun(time),), (), 0, True, now, coming), following, None)
        found = due(
            trigger,
            after,
            now,
            coalesce=entry.coalesce,
            grace=grace,
            luck=entry.luck,
            # So many runs are begun in one go.
            limit=COUNTED if entry.coalesce else LISTED,
        )
        return Verdict(found, _stamp(trigger, found.next, found.until), found.error)
    except Exception as error:
        return Verdict(_last(entry, time, now, stamp), NEVER, error)


def _last(entry: Entry, time: datetime, now: datetime, stamp: float) -> Due:
    """Of a trigger that has failed this much is known: `time` is due."""
    if entry.grace is not None and stamp - time.timestamp() > entry.grace:
        return Due((), (time,), 1, False, now, None)
    return Due((DueRun(time),), (), 0, True, now, None)


def _stamp(trigger: Trigger, time: datetime | None, after: datetime) -> float:
    """The stamp of a trigger's time, if that may be one."""
    if time is None:
        return NEVER
    if time.tzinfo is None:
        raise ValueError(f"{trigger!r} gave {time}, which has no time zone")
    stamp = time.timestamp()
    if stamp <= after.timestamp():
        raise ValueError(f"{trigger!r} was asked what comes after {after}, and gave {time}")
    return stamp


def _stride_of(trigger: Trigger) -> timedelta | None:
    """From each of its times to the next one, if they never end, are in UTC, and nothing else is to
    be known. Not of a subclass: it may say anything."""
    if type(trigger) is not Interval or trigger.end is not None or trigger.jitter != 0:
        return None
    return None if trigger.start is None or trigger.start.tzinfo is not UTC else trigger.period


def _has_jitter(trigger: Trigger) -> bool:
    """Whether luck has a say in it. Of a trigger of the user's own nobody knows."""
    if isinstance(trigger, Interval):
        return trigger.jitter != 0
    if isinstance(trigger, AnyOf):
        return any(map(_has_jitter, trigger.triggers))
    return not isinstance(trigger, Date | Cron | AllOf)
