"""A second opinion on when a supervisor must give up.

Written from the contract alone and as plainly as can be: a list of the times of all restarts, and
a count of those within the window. :class:`Watched` is the plan that the library goes by, with
this model beside it, which is told the same events at the same times and compares.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from task_thread import ExitReason
from task_thread.core.plan import (
    Action,
    Forget,
    GiveUp,
    Plan,
    Start,
)
from task_thread.core.strategy import (
    ChildRule,
)


class Model:
    """Counts the restarts that one supervisor must make.

    :ivar restarts: how often each child was restarted.
    :ivar tripped: whether it must have given up.
    :ivar closest: how near it came to that without doing so: restarts within the window.
    """

    def __init__(self, strategy: str, max_restarts: int, window: float) -> None:
        self.strategy, self.max_restarts, self.window = strategy, max_restarts, window
        self.types: dict[int, str] = {}  # in the order of the spawns
        self.known: set[int] = set()  # an instance has been up
        self.living: set[int] = set()
        self.doomed: set[int] = set()  # the supervisor wants the end of the living instance
        self.times: list[float] = []
        self.restarts: Counter[int] = Counter()
        self.tripped = False
        self.closest = 0

    def ended(self, key: int, failed: bool, now: float) -> None:
        """An instance has ended, or could not be made."""
        self.living.discard(key)
        if key in self.doomed:
            self.doomed.discard(key)
        elif key in self.known and not self.tripped:
            kind = self.types[key]
            if kind == "permanent" or (kind == "transient" and failed):
                self._restart(key, now)

    def _restart(self, key: int, now: float) -> None:
        # What is long past the window is dropped, or a long life would grow.
        self.times = [time for time in self.times if now - time <= 2 * self.window] + [now]
        within = sum(1 for time in self.times if now - time <= self.window)
        if within > self.max_restarts:
            self.tripped = True
            return
        self.closest = max(self.closest, within)
        self.restarts[key] += 1
        order = list(self.types)
        if self.strategy == "one_for_all":
            self.doomed |= self.living
        elif self.strategy == "rest_for_one":
            self.doomed |= self.living & set(order[order.index(key) :])

    def forget(self, key: int) -> None:
        """The child is no child any more."""
        del self.types[key]
        for keys in (self.known, self.living, self.doomed):
            keys.discard(key)


class Watched(Plan[int]):
    """A plan beside which the model stands. ``disagreements`` is what they differed in."""

    disagreements: list[str] = []  # noqa: RUF012  (one list for all, emptied by each test)
    at_the_limit = 0
    trips = 0
    counting = threading.Lock()

    def __init__(self, strategy: Any, max_restarts: int, window: float, shutdown: Any) -> None:
        super().__init__(strategy, max_restarts, window, shutdown)
        self.model = Model(strategy, max_restarts, window)

    @classmethod
    def reset(cls) -> None:
        """Begin anew."""
        cls.disagreements = []
        cls.at_the_limit = cls.trips = 0

    def add(self, key: int, rule: ChildRule, now: float) -> list[Action[int]]:
        self.model.types[key] = rule.restart
        return self._seen(super().add(key, rule, now))

    def started(self, key: int, now: float) -> list[Action[int]]:
        self.model.known.add(key)
        return self._seen(super().started(key, now))

    def ended(self, key: int, reason: ExitReason, now: float, luck: float = 0.5) -> Any:
        model, before = self.model, self.model.tripped
        closed = self.closed
        if not closed:
            model.ended(key, reason.failed, now)
        actions = super().ended(key, reason, now, luck)
        must = model.tripped and not before
        does = any(isinstance(action, GiveUp) for action in actions)
        if must is not does:
            self.disagreements.append(
                f"{'must' if must else 'must not'} give up: {model.strategy} with at most "
                f"{model.max_restarts} in {model.window} s, {key} ended ({reason.kind}) at {now}, "
                f"restarts at {model.times}"
            )
        if does:
            with self.counting:
                Watched.trips += 1
        return self._seen(actions)

    def stop(self, key: int, now: float) -> list[Action[int]]:
        self.model.doomed |= self.model.living & {key}
        return self._seen(super().stop(key, now))

    def tick(self, now: float) -> list[Action[int]]:
        return self._seen(super().tick(now))

    def remove(self, key: int) -> list[Action[int]]:
        return self._seen(super().remove(key))

    def close(self) -> None:
        if not self.closed and self.model.closest == self.model.max_restarts:
            with self.counting:
                Watched.at_the_limit += 1
        super().close()

    def _seen(self, actions: list[Action[int]]) -> list[Action[int]]:
        for action in actions:
            if isinstance(action, Start):
                self.model.living.add(action.key)
            elif isinstance(action, Forget):
                self.model.forget(action.key)
        return actions
