"""Time as an object, so that rules which depend on it can be tested without waiting.

The core asks a clock for two things only: a monotonic reading for durations and a UTC wall-clock
reading for records. Waiting itself is the event loop's business.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """What the core asks of a clock. Both may be called from any thread."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary zero; never goes back."""
        ...

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Seconds of :func:`time.monotonic`."""
        return time.monotonic()

    def now(self) -> datetime:
        """The machine's wall-clock time, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is told to go on, for tests.

    :param start: the first wall-clock reading, aware; 2000-01-01 00:00 UTC by default.
    :raises ValueError: `start` has no time zone.
    """

    def __init__(self, start: datetime | None = None) -> None:
        if start is None:
            start = datetime(2000, 1, 1, tzinfo=UTC)
        if start.tzinfo is None:
            raise ValueError(f"ManualClock needs an aware start, {start!r} has no time zone")
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Seconds that the clock was advanced by. From any thread."""
        with self._lock:
            return self._elapsed

    def now(self) -> datetime:
        """The start plus what the clock was advanced by, in UTC. From any thread."""
        return self._start + timedelta(seconds=self.monotonic())

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. From any thread.

        :raises ValueError: `seconds` is negative: a monotonic clock does not go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back: advance({seconds})")
        with self._lock:
            self._elapsed += seconds


SYSTEM_CLOCK: Clock = SystemClock()
"""The clock that threads use unless told otherwise."""
