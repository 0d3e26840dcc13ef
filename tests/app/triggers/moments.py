"""Moments for tests, short to write, and compared as moments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from task_thread.app.triggers import Luck, Trigger

BERLIN: Final = ZoneInfo("Europe/Berlin")
NEW_YORK: Final = ZoneInfo("America/New_York")
LORD_HOWE: Final = ZoneInfo("Australia/Lord_Howe")
EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def at(number: float) -> datetime:
    """So many seconds after the epoch of the tests."""
    return EPOCH + seconds(number)


def since(times: Iterable[datetime]) -> list[float]:
    """The other way round."""
    return [(time.astimezone(UTC) - EPOCH).total_seconds() for time in times]


def utc(times: Iterable[datetime]) -> list[datetime]:
    """In UTC: within one zone Python compares what the clock shows, and not the moment."""
    return [time.astimezone(UTC) for time in times]


def first(number: int, trigger: Trigger, after: datetime, luck: Luck | None = None) -> list[str]:
    """The first times as text: the offset tells the two passes of a repeated hour apart."""
    return [time.isoformat(" ") for time in islice(trigger.times(after, luck), number)]


def until(trigger: Trigger, after: datetime, end: datetime) -> list[datetime]:
    """All times up to and with `end`, in UTC."""
    end = end.astimezone(UTC)
    return list(takewhile(lambda time: time <= end, utc_each(trigger, after)))


def utc_each(trigger: Trigger, after: datetime) -> Iterable[datetime]:
    return (time.astimezone(UTC) for time in trigger.times(after))
