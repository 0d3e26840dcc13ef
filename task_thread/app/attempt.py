"""One attempt of a run: what is around the function, and where the function is called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context, copy_context
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from task_thread.app.bands import Bands
from task_thread.app.generators import through_handler
from task_thread.app.inthread import Call
from task_thread.app.middleware import Middleware, Onion
from task_thread.app.processes import Collected, Processes
from task_thread.app.progress import NO_PROGRESS
from task_thread.app.run import over_latch
from task_thread.app.threads import Threads
from task_thread.app.words import RunStatus
from task_thread.errors import TimeLimitReached
from task_thread.latch import Latch

if TYPE_CHECKING:
    from task_thread.app.run import Run
    from task_thread.app.stages import Stage
    from task_thread.app.task import Task

__all__ = ["Attempt", "Desk"]

_OURS: Final = "task_thread.app."


class Desk(Protocol):
    """What an attempt asks of those who began it. On the app's loop."""

    middlewares: Sequence[Middleware | type[Middleware]]
    context: Context
    threads: Threads
    processes: Processes

    def began(self, run: Run[Any]) -> None:
        """An attempt begins."""
        ...

    def succeeded(self, run: Run[Any]) -> None:
        """``run.value`` is its result."""
        ...

    def failed(self, run: Run[Any], error: BaseException) -> None:
        """The attempt raised."""
        ...

    def freed(self) -> None:
        """A place in a pool has become free while no worker looked."""
        ...

    def stage_of(self, task: Task[..., Any]) -> Stage:
        """The generator of a life-cycle task."""
        ...

    def stage_ended(self, task: Task[..., Any]) -> None:
        """It has ended by itself: no more ticks."""
        ...


class Attempt:
    """One attempt. On the app's loop, all of it.

    It is over when its outcome is decided: by its end, by a cancel, or by its time limit, whichever
    is first. A function that goes on after that changes nothing any more. In a thread it gives up
    its place in the pool; a coroutine that ignores its cancel keeps it until it ends.

    :ivar over: whether its outcome is decided.
    """

    __slots__ = (
        "_context",
        "_desk",
        "_lane",
        "_latch",
        "_limit",
        "_number",
        "_thread_call",
        "_timer",
        "_worker",
        "over",
        "run",
    )

    def __init__(self, run: Run[Any], desk: Desk, lane: Bands[Run[Any]]) -> None:
        self.run = run
        self._desk = desk
        self._lane = lane
        # It is one of these: a coroutine that a worker makes, or nothing but a call in a thread.
        self._worker: asyncio.Task[Any] | None = None
        self._thread_call: Call | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._limit: TimeLimitReached | None = None
        self._context: Context | None = None
        self._latch: Latch[None] | None = None  # for a function that asks whether it is over
        self.over = False

    # ---- what a worker asks ---------------------------------------------------------------

    def begin(self, worker: asyncio.Task[Any]) -> Coroutine[Any, Any, Any] | None:
        """It begins; see :class:`~task_thread.app.workers.Job`."""
        run = self.run
        run._attempt = self
        run.attempt += 1
        self._number = run.attempt
        run.starts += 1
        run._started_at = time()
        run.status = RunStatus.RUNNING
        run.progress_made = NO_PROGRESS
        self._desk.began(run)
        task = run.task
        if task.options.max_time is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(task.options.max_time, self._overdue)
        plain = task.is_plain and not self._desk.middlewares
        if plain and task.options.executor == "thread":
            # No coroutine to wait for it, which would be a task of the loop for each call.
            context = self._desk.context.copy()
            call = Call(task.fn, run.args, run.kwargs, context, self._returned)
            self._desk.threads.begin(call)
            self._thread_call = call
            return None
        self._worker = worker
        if not plain:
            return self._drive()
        if task.options.executor == "process":
            return self._desk.processes.call(task.fn, run.args, run.kwargs)
        return task.fn(*run.args, **run.kwargs)  # type: ignore[no-any-return]

    def done(self, value: Any, error: BaseException | None) -> None:
        """Its coroutine has ended."""
        self._worker = None
        if self._timer is not None:
            self._timer.cancel()
        self._lane.done()
        if self.over:
            return
        self.over = True
        if error is None:
            self.run.value = value
            self._desk.succeeded(self.run)
        else:
            self._desk.failed(self.run, _from_the_function_on(error))

    def done_at_hand(self, value: Any, error: BaseException | None) -> None:
        """The same where it is no worker that made it, who would look for the next one."""
        try:
            self.done(value, error)
        finally:
            self._desk.freed()

    def _returned(self, call: Call) -> None:
        """Its call in a thread has ended."""
        self._thread_call = None
        self.done_at_hand(call.value, call.take_error())

    @property
    def title(self) -> str:
        """For people who look at the tasks of a loop."""
        return f"{self.run.task.name} {self.run.id}"

    # ---- what ends it early ---------------------------------------------------------------

    def cancel(self) -> None:
        """Its outcome is decided elsewhere: stop it as far as it can be."""
        self.over = True
        if self._latch is not None:
            self._latch.set(None)
        if self._worker is not None:
            self._worker.cancel()
        elif self._thread_call is not None:
            call, self._thread_call = self._thread_call, None
            self._desk.threads.abandon(call)
            self.done_at_hand(None, None)

    def _overdue(self) -> None:
        if self.over:
            return
        run = self.run
        self._limit = TimeLimitReached(
            f"{run!r}: attempt {run.attempt} took longer than {run.task.options.max_time:g} s"
        )
        self.cancel()
        self._desk.failed(run, self._limit)

    # ---- what is around the function ------------------------------------------------------

    async def _drive(self) -> Any:
        run, desk = self.run, self._desk
        if run.task.options.echo:
            self._latch = Latch()
            over_latch.set(self._latch)
        onion = Onion((*desk.middlewares, *run.task.options.middlewares))
        try:
            await onion.before(run)
            value = await self._decoded(await self._call())
            if self.over:  # it ignored its cancel: the run is somebody else's by now
                raise asyncio.CancelledError
            run.value = value
            await onion.after(run)
        except BaseException as error:
            if isinstance(error, Exception) and not self.over:
                run.exception = error
                await onion.on_error(run)
            elif self._limit is not None and run.attempt == self._number:
                await onion.on_error(run)
            raise
        return run.value

    async def _decoded(self, value: Any) -> Any:
        decode = self.run.task.options.decode
        if decode is None:
            return value
        value = decode(value)
        return await value if inspect.isawaitable(value) else value

    async def _call(self) -> Any:
        run, desk = self.run, self._desk
        task = run.task
        options, shape = task.options, task.shape
        if task.is_life_cycle and run.due is not None:
            if task.deleted:  # while it waited: its generator has been ended, and begins no more
                raise asyncio.CancelledError
            advance = await desk.stage_of(task).tick()
            if advance.ended:
                desk.stage_ended(task)
            return advance.value
        args = (run, *run.args) if options.echo else run.args
        if shape.is_generator or shape.is_async_generator:
            return await self._generate(args)
        if options.executor == "loop":
            return await task.fn(*args, **run.kwargs)
        if options.executor == "thread":
            return await self._in_thread(task.fn, *args, **run.kwargs)
        return await desk.processes.call(task.fn, args, run.kwargs)

    async def _generate(self, args: tuple[Any, ...]) -> list[Any]:
        """Go through a generator: its values become the list that is the result."""
        run = self.run
        options = run.task.options
        if options.executor == "process":
            made = await self._desk.processes.call(run.task.fn, args, run.kwargs)
            assert isinstance(made, Collected)
            values, returned = list(made.values), made.returned
            if options.generate_handler is not None:
                values, _ = await through_handler(
                    iter(values), options.generate_handler, self._in_thread
                )
        else:
            values, returned = await through_handler(
                run.task.fn(*args, **run.kwargs), options.generate_handler, self._in_thread
            )
        if not self.over:
            run.return_value = returned
        return values

    async def _in_thread(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        # One context for all calls of the attempt: a generator's steps belong together.
        if self._context is None:
            self._context = copy_context()  # with what the middlewares have set
        return await self._desk.threads.call(fn, args, kwargs, self._context)


def _from_the_function_on(error: BaseException) -> BaseException:
    """`error` with a traceback that begins in the task's function: how it was called is of no
    interest to whoever looks for a mistake in it."""
    first = trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        trace = trace.tb_next
    return error.with_traceback(first if trace is None else trace)
