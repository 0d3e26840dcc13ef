"""Keys in their order, of which some come and go all the time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

__all__ = ["SortedKeys"]

_MOST: Final = 1024  # keys in one row: what moves when one is put between others
_LEAST: Final = _MOST // 8  # a shorter row joins its neighbour


class SortedKeys:
    """A set of keys, in the order of their code points.

    The keys are in rows of up to some thousand, and ``_last`` has the last key of each row: with a
    million keys a new one moves a row and no more, wherever its place is.

    Ownership: whoever owns it; it has no lock.
    """

    __slots__ = ("_last", "_rows")

    def __init__(self) -> None:
        self._rows: list[list[str]] = []  # none is empty
        self._last: list[str] = []

    def add(self, key: str) -> None:
        """Put `key` in its place. It is not there yet."""
        if not self._rows:
            self._rows.append([key])
            self._last.append(key)
            return
        place = min(bisect_left(self._last, key), len(self._rows) - 1)
        row = self._rows[place]
        insort(row, key)
        if len(row) > _MOST:
            self._split(place)
        else:
            self._last[place] = row[-1]

    def remove(self, key: str) -> None:
        """Take `key` out.

        :raises KeyError: it is not there.
        """
        place = bisect_left(self._last, key)
        row = self._rows[place] if place < len(self._rows) else []
        index = bisect_left(row, key)
        if index == len(row) or row[index] != key:
            raise KeyError(key)
        del row[index]
        if len(row) < _LEAST:
            self._join(place)
        else:
            self._last[place] = row[-1]

    def since(self, start: str) -> Iterator[str]:
        """The keys from `start` on, which need not be there. Nothing may change meanwhile."""
        place = bisect_left(self._last, start)
        if place == len(self._rows):
            return
        row = self._rows[place]
        yield from row[bisect_left(row, start) :]
        for later in range(place + 1, len(self._rows)):
            yield from self._rows[later]

    def back_from(self, end: str | None) -> Iterator[str]:
        """The keys that come before `end`, the last one first; all where it is None. Nothing may
        change meanwhile."""
        place = len(self._rows)
        if end is not None:
            place = bisect_left(self._last, end)
            if place < len(self._rows):
                row = self._rows[place]
                yield from reversed(row[: bisect_left(row, end)])
        for earlier in range(place - 1, -1, -1):
            yield from reversed(self._rows[earlier])

    def _split(self, place: int) -> None:
        row = self._rows[place]
        middle = len(row) // 2
        self._rows[place : place + 1] = [row[:middle], row[middle:]]
        self._last[place : place + 1] = [row[middle - 1], row[-1]]

    def _join(self, place: int) -> None:
        """Put a row that has become short, or empty, to a neighbour, if there is room."""
        row = self._rows[place]
        for left in (place - 1, place):
            if left >= 0 and left + 1 < len(self._rows):
                both = self._rows[left] + self._rows[left + 1]
                if len(both) <= _MOST:
                    self._rows[left : left + 2] = [both]
                    self._last[left : left + 2] = [both[-1]]
                    return
        if row:
            self._last[place] = row[-1]
        else:
            del self._rows[place], self._last[place]
