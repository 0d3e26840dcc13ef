"""What ``top`` shows, and what its keys do. Pure: no terminal, no clock, no socket.

From top to bottom: one line about the daemon, the titles, as many threads as there is room for,
"... n more" where there are others, the TaskApps where there are any, and one line with the keys.
The apps get what the threads leave, and half of the room where both want more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from task_thread.cli.layout import Cell, Column, lay_out, shorten
from task_thread.cli.panel import panel, wanted
from task_thread.cli.ps import inbox_cell, lag_cell, state_cell
from task_thread.cli.text import count, duration, rate
from task_thread.cli.threads import DOWN, Row, Speed

__all__ = ["HELP", "SORTS", "Frame", "Screen"]

Key = tuple[str, int]

_TREE: Final = Column("THREAD", width=18, least=14)
_PATHS: Final = Column("THREAD", width=18, least=14, keeps_end=True)
_COLUMNS: Final = [
    Column("STATE", width=8),
    Column("GEN", right=True, width=3, optional=True),
    Column("IN/S", right=True, width=5, optional=True),
    Column("OUT/S", right=True, width=5),
    Column("INBOX", right=True, width=7),
    Column("LAG", right=True, width=6),
    Column("TASKS", right=True, optional=True),
    Column("LAST ERROR", width=10, least=8, optional=True),
]

SORTS: Final[Mapping[str, Callable[[Row, Speed], Any] | None]] = {
    "tree": None,
    "out/s": lambda row, speed: -1.0 if speed.handled is None else speed.handled,
    "inbox": lambda row, speed: row.depth / row.capacity if row.capacity else row.depth / 100,
    "lag": lambda row, speed: row.lag,
    "restarts": lambda row, speed: (row.state in DOWN or row.state == "restarting", row.restarts),
}
"""By what threads are sorted: as the tree has them, or the largest first."""

HELP: Final = """\
q, Ctrl-C        quit
up, k / down, j  scroll by one thread
PgUp / PgDn      scroll by a screen
Home / End       the first threads, the last ones
s                sort: tree, out/s, inbox, lag, restarts
a                apps: all, each of them alone, none
p, space         pause, and go on
h, ?             this help, and back

GEN    the instance in this place, 1 the first: more after restarts
IN/S   signals accepted a second; OUT/S: handled
INBOX  signals that wait, and for how many there is room
LAG    how late the thread's loop is
TASKS  tasks that run

Of an app, RUNS/S is how many runs end a second, in whatever way.
LOOP, THREAD, PROCESS  runs under way there / its size, + those that wait
SCHED  tasks that have ticks; MISSED  ticks that were missed or skipped"""

_ALL: Final = "all"
_NONE: Final = "none"
_LEAST_ROOM: Final = 6  # lines for threads and apps; below that there are threads alone


@dataclass(frozen=True, slots=True)
class Frame:
    """What is known of the daemon at one moment.

    :ivar name: of the daemon.
    :ivar speeds: by the rows' keys; empty where nothing is known yet.
    :ivar silent: seconds since its last answer, where it is late; else 0.0.
    """

    name: str
    pid: int | None
    rows: Sequence[Row]
    speeds: Mapping[Key, Speed]
    silent: float = 0.0


class Screen:
    """The state of the view: where it is scrolled to, and how it is sorted.

    :ivar paused: whether the picture stands still.
    """

    def __init__(self, unicode: bool) -> None:
        self.paused = False
        self._unicode = unicode
        self._sort = "tree"
        self._apps: str | Key = _ALL  # which apps are shown: all, none, or the one of that row
        self._app_keys: list[Key] = []  # of the apps that there are, as of the last picture
        self._help = False
        self._first = 0  # the first thread that is shown
        self._room = 1  # how many can be shown, as of the last picture
        self._many = 0  # how many there are

    def press(self, key: str) -> bool:
        """A key was pressed.

        :param key: a letter, or the name of a key: up, down, page-up, page-down, home, end.
        :returns: whether it means to quit.
        """
        if key in ("q", "Q"):
            return True
        if key in ("h", "H", "?") or (self._help and key == "escape"):
            self._help = not self._help
        elif key in ("p", "P", " "):
            self.paused = not self.paused
        elif key in ("s", "S"):
            names = list(SORTS)
            self._sort = names[(names.index(self._sort) + 1) % len(names)]
            self._first = 0
        elif key in ("a", "A"):
            alone = self._app_keys if len(self._app_keys) > 1 else []
            choices: list[str | Key] = [_ALL, *alone, _NONE]
            at = choices.index(self._apps) if self._apps in choices else -1
            self._apps = choices[(at + 1) % len(choices)]
        elif key in _SCROLL:
            self._scroll(_SCROLL[key](self._first, self._room, self._many))
        return False

    def _scroll(self, first: int) -> None:
        self._first = max(0, min(first, self._many - self._room))

    # ---- the picture ----------------------------------------------------------------------

    def lines(self, frame: Frame, width: int, height: int) -> list[Text]:
        """The picture for a terminal of that size, in cells: at most `height` lines."""
        if height < 2:
            return [self._head(frame, width)][:height]
        apps = self._choose(frame)
        foot = [self._foot(width)] if height >= 5 else []
        room = height - 1 - len(foot)
        if self._help:
            return [self._head(frame, width), *self._help_lines(width)[:room], *foot]
        below = panel(apps, frame.speeds, width, self._share(frame, apps, room), self._unicode)
        threads = self._threads(frame, width, room - len(below))
        return [self._head(frame, width), *threads, *below, *foot]

    def whole(self, frame: Frame, width: int | None) -> list[Text]:
        """All threads, as a text to be kept."""
        wide = 10_000 if width is None else width
        apps = self._choose(frame)
        below = panel(apps, frame.speeds, width, wanted(apps), self._unicode)
        table = self._table(frame, self._sorted(frame), width)
        return [self._head(frame, wide), *table, *below]

    def _choose(self, frame: Frame) -> list[Row]:
        """The apps that are to be shown."""
        apps = [row for row in frame.rows if row.app is not None]
        self._app_keys = [row.key for row in apps]
        if self._apps in (_ALL, _NONE):
            return [] if self._apps == _NONE else apps
        chosen = [row for row in apps if row.key == self._apps]
        if not chosen:  # it has gone
            self._apps = _ALL
        return chosen or apps

    def _share(self, frame: Frame, apps: Sequence[Row], room: int) -> int:
        """How many of `room` lines the apps get."""
        if room < _LEAST_ROOM:
            return 0
        left = room - 1 - len(frame.rows)  # by the threads and their titles
        return min(wanted(apps), max(left, room // 2))

    def _head(self, frame: Frame, width: int) -> Text:
        found = frame.rows
        known = [speed.handled for speed in frame.speeds.values() if speed.handled is not None]
        ended = [speed.runs for speed in frame.speeds.values() if speed.runs is not None]
        restarts = sum(row.restarts for row in found)
        down = sum(row.state in DOWN or row.state == "restarting" for row in found)
        parts = [
            f"{frame.name}",
            f"pid {'?' if frame.pid is None else frame.pid}",
            f"up {duration(found[0].uptime)}" if found else "up ?",
            f"{len(found)} thread{'' if len(found) == 1 else 's'}",
            f"{count(restarts)} restart{'' if restarts == 1 else 's'}",
            *([f"{down} down"] if down else []),
            f"{rate(sum(known) if known else None)} signals/s",
            *([f"{rate(sum(ended) if ended else None)} runs/s"] if self._app_keys else []),
        ]
        told = "  ".join(parts)
        if frame.silent:
            late = f"NO ANSWER for {duration(frame.silent)}  "
            return Text(shorten(late + told, width, self._unicode), style="bold red", no_wrap=True)
        if self.paused:
            return Text(shorten(f"PAUSED  {told}", width, self._unicode), style="bold yellow")
        return Text(shorten(told, width, self._unicode), style="bold", no_wrap=True)

    def _foot(self, width: int) -> Text:
        shown = self._apps if isinstance(self._apps, str) else self._apps[0]
        apps = f"a apps: {shown}  " if self._app_keys else ""
        told = f"q quit  j/k scroll  s sort: {self._sort}  {apps}p pause  h help"
        return Text(shorten(told, width, self._unicode), style="dim", no_wrap=True)

    def _help_lines(self, width: int) -> list[Text]:
        lines = HELP.split("\n")
        return [Text(shorten(line, width, self._unicode), no_wrap=True) for line in lines]

    def _threads(self, frame: Frame, width: int, height: int) -> list[Text]:
        """The titles, the threads that there is room for, and how many more there are."""
        self._many, self._room = len(frame.rows), max(1, height - 1)
        if self._many > self._room:
            self._room = max(1, self._room - 1)  # for the line that says how many more
        self._scroll(self._first)
        last = self._first + self._room
        shown = self._table(frame, self._sorted(frame)[self._first : last], width)[:height]
        if self._many > self._room and len(shown) < height:
            above, below = self._first, max(0, self._many - last)
            told = f"... {below} more" + (f", {above} above" if above else "")
            shown.append(Text(shorten(told, width, self._unicode), style="dim", no_wrap=True))
        return shown

    def _sorted(self, frame: Frame) -> list[Row]:
        measure = SORTS[self._sort]
        if measure is None:
            return list(frame.rows)
        speeds = frame.speeds
        # sorted() keeps the tree's order among equals, so that rows don't jump about.
        return sorted(
            frame.rows, key=lambda row: measure(row, speeds.get(row.key, Speed())), reverse=True
        )

    def _table(self, frame: Frame, found: Sequence[Row], width: int | None) -> list[Text]:
        lines = [self._line(row, frame.speeds.get(row.key, Speed())) for row in found]
        first = _TREE if self._sort == "tree" else _PATHS
        return lay_out([first, *_COLUMNS], lines, width, self._unicode)

    def _line(self, row: Row, speed: Speed) -> list[Cell]:
        tree = self._sort == "tree"
        return [
            Cell(f"{row.guides(self._unicode)}{row.id}" if tree else row.path),
            state_cell(row),
            Cell(count(row.generation), "yellow" if row.restarts else ""),
            Cell(rate(speed.accepted)),
            Cell(rate(speed.handled)),
            inbox_cell(row),
            lag_cell(row),
            Cell(count(row.tasks)),
            Cell("" if row.error is None else row.error.summary, "red"),
        ]


_SCROLL: Final[Mapping[str, Callable[[int, int, int], int]]] = {
    "k": lambda first, room, many: first - 1,
    "up": lambda first, room, many: first - 1,
    "j": lambda first, room, many: first + 1,
    "down": lambda first, room, many: first + 1,
    "page-up": lambda first, room, many: first - room,
    "page-down": lambda first, room, many: first + room,
    "home": lambda first, room, many: 0,
    "g": lambda first, room, many: 0,
    "end": lambda first, room, many: many,
    "G": lambda first, room, many: many,
}
