"""A flow at one moment, and its history, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from task_thread.flows.words import FlowState

__all__ = ["FlowInfo", "FlowStep"]


@dataclass(frozen=True, slots=True)
class FlowInfo:
    """A flow at one moment: plain data.

    :ivar id: its run id.
    :ivar routine: the name of its routine.
    :ivar version: which version of that it started with, and keeps.
    :ivar state: a :class:`FlowState`.
    :ivar position: the task that it is at, counted from 0; `length` when it is done.
    :ivar length: how many tasks the routine has.
    :ivar key: the key of the task that it is at; "" when it is done.
    :ivar reason: why it waits, spawned, or was cancelled.
    :ivar error: one line of what it failed with; "" where it did not.
    :ivar parent: the run id of the flow that spawned it; "" for none.
    :ivar child: the run id of the flow that it rests on, or failed with; "" for none.
    :ivar idempotency_key: what it was submitted under; "" for nothing.
    :ivar steps: how many rows its history has.
    :ivar time_made: when it was made. Aware, in UTC; so is ``time_changed``.
    :ivar time_changed: when its state was last another one, or its task.
    """

    id: str
    routine: str
    version: str
    state: FlowState
    position: int
    length: int
    key: str
    reason: str
    error: str
    parent: str
    child: str
    idempotency_key: str
    steps: int
    time_made: datetime
    time_changed: datetime


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One row of a flow's history: one transition.

    :ivar number: counted from 0.
    :ivar time: when it was. Aware, in UTC.
    :ivar state: what the flow's state became.
    :ivar position: the task that it is about, counted from 0.
    :ivar key: the key of that task.
    :ivar reason: why it waits, spawned, or was cancelled.
    :ivar has_result: whether the task has given its result with it.
    :ivar result: that result.
    :ivar arguments: what came with it: ``args`` and ``kwargs`` of a submit, the keywords of a
        resume; else empty.
    :ivar child: the run id of the flow that was spawned, or failed; "" for none.
    :ivar error: one line of what was raised; "" for nothing.
    :ivar traceback: the text of the traceback.
    """

    number: int
    time: datetime
    state: FlowState
    position: int
    key: str
    reason: str = ""
    has_result: bool = False
    result: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    child: str = ""
    error: str = ""
    traceback: str = ""
