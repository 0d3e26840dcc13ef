"""What is around the engine of a FlowApp: the app it is in, its routines, and what it keeps."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from hashlib import sha256
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.app.journal import Journal
from task_thread.errors import StoreError, StoreFailed, UnknownRoutine
from task_thread.flows.books import Books
from task_thread.flows.engine import Engine
from task_thread.flows.events import FlowChanged
from task_thread.flows.flow import Flow
from task_thread.flows.gate import Gate
from task_thread.flows.history import Row
from task_thread.flows.info import FlowInfo
from task_thread.flows.keeping import Keeping
from task_thread.flows.kinds import Kinds, kind_of
from task_thread.flows.memory import MemoryStore
from task_thread.flows.records import info_of, routine_id
from task_thread.flows.routines import RoutineSet
from task_thread.flows.spec import Routine, TaskRow, row_of
from task_thread.flows.statistics import FlowStatistics, statistics_of
from task_thread.flows.words import FlowState, Spawn
from task_thread.log import log_safely

if TYPE_CHECKING:
    from task_thread.app.run import Run
    from task_thread.app.task import Task
    from task_thread.flows.flowapp import FlowApp

__all__ = ["FlowDesk", "id_for_key", "same_flow"]


def id_for_key(key: str) -> str:
    """The run id of the flow that is submitted under that key: nobody has to look it up."""
    return f"k{sha256(key.encode()).hexdigest()[:24]}"


def same_flow(there: Row, row: Row) -> str:
    """A flow was submitted under the key of `row` before: see that it is the one that is meant.

    :returns: its run id.
    :raises ValueError: it is another one.
    """
    name = row.routine.rpartition("@")[0]
    if there.routine.rpartition("@")[0] != name or there.digest != row.digest:
        raise ValueError(
            f"flow {there.id} was submitted under the key {row.key!r} before, of another routine "
            "or with other arguments: a key is for one thing"
        )
    return there.id


class FlowDesk:
    """The inside of one FlowApp.

    Ownership: ``routines``, ``kinds`` and the gate guard themselves; ``_number`` belongs to
    ``_lock``, ``_told`` too; all the rest belongs to the app's loop.
    """

    def __init__(self, app: FlowApp, routines: RoutineSet | None, retention: float) -> None:
        self.app = app
        self.name: Final = app.getId()
        self.routines = RoutineSet() if routines is None else routines
        self.kinds = Kinds(app._app.tasks)
        self.gate = Gate(app, self.name)
        self.engine = Engine(self, self.gate)
        self._retention = retention
        self._prefix = f"{token_hex(4)}-"
        self._number = 0
        self._lock = threading.Lock()
        self._told: list[Routine | TaskRow] = []  # declarations that are to be stored
        self._journal: Journal | None = None  # where the app has no store
        self._keeping: Keeping | None = None

    # ---- routines, from any thread --------------------------------------------------------

    def task_declared(self, row: TaskRow) -> None:
        """See :class:`~task_thread.flows.routines.RoutineHost`."""
        self._declared(row)

    def routine_declared(self, routine: Routine) -> None:
        """See :class:`~task_thread.flows.routines.RoutineHost`."""
        self._declared(routine)

    def _declared(self, thing: Routine | TaskRow) -> None:
        with self._lock:
            self._told.append(thing)
            first = len(self._told) == 1
        if first:
            self.app._app._on_loop(self._store_declared)

    def _store_declared(self) -> None:
        if self._keeping is None or self.closing:
            return
        with self._lock:
            told, self._told = self._told, []
        for thing in told:
            try:
                if isinstance(thing, Routine):
                    self.engine.books.put_routine(thing, now=True)
                else:
                    self.engine.books.put_task(thing)
            except StoreError as error:
                self._complain(error)

    def routine_for(self, value: Spawn) -> Routine:
        """The routine of a flow that a task spawns.

        :raises TypeError, ValueError, RegistryError: there is none; the message says why.
        """
        if isinstance(value.routine, Routine):
            return value.routine
        if value.routine is not None:
            return self.routines[value.routine]
        row = row_of(value.task, self.routines.tasks)
        kind_of(row.script)
        return Routine(row.key, (row,))

    def routine_of(self, flow: Flow) -> Routine:
        """The routine of a flow that was made.

        :raises UnknownRoutine: its record is damaged, and nobody has declared it since.
        """
        routine = flow.routine or self.engine.books.versions.get(flow.row.routine)
        if routine is None:
            raise UnknownRoutine(f"the routine {flow.row.routine} of {flow.id} can't be read")
        return routine

    def check_given(self, routine: Routine, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """:raises TypeError: one of its tasks can't be called like that; the message says which.
        :raises NotImportable: one of its classes is gone.
        """
        for script in {row.script: None for row in routine.tasks}:
            kind_of(script).check_given(tuple(args), kwargs)

    def new_id(self) -> str:
        """A run id that nobody has."""
        with self._lock:
            self._number += 1
            return f"{self._prefix}{self._number}"

    def new_row(self, routine: Routine, at: float, *, id: str = "", parent: str = "") -> Row:
        """A flow of `routine`, not begun."""
        return Row(
            id or self.new_id(), routine_id(routine), len(routine.tasks), FlowState.INIT, 0, 0,
            at, at, parent=parent,
        )  # fmt: skip

    def statistics(self) -> FlowStatistics:
        """How many flows are where. From any thread."""
        with self.gate.lock:
            places = dict(self.gate.census.places)
            versions = {
                flow.row.routine: flow.routine
                for flow in self.gate.census
                if flow.routine is not None
            }
        current = {routine_id(routine): routine for routine in self.routines}
        return statistics_of(self.name, current, versions, places)

    def info(self, flow: Flow) -> FlowInfo:
        """The flow at this moment."""
        return info_of(flow.row, flow.routine)

    def title(self, flow: Flow) -> str:
        """What a task of a flow is called in messages."""
        row, routine = flow.row, flow.routine
        if routine is None or row.position >= len(routine.tasks):
            return f"flow {row.id}"
        return f"{routine.tasks[row.position].key} of flow {row.id}"

    # ---- what the engine asks, on the loop ------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether nothing is begun any more."""
        return self.app._app.dispatcher.closing

    def task_for(self, script: str, *, check: bool) -> Task[..., Any] | None:
        """See :meth:`Kinds.task_for`."""
        return self.kinds.task_for(script, check=check)

    def start(
        self, task: Task[..., Any], args: tuple[Any, ...], then: Callable[[Run[Any]], None]
    ) -> Run[Any]:
        """Have a task run, in its pool."""
        return self.app._app.dispatcher.start(task, args, then)

    def begin(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Have something done beside everything else."""
        return self.app._taskthread.life.create_task(coroutine, name)

    def tell(self, flow: Flow) -> None:
        """Tell who wants to know that it has moved."""
        notices = self.app._app.dispatcher.notices
        if notices.wanted:
            notices.tell(FlowChanged(self.name, self.info(flow)))

    def ended(self, flow: Flow) -> None:
        """It goes on no more by itself."""
        if self._keeping is not None:
            self._keeping.ended(flow.id, final=flow.row.state.is_final)

    def log(self, level: str, event: str, flow: Flow, **values: Any) -> None:
        """Log something about a flow. From any thread."""
        info = self.info(flow)
        log_safely(
            self.app.logger,
            level,
            event,
            flow=flow.id,
            routine=info.routine,
            key=info.key,
            **values,
        )

    def _complain(self, error: StoreError) -> None:
        log_safely(self.app.logger, "error", "flows: a record is left out", exc_info=error)

    # ---- the beginning and the end, on the loop -------------------------------------------

    async def open(self) -> None:
        """Read what is in the store, and go on with it."""
        loop = asyncio.get_running_loop()
        office = self.app._app
        if office.ledger is not None and office.store is not None:
            store, journal = office.store, office.ledger.journal
        else:
            store = MemoryStore()
            await store.open(self.app)
            journal = self._journal = Journal(store, loop, self._complain)
        books = Books(store, journal, self._complain)
        today, tasks, rows = await books.open()
        for row in tasks:
            self.routines.restore_task(row)
        for routine in today:
            self.routines.restore_routine(routine)
        for routine in self.routines:  # where its record is damaged
            books.versions.setdefault(routine_id(routine), routine)
        flows = [Flow(row, books.versions.get(row.routine)) for row in rows]
        self._keeping = Keeping(
            loop, office.retention, self._retention, self.gate.forget, self._sweep, self.begin
        )
        self.engine.open(books, flows)
        self._await_the_judge()
        self.routines.attach(self)
        self._store_declared()

    async def stop(self, limit: float) -> None:
        """Take no more, and begin no more.

        :param limit: seconds of time.monotonic() until which the store is asked for keys.
        """
        self.routines.detach(self)
        if self._keeping is None:
            return
        self._store_declared()
        self._keeping.close()
        self.engine.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, limit - monotonic())):
                await self.engine.make_sure()

    async def finish(self) -> None:
        """Write down what was moved last.

        :raises StoreFailed: some of it is lost.
        """
        if self._keeping is None:
            return
        self.engine.drain()
        if self._journal is not None:
            await self._journal.close(1.0)
        if self.engine.unsure:
            raise StoreFailed(
                f"{self.engine.unsure} flow(s) that were submitted under a key are lost: the store "
                "could not be read to see whether they are new"
            )

    async def _sweep(self, until: float) -> tuple[float | None, bool]:
        return await self.engine.books.drop_ended(until, self.gate.take_out)

    async def flush(self) -> None:
        """Write all that has moved; where the app has no store, in memory. On the loop."""
        self.engine.drain()
        await self.engine.make_sure()
        if self._journal is not None:
            await self._journal.flush()

    def _await_the_judge(self) -> None:
        """Have the waiting ended too where the thread is given up, its loop hanging."""
        self.app._taskthread.life.ended._subscribe(self._look_whether_gone, None)

    def _look_whether_gone(self) -> None:
        """From any thread: the thread has ended, or whoever waits for that was poked."""
        if self.app._taskthread.life.ended.is_set():
            self.gate.give_up()
        else:
            self._await_the_judge()
