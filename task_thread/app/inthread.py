"""What runs inside a worker thread: the call itself, and the way to the next one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.app.threads import Threads

__all__ = ["Call", "Worker"]

_logger: Final = logging.getLogger("Threads")


class Call:
    """One call, on its way to a worker and back.

    :ivar then: called on the loop when it has ended and somebody still wants to know.
    :ivar begun: a worker has it.
    :ivar returned: it has ended; its value or error is there.
    :ivar abandoned: nobody waits for it any more.
    """

    __slots__ = (
        "abandoned",
        "args",
        "begun",
        "context",
        "error",
        "fn",
        "kwargs",
        "returned",
        "then",
        "value",
    )

    def __init__(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        context: Context,
        then: Callable[[Call], object],
    ) -> None:
        self.fn, self.args, self.kwargs, self.context = fn, args, kwargs, context
        self.then: Callable[[Call], object] | None = then
        self.begun = self.returned = self.abandoned = False
        self.value: Any = None
        self.error: BaseException | None = None

    def make(self) -> None:
        """Make the call, in the worker."""
        try:
            self.value = self.context.run(self.fn, *self.args, **self.kwargs)
        except StopIteration as stop:  # no coroutine can raise it, and callers may be one
            self.error = RuntimeError(f"{self._name} raised StopIteration")
            self.error.__cause__ = stop
        except BaseException as error:  # whatever it is, it is the caller's
            self.error = error

    def take_error(self) -> BaseException | None:
        """What it raised. Once: its traceback leads to this call, which must not keep it."""
        error, self.error = self.error, None
        return error

    def forget(self) -> None:
        """Nobody wants to know how it ended."""
        error = self.take_error()
        if error is not None:
            text = "%s, which nobody waits for any more, raised"
            _logger.debug(text, self._name, exc_info=error)

    @property
    def _name(self) -> str:
        return str(getattr(self.fn, "__qualname__", repr(self.fn)))


class Worker:
    """One OS thread, in a call or idle."""

    __slots__ = ("_pool", "call", "thread", "wake")

    def __init__(self, pool: Threads, name: str) -> None:
        self._pool = pool
        self.call: Call | None = None  # the pool's lock guards it
        self.wake = threading.Lock()  # let go of when there may be something to do
        self.wake.acquire()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        pool = self._pool
        stays = pool.comes(self)
        while stays:
            call = self.call
            if call is None:
                stays = pool.comes(self) if self._woken() else not pool.ends_idle(self)
                continue
            call.make()
            stays = pool.returned(self, call)
            call = None  # what it has returned belongs to the caller alone

    def _woken(self) -> bool:
        """Wait until there may be something to do. False: it took too long."""
        return self.wake.acquire(timeout=self._pool.idle_seconds)
