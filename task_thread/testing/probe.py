"""The ``signal_probe`` fixture: a thread that records what another one says to it.

As a parent it records what children send up and how they end; as a child, what comes down.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from task_thread.core.thread import TaskThread
from task_thread.log import show
from task_thread.testing.record import Record

if TYPE_CHECKING:
    from task_thread.core.lifecycle import ExitReason
    from task_thread.signals import Signal

__all__ = ["Exit", "Received", "SignalProbe"]

S = TypeVar("S", bound="Signal")


@dataclass(frozen=True, slots=True)
class Received:
    """A signal that a probe got.

    :ivar signal: the signal.
    :ivar sender: the child that sent it up; None if it came from the parent or from outside.
    """

    signal: Signal
    sender: TaskThread | None

    def __str__(self) -> str:
        return show(self.signal) if self.sender is None else f"{show(self.signal)} of {self.sender}"


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a probe's child.

    :ivar child: which one.
    :ivar reason: why it ended.
    """

    child: TaskThread
    reason: ExitReason

    def __str__(self) -> str:
        return f"{self.child} ended ({self.reason})"


class SignalProbe(TaskThread):
    """Records every signal it gets, and each child's end. The fixture ``signal_probe`` makes it.

    Its records may be read and waited on from any thread. It answers no requests.
    """

    max_qsize = 0

    def __init__(self, parent: TaskThread | None = None) -> None:
        self._received: Record[Received | Exit] = Record()
        super().__init__(parent=parent)

    @property
    def received(self) -> list[Received]:
        """The signals with who sent them, in order. From any thread."""
        return [each for each in self._received.entries if isinstance(each, Received)]

    @property
    def signals(self) -> list[Signal]:
        """The signals, in order. From any thread."""
        return [each.signal for each in self.received]

    @property
    def exits(self) -> list[Exit]:
        """The children that have ended, in order. From any thread."""
        return [each for each in self._received.entries if isinstance(each, Exit)]

    @overload
    def wait_for(self, what: type[S], timeout: float = 5.0, *, times: int = 1) -> S: ...
    @overload
    def wait_for(
        self, what: Callable[[Any], object], timeout: float = 5.0, *, times: int = 1
    ) -> Signal: ...
    def wait_for(self, what: Any, timeout: float = 5.0, *, times: int = 1) -> Any:
        """Block until a signal has come that is `what`, and return it. What came before counts.

        :param what: a class of signals, or a function of a signal that says whether it is the one.
        :param timeout: real seconds to wait at the most.
        :param times: wait until so many have come, and return the last of them.
        :raises TimeoutError: it did not come; the error lists what came instead.
        """
        found = self._received.wait_for(
            _is_signal(what), times, timeout, lambda: self._explain(what, times, timeout)
        )
        return cast(Received, found).signal

    @overload
    async def seen(self, what: type[S], timeout: float = 5.0, *, times: int = 1) -> S: ...
    @overload
    async def seen(
        self, what: Callable[[Any], object], timeout: float = 5.0, *, times: int = 1
    ) -> Signal: ...
    async def seen(self, what: Any, timeout: float = 5.0, *, times: int = 1) -> Any:
        """:meth:`wait_for`, on the running loop.

        :raises TimeoutError: it did not come.
        """
        found = await self._received.seen(
            _is_signal(what), times, timeout, lambda: self._explain(what, times, timeout)
        )
        return cast(Received, found).signal

    def wait_for_exit(self, child: TaskThread | None = None, timeout: float = 5.0) -> ExitReason:
        """Block until `child` (None: any) has ended, and return why.

        :param timeout: real seconds to wait at the most.
        :raises TimeoutError: it did not; the error lists what came instead.
        """
        found = self._received.wait_for(
            _is_exit(child), 1, timeout, lambda: self._explain(_end_of(child), 1, timeout)
        )
        return cast(Exit, found).reason

    async def exit_seen(self, child: TaskThread | None = None, timeout: float = 5.0) -> ExitReason:
        """:meth:`wait_for_exit`, on the running loop.

        :raises TimeoutError: it did not end.
        """
        found = await self._received.seen(
            _is_exit(child), 1, timeout, lambda: self._explain(_end_of(child), 1, timeout)
        )
        return cast(Exit, found).reason

    def _explain(self, what: Any, times: int, timeout: float) -> str:
        name = what if isinstance(what, str) else _name_of(what)
        wanted = name if times == 1 else f"{name}, {times} times,"
        came = "\n".join(f"  {each}" for each in self._received.entries) or "  nothing"
        return f"{self} did not see {wanted} within {timeout:g} s; what came:\n{came}"

    # ---- what it records ------------------------------------------------------------------

    async def signalHandler__(self, signal: Signal) -> bool | None:
        """Record it."""
        self._received.add(Received(signal, None))
        return None

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        """Record it, with the child."""
        self._received.add(Received(signal, child))

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        """Record the end."""
        self._received.add(Exit(child, reason))


def _is_signal(what: Any) -> Callable[[Received | Exit], bool]:
    def is_it(each: Received | Exit) -> bool:
        if not isinstance(each, Received):
            return False
        if isinstance(what, type):
            return isinstance(each.signal, what)
        return bool(what(each.signal))

    return is_it


def _is_exit(child: TaskThread | None) -> Callable[[Received | Exit], bool]:
    return lambda each: isinstance(each, Exit) and (child is None or each.child is child)


def _end_of(child: TaskThread | None) -> str:
    return "the end of a child" if child is None else f"the end of {child}"


def _name_of(what: Any) -> str:
    if isinstance(what, type):
        return what.__name__
    try:
        return inspect.getsource(what).strip()
    except (OSError, TypeError):
        return f"a signal for {what!r}"
