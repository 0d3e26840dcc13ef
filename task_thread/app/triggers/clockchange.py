"""From wall times to moments: what happens to a wall time on the day of a clock change.

What matches an expression is found on a wall clock that knows no zone; this turns it into
moments. Both ways follow Debian's cron.

- :func:`each_time` is for what happens *at certain hours*, once for each match. A wall time that is
  skipped counts at the moment of the change; one that is repeated, the first time.
- :func:`while_it_lasts` is for what happens *all the time*, every few minutes: whenever the clock
  shows a match. Nothing is made up for what is skipped, and what is repeated happens twice.

Moments in here are in UTC and in whole seconds, wall times are naive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

__all__ = ["Walls", "each_time", "first_change", "while_it_lasts"]

Walls = Callable[[datetime], Iterator[datetime]]
"""The wall times that match, strictly after a given one, in their order."""

_SECOND: Final = timedelta(seconds=1)
# No zone has changed its clocks twice within a day and back to what it was.
_DAY: Final = timedelta(days=1)


def each_time(walls: Walls, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """The moments of the wall times, each once, strictly after `after`."""
    last = after
    for wall in walls(after.astimezone(zone).replace(tzinfo=None)):
        moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) != wall:
            # Skipped. Read with the offset before the change, it lies less than a day after it.
            moment = first_change(zone, moment - _DAY, moment) or moment
        # Not later: in the hour that is repeated, or skipped together with the one before.
        if moment > last:
            yield moment
            last = moment


def while_it_lasts(walls: Walls, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """The moments at which the clock shows one of the wall times, strictly after `after`."""
    here, offset = after, _offset(zone, after)
    coming = walls(_wall(here, offset))
    while (wall := next(coming, None)) is not None:
        moment = (wall - offset).replace(tzinfo=UTC)
        change = first_change(zone, here, moment)
        if change is None:
            yield moment
            here = moment
        else:
            # From there on the clock shows something else: look again, the change included.
            here, offset = change, _offset(zone, change)
            coming = walls(_wall(here, offset) - _SECOND)


def first_change(zone: tzinfo, start: datetime, stop: datetime) -> datetime | None:
    """The first moment after `start`, up to and with `stop`, that begins another offset."""
    if isinstance(zone, timezone):
        return None
    before = _offset(zone, start)
    while start < stop:
        until = min(start + _DAY, stop)
        if _offset(zone, until) != before:
            return _bisect(zone, start, until, before)
        start = until
    return None


def _bisect(zone: tzinfo, start: datetime, stop: datetime, before: timedelta) -> datetime:
    while stop - start > _SECOND:
        middle = start + (stop - start) // _SECOND // 2 * _SECOND
        if _offset(zone, middle) == before:
            start = middle
        else:
            stop = middle
    return stop


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return moment.replace(tzinfo=None) + offset
