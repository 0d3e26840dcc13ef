"""FlowApp: the TaskApp that runs flows as well."""

from __future__ import annotations

import asyncio
import json
from asyncio.events import _get_running_loop
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic, time
from typing import Any, Final, TypeVar

from task_thread.app.app import TaskApp
from task_thread.app.checks import check_seconds, check_text
from task_thread.errors import (
    FlowCancelled,
    FlowFailed,
    FlowStateError,
    NotRunning,
    StoreFailed,
    ThreadEnded,
    UnknownFlow,
    WaitTimeout,
    WrongLoop,
)
from task_thread.flows import history
from task_thread.flows.desk import FlowDesk, id_for_key, same_flow
from task_thread.flows.flow import Flow
from task_thread.flows.flowtask import FlowTask
from task_thread.flows.history import Row
from task_thread.flows.info import FlowInfo, FlowStep
from task_thread.flows.kinds import kind_of
from task_thread.flows.routines import RoutineSet
from task_thread.flows.spec import Routine, TaskRow, TaskSpec
from task_thread.flows.statistics import FlowStatistics
from task_thread.flows.texts import called_text, digest_of, given_text, plain_text
from task_thread.flows.words import FlowState, check_reason

__all__ = ["FlowApp"]

T = TypeVar("T")

_RETENTION: Final = 7 * 86400.0
_LONGEST_KEY: Final = 1000
_LOOK_UP_SHARE: Final = 0.2  # of the time of the stop: until then the store is asked for keys


class FlowApp(TaskApp):
    """Runs flows: routines of tasks that wait, spawn and resume, in the pools and the store of a
    TaskApp, which it is::

        flows = FlowApp("media", store="sqlite:///flows.db")
        flows.routine("ingest", ["media.Download", ("notify", "media.Notify", "tell people")])

        with flows:
            run_id = flows.submit("ingest", "clip.mp4")
            print(flows.wait(run_id, timeout=60))

    Without a store flows are kept in memory, and end with the process.

    :param name: its id, and what its OS threads are called.
    :param routines: what it runs; by default a :class:`RoutineSet` of its own. An app that is
        spawned is made anew with each restart: give it one.
    :param flow_retention: seconds for which a flow that has ended, or failed, is kept in the store
        with its history; a week by default.
    :param options: all else that a :class:`~task_thread.app.TaskApp` takes: ``store``, ``threads``,
        ``processes``, ``tasks``, ``middlewares``, ``events``, ``retention``, ``parent``.
    :raises TypeError: an argument of the wrong type.
    :raises ValueError: one that makes no sense, or names no store.
    """

    def __init__(
        self,
        name: str = "flows",
        *,
        routines: RoutineSet | None = None,
        flow_retention: float = _RETENTION,
        **options: Any,
    ) -> None:
        if routines is not None and not isinstance(routines, RoutineSet):
            raise TypeError(f"routines is a RoutineSet, not {routines!r}")
        check_seconds("flow_retention", flow_retention, above=True, optional=False)
        super().__init__(name, **options)
        self._flows = FlowDesk(self, routines, flow_retention)

    # ---- routines -------------------------------------------------------------------------

    @property
    def routines(self) -> RoutineSet:
        """Its routines: ``flows.routines["ingest"]``. From any thread."""
        return self._flows.routines

    def create_task(self, spec: TaskSpec, *, replace: bool = False) -> TaskRow:
        """Declare a task row. See :meth:`RoutineSet.create_task`. From any thread."""
        return self._flows.routines.create_task(spec, replace=replace)

    def create_script(
        self, key: str, script: str | type[FlowTask], name: str = "", *, replace: bool = False
    ) -> TaskRow:
        """Declare a task row. See :meth:`RoutineSet.create_script`. From any thread."""
        return self._flows.routines.create_script(key, script, name, replace=replace)

    def routine(self, name: str, specs: Iterable[TaskSpec], *, replace: bool = False) -> Routine:
        """Declare a routine. See :meth:`RoutineSet.routine`. From any thread, before the start or
        after it."""
        return self._flows.routines.routine(name, specs, replace=replace)

    # ---- flows, from any thread -----------------------------------------------------------

    def flow(self, routine: Routine | str) -> FlowInfo:
        """Make a flow of a routine, to be submitted later: ``flows.submit(info)``. It keeps the
        routine as it is now.

        :raises UnknownRoutine: there is none of that name.
        :raises NotRunning: the app does not run yet. :raises ThreadEnded: it has ended.
        """
        known = self._routine(routine)
        row = self._flows.new_row(known, time())
        flow = Flow(row, known)
        self._flows.gate.make(flow, history.made(row))
        return self._flows.info(flow)

    def submit(
        self,
        what: Routine | FlowInfo | str,
        /,
        *args: Any,
        idempotency_key: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Begin a flow, and do not wait for it. All its tasks are called with these arguments.

        :param what: a routine or its name; or a flow that was made, or its run id.
        :param idempotency_key: the same key gives the same run id, and begins nothing new, for as
            long as that flow is kept.
        :returns: the run id.
        :raises UnknownRoutine: there is no routine of that name, nor a flow that was made.
        :raises TypeError: one of the tasks can't be called like that.
        :raises NotImportable: the class of one is gone.
        :raises NotStorable: an argument is no JSON.
        :raises FlowStateError: that flow was submitted before.
        :raises ValueError: another flow was submitted under that key.
        :raises NotRunning: the app does not run yet. :raises ThreadEnded: it has ended.
        """
        made = self._made(what)
        called = called_text(args, kwargs)
        given = given_text(args, kwargs, f"what {self.getId()}.submit() was given")
        if made is not None:
            if idempotency_key is not None:
                raise ValueError("a flow that was made has its run id: it takes no idempotency_key")
            self._flows.check_given(self._flows.routine_of(made), args, kwargs)
            self._flows.gate.ask(
                made.id, lambda flow, at: history.submitted(flow.row, at, given, called)
            )
            return made.id
        assert not isinstance(what, FlowInfo)
        routine = self._routine(what)
        self._flows.check_given(routine, args, kwargs)
        at = time()
        if idempotency_key is None:
            row = self._flows.new_row(routine, at)
            move = history.submitted(row, at, given, called)
            return self._flows.gate.make(Flow(row, routine, given), move)
        check_text("idempotency_key", idempotency_key)
        if len(idempotency_key) > _LONGEST_KEY:
            raise ValueError(f"an idempotency_key has {_LONGEST_KEY} characters at most")
        row = self._flows.new_row(routine, at, id=id_for_key(idempotency_key))
        row = row._replace(key=idempotency_key, digest=digest_of(given))
        move = history.submitted(row, at, given, called)
        flow = Flow(row, routine, given)
        return self._flows.gate.make(flow, move, lambda there: same_flow(there.row, row))

    def resume(self, run_id: str, /, **kwargs: Any) -> None:
        """Let a flow go on. One that waits has its task's ``check`` asked, with these keywords
        over those of the submit: it goes on, or rests. Of one that failed, what failed is run
        again.

        :raises UnknownFlow: there is none of that run id, or it has ended.
        :raises FlowStateError: it neither waits nor failed.
        :raises TypeError: ``check`` can't be called with these keywords; the message says why.
        :raises ValueError: it failed, and there are keywords.
        :raises NotStorable: one of them is no JSON.
        :raises NotRunning: the app does not run yet. :raises ThreadEnded: it has ended.
        """
        flow = self._find(run_id)
        given = plain_text(kwargs, f"what {self.getId()}.resume() was given")
        row = flow.row
        if row.state is FlowState.WAIT and flow.routine is not None:
            spec = flow.routine.tasks[row.position]
            kind_of(spec.script).check_asked(row.called, kwargs)
        asked = json.loads(given)
        self._flows.gate.ask(run_id, lambda flow, at: history.resumed(flow.row, at, given, asked))

    def cancel(self, run_id: str, reason: str = "") -> bool:
        """Cancel a flow, whatever it does; and the one that it spawned. A function in a thread
        can't be stopped: its result is dropped.

        :param reason: for the record.
        :returns: False where it had ended before.
        :raises UnknownFlow: there is none of that run id, or it ended long ago.
        :raises NotRunning: the app does not run yet. :raises ThreadEnded: it has ended.
        """
        check_reason(reason)
        self._find(run_id)
        try:
            self._flows.gate.ask(run_id, lambda flow, at: history.cancelled(flow.row, at, reason))
        except FlowStateError:
            return False
        return True

    def status(self, run_id: str) -> FlowInfo:
        """The flow at this moment: until it has ended, and ``retention`` seconds longer; one that
        failed as long as it is kept.

        :raises UnknownFlow: there is none of that run id, or no longer.
        """
        return self._flows.info(self._find(run_id))

    def list(
        self, state: FlowState | str | None = None, routine: str | None = None
    ) -> Sequence[FlowInfo]:
        """The flows that :meth:`status` knows, in the order in which they were made or, after a
        restart, read.

        :param state: only those in that state.
        :param routine: only those of that routine.
        :raises ValueError: there is no such state.
        """
        wanted = None if state is None else FlowState(state)
        with self._flows.gate.lock:
            flows = [*self._flows.gate.census]
        return [
            info
            for info in map(self._flows.info, flows)
            if wanted in (None, info.state) and routine in (None, info.routine)
        ]

    def flow_statistics(self) -> FlowStatistics:
        """How many flows are where: a frozen snapshot. From any thread; it wakes nobody."""
        return self._flows.statistics()

    def wait(self, run_id: str, timeout: float | None = None) -> Any:
        """Hold this OS thread up until the flow has ended, and return what its last task gave.

        :param timeout: seconds; None for no limit. The flow goes on after it.
        :raises FlowFailed: a task failed. :raises FlowCancelled: it was cancelled.
        :raises WaitTimeout: it has not ended by then.
        :raises UnknownFlow: there is none of that run id, or no longer.
        :raises ThreadEnded: the app has ended before it.
        :raises WrongLoop: a loop runs in this thread, which would stand still: ``await
            flows.result(run_id)`` there.
        """
        if _get_running_loop() is not None:
            raise WrongLoop(f"a loop runs here: await {self.getId()}.result({run_id!r})")
        deadline = None if timeout is None else monotonic() + timeout
        try:
            flow = self._find(run_id)
        except UnknownFlow:
            return asyncio.run(self.result(run_id, timeout))
        while (latch := self._flows.gate.waiter(flow)) is not None:
            if not latch.wait_blocking(_left(deadline)):
                raise self._too_long(run_id, timeout)
        if flow.value is not None:
            return json.loads(flow.value)
        return asyncio.run(self._end_of(flow.row))

    # ---- from any loop --------------------------------------------------------------------

    async def result(self, run_id: str, timeout: float | None = None) -> Any:
        """Wait until the flow has ended, and return what its last task gave. From any loop. To be
        cancelled in this does not cancel the flow.

        :param timeout: seconds; None for no limit. The flow goes on after it.
        :raises FlowFailed: a task failed. :raises FlowCancelled: it was cancelled.
        :raises WaitTimeout: it has not ended by then.
        :raises UnknownFlow: there is none of that run id, or it is kept no longer.
        :raises StoreError: it can't be read.
        :raises ThreadEnded: the app has ended before it.
        """
        deadline = None if timeout is None else monotonic() + timeout
        try:
            flow = self._find(run_id)
        except UnknownFlow:
            return await self._ask(lambda: self._result_of(run_id))
        while (latch := self._flows.gate.waiter(flow)) is not None:
            if not await latch.wait(_left(deadline)):
                raise self._too_long(run_id, timeout)
        if flow.value is not None:
            return json.loads(flow.value)
        return await self._end_of(flow.row)

    async def stored_status(self, run_id: str) -> FlowInfo:
        """The same as :meth:`status`, of flows too that ended some time ago. From any loop.

        :raises UnknownFlow: there is none of that run id, or it is kept no longer.
        :raises StoreError: it can't be read.
        """
        try:
            return self.status(run_id)
        except UnknownFlow:
            return await self._ask(lambda: self._flows.engine.books.info(run_id))

    async def history(self, run_id: str) -> Sequence[FlowStep]:
        """What a flow has gone through, the oldest first: all that is on disk. From any loop.

        :raises UnknownFlow: there is none of that run id, or it is kept no longer.
        :raises StoreError: it can't be read.
        """
        return await self._ask(lambda: self._history(run_id))

    async def ended(self, limit: int = 100) -> Sequence[FlowInfo]:
        """The last flows that have ended, or failed, the latest first. From any loop.

        :param limit: at most so many.
        :raises StoreError: they can't be read.
        """
        return await self._ask(lambda: self._flows.engine.books.ended(limit))

    # ---- inside ---------------------------------------------------------------------------

    def _routine(self, routine: Routine | str) -> Routine:
        if isinstance(routine, Routine):
            return routine
        return self._flows.routines[routine]

    def _made(self, what: Routine | FlowInfo | str) -> Flow | None:
        """The flow that is meant, if it is one and no routine."""
        if isinstance(what, FlowInfo):
            return self._find(what.id)
        if isinstance(what, Routine):
            return None
        if not isinstance(what, str):
            raise TypeError(f"submit takes a routine, a flow, or the name of one, not {what!r}")
        try:
            return self._find(what)
        except UnknownFlow:
            return None

    def _find(self, run_id: str) -> Flow:
        if not isinstance(run_id, str):
            raise TypeError(f"a run id is text, not {run_id!r}")
        return self._flows.gate.find(run_id)

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` on the app's loop, whose store it reads."""
        if self._taskthread.life.loop is None:
            raise NotRunning(f"{self.getId()} does not run yet: run it first", self)

        async def do() -> T:
            try:
                return await work()
            except StoreFailed:
                if not self._app.is_closed:
                    raise
                raise ThreadEnded(f"{self.getId()} ended before that was read", self) from None

        return await self._taskthread.errands.run(do)

    async def _end_of(self, row: Row) -> Any:
        return await self._ask(lambda: self._give(row))

    def _too_long(self, run_id: str, timeout: float | None) -> WaitTimeout:
        return WaitTimeout(f"flow {run_id} has not ended within {timeout:g} s; it goes on")

    async def _history(self, run_id: str) -> Sequence[FlowStep]:
        try:
            return await self._flows.engine.books.history(run_id)
        except UnknownFlow:
            self._find(run_id)
        await self.flush()  # it was submitted just now
        return await self._flows.engine.books.history(run_id)

    async def _result_of(self, run_id: str) -> Any:
        row = await self._flows.engine.books.row(run_id)
        if row is None:
            raise UnknownFlow(f"there is no flow {run_id!r}, or it is kept no longer")
        return await self._give(row)

    async def _give(self, row: Row) -> Any:
        if row.state is FlowState.DONE:
            return await self._flows.engine.books.result(row)
        if row.state is FlowState.CANCELLED:
            raise FlowCancelled(
                f"flow {row.id} was cancelled" + (f": {row.reason}" if row.reason else "")
            )
        step = await self._flows.engine.books.last_step(row)
        raise FlowFailed(
            f"flow {row.id} failed at task {row.position + 1} of {row.length}: {row.error}",
            row.id,
            "" if step is None else step.traceback,
        )

    async def flush(self) -> None:
        """See :meth:`TaskApp.flush`: flows and their moves too."""
        if self._taskthread.life.loop is None:
            raise NotRunning(f"{self.getId()} does not run yet: run it first", self)
        await self._taskthread.errands.run(self._flows.flush)
        await super().flush()

    # ---- life -----------------------------------------------------------------------------

    async def enter__(self) -> None:
        """Open the store, go on with what is in it, and begin."""
        await super().enter__()
        await self._flows.open()

    async def stopping__(self) -> None:
        """Take nothing any more; what runs is given until most of the deadline has passed."""
        await self._flows.stop(self._taskthread.life.share(_LOOK_UP_SHARE))
        await super().stopping__()

    async def exit__(self) -> None:
        """Write what is left, and let go of the pools and the store."""
        try:
            await self._flows.finish()
        finally:
            await super().exit__()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - monotonic())
