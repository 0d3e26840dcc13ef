"""The words and settings of supervision, and who is restarted with whom: pure rules.

The contract is that of Erlang/OTP's supervisor; ``plan.py`` puts these rules together.

- A permanent child is restarted however it ended, a transient one after it had failed, a temporary
  one never.
- one_for_one: each child for itself. one_for_all: when one is restarted so are all others;
  rest_for_one: those that were spawned after it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from task_thread.core.lifecycle import ExitReason
from task_thread.core.supervision import Backoff

__all__ = [
    "AutoShutdown",
    "ChildRule",
    "Restart",
    "Strategy",
    "affected",
    "check_settings",
    "is_restarted",
]

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart = Literal["permanent", "transient", "temporary"]
AutoShutdown = Literal["any_significant", "all_significant", "never"]

K = TypeVar("K", bound=Hashable)


def _check_word(name: str, word: Any, words: Any) -> None:
    known = get_args(words)
    if word not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not {word!r}")


def check_settings(
    strategy: Any, max_restarts: Any, restart_window: Any, auto_shutdown: Any
) -> None:
    """Check what a class says about its children.

    :raises ValueError: one of them makes no sense; the message says what would.
    :raises TypeError: one of the numbers is none.
    """
    _check_word("strategy", strategy, Strategy)
    _check_word("auto_shutdown", auto_shutdown, AutoShutdown)
    if not isinstance(max_restarts, int) or isinstance(max_restarts, bool):
        raise TypeError(f"max_restarts is a whole number, not {max_restarts!r}")
    if max_restarts < 0:
        raise ValueError(f"max_restarts is a whole number from 0 on, not {max_restarts!r}")
    if not isinstance(restart_window, int | float) or isinstance(restart_window, bool):
        raise TypeError(f"restart_window is a number of seconds, not {restart_window!r}")
    if not restart_window > 0:
        raise ValueError(f"restart_window is a number of seconds above 0, not {restart_window!r}")


@dataclass(frozen=True, slots=True)
class ChildRule:
    """What was agreed for one child when it was spawned.

    :param restart: when it is restarted.
    :param significant: whether its parent ends when it has ended for good.
    :param backoff: the pauses before its restarts; None for none.
    :raises ValueError: there is no such restart type, or a permanent child, which never ends for
        good, is called significant.
    :raises TypeError: `backoff` is no Backoff.
    """

    restart: Restart = "permanent"
    significant: bool = False
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        _check_word("restart", self.restart, Restart)
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise TypeError(f"backoff is a Backoff or None, not {self.backoff!r}")
        if self.significant and self.restart == "permanent":
            raise ValueError(
                "a significant child is transient or temporary: a permanent one never ends for good"
            )


def is_restarted(restart: Restart, reason: ExitReason) -> bool:
    """Whether a child that ended for `reason`, unasked by its supervisor, is restarted."""
    if restart == "permanent":
        return True
    return restart == "transient" and reason.failed


def affected(strategy: Strategy, order: Sequence[K], failed: K) -> list[K]:
    """Who is restarted when `failed` is, in the order of their spawn; itself included."""
    if strategy == "one_for_all":
        return list(order)
    if strategy == "rest_for_one":
        return list(order[order.index(failed) :])
    return [failed]
