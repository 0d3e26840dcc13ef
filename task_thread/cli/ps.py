"""``task-thread ps``: the daemons that run; or one daemon's threads, one a line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from task_thread.cli.daemons import (
    DAEMON_HELP,
    AsJson,
    asking,
    can_unicode,
    console,
    fail,
    print_json,
    print_lines,
    say,
    width_of,
)
from task_thread.cli.layout import Cell, Column, lay_out
from task_thread.cli.text import clean, count, duration, lag, one_line
from task_thread.cli.threads import DOWN, Row, rows
from task_thread.errors import ControlError
from task_thread.monitor.client import ControlClient
from task_thread.monitor.finding import Running, look
from task_thread.monitor.places import SUFFIX

__all__ = ["STATE_STYLES", "inbox_cell", "lag_cell", "ps", "state_cell"]

STATE_STYLES: Final = {
    "running": "green",
    "starting": "cyan",
    "stopping": "yellow",
    "restarting": "bold yellow",
    "crashed": "bold red",
    "abandoned": "bold red",
}
"""How a state's word is shown; "stopped" and others as they are."""

_DAEMONS: Final = [
    Column("DAEMON", least=12),
    Column("PID", right=True),
    Column("UP", right=True),
    Column("STATE"),
    Column("THREADS", right=True),
    Column("RESTARTS", right=True, optional=True),
    Column("ROOT", least=8, optional=True),
    Column("VERSION", optional=True),
]
_THREADS: Final = [
    Column("THREAD", least=18, keeps_end=True),
    Column("STATE"),
    Column("UP", right=True, optional=True),
    Column("GEN", right=True, optional=True),
    Column("INBOX", right=True),
    Column("HANDLED", right=True),
    Column("DEAD", right=True, optional=True),
    Column("LAG", right=True, optional=True),
    Column("TASKS", right=True, optional=True),
    Column("LAST ERROR", least=12),
]
_RUNS: Final = [
    Column("RUNS", right=True),
    Column("QUEUED", right=True),
    Column("ENDED", right=True, optional=True),
    Column("FAILED", right=True, optional=True),
]
_BEFORE_RUNS: Final = 6  # columns of _THREADS


def ps(
    daemon: Annotated[
        str | None,
        typer.Argument(
            metavar="DAEMON", help=f"{DAEMON_HELP} Left out: all of them.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the daemons that run; or the threads of one.

    Without DAEMON: one line for each daemon of yours that answers. With it: one line for each of
    its threads, parents first, with the path by which other commands call it; where there is a
    TaskApp, with its runs: under way, queued, ended, failed.

    **Examples**

        $ task-thread ps

        $ task-thread ps gateway

        $ task-thread ps gateway --json | jq '.[] | select(.restarts > 0) | .path'
    """
    if daemon is None:
        _daemons(as_json)
        return
    with asking(daemon) as client:
        snapshot = client.call("snapshot")
        found = rows(snapshot)
        if as_json:
            print_json(list(_flat(snapshot)))
            return
    _print(*_table(found))


# ---- daemons ------------------------------------------------------------------------------


def _daemons(as_json: bool) -> None:
    try:
        found = look()
    except ControlError as error:
        fail(str(error))
    answering = [each for each in found if isinstance(each, Running)]
    if as_json:
        print_json([{**each.hello, "socket": str(each.path)} for each in answering])
    elif answering:
        _print(_DAEMONS, [_daemon_line(each) for each in answering])
    else:
        say("no daemon runs")
    for path in found:
        if not isinstance(path, Running):
            say(f"{path}: somebody listens there, and does not answer as a daemon does")


def _daemon_line(daemon: Running) -> list[Cell]:
    hello = daemon.hello
    try:
        with ControlClient(daemon.path) as client:
            found: list[Row] = rows(client.call("snapshot"))
    except ControlError:  # it ends just now
        found = []
    return [
        Cell(clean(daemon.path.name.removesuffix(SUFFIX)), "bold"),
        Cell(one_line(str(hello.get("pid", "?")))),
        Cell(duration(_since(hello.get("started")))),
        state_cell(found[0]) if found else Cell("?"),
        Cell(str(len(found)) if found else "?"),
        Cell(count(sum(row.restarts for row in found)) if found else "?"),
        Cell(one_line(str(hello.get("root", "?")))),
        Cell(one_line(str(hello.get("version", "?")))),
    ]


def _since(started: object) -> float:
    """Seconds since a time in ISO 8601; -1 where it is none."""
    try:
        then = datetime.fromisoformat(str(started))
        return max(0.0, (datetime.now(UTC) - then).total_seconds())
    except (TypeError, ValueError):  # TypeError: it has no time zone
        return -1.0


# ---- threads ------------------------------------------------------------------------------


def _flat(snapshot: Any) -> list[dict[str, Any]]:
    """The threads of a snapshot, each without its children."""
    found: list[dict[str, Any]] = []
    waiting = [snapshot]
    while waiting:
        node = waiting.pop()
        found.append({key: value for key, value in node.items() if key != "children"})
        waiting.extend(reversed(node["children"]))
    return found


def _table(found: list[Row]) -> tuple[list[Column], list[list[Cell]]]:
    """The columns, and a line for each thread; with those about runs where there are apps."""
    lines = [_thread_line(row) for row in found]
    if all(row.app is None for row in found):
        return _THREADS, lines
    at = _BEFORE_RUNS
    return [*_THREADS[:at], *_RUNS, *_THREADS[at:]], [
        [*line[:at], *_app_cells(row), *line[at:]] for row, line in zip(found, lines, strict=True)
    ]


def _thread_line(row: Row) -> list[Cell]:
    return [
        Cell(row.path),
        state_cell(row),
        Cell(duration(row.uptime)),
        Cell(f"{row.generation}", "yellow" if row.restarts else ""),
        inbox_cell(row),
        Cell(count(row.handled)),
        Cell(count(row.dead), "red" if row.dead else "dim"),
        lag_cell(row),
        Cell(str(row.tasks)),
        Cell("" if row.error is None else row.error.summary, "red"),
    ]


def _app_cells(row: Row) -> list[Cell]:
    app = row.app
    if app is None:
        return [Cell("-", "dim") for _ in _RUNS]
    failed = app.ended.get("failed", 0)
    return [
        Cell(count(app.running)),
        Cell(count(app.queued), "yellow" if app.queued else "dim"),
        Cell(count(app.all_ended)),
        Cell(count(failed), "red" if failed else "dim"),
    ]


def state_cell(row: Row) -> Cell:
    """Its state, in the colour of that."""
    return Cell(row.state, STATE_STYLES.get(row.state, ""))


def inbox_cell(row: Row) -> Cell:
    """How many wait, and for how many there is room."""
    full = row.capacity > 0 and row.depth >= row.capacity
    style = "bold red" if full else "yellow" if row.depth * 2 > row.capacity > 0 else ""
    return Cell(f"{count(row.depth)}/{count(row.capacity) if row.capacity else '-'}", style)


def lag_cell(row: Row) -> Cell:
    """How late its loop is."""
    if row.state in DOWN or row.state == "stopped":
        return Cell("-", "dim")
    return Cell(lag(row.lag), "bold red" if row.lag >= 1 else "yellow" if row.lag >= 0.1 else "")


def _print(columns: list[Column], lines: list[list[Cell]]) -> None:
    on = console()
    shown: list[Text] = lay_out(columns, lines, width_of(on), can_unicode(on))
    print_lines(shown)
