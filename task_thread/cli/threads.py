"""A snapshot, as it came from a daemon, as rows; and rates from two of them. Pure.

What came is checked here, once: whatever is missing or of another kind is one clear error, and
all text in a row is fit for a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from task_thread.cli.apps import App, app_of
from task_thread.cli.text import one_line
from task_thread.errors import ControlError

__all__ = ["DOWN", "Error", "Rates", "Row", "Speed", "rows"]

DOWN: Final = frozenset({"crashed", "abandoned"})
"""The states of a thread that has ended as it should not."""


@dataclass(frozen=True, slots=True)
class Error:
    """The last error of a thread: what, in which task or hook, when (ISO 8601, UTC)."""

    summary: str
    where: str
    at: str


@dataclass(frozen=True, slots=True)
class Row:
    """One thread of a snapshot, parents before their children.

    :ivar lasts: for each level below the root, whether it is the last child there; the root: ().
    :ivar key: tells this row from all others in the snapshot, and finds it in the next one.
    :ivar state: the state's word; "restarting" for one that is down and will come back.
    :ivar lag: seconds.
    :ivar tasks: how many run.
    :ivar app: what it does as a TaskApp; None: it is none.
    """

    key: tuple[str, int]
    id: str
    path: str
    cls: str
    lasts: tuple[bool, ...]
    state: str
    virtual: bool
    generation: int
    restarts: int
    restart_type: str | None
    uptime: float
    lag: float
    depth: int
    capacity: int
    accepted: int
    handled: int
    dead: int
    tasks: int
    error: Error | None
    app: App | None = None

    def guides(self, unicode: bool) -> str:
        """The lines of the tree in front of it."""
        if not self.lasts:
            return ""
        bar, tee, end = ("│  ", "├─ ", "└─ ") if unicode else ("|  ", "|- ", "`- ")
        above = "".join("   " if last else bar for last in self.lasts[:-1])
        return above + (end if self.lasts[-1] else tee)


def rows(snapshot: Any) -> list[Row]:
    """The threads of a snapshot, parents first.

    :raises ControlError: it is none.
    """
    seen: Counter[str] = Counter()
    try:
        return [_row(node, lasts, seen) for node, lasts in _walk(snapshot)]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ControlError(f"the daemon's snapshot is of another form ({error!r})") from None


def _walk(snapshot: Any) -> Iterator[tuple[Any, tuple[bool, ...]]]:
    waiting: list[tuple[Any, tuple[bool, ...]]] = [(snapshot, ())]
    while waiting:
        node, lasts = waiting.pop()
        yield node, lasts
        children = list(node["children"])
        for place, child in reversed(list(enumerate(children, 1))):
            waiting.append((child, (*lasts, place == len(children))))


def _row(node: Any, lasts: tuple[bool, ...], seen: Counter[str]) -> Row:
    path = one_line(node["path"])
    seen[path] += 1
    inbox, error = node["inbox"], node["last_error"]
    restart_type = node["restart_type"]
    return Row(
        key=(path, seen[path]),
        id=one_line(node["id"]),
        path=path,
        cls=one_line(node["class"]),
        lasts=lasts,
        state="restarting" if node["restarting"] else one_line(node["state"]),
        virtual=bool(node["virtual"]),
        generation=int(node["generation"]),
        restarts=int(node["restarts"]),
        restart_type=None if restart_type is None else one_line(restart_type),
        uptime=float(node["uptime"]),
        lag=float(node["loop_lag"]),
        depth=int(inbox["depth"]),
        capacity=int(inbox["capacity"]),
        accepted=int(inbox["accepted"]),
        handled=int(inbox["handled"]),
        dead=int(inbox["dead"]),
        tasks=sum(bool(task["running"]) for task in node["tasks"]),
        error=None if error is None else _error(error),
        app=app_of(node.get("app")),
    )


def _error(error: Any) -> Error:
    return Error(one_line(error["summary"]), one_line(error["where"]), one_line(error["at"]))


@dataclass(frozen=True, slots=True)
class Speed:
    """Signals a second, accepted and handled, and runs of an app that have ended; None while there
    is one snapshot only, and for runs where there is no app."""

    accepted: float | None = None
    handled: float | None = None
    runs: float | None = None


class Rates:
    """Rates from the differences between snapshots."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._counts: dict[tuple[str, int], _Counts] = {}

    def update(self, found: Sequence[Row], at: float) -> dict[tuple[str, int], Speed]:
        """The rates since the snapshot before, by the rows' keys.

        A thread that is new, or has begun to count anew, has had all its signals since then.

        :param at: when the snapshot was taken, in seconds of a monotonic clock.
        """
        before, counts = self._at, {row.key: _counts(row) for row in found}
        speeds: dict[tuple[str, int], Speed] = {}
        if before is not None and at > before:
            for key, now in counts.items():
                speeds[key] = _speed(self._counts.get(key, (0, 0, None)), now, at - before)
        self._at, self._counts = at, counts
        return speeds


_Counts = tuple[int, int, int | None]  # accepted, handled, runs that have ended


def _counts(row: Row) -> _Counts:
    return row.accepted, row.handled, None if row.app is None else row.app.all_ended


def _speed(earlier: _Counts, now: _Counts, passed: float) -> Speed:
    accepted, handled, runs = earlier
    if now[0] < accepted or now[1] < handled:
        accepted = handled = 0
    ended = now[2]
    if ended is None:
        return Speed((now[0] - accepted) / passed, (now[1] - handled) / passed)
    # The runs of an app are counted anew when its signals are: together with the instance.
    since = runs if runs is not None and runs <= ended else 0
    return Speed(
        (now[0] - accepted) / passed, (now[1] - handled) / passed, (ended - since) / passed
    )
