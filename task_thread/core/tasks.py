"""Tasks that create, re-schedule and delete themselves: ``reCreate``, ``reSchedule``, ``delete``.

The rules:

- A slot is served by one driver, one asyncio task from its creation to its end: ``reSchedule``
  names the coroutine that the driver runs next. So there is always one task to cancel and never
  an unborn one, which a cancel would kill before its ``try`` was reached.
- A cancel ends the slot, also where the coroutine catches CancelledError and returns, and also
  where it re-schedules itself after that.
- Every driver belongs to the crew of one thread, in whatever attribute its reference was put, and
  ends with it.
- A task that never waits starves nobody: the loop turns after a few runs, or after one that
  takes longer than a handful of short ones would.

Everything here belongs to the loop of the thread that owns the tasks.
"""

from __future__ import annotations

import asyncio
import random
import types
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextvars import ContextVar, copy_context
from time import monotonic
from typing import Any, Final, Protocol

from task_thread.core.statistics import TaskStatistics
from task_thread.core.supervision import Backoff, TaskErrorAction, policy_of
from task_thread.errors import NotInThread, ThreadEnded, WrongLoop

__all__ = ["Crew", "Namespace", "TaskRef", "current_crew", "delete", "reCreate", "reSchedule"]

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


class Owner(Protocol):
    """What a crew asks of its thread."""

    on_task_error: TaskErrorAction
    task_backoff: Backoff
    stop_timeout: float
    logger: Any
    tasks: Namespace


class Namespace:
    """Holds what one puts in: ``self.tasks`` and ``self.locks`` of a thread.

    A task takes the name of the attribute that holds its reference as its slot's name.
    """

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name!r} was not set here: set it in initVars__, None will do")

    def __repr__(self) -> str:
        return f"<{', '.join(f'{k}={v!r}' for k, v in vars(self).items())}>"


Run = tuple[Coroutine[Any, Any, Any], CoFunc, tuple[Any, ...], dict[str, Any]]
# A coroutine that was made to be run next, and what it was made of. A tuple, since a class of its
# own would cost a twentieth of the rate of re-scheduling.


def make_run(cofunc: CoFunc, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
    """Call `cofunc`, which starts nothing yet, so that wrong arguments are an error at the caller.

    :raises TypeError: `cofunc` is no coroutine function, or does not take these arguments.
    """
    try:
        coroutine = cofunc(*args, **kwargs)
    except TypeError as error:
        if callable(cofunc):
            raise
        close = getattr(cofunc, "close", None)
        if close is not None:  # a coroutine: called already, by mistake
            close()
        raise TypeError(
            f"a task needs a coroutine function (async def), not {cofunc!r}: "
            "pass the function and its arguments, do not call it"
        ) from error
    if coroutine.__class__ is not types.CoroutineType and not isinstance(coroutine, Coroutine):
        raise TypeError(f"{cofunc!r} is no coroutine function: it returned {coroutine!r}")
    return coroutine, cofunc, args, kwargs


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
        self._task = asyncio.get_running_loop().create_task(self._drive(), context=context)
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
                    self.owner.logger.debug("task ended with a cancel", task=self.name)
                return
            except (Exception, SystemExit) as error:
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
        self._error = f"{type(error).__name__}: {error}"
        owner = self.owner
        if self._stopped:
            owner.logger.error("task raised while it was cancelled", task=self.name, exc_info=error)
            return False
        _, cofunc, args, kwargs = self._run
        action, backoff = policy_of(cofunc, owner.on_task_error, owner.task_backoff)
        if action == "crash":
            self._crew.failed(self, error)
            return False
        if action == "log":
            owner.logger.error("task failed and stays ended", task=self.name, exc_info=error)
            return False
        now = monotonic()
        self._failures = backoff.failures_after(self._failures, now - self._failed_at)
        self._failed_at = now
        pause = backoff.delay(self._failures, random.random())
        owner.logger.error(
            "task failed and is restarted", task=self.name, pause=round(pause, 3), exc_info=error
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
            self.owner.logger.warning(
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


class Crew:
    """All tasks of one thread. On that thread's loop only."""

    __slots__ = ("_warned", "closed", "failed", "loop", "name", "owner", "refs")

    def __init__(
        self,
        owner: Owner,
        name: Callable[[], str],
        failed: Callable[[TaskRef, BaseException], None],
    ) -> None:
        self.owner = owner
        self.name = name
        self.failed = failed  # told what a task raised that shall crash the thread
        self.refs: set[TaskRef] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self._warned: set[str] | None = None

    def start(self, run: Run) -> TaskRef:
        """Start a driver with its first run.

        :raises ThreadEnded: the thread's tasks have been ended already.
        """
        if self.closed:
            run[0].close()
            raise ThreadEnded(f"{self.name()} is ending and starts no more tasks")
        ref = TaskRef(self, run)
        self.refs.add(ref)
        return ref

    def warn_once(self, slot: str) -> bool:
        """Whether that slot's warning is still to be given."""
        if self._warned is None:
            self._warned = set()
        if slot in self._warned:
            return False
        self._warned.add(slot)
        return True


def _crew_for(cofunc: object) -> Crew:
    """The crew that shall own a task of `cofunc`: of the thread whose method it is, else of the
    thread in whose context this runs."""
    loop = asyncio.get_running_loop()
    engine = getattr(getattr(cofunc, "__self__", None), "_taskthread", None)
    crew: Crew | None = current_crew.get() if engine is None else engine.crew
    if crew is None:
        raise NotInThread(
            f"no TaskThread owns {cofunc!r} here: start tasks in a thread's enter__, handlers or "
            "tasks, or pass one of its methods"
        )
    if crew.loop is not loop:
        if crew.loop is None:
            raise NotInThread(f"{crew.name()} does not run yet: start its tasks in enter__")
        raise WrongLoop(
            f"tasks of {crew.name()} are started and ended on its own loop: send it a signal"
        )
    return crew


async def reCreate(ref: Any, cofunc: CoFunc, *args: Any, **kwargs: Any) -> TaskRef:
    """End what runs in `ref`, wait for that, then start ``cofunc(*args, **kwargs)``.

    Called by the very task that runs in `ref` it means: after this run, that one.
    On the loop of the thread that owns the task only.

    :param ref: a task reference, an asyncio task, or None.
    :raises TypeError: wrong arguments for `cofunc`, or `ref` is no task.
    :raises NotInThread: no running TaskThread is there to own the task.
    :raises WrongLoop: the task's thread lives on another loop.
    :raises ThreadEnded: the thread has already ended its tasks.
    """
    crew = _crew_for(cofunc)
    run = make_run(cofunc, args, kwargs)
    if isinstance(ref, TaskRef) and ref.task is asyncio.current_task():
        ref.instead(run)
        return ref
    try:
        await delete(ref)
    except BaseException:
        run[0].close()
        raise
    return crew.start(run)


async def reSchedule(cofunc: CoFunc, *args: Any, **kwargs: Any) -> TaskRef:
    """Run ``cofunc(*args, **kwargs)`` after the run that calls this has returned.

    ``self.tasks.x = await reSchedule(self.x)`` is the last thing a task's run does. Called twice
    in one run, or from elsewhere than a task's own run, it starts another task at once.
    On the loop of the thread that owns the task only.

    :raises TypeError: wrong arguments for `cofunc`.
    :raises NotInThread: no running TaskThread is there to own the task.
    :raises WrongLoop: the task's thread lives on another loop.
    :raises ThreadEnded: the thread has already ended its tasks.
    """
    mine = current_ref.get()
    if mine is None or getattr(cofunc, "__self__", mine.owner) is not mine.owner:
        crew = _crew_for(cofunc)
        return crew.start(make_run(cofunc, args, kwargs))
    run = make_run(cofunc, args, kwargs)
    return mine if mine.then(run) else mine.crew.start(run)


async def delete(ref: Any) -> None:
    """End the task in `ref` and wait until it has ended. None is no task, and fine.

    Called by the task itself it lets the current run finish, and no other follow. A task that
    goes on in spite of its cancel is cancelled again, then closed, within its thread's
    ``stop_timeout``. On the loop of the thread that owns the task only.

    :raises TypeError: `ref` is neither a task reference, nor an asyncio task, nor None.
    :raises WrongLoop: the task's thread lives on another loop.
    """
    if ref is None:
        return
    if isinstance(ref, TaskRef):
        if ref.crew.loop is not asyncio.get_running_loop():
            raise WrongLoop(f"{ref!r} is ended on its own loop: send its thread a signal")
        if ref.task is asyncio.current_task():
            ref.stop_after_run()
            return
        ref.cancel()
        stubborn = await end_tasks([ref.task], monotonic() + ref.crew.owner.stop_timeout)
        if stubborn:
            ref.crew.owner.logger.warning("task ignores its cancel and was closed", task=ref.name)
    elif isinstance(ref, asyncio.Task):
        if ref is not asyncio.current_task():
            ref.cancel()
            await asyncio.wait([ref])
    else:
        raise TypeError(f"{ref!r} is no task: pass what reCreate or reSchedule returned")


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], limit: float) -> list[asyncio.Task[Any]]:
    """Wait for cancelled `tasks` to end; at half the time cancel again, at the limit close them.

    :param limit: when to be done with it, in seconds of :func:`time.monotonic`.
    :returns: those that had to be closed by force.
    """
    pending = {task for task in tasks if not task.done()}
    if not pending:
        return []
    half = max(0.0, (limit - monotonic()) / 2)
    _, pending = await asyncio.wait(pending, timeout=half)
    if not pending:
        return []
    for task in pending:
        task.cancel()
    _, pending = await asyncio.wait(pending, timeout=max(0.01, limit - monotonic()))
    for task in pending:
        close_by_force(task)
    return list(pending)


def close_by_force(task: asyncio.Task[Any]) -> bool:
    """Close the coroutine under a task that swallows every cancel: no ``except`` for an Exception
    or a CancelledError holds a GeneratorExit up. Whether that worked."""
    coroutine: Any = task.get_coro()
    try:
        coroutine.close()
    except (RuntimeError, ValueError):
        return False  # it caught even that, or it is the one that runs right now
    # The task finds its coroutine closed when it is woken, which would be logged as an error.
    task.add_done_callback(_retrieve)
    task.cancel()
    return True


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
