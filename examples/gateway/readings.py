"""What a payload means: readings, and snapshots made of several readings. Pure.

A payload is a JSON object in UTF-8::

    {"sensor": "cpu", "time": 1767225600.25, "value": 12.5}

=========  =====================================================================================
sensor     1 to 64 printable characters
time       when it was measured: seconds since 1970 in UTC, finite and not negative
value      a finite number
=========  =====================================================================================

Readings that belong together (all that was measured at one instant) may be sent as a snapshot:
each of its frames has these three fields as well, or none of them.

=========  =====================================================================================
snapshot   its name: 1 to 64 printable characters; may be used again after the snapshot is whole
part       which part this frame is, from 1 to `parts`; in any order
parts      how many parts the snapshot has, 1 to 256
=========  =====================================================================================

Nobody sees half a snapshot: its readings are passed on together, ordered by part, when the last
of them has come. Other fields are ignored.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_NAME",
    "MAX_OPEN",
    "MAX_PARTS",
    "Assembly",
    "Place",
    "PayloadError",
    "Row",
    "encode_payload",
    "parse",
]

MAX_NAME = 64
"""The longest name of a sensor or a snapshot, in characters."""
MAX_PARTS = 256
"""The most parts that a snapshot may have."""
MAX_OPEN = 16
"""The most snapshots that one connection may have begun and not completed."""

Row: TypeAlias = tuple[str, float, float]
"""A checked reading: sensor, time (seconds since 1970, UTC), value."""


class Place(NamedTuple):
    """The place of a reading in its snapshot; `number` counts from 1."""

    snapshot: str
    number: int
    parts: int


class PayloadError(ValueError):
    """A payload breaks the rules above.

    :ivar kind: "not JSON", "wrong fields" or "snapshot": for counting.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def encode_payload(sensor: str, time: float, value: float, place: Place | None = None) -> bytes:
    """A payload for one reading. The other end checks it, this one doesn't."""
    fields: dict[str, object] = {"sensor": sensor, "time": time, "value": value}
    if place is not None:
        fields |= {"snapshot": place.snapshot, "part": place.number, "parts": place.parts}
    return json.dumps(fields, separators=(",", ":")).encode()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# One decoder for all: json.loads with an argument would build a new one for every payload.
_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def parse(payload: bytes) -> tuple[Row, Place | None]:
    """Check one payload.

    :returns: the reading, and its place in a snapshot (None: it stands alone).
    :raises PayloadError: says what is wrong with it.
    """
    try:
        fields: dict[str, Any] = _decode(payload.decode())
    except (ValueError, RecursionError) as error:  # thousands of open brackets fit in a frame
        raise PayloadError("not JSON", f"not JSON: {error}") from None
    if type(fields) is not dict:
        raise PayloadError("wrong fields", f"a JSON object is wanted, not {_shorten(fields)}")
    sensor, time, value = fields.get("sensor"), fields.get("time"), fields.get("value")
    # The usual case in one glance; what it turns down is looked at more closely.
    if not (
        type(sensor) is str
        and 0 < len(sensor) <= MAX_NAME
        and sensor.isprintable()
        and type(time) is float
        and type(value) is float
        and isfinite(value)
        and 0 <= time < float("inf")
    ):
        sensor = _name(fields, "sensor")
        time, value = _number(fields, "time"), _number(fields, "value")
        if time < 0:
            raise PayloadError("wrong fields", f"time is before 1970: {time!r}")
    place = _place(fields) if len(fields) > 3 else None
    return (sensor, time, value), place


class Assembly:
    """The snapshots that one connection has begun."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, dict[int, Row]]] = {}

    @property
    def waiting(self) -> int:
        """How many readings are held back, because their snapshots lack parts."""
        return sum(len(rows) for _, rows in self._open.values())

    def add(self, row: Row, place: Place) -> list[Row]:
        """Put a reading in its place.

        :returns: all rows of its snapshot, ordered by part, if this was the last one missing;
            nothing otherwise.
        :raises PayloadError: the part is there already, disagrees about how many there are, or
            too many snapshots are open.
        """
        name, number, parts = place
        if name not in self._open:
            if len(self._open) >= MAX_OPEN:
                raise PayloadError("snapshot", f"more than {MAX_OPEN} unfinished snapshots")
            self._open[name] = parts, {}
        expected, rows = self._open[name]
        if parts != expected:
            raise PayloadError("snapshot", f"{name!r} has {expected} parts, and then {parts}")
        if number in rows:
            raise PayloadError("snapshot", f"part {number} of {name!r} came twice")
        rows[number] = row
        if len(rows) < parts:
            return []
        del self._open[name]
        return [rows[number] for number in range(1, parts + 1)]


def _name(fields: Mapping[str, Any], field: str) -> str:
    name = _get(fields, field)
    if type(name) is not str or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise _wrong(field, f"1 to {MAX_NAME} printable characters", name)
    return name


def _number(fields: Mapping[str, Any], field: str) -> float:
    number = _get(fields, field)
    if type(number) is not float and type(number) is not int:  # True is an int, and no number
        raise _wrong(field, "a number", number)
    try:
        number = float(number)
    except OverflowError:
        raise _wrong(field, "a number that a float can hold", number) from None
    if not isfinite(number):
        raise _wrong(field, "a finite number", number)
    return number


def _place(fields: Mapping[str, Any]) -> Place | None:
    if not fields.keys() & {"snapshot", "part", "parts"}:
        return None
    name = _name(fields, "snapshot")
    number, parts = _get(fields, "part"), _get(fields, "parts")
    if type(parts) is not int or not 1 <= parts <= MAX_PARTS:
        raise _wrong("parts", f"a whole number from 1 to {MAX_PARTS}", parts)
    if type(number) is not int or not 1 <= number <= parts:
        raise _wrong("part", f"a whole number from 1 to {parts}", number)
    return Place(name, number, parts)


def _get(fields: Mapping[str, Any], field: str) -> Any:
    try:
        return fields[field]
    except KeyError:
        raise PayloadError("wrong fields", f"no field {field!r}") from None


def _wrong(field: str, wanted: str, found: object) -> PayloadError:
    return PayloadError("wrong fields", f"{field}: {wanted} is wanted, not {_shorten(found)}")


def _shorten(found: object) -> str:
    try:
        text = repr(found)
    except (ValueError, RecursionError):  # an int of too many digits, a list of too many lists
        return f"a very long {type(found).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
