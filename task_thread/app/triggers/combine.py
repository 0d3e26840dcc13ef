"""Several triggers as one: when any of them is due, or when all of them are at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, cast

from task_thread.app.triggers.base import Trigger
from task_thread.app.triggers.luck import Luck
from task_thread.app.triggers.moments import aware, until_the_calendar_ends
from task_thread.errors import TriggerNeverAgrees

__all__ = ["AllOf", "AnyOf"]

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False, repr=False, slots=True, init=False)
class AnyOf(Trigger):
    """Whenever one of them is due; a moment on which several are counts once.

    Each time is in the zone of the trigger that it comes from; where several agree, of the one
    that stands first.

    :param triggers: at least one.
    :raises TypeError: at construction: one of them is no trigger.
    :raises ValueError: at construction: there is none.
    """

    kind: ClassVar[str] = "any"

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", _members(triggers, "AnyOf"))

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        """All their times in one order."""
        return self._merged(aware(after, "after"), luck)

    def anchored(self, now: datetime) -> AnyOf:
        """The same of its members, as they are scheduled at `now`.

        :raises ValueError: `now` has no time zone, or a member's first time would come after
            its end.
        """
        return AnyOf(*(each.anchored(now) for each in self.triggers))

    def _merged(self, after: datetime, luck: Luck | None) -> Iterator[datetime]:
        last: datetime | None = None
        for time in heapq.merge(*(each.times(after, luck) for each in self.triggers), key=_utc):
            moment = _utc(time)
            if moment != last:
                yield time
                last = moment

    def _options(self) -> dict[str, Any]:
        return {"triggers": [each.to_json() for each in self.triggers]}

    @classmethod
    def _from_options(
        cls, options: Mapping[str, Any], load: Callable[[object], Trigger]
    ) -> Trigger:
        return cls(*_loaded(options, load))

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.triggers))})"


@dataclass(frozen=True, eq=False, repr=False, slots=True, init=False)
class AllOf(Trigger):
    """Only when all of them are due.

    Jitter of its members does not count here. It ends when one of them ends.

    :param triggers: at least one. What is rare goes first or last, as you like: each is asked
        only for what comes after the others' times, so frequent ones cost nothing.
    :param tolerance: seconds by which their times may lie apart; the latest of them counts, in
        its trigger's zone. Each time of a member counts once, so at least one of them should be
        due less often than every two tolerances.
    :param max_tries: after so many candidates in a row on which they did not agree,
        :class:`~task_thread.errors.TriggerNeverAgrees` is raised. A thousand take some
        hundredths of a second.
    :raises TypeError: at construction: one of them is no trigger, or `max_tries` no int.
    :raises ValueError: at construction: there is none, `tolerance` is negative or `max_tries` is
        less than 1.
    """

    kind: ClassVar[str] = "all"

    triggers: tuple[Trigger, ...]
    tolerance: float
    max_tries: int

    def __init__(self, *triggers: Trigger, tolerance: float = 0.0, max_tries: int = 1000) -> None:
        if not 0 <= tolerance <= timedelta.max.total_seconds() / 4:
            raise ValueError(f"the tolerance of an AllOf is seconds from 0 on, not {tolerance!r}")
        if not isinstance(max_tries, int):
            raise TypeError(f"the max_tries of an AllOf is an int, not {max_tries!r}")
        if max_tries < 1:
            raise ValueError(f"the max_tries of an AllOf is at least 1, not {max_tries!r}")
        object.__setattr__(self, "triggers", _members(triggers, "AllOf"))
        object.__setattr__(self, "tolerance", tolerance)
        object.__setattr__(self, "max_tries", max_tries)

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        """The times on which all agree.

        :raises TriggerNeverAgrees: while iterating.
        """
        return until_the_calendar_ends(self._agreed(aware(after, "after")))

    def anchored(self, now: datetime) -> AllOf:
        """The same of its members, as they are scheduled at `now`.

        :raises ValueError: `now` has no time zone, or a member's first time would come after
            its end.
        """
        members = (each.anchored(now) for each in self.triggers)
        return AllOf(*members, tolerance=self.tolerance, max_tries=self.max_tries)

    def _agreed(self, after: datetime) -> Iterator[datetime]:
        if any(each.next(after) is None for each in self.triggers):
            return
        # They are asked about different moments from here on: those without a start need one.
        members = [each.anchored(after) for each in self.triggers]
        apart, after = timedelta(seconds=self.tolerance), _utc(after)
        # Begun so early that it finds what it would have found coming from any earlier moment:
        # times before `after` may already be spent on an agreement before it.
        here = after - 2 * apart
        while (agreed := self._next_agreed(members, here, apart)) is not None:
            here = _utc(agreed)
            if here > after:
                yield agreed

    def _next_agreed(
        self, members: list[Trigger], after: datetime, apart: timedelta
    ) -> datetime | None:
        heads = [each.next(after) for each in members]
        for _ in range(self.max_tries):
            known = [head for head in heads if head is not None]
            if len(known) < len(heads):
                return None
            latest = max(known, key=_utc)
            earliest = _utc(latest) - apart
            behind = [index for index, head in enumerate(known) if _utc(head) < earliest]
            if not behind:
                return latest
            for index in behind:
                heads[index] = members[index].next(earliest - _INSTANT)
        raise TriggerNeverAgrees(
            f"{self!r} was not due after {after} on any of {self.max_tries} candidates: do its "
            "members ever agree? If so, raise max_tries or tolerance"
        )

    def _options(self) -> dict[str, Any]:
        return {
            "triggers": [each.to_json() for each in self.triggers],
            "tolerance": self.tolerance,
            "max_tries": self.max_tries,
        }

    @classmethod
    def _from_options(
        cls, options: Mapping[str, Any], load: Callable[[object], Trigger]
    ) -> Trigger:
        rest = {name: value for name, value in options.items() if name != "triggers"}
        return cls(*_loaded(options, load), **rest)

    def __repr__(self) -> str:
        parts = [*map(repr, self.triggers), f"tolerance={self.tolerance!r}"]
        return f"AllOf({', '.join(parts if self.tolerance else parts[:-1])})"


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


def _members(triggers: tuple[object, ...], what: str) -> tuple[Trigger, ...]:
    if not triggers:
        raise ValueError(f"an {what} needs at least one trigger")
    for each in triggers:
        if not isinstance(each, Trigger):
            raise TypeError(f"an {what} is made of triggers, not of {each!r}")
    return tuple(each for each in triggers if isinstance(each, Trigger))


def _loaded(options: Mapping[str, Any], load: Callable[[object], Trigger]) -> list[Trigger]:
    stored = options.get("triggers")
    if not isinstance(stored, list):
        raise ValueError(f"triggers is a list, not {stored!r}")
    return [load(each) for each in cast(list[object], stored)]
