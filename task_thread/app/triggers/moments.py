"""Moments and time zones: what is taken, how it is compared, and how it is written down.

Two aware datetimes of the *same* zone are compared by Python as wall times: 02:45 comes before
03:15, though on the day of a clock change it may be the later of the two. So everything in here
is counted and compared in UTC, and turned into the trigger's zone at the very end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["aware", "moment_from", "moment_text", "until_the_calendar_ends", "zone_of", "zone_text"]

# The first and last year are left out: there a change of zones leaves the calendar.
_YEARS: Final = range(2, 9999)


def aware(moment: object, what: str) -> datetime:
    """`moment`, checked. A wall time that a clock change skips becomes the one shown instead.

    :param what: how the caller calls it, for the message.
    :raises TypeError: it is no datetime, or its zone is neither a ``ZoneInfo`` nor a ``timezone``.
    :raises ValueError: it has no time zone, or lies outside the years 2 to 9998.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{what} is a datetime, not {moment!r}")
    if moment.tzinfo is None:
        raise ValueError(
            f"{what} needs a time zone, {moment} has none: "
            "datetime(..., tzinfo=UTC) or tzinfo=ZoneInfo('Europe/Berlin')"
        )
    if moment.year not in _YEARS:
        raise ValueError(f"{what} lies in the years 2 to 9998: {moment}")
    # Only by way of UTC: within one zone astimezone() returns what it was given.
    return moment.astimezone(UTC).astimezone(zone_of(moment.tzinfo))


def zone_of(zone: object) -> tzinfo:
    """A time zone from its name, itself, or None for UTC.

    :raises TypeError: it is neither a name, nor a ``ZoneInfo`` with a name, nor a ``timezone``.
    :raises ValueError: no zone has that name.
    """
    if zone is None or (isinstance(zone, ZoneInfo) and zone.key == "UTC"):
        return UTC
    # A timezone with a name of its own, or a ZoneInfo without one, could not be written down.
    if isinstance(zone, timezone):
        return timezone(zone.utcoffset(None))
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone
    if not isinstance(zone, str):
        raise TypeError(f"a time zone is a name, a ZoneInfo with a name or a timezone: {zone!r}")
    try:
        return _by_name(zone)
    except (LookupError, OSError, ValueError):
        # OSError: "Europe" is a folder of the database.
        raise ValueError(
            f"unknown time zone {zone!r}: use a name as 'Europe/Berlin' (if the system has no "
            "tz database: pip install tzdata) or an offset as '+02:00'"
        ) from None


def _by_name(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name.startswith(("+", "-")):
        return zone_of(datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo)
    return ZoneInfo(name)


def zone_text(zone: tzinfo) -> str:
    """What :func:`zone_of` understands."""
    return zone.key if isinstance(zone, ZoneInfo) else str(zone).removeprefix("UTC") or "UTC"


def moment_text(moment: datetime) -> str:
    """ISO 8601 with the offset, and the name of the zone in brackets, as RFC 9557 has it."""
    named = isinstance(moment.tzinfo, ZoneInfo)
    return moment.isoformat() + (f"[{moment.tzinfo}]" if named else "")


def moment_from(text: object, what: str) -> datetime:
    """What :func:`moment_text` wrote. Offset and name: the offset says which moment it is.

    :raises ValueError: it is no such text.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what} is text, not {text!r}")
    stamp, bracket, name = text.partition("[")
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        raise ValueError(f"{what} is no moment: {text!r}") from None
    moment = aware(moment, what)
    return moment.astimezone(zone_of(name.removesuffix("]"))) if bracket else moment


def until_the_calendar_ends(moments: Iterator[datetime]) -> Iterator[datetime]:
    """The same moments; where the next one would lie past the year 9999 they end."""
    try:
        yield from moments
    except OverflowError:
        return
