"""What a flow's state can be, and what a task says instead of giving a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from task_thread.app.checks import check_seconds, check_text
from task_thread.app.triggers import Interval, Trigger, make_trigger

if TYPE_CHECKING:
    from task_thread.flows.spec import Routine, TaskSpec

__all__ = ["FlowState", "Spawn", "Wait", "check_reason", "spawn", "wait"]


class FlowState(StrEnum):
    """Where a flow is. A picture is in the docs, under "Flows"."""

    INIT = "INIT"
    """It was made, and not submitted yet."""
    RUNNING = "RUNNING"
    """A task is performed, or will be as soon as there is a place for it."""
    CHECK = "CHECK"
    """A task that waits is asked whether it may go on."""
    WAIT = "WAIT"
    """A task waits for somebody to resume it."""
    SPAWN = "SPAWN"
    """A task waits for the flow that it spawned."""
    DONE = "DONE"
    """All tasks are done."""
    FAIL = "FAIL"
    """A task failed. It may be resumed: that task runs again."""
    CANCELLED = "CANCELLED"
    """Somebody cancelled it."""

    __hash__ = str.__hash__  # that of Enum is no C: a state is looked up several times a step

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self is FlowState.DONE or self is FlowState.CANCELLED

    @property
    def has_ended(self) -> bool:
        """Whether it goes on no more by itself: it is final, or failed."""
        return self is FlowState.FAIL or self.is_final


@dataclass(frozen=True, slots=True)
class Wait:
    """What :func:`wait` makes: returned by a task that is to wait.

    :ivar reason: for people.
    :ivar check_every: when its ``check`` is asked without a resume; None: only on one.
    """

    reason: str = ""
    check_every: Trigger | None = None

    def __post_init__(self) -> None:
        check_reason(self.reason)


@dataclass(frozen=True, slots=True)
class Spawn:
    """What :func:`spawn` makes: returned by a task that has another flow do its work.

    :ivar task: the one task of that flow, as a routine takes it; None where `routine` is given.
    :ivar routine: the routine of that flow, or its name.
    :ivar args: what it is submitted with.
    :ivar kwargs: the same.
    :ivar reason: for people.
    """

    task: Any = None
    routine: Any = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""

    def __post_init__(self) -> None:
        check_reason(self.reason)


_LONGEST: Final = 10_000


def check_reason(reason: str) -> None:
    """:raises TypeError: it is no text. :raises ValueError: it is longer than 10,000 characters."""
    check_text("a reason", reason, empty=True)
    if len(reason) > _LONGEST:
        raise ValueError(f"a reason has {_LONGEST:,} characters at most, not {len(reason):,}")


def wait(reason: str = "", *, check_every: Trigger | float | str | None = None) -> Wait:
    """Have the flow rest, across restarts of the process, until it is resumed: ``return
    wait("for a confirmation")`` in ``perform`` or ``check``. From any thread.

    :param reason: for people; 10,000 characters at most.
    :param check_every: have ``check`` asked by itself too: every so many seconds, or on a trigger.
    :raises TypeError, ValueError: no such reason or trigger can be.
    """
    if check_every is None or isinstance(check_every, Trigger):
        return Wait(reason, check_every)
    if isinstance(check_every, str):
        return Wait(reason, make_trigger(check_every))
    check_seconds("check_every", check_every, above=True)
    return Wait(reason, Interval(seconds=check_every))


def spawn(
    task: TaskSpec | None = None,
    *,
    routine: Routine | str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Spawn:
    """Have another flow do the work, and go on with its result: ``return
    spawn("media.Transcode", args=(url,))`` in ``perform`` or ``check``. From any thread.

    :param task: its one task, in any form that a routine takes.
    :param routine: or its routine, by its name.
    :param args: what it is submitted with.
    :param kwargs: the same.
    :param reason: for people.
    :raises TypeError: both are given, or neither; or the arguments are no sequence and mapping.
    """
    if (task is None) == (routine is None):
        raise TypeError("spawn takes a task or a routine: spawn('media.Transcode', args=(url,))")
    given: object = args
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise TypeError(f"args are a tuple or list, not {given!r}")
    named: object = kwargs
    if named is not None and not isinstance(named, Mapping):
        raise TypeError(f"kwargs are a mapping, not {named!r}")
    return Spawn(task, routine, tuple(args), dict(kwargs or {}), reason)
