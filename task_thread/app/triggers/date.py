"""Once, at a given moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from task_thread.app.triggers.base import Trigger
from task_thread.app.triggers.luck import Luck
from task_thread.app.triggers.moments import aware, moment_from

__all__ = ["Date"]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Date(Trigger):
    """Once, at `at`.

    :param at: an aware datetime; its zone is the trigger's. In the hour that a clock change
        repeats its ``fold`` says which of the two is meant.
    :raises TypeError: at construction: `at` is no datetime.
    :raises ValueError: at construction: `at` has no time zone.
    """

    kind: ClassVar[str] = "date"

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", aware(self.at, "the at of a Date"))

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        """`at`, if it comes after `after`."""
        later = self.at.astimezone(UTC) > aware(after, "after").astimezone(UTC)
        return iter((self.at,) if later else ())

    @classmethod
    def _from_options(
        cls, options: Mapping[str, Any], load: Callable[[object], Trigger]
    ) -> Trigger:
        return cls(**{**options, "at": moment_from(options.get("at"), "at")})
