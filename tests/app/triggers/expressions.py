"""Cron expressions whose meaning is known without parsing them, and a naive search by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import hypothesis.strategies as st

DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS: Final = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, repr=False)
class Field:
    """What is written, and the numbers that it means."""

    text: str
    means: frozenset[int]

    def __repr__(self) -> str:
        return self.text

    @property
    def star(self) -> bool:
        return self.text.startswith("*")


@dataclass(frozen=True, repr=False)
class Expression:
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field  # Sunday is 0
    second: Field | None = None

    def __repr__(self) -> str:
        return self.text

    @property
    def fields(self) -> list[Field]:
        six = [self.second, self.minute, self.hour, self.day, self.month, self.weekday]
        return [each for each in six if each is not None]

    @property
    def text(self) -> str:
        return " ".join(each.text for each in self.fields)

    @property
    def certain(self) -> bool:
        """Whether Debian's cron takes it for a job at certain hours."""
        return not self.minute.star and not self.hour.star

    def possible(self) -> bool:
        """Whether any date can match."""
        if not self.day.star and not self.weekday.star:
            return True  # either of them will do
        return min(self.day.means) <= max(LONGEST[month - 1] for month in self.month.means)

    def matches(self, wall: datetime) -> bool:
        day = wall.day in self.day.means
        weekday = wall.isoweekday() % 7 in self.weekday.means
        both = self.day.star or self.weekday.star
        return (
            wall.second in (self.second.means if self.second else {0})
            and wall.minute in self.minute.means
            and wall.hour in self.hour.means
            and wall.month in self.month.means
            and ((day and weekday) if both else (day or weekday))
        )


def search(
    expression: Expression, zone: tzinfo, start: datetime, end: datetime, step: timedelta
) -> Iterator[datetime]:
    """What a daemon does that looks at the clock on the wall at each step, as Debian's cron does.

    Where the clock has jumped forward it runs the jobs at certain hours that it finds in between;
    where it has jumped back, none until the clock shows again what it showed before.
    """
    now = start.astimezone(UTC)
    seen = now.astimezone(zone).replace(tzinfo=None)
    while (now := now + step) <= end:
        wall = now.astimezone(zone).replace(tzinfo=None)
        if not expression.certain:
            if expression.matches(wall):
                yield now
            continue
        passed = [seen + step * n for n in range(1, (wall - seen) // step + 1)]
        if any(map(expression.matches, passed)):
            yield now
        seen = max(seen, wall)


def fields(low: int, high: int, names: Sequence[str] = ()) -> st.SearchStrategy[Field]:
    """A field with numbers from `low` to `high`, as stars, numbers, names, ranges, steps, lists."""

    def written(number: int, named: bool, lower: bool) -> str:
        if not (named and names):
            return str(number)
        name = names[(number - low) % len(names)]
        return name.lower() if lower else name

    numbers = st.integers(low, high)
    one = st.builds(
        lambda number, named, lower: Field(written(number, named, lower), frozenset({number})),
        numbers,
        st.booleans(),
        st.booleans(),
    )
    # Of two different numbers, and no wider steps than that: the libraries refuse the rest, or
    # take 5-5 for all there is.
    ends = st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1])
    plain = ends.map(
        lambda pair: Field(f"{pair[0]}-{pair[1]}", frozenset(range(pair[0], pair[1] + 1)))
    )
    stepped = ends.flatmap(
        lambda pair: st.integers(1, pair[1] - pair[0]).map(
            lambda step: Field(
                f"{pair[0]}-{pair[1]}/{step}", frozenset(range(pair[0], pair[1] + 1, step))
            )
        )
    )
    star = st.one_of(
        st.just(Field("*", frozenset(range(low, high + 1)))),
        st.builds(
            lambda step: Field(f"*/{step}", frozenset(range(low, high + 1, step))),
            st.integers(1, high - low),
        ),
    )
    several = st.lists(st.one_of(one, plain, stepped), min_size=2, max_size=3).map(
        lambda parts: Field(
            ",".join(part.text for part in parts),
            frozenset[int]().union(*(part.means for part in parts)),
        )
    )
    return st.one_of(star, one, plain, stepped, several)


def weekdays() -> st.SearchStrategy[Field]:
    """Days of the week; 7 is Sunday, too."""
    return fields(0, 7, DAYS).map(
        lambda field: Field(field.text, frozenset(number % 7 for number in field.means))
    )


STAR: Final = st.just(Field("*", frozenset(range(60))))


def expressions(
    hours: st.SearchStrategy[Field] | None = None,
    days: st.SearchStrategy[Field] | None = None,
    seconds: st.SearchStrategy[Field] | None = None,
) -> st.SearchStrategy[Expression]:
    """Any expression whose dates exist."""
    return st.builds(
        Expression,
        minute=fields(0, 59),
        hour=hours if hours is not None else fields(0, 23),
        day=days if days is not None else fields(1, 31),
        month=fields(1, 12, MONTHS),
        weekday=weekdays(),
        second=seconds if seconds is not None else st.none(),
    ).filter(Expression.possible)
