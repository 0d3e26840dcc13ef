"""One FlowApp, as the control socket's requests look into it.

Loaded when there is one.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from task_thread.errors import StoreError, ThreadEnded
from task_thread.flows import records
from task_thread.flows.history import Row
from task_thread.flows.selection import LOOKED_THROUGH, Selection, one_of
from task_thread.flows.words import FlowState
from task_thread.monitor.flow_forms import flow_to_json, step_to_json

if TYPE_CHECKING:
    from task_thread.app.store import Store
    from task_thread.flows.flowapp import FlowApp
    from task_thread.flows.spec import Routine

__all__ = ["MOST_ROWS", "FlowBooth"]

T = TypeVar("T")

MOST_ROWS: Final = 200
"""How many rows of a history one answer has at most."""

_ENOUGH: Final = 512 * 1024  # bytes of a history's rows after which an answer ends
_LARGE: Final = 1024 * 1024  # bytes of a row that is not read as a whole
_TOGETHER: Final = 50  # records that are asked for at once
_CANDIDATES: Final = 6  # run ids that begin alike
_WRITTEN_WITHIN: Final = 5.0  # seconds that an answer waits for the disk

Answer = dict[str, Any]


class FlowBooth:
    """One FlowApp, as one request sees it.

    Ownership: the control server's loop. What it looks at belongs to the gate, and is read under
    its lock, or in single operations; the store may be asked from any loop.

    :param app: the app.
    :raises ValueError: it does not run yet.
    """

    def __init__(self, app: FlowApp) -> None:
        self.app = app
        self._gate = app._flows.gate
        self._gate = app._flows.gate
        if not self._gate.was_opened:
            raise ValueError(f"{app.getId()} does not run yet")
        self._books = app._flows.engine.books

    @property
    def _store(self) -> Store:
        return self._books._store

    def routine(self, row: Row) -> Routine | None:
        """The version that it started with; None: it is not in the store."""
        with self._gate.lock:
            flow = self._gate.census.get(row.id)
        if flow is not None and flow.routine is not None:
            return flow.routine
        return self._books.versions.get(row.routine)

    def knows(self, id: str) -> bool:
        """Whether it is in memory."""
        with self._gate.lock:
            return self._gate.census.get(id) is not None

    def under_way(self, wanted: Selection) -> tuple[list[Row], Counter[FlowState]]:
        """Those that have not ended for good and are wanted; and how many are in which state."""
        with self._gate.lock:
            rows = [flow.row for flow in self._gate.census]
        counted = [row for row in rows if wanted.counts(row)]
        counts = Counter([row.state for row in counted])
        if not wanted.among_others:
            return [], counts
        return [row for row in counted if wanted.takes(row)] if wanted.states else counted, counts

    async def ended(self, wanted: Selection, most: int) -> list[Row]:
        """Those that have ended and are wanted, the latest first; `most` at least, if there are."""
        looked = max(most + 1, 0 if wanted.takes_all else LOOKED_THROUGH)
        entries = await self._store.under(records.ENDED, "", limit=looked, reverse=True)
        found: list[Row] = []
        for begin in range(0, len(entries), _TOGETHER):
            ids = [
                entry[1] for key, value in entries[begin : begin + _TOGETHER]
                if (entry := _readable(records.parse_ended, key, value)) is not None
            ]  # fmt: skip
            values = await asyncio.gather(*(self._store.get(records.FLOW, id) for id in ids))
            for id, value in zip(ids, values, strict=True):
                row = None if value is None else _readable(records.parse_row, id, value)
                if row is not None and wanted.takes_ended(row):
                    found.append(row)
        return found

    async def find(self, begin: str) -> str:
        """The run id that begins so.

        :raises UnknownFlow: there is none. :raises FlowError: there are several.
        """
        if self.knows(begin):
            return begin
        if not begin:
            return one_of("", [])
        with self._gate.lock:
            ids = [flow.row.id for flow in self._gate.census]
        rows = await self._store.under(records.FLOW, begin, limit=_CANDIDATES)
        found = {key for key, _ in rows} | {id for id in ids if id.startswith(begin)}
        return one_of(begin, sorted(found)[:_CANDIDATES])

    async def row(self, id: str) -> Row:
        """Where it is.

        :raises UnknownFlow: nobody knows it.
        """
        with self._gate.lock:
            flow = self._gate.census.get(id)
            if flow is not None:
                return flow.row
        value = await self._store.get(records.FLOW, id)
        if value is None:
            one_of(id, [])
        assert value is not None
        return records.parse_row(id, value)

    async def steps(self, row: Row, first: int) -> tuple[list[Answer], int | None]:
        """Rows of its history, as many as an answer has; and the number of the one that follows."""
        routine = self.routine(row)
        told: list[Answer] = []
        size = 0
        for number in range(first, first + MOST_ROWS):
            value = await self._store.get(records.STEP, records.step_key(row.id, number))
            if value is None:
                return told, None
            told.append(_told(records.step_key(row.id, number), value, routine))
            size += len(value)
            if size > _ENOUGH:
                break
        following = first + len(told)
        return told, following if following < row.steps else None

    async def check_resumable(self, id: str) -> None:
        """:raises ValueError: it is only in the store: it has ended."""
        if not self.knows(id):
            row = await self.row(id)
            raise ValueError(f"flow {id} has ended: it is in {row.state}")

    async def answer(self, id: str) -> Answer:
        """What is said when something was changed: the flow, and whether that is on disk."""
        stored = True
        try:
            async with asyncio.timeout(_WRITTEN_WITHIN):
                await self.app.flush()
        except (TimeoutError, StoreError, ThreadEnded):
            stored = False
        row = await self.row(id)
        return {
            "app": self.app.getId(),
            "flow": flow_to_json(records.info_of(row, self.routine(row))),
            "stored": stored,
        }


def _told(key: str, value: bytes, routine: Routine | None) -> Answer:
    """A row of a history. Of one that is very large only the head is looked at: to read all of it
    would hold up every loop of the process, for nothing.

    :raises StoreError: it can't be read.
    """
    head = _HEAD.match(value) if len(value) > _LARGE else None
    if head is None:
        return step_to_json(records.parse_step(key, value), routine)
    told = step_to_json(records.parse_step(key, head[1] + b"}"), routine)
    what = "result" if head[2] == b"result" else "arguments"
    told["has_result"] = what == "result"
    return {**told, "left_out": {what: len(value) - len(head[0])}}


# How a row begins that has a result or arguments. One that begins otherwise is read as a whole.
_HEAD: Final = re.compile(
    rb'(\{"v":\d+,"number":\d+,"time":[^,"]+,"state":"\w+","position":\d+),"(result|given)":'
)


def _readable(parse: Callable[[str, bytes], T], key: str, value: bytes) -> T | None:
    """The record; None where it can't be read, which the app has told of at its start."""
    try:
        return parse(key, value)
    except StoreError:
        return None
