"""How far a run is, as it says itself."""

from __future__ import annotations

from collections.abc import Sized
from typing import Final, NamedTuple

__all__ = ["NO_PROGRESS", "Progress", "total_of"]


class Progress(NamedTuple):
    """So much `done` of `total` (None: nobody knows), and a note for people."""

    done: float = 0
    total: float | None = None
    note: str = ""

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where nobody knows."""
        if self.total is None or self.total <= 0:
            return None
        return min(1.0, max(0.0, self.done / self.total))


NO_PROGRESS: Final = Progress()
"""Nothing was reported yet."""


def total_of(things: object, total: float | None) -> float | None:
    """`total` if it was given, else how many `things` there are, if they know."""
    if total is None and isinstance(things, Sized):
        return len(things)
    return total
