"""What all triggers have in common: how they are asked, compared and stored.

A trigger has one question to answer, :meth:`Trigger.times`; all others follow from it. A subclass
should be a frozen dataclass, made with ``eq=False`` and ``repr=False``: two triggers are equal when
they say the same, and what a generated comparison would do to datetimes is wrong in the hour that
a clock change repeats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, Final, NamedTuple, cast

from task_thread.app.triggers.luck import Luck
from task_thread.app.triggers.moments import aware, moment_text, zone_text
from task_thread.errors import TriggerNeverAgrees

__all__ = ["COUNTED", "VERSION", "Count", "Trigger"]

VERSION: Final = 1
"""The version of what :meth:`Trigger.to_json` gives."""

COUNTED: Final = 1000
"""How far is counted where only walking from one time to the next can tell how many there are."""


class Count(NamedTuple):
    """How many times there are in a span: exactly, or at least."""

    number: int
    exact: bool


class Trigger(ABC):
    """When something is due. Immutable, equal by value, hashable, and can be pickled.

    Everything may be called from any thread. To write your own, subclass it and answer
    :meth:`times`; those that are stored as JSON are the five that come with the library.

    :cvar kind: the name under which it is stored, and for some the alias; "" for your own.
    """

    __slots__ = ()

    kind: ClassVar[str] = ""

    @abstractmethod
    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        """All times that come strictly after `after`, each later than the one before.

        They are aware, in the trigger's time zone. The iterator ends when there is none any more,
        and is the caller's alone.

        :param luck: what places each time within its jitter (see
            :func:`~task_thread.app.triggers.luck_of`); None: there is no jitter.
        :raises ValueError: `after` has no time zone.
        :raises TriggerNeverAgrees: while iterating, from an ``AllOf``.
        """

    def next(self, after: datetime, luck: Luck | None = None) -> datetime | None:
        """The first time after `after`, None if there is none.

        :raises ValueError: `after` has no time zone.
        :raises TriggerNeverAgrees: from an ``AllOf``.
        """
        return next(self.times(after, luck), None)

    def count(
        self, after: datetime, until: datetime, luck: Luck | None = None, limit: int = COUNTED
    ) -> Count:
        """How many times there are after `after`, up to and with `until`.

        :param limit: where they must be counted one by one, so many are counted at the most.
        :raises ValueError: `after` or `until` has no time zone.
        """
        until = aware(until, "until").astimezone(UTC)
        number = 0
        try:
            for time in self.times(after, luck):
                if time.astimezone(UTC) > until:
                    break
                if number == limit:
                    return Count(number, exact=False)
                number += 1
        except TriggerNeverAgrees:
            pass  # that is about the time after the last one: these are counted
        return Count(number, exact=True)

    def anchored(self, now: datetime) -> Trigger:
        """The trigger as it is scheduled at `now`: an interval without a start begins there.

        :raises ValueError: `now` has no time zone.
        """
        aware(now, "now")
        return self

    def to_json(self) -> dict[str, Any]:
        """A dictionary for ``json.dumps`` that :func:`~task_thread.app.triggers.from_json` takes.

        :raises TypeError: a trigger of your own, or one that holds such a one.
        """
        if not self.kind:
            raise TypeError(f"{type(self).__name__} can't be stored: it is not one of the library")
        return {"trigger": self.kind, "version": VERSION, **self._options()}

    def _options(self) -> dict[str, Any]:
        """What was set, for JSON."""
        return {
            name: moment_text(value) if isinstance(value, datetime) else value
            for name, value in self._set()
        }

    @classmethod
    def _from_options(
        cls, options: Mapping[str, Any], load: Callable[[object], Trigger]
    ) -> Trigger:
        """The trigger of what :meth:`_options` gave; `load` makes those that it holds."""
        return cast(Callable[..., Trigger], cls)(**options)

    def _set(self) -> Iterator[tuple[str, Any]]:
        """The fields that differ from their default, in order."""
        for each in self._fields() or ():
            value = getattr(self, each.name)
            if each.init and (each.default is MISSING or value != each.default):
                yield each.name, value

    def _value(self) -> object:
        """What makes it equal to another one of its class."""
        known = self._fields()
        if known is None:
            return id(self)  # what it holds is its own affair
        return tuple(
            moment_text(value) if isinstance(value, datetime) else value
            for value in (getattr(self, each.name) for each in known)
        )

    def _fields(self) -> tuple[Field[Any], ...] | None:
        this: Any = self
        return fields(this) if is_dataclass(this) else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trigger) or type(other) is not type(self):
            return NotImplemented
        return self._value() == other._value()

    def __hash__(self) -> int:
        return hash((type(self), self._value()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={_shown(v)}' for k, v in self._set())})"


def _shown(value: object) -> str:
    return repr(zone_text(value) if isinstance(value, tzinfo) else value)
