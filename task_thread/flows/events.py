"""What an app tells of its flows: signals, for its parent and for callbacks alike."""

from __future__ import annotations

from dataclasses import dataclass

from task_thread.app.events import AppEvent
from task_thread.flows.info import FlowInfo

__all__ = ["FlowChanged", "FlowEvent"]


@dataclass(frozen=True, slots=True)
class FlowEvent(AppEvent):
    """About a flow.

    :ivar info: the flow at that moment.
    """

    info: FlowInfo


@dataclass(frozen=True, slots=True)
class FlowChanged(FlowEvent):
    """A flow's state is another one, or its task is, and that is on disk. Of several changes that
    came to the disk together only the last is told."""
