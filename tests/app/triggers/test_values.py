"""Triggers are values: checked, equal, hashable, immutable, pickled, stored; and their aliases."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import task_thread.app
from task_thread.app.schedule import due
from task_thread.app.triggers import (
    AllOf,
    AnyOf,
    Cron,
    Date,
    Interval,
    Luck,
    Trigger,
    from_json,
    make_trigger,
)
from tests.app.triggers.moments import BERLIN, EPOCH, at, first, since

FIRST_PASS = datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN)
SECOND_PASS = FIRST_PASS.replace(fold=1)
ABROAD = timezone(timedelta(hours=-3, minutes=-30))

# No two of them are equal.
ALL: list[Trigger] = [
    Date(EPOCH),
    Date(EPOCH.astimezone(BERLIN)),  # the same moment in another zone: other times come out
    Date(FIRST_PASS),
    Date(SECOND_PASS),
    Date(EPOCH.astimezone(ABROAD)),
    Date(EPOCH + timedelta(microseconds=1)),
    Interval(seconds=5),
    Interval(weeks=1, days=2, hours=3, minutes=4, seconds=5.5),
    Interval(seconds=5, jitter=1.5),
    Interval(seconds=5, start=FIRST_PASS),
    Interval(seconds=5, start=SECOND_PASS),
    Interval(seconds=5, end=EPOCH),
    Interval(seconds=5, start=EPOCH, end=EPOCH),
    Cron("0 0 * * *"),
    Cron("0 0 * * *", "Europe/Berlin"),
    Cron("0 0 * * *", ABROAD),
    Cron("0 0 * * *", start=EPOCH),
    Cron("0 0 * * *", start=EPOCH, end=SECOND_PASS),
    Cron("0 0 * * mon#2"),
    AnyOf(Date(EPOCH)),
    AnyOf(Date(EPOCH), Cron("0 0 * * *")),
    AnyOf(Cron("0 0 * * *"), Date(EPOCH)),
    AllOf(Date(EPOCH), Cron("0 0 * * *")),
    AllOf(Date(EPOCH), Cron("0 0 * * *"), tolerance=2.5),
    AllOf(Date(EPOCH), Cron("0 0 * * *"), max_tries=7),
    AllOf(AnyOf(Interval(seconds=3), Date(SECOND_PASS)), Cron("* * * * *")),
]
each_trigger = pytest.mark.parametrize("trigger", ALL, ids=repr)


@each_trigger
def test_survives_pickling_and_json(trigger: Trigger) -> None:
    stored = json.dumps(trigger.to_json())
    for copy in (pickle.loads(pickle.dumps(trigger)), from_json(json.loads(stored))):
        assert type(copy) is type(trigger)
        assert copy == trigger
        assert hash(copy) == hash(trigger)
        assert repr(copy) == repr(trigger)
        assert json.dumps(copy.to_json()) == stored
        after = datetime(2024, 1, 1, tzinfo=UTC)
        assert first(3, copy, after) == first(3, trigger, after)


def test_equal_when_they_say_the_same_and_only_then() -> None:
    for index, trigger in enumerate(ALL):
        assert [other for other, each in enumerate(ALL) if each == trigger] == [index]
    assert len(set(ALL)) == len(ALL)
    assert Date(EPOCH) != EPOCH


@each_trigger
def test_immutable(trigger: Trigger) -> None:
    for name in ("at", "seconds", "expression", "triggers", "other"):
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(trigger, name, 5)


def test_repr_says_what_was_set() -> None:
    assert repr(Interval(minutes=5, jitter=2.0)) == "Interval(minutes=5, jitter=2.0)"
    assert repr(Cron("0 3 * * mon", BERLIN)) == (
        "Cron(expression='0 3 * * MON', timezone='Europe/Berlin')"
    )
    assert repr(AllOf(Interval(days=1), Interval(hours=5), tolerance=1)) == (
        "AllOf(Interval(days=1), Interval(hours=5), tolerance=1)"
    )


def test_stored_form() -> None:
    """What is on disk: a change here is a new version."""
    trigger = AnyOf(
        Date(SECOND_PASS),
        Interval(minutes=5, start=EPOCH),
        AllOf(Cron("*/5 * * * *", "Europe/Berlin"), tolerance=1.5),
    )
    assert trigger.to_json() == {
        "trigger": "any",
        "version": 1,
        "triggers": [
            {"trigger": "date", "version": 1, "at": "2025-10-26T02:30:00+01:00[Europe/Berlin]"},
            {
                "trigger": "interval",
                "version": 1,
                "minutes": 5,
                "start": "2025-01-01T00:00:00+00:00",
            },
            {
                "trigger": "all",
                "version": 1,
                "triggers": [
                    {
                        "trigger": "cron",
                        "version": 1,
                        "expression": "*/5 * * * *",
                        "timezone": "Europe/Berlin",
                    }
                ],
                "tolerance": 1.5,
                "max_tries": 1000,
            },
        ],
    }


@pytest.mark.parametrize(
    ("stored", "match"),
    [
        (None, "is a dictionary"),
        ([], "is a dictionary"),
        ({}, "has a version"),
        ({"trigger": "date", "version": "1"}, "has a version"),
        ({"trigger": "date", "version": 2, "at": "?"}, "newer task_thread"),
        ({"trigger": "moon", "version": 1}, "date, interval, cron, any, all, not 'moon'"),
        ({"version": 1}, "not None"),
        ({"trigger": [], "version": 1}, r"not \[\]"),
        ({"trigger": "date", "version": 1}, "at is text"),
        ({"trigger": "date", "version": 1, "at": "soon"}, "at is no moment: 'soon'"),
        ({"trigger": "date", "version": 1, "at": "2025-01-01T00:00:00"}, "needs a time zone"),
        (
            {"trigger": "date", "version": 1, "at": "2025-01-01T00:00:00+00:00[X/Y]"},
            "unknown time zone 'X/Y'",
        ),
        ({"trigger": "interval", "version": 1, "sec": 5}, "can't be read.*sec"),
        ({"trigger": "interval", "version": 1, "seconds": "5"}, "can't be read"),
        ({"trigger": "cron", "version": 1}, "can't be read.*expression"),
        ({"trigger": "cron", "version": 1, "expression": "?"}, "5 fields"),
        ({"trigger": "any", "version": 1}, "triggers is a list"),
        ({"trigger": "any", "version": 1, "triggers": [7]}, "is a dictionary"),
        ({"trigger": "interval", "version": 1, "seconds": 1, 5: 5}, "can't be read"),
    ],
)
def test_what_is_stored_wrongly_is_refused(stored: object, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        from_json(stored)
    assert "\n" not in str(caught.value)


# ---- moments that are taken, and those that are not ---------------------------------------


@each_trigger
def test_without_a_zone_refused_at_once(trigger: Trigger) -> None:
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    for call in (trigger.times, trigger.next, trigger.anchored, lambda m: trigger.count(m, EPOCH)):
        with pytest.raises(ValueError, match=r"needs a time zone.*tzinfo=UTC"):
            call(naive)
    with pytest.raises(ValueError, match="until needs a time zone"):
        trigger.count(EPOCH, naive)


class Strange(tzinfo):
    """A zone that knows nothing of zoneinfo."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "strange"


@pytest.mark.parametrize(
    ("moment", "error", "match"),
    [
        (datetime(2025, 1, 1), ValueError, "the at of a Date needs a time zone"),  # noqa: DTZ001
        ("2025-01-01", TypeError, "the at of a Date is a datetime"),
        (EPOCH.date(), TypeError, "is a datetime"),
        (None, TypeError, "is a datetime"),
        (datetime(2025, 1, 1, tzinfo=Strange()), TypeError, "a ZoneInfo with a name"),
        (datetime.max.replace(tzinfo=UTC), ValueError, "years 2 to 9998"),
        (datetime.min.replace(tzinfo=BERLIN), ValueError, "years 2 to 9998"),
    ],
)
def test_wrong_moments(moment: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        Date(moment)
    assert "\n" not in str(caught.value)


def test_date_is_once() -> None:
    trigger = Date(at(5))
    assert since(trigger.times(at(4.999999))) == [5]
    assert trigger.next(at(5)) is None
    assert trigger.next(at(6)) is None


def test_date_in_the_repeated_hour() -> None:
    assert Date(SECOND_PASS).next(FIRST_PASS) is not None
    assert Date(FIRST_PASS).next(SECOND_PASS) is None


def test_date_that_a_clock_change_skips() -> None:
    skipped = datetime(2025, 3, 30, 2, 30, tzinfo=BERLIN)
    assert first(1, Date(skipped), EPOCH) == ["2025-03-30 03:30:00+02:00"]


# ---- aliases ------------------------------------------------------------------------------


def test_aliases() -> None:
    assert make_trigger("interval", seconds=7) == Interval(seconds=7)
    assert make_trigger("date", at=EPOCH) == Date(EPOCH)
    cron = make_trigger("cron", expression="0 0 * * *", timezone="Europe/Berlin")
    assert cron == Cron("0 0 * * *", ZoneInfo("Europe/Berlin"))
    assert make_trigger(cron) is cron


def test_wrong_aliases() -> None:
    for wrong in ("weekly", "", "any", "Interval"):
        with pytest.raises(ValueError, match=f"one of date, interval, cron, not '{wrong}'"):
            make_trigger(wrong)
    with pytest.raises(TypeError, match="sconds"):
        make_trigger("interval", sconds=7)
    with pytest.raises(TypeError, match="is ready, it takes no options: seconds"):
        make_trigger(Interval(seconds=5), seconds=7)
    with pytest.raises(TypeError, match="a Trigger or an alias, not 5"):
        make_trigger(5)  # type: ignore[arg-type]


# ---- a trigger of one's own ---------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Doubling(Trigger):
    """1, 2, 4, 8 ... times `unit` seconds after the epoch."""

    unit: float

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        all_of_them = (at(self.unit * 2**power) for power in range(20))
        return (time for time in all_of_them if time > after)


def test_a_trigger_of_ones_own_needs_no_more_than_times() -> None:
    trigger = Doubling(3)
    assert trigger == Doubling(3) != Doubling(4)
    assert pickle.loads(pickle.dumps(trigger)) == trigger
    assert replace(trigger, unit=4) == Doubling(4)
    assert trigger.next(at(6)) == at(12)
    assert trigger.count(at(3), at(24)) == (3, True)
    assert trigger.count(at(0), at(24), limit=2) == (2, False)
    assert trigger.anchored(EPOCH) is trigger
    assert since(islice(AnyOf(trigger, Date(at(4))).times(at(3)), 3)) == [4, 6, 12]
    assert due(trigger, at(0), at(7)).runs[0].at == at(6)
    for each in (trigger, AnyOf(trigger)):
        with pytest.raises(TypeError, match="Doubling can't be stored"):
            each.to_json()


class Unequal(Trigger):
    """No dataclass: nothing is known about what it holds."""

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        return iter(())


def test_a_trigger_that_is_no_dataclass_equals_itself_alone() -> None:
    one, other = Unequal(), Unequal()
    assert one != other
    assert len({one, other, one}) == 2
    assert repr(one) == "Unequal()"


# ---- the package --------------------------------------------------------------------------


def test_the_package_gives_what_it_names() -> None:
    assert {"Date", "Interval", "Cron", "AnyOf", "AllOf"} <= set(task_thread.app.__all__)
    for name in task_thread.app.__all__:
        here = getattr(task_thread.app, name)
        assert here is getattr(task_thread.app.triggers, name, here)
    assert dir(task_thread.app) == sorted(task_thread.app.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Kron'"):
        _ = task_thread.app.Kron
