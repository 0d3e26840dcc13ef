"""The control socket's protocol: what a line may be, and what stands in it. Pure.

One JSON object a line, UTF-8, ended by a newline, in both directions::

    {"v": 1, "id": 7, "do": "stop", "thread": "Gateway-1/Server-1", "timeout": 5}
    {"v": 1, "id": 7, "ok": true, "result": {"stopping": "Gateway-1/Server-1", "timeout": 5.0}}
    {"v": 1, "id": 8, "ok": false, "error": "no thread 'Serve-1' in this tree"}

The rules:

- Each line gets one reply, in order. ``id`` is given back as it came; it is null where there was
  none, or where the line could not be read.
- Whatever a line holds, reading it ends in a :class:`Request` or in a :class:`Refusal` of one line.
- What one side does not know, it refuses: a version, a thing to do, an argument, a key given twice.
  NaN and infinite numbers are no JSON.
- A reply is plain ASCII (everything else is escaped), so that any program reads it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

__all__ = [
    "COMMANDS",
    "LINE_LIMIT",
    "VERSION",
    "Refusal",
    "Request",
    "as_object",
    "encode",
    "failure",
    "parse",
    "success",
]

VERSION: Final = 1
"""The version of the protocol that this library speaks."""
LINE_LIMIT: Final = 64 * 1024
"""How many bytes a request's line may have, its newline included."""

_SHOWN: Final = 60  # characters of a value that an error repeats
_OWN_KEYS: Final = frozenset({"v", "id", "do"})


class Refusal(Exception):  # noqa: N818  # what happened, as all errors here
    """A request that gets an error for an answer.

    :ivar id: what the request had given as its id; None where that could not be read.
    """

    def __init__(self, message: str, id: object = None) -> None:  # the protocol's name
        super().__init__(message)
        self.id = id


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command: of which kind it is, in words, and how that is tested."""

    kind: str
    types: tuple[type, ...]
    fits: Callable[[Any], bool] | None = None

    def check(self, value: object) -> object:
        """`value`, if it is of that kind.

        :raises ValueError: it is not.
        """
        # A bool is an int in Python, and none in JSON.
        if type(value) not in self.types or (self.fits is not None and not self.fits(value)):
            raise ValueError(self.kind)
        if float in self.types and isinstance(value, (int, float)):
            return _seconds(value, self.kind)
        return value


def _seconds(value: float, kind: str) -> float:
    try:
        seconds = float(value)
    except OverflowError:
        raise ValueError(kind) from None
    if not 0 <= seconds < math.inf:
        raise ValueError(kind)
    return seconds


_TEXT: Final = Argument("a string", (str,))
_SECONDS: Final = Argument("a number of seconds, 0 or more", (int, float))
_FLAG: Final = Argument("true or false", (bool,))
_COUNT: Final = Argument("a whole number, 0 or more", (int,), lambda value: 0 <= value < 2**53)
_TEXTS: Final = Argument(
    "a list of strings", (list,), lambda value: all(isinstance(each, str) for each in value)
)
_VALUES: Final = Argument("a list", (list,))
_NAMED: Final = Argument("an object", (dict,))

COMMANDS: Final[Mapping[str, Mapping[str, Argument]]] = {
    "hello": {},
    "snapshot": {},
    "stacks": {"thread": _TEXT},
    "log-level": {"logger": _TEXT, "level": _TEXT},
    "stop": {"timeout": _SECONDS, "thread": _TEXT},
    "flows.list": {
        "app": _TEXT, "store": _TEXT, "states": _TEXTS, "routine": _TEXT, "ended": _FLAG,
        "limit": _COUNT, "skip": _COUNT,
    },
    "flows.show": {
        "app": _TEXT, "store": _TEXT, "flow": _TEXT, "first": _COUNT, "last": _COUNT,
    },
    "flows.submit": {
        "app": _TEXT, "store": _TEXT, "routine": _TEXT, "args": _VALUES, "kwargs": _NAMED,
        "key": _TEXT,
    },
    "flows.resume": {"app": _TEXT, "store": _TEXT, "flow": _TEXT, "kwargs": _NAMED},
    "flows.cancel": {"app": _TEXT, "store": _TEXT, "flow": _TEXT, "reason": _TEXT},
}  # fmt: skip
"""What may be asked for, and with which arguments. To the protocol all may be left out."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is well formed.

    :ivar id: whatever the client gave, to be given back.
    :ivar do: one of :data:`COMMANDS`.
    :ivar arguments: those that were given, each of its kind. null counts as not given.
    """

    id: object
    do: str
    arguments: Mapping[str, Any]


def parse(line: bytes) -> Request:
    """The request in `line`, with or without its newline.

    :raises Refusal: it holds none. Nothing else is raised, whatever the bytes are.
    """
    whole = _load(line)
    asked = whole.get("id")
    version = whole.get("v")
    if version != VERSION or isinstance(version, (bool, float)):
        told = f"version {_show(version)}" if "v" in whole else 'no version ("v")'
        raise Refusal(f"{told}: this daemon speaks version {VERSION}", asked)
    do = whole.get("do")
    if not isinstance(do, str) or do not in COMMANDS:
        told = f"can't do {_show(do)}" if "do" in whole else 'nothing to do ("do")'
        raise Refusal(f"{told}: there is {', '.join(COMMANDS)}", asked)
    return Request(asked, do, _arguments(do, whole, asked))


def _arguments(do: str, whole: dict[str, Any], asked: object) -> dict[str, Any]:
    known = COMMANDS[do]
    found: dict[str, Any] = {}
    for name, value in whole.items():
        if name in _OWN_KEYS:
            continue
        if name not in known:
            there = ", ".join(known) if known else "none"
            raise Refusal(f"{do} has no argument {_show(name)} (it has: {there})", asked)
        if value is None:
            continue
        try:
            found[name] = known[name].check(value)
        except ValueError as error:
            raise Refusal(f"{name} of {do} is {error}, not {_show(value)}", asked) from None
    return found


def _load(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(f"not UTF-8: byte {error.start} of the line") from None
    try:
        whole = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise Refusal(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Refusal("not read: nested too deeply") from None
    except ValueError as error:  # also a number of more digits than Python takes
        raise Refusal(f"not read: {str(error).partition(';')[0]}") from None
    found = as_object(whole)
    if found is None:
        raise Refusal(f"a request is a JSON object, not {_show(whole)}")
    return found


def as_object(value: object) -> dict[str, Any] | None:
    """`value` if it is a JSON object, that is a dict with strings for keys; else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {_show(twice)} is there twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _show(value: object) -> str:
    """`value` as JSON, in one line, cut short."""
    try:
        text = json.dumps(value)
    except (RecursionError, ValueError):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def success(id: object, result: object) -> bytes:  # the protocol's name
    """The reply line to a request that was done.

    :raises ValueError: `result` can't be said in JSON (a tree too deep, a float that is no number).
    """
    return encode({"v": VERSION, "id": id, "ok": True, "result": result})


def failure(id: object, message: str) -> bytes:  # the protocol's name
    """The reply line to a request that was refused. Never raises."""
    line = " ".join(message.split())
    try:
        return encode({"v": VERSION, "id": id, "ok": False, "error": line})
    except ValueError:  # an id nested so deeply that it could be read, and can't be written
        return encode({"v": VERSION, "id": None, "ok": False, "error": line})


def encode(whole: dict[str, Any]) -> bytes:
    """One line of JSON, in ASCII, with its newline.

    :raises ValueError: it can't be said in JSON.
    """
    try:
        return json.dumps(whole, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    except RecursionError:
        raise ValueError("nested too deeply") from None
