"""``task-thread top``: a daemon's threads, live.

The main thread draws and reads keys; it waits for a key, for news, or for an OS signal, whichever
comes first. On every way out (a key, Ctrl-C, SIGTERM, SIGHUP, the daemon's end, an error, and
Ctrl-Z until it goes on) the terminal is given back as it was.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from types import FrameType
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.live import Live

from task_thread.cli.daemons import (
    AnyDaemon,
    asking,
    can_unicode,
    console,
    fail,
    print_lines,
    say,
    seconds_from,
    width_of,
)
from task_thread.cli.feed import Ended, Feed, Late, Taken
from task_thread.cli.keyboard import raw_keys, read_keys
from task_thread.cli.screen import Frame, Screen
from task_thread.cli.text import clean
from task_thread.cli.threads import Rates, rows
from task_thread.errors import ControlError
from task_thread.monitor.client import ControlClient
from task_thread.monitor.finding import find
from task_thread.monitor.places import SUFFIX

__all__ = ["top"]

_LEAST_INTERVAL: Final = 0.1
_QUITTING: Final = {
    signal.SIGINT: 0,  # Ctrl-C is how one ends it, as q is
    signal.SIGTERM: 128 + signal.SIGTERM,
    signal.SIGHUP: 128 + signal.SIGHUP,
}


def top(
    daemon: AnyDaemon = None,
    interval: Annotated[
        float,
        typer.Option(
            callback=seconds_from(_LEAST_INTERVAL),
            metavar="SECONDS",
            help="Time between two pictures.",
        ),
    ] = 1.0,
) -> None:
    """Watch a daemon's threads, live: states, rates, inboxes, lag, restarts, last errors.

    Of each TaskApp it also shows the queues, runs that end a second, and how far the runs are that
    are under way.

    Keys: q quits, j and k or the arrows scroll, s changes the order, a chooses the apps that are
    shown, p pauses, h shows help. Where the output is no terminal, one picture is printed; its
    rates are those of one interval.

    **Examples**

        $ task-thread top

        $ task-thread top gateway --interval 0.5

        $ task-thread top gateway > now.txt
    """
    on = console()
    if not (on.is_terminal and sys.stdin.isatty()) or on.is_dumb_terminal:
        _one_picture(daemon, interval, on)
        return
    try:
        path = find(daemon)
        # Short: who looks at it wants to know that it does not answer.
        client = ControlClient(path, timeout=max(2.0, interval))
        name, pid = clean(path.name.removesuffix(SUFFIX)), client.process()
    except ControlError as error:
        fail(str(error))
    outcome = _Top(on, Feed(client, interval), name, pid).run()
    if outcome is not None:
        say(outcome)


def _one_picture(daemon: str | None, interval: float, on: Console) -> None:
    rates = Rates()
    with asking(daemon) as client:
        name, pid = clean(client.path.name.removesuffix(SUFFIX)), client.process()
        rates.update(rows(client.call("snapshot")), monotonic())
        sleep(interval)  # rates are differences: this is the time that they are about
        found = rows(client.call("snapshot"))
        frame = Frame(name, pid, found, rates.update(found, monotonic()))
    print_lines(Screen(can_unicode(on)).whole(frame, width_of(on)))


class _Top:
    """One run of the live view.

    OS signals only leave a note here and ring the bell: an exception out of a handler could come
    while the terminal is being given back.
    """

    def __init__(self, on: Console, feed: Feed, name: str, pid: int | None) -> None:
        self._console = on
        self._feed = feed
        self._screen = Screen(can_unicode(on))
        self._rates = Rates()
        self._frame = Frame(name, pid, [], {})
        self._answered = monotonic()
        self._suspend = False
        self._quit: int | None = None  # the exit code that an OS signal asks for

    def run(self) -> str | None:
        """Show it until there is a reason to end; what is to be said then, or None."""
        with self._feed, self._signals():
            while True:
                outcome = self._session()
                if self._quit is not None:
                    raise typer.Exit(self._quit)
                if not self._suspend:
                    return outcome
                # Ctrl-Z: the terminal is as it was; stop now, and begin anew after that.
                self._suspend = False
                os.kill(os.getpid(), signal.SIGSTOP)

    def _session(self) -> str | None:
        """From taking the terminal to giving it back; what is to be said then, or None."""
        keys = sys.stdin.fileno()
        live = Live(console=self._console, screen=True, auto_refresh=False, transient=True)
        with raw_keys(keys), live:
            while True:
                self._draw(live)
                ready, _, _ = select.select([keys, self._feed.bell], [], [])
                if self._suspend or self._quit is not None:
                    return None
                if keys in ready:
                    pressed = read_keys(keys)
                    if pressed is None or any(map(self._screen.press, pressed)):
                        return None
                if self._feed.bell in ready:
                    ended = self._hear()
                    if ended is not None:
                        return ended

    def _draw(self, live: Live) -> None:
        size = self._console.size
        lines = self._screen.lines(self._frame, size.width, size.height)
        live.update(Group(*lines), refresh=True)

    def _hear(self) -> str | None:
        """Take the news in; what is to be said when it is the last one."""
        news, frame = self._feed.news(), self._frame
        if isinstance(news, Ended):
            who = frame.name if frame.pid is None else f"{frame.name} (pid {frame.pid})"
            return f"{who} has ended, or is ending: {news.why}"
        if isinstance(news, Late):
            silent = monotonic() - self._answered
            self._frame = Frame(frame.name, frame.pid, frame.rows, frame.speeds, silent)
        elif isinstance(news, Taken):
            self._answered = news.at
            if not self._screen.paused:
                return self._take(news)
        return None

    def _take(self, news: Taken) -> str | None:
        try:
            found = rows(news.snapshot)
        except ControlError as error:
            return str(error)
        speeds = self._rates.update(found, news.at)
        self._frame = Frame(self._frame.name, self._frame.pid, found, speeds)
        return None

    # ---- OS signals -----------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """While inside, what ends, stops or resizes the view does so in order."""
        earlier: dict[int, Any] = {}
        try:
            for ending in _QUITTING:
                earlier[ending] = signal.signal(ending, self._quitted)
            earlier[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspended)
            earlier[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._resized)
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _quitted(self, number: int, _frame: FrameType | None) -> None:
        self._quit = _QUITTING[signal.Signals(number)]
        self._feed.ring()

    def _suspended(self, _number: int, _frame: FrameType | None) -> None:
        self._suspend = True
        self._feed.ring()

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        self._feed.ring()
