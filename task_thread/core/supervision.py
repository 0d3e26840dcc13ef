"""What is done about a task that raised: pure rules, without a clock of their own.

``"crash"`` lets the thread end (its parent is told), ``"restart"`` runs the task again after a
pause that grows, ``"log"`` leaves it ended. The traceback is logged in each case.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, cast, get_args

__all__ = ["Backoff", "TaskErrorAction", "TaskPolicy", "check_action", "on_error", "policy_of"]

TaskErrorAction = Literal["crash", "restart", "log"]

_ATTRIBUTE: Final = "__task_thread_policy__"
CoFunc = TypeVar("CoFunc", bound=Callable[..., Coroutine[Any, Any, Any]])


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt. All times in seconds.

    :param initial: the pause after the first failure.
    :param factor: each further pause is this many times the one before.
    :param maximum: no pause is longer.
    :param jitter: each pause is varied at random by this share up or down, so that many that
        failed together do not come back together. 0.1 is a tenth.
    :param healthy: after this long without a failure the pauses start over.
    :raises ValueError: at construction, for a number that makes no sense.
    """

    initial: float = 0.1
    factor: float = 2.0
    maximum: float = 30.0
    jitter: float = 0.1
    healthy: float = 60.0

    def __post_init__(self) -> None:
        # Each as what must hold, so that nan, which is neither less nor more, is refused as well.
        if not 0 <= self.initial <= self.maximum:
            raise ValueError(f"a backoff needs 0 <= initial <= maximum, not {self!r}")
        if not self.factor >= 1:
            raise ValueError(f"a backoff's factor is at least 1, not {self.factor!r}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"a backoff's jitter is a share from 0 to 1, not {self.jitter!r}")
        if not self.healthy >= 0:
            raise ValueError(f"a backoff's healthy time is not negative: {self.healthy!r}")

    def delay(self, failures: int, luck: float = 0.5) -> float:
        """Seconds to wait after so many `failures` in a row (1 is the first).

        :param luck: a random number from 0 to 1 that places the pause within its jitter.
        """
        if failures < 1:
            return 0.0
        try:
            pause = self.initial * self.factor ** (failures - 1)
        except OverflowError:
            pause = self.maximum
        return min(pause, self.maximum) * (1 + self.jitter * (2 * luck - 1))

    def failures_after(self, failures: int, good_for: float) -> int:
        """How many failures in a row a new one makes, where all was well for `good_for` s."""
        return 1 if good_for >= self.healthy else failures + 1


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """What is done when a task raises, and for ``restart`` how soon."""

    action: TaskErrorAction
    backoff: Backoff | None = None


def check_action(action: str) -> TaskErrorAction:
    """`action`, if it is one of the three words.

    :raises ValueError: it is not; the message says which there are.
    """
    words = get_args(TaskErrorAction)
    if action not in words:
        raise ValueError(f"on_task_error is one of {', '.join(words)}, not {action!r}")
    return cast(TaskErrorAction, action)


def on_error(
    action: TaskErrorAction, *, backoff: Backoff | None = None
) -> Callable[[CoFunc], CoFunc]:
    """Decorate one task's coroutine function with what an exception in it does.

    Without it the class's ``on_task_error`` and ``task_backoff`` hold::

        @on_error("restart", backoff=Backoff(initial=1.0, maximum=60.0))
        async def poll(self): ...

    :param action: ``"crash"``, ``"restart"`` or ``"log"``.
    :param backoff: the pauses between restarts; by default the class's ``task_backoff``.
    :raises ValueError: `action` is none of the three.
    """
    policy = TaskPolicy(check_action(action), backoff)

    def decorate(cofunc: CoFunc) -> CoFunc:
        setattr(cofunc, _ATTRIBUTE, policy)
        return cofunc

    return decorate


def policy_of(cofunc: object, action: str, backoff: Backoff) -> tuple[TaskErrorAction, Backoff]:
    """The action and backoff for `cofunc`: its own where it was decorated, else those given."""
    policy: TaskPolicy | None = getattr(cofunc, _ATTRIBUTE, None)
    if policy is None:
        return check_action(action), backoff
    return policy.action, backoff if policy.backoff is None else policy.backoff
