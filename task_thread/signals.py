"""What threads say to each other: :class:`Signal` and the signals that every thread knows.

Subclass :class:`Signal` for your own; a frozen dataclass of plain data is the best choice, since
the object itself crosses from one thread to another and must not be changed after it was sent.

``TerminateSignal`` and ``CloseSignal`` are understood by every thread and never reach a handler:
sent to a thread, by either way, each asks it to stop, at once, however full its inbox is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from task_thread.errors import AskTimeout, SignalError, ThreadEnded
from task_thread.latch import Latch

if TYPE_CHECKING:
    from task_thread.core.lifecycle import ExitReason

__all__ = [
    "CloseSignal",
    "MessageSignal",
    "ReloadSignal",
    "Request",
    "Signal",
    "TerminateSignal",
]

R = TypeVar("R")


class Signal:
    """The base of all signals. Only instances of it travel; anything else is a TypeError."""

    _control: ClassVar[bool] = False  # travels on the control lane and reaches no handler

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TerminateSignal(Signal):
    """A parent asks a child to stop. The same as ``await child.terminate()``."""

    _control = True


class CloseSignal(Signal):
    """A child tells its parent that it closes.

    Sent by a child with ``sigFromChildToParent__`` it is the child's request to be ended, the
    same as ``requestTerminate()``. When it has ended, for whatever reason, its parent gets one
    with that reason, in ``childExited__``.

    :ivar reason: why the child ended; None in a request.
    """

    _control = True

    def __init__(self, reason: ExitReason | None = None) -> None:
        self.reason = reason


class ReloadSignal(Signal):
    """Read your configuration again. A daemon's root gets one for each SIGHUP, in its
    ``signalHandler__``, and tells its children what they need to know."""


class MessageSignal(Signal):
    """Carries any object, for programs too small for signal classes of their own.

    :ivar origin: who sent it, as the sender wishes to be known (an id, a name).
    :ivar message: what was sent. Do not change it after sending.
    """

    def __init__(self, origin: Any, message: Any) -> None:
        self.origin = origin
        self.message = message

    def __repr__(self) -> str:
        return f"<{type(self).__name__} from {self.origin}>"

    def getMessage(self) -> Any:
        """The message. May be called from any thread."""
        return self.message


class Request(Signal, Generic[R]):
    """A signal that wants a reply: subclass it, send it with ``await thread.ask(request)``.

    The receiver's handler calls :meth:`reply` or :meth:`fail`, at once or later, from any thread.
    The type parameter says what the reply is: ``class Count(Request[int])``. A request asks once;
    for another question make another one. A subclass with an ``__init__`` of its own need not
    call this one's.
    """

    _outcome: Latch[tuple[bool, Any]]
    _asked: Latch[None]

    def __new__(cls, *args: Any, **kwargs: Any) -> Request[R]:
        """Make what every request needs, whatever its class is initialised with."""
        # Not in __init__: dataclasses and forgetful subclasses would skip it.
        self = super().__new__(cls)
        object.__setattr__(self, "_outcome", Latch())
        object.__setattr__(self, "_asked", Latch())
        return self

    def _claim(self) -> bool:
        """Whether this is the first time that it is asked."""
        return self._asked.set(None)

    def reply(self, value: R) -> bool:
        """Answer the request. The first answer counts. From any thread.

        :returns: whether this was the first answer.
        """
        return self._outcome.set((True, value))

    def fail(self, error: BaseException) -> bool:
        """Answer with an error, which ``ask`` raises in the asking task. From any thread.

        :returns: whether this was the first answer.
        :raises TypeError: `error` is not an exception.
        """
        if not isinstance(error, BaseException):
            raise TypeError(f"fail() takes an exception, not {error!r}")
        return self._outcome.set((False, error))

    @property
    def answered(self) -> bool:
        """Whether an answer was given, or the request has failed. From any thread."""
        return self._outcome.is_set()

    async def _answer(self, left: float | None, timeout: float | None, receiver: str) -> R:
        """Wait for the answer on the running loop, for what is `left` of `timeout` seconds."""
        if not await self._outcome.wait(left):
            raise AskTimeout(f"{receiver} gave no reply to {self!r} within {timeout:g} s")
        good, value = self._outcome.get()
        if good:
            return value  # type: ignore[no-any-return]
        if isinstance(value, asyncio.CancelledError):
            # A CancelledError from elsewhere would look like a cancel of the asking task.
            raise SignalError(f"the reply to {self!r} was cancelled by {receiver}")
        raise value

    def _receiver_ended(self, receiver: str) -> bool:
        """The receiver is gone: whoever still waits gets an error. From any thread."""
        return self.fail(ThreadEnded(f"{receiver} ended before it replied to {self!r}"))
