"""Durable flows: routines of tasks that wait, spawn and resume.

::

    class Confirm(FlowTask):
        def perform(self, path):
            return wait(f"is {path} the right one?")

        def check(self, path, confirmed=False):
            return confirmed

    flows = FlowApp("media", store="sqlite:///flows.db")
    flows.routine("ingest", ["media.Fetch", "media.Confirm", "media.Archive"])

    with flows:
        run_id = flows.submit("ingest", "clip.mp4")
        ...
        flows.resume(run_id, confirmed=True)

A :class:`Routine` is a list of task classes, a flow is one going-through of it. After each task its
result and where the flow is are on disk; whatever becomes of the process, the flow goes on from
there. A :class:`FlowApp` is the :class:`~task_thread.app.TaskApp` that runs flows as well.

``import task_thread`` loads none of it, and what is named here is loaded when it is first used.
It comes with ``pip install 'task-thread[app]'``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.flows.events import FlowChanged, FlowEvent
    from task_thread.flows.flowapp import FlowApp
    from task_thread.flows.flowtask import FlowTask
    from task_thread.flows.info import FlowInfo, FlowStep
    from task_thread.flows.routines import RoutineSet, create_script, create_task
    from task_thread.flows.spec import Routine, TaskRow
    from task_thread.flows.statistics import FlowStatistics, RoutineStatistics
    from task_thread.flows.words import FlowState, Spawn, Wait, spawn, wait

__all__ = [
    "FlowApp",
    "FlowChanged",
    "FlowEvent",
    "FlowInfo",
    "FlowState",
    "FlowStatistics",
    "FlowStep",
    "FlowTask",
    "Routine",
    "RoutineSet",
    "RoutineStatistics",
    "Spawn",
    "TaskRow",
    "Wait",
    "create_script",
    "create_task",
    "spawn",
    "wait",
]

_HOMES: Final = {
    "events": ("FlowChanged", "FlowEvent"),
    "flowapp": ("FlowApp",),
    "flowtask": ("FlowTask",),
    "info": ("FlowInfo", "FlowStep"),
    "routines": ("RoutineSet", "create_script", "create_task"),
    "spec": ("Routine", "TaskRow"),
    "statistics": ("FlowStatistics", "RoutineStatistics"),
    "words": ("FlowState", "Spawn", "Wait", "spawn", "wait"),
}
_ON_FIRST_USE: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _ON_FIRST_USE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
