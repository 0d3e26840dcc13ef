"""Where a manual clock's hands stand, and how far they may move.

The rules:

- The test moves them, by so many seconds; one thread at a time. It has its answer when all is quiet
  at the new time. Who had none, because nothing went on for too long, has moved them no further
  than they stand.
- While no test moves them, whoever waits outside for the end of a thread that was asked to stop
  lets them move by themselves, as far as that stop may take: he could not advance the clock while
  he waits.
- Set free, they go on in real seconds, for good.

Ownership: everything belongs to the conductor's ``lock``, but for the reading: two floats, which
anybody may read.
"""

from __future__ import annotations

import threading
from math import inf
from time import monotonic as real_monotonic
from typing import Protocol

__all__ = ["Hands", "Patience"]


class Patience(Protocol):
    """Somebody outside who waits for something that may need time to pass."""

    def until(self) -> float:
        """How far time may move by itself, in seconds of the clock; ``-inf``: not at all. Called
        when all are quiet, in the conductor's OS thread."""
        ...

    def is_over(self) -> None:
        """Time has moved so far, and all are quiet. Called once."""


class Hands:
    """Where they stand, and how far they may move. The caller holds the lock, but for now().

    :param lock: the conductor's; it is given up while somebody waits.
    :ivar asked: how often the test has moved them.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.asked = 0
        self._answered = 0  # up to which time of asking
        self._time = 0.0
        self._told = 0.0  # what they were moved by in all
        self._target: float | None = None  # None: no test moves them right now
        self._free_since: float | None = None
        self._waiting: list[Patience] = []
        self._quiet = threading.Condition(lock)  # for who waits until all are quiet

    def now(self) -> float:
        """The reading, in seconds. From any thread, without the lock."""
        since = self._free_since
        return self._time if since is None else self._time + (real_monotonic() - since)

    # ---- for those who want them to move --------------------------------------------------

    def advance(self, seconds: float, patience: float) -> bool:
        """Let them move on by `seconds`, and wait for the answer, or until they are free.

        :param patience: real seconds within which they must move at all.
        :returns: False: they did not.
        :raises RuntimeError: another thread moves them.
        """
        if self._target is not None:
            raise RuntimeError("another thread advances this clock right now")
        self._told += seconds
        self._target = self._told
        self.asked += 1
        mine = self.asked
        try:
            while self._answered < mine and self._free_since is None:
                before = self._time
                if not self._quiet.wait(patience) and self._time == before:
                    self._told = self._time
                    return False
        finally:
            self._target = None
        return True

    def wait_for(self, patience: Patience) -> None:
        """Let them move by themselves for `patience`, until it is over or forgotten."""
        self._waiting.append(patience)

    def forget(self, patience: Patience) -> None:
        """`patience` waits no more; it may be over already."""
        if patience in self._waiting:
            self._waiting.remove(patience)

    def set_free(self) -> None:
        """Let them go on in real seconds from now on. Once."""
        self._free_since = real_monotonic()
        self._quiet.notify_all()

    # ---- for the conductor, when all are quiet --------------------------------------------

    def goal(self) -> tuple[float, Patience | None]:
        """How far they may move, ``-inf``: not at all; and for whom, None: for the test."""
        if self._target is not None:
            return self._target, None
        limits = [(each.until(), each) for each in self._waiting]
        return max(limits, key=lambda pair: pair[0], default=(-inf, None))

    def move(self, moment: float) -> None:
        """Move them on to `moment`; never back."""
        self._time = max(self._time, moment)

    def end(self, patience: Patience) -> None:
        """They stand where `patience` wanted them, and all are quiet: it is over."""
        self._waiting.remove(patience)
        patience.is_over()

    def answer(self, asked: int) -> None:
        """All are quiet, and nothing more can happen: tell those who have asked until then.

        :param asked: what :attr:`asked` was when the conductor began to look.
        """
        self._answered = asked
        self._quiet.notify_all()
