"""All flows of one app that have not ended, or only just: who is where, and who is whose child.

What one flow does may concern others: a child that is done lets its parent go on, one that fails
fails it. All of that is one step, made under one lock, so that nobody ever sees half of it; and
written in one transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from task_thread.flows.flow import Flow
from task_thread.flows.history import (
    Move,
    Row,
    Step,
    cancelled,
    child_failed,
    child_resumed,
    performed,
)
from task_thread.flows.words import FlowState

__all__ = ["Census", "Change", "Place"]


class Change(NamedTuple):
    """A move that was made, and has to be written.

    :ivar flow: whose.
    :ivar before: what it was before; None: it is new.
    :ivar row: what it became. It may be something else by now.
    :ivar step: the row of its history.
    """

    flow: Flow
    before: Row | None
    row: Row
    step: Step


Place: TypeAlias = tuple[str, int, FlowState]
"""Where flows are: name and version of the routine, the task, the state."""


class Census:
    """The flows by their run ids.

    Ownership: whoever calls holds the lock of the Engine.
    """

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}
        self.places: dict[Place, int] = {}

    def get(self, id: str) -> Flow | None:
        """The flow of that run id."""
        return self._flows.get(id)

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._flows.values())

    def __len__(self) -> int:
        return len(self._flows)

    def add(self, flow: Flow) -> None:
        """There is one more."""
        self._flows[flow.id] = flow
        self._count(flow.row, 1)

    def drop(self, flow: Flow) -> None:
        """It is only in the store from now on, or nowhere."""
        if self._flows.pop(flow.id, None) is not None:
            self._count(flow.row, -1)

    def move(self, flow: Flow, move: Move, at: float) -> list[Change]:
        """`flow` makes a move, and its relatives the moves that follow from it.

        :returns: all of them, in order.
        """
        if flow.row.parent == "" and flow.row.state is not FlowState.SPAWN:  # it has no relatives
            return [self._make(flow, move)]
        made: list[Change] = []
        todo = deque([(flow, move)])
        while todo:
            change = self._make(*todo.popleft())
            made.append(change)
            todo.extend(self._consequences(change, at))
        return made

    def _make(self, flow: Flow, move: Move) -> Change:
        before = flow.row
        flow.row = move.row
        self._count(before, -1)
        self._count(move.row, 1)
        return Change(flow, before, move.row, move.step)

    def _consequences(self, change: Change, at: float) -> Iterator[tuple[Flow, Move]]:
        _, before, row, step = change
        assert before is not None  # it has moved
        if row.state is FlowState.CANCELLED and before.state is FlowState.SPAWN:
            child = self._flows.get(before.child)
            if child is not None and not child.row.state.is_final:
                yield child, cancelled(child.row, at, f"its parent {row.id} was cancelled")
        if row.parent == "":
            return
        parent = self._flows.get(row.parent)
        if parent is None or parent.row.child != row.id:
            return
        if parent.row.state is FlowState.SPAWN:
            if row.state is FlowState.DONE:
                assert step.result is not None
                yield parent, performed(parent.row, at, step.result)
            elif row.state.has_ended:
                why = row.error if row.state is FlowState.FAIL else row.reason
                word = "failed" if row.state is FlowState.FAIL else "was cancelled"
                error = f"its child {row.id} {word}" + (f": {why}" if why else "")
                yield parent, child_failed(parent.row, at, row.id, error)
        elif (
            parent.row.state is FlowState.FAIL
            and before.state is FlowState.FAIL
            and not row.state.has_ended
        ):
            yield parent, child_resumed(parent.row, at)

    def _count(self, row: Row, by: int) -> None:
        place = (row.routine, row.position, row.state)
        number = self.places.get(place, 0) + by
        if number:
            self.places[place] = number
        else:
            del self.places[place]
