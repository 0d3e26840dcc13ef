"""What is written down of flows, and read again: the engine's side of the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from task_thread.app.store import Change as Record
from task_thread.app.store import Store
from task_thread.errors import NotStorable, StoreTooNew, UnknownFlow
from task_thread.flows import records
from task_thread.flows.census import Change
from task_thread.flows.flow import Flow
from task_thread.flows.history import Row, Step
from task_thread.flows.info import FlowInfo, FlowStep
from task_thread.flows.spec import Routine, TaskRow
from task_thread.flows.words import FlowState

if TYPE_CHECKING:
    from task_thread.app.journal import Stored

__all__ = ["Books", "Pen"]

_NO_GIVEN: Final = "the history of flow {} has no submit in it"
_SWEPT: Final = 5000  # records that one sweep drops


class Pen(Protocol):
    """What writes to a store: a Journal, or what stands for one."""

    def put(self, change: Record, stored: Stored | None = None) -> None:
        """Write `change` down, soon."""
        ...

    async def flush(self) -> None:
        """Wait until all that was put is on disk."""
        ...


class Books:
    """Records of flows in the store of an app. On the app's loop, all of it.

    :param store: an open store.
    :param journal: which writes to it, in groups: what is put in one turn of the loop is written
        together or not at all.
    :param complain: called with a record that can't be read.
    """

    def __init__(self, store: Store, journal: Pen, complain: Callable[[NotStorable], None]) -> None:
        self._store = store
        self._journal = journal
        self._complain = complain
        self.versions: dict[str, Routine] = {}  # all that flows may have started with, by their ids
        self._kept: set[str] = set()  # those that are in the store

    # ---- reading --------------------------------------------------------------------------

    async def open(self) -> tuple[list[Routine], list[TaskRow], list[Row]]:
        """All that is there: the routines of today, the task rows, and the flows that have not
        ended.

        :raises StoreError: it can't be read.
        """
        for _, routine in await self._all(records.ROUTINE, records.parse_routine):
            self.versions[records.routine_id(routine)] = routine
        self._kept.update(self.versions)
        now = [
            self.versions[f"{name}@{version}"]
            for name, version in await self._all(records.ROUTINE_NOW, records.parse_now)
            if f"{name}@{version}" in self.versions
        ]
        tasks = [row for _, row in await self._all(records.TASK, records.parse_task)]
        rows = [row for _, row in await self._all(records.FLOW, records.parse_row)]
        return now, tasks, rows

    async def _all(self, kind: str, parse: Callable[[str, bytes], Any]) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        for key, value in await self._store.live(kind):
            try:
                found.append((key, parse(key, value)))
            except NotStorable as error:
                self._complain(error)
        return found

    async def row(self, id: str) -> Row | None:
        """What the store knows of a flow.

        :raises StoreError: it can't be read.
        """
        value = await self._store.get(records.FLOW, id)
        return None if value is None else records.parse_row(id, value)

    async def info(self, id: str) -> FlowInfo:
        """The same, for people.

        :raises UnknownFlow: nothing.
        :raises StoreError: it can't be read.
        """
        row = await self.row(id)
        if row is None:
            raise UnknownFlow(f"there is no flow {id!r}, or it was dropped: its retention is over")
        return records.info_of(row, self.versions.get(row.routine))

    async def steps(self, id: str) -> list[Step]:
        """A flow's history.

        :raises StoreError: it can't be read.
        """
        rows = await self._store.under(records.STEP, f"{id}/")
        return [records.parse_step(key, value) for key, value in rows]

    async def last_step(self, row: Row) -> Step | None:
        """The last row of a flow's history.

        :raises StoreError: it can't be read.
        """
        key = records.step_key(row.id, row.steps - 1)
        value = await self._store.get(records.STEP, key)
        return None if value is None else records.parse_step(key, value)

    async def history(self, id: str) -> list[FlowStep]:
        """A flow's history, for people.

        :raises UnknownFlow: there is none.
        :raises StoreError: it can't be read.
        """
        row = await self.row(id)
        if row is None:
            raise UnknownFlow(f"there is no flow {id!r}, or it was dropped: its retention is over")
        routine = self.versions.get(row.routine)
        return [records.public_step(step, routine) for step in await self.steps(id)]

    async def load(self, flow: Flow) -> None:
        """Read what the tasks of `flow` take.

        :raises StoreError: it can't be read.
        """
        routine = flow.routine
        assert routine is not None  # else it is not begun
        given: str | None = None
        texts: dict[str, str] = {}
        for step in await self.steps(flow.id):
            if given is None and step.state is FlowState.RUNNING:
                given = step.given
            if step.result is not None:
                texts[routine.tasks[step.position].key] = step.result
        if given is None:
            raise NotStorable(_NO_GIVEN.format(flow.id))
        if not flow.is_loaded:
            flow.load(given, texts)

    async def result(self, row: Row) -> Any:
        """What a flow that is done gave."""
        step = await self.last_step(row)
        if step is None or step.result is None:
            raise NotStorable(f"the history of flow {row.id} has no result in it")
        return json.loads(step.result)

    async def ended(self, limit: int) -> list[FlowInfo]:
        """The last flows that have ended, the latest first.

        :raises StoreError: it can't be read.
        """
        found: list[FlowInfo] = []
        for key, value in await self._store.under(records.ENDED, "", limit=limit, reverse=True):
            try:
                _, id = records.parse_ended(key, value)
                found.append(await self.info(id))
            except (NotStorable, StoreTooNew, UnknownFlow):
                continue
        return found

    # ---- writing --------------------------------------------------------------------------

    def put(self, change: Change, stored: Stored) -> None:
        """A flow has moved. All that is put in one turn of the loop goes together.

        :param stored: told when it is on disk.
        :raises NotStorable: it can't be written, now or later.
        """
        flow, before, row, step = change
        if before is None:
            self._keep_routine(flow)
        of_step = records.step_change(row.id, step)
        self._journal.put(records.row_change(row), stored)
        self._journal.put(of_step)
        if before is not None and before.state is FlowState.FAIL:
            self._journal.put(records.ended_change(before, gone=True))
        if row.state.has_ended:
            self._journal.put(records.ended_change(row))

    def _keep_routine(self, flow: Flow) -> None:
        routine = flow.routine
        if routine is not None and flow.row.routine not in self._kept:
            self.put_routine(routine, now=False)

    def put_routine(self, routine: Routine, *, now: bool) -> None:
        """A routine was declared, or a flow of it begins."""
        id = records.routine_id(routine)
        self.versions[id] = routine
        self._kept.add(id)
        for change in records.routine_changes(routine, now=now):
            self._journal.put(change)

    def put_task(self, row: TaskRow) -> None:
        """A task row was declared."""
        self._journal.put(records.task_change(row))

    # ---- dropping -------------------------------------------------------------------------

    async def drop_ended(
        self, until: float, take_out: Callable[[str], bool]
    ) -> tuple[float | None, bool]:
        """Drop flows that ended before `until`, and their histories: some thousand records.

        :param take_out: called with the run id of each: forgets it, unless it was resumed since.
            Returns whether it is to be dropped.
        :returns: when the oldest that is left ended; and whether there is more to drop.
        :raises StoreError: it can't be read, or written for now.
        """
        left = _SWEPT
        for key, value in await self._store.under(records.ENDED, "", limit=100):
            try:
                ended, id = records.parse_ended(key, value)
            except StoreTooNew:  # it is not ours to drop
                continue
            except NotStorable as error:
                self._complain(error)
                self._journal.put(Record(records.ENDED, key, None))
                continue
            if ended > until:
                return ended, False
            steps = await self._store.under(records.STEP, f"{id}/", limit=left)
            if take_out(id):
                for step, _ in steps:
                    self._journal.put(Record(records.STEP, step, None))
                left -= len(steps)
                if left <= 0:  # there may be more of it
                    break
                self._journal.put(Record(records.FLOW, id, None))
            self._journal.put(Record(records.ENDED, key, None))
        else:
            if left == _SWEPT:
                return None, False
        await self._journal.flush()  # what is not gone would be found again, and again
        return None, True
