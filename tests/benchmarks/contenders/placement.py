"""Which core a thread runs on.

Left to the system, two threads that talk to each other run now on one core and now on two, for
seconds at a time, and a wake-up across cores takes five times as long: contenders would be
compared in different weather. So each benchmark says how many cores its two threads have, and
each thread takes its place. Where the system can't pin threads (outside Linux) they stay free.
"""

from __future__ import annotations

import os

from ..model import UnmeasurableError

_CAN_PIN = hasattr(os, "sched_setaffinity")
# Read before any thread is pinned: a thread inherits the place of the one that starts it.
_CORES = sorted(os.sched_getaffinity(0)) if _CAN_PIN else []


class Place:
    """The place of thread `number` (0, 1, ...) among those that share `cores` cores."""

    def __init__(self, number: int, cores: int) -> None:
        """:raises UnmeasurableError: there are fewer cores than that."""
        if _CAN_PIN and len(_CORES) < cores:
            raise UnmeasurableError(f"needs {cores} cores")
        self._core = number % cores

    def take(self) -> None:
        """Pin the calling thread to it."""
        if _CAN_PIN:
            os.sched_setaffinity(0, {_CORES[self._core]})
