"""By the calendar and the clock on the wall: cron expressions.

cronsim finds the wall times that match, and is given wall times alone. What a time zone does to
them is done here, since its own way, measured in version 2.8, goes wrong where clocks change by
half an hour (two of four matches are lost in Australia/Lord_Howe), answers with a time *before* the
one asked about in the hour that is repeated, and treats an expression with seconds otherwise than
the same one without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, ClassVar, Final

from cronsim import CronSim, CronSimError

from task_thread.app.triggers.base import Trigger
from task_thread.app.triggers.clockchange import each_time, while_it_lasts
from task_thread.app.triggers.luck import Luck
from task_thread.app.triggers.moments import aware, until_the_calendar_ends, zone_of, zone_text
from task_thread.app.triggers.span import check_span, span_from

__all__ = ["Cron"]

_FIELDS: Final = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L, LW",
    "month": "1-12, JAN-DEC",
    "day-of-week": "0-7 (0 and 7: Sunday), SUN-SAT, 5L, 5#2",
}


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Cron(Trigger):
    """Whenever the clock on the wall matches an expression.

    :param expression: five fields: minute, hour, day of month, month, day of week; or six, with
        the second first. Each takes ``*``, numbers, ranges ``1-5``, steps ``*/5`` and lists of
        them; months and days of the week also names, in upper or lower case.
        Sunday is 0 and 7. ``L`` is the last day of the month, ``LW`` its last weekday, ``5L`` its
        last Friday, ``5#2`` its second Friday. Where both days are restricted, either will do; if
        one of them begins with ``*``, both must match.
    :param timezone: whose wall clock: a name, a ``ZoneInfo``, a ``timezone``; None is UTC. Where
        minute and hour both begin with something else than ``*``, each match happens once: what
        a clock change skips, at the moment of the change, and what it repeats, the first time.
        Otherwise it happens whenever the clock matches.
    :param start: nothing is due before it.
    :param end: nothing is due after it.
    :raises TypeError: at construction, for what is no text, zone or datetime.
    :raises ValueError: at construction: names the field that can't be understood, or the zone;
        `start` or `end` has no time zone, or they are in the wrong order.
    """

    kind: ClassVar[str] = "cron"

    expression: str
    timezone: str | tzinfo | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str):
            raise TypeError(f"a cron expression is text, not {self.expression!r}")
        object.__setattr__(self, "expression", " ".join(self.expression.upper().split()))
        _parsed(self.expression)
        start, end = check_span(self.start, self.end, "a Cron")
        object.__setattr__(self, "timezone", zone_of(self.timezone))
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        """The matches after `after`. They end where none is found for 50 years."""
        return until_the_calendar_ends(self._matches(aware(after, "after").astimezone(UTC)))

    def _matches(self, after: datetime) -> Iterator[datetime]:
        zone = zone_of(self.timezone)
        if self.start is not None:
            after = max(after, self.start.astimezone(UTC) - timedelta(microseconds=1))
        after = after.replace(microsecond=0)  # the next whole second comes after both
        find = each_time if _at_certain_hours(self.expression) else while_it_lasts
        for moment in find(self._walls, zone, after):
            if self.end is not None and moment > self.end.astimezone(UTC):
                return
            yield moment.astimezone(zone)

    def _walls(self, after: datetime) -> Iterator[datetime]:
        # Parsing costs ten times as much as finding the next match; a CronSim's only state, once
        # it has parsed, is where it stands.
        walls = copy(_parsed(self.expression))
        walls.dt = after
        return walls

    def _options(self) -> dict[str, Any]:
        options = super(Cron, self)._options()
        return {**options, "timezone": zone_text(zone_of(self.timezone))}

    @classmethod
    def _from_options(
        cls, options: Mapping[str, Any], load: Callable[[object], Trigger]
    ) -> Trigger:
        return cls(**span_from(options))


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> CronSim:
    """The expression, understood. Never iterate over it: it is shared."""
    number = len(expression.split())
    if number not in (5, 6):
        raise ValueError(
            f"a cron expression has 5 fields (minute, hour, day of month, month, day of week), "
            f"or 6 with the second first; {expression!r} has {number}"
        )
    try:
        return CronSim(expression, datetime(2000, 1, 1))  # noqa: DTZ001  a wall time
    except CronSimError as error:
        raise ValueError(_complaint(expression, str(error))) from None
    except ValueError as error:  # a number of thousands of digits
        raise ValueError(f"a cron expression can't be read: {error}") from None


def _complaint(expression: str, said: str) -> str:
    """Which field is wrong, what stands there and what may. cronsim says "Bad minute"."""
    name = said.removeprefix("Bad ")
    if name not in _FIELDS:
        return f"the cron expression {expression!r} can't be understood: {said}"
    parts = dict(zip(reversed(_FIELDS), reversed(expression.split()), strict=False))
    return (
        f"the {name} field of the cron expression {expression!r} is wrong: {parts[name]!r}; "
        f"it takes {_FIELDS[name]}, and *, ranges, steps, lists; "
        "a range goes upwards, a date has to exist"
    )


def _at_certain_hours(expression: str) -> bool:
    minute, hour = expression.split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")
