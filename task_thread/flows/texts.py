"""What tasks take and give, as JSON text.

Held as text and read anew for each task that looks at it, so that a task sees the same whether the
process was restarted before it or not, and never what another one has done to a list that it was
given. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from sys import intern
from typing import Any, Final, cast

from task_thread.app.store import LARGEST_VALUE
from task_thread.errors import NotStorable
from task_thread.log import show

__all__ = ["NOTHING", "Results", "called_text", "digest_of", "given_text", "plain_text"]

NOTHING: Final = "{}"
"""The text of no keywords."""

_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_LONGEST: Final = LARGEST_VALUE // 2  # characters; the rest of the record is stored beside it
_PLAIN: Final = (str, int, float, bool, type(None))


def plain_text(value: object, what: str) -> str:
    """`value` as JSON text. A tuple becomes a list.

    :param what: whose value it is, for the message.
    :raises NotStorable: it is no JSON, or too large, or has a key that is no text, which JSON would
        make one.
    """
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind not in _PLAIN:
        _check_keys(value, what, 0)
    try:
        text = _encode(value)
    except Exception as error:  # of a subclass of dict, it runs what that defines
        raise NotStorable(f"{what} can't be stored as JSON ({error}): {show(value)}") from None
    if len(text) > _LONGEST:
        raise NotStorable(f"{what} takes {len(text)} characters of JSON; {_LONGEST} can be stored")
    return text


def given_text(args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str) -> str:
    """What a flow is submitted with, as JSON text.

    :raises NotStorable: it is no JSON.
    """
    if not args and not kwargs:
        return '{"args":[],"kwargs":{}}'
    return plain_text({"args": args, "kwargs": dict(kwargs)}, what)


def called_text(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """How many arguments there are, and which keywords: one text for all flows that are submitted
    in the same way."""
    return intern(_encode([len(args), list(kwargs)]))


def digest_of(given: str) -> str:
    """A few characters that stand for the arguments, in whatever order the keywords were."""
    canonical = json.dumps(json.loads(given), sort_keys=True)
    return sha256(canonical.encode()).hexdigest()[:16]


_DEEPEST: Final = 500  # levels; json gives up somewhat later


def _check_keys(value: Any, what: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise NotStorable(f"{what} can't be stored: it is nested too deeply")
    inside: Iterable[Any] = ()
    if isinstance(value, dict):
        pairs = cast("dict[object, Any]", value)
        for key in pairs:
            if not isinstance(key, str):
                raise NotStorable(
                    f"{what} can't be stored: {show(key)} is a key, and would come back as text"
                )
        inside = pairs.values()
    elif isinstance(value, list | tuple):
        inside = cast("Iterable[Any]", value)
    for each in inside:
        if type(each) not in _PLAIN:
            _check_keys(each, what, depth + 1)


class Results(Mapping[str, Any]):
    """Results by the keys of their tasks, each read from its text when it is asked for.

    Ownership: whoever it was made for; it is never changed.
    """

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, key: str) -> Any:
        try:
            text = self._texts[key]
        except KeyError:
            known = ", ".join(repr(each) for each in list(self._texts)[:_SHOWN]) or "none so far"
            raise KeyError(f"no result of {key!r}; there is: {known}") from None
        return json.loads(text)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"Results({dict(self)!r})"


_SHOWN: Final = 20
