"""``task-thread tree``: a daemon's tree, with what is worth knowing of each thread."""

from __future__ import annotations

from datetime import UTC, datetime

from task_thread.cli.daemons import (
    AnyDaemon,
    AsJson,
    asking,
    can_unicode,
    console,
    print_json,
    print_lines,
    width_of,
)
from task_thread.cli.layout import Cell, Column, lay_out
from task_thread.cli.ps import state_cell
from task_thread.cli.text import count, duration, lag
from task_thread.cli.threads import Error, Row, rows

__all__ = ["notes", "runs", "tree"]

_COLUMNS = [Column("", least=24), Column(""), Column("", least=20)]


def tree(daemon: AnyDaemon = None, as_json: AsJson = False) -> None:
    """Show a daemon's tree: each thread's state, and what is worth knowing of it.

    Behind the state stand restarts, an inbox that fills, a loop that lags, signals that were not
    handled, runs of a TaskApp, and the last error. (v) marks a VirtualThread.

    **Examples**

        $ task-thread tree

        $ task-thread tree gateway

        $ task-thread tree gateway --json
    """
    with asking(daemon) as client:
        snapshot = client.call("snapshot")
        found = rows(snapshot)
    if as_json:
        print_json(snapshot)
        return
    on = console()
    unicode, now = can_unicode(on), datetime.now(UTC)
    lines = [
        [
            Cell(f"{row.guides(unicode)}{row.id}{' (v)' if row.virtual else ''}"),
            state_cell(row),
            Cell(", ".join([*runs(row), *(worries := notes(row, now))]), _style(row, worries)),
        ]
        for row in found
    ]
    print_lines(lay_out(_COLUMNS, lines, width_of(on), unicode, titles=False))


def _style(row: Row, worries: list[str]) -> str:
    return "red" if row.error is not None else "yellow" if worries else ""


def runs(row: Row) -> list[str]:
    """What a TaskApp has to do: runs under way, and those that wait."""
    app = row.app
    if app is None:
        return []
    told = ((app.running, "under way"), (app.queued, "queued"), (app.delayed, "delayed"))
    return [f"{count(number)} {words}" for number, words in told if number]


def notes(row: Row, now: datetime) -> list[str]:
    """What is worth knowing of a thread, the gravest last."""
    found: list[str] = []
    if row.restarts:
        found.append(f"{count(row.restarts)} restart{'s' if row.restarts > 1 else ''}")
    if row.depth and row.depth * 2 > row.capacity:
        found.append(f"inbox {count(row.depth)} of {count(row.capacity) if row.capacity else '-'}")
    if row.dead:
        found.append(f"{count(row.dead)} not handled")
    if row.lag >= 0.1:
        found.append(f"lag {lag(row.lag)}")
    if row.app is not None:
        ended = row.app.ended
        told = {word: ended.get(word, 0) for word in ("skipped", "missed", "failed")}
        found += [f"{count(number)} {word}" for word, number in told.items() if number]
        if row.app.abandoned:
            found.append(f"{count(row.app.abandoned)} abandoned")
    if row.error is not None:
        found.append(f"{row.error.summary} in {row.error.where}{_ago(row.error, now)}")
    return found


def _ago(error: Error, now: datetime) -> str:
    try:
        return f" {duration((now - datetime.fromisoformat(error.at)).total_seconds())} ago"
    except (TypeError, ValueError):
        return ""
