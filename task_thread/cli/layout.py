"""Columns that fit the terminal: the important ones whole, the long ones cut short. Pure.

Where all don't fit, columns that may shrink do, the widest first, down to their least width; then
those that may be left out are, the last one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

__all__ = ["Cell", "Column", "lay_out", "shorten"]

_GAP = 2  # spaces between two columns


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    :ivar title: what stands above it.
    :ivar right: whether it is set to the right, as numbers are.
    :ivar width: how wide it is at least, where there is room.
    :ivar least: how narrow it may become; None: never narrower than what stands in it.
    :ivar optional: whether it may be left out.
    :ivar keeps_end: whether what is cut off is the beginning, as of a path.
    """

    title: str
    right: bool = False
    width: int = 0
    least: int | None = None
    optional: bool = False
    keeps_end: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """Text and its style."""

    text: str
    style: str = ""


def shorten(text: str, width: int, unicode: bool, *, keeps_end: bool = False) -> str:
    """`text` in at most `width` cells of a terminal; what is cut off is marked."""
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    mark = "…" if unicode else "~"
    if keeps_end:
        end = set_cell_size(text[::-1], width - 1)[::-1].lstrip()
        return mark + end
    return set_cell_size(text, width - 1).rstrip() + mark


def lay_out(
    columns: Sequence[Column],
    lines: Sequence[Sequence[Cell]],
    width: int | None,
    unicode: bool,
    *,
    titles: bool = True,
) -> list[Text]:
    """The titles and `lines`, each as one line of text.

    :param width: cells of the terminal; None for as wide as it takes.
    :param unicode: whether more than ASCII may be written.
    """
    chosen = list(range(len(columns)))
    widths = [_natural(column, [line[at] for line in lines]) for at, column in enumerate(columns)]
    if width is not None:
        widths = _shrink(columns, widths, chosen, width)
    heads = [[Cell(column.title, "bold") for column in columns]] if titles else []
    shown = [columns[at] for at in chosen]
    return [
        _line(shown, [line[at] for at in chosen], [widths[at] for at in chosen], unicode)
        for line in [*heads, *lines]
    ]


def _natural(column: Column, cells: Sequence[Cell]) -> int:
    longest = max((cell_len(cell.text) for cell in cells), default=0)
    return max(column.width, cell_len(column.title), longest)


def _shrink(
    columns: Sequence[Column], natural: Sequence[int], chosen: list[int], room: int
) -> list[int]:
    """Widths that fit, of the columns `chosen`; some of those are taken out for it."""
    widths = list(natural)
    while True:
        excess = sum(widths[at] for at in chosen) + _GAP * (len(chosen) - 1) - room
        if excess <= 0:
            return widths
        able = {at: least for at in chosen if (least := columns[at].least) is not None}
        able = {at: least for at, least in able.items() if widths[at] > least}
        if able:
            widest = max(able, key=lambda at: widths[at])
            others = [widths[at] for at in able if widths[at] < widths[widest]]
            floor = max([able[widest], *others])
            widths[widest] = max(floor, widths[widest] - excess)
            continue
        extra = [at for at in chosen if columns[at].optional]
        if not extra:
            return widths
        chosen.remove(extra[-1])
        widths = list(natural)  # perhaps the others need not shrink so much now


def _line(
    columns: Sequence[Column], cells: Sequence[Cell], widths: Sequence[int], unicode: bool
) -> Text:
    line = Text(no_wrap=True, overflow="crop")
    for column, cell, width in zip(columns, cells, widths, strict=True):
        if line:
            line.append(" " * _GAP)
        text = shorten(cell.text, width, unicode, keeps_end=column.keeps_end)
        space = " " * (width - cell_len(text))
        line.append(space if column.right else "")
        line.append(text, cell.style)
        line.append("" if column.right else space)
    line.rstrip()
    return line
