"""The engine: lets each flow go on, step by step.

::

    submit, resume, cancel --> gate --> drain --> books --> written --+--> begin --> a run --+
     (any thread: the rules     ^       (all of one turn of the loop  |                      |
      decide, at once)          |        is one transaction)          +--> rest, end         |
                                +----------------------------------------- ended <-----------+

A move is made in memory first, by whoever has a reason for it (see ``gate``), and acted upon when
it is on disk: the next task begins when the result of the one before can't be lost any more. That
is what makes a step that was committed one that never runs again; and it costs little where many
flows go on at once, since one sync of the disk serves all that came together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Final

from task_thread.app.runinfo import error_line
from task_thread.app.words import RunStatus
from task_thread.errors import (
    FlowFailed,
    NotImportable,
    NotStorable,
    StoreError,
    StoreFailed,
    StoreTooNew,
)
from task_thread.flows import history
from task_thread.flows.census import Change
from task_thread.flows.flow import Flow
from task_thread.flows.history import Move, Row
from task_thread.flows.loading import Loading
from task_thread.flows.polls import Polls
from task_thread.flows.texts import NOTHING, called_text, given_text, plain_text
from task_thread.flows.visits import Visit
from task_thread.flows.words import FlowState, Spawn, Wait

if TYPE_CHECKING:
    from task_thread.app.run import Run
    from task_thread.flows.books import Books
    from task_thread.flows.desk import FlowDesk
    from task_thread.flows.gate import Gate

__all__ = ["Engine"]


class Engine:
    """Lets the flows of one app go on. On the app's loop, all of it.

    :param desk: what it asks of the app that it is in.
    :param gate: the flows, as all threads see them.
    """

    def __init__(self, desk: FlowDesk, gate: Gate) -> None:
        self._desk = desk
        self._gate = gate
        self._lookups: set[asyncio.Task[None]] = set()
        self.books: Books  # from open() on

    # ---- the beginning and the end, on the loop -------------------------------------------

    def open(self, books: Books, flows: list[Flow]) -> None:
        """Take calls from now on, and go on with what was there."""
        self.books = books
        loop = asyncio.get_running_loop()
        self._loading = Loading(loop, books.load, self._loaded, self._not_loaded, self._not_read)
        self._polls = Polls(loop, self._due, self._poll_failed)
        self._gate.open(self.drain, flows)
        for flow in flows:
            row = flow.row
            if row.state is FlowState.SPAWN and self._gate.census.get(row.child) is None:
                at, error = time(), f"its child {row.child} is not in the store"
                self._move(flow, row, history.child_failed(row, at, row.child, error), at)
        for flow in flows:
            self._go_on(flow, flow.stored)

    def close(self) -> None:
        """Take no more, begin no more."""
        self._gate.close()
        self.drain()
        self._polls.close()
        self._loading.close()

    # ---- writing, on the loop -------------------------------------------------------------

    def drain(self) -> None:
        """Write down what has moved, in the order in which it did."""
        for change in self._gate.take():
            try:
                self._write(change)
            except Exception as error:  # a bug of ours must not take the others with it
                self._desk.log("critical", "a move was lost", change.flow, exc_info=error)

    def _write(self, change: Change) -> None:
        flow, row, step = change.flow, change.row, change.step
        if flow.unsure is not None:
            self._make_sure(change)
            return
        if step.result is not None:
            if flow.texts is not None and flow.routine is not None:
                flow.texts[flow.routine.tasks[step.position].key] = step.result
            if row.state is FlowState.DONE:
                flow.value = step.result
        if flow.run is not None and row.state.has_ended:
            flow.run.cancel("its flow was cancelled")
        try:
            self.books.put(change, partial(self._stored, flow, row.steps))
        except StoreError as error:
            self._stored(flow, row.steps, error)
        self._polls.follow(flow)

    def _stored(self, flow: Flow, steps: int, error: StoreError | None) -> bool:
        """A move is on disk, or could not be written for now.

        :param steps: how many rows its history has with it.
        :returns: whether to be told again.
        """
        if error is not None and not isinstance(error, NotStorable):
            return True
        if error is not None:  # nothing of ours is refused for good; if it is: in memory then
            self._desk.log("critical", "a flow could not be stored", flow, reason=error_line(error))
        if self._go_on(flow, steps):
            self._desk.tell(flow)
        return False

    def _make_sure(self, change: Change) -> None:
        """Somebody has submitted it under a key: does the store have it from before?"""
        flow = change.flow
        assert flow.unsure is not None
        flow.unsure.append(change)
        if len(flow.unsure) == 1:
            task = self._desk.begin(self._look_up(flow), "look up")
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)

    @property
    def unsure(self) -> int:
        """How many flows were submitted under keys that could not be looked up yet."""
        return len(self._lookups)

    async def make_sure(self) -> None:
        """Wait until it is known of all flows that were submitted whether they are new. On the
        loop."""
        while self._lookups:
            await asyncio.wait(self._lookups)

    async def _look_up(self, flow: Flow) -> None:
        readable = True
        while True:
            try:
                known = await self.books.row(flow.id)
            except NotStorable:  # damaged: it is written anew
                known = None
            except StoreFailed as error:
                self._desk.log("error", "a flow's key can't be looked up", flow, exc_info=error)
                await asyncio.sleep(_LOOK_AGAIN)
                continue
            except StoreTooNew as error:  # it is left as it is: nobody shall move it
                readable = False
                known = history.failed(flow.row, time(), error_line(error), "", None).row
            break
        waiting, flow.unsure = flow.unsure or [], None
        if known is None:
            for change in waiting:
                self._write(change)
            return
        self._gate.become(flow, known)
        flow.routine = self.books.versions.get(known.routine)
        self._go_on(flow, known.steps)
        if not readable:
            self._gate.take_out(flow.id)

    # ---- going on, on the loop ------------------------------------------------------------

    def _go_on(self, flow: Flow, steps: int) -> bool:
        """So many rows of its history are on disk: act on the last one, unless there are more by
        now, which will come to the disk as well.

        :returns: whether that was the last one.
        """
        written = self._gate.written(flow, steps)
        if written is None:
            return False
        row, latch = written
        if row.state is FlowState.RUNNING or row.state is FlowState.CHECK:
            self._begin(flow)
        elif row.state.has_ended:
            flow.rest()
            if latch is not None:
                latch.set(None)
            self._desk.ended(flow)
        else:
            flow.rest()
            self._polls.follow(flow)
        return True

    def _begin(self, flow: Flow, *, polling: bool = False) -> None:
        """Have the task that it is at performed, or its check asked."""
        row = flow.row
        if flow.stored != row.steps:  # somebody has moved it: what follows from that comes later
            return
        if self._desk.closing or flow.run is not None:  # it is polled: the end of that begins it
            return
        asked: Mapping[str, Any] | None = {} if polling else row.asked
        if flow.routine is None:  # its record is damaged; it may have been declared since
            flow.routine = self.books.versions.get(row.routine)
        if flow.routine is None or row.position >= len(flow.routine.tasks):
            error = NotStorable(f"its routine {row.routine} is not in the store")
            self._fail(flow, row, error, "", asked)
            return
        if not flow.is_loaded:
            self._loading.add(flow, polling)
            return
        assert flow.given is not None
        assert flow.texts is not None
        spec = flow.routine.tasks[row.position]
        try:
            task = self._desk.task_for(spec.script, check=asked is not None)
        except SystemExit as left:  # a script that is no module: it must not end the app
            text = f"{spec.script!r}: its module raised SystemExit({left.code!r}) when imported"
            self._fail(flow, row, NotImportable(text), "", asked)
            return
        except Exception as error:  # its module may raise what it likes
            self._fail(flow, row, error, "", asked)
            return
        if task is None:
            self._take(flow, row, True, asked)
            return
        visit = Visit(
            spec.script, spec.key, row.id, flow.routine.name, flow.texts.copy(), flow.given, asked
        )
        flow.run = visit.run = self._desk.start(
            task, (visit,), partial(self._ended, flow, row, asked)
        )

    def _ended(
        self, flow: Flow, before: Row, asked: Mapping[str, Any] | None, run: Run[Any]
    ) -> None:
        """The run of a task is over, which was begun when the flow was in `before`."""
        polled = before.state is FlowState.WAIT
        flow.run = None
        row = flow.row
        if row is not before:  # cancelled; or resumed while it was polled
            if polled and row.state is FlowState.CHECK:
                self._begin(flow)
        elif run._outcome is RunStatus.SUCCEEDED:
            self._take(flow, row, run.value, asked)
            if polled and flow.row is row:
                flow.rest()
        elif not self._desk.closing or run._outcome is not RunStatus.CANCELLED:
            error = run.exception or FlowFailed(f"{run!r} gave no result", flow.id)
            self._fail(flow, row, error, run.traceback, asked)

    def _take(self, flow: Flow, row: Row, value: Any, asked: Mapping[str, Any] | None) -> None:
        """What `perform` gave; or what `check` did, where it was asked. It was in `row` then."""
        at = time()
        what = f"the result of {self._desk.title(flow)}"
        polled = row.state is FlowState.WAIT
        try:
            if isinstance(value, Wait):
                check = None if value.check_every is None else value.check_every.to_json()
                if polled and (value.reason, check) == (row.reason, row.check):
                    return
                move = history.waits(row, at, value.reason, check)
            elif isinstance(value, Spawn):
                self._spawn(flow, row, value, at)
                return
            elif asked is None:
                move = history.performed(row, at, plain_text(value, what))
            elif value:
                move = history.performed(
                    row, at, plain_text(dict(asked), what) if asked else NOTHING
                )
            elif polled:
                return
            else:
                move = history.rests_on(row, at)
        except Exception as error:  # what was returned may raise when it is looked at
            self._fail(flow, row, error, "", asked)
            return
        self._move(flow, row, move, at)

    def _spawn(self, flow: Flow, before: Row, value: Spawn, at: float) -> None:
        """A flow of its own for what `value` says; it raises where that can't be."""
        routine = self._desk.routine_for(value)
        given = given_text(value.args, value.kwargs, f"what {self._desk.title(flow)} spawned")
        self._desk.check_given(routine, value.args, value.kwargs)
        row = self._desk.new_row(routine, at, parent=flow.id)
        begun = history.submitted(row, at, given, called_text(value.args, value.kwargs))
        child = Flow(begun.row, routine, given)
        move = history.spawned(before, at, value.reason, child.id)
        self._gate.add_child(flow, before, move, child, begun)
        self.drain()

    def _fail(
        self,
        flow: Flow,
        row: Row,
        error: BaseException,
        traceback: str,
        asked: Mapping[str, Any] | None,
    ) -> None:
        self._desk.log("error", "flow failed", flow, exc_info=error)
        at, line = time(), error_line(error)
        if len(line) > _LONGEST_LINE:
            line = f"{line[:_LONGEST_LINE]}..."
        self._move(flow, row, history.failed(row, at, line, traceback, asked), at)

    def _move(self, flow: Flow, before: Row, move: Move, at: float) -> None:
        """Make a move, unless somebody else was first."""
        changes = self._gate.move(flow, before, move, at)
        if changes is None:
            self.drain()
            return
        for change in changes:
            self._write(change)

    # ---- what waits for the store, or for its time ----------------------------------------

    def _loaded(self, flow: Flow, polling: bool) -> None:
        state = flow.row.state
        if state in (FlowState.RUNNING, FlowState.CHECK):
            self._begin(flow)
        elif polling and state is FlowState.WAIT:
            self._begin(flow, polling=True)
        else:
            flow.rest()

    def _not_loaded(self, flow: Flow, error: Exception) -> None:
        row = flow.row
        if row.state in (FlowState.RUNNING, FlowState.CHECK):
            self._fail(flow, row, error, "", row.asked)
        else:  # it was to be polled: next time perhaps
            self._desk.log("error", "a flow can't be read", flow, exc_info=error)

    def _not_read(self, flow: Flow, error: StoreError) -> None:
        self._desk.log(
            "error", "a flow can't be read for now; it is tried again", flow,
            reason=error_line(error),
        )  # fmt: skip

    def _due(self, flow: Flow) -> None:
        """Its check is to be asked by itself."""
        if flow.row.state is FlowState.WAIT:
            self._begin(flow, polling=True)

    def _poll_failed(self, flow: Flow, error: Exception) -> None:
        self._desk.log("error", "the trigger of a check failed", flow, exc_info=error)


_LONGEST_LINE: Final = 1000  # characters of an error that are held in memory
_LOOK_AGAIN: Final = 1.0  # seconds after which a store that can't be read is asked again
