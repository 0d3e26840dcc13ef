"""The loads of the benchmarks of triggers: 1,000 fires a second, by however many tasks; and all
tasks once, at one instant.

With 100 tasks each fires ten times a second, with 100,000 each once in 100 s. Evenly spread, one
is due each millisecond; together, all are due at the same instants.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import TypeAlias

Tick: TypeAlias = Callable[[], Coroutine[None, None, None]]

RATE = 1_000  # fires per second, of all tasks together
SETTLING = 1.0  # seconds: so long is looked whether what follows the adding has run out,
PATIENCE = 20  # and so often
WITHIN = 60.0  # seconds in which the last of those has fired that are due at one instant
SPREAD, TOGETHER = 0, 1


class Fires:
    """So many tasks, when each is due, and what is found out about their fires.

    Ownership: the ticks run on one loop; the figures are taken when nothing fires any more, or
    tell of a moment that is over.
    """

    def __init__(self, tasks: int, way: int = SPREAD) -> None:
        self.tasks = tasks
        self.period = tasks / RATE  # seconds
        # In the past, so that a task is due as soon as it is there.
        self.base = time.time() - 1.0
        self._step = 1 / RATE if way == SPREAD else 0.0
        self._fired = 0
        self._late: list[float] = []

    def start(self, number: int) -> float:
        """The first time at which a task is due, in seconds since the epoch."""
        return self.base + number * self._step

    def start_date(self, number: int) -> datetime:
        """The same, in UTC."""
        return datetime.fromtimestamp(self.base, UTC) + timedelta(seconds=number * self._step)

    def tick(self, number: int) -> Tick:
        """The function of that task."""
        start, period = self.start(number), self.period

        async def tick() -> None:
            self._fired += 1
            self._late.append((time.time() - start) % period)

        return tick

    def cpu(self, seconds: int) -> float:
        """Microseconds of CPU that this process takes for each fire. From a thread without a loop.

        :raises AssertionError: it didn't keep up.
        """
        self._settle()
        used = process_time()
        fired, took = self._watch(seconds)
        used = process_time() - used
        assert self._is_even(fired, took), f"{fired} fires in {took:.3f} s"
        return used / fired * 1e6

    def lateness(self, seconds: int) -> float:
        """Milliseconds of lateness that 99 of 100 fires stay below. From a thread without a loop.

        :raises AssertionError: it didn't keep up.
        """
        self._settle()
        first = len(self._late)
        fired, took = self._watch(seconds)
        assert self._is_even(fired, took), f"{fired} fires in {took:.3f} s"
        late = sorted(self._late[first:])
        return late[len(late) * 99 // 100] * 1e3

    def _settle(self) -> None:
        """What came due while tasks were added is fired first: wait until that is over."""
        time.sleep(SETTLING)
        for _ in range(PATIENCE):
            if self._is_even(*self._watch(SETTLING)):
                return

    def _watch(self, seconds: float) -> tuple[int, float]:
        """How many fires there are in about so many seconds, and in how many."""
        fired, began = self._fired, perf_counter()
        time.sleep(seconds)
        return self._fired - fired, perf_counter() - began

    def _is_even(self, fired: int, took: float) -> bool:
        """Whether there were as many as were due."""
        due = took * RATE
        # All that are due at an instant may lie on either side of the window's ends.
        slack = 0.02 * due + (self.tasks if self._step == 0 else 0)
        return abs(fired - due) <= slack


class Once:
    """So many tasks of one function that are all due at one instant, as reminders at nine o'clock
    are, and what it takes to fire them.

    Ownership: the ticks run on one loop; the figure is taken when the last one has fired.

    :param lead: seconds until that instant: within them they are all added.
    """

    def __init__(self, tasks: int, lead: float) -> None:
        self.tasks = tasks
        self.at = time.time() + lead
        self.left = tasks
        self.over = threading.Event()

    @property
    def date(self) -> datetime:
        """The instant, in UTC: anew each time, as each task has its own."""
        return datetime.fromtimestamp(self.at, UTC)

    def cpu(self) -> float:
        """Microseconds of CPU that this process takes for each fire. From a thread without a loop.

        :raises AssertionError: the instant came before all was added, or not all fired.
        """
        time.sleep(max(0.0, self.at - time.time() - SETTLING))
        assert self.left == self.tasks, "more time is needed to add them all"
        used = process_time()
        assert self.over.wait(WITHIN), f"{self.left} have not fired"
        return (process_time() - used) / self.tasks * 1e6


async def remind(once: Once, number: int) -> None:
    """The function of them all, each with a number of its own."""
    once.left -= 1
    if once.left == 0:
        once.over.set()
