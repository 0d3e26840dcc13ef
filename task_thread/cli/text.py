"""Numbers, times and names as people read them. Pure.

What a daemon says is shown on a terminal, which obeys control characters: none of them gets
through :func:`clean`.
"""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from typing import Final

__all__ = ["clean", "count", "duration", "lag", "one_line", "rate"]

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_STEPS: Final = ("", "k", "M", "G", "T")


def clean(text: str) -> str:
    """`text` without control characters: they, and what turns the direction of writing, are shown
    as escapes. Line breaks stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in _HIDDEN else _escape(char)
        for char in text
    )


_HIDDEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(text: str) -> str:
    """`text`, cleaned, in one line."""
    return clean(" ".join(text.split()))


def duration(seconds: float) -> str:
    """A time in its two largest units: "7s", "3m05s", "2h03m", "5d04h"."""
    if not 0 <= seconds < math.inf:
        return "?"
    whole = int(seconds)
    for (unit, size), (smaller, part) in pairwise(_UNITS):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02}{smaller}"
    return f"{whole}s"


def lag(seconds: float) -> str:
    """How late a loop is: "0.3ms", "12ms", "1.2s", "3m05s"."""
    if not 0 <= seconds < math.inf:
        return "?"
    if seconds >= 60:
        return duration(seconds)
    if seconds >= 0.9995:
        return f"{seconds:.1f}s"
    return f"{seconds * 1000:.0f}ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f}ms"


def count(number: float) -> str:
    """A number in at most five characters: "0", "999", "1.2k", "34k", "5.6M"."""
    for step in _STEPS:
        if abs(number) < 9.95 and step:
            return f"{number:.1f}{step}"
        if abs(number) < 999.5:
            return f"{number:.0f}{step}"
        number /= 1000
    return "huge"


def rate(per_second: float | None) -> str:
    """Events a second: "0", "0.3", "12", "1.2k"; "-" where it is not known yet."""
    if per_second is None:
        return "-"
    if 0 < per_second < 9.95:
        return f"{max(per_second, 0.1):.1f}"
    return count(per_second)
