"""Snapshots of a daemon, one each interval, fetched beside whoever shows them.

A daemon may take its time to answer, or not answer at all: keys must work meanwhile. So a thread of
its own asks, and rings a bell (a byte in a pipe) when there is news.

Ownership: ``_news`` is swapped under ``_lock``; the client belongs to the thread; the pipe's two
ends are closed by whoever closes the feed, when the thread has ended or given up its bell.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any

from task_thread.errors import ControlError, Silent
from task_thread.monitor.client import ControlClient

__all__ = ["Ended", "Feed", "Late", "Taken"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot, and when it came, in seconds of time.monotonic()."""

    snapshot: Any
    at: float


@dataclass(frozen=True, slots=True)
class Late:
    """The daemon did not answer in time; it is asked again."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The daemon answers no more, and why. The last news there is."""

    why: str


News = Taken | Late | Ended


class Feed:
    """The news of one daemon. A context manager; from one thread.

    :param client: asks the daemon; it belongs to the feed from now on.
    :param interval: seconds between two snapshots.
    :ivar bell: a descriptor that can be read from when there is news.
    """

    def __init__(self, client: ControlClient, interval: float) -> None:
        self._client = client
        self._interval = interval
        self._news: News | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.bell, self._ringer = os.pipe()
        os.set_blocking(self.bell, False)
        os.set_blocking(self._ringer, False)
        # A daemon: one that waits for an answer must not hold up the program's end.
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed.set()
            os.close(self._ringer)
            os.close(self.bell)

    def ring(self) -> None:
        """Ring the bell without news: there is something else to see to. Also from a signal
        handler, so that it takes no lock."""
        with contextlib.suppress(OSError):  # full: it rings already; closed: nobody listens
            os.write(self._ringer, b"!")

    def news(self) -> News | None:
        """The latest news, once; None where there is none. The bell is silent then."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.bell, 4096):
                pass
        with self._lock:
            news, self._news = self._news, None
        return news

    def _run(self) -> None:
        with self._client as client:
            while not self._closed.is_set():
                news = self._ask(client)
                with self._lock:
                    if self._closed.is_set():
                        return
                    self._news = news
                    self.ring()
                if isinstance(news, Ended):
                    return
                self._closed.wait(self._interval)

    def _ask(self, client: ControlClient) -> News:
        try:
            return Taken(client.call("snapshot"), monotonic())
        except Silent:
            return Late()
        except ControlError as error:
            return Ended(str(error))
