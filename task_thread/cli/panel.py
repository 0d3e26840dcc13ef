"""What ``top`` shows of the TaskApps: a line for each with its queues, then its runs. Pure.

From top to bottom: the titles; for each app one line, and below it a bar for each of its runs, as
many as there is room for. Room is dealt out one line to each app in turn, so that an app with many
runs takes none from one with few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.text import Text

from task_thread.cli.apps import App, Lane, UnderWay
from task_thread.cli.layout import Cell, Column, lay_out, shorten
from task_thread.cli.text import count, duration, rate
from task_thread.cli.threads import Row, Speed

__all__ = ["bar", "panel", "wanted"]

_EXECUTORS: Final = ("loop", "thread", "process")
_APPS: Final = [
    Column("APP", width=14, least=8),
    Column("RUNS/S", right=True),
    Column("LOOP", right=True, width=7, optional=True),
    Column("THREAD", right=True, width=7),
    Column("PROCESS", right=True),
    Column("DELAYED", right=True, optional=True),
    Column("SCHED", right=True, optional=True),
    Column("FAILED", right=True),
    Column("MISSED", right=True, optional=True),
    Column("ENDED", right=True, optional=True),
]
_BAR: Final = 20  # cells
_RUNS: Final = [
    Column("", width=14, least=18),
    Column("", width=_BAR, optional=True),
    Column("", right=True, width=4),
    Column("", right=True, width=5, optional=True),
    Column("", right=True, width=3),
    Column("", least=8, optional=True),
]


def wanted(apps: Sequence[Row]) -> int:
    """How many lines the whole picture of the threads `apps` has."""
    found = [row.app for row in apps if row.app is not None]
    return 1 + sum(1 + _below(app) for app in found) if found else 0


def panel(
    apps: Sequence[Row],
    speeds: Mapping[tuple[str, int], Speed],
    width: int | None,
    height: int,
    unicode: bool,
) -> list[Text]:
    """The picture of the threads `apps`, which are TaskApps: at most `height` lines.

    :param width: cells of the terminal; None for as wide as it takes.
    """
    found = [(row, row.app) for row in apps if row.app is not None]
    if not found or height < 2:
        return []
    shown = found if len(found) < height else found[: height - 2]
    heads = [_head(row, app, speeds.get(row.key, Speed())) for row, app in shown]
    titles, *told = lay_out(_APPS, heads, width, unicode)
    below = _runs([app for _, app in shown], height - 1 - len(shown), width, unicode)
    lines = [titles]
    if len(shown) < len(found):
        more = f"... {len(found) - len(shown)} more apps"
        return [*lines, *told, _dim(more, width, unicode)]
    for head, runs in zip(told, below, strict=True):
        lines += [head, *runs]
    return lines


def _head(row: Row, app: App, speed: Speed) -> list[Cell]:
    lanes = {lane.executor: lane for lane in app.lanes}
    failed = app.ended.get("failed", 0)
    missed = app.ended.get("missed", 0) + app.ended.get("skipped", 0)
    return [
        Cell(row.id, "bold"),
        Cell(rate(speed.runs)),
        *(_lane(lanes.get(executor)) for executor in _EXECUTORS),
        Cell(count(app.delayed), "" if app.delayed else "dim"),
        Cell(count(app.scheduled), "" if app.scheduled else "dim"),
        Cell(count(failed), "red" if failed else "dim"),
        Cell(count(missed), "yellow" if missed else "dim"),
        Cell(count(app.all_ended)),
    ]


def _lane(lane: Lane | None) -> Cell:
    """How many run, for how many there is room, and how many wait."""
    if lane is None:
        return Cell("-", "dim")
    waiting = f" +{count(lane.queued)}" if lane.queued else ""
    style = "yellow" if lane.queued else "" if lane.running else "dim"
    return Cell(f"{count(lane.running)}/{count(lane.size)}{waiting}", style)


# ---- the runs -----------------------------------------------------------------------------------


def _runs(apps: Sequence[App], room: int, width: int | None, unicode: bool) -> list[list[Text]]:
    """The lines below each app, `room` for all of them together."""
    shares = _deal([_below(app) for app in apps], room)
    told = [
        app.runs if share == _below(app) else app.runs[: max(0, share - 1)]
        for app, share in zip(apps, shares, strict=True)
    ]
    # All at once, so that the bars of all apps stand below one another.
    cells = [_cells(run, unicode) for runs in told for run in runs]
    bars = iter(lay_out(_RUNS, cells, width, unicode, titles=False))
    lines: list[list[Text]] = []
    for app, share, runs in zip(apps, shares, told, strict=True):
        mine = [next(bars) for _ in runs]
        if len(mine) < share:
            more = max(app.running, len(app.runs)) - len(mine)
            mine.append(_dim(f"  ... {more} more", width, unicode))
        lines.append(mine)
    return lines


def _below(app: App) -> int:
    """How many lines there are to an app's runs: those that are told of, and one for others."""
    return len(app.runs) + (app.running > len(app.runs))


def _deal(wishes: Sequence[int], room: int) -> list[int]:
    """Who gets how much of `room`: one each in turn, until nobody wants more or it is used up."""
    given = [0] * len(wishes)
    while room > 0 and given != list(wishes):
        for at, wish in enumerate(wishes):
            if given[at] < wish and room > 0:
                given[at] += 1
                room -= 1
    return given


def _cells(run: UnderWay, unicode: bool) -> list[Cell]:
    note = f"attempt {run.attempt}" if run.attempt > 1 else ""
    note += ", " * bool(note and run.note) + run.note
    return [
        Cell(f"  {run.task}"),
        Cell("" if run.share is None else bar(run.share, _BAR, unicode), "green"),
        Cell("" if run.share is None else f"{int(run.share * 100)}%"),
        Cell(_progress(run)),
        Cell(duration(run.seconds)),
        Cell(note, "dim"),
    ]


def _progress(run: UnderWay) -> str:
    if run.done is None or (run.total is None and run.done == 0):
        return ""  # it has said nothing
    return count(run.done) + ("" if run.total is None else f"/{count(run.total)}")


def bar(share: float, width: int, unicode: bool) -> str:
    """A bar of `width` cells that is full when `share` is 1, and not before."""
    full = int(share * width)
    on, off = ("━", "─") if unicode else ("#", ".")
    return on * full + off * (width - full)


def _dim(text: str, width: int | None, unicode: bool) -> Text:
    shown = text if width is None else shorten(text, width, unicode)
    return Text(shown, style="dim", no_wrap=True)
