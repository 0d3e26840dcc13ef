"""Tables: for the terminal, and for docs/performance.md."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .figures import Row, bound, number, rows
from .measuring import FREE_PYTHON_VARIABLE, REPOSITORY, free_threaded_version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .model import Results

PAGE = REPOSITORY / "docs" / "performance.md"
BEGIN = "<!-- bench:begin {} -->"
END = "<!-- bench:end {} -->"
HEADINGS = ("Benchmark", "Contender", "Median", "Lowest to highest", "Ours / it", "Target", "Met")


class PageError(Exception):
    """The page isn't there, or lacks its marker lines."""


def row_cells(row: Row, unit: str) -> tuple[str, ...]:
    """One contender's cells, from its name to whether the target is met."""
    span = ""
    if row.lowest is not None and row.highest is not None:
        span = f"{number(row.lowest, unit)} to {number(row.highest, unit)}"
    target, met = "", ""
    if row.verdict is not None:
        target = bound(row.verdict.target, unit)
        met = {None: "", True: "yes", False: "no"}[row.verdict.met]
    middle = "" if row.middle is None else number(row.middle, unit)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return row.name, middle, span, ratio, target, met


def plain(results: Results) -> str:
    """One benchmark for a terminal: columns aligned, what is missing at the end of its line."""
    benchmark = results.benchmark
    found = rows(results)
    lines = [HEADINGS[1:], *(row_cells(row, benchmark.unit) for row in found)]
    remarks = ["", *(row.remark for row in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [f"{benchmark.name}: {benchmark.title} ({benchmark.unit})"]
    for line, remark in zip(lines, remarks, strict=True):
        aligned = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        text.append("  ".join(["", *aligned, remark]).rstrip())
    return "\n".join(text)


def markdown(everything: Iterable[Results], *, section: str, rounds: int) -> str:
    """The table of a section, with where, when and how it was measured."""
    free = free_threaded_version()
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} (UTC) on {machine()}; rounds: {rounds}.",
        *([f"Without the GIL: {free}."] if free is not None else []),
        f"Repeat it with `make bench ARGS='--section {section} --rounds {rounds} --write'`;",
        f"{FREE_PYTHON_VARIABLE} names the CPython without the GIL.",
        "",
        markdown_line(HEADINGS),
        markdown_line(["---"] * len(HEADINGS)),
    ]
    for results in everything:
        lines += markdown_lines(results)
    return "\n".join(lines)


def markdown_lines(results: Results) -> list[str]:
    """The table's lines for one benchmark; its title stands in the first line alone."""
    benchmark = results.benchmark
    first = f"{benchmark.title} ({benchmark.unit})"
    lines = []
    for row in rows(results):
        name, middle, *rest = row_cells(row, benchmark.unit)
        what = row.remark if row.middle is None else middle
        lines.append(markdown_line([first, name, what, *rest]))
        first = ""
    return lines


def markdown_line(line: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"


def machine() -> str:
    """What kind of machine this is: cores, system, interpreter."""
    cores = os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} cores, {system}, {version}"


def write_page(section: str, table: str, page: Path = PAGE) -> None:
    """Put the table between the page's marker lines of that section.

    :raises PageError: where there is no such page, or a marker line is missing.
    """
    first, last = BEGIN.format(section), END.format(section)
    if not page.exists():
        raise PageError(f"{page.name} isn't there: create it with the lines {first} and {last}")
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise PageError(f"{page.name} lacks the line {first} or, after it, the line {last}")
    page.write_text(f"{before}{first}\n{table}\n{last}{after}", encoding="utf-8")
