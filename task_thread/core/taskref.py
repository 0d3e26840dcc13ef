"""One task of a thread: the driver that runs its runs, and the reference that users hold.

The rules:

- A slot is served by one driver, one asyncio task from its creation to its end: ``reSchedule``
  names the coroutine that the driver runs next. So there is always one task to cancel and never
  an unborn one, which a cancel would kill before its ``try`` was reached.
- A cancel ends the slot, also where the coroutine catches CancelledError and returns, and also
  where it re-schedules itself after that.
- A task that never waits starves nobody: the loop turns after a few runs, or after one that
  takes longer than a handful of short ones would.

All of it belongs to the loop of the thread that owns the task.
"""

from __future__ import annotations

import asyncio
import random
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.ending import is_forced_close, new_task
from task_thread.core.lifecycle import describe
from task_thread.core.supervision import policy_of

if TYPE_CHECKING:
    from task_thread.core.statistics import TaskStatistics
    from task_thread.core.tasks import Crew

__all__ = ["CoFunc", "Run", "TaskRef", "current_crew", "current_ref", "make_run"]

CoFunc = Callable[..., Coroutine[Any, Any, Any]]

current_crew: ContextVar[Crew | None] = ContextVar("task_thread_crew", default=None)
"""The crew of the thread in whose context the code runs."""

current_ref: ContextVar[TaskRef | None] = ContextVar("task_thread_task", default=None)
"""The task in whose run, or in a part of whose run, the code runs."""
# asyncio.current_task() would do, but costs a system call on Python 3.11.

_RUNS_A_TURN: Final = 4  # runs of a task that does not wait before the loop turns
_TURN_SECONDS: Final = 50e-6  # ... if all of them together take no longer
_MARK_SECONDS: Final = 1.0  # how often a busy task's rate is measured
_MARK_RUNS: Final = 65_536  # ... and after how many runs at the latest
_RESTLESS_SECONDS: Final = 1.0  # how long a task may go without a wait before it is said

Run = tuple[Coroutine[Any, Any, Any], CoFunc, tuple[Any, ...], dict[str, Any]]
# A coroutine that was made to be run next, and what it was made of. A tuple, since a class of its
# own would cost a twentieth of the rate of re-scheduling.


def make_run(cofunc: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
    """Call `cofunc`, which starts nothing yet, so that wrong arguments are an error at the caller.

    :raises TypeError: `cofunc` is no coroutine function, or does not take these arguments.
    """
    coroutine: Coroutine[Any, Any, Any]
    try:
        coroutine = cofunc(*args, **kwargs)
    except TypeError as error:
        if callable(cofunc):
            raise
        _close(cofunc)  # a coroutine, perhaps: called already, by mistake
        raise TypeError(
            f"a task needs a coroutine function (async def), not {cofunc!r}: "
            "pass the function and its arguments, do not call it"
        ) from error
    if coroutine.__class__ is not types.CoroutineType and not isinstance(coroutine, Coroutine):
        raise TypeError(f"{cofunc!r} is no coroutine function: it returned {coroutine!r}")
    return coroutine, cofunc, args, kwargs


def _close(coroutine: Any) -> None:
    close = getattr(coroutine, "close", None)
    if close is not None:
        close()


class TaskRef:
    """A reference to a running task, as ``reCreate`` and ``reSchedule`` return it.

    It offers what one asks of an asyncio task: :meth:`done`, :meth:`cancel`, :meth:`cancelled`.
    """

    __slots__ = (
        "_born",
        "_countdown",
        "_crew",
        "_error",
        "_failed_at",
        "_failures",
        "_marked",
        "_next",
        "_rate",
        "_restarts",
        "_run",
        "_runs",
        "_slot",
        "_step",
        "_stopped",
        "_task",
        "_waited_at",
        "owner",
    )

    def __init__(self, crew: Crew, run: Run) -> None:
        self._crew = crew
        self.owner = crew.owner  # the thread
        self._run = run
        self._next: Run | None = None
        self._stopped = False
        self._slot: str | None = None
        self._runs = self._restarts = self._failures = 0
        self._born = self._marked = self._failed_at = self._waited_at = monotonic()
        self._step = self._countdown = 1  # runs from one measuring of the rate to the next
        self._rate: float | None = None
        self._error: str | None = None
        context = None
        if current_crew.get() is not crew:  # a parent starts a task of its child's, on one loop
            context = copy_context()
            context.run(current_crew.set, crew)
        self._task = new_task(asyncio.get_running_loop(), self._drive(), context=context)
        self._task.add_done_callback(self._finished)

    # ---- for users, on the loop of the thread that owns the task ---------------------------

    @property
    def slot(self) -> str:
        """The attribute of ``tasks`` that holds the reference; while none does, the function's
        name."""
        if self._slot is None:
            for name, value in list(vars(self.owner.tasks).items()):
                if value is self:
                    self._slot = name
                    break
            else:
                cofunc = self._run[1]
                return getattr(cofunc, "__name__", None) or type(cofunc).__name__
        return self._slot

    @property
    def name(self) -> str:
        """``thread/slot``."""
        return f"{self._crew.name()}/{self.slot}"

    def done(self) -> bool:
        """Whether the task has ended and will not run again."""
        return self._task.done()

    def cancel(self) -> bool:
        """End the task: its run is cancelled, and what it had re-scheduled is dropped.

        Does not wait; ``await delete(ref)`` does. On the loop of the task's thread only.

        :returns: False where it had ended before.
        """
        self._stopped = True
        self._drop_next()
        return self._task.cancel()

    def cancelled(self) -> bool:
        """Whether it has ended because it was cancelled."""
        return self._task.done() and self._stopped

    def __repr__(self) -> str:
        state = "ended" if self.done() else "cancelling" if self._stopped else "running"
        return f"<task {self.name} {state}>"

    # ---- the driver -----------------------------------------------------------------------

    def then(self, run: Run) -> bool:
        """Let `run` follow the current one. False where a following one is set already."""
        if self._next is None and not self._stopped and not self._task.done():
            self._next = run
            return True
        if self._stopped and not self._task.done():
            run[0].close()
            return True
        return False

    def instead(self, run: Run) -> None:
        """Let `run` follow the current one, whatever was to follow it."""
        self._drop_next()
        self.then(run)

    def stop_after_run(self) -> None:
        """Called from its own run: finish it, and no other."""
        self._stopped = True
        self._drop_next()

    @property
    def crew(self) -> Crew:
        """The crew that owns the task."""
        return self._crew

    @property
    def coroutine(self) -> Coroutine[Any, Any, Any]:
        """What the driver runs."""
        return self._run[0]

    @property
    def task(self) -> asyncio.Task[None]:
        """The driver."""
        return self._task

    async def _drive(self) -> None:
        current_ref.set(self)
        self._task.set_name(self.name)  # by now the reference has been put into its slot
        runs_left, turned_at = _RUNS_A_TURN - 1, monotonic()
        while True:
            try:
                self._countdown -= 1
                if self._countdown:
                    await self._run[0]
                else:
                    self._mark(await _watched(self._run[0]))
            except asyncio.CancelledError:
                if not self._stopped:
                    self._crew.log("debug", "task ended with a cancel", task=self.name)
                return
            except BaseException as error:
                if self._stopped and is_forced_close(error):
                    raise
                if not await self._failed(error):
                    return
            self._runs += 1
            following = self._next
            if following is None or self._stopped:
                return
            self._run, self._next = following, None
            if runs_left and monotonic() - turned_at < _TURN_SECONDS:
                runs_left -= 1
            else:
                await _turn()
                runs_left, turned_at = _RUNS_A_TURN - 1, monotonic()

    async def _failed(self, error: BaseException) -> bool:
        """Log it, and do what the policy says. Whether a next run is set."""
        self._drop_next()
        self._error = describe(error)
        owner = self.owner
        if self._stopped:
            self._crew.log(
                "error", "task raised while it was cancelled", task=self.name, exc_info=error
            )
            return False
        _, cofunc, args, kwargs = self._run
        try:
            action, backoff = policy_of(cofunc, owner.on_task_error, owner.task_backoff)
        except ValueError as wrong:  # set on the instance, past the check of the class
            error.add_note(str(wrong))
            action, backoff = "crash", owner.task_backoff
        if action == "crash":
            self._crew.failed(self, error)
            return False
        self._crew.note(error, f"task {self.slot}")
        if action == "log":
            self._crew.log("error", "task failed and stays ended", task=self.name, exc_info=error)
            return False
        now = monotonic()
        self._failures = backoff.failures_after(self._failures, now - self._failed_at)
        self._failed_at = now
        pause = backoff.delay(self._failures, random.random())
        self._crew.log(
            "error",
            "task failed and is restarted",
            task=self.name,
            pause=round(pause, 3),
            exc_info=error,
        )
        self._restarts += 1
        await asyncio.sleep(pause)
        self._next = make_run(cofunc, args, kwargs)
        return True

    def _mark(self, waited: bool) -> None:
        """Measure the rate, about once a second, and warn once of a task that never waits."""
        now = monotonic()
        elapsed = max(now - self._marked, 1e-9)
        self._rate = self._step / elapsed
        self._step = max(1, min(int(self._rate * _MARK_SECONDS), 8 * self._step, _MARK_RUNS))
        self._countdown = self._step
        self._marked = now
        if self._next is None or waited:
            self._waited_at = now
        elif now - self._waited_at > _RESTLESS_SECONDS and self._crew.warn_once(self.slot):
            self._crew.log(
                "warning",
                "task re-schedules itself without ever waiting: let it await what it works for",
                task=self.name,
                runs_per_second=round(self._rate),
            )

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next[0].close()
            self._next = None

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._crew.refs.discard(self)
        self._run[0].close()  # cancelled before its first step: no warning about that
        self._drop_next()

    def statistics(self) -> TaskStatistics:
        """A snapshot. From any thread."""
        from task_thread.core.statistics import TaskStatistics

        age = monotonic() - self._born
        rate = self._rate
        if rate is None or age < _MARK_SECONDS:
            rate = self._runs / age if age > 0 else 0.0
        return TaskStatistics(
            name=self.slot,
            running=not self._task.done(),
            runs=self._runs,
            rate=rate,
            restarts=self._restarts,
            last_error=self._error,
        )


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Let the loop turn once: asyncio.sleep(0) without its detour."""
    yield


@types.coroutine
def _watched(coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, bool]:
    """Await `coroutine`, and tell whether it ever waited for anything (a bare turn is no wait)."""
    waited = False
    step: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        try:
            awaited = step(sent)
        except StopIteration:
            return waited
        waited = waited or awaited is not None
        try:
            sent = yield awaited
            step = coroutine.send
        except BaseException as error:
            sent, step = error, coroutine.throw
