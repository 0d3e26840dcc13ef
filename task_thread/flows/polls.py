"""Checks that are asked by themselves: a trigger for each flow that waits like that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from task_thread.app.scheduler import Due, Entry, Scheduler
from task_thread.app.triggers import from_json
from task_thread.flows.flow import Flow
from task_thread.flows.words import FlowState

__all__ = ["Polls"]


class Polls:
    """The flows whose ``wait(check_every=...)`` has a trigger. On the loop, all of it.

    A trigger counts from when the flow began to wait or, after a restart, from the start. Ticks
    that were missed meanwhile are one.

    :param due: called with a flow whose check is to be asked.
    :param failed: called with one whose trigger gives no time any more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        due: Callable[[Flow], None],
        failed: Callable[[Flow, Exception], None],
    ) -> None:
        self._due = due
        self._failed = failed
        self._known: dict[str, Mapping[str, Any]] = {}  # what is followed, by run ids
        self._scheduler = Scheduler(lambda: datetime.now(UTC), self._fire, self._fail)
        self._scheduler.start(loop)

    def follow(self, flow: Flow) -> None:
        """It has moved: see whether its check is asked by itself, from now on or no more."""
        row = flow.row
        check = row.check if row.state is FlowState.WAIT else None
        if check is None and not self._known:
            return
        if self._known.get(row.id) is check:
            return
        if check is None:
            del self._known[row.id]
            self._scheduler.remove(row.id)
            return
        self._known[row.id] = check
        try:
            self._scheduler.replace(Entry(row.id, from_json(check), flow))
        except ValueError as error:  # it finds no time
            self._failed(flow, error)

    def close(self) -> None:
        """Ask no more."""
        self._scheduler.stop()

    def _fire(self, entry: Entry, due: Due) -> None:
        if due.runs:
            self._due(entry.payload)

    def _fail(self, entry: Entry, error: Exception) -> None:
        self._failed(entry.payload, error)
