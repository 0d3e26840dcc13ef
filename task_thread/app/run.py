"""A run: one execution of a task, as whoever asked for it holds it."""

from __future__ import annotations

import asyncio
import threading
import traceback
from asyncio.events import _get_running_loop
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from task_thread.app.progress import NO_PROGRESS, Progress, total_of
from task_thread.app.runinfo import RunInfo, error_line
from task_thread.app.words import ExecutorName, RunStatus
from task_thread.errors import (
    RunCancelled,
    RunError,
    RunFailed,
    TickMissed,
    TickSkipped,
    WaitTimeout,
    WrongLoop,
)
from task_thread.latch import Latch

if TYPE_CHECKING:
    from types import TracebackType

    import structlog

    from task_thread.app.attempt import Attempt
    from task_thread.app.task import Task

__all__ = ["Run", "RunHost"]

R = TypeVar("R")
T = TypeVar("T")

_UNSET: Final = object()
over_latch: Final[ContextVar[Latch[None] | None]] = ContextVar("over_latch", default=None)
"""Set when the attempt is over that this code belongs to; the run may be at the next one then."""

_lock: Final = threading.Lock()
"""Guards what is shared of all runs: the making of a latch and the list of callbacks against the
end of the run. One for all, since it is held for a moment and a lock for each would weigh more."""


class RunHost(Protocol):
    """What a run asks of the app that runs it. From any thread."""

    def cancel_run(self, run: Run[Any], reason: str) -> None:
        """Cancel it, soon."""
        ...

    def run_logger(self, run: Run[Any]) -> structlog.stdlib.BoundLogger:
        """A logger that names the run."""
        ...

    def tell_run(self, run: Run[Any], callback: Callable[[Run[Any]], Any]) -> None:
        """Call ``callback(run)`` on the app's loop."""
        ...


class Run(Generic[R]):
    """One execution of a task. Everything may be called from any thread unless it says otherwise.

    Ownership: the app's loop writes; everyone reads. The latch and the callbacks belong to the
    lock of this module.

    :ivar id: unique, in this process and, where the app is durable, in its store.
    :ivar task: the Task.
    :ivar args: what it is called with. Not to be changed, unless by a middleware's ``before``.
    :ivar kwargs: the same.
    :ivar priority: which goes first, the lower number before the higher.
    :ivar executor: where it runs.
    :ivar status: a :class:`RunStatus`.
    :ivar attempt: which attempt it is; 0 before the first.
    :ivar due: the tick that it is the run of, in UTC; None if it was called.
    :ivar stands_for: how many ticks it is the run of.
    :ivar value: what the attempt gave; None until then. :meth:`wait`, :meth:`result` wait for it.
    :ivar exception: what the last attempt raised, or why there was none; else None.
    :ivar return_value: what a generator returned at its end, its list being the result.
    :ivar starts: how often an attempt was begun, in earlier lives of the process too.
    """

    __slots__ = (
        "_attempt",
        "_callbacks",
        "_ended",
        "_ended_at",
        "_host",
        "_latch",
        "_outcome",
        "_queued_at",
        "_settled",
        "_started_at",
        "_trace",
        "args",
        "attempt",
        "call",
        "due",
        "durable",
        "exception",
        "executor",
        "id",
        "kwargs",
        "priority",
        "progress_made",
        "return_value",
        "stands_for",
        "starts",
        "status",
        "task",
        "then",
        "value",
    )

    def __init__(
        self,
        host: RunHost,
        id: str,
        task: Task[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        priority: int,
        durable: bool,
    ) -> None:
        self._host = host
        self.id = id
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.call: str | None = None  # the same as it is stored, whatever becomes of them
        self.priority = priority
        self.durable = durable
        self.executor: ExecutorName = task.options.executor
        self.status = RunStatus.QUEUED
        self.attempt = 0
        self.starts = 0
        self.due: datetime | None = None
        self.stands_for = 1
        self.value: Any = None
        self.return_value: Any = None
        self.exception: BaseException | None = None
        self.progress_made = NO_PROGRESS
        self.then: Callable[[Run[Any]], None] | None = None  # who within the app wants to know
        self._trace: TracebackType | None = None
        self._queued_at = time()
        self._started_at = self._ended_at = 0.0
        self._settled = False  # its outcome is decided; it may have to be stored before it is told
        self._ended = False  # and was told
        self._latch: Latch[None] | None = None
        self._callbacks: list[Callable[[Run[Any]], Any]] | None = None
        self._attempt: Attempt | None = None  # the one that is under way
        self._outcome = RunStatus.QUEUED  # what its status will be when it has ended

    # ---- waiting --------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended

    def wait(self, timeout: float | None = None) -> R:
        """Hold this OS thread up until the run has ended, and return what it gave.

        :param timeout: seconds; None for no limit. The run goes on after it.
        :raises WaitTimeout: it has not ended by then.
        :raises RunCancelled: it was cancelled. :raises TickMissed: it came too late.
        :raises TickSkipped: others of its task were under way.
        :raises WrongLoop: a loop runs in this thread, which would stand still:
            ``await run.result()`` there.
        :raises BaseException: what its task raised.
        """
        if not self._ended:
            if _get_running_loop() is not None:
                raise WrongLoop(f"a loop runs here: await run.result() for {self!r}")
            if not self._awaited().wait_blocking(timeout):
                raise WaitTimeout(f"{self!r} has not ended within {timeout:g} s; it goes on")
        return self._give()

    async def result(self, timeout: float | None = None) -> R:
        """Wait on the running loop until the run has ended, and return what it gave. From any
        loop, the app's own too. To be cancelled in this does not cancel the run.

        :param timeout: seconds; None for no limit. The run goes on after it.
        :raises WaitTimeout: it has not ended by then.
        :raises BaseException: all that :meth:`wait` raises but WrongLoop.
        """
        if not self._ended and not await self._awaited().wait(timeout):
            raise WaitTimeout(f"{self!r} has not ended within {timeout:g} s; it goes on")
        return self._give()

    def __await__(self) -> Generator[Any, None, R]:
        return self.result().__await__()

    def _awaited(self) -> Latch[None]:
        with _lock:
            if self._latch is None:
                self._latch = Latch()
                if self._ended:
                    self._latch.set(None)
            return self._latch

    def _give(self) -> R:
        if self.status is RunStatus.SUCCEEDED:
            return self.value  # type: ignore[no-any-return]
        error = self.exception
        if error is None:
            error = _ENDINGS.get(self.status, RunError)(f"{self!r} gave no result")
        if isinstance(error, asyncio.CancelledError):
            # Raised as it is, it would look like a cancel of whoever waits.
            raise RunCancelled(f"{self!r} was cancelled from within") from error
        # With the traceback that it came with: each waiter would add his own frames to it.
        raise error.with_traceback(self._trace)

    # ---- doing ----------------------------------------------------------------------------

    def cancel(self, reason: str = "") -> bool:
        """Cancel the run: it is not begun, or its coroutine is cancelled, or its process ended. A
        function in a thread can't be stopped: its result is dropped, and an ``echo`` function is
        told by RunCancelled where it next reports progress.

        :param reason: for the record.
        :returns: False where it had ended before.
        """
        if self._settled:
            return False
        self._host.cancel_run(self, reason)
        return True

    def add_callback(self, callback: Callable[[Run[Any]], Any]) -> None:
        """Have ``callback(run)`` called when the run has ended, at once if it has. It is called on
        the app's loop; a coroutine function is awaited there. When the app has ended it is called
        here and now. What it raises is logged.

        :raises TypeError: it can't be called.
        """
        if not callable(callback):
            raise TypeError(f"a callback is called with the run, and {callback!r} can't be")
        with _lock:
            if not self._ended:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(callback)
                return
        self._host.tell_run(self, callback)

    # ---- for functions with echo=True -----------------------------------------------------

    @property
    def logger(self) -> structlog.stdlib.BoundLogger:
        """The app's logger with the run's id and task bound to it."""
        return self._host.run_logger(self)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far the run is: `done` of `total` (None: nobody knows).

        :raises RunCancelled: it was cancelled, or its time is over: stop working.
        """
        self._check_goes_on()
        self.progress_made = Progress(done, total, note)

    def track(self, things: Iterable[T], total: float | None = None) -> Iterator[T]:
        """Go through `things`, and report progress for each one done.

        :param total: how many there are; by default their length, if they have one.
        :raises RunCancelled: while it is gone through: the run was cancelled, or is out of time.
        """
        total = total_of(things, total)
        self.progress(0, total)
        for done, thing in enumerate(things, 1):
            yield thing
            self.progress(done, total)

    async def track_async(
        self, things: AsyncIterable[T], total: float | None = None
    ) -> AsyncIterator[T]:
        """The same for what is gone through with ``async for``."""
        total = total_of(things, total)
        self.progress(0, total)
        done = 0
        async for thing in things:
            yield thing
            done += 1
            self.progress(done, total)

    def sleep(self, seconds: float) -> Any:
        """Pause the run: ``await run.sleep(1)`` in a coroutine, ``run.sleep(1)`` in a thread. A
        cancel ends the pause.

        :raises RunCancelled: in a thread: it was cancelled, or its time is over.
        """
        if _get_running_loop() is not None:
            return asyncio.sleep(seconds)
        self._check_goes_on()
        over = over_latch.get()
        (self._awaited() if over is None else over).wait_blocking(seconds)
        self._check_goes_on()
        return None

    def _check_goes_on(self) -> None:
        over = over_latch.get()
        if self._settled or (over is not None and over.is_set()):
            raise RunCancelled(f"{self!r} is over")

    # ---- seeing ---------------------------------------------------------------------------

    @property
    def time_queued(self) -> datetime:
        """When it was accepted, in UTC."""
        return datetime.fromtimestamp(self._queued_at, UTC)

    @property
    def time_started(self) -> datetime | None:
        """When its last attempt began, in UTC; None before the first."""
        return datetime.fromtimestamp(self._started_at, UTC) if self._started_at else None

    @property
    def time_ended(self) -> datetime | None:
        """When it ended, in UTC; None before."""
        return datetime.fromtimestamp(self._ended_at, UTC) if self._ended_at else None

    @property
    def traceback(self) -> str:
        """The text of the traceback of what it raised; "" where there is none."""
        error = self.exception
        if error is None:
            return ""
        if isinstance(error, RunFailed) and error.traceback:
            return error.traceback
        trace = self._trace if self._ended else error.__traceback__
        return "".join(traceback.format_exception(type(error), error, trace))

    def info(self) -> RunInfo:
        """What it is at this moment."""
        task = self.task
        return RunInfo(
            id=self.id,
            task=task.id,
            name=task.name,
            executor=self.executor,
            status=self.status,
            priority=self.priority,
            attempt=self.attempt,
            time_queued=self.time_queued,
            time_started=self.time_started,
            time_ended=self.time_ended,
            due=self.due,
            stands_for=self.stands_for,
            result=self.value if self.status is RunStatus.SUCCEEDED else None,
            error=error_line(self.exception),
            traceback=self.traceback,
            progress=self.progress_made,
        )

    def _publish(self) -> list[Callable[[Run[Any]], Any]]:
        """It has ended, and everyone may know. On the app's loop, once.

        :returns: whom to call now.
        """
        with _lock:
            self.status = self._outcome
            self._ended = True
            if self.exception is not None:
                self._trace = self.exception.__traceback__
            latch, callbacks = self._latch, self._callbacks
            self._callbacks = None
        if latch is not None:
            latch.set(None)
        return callbacks or []

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.task.id}: {self.status.value}>"


_ENDINGS: Final[dict[RunStatus, type[RunError]]] = {
    RunStatus.CANCELLED: RunCancelled,
    RunStatus.MISSED: TickMissed,
    RunStatus.SKIPPED: TickSkipped,
}
