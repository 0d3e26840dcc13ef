"""What is to be done next with the supervised children of one thread: a pure plan.

A :class:`Plan` is told what has happened to the children, with the time and some luck as arguments,
and answers what to do; the driver (``supervisor.py``) does it. Beside those of ``strategy.py`` it
holds these rules:

- Of a group that is restarted those that live are stopped first, the youngest first and one after
  the other; then all are started in the order of their spawn. While one waits for its start, those
  after it wait as well.
- Each restart counts, and so does each start that fails during one; a group counts once. More than
  ``max_restarts`` of them within the last ``restart_window`` seconds, and the parent gives up.
- A child that ended for good and is significant lets its parent end.
- What was stopped by hand stays down until it is restarted by hand, whatever its siblings do (in
  OTP a restart of the whole group brings it back). A transient child that had ended well comes
  again with its group.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from task_thread.core.lifecycle import ExitReason
from task_thread.core.strategy import (
    AutoShutdown,
    ChildRule,
    Strategy,
    affected,
    check_settings,
    is_restarted,
)

__all__ = [
    "Action",
    "Forget",
    "GiveUp",
    "Phase",
    "Plan",
    "Shut",
    "Start",
    "Stop",
    "Wait",
]

K = TypeVar("K", bound=Hashable)


class Phase(enum.Enum):
    """Where a child is, as its supervisor sees it."""

    DOWN = "down"
    """It waits for its start."""
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    """Its supervisor has ordered its end."""
    GONE = "gone"
    """It has ended for good; it may be restarted by hand."""


@dataclass(frozen=True, slots=True)
class Start(Generic[K]):
    """Start a new instance of that child."""

    key: K


@dataclass(frozen=True, slots=True)
class Stop(Generic[K]):
    """Order that child's end."""

    key: K


@dataclass(frozen=True, slots=True)
class Wait:
    """Call :meth:`Plan.tick` then; of several the earliest counts, which speaks of the others.

    :ivar until: seconds, on the clock of the driver.
    """

    until: float


@dataclass(frozen=True, slots=True)
class GiveUp(Generic[K]):
    """Crash the parent: that child would have been restarted once too often."""

    key: K


@dataclass(frozen=True, slots=True)
class Shut(Generic[K]):
    """End the parent: that significant child has ended for good."""

    key: K


@dataclass(frozen=True, slots=True)
class Forget(Generic[K]):
    """That child has ended for good and has left the plan."""

    key: K


Action = Start[K] | Stop[K] | Wait | GiveUp[K] | Shut[K] | Forget[K]

_LIVING: Final = (Phase.STARTING, Phase.UP)


class _Child:
    """One child's place in the plan."""

    __slots__ = (
        "again", "by_hand", "due", "entered", "failures", "held", "phase", "rule", "up_since",
        "wanted",
    )  # fmt: skip

    def __init__(self, rule: ChildRule, now: float) -> None:
        self.rule = rule
        self.phase = Phase.DOWN
        self.wanted = True  # a next instance shall come
        self.again = False  # the present instance shall end
        self.held = False  # it was stopped by hand
        self.by_hand = False  # the next start was asked for by hand
        self.entered = False  # an instance of it has been up
        self.failures = 0
        self.due = self.up_since = now


class Plan(Generic[K]):
    """What is to be done with the supervised children of one thread. Pure, and told the time.

    Each event returns the actions that follow from it, in their order.

    :param strategy: whom a restart concerns.
    :param max_restarts: how many there may be within the window.
    :param restart_window: seconds.
    :param auto_shutdown: whether one significant child's end suffices, or all must have ended.
    :raises ValueError: one of them makes no sense.
    :ivar closed: whether nothing is started any more.
    """

    def __init__(
        self,
        strategy: Strategy,
        max_restarts: int,
        restart_window: float,
        auto_shutdown: AutoShutdown = "any_significant",
    ) -> None:
        self.configure(strategy, max_restarts, restart_window, auto_shutdown)
        self._restarts: deque[float] = deque()
        self._children: dict[K, _Child] = {}
        self.closed = False

    def configure(
        self,
        strategy: Strategy,
        max_restarts: int,
        restart_window: float,
        auto_shutdown: AutoShutdown,
    ) -> None:
        """Go by these from the next event on.

        :raises ValueError: one of them makes no sense; nothing has changed.
        """
        check_settings(strategy, max_restarts, restart_window, auto_shutdown)
        self._strategy: Strategy = strategy
        self._auto_shutdown: AutoShutdown = auto_shutdown
        self._max_restarts = max_restarts
        self._window = restart_window

    def __contains__(self, key: K) -> bool:
        return key in self._children

    def keys(self) -> list[K]:
        """The children, in the order of their spawn."""
        return list(self._children)

    def phase(self, key: K) -> Phase:
        """Where that child is. A KeyError for one that the plan does not hold."""
        return self._children[key].phase

    def is_coming(self, key: K) -> bool:
        """Whether that child is down and its next instance will come."""
        child = self._children.get(key)
        if child is None or self.closed or not child.wanted:
            return False
        return child.phase is Phase.DOWN or (child.phase is Phase.STOPPING)

    def expects_next(self, key: K, reason: ExitReason, *, entered: bool = False) -> bool:
        """Whether a next instance of that child may come if it ends for `reason` now.

        :param entered: whether it has entered, in case :meth:`started` was not called yet.
        """
        child = self._children.get(key)
        if child is None or self.closed or not child.wanted:
            return False
        if child.phase is Phase.STOPPING:
            return True
        return (child.entered or entered) and is_restarted(child.rule.restart, reason)

    def was_by_hand(self, key: K) -> bool:
        """Whether the present start of that child was asked for by hand."""
        return self._children[key].by_hand

    def close(self) -> None:
        """Start nothing any more: the parent ends."""
        self.closed = True

    # ---- what may happen ------------------------------------------------------------------

    def add(self, key: K, rule: ChildRule, now: float) -> list[Action[K]]:
        """A child was spawned."""
        self._children[key] = _Child(rule, now)
        return self._next(key, now)

    def started(self, key: K, now: float) -> list[Action[K]]:
        """Its ``enter__`` has returned."""
        child = self._children[key]
        if child.phase is Phase.STARTING:
            child.phase, child.by_hand = Phase.UP, False
        child.entered = True
        child.up_since = now
        return self._next(key, now)

    def ended(self, key: K, reason: ExitReason, now: float, luck: float = 0.5) -> list[Action[K]]:
        """Its instance has ended, or could not be made.

        :param luck: a random number from 0 to 1, for the jitter of its backoff.
        """
        child = self._children[key]
        phase, again = child.phase, child.again
        child.phase, child.again = Phase.DOWN, False
        if phase is Phase.STOPPING or again:
            # What ends by itself before its turn to be stopped has come ends with its group.
            return ([] if child.wanted else self._gone(key)) + self._next(key, now)
        if not child.entered:
            return [*self._forget(key), *self._next(key, now)]
        if self.closed:
            return []
        by_hand, child.by_hand = child.by_hand, False
        if by_hand and phase is Phase.STARTING:
            return self._gone(key) + self._next(key, now)
        if not is_restarted(child.rule.restart, reason):
            return self._gone(key) + self._significant(key, child) + self._next(key, now)
        if self._too_often(now):
            self.closed = True
            return [GiveUp(key)]
        self._pause(child, now - child.up_since if phase is Phase.UP else 0.0, now, luck)
        for each in affected(self._strategy, self.keys(), key):
            self._concern(self._children[each])
        return self._next(key, now)

    def stop(self, key: K, now: float) -> list[Action[K]]:
        """By hand: let it end, and stay down."""
        child = self._children[key]
        child.wanted, child.held = False, True
        if child.phase is Phase.DOWN:
            return self._gone(key) + self._next(key, now)
        child.again = child.phase in _LIVING
        return self._next(key, now)

    def restart(self, key: K, now: float) -> list[Action[K]]:
        """By hand: let it end if it lives, and start a new instance now. It does not count."""
        child = self._children[key]
        child.wanted = child.by_hand = True
        child.held = False
        child.due = now
        if child.phase is Phase.GONE:
            child.phase = Phase.DOWN
        elif child.phase is Phase.UP:
            child.again = True
        return self._next(key, now)

    def remove(self, key: K) -> list[Action[K]]:
        """By hand: forget a child that has been stopped."""
        return self._forget(key)

    def tick(self, now: float) -> list[Action[K]]:
        """The time has come that a Wait spoke of."""
        if self._strategy != "one_for_one":
            return self._next_of_all(now)
        return [action for key in self._children for action in self._next_of_one(key, now)]

    # ---- what follows ---------------------------------------------------------------------

    def _too_often(self, now: float) -> bool:
        times = self._restarts
        times.append(now)
        if len(times) > self._max_restarts + 1:  # what came before that decides nothing any more
            times.popleft()
        while times[0] < now - self._window:
            times.popleft()
        return len(times) > self._max_restarts

    def _pause(self, child: _Child, good_for: float, now: float, luck: float) -> None:
        child.due = now
        backoff = child.rule.backoff
        if backoff is not None:
            child.failures = backoff.failures_after(child.failures, good_for)
            child.due = now + backoff.delay(child.failures, luck)

    def _concern(self, child: _Child) -> None:
        """A restart concerns this child: it ends, and comes again unless it is temporary. So does
        one that had ended well, but not one that was stopped by hand."""
        if child.phase in _LIVING:
            child.again = True
            if child.rule.restart == "temporary":
                child.wanted = False
        elif child.phase is Phase.GONE and not child.held:
            child.phase, child.wanted = Phase.DOWN, True

    def _gone(self, key: K) -> list[Action[K]]:
        child = self._children[key]
        child.phase, child.wanted = Phase.GONE, False
        return self._forget(key) if child.rule.restart == "temporary" else []

    def _forget(self, key: K) -> list[Action[K]]:
        del self._children[key]
        return [Forget(key)]

    def _significant(self, key: K, child: _Child) -> list[Action[K]]:
        if not child.rule.significant or self._auto_shutdown == "never":
            return []
        others: Iterable[_Child] = self._children.values()
        if self._auto_shutdown == "all_significant" and any(
            each.rule.significant and each.phase is not Phase.GONE for each in others
        ):
            return []
        self.closed = True
        return [Shut(key)]

    def _next(self, key: K, now: float) -> list[Action[K]]:
        """What follows now that something has happened to that child."""
        if self._strategy == "one_for_one":
            return self._next_of_one(key, now)
        return self._next_of_all(now)

    def _next_of_one(self, key: K, now: float) -> list[Action[K]]:
        child = self._children.get(key)
        if child is None:
            return []
        if child.again and child.phase in _LIVING:
            child.phase = Phase.STOPPING
            return [Stop(key)]
        if child.phase is not Phase.DOWN or self.closed:
            return []
        if child.due > now:
            return [Wait(child.due)]
        child.phase = Phase.STARTING
        return [Start(key)]

    def _next_of_all(self, now: float) -> list[Action[K]]:
        children = self._children
        if any(child.phase is Phase.STOPPING for child in children.values()):
            return []
        for key in reversed(children):
            child = children[key]
            if child.again and child.phase in _LIVING:
                child.phase = Phase.STOPPING
                return [Stop(key)]
        if self.closed or any(child.phase is Phase.STARTING for child in children.values()):
            return []
        for key, child in children.items():
            if child.phase is Phase.DOWN:
                if child.due > now:
                    return [Wait(child.due)]
                child.phase = Phase.STARTING
                return [Start(key)]
        return []
