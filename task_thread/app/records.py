"""What is written down of runs and schedules: JSON, with a version.

Pure: a run's state in, bytes out, and back. A record of a later version is refused, one that
can't be read is reported and left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypedDict, get_args

from task_thread.app.store import LARGEST_VALUE
from task_thread.app.words import ExecutorName, RunStatus
from task_thread.errors import NotStorable, StoreTooNew
from task_thread.log import show

__all__ = [
    "RUN",
    "SCHEDULE",
    "VERSION",
    "Fields",
    "RunRecord",
    "ScheduleRecord",
    "call_text",
    "check_storable",
    "from_bytes",
    "is_a",
    "is_count",
    "is_time",
    "moment",
    "stamp",
    "to_bytes",
]

VERSION: Final = 1
RUN: Final = "run"
SCHEDULE: Final = "schedule"


class RunRecord(TypedDict):
    """A run, as it is stored. Times are seconds since 1970, UTC; 0 for none."""

    v: int
    task: str
    name: str
    executor: ExecutorName
    args: list[Any]
    kwargs: dict[str, Any]
    priority: int
    status: str
    attempt: int
    starts: int
    queued: float
    started: float
    ended: float
    not_before: float
    due: float
    stands_for: int
    result: Any
    returned: Any
    error: str
    traceback: str


class ScheduleRecord(TypedDict):
    """A schedule, as it is stored.

    ``declared`` is the trigger as the program declares it, ``said`` what it was changed to since,
    if it was, and ``trigger`` the same with its beginning.
    """

    v: int
    base: str | None
    fn: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    declared: Any
    said: Any
    trigger: Any
    until: float
    paused: bool
    options: dict[str, Any]


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_MOST_OF_A_CALL: Final = LARGEST_VALUE // 2  # bytes; what comes of the run is stored beside it


def to_bytes(record: Mapping[str, Any], what: object, call: str = "") -> bytes:
    """A record as it is stored.

    :param record: a RunRecord without ``args`` and ``kwargs``, or a ScheduleRecord.
    :param call: those two, as :func:`call_text` gave them.
    :raises NotStorable: something in it is no JSON, or it is too large; `what` says of what in the
        message.
    """
    try:
        text = _encode(record)
    except Exception as error:  # of a subclass of dict, it runs what that defines
        raise NotStorable(f"{what} can't be stored: {error}") from None
    if len(text) + len(call) >= LARGEST_VALUE:
        raise NotStorable(f"{what} can't be stored: it takes {len(text)} bytes of JSON")
    return (f"{{{call},{text[1:]}" if call else text).encode()


def call_text(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """What a run is called with, for its record.

    :raises NotStorable: it is no JSON, or too large.
    """
    try:
        text = f'"args":{_encode(args)},"kwargs":{_encode(kwargs)}'
    except Exception as error:
        raise NotStorable(f"its arguments can't be stored as JSON ({error})") from None
    if len(text) > _MOST_OF_A_CALL:
        raise NotStorable(f"its arguments take {len(text)} bytes of JSON")
    return text


Fields = Mapping[str, Callable[[Any], bool]]
"""The fields that a record has to have, each with what says whether a value fits."""


def from_bytes(kind: str, key: str, value: bytes, fields: Fields | None = None) -> Any:
    """The record: a RunRecord or a ScheduleRecord, each field of the type that it has there.

    :param fields: those of other kinds of records, whose layer knows them.
    :raises StoreTooNew: a later version wrote it.
    :raises NotStorable: it is none.
    """
    what = f"{kind} {key}"
    try:
        record = json.loads(value)
        version = record["v"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotStorable(f"{what} can't be read ({error!r}): {show(value)}") from None
    if type(version) is not int or version < 1:
        raise NotStorable(f"{what} has no version that there was: {show(version)}")
    if version > VERSION:
        raise StoreTooNew(
            f"{what} was written by a later version ({version}, this one knows {VERSION}): "
            "install that one again"
        )
    for name, fits in (_FIELDS[kind] if fields is None else fields).items():
        if name not in record or not fits(record[name]):
            raise NotStorable(f"{what} can't be read ({name}): {show(value)}")
    return record


def is_a(*kinds: type) -> Callable[[Any], bool]:
    """Says whether a value is of one of these types."""
    return lambda value: type(value) in kinds


def is_time(value: Any) -> bool:
    """Whether it is seconds since 1970, before the year 9999."""
    return type(value) in (int, float) and 0 <= value < _LAST_TIME


def is_count(value: Any) -> bool:
    """Whether it is a whole number from 0 on."""
    return type(value) is int and value >= 0


_LAST_TIME: Final = 253_402_300_000  # in the year 9999
_FIELDS: Final[dict[str, dict[str, Callable[[Any], bool]]]] = {
    RUN: {
        "task": is_a(str), "name": is_a(str),
        "executor": lambda value: value in get_args(ExecutorName),
        "args": is_a(list), "kwargs": is_a(dict), "priority": is_a(int),
        "status": lambda value: isinstance(value, str) and value in set(RunStatus),
        "attempt": is_count,
        "starts": is_count, "queued": is_time, "started": is_time, "ended": is_time,
        "not_before": is_time, "due": is_time, "stands_for": is_count,
        "result": lambda _: True, "returned": lambda _: True, "error": is_a(str),
        "traceback": is_a(str),
    },
    SCHEDULE: {
        "base": is_a(str, type(None)), "fn": is_a(str, type(None)), "args": is_a(list),
        "kwargs": is_a(dict), "declared": is_a(dict, type(None)), "said": is_a(dict),
        "trigger": is_a(dict),
        "until": is_time, "paused": is_a(bool), "options": is_a(dict),
    },
}  # fmt: skip


def check_storable(args: tuple[Any, ...], kwargs: dict[str, Any], what: str) -> str:
    """Check that the arguments come back from a store as what they are.

    :returns: their :func:`call_text`.
    :raises NotStorable: they would not.
    """
    try:
        text = call_text(args, kwargs)
    except NotStorable as error:
        raise NotStorable(
            f"{what}: {error}; give plain values, or make the task durable=False"
        ) from None
    for value in (*args, *kwargs.values()):
        _check_faithful(value, what)
    return text


_PLAIN: Final = (str, int, float, bool, type(None))


def _check_faithful(value: object, what: str) -> None:
    """A tuple or a key that is no text is JSON, but comes back as something else."""
    kind: type[Any] = type(value)
    inside: Any = value
    if kind in _PLAIN:
        return
    if kind is list:
        for each in inside:
            _check_faithful(each, what)
        return
    if kind is dict and all(type(key) is str for key in inside):
        for each in inside.values():
            _check_faithful(each, what)
        return
    raise NotStorable(
        f"{what}: {show(value)} would come back from the store as something else; give text, "
        "numbers, True, False, None, lists, and dicts with text as keys"
    )


def stamp(time: datetime | None) -> float:
    """Seconds since 1970; 0 for none."""
    return 0.0 if time is None else time.timestamp()


def moment(seconds: float) -> datetime | None:
    """The moment, in UTC; None for 0."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
