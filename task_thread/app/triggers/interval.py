"""At a fixed rate.

Each tick is counted from the start, never from the tick before: nothing drifts, and a question
about a moment years later is answered without walking there. The rate is one of elapsed time: a
clock change does not touch it, and a day is 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, ClassVar, Final, cast

from task_thread.app.triggers.base import COUNTED, Count, Trigger
from task_thread.app.triggers.luck import Luck
from task_thread.app.triggers.moments import aware, moment_text, until_the_calendar_ends
from task_thread.app.triggers.span import check_span, span_from

__all__ = ["Interval"]

_NOTHING: Final = timedelta(0)
_EVERYDAY: Final = range(1900, 9000)  # years that are far from both ends of the calendar


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Interval(Trigger):
    """Every so often: at `start`, and then each time that the sum of the five has passed.

    :param start: the first tick; its zone is the trigger's. None: one period after the moment
        at which it is scheduled (see :meth:`anchored`); until then each question is answered
        as if that were the moment `after` which it is asked.
    :param end: nothing is due after it.
    :param jitter: seconds; each tick comes later by a share of it that luck decides. The next
        one is not moved by that, so it must be less than the period.
    :ivar period: the sum of the five, at least a microsecond.
    :raises TypeError: at construction, for what is no number or no datetime.
    :raises ValueError: at construction: the period or the jitter makes no sense, `start` or `end`
        has no time zone, or they are in the wrong order.
    """

    kind: ClassVar[str] = "interval"

    weeks: float = 0
    days: float = 0
    hours: float = 0
    minutes: float = 0
    seconds: float = 0
    start: datetime | None = None
    end: datetime | None = None
    jitter: float = 0.0
    period: timedelta = field(init=False)

    def __post_init__(self) -> None:
        try:
            period = timedelta(
                weeks=self.weeks,
                days=self.days,
                hours=self.hours,
                minutes=self.minutes,
                seconds=self.seconds,
            )
            jitter = timedelta(seconds=self.jitter)
        except (OverflowError, ValueError) as error:  # inf and nan, too
            raise ValueError(f"an Interval's numbers make no sense: {error}") from None
        if period <= _NOTHING:
            raise ValueError(f"an Interval is at least a microsecond long, not {period}")
        # Compared as it will be used, in whole microseconds: no two ticks may become one.
        if not _NOTHING <= jitter < period:
            raise ValueError(
                f"an Interval's jitter is from 0 to less than its period of {period}, "
                f"not {self.jitter!r} s"
            )
        start, end = check_span(self.start, self.end, "an Interval")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)
        object.__setattr__(self, "period", period)

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        """The ticks after `after`: found by division, however long ago the start was."""
        return until_the_calendar_ends(self._ticks(aware(after, "after"), luck))

    def next(self, after: datetime, luck: Luck | None = None) -> datetime | None:
        """The first tick after `after`, None if there is none."""
        start, given = self.start, cast(object, after)
        if (
            start is None
            or start.tzinfo is not UTC
            or not isinstance(given, datetime)
            or after.tzinfo is not UTC
            or after.year not in _EVERYDAY
            or (luck is not None and self.jitter != 0)
        ):
            return Trigger.next(self, after, luck)
        # The everyday case, of which a scheduler asks thousands in a second.
        tick = start
        if after >= start:
            try:
                tick = start + ((after - start) // self.period + 1) * self.period
            except OverflowError:
                return None
            if tick.year not in _EVERYDAY:
                return Trigger.next(self, after, luck)
        return None if self.end is not None and tick > self.end else tick

    def count(
        self, after: datetime, until: datetime, luck: Luck | None = None, limit: int = COUNTED
    ) -> Count:
        """How many ticks there are in a span: by division, so always exactly."""
        after, until = aware(after, "after"), aware(until, "until")
        try:
            first = self._first(after).astimezone(UTC)
        except OverflowError:
            return Count(0, exact=True)
        number = self._passed(first, until, luck) - self._passed(first, after, luck)
        return Count(max(0, number), exact=True)

    def anchored(self, now: datetime) -> Interval:
        """The same, to start one period after `now`; itself, if it has a start.

        :raises ValueError: `now` has no time zone, or the first tick would come after the end.
        """
        now = aware(now, "now")
        try:
            if self.start is not None:
                return self
            if self.end is not None or now.tzinfo is not UTC:
                return replace(self, start=self._first(now))
            # Nothing in it can be wrong that was not wrong before.
            copy = object.__new__(Interval)
            for name in _FIELDS:
                object.__setattr__(copy, name, getattr(self, name))
            object.__setattr__(copy, "start", self._first(now))
            return copy
        except OverflowError:
            raise ValueError(f"{self!r} has no tick after {now}: the calendar ends") from None

    def _first(self, after: datetime) -> datetime:
        if self.start is not None:
            return self.start
        return (after.astimezone(UTC) + self.period).astimezone(after.tzinfo)

    def _ticks(self, after: datetime, luck: Luck | None) -> Iterator[datetime]:
        start = self._first(after)
        zone, first = start.tzinfo, start.astimezone(UTC)
        end = None if self.end is None else self.end.astimezone(UTC)
        for index in count(self._passed(first, after, luck)):
            if end is not None and first + index * self.period > end:
                return
            yield self._tick(first, index, luck).astimezone(zone)

    def _passed(self, first: datetime, moment: datetime, luck: Luck | None) -> int:
        """How many ticks have passed at `moment`, itself included."""
        moment = moment.astimezone(UTC)
        if self.end is not None:
            moment = min(moment, self.end.astimezone(UTC))
        if moment < first:
            return 0
        index = (moment - first) // self.period
        # Jitter is shorter than the period: only the last one can still be to come.
        return index if self._tick(first, index, luck) > moment else index + 1

    def _tick(self, first: datetime, index: int, luck: Luck | None) -> datetime:
        nominal = first + index * self.period
        if luck is None or self.jitter == 0:
            return nominal
        late = nominal + timedelta(seconds=self.jitter * luck(nominal))
        return late if self.end is None else min(late, self.end.astimezone(UTC))

    def _value(self) -> object:
        ends = (None if each is None else moment_text(each) for each in (self.start, self.end))
        return self.period, timedelta(seconds=self.jitter), *ends

    @classmethod
    def _from_options(
        cls, options: Mapping[str, Any], load: Callable[[object], Trigger]
    ) -> Trigger:
        return cls(**span_from(options))


_FIELDS: Final = tuple(each.name for each in fields(Interval))
