"""One task of a routine, in each of the ways in which somebody may say it. Pure."""

from __future__ import annotations

import reprlib
import unicodedata
from collections.abc import Mapping
from typing import Final, TypeAlias, cast

from task_thread.flows.flowtask import FlowTask
from task_thread.flows.importing import close_to, script_of

__all__ = ["Said", "check_line", "said", "shown"]

LINE_LENGTH: Final = 200
"""How many characters a key or a name may have."""

Said: TypeAlias = tuple[str | None, str | None, str | None]
"""Key, script and name as they were given; None for what was not."""

_FORMS: Final = (
    "'media.Download', ('key', 'media.Download', 'friendly name'), a dict with key, script and "
    "name, or a FlowTask class"
)
_FIELDS: Final = ("key", "script", "name")
_UNPRINTED: Final = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of a pair, line ends

_shortener: Final = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = 80


def check_line(what: str, text: object) -> str:
    """A key or a name, as plain text.

    :raises TypeError: it is no text.
    :raises ValueError: it is empty, longer than 200 characters, has a blank at an end, or a
        character that can't be stored or shown in a line.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is text, not {shown(text)}")
    plain = str.__str__(text)  # the text itself where it is a subclass
    if not plain:
        raise ValueError(f"{what} is text, and not empty")
    if len(plain) > LINE_LENGTH:
        raise ValueError(f"{what} has {LINE_LENGTH} characters at most, not {len(plain)}")
    if plain != plain.strip():
        raise ValueError(f"{what} has no blank at its ends: {plain!r}")
    for each in plain:
        if unicodedata.category(each) in _UNPRINTED:
            raise ValueError(f"{what} is a line of text, without {each!r}: {plain!r}")
    return plain


def said(spec: object) -> Said:
    """What was given of a row.

    :raises TypeError, ValueError: it is none of the forms; the message says why.
    :raises NotImportable: a class that no import string leads to.
    """
    if isinstance(spec, str):
        return None, _said_text("a task", spec), None
    if isinstance(spec, type):
        return None, script_of(spec), None
    if isinstance(spec, tuple):
        return _said_in_tuple(cast("tuple[object, ...]", spec))
    if isinstance(spec, Mapping):
        return _said_in_mapping(cast("Mapping[object, object]", spec))
    if isinstance(spec, FlowTask):
        raise TypeError(
            f"a task is given as its class, {type(spec).__qualname__}, and not as an instance: "
            "each call makes one of its own"
        )
    if isinstance(spec, list):
        raise TypeError(f"a task with its key is a tuple, not a list: {shown(cast(object, spec))}")
    raise TypeError(f"a task is {_FORMS}; not {shown(spec)}")


def _said_in_tuple(spec: tuple[object, ...]) -> Said:
    if not 1 <= len(spec) <= 3:
        raise ValueError(
            "a task is ('media.Download',), ('key', 'media.Download') or ('key', 'media.Download', "
            f"'friendly name'); not a tuple of {len(spec)}: {shown(spec)}"
        )
    if len(spec) == 1:
        return None, _said_script(spec[0]), None
    key = _said_text("a task's key", spec[0])
    return key, _said_script(spec[1]), _said_name(spec[2]) if len(spec) == 3 else None


def _said_in_mapping(spec: Mapping[object, object]) -> Said:
    for field in spec:
        if not isinstance(field, str):
            raise TypeError(f"a task's dict has the keys key, script, name; not {shown(field)}")
        if field not in _FIELDS:
            raise ValueError(
                f"a task's dict has the keys key, script, name; not {shown(field)}."
                f"{close_to(field, _FIELDS)}"
            )
    if "key" not in spec and "script" not in spec:
        raise ValueError(f"a task's dict says its script, or its key: {shown(spec)}")
    return (
        _said_text("a task's key", spec["key"]) if "key" in spec else None,
        _said_script(spec["script"]) if "script" in spec else None,
        _said_name(spec["name"]) if "name" in spec else None,
    )


def _said_script(script: object) -> str:
    if isinstance(script, type):
        return script_of(script)
    return _said_text("a task's script", script)


def _said_name(name: object) -> str | None:
    return _said_text("a task's name", name, empty=True) or None


def _said_text(what: str, text: object, *, empty: bool = False) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} is text, not {shown(text)}")
    if not text and not empty:
        raise ValueError(f"{what} is text, and not empty")
    return str.__str__(text)


def shown(value: object) -> str:
    """What was given, in short, whatever it is."""
    try:
        return _shortener.repr(value)
    except Exception:
        return f"<{type(value).__qualname__}>"
