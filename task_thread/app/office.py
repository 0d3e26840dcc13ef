"""What is behind a TaskApp: its tasks, their ticks, its runs and its store, in one place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any

from task_thread.app.dispatcher import Dispatcher
from task_thread.app.events import (
    StoreTrouble,
    TaskAdded,
    TaskDeleted,
    TaskEvent,
    TaskPaused,
    TaskResumed,
    TaskUpdated,
)
from task_thread.app.ledger import Ledger
from task_thread.app.lifecycles import LifeCycles
from task_thread.app.middleware import Middleware
from task_thread.app.options import TaskOptions
from task_thread.app.records import RUN, SCHEDULE, check_storable
from task_thread.app.recovery import Recovery
from task_thread.app.run import Run
from task_thread.app.runinfo import error_line
from task_thread.app.schedules import Schedules
from task_thread.app.signature import is_lasting
from task_thread.app.store import Store
from task_thread.app.task import Task, as_task
from task_thread.app.taskset import TaskSet
from task_thread.core.lifecycle import State
from task_thread.errors import NotRunning, NotStorable, StoreError, UnknownTask
from task_thread.log import log_safely

if TYPE_CHECKING:
    from task_thread.app.app import TaskApp
    from task_thread.app.pool import Pool
    from task_thread.app.words import ExecutorName

__all__ = ["Office"]

_SINGLE = 256  # functions of apply() that are remembered
_RUNS_SHARE = 0.7  # of what is left of the stop: until then what runs is given time
_CLOSE_SHARE = 0.7  # of what is left then: for the store


class Office:
    """The inside of one TaskApp.

    Ownership: ``tasks``, ``schedules`` and the dispatcher guard themselves; all the rest belongs to
    the app's loop.
    """

    def __init__(
        self,
        app: TaskApp,
        name: str,
        pools: dict[ExecutorName, Pool],
        store: Store | None,
        tasks: TaskSet | None,
        middlewares: Sequence[Middleware | type[Middleware]],
        retention: float,
    ) -> None:
        self.app = app
        self.name = name
        self.store = store
        self.retention = retention
        self.tasks = TaskSet() if tasks is None else tasks
        self.ledger: Ledger | None = None
        self.dispatcher = Dispatcher(self, name, f"{token_hex(5)}-", pools, middlewares, retention)
        self.schedules = Schedules(self)
        self._closed = False
        self._recovery = Recovery(self)
        self._single: dict[Any, Task[..., Any]] = {}  # what apply() was given
        self.life_cycles = LifeCycles(self.dispatcher)
        self.tasks.attach_if_free(self)

    # ---- what the task set says, from any thread ------------------------------------------

    def accept(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        priority: int,
        delay: float | None,
    ) -> Run[Any]:
        """See :class:`~task_thread.app.taskset.TaskHost`."""
        call = None
        if self.is_durable(task):
            call = check_storable(args, kwargs, repr(task))
        return self.dispatcher.accept(task, args, kwargs, priority, delay, call)

    def is_durable(self, task: Task[..., Any]) -> bool:
        """Whether its runs and ticks are stored."""
        return self.store is not None and task.options.durable is not False

    def check_task(self, task: Task[..., Any]) -> None:
        """:raises ValueError: it is to be stored, and there is no store.
        :raises NotStorable: it can't be stored.
        """
        if task.options.durable and self.store is None:
            raise ValueError(
                f"{task.name} is durable, and {self.name} has no store: "
                "TaskApp(..., store='sqlite:///file.db')"
            )
        if self.is_durable(task) and task.trigger is not None and not task.is_life_cycle:
            check_storable(task.args, task.kwargs, repr(task))
            self.schedules.check(task)

    def task_added(self, task: Task[..., Any], fresh: bool = True) -> None:
        """See :class:`~task_thread.app.taskset.TaskHost`."""
        self.schedules.put(task, fresh=fresh and task.id not in self.schedules.known)
        self._stage_may_be_another(task)
        self._tell(TaskAdded, task)
        if self._recovery.waits_for(task):
            self._on_loop(self._recovery.take_in, task.id)

    def task_changed(self, task: Task[..., Any], old: TaskOptions) -> None:
        """See :class:`~task_thread.app.taskset.TaskHost`."""
        if task.options.trigger is not old.trigger:
            self.schedules.put(task, fresh=True)
        else:
            self.schedules.adjust(task)
        self._stage_may_be_another(task)
        self._tell(TaskUpdated, task)

    def task_removed(self, task: Task[..., Any]) -> None:
        """See :class:`~task_thread.app.taskset.TaskHost`."""
        self.schedules.drop(task)
        self._on_loop(self.life_cycles.end, task.id)
        self._tell(TaskDeleted, task)

    def task_paused(self, task: Task[..., Any], paused: bool) -> None:
        """See :class:`~task_thread.app.taskset.TaskHost`."""
        self.schedules.pause(task, paused)
        self._tell(TaskPaused if paused else TaskResumed, task)

    def next_of(self, task: Task[..., Any]) -> datetime | None:
        """See :class:`~task_thread.app.taskset.TaskHost`."""
        return self.schedules.next_of(task)

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended. From any thread."""
        return self.app.state in (State.STARTING, State.RUNNING, State.STOPPING)

    @property
    def is_closed(self) -> bool:
        """Whether it lets go of its store, or has. On the loop."""
        return self._closed

    def tick_ended(self, task: Task[..., Any]) -> None:
        """A run from a tick has ended. What app.schedule() made for one date, and has happened, is
        forgotten: a hundred thousand reminders would be read at each start. On the loop."""
        seat = task.seat
        if seat is None or seat.next is not None or task.declared or task.deleted:
            return
        if self.schedules.scheduler.get(task.id) is seat and not self.dispatcher.ticks.has(task):
            with contextlib.suppress(UnknownTask):
                self.tasks.remove(task)

    def put_schedule(self, key: str, record: bytes | None) -> None:
        """Store a schedule, or (None) forget it. From any thread."""
        if self.store is not None:
            self._on_loop(self._put_schedule, key, record)

    def _put_schedule(self, key: str, record: bytes | None) -> None:
        if self.ledger is not None:
            self.ledger.put_schedule(key, record)

    def _tell(self, kind: type[TaskEvent], task: Task[..., Any]) -> None:
        if self.dispatcher.notices.wanted:
            self._on_loop(self.dispatcher.notices.tell, kind(self.name, task.id))

    def _on_loop(self, function: Any, *args: Any) -> None:
        """Have it done on the loop; before the start and after the end it is not needed."""
        loop = self.app._taskthread.life.loop
        if loop is None:
            return
        try:
            if asyncio.get_running_loop() is loop:
                function(*args)
                return
        except RuntimeError:
            pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(function, *args)

    def log(self, level: str, event: str, about: Run[Any] | Task[..., Any], **values: Any) -> None:
        """Log something about a run or a task. From any thread."""
        if isinstance(about, Run):
            values["run"] = about.id
            about = about.task
        log_safely(self.app.logger, level, event, task=about.name, **values)

    # ---- the start, on the loop -----------------------------------------------------------

    async def open(self) -> None:
        """Open the store, take in what is there, and begin."""
        try:
            await self._open()
        except BaseException:
            await self._undo()
            raise
        # Where enter__ of a subclass raises after this, no hook is called any more: what was begun
        # is ended when the tasks of the thread are.
        self.app._taskthread.life.create_task(self._watch_over(), "watch over")
        self.schedules.scheduler.start(asyncio.get_running_loop())

    async def _open(self) -> None:
        runs: list[tuple[str, Any]] = []
        if self.store is not None:
            ledger = Ledger(
                self.store, self.retention, self.dispatcher.publish, self._store_trouble
            )
            self.ledger = self.dispatcher.ledger = ledger
            await ledger.open(self.app)
            for key, record in await ledger.read(SCHEDULE):
                if isinstance(record, NotStorable):
                    self._recovery.complain(record)
                else:
                    self.schedules.known[key] = record
            runs = await ledger.read(RUN)
        await self.dispatcher.open()
        self.schedules.begun = True
        self.tasks.attach(self)
        for key, record in list(self.schedules.known.items()):
            self._recovery.schedule(key, record)
        for key, record in runs:
            self._recovery.run(key, record)

    async def _watch_over(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if not self._closed:
                await self._undo()

    async def _undo(self) -> None:
        self.schedules.scheduler.stop()
        if self.dispatcher.is_open:
            self.dispatcher.close()
            self.dispatcher.cut_short()
        await self.close()

    def _store_trouble(self, error: StoreError) -> None:
        log_safely(
            self.app.logger, "error", "the store can't be written; it is tried again",
            reason=error_line(error),
        )  # fmt: skip
        if self.dispatcher.notices.wanted:
            self.dispatcher.notices.tell(StoreTrouble(self.name, error_line(error)))

    def single_use(
        self,
        fn: Callable[..., Any] | Task[..., Any],
        executor: ExecutorName | None,
        max_time: float | None,
    ) -> Task[..., Any]:
        """A task for one call, which nobody has declared. From any thread."""
        said: dict[str, Any] = {}
        if executor is not None:
            said["executor"] = executor
        if max_time is not None:
            said["max_time"] = max_time
        task = as_task(fn)
        if task is not None and not said:
            return task
        if not is_lasting(fn):
            return self.tasks.make_apart(fn, said)
        key: Any = (fn, executor, max_time)
        known = self._single.get(key)
        if known is None:
            if len(self._single) >= _SINGLE:  # whoever makes up a time limit for each call
                self._single.clear()
            known = self._single[key] = self.tasks.make_apart(fn, said)
        return known

    async def flush(self) -> None:
        """Wait until all that was accepted is on disk. On the loop."""
        if not self.dispatcher.is_open:
            raise NotRunning(f"{self.name} is about to start: nothing was accepted yet", self.app)
        self.dispatcher.drain()
        if self.ledger is not None:
            await self.ledger.flush()

    # ---- the end, on the loop -------------------------------------------------------------

    async def stop(self) -> None:
        """Take nothing new, give what runs its time, and end it then."""
        life = self.app._taskthread.life
        self.schedules.scheduler.stop()
        self.dispatcher.close()
        left = max(0.0, life.share(_RUNS_SHARE) - monotonic())
        try:
            async with asyncio.timeout(left):
                await self.dispatcher.wait_idle()
        except TimeoutError:
            self.dispatcher.cut_short()
        await self.life_cycles.end_all(life.share(_RUNS_SHARE))

    async def close(self) -> None:
        """Write what is left, and let go of everything."""
        self._closed = True
        if not self.dispatcher.is_open:
            if self.ledger is not None:
                await self.ledger.close(0.0)
            return
        self.dispatcher.ended.close()
        try:
            if self.ledger is not None:
                await self.ledger.close(self.app._taskthread.life.share(_CLOSE_SHARE))
        finally:
            with contextlib.suppress(TimeoutError):
                left = max(0.0, self.app._taskthread.life.share(_CLOSE_SHARE) - monotonic())
                async with asyncio.timeout(left):
                    await self.dispatcher.notices.flush()
            self.dispatcher.turn_deaf()
            # The threads last: a call that never returns is waited for until the deadline.
            await self.dispatcher.processes.close()
            try:
                await self.dispatcher.threads.close()
            finally:
                for line in self.dispatcher.threads.left():
                    log_safely(self.app.logger, "warning", "a call was left behind: %s", line)

    def stage_ended(self, task: Task[..., Any]) -> None:
        """A life-cycle task has ended by itself: no more ticks. On the loop."""
        self.life_cycles.forget(task)
        self.schedules.drop(task)

    def _stage_may_be_another(self, task: Task[..., Any]) -> None:
        if self.life_cycles.has(task):  # one that is begun this moment looks by itself
            self._on_loop(self.life_cycles.look_at, task)
