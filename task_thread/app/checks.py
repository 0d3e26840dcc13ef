"""Checking what a user gives: one clear line at the caller, for each kind of value.

They take objects, whatever the annotations say: many callers use no type checker.
"""

from __future__ import annotations

import math

__all__ = ["check_seconds", "check_text", "check_whole", "check_word"]


def check_text(name: str, text: object, *, empty: bool = False) -> None:
    """:raises TypeError: it is no text. :raises ValueError: it is "", and may not be."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is text, not {text!r}")
    if not text and not empty:
        raise ValueError(f"{name} is text, and not empty")


def check_word(name: str, word: object, words: tuple[str, ...]) -> None:
    """:raises ValueError: it is none of the words."""
    if word not in words:
        raise ValueError(f"{name} is one of {', '.join(words)}, not {word!r}")


def check_whole(name: str, number: object, least: int | None) -> None:
    """:raises TypeError: it is no whole number. :raises ValueError: it is below `least`."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} is a whole number, not {number!r}")
    if least is not None and number < least:
        raise ValueError(f"{name} is a whole number from {least} on, not {number}")


def check_seconds(
    name: str, seconds: object, *, above: bool = False, optional: bool = True
) -> None:
    """:raises TypeError: it is no number. :raises ValueError: it is negative, or not finite; or 0,
    where it has to be `above` it."""
    if seconds is None and optional:
        return
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} is a number of seconds, not {seconds!r}")
    if not (seconds > 0 if above else seconds >= 0) or math.isinf(seconds):
        raise ValueError(f"{name} is seconds {'above' if above else 'from'} 0, not {seconds!r}")
