"""The inside of an app: takes calls from any thread, and has each run where it belongs.

::

    add_task() --+                     +--> lanes["loop"] ----+
    a tick ------+--> intake --> admit-+--> lanes["thread"] --+--> workers --> attempts --> settle
    the store ---+                     +--> lanes["process"] -+        ^                      |
                                       +--> delays ------------------->+<------ a retry ------+
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio.events import _get_running_loop
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import copy_context
from random import random
from time import time
from typing import TYPE_CHECKING, Any, Final

from task_thread.app.attempt import Attempt
from task_thread.app.bands import Bands
from task_thread.app.delays import Delays
from task_thread.app.ended import Ended
from task_thread.app.events import (
    RunEnded,
    RunEvent,
    RunMissed,
    RunRetrying,
    RunSkipped,
    RunStarted,
)
from task_thread.app.middleware import Middleware, check_middleware
from task_thread.app.notices import Notices
from task_thread.app.options import TaskOptions
from task_thread.app.processes import Processes
from task_thread.app.run import Run
from task_thread.app.task import Task
from task_thread.app.threads import Threads
from task_thread.app.ticks import Ticks
from task_thread.app.words import ExecutorName, RunStatus
from task_thread.app.workers import Job, Workers
from task_thread.core.lifecycle import FINAL
from task_thread.errors import NotRunning, RunCancelled, ThreadEnded

if TYPE_CHECKING:
    from datetime import datetime

    import structlog

    from task_thread.app.ledger import Ledger
    from task_thread.app.office import Office
    from task_thread.app.pool import Pool
    from task_thread.app.stages import Stage

__all__ = ["COROUTINES", "Dispatcher"]

COROUTINES: Final = 1000
"""So many coroutines of runs are under way at once, unless the app is told otherwise."""

_EVENTS: Final[dict[RunStatus, type[RunEvent]]] = {
    RunStatus.MISSED: RunMissed,
    RunStatus.SKIPPED: RunSkipped,
}


class Dispatcher:
    """The runs of one app.

    Ownership: ``_intake``, ``_ringing``, ``_open``, ``_deaf``, ``_number`` are shared, and
    guarded by ``_lock``; ``runs`` is changed from any thread, by single operations. All the rest
    belongs to the app's loop; what others read of it is counted, not changed. Nothing is called
    while ``_lock`` is held.
    """

    def __init__(
        self,
        office: Office,
        name: str,
        prefix: str,
        pools: dict[ExecutorName, Pool],
        middlewares: Sequence[Middleware | type[Middleware]],
        retention: float,
    ) -> None:
        self.office = office
        self.app = office.app
        self.name = name
        self.prefix = prefix
        self.pools = pools
        self.middlewares: Sequence[Middleware | type[Middleware]] = tuple(
            check_middleware(each) for each in middlewares
        )
        self.retention = retention
        self.notices = Notices(office.app)
        self.lanes: dict[ExecutorName, Bands[Run[Any]]] = {
            executor: Bands(pool.size, pool.reserve_normal, pool.reserve_high)
            for executor, pool in pools.items()
        }
        self._order = (self.lanes["process"], self.lanes["thread"], self.lanes["loop"])
        self.runs: dict[str, Run[Any]] = {}
        self.running: dict[str, Run[Any]] = {}
        self.counts: Counter[RunStatus] = Counter()
        self.stages: dict[str, Stage] = {}
        self.ticks = Ticks(self.make_tick, self.queue, self.settle)
        self.ledger: Ledger | None = None
        self.closing = False
        self._lock = threading.Lock()
        self._intake: list[tuple[Callable[[Run[Any], Any], None], Run[Any], Any]] = []
        self._ringing = False
        self._open: bool | None = None  # None: not yet
        self._deaf = False  # nothing is taken in any more: the loop will not turn again
        self._number = 0
        self._drained: asyncio.Future[None] | None = None

    # ---- from any thread ------------------------------------------------------------------

    def accept(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        priority: int,
        delay: float | None,
        call: str | None,
        at_once: bool = False,
    ) -> Run[Any]:
        """Take a call. See Task.add_task for what it raises.

        :param call: the arguments, as they are stored; None: it is not durable.
        :param at_once: on the app's own loop, for who calls :meth:`take_up` next: without a turn
            of it between.
        """
        durable = call is not None
        with self._lock:
            if self._open is not True:
                raise self._refusal()
            self._number += 1
            run: Run[Any] = Run(
                self, f"{self.prefix}{self._number}", task, args, kwargs, priority, durable
            )
            run.call = call
            if delay:
                run.status = RunStatus.DELAYED
            self.runs[run.id] = run
            self._intake.append((self._admit, run, delay))
            if self._ringing:
                return run
            self._ringing = True
        if at_once:
            self._take_in()
        else:
            self._ring()
        return run

    def cancel_run(self, run: Run[Any], reason: str) -> None:
        """See :meth:`Run.cancel`."""
        with self._lock:
            if self._open is None or self._deaf:
                return
            self._intake.append((self._cancel, run, reason))
            if self._ringing:
                return
            self._ringing = True
        self._ring()

    def tell_run(self, run: Run[Any], callback: Callable[[Run[Any]], Any]) -> None:
        """See :meth:`Run.add_callback`."""
        with self._lock:
            if not self._deaf:
                self._intake.append((self._tell, run, callback))
                if self._ringing:
                    return
                self._ringing = ring = True
            else:
                ring = False
        if ring:
            self._ring()
        else:
            self.notices.call_late(callback, run)

    def _tell(self, run: Run[Any], callback: Callable[[Run[Any]], Any]) -> None:
        self.notices.call(callback, run)

    def run_logger(self, run: Run[Any]) -> structlog.stdlib.BoundLogger:
        """The app's logger, with the run and its task bound to it."""
        return self.app.logger.bind(task=run.task.name, run=run.id)

    def _refusal(self) -> Exception:
        if self._open is None and self.app.state not in FINAL:
            return NotRunning(f"{self.name} does not run yet: run it first", self.app)
        return ThreadEnded(f"{self.name} takes no more calls: it has ended, or will soon", self.app)

    def _ring(self) -> None:
        """Have the intake looked through, once. Without the lock."""
        loop = self.app._taskthread.life.loop
        assert loop is not None
        if _get_running_loop() is loop:
            loop.call_soon(self.drain)
        else:
            with contextlib.suppress(RuntimeError):  # closed: it was drained before that
                loop.call_soon_threadsafe(self.drain)

    # ---- the beginning and the end, on the loop -------------------------------------------

    async def open(self) -> None:
        """Begin to take calls."""
        self.loop = asyncio.get_running_loop()
        self.context = copy_context()
        self.threads = Threads(self.name)
        self.processes = Processes()
        self.workers = Workers(self._take, self._waiting, f"{self.name}/run")
        self.delays = Delays[Run[Any]](self.loop, self.queue)
        self.ended = Ended(self.loop, lambda id: self.runs.pop(id, None), self.retention)
        with self._lock:
            self._open = True
        self._await_the_judge()

    def _await_the_judge(self) -> None:
        """Have the runs ended where the thread is given up: its loop hangs, and will not do it."""
        self.app._taskthread.life.ended._subscribe(self._look_whether_gone, None)

    def _look_whether_gone(self) -> None:
        """From any thread: the thread has ended, or whoever waits for that was poked."""
        if not self.app._taskthread.life.ended.is_set():
            self._await_the_judge()
            return
        with self._lock:
            self._open, self._deaf = False, True
        for run in list(self.runs.values()):
            if not run._ended:  # mostly there is none: they end with the thread, in order
                run._settled = True
                run.exception = ThreadEnded(f"{run!r}: {self.name} was given up", self.app)
                for callback in run._publish():
                    self.notices.call_late(callback, run)

    @property
    def is_open(self) -> bool:
        """Whether it was opened, if also closed again."""
        return self._open is not None

    def close(self) -> None:
        """Take no more calls. What waits is left in the store, or cancelled."""
        with self._lock:
            self._open = False
        self.drain()
        self.closing = True
        left = [*self.delays.clear(), *self.ticks.waiting()]
        for lane in self._order:
            left += lane.items()
            for run in lane.items():
                lane.discard(run)
        for run in left:
            self._leave(run, "its app has ended before it began")

    def turn_deaf(self) -> None:
        """The last look at what others have asked for. As the last thing."""
        with self._lock:
            self._deaf = True
        self.drain()

    async def wait_idle(self) -> None:
        """Wait until no attempt is under way. A callback when the last one ends, no looking."""
        while self.running:
            self._drained = self.loop.create_future()
            await self._drained

    def cut_short(self) -> None:
        """Cancel what is under way: the time of the stop is over."""
        for run in list(self.running.values()):
            attempt = run._attempt
            self._leave(run, "its app has ended")
            if attempt is not None:
                attempt.cancel()

    def _leave(self, run: Run[Any], why: str) -> None:
        """End a run with its app: in memory it is cancelled; a durable one goes on some day."""
        if run._settled:
            return
        if run.durable and self.ledger is not None:
            if run.status is RunStatus.RUNNING:
                run.status = RunStatus.QUEUED
                run.attempt -= 1  # it is not held against it
            self.ledger.leave(run)
            run._settled = True
            run._outcome = run.status
            self.running.pop(run.id, None)
            run.exception = ThreadEnded(f"{run!r}: {why}; it is kept, and run some other time")
            self.publish(run)
        else:
            run.exception = RunCancelled(f"{run!r}: {why}")
            run._outcome = RunStatus.CANCELLED
            self.settle(run)

    # ---- the intake, on the loop ----------------------------------------------------------

    def drain(self) -> None:
        """Do what others have asked for, in the order in which they did."""
        self._take_in()
        self.workers.wake()

    def _take_in(self) -> None:
        with self._lock:
            intake, self._intake = self._intake, []
            self._ringing = False
        for what, run, more in intake:
            try:
                what(run, more)
            except Exception as error:  # a bug of ours must not take the others with it
                self.office.log("critical", "a run could not be taken in", run, exc_info=error)

    def _admit(self, run: Run[Any], delay: float | None) -> None:
        if run._settled:
            return
        if delay:
            if run.durable and self.ledger is not None:
                self.ledger.note(run, time() + delay)
            self.delays.add(run, delay)
        else:
            if run.durable and self.ledger is not None:
                self.ledger.note(run)
            self.lanes[run.executor].put(run, run.priority)

    def _cancel(self, run: Run[Any], reason: str) -> None:
        if run._settled:
            return
        attempt = run._attempt
        if not self.delays.discard(run):
            self.lanes[run.executor].discard(run)
        text = f"{run!r} was cancelled" + (f": {reason}" if reason else "")
        run.exception = RunCancelled(text)
        run._outcome = RunStatus.CANCELLED
        self.settle(run)
        if attempt is not None:
            attempt.cancel()

    def readmit(self, run: Run[Any], not_before: float) -> None:
        """A run of an earlier life of the process goes on."""
        self.runs[run.id] = run
        if run.due is not None and not self.ticks.resume(run):
            return
        left = not_before - time() if not_before else 0.0
        if left > 0:
            run.status = RunStatus.DELAYED if run.attempt == 0 else RunStatus.RETRYING
            self.delays.add(run, left)
        else:
            self.queue(run)

    def make_tick(self, task: Task[..., Any], due: datetime, stands_for: int) -> Run[Any]:
        """A run of `task` with the task's own arguments, admitted but not queued."""
        with self._lock:
            self._number += 1
            number = self._number
        ledger = self.ledger
        durable = ledger is not None and self.office.is_durable(task) and not task.is_life_cycle
        run: Run[Any] = Run(
            self, f"{self.prefix}{number}", task, task.args, task.kwargs,
            task.options.priority, durable,
        )  # fmt: skip
        run.due, run.stands_for = due, stands_for
        self.runs[run.id] = run
        if durable and ledger is not None:
            ledger.note(run)
        return run

    def start(
        self, task: Task[..., Any], args: tuple[Any, ...], then: Callable[[Run[Any]], None]
    ) -> Run[Any]:
        """Have `task` run for somebody within the app, who keeps account of it himself: it is not
        durable, and nobody can ask for it by its id.

        :param then: called when its outcome is decided; ``run._outcome`` says which.
        """
        with self._lock:
            self._number += 1
            number = self._number
        run: Run[Any] = Run(
            self, f"{self.prefix}{number}", task, args, {}, task.options.priority, False
        )
        run.then = then
        self.runs[run.id] = run
        self.queue(run)
        return run

    # ---- queues, on the loop --------------------------------------------------------------

    def queue(self, run: Run[Any]) -> None:
        """It waits for its place from now on."""
        if self.closing:
            self._leave(run, "its app has ended before it began")
            return
        run.status = RunStatus.QUEUED
        run.executor = run.task.options.executor  # it may be another one by now
        self.lanes[run.executor].put(run, run.priority)
        self.workers.wake()

    def _take(self) -> Job | None:
        for lane in self._order:
            while lane.waiting and (run := lane.take()) is not None:
                if not run._settled:
                    return Attempt(run, self, lane)
                lane.done()
        return None

    def take_up(self, run: Run[Any]) -> Attempt | None:
        """The attempt of a run that was accepted on this loop just now, for who waits for it to
        make it himself (athand.py). None: that is for the workers."""
        lane = self.lanes["process"]
        if run.task.is_plain and not self.middlewares and run in lane and len(lane) == 1:
            taken = lane.take()
            if taken is not None:
                return Attempt(taken, self, lane)
        self.workers.wake()
        return None

    def _waiting(self) -> bool:
        return any(lane.ready() for lane in self._order)

    # ---- what attempts say, on the loop ---------------------------------------------------

    def began(self, run: Run[Any]) -> None:
        """See :class:`~task_thread.app.attempt.Desk`."""
        self.running[run.id] = run
        if run.durable and self.ledger is not None:
            self.ledger.note(run)
        if self.notices.wanted:
            self.notices.tell(RunStarted(self.name, run.info()))

    def succeeded(self, run: Run[Any]) -> None:
        """See :class:`~task_thread.app.attempt.Desk`."""
        run.exception = None
        run._outcome = RunStatus.SUCCEEDED
        self.settle(run)

    def failed(self, run: Run[Any], error: BaseException) -> None:
        """See :class:`~task_thread.app.attempt.Desk`."""
        run.exception = error
        run.value = None
        options = run.task.options
        if isinstance(error, asyncio.CancelledError):
            run._outcome = RunStatus.CANCELLED
        elif options.is_retried(run.attempt, error) and not (
            self.closing and not run.durable and run.then is None
        ):
            self._retry(run, options)
            return
        else:
            run._outcome = RunStatus.FAILED
        self.settle(run)

    def freed(self) -> None:
        """See :class:`~task_thread.app.attempt.Desk`."""
        self.workers.wake()

    def _retry(self, run: Run[Any], options: TaskOptions) -> None:
        self._at_rest(run)
        run.status = RunStatus.RETRYING
        pause = options.pause(run.attempt, random())
        self.office.log("info", "run failed, will be tried again", run, in_seconds=round(pause, 3))
        if run.durable and self.ledger is not None:
            self.ledger.note(run, time() + pause)
        if self.notices.wanted:
            self.notices.tell(RunRetrying(self.name, run.info()))
        if self.closing:
            self._leave(run, "its app ends")
        else:
            self.delays.add(run, pause)

    def _at_rest(self, run: Run[Any]) -> None:
        """No attempt of it is under way any more."""
        run._attempt = None
        self.running.pop(run.id, None)
        if not self.running and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def settle(self, run: Run[Any]) -> None:
        """Its outcome is decided, once and for all."""
        run._settled = True
        run._ended_at = time()
        self._at_rest(run)
        if run.due is not None:
            self.ticks.ended(run)
        stored = run.durable and self.ledger is not None
        if stored and self.ledger is not None:
            self.ledger.settle(run)
        if run._outcome is RunStatus.FAILED and run.then is None:
            self.office.log("error", "run failed", run, exc_info=run.exception)
        if run.due is not None:  # after the run's end was noted: else a kill could part the two
            self.office.tick_ended(run.task)
        if not stored:
            self.publish(run)

    def publish(self, run: Run[Any]) -> None:
        """Its outcome is on disk, where it belongs there: everyone may know."""
        callbacks = run._publish()
        self.counts[run.status] += 1
        if run.then is None:
            self.ended.add(run.id)
        else:
            self.runs.pop(run.id, None)
            run.then(run)
        for callback in callbacks:
            self.notices.call(callback, run)
        if self.notices.wanted and run.status.is_final:
            kind = _EVENTS.get(run.status, RunEnded)
            self.notices.tell(kind(self.name, run.info()))

    def stage_of(self, task: Task[..., Any]) -> Stage:
        """See :class:`~task_thread.app.attempt.Desk`."""
        return self.office.life_cycles.stage_of(task)

    def stage_ended(self, task: Task[..., Any]) -> None:
        """See :class:`~task_thread.app.attempt.Desk`."""
        self.office.stage_ended(task)
