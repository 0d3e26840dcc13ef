"""Flows, routines and histories as JSON-able data for the dashboard's page.

The rules:

- All of it is bounded, whatever there is: a routine of 1,000 tasks is told as the places where
  flows are, with what is left out between them; texts and values are cut.
- What comes from the user's side is text, and stays as it is: to show it safely is the page's job.

Pure: no loop, thread or clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.flows.info import FlowInfo, FlowStep
    from task_thread.flows.spec import Routine
    from task_thread.flows.statistics import RoutineStatistics

__all__ = ["MOST_PLACES", "flow_to_json", "path_to_json", "routine_to_json", "step_to_json"]

MOST_PLACES: Final = 12
"""A routine of so many tasks is told in full."""
_KEPT: Final = 16  # places of a longer one: those where the most flows are, and both ends
_LINE: Final = 500  # characters of a reason or an error
_VALUE: Final = 2000  # characters of a result or of arguments
_TRACEBACK: Final = 20_000  # characters


def routine_to_json(seen: RoutineStatistics) -> dict[str, Any]:
    """One version of a routine, and how many flows are where in it."""
    routine, length = seen.routine, len(seen.routine)
    flows: dict[int, dict[str, int]] = {}
    for (position, state), number in seen.places.items():
        flows.setdefault(position, {})[state.value] = number
    return {
        "id": f"{routine.name}@{routine.version}",
        "name": routine.name,
        "version": routine.version,
        "current": seen.is_current,
        "length": length,
        "flows": sum(seen.places.values()),
        "done": sum(flows.pop(length, {}).values()),
        "places": path_to_json(routine, flows),
    }


def path_to_json(
    routine: Routine, flows: Mapping[int, Mapping[str, int]], marked: int | None = None
) -> list[dict[str, Any]]:
    """A routine's places in their order, each a task or, with the key ``skipped``, tasks left out.

    :param flows: how many flows are at a place, by state.
    :param marked: a place that is told in any case, with those around it.
    """
    told = _told(len(routine), flows, marked)
    path: list[dict[str, Any]] = []
    last = -1
    for position in told:
        if position > last + 1:
            between = range(last + 1, position)
            left = sum(sum(flows[n].values()) for n in flows if n in between)
            path.append({"skipped": len(between), "position": last + 1, "flows": left})
        row = routine.tasks[position]
        path.append(
            {
                "position": position,
                "key": row.key,
                "name": row.name,
                "states": dict(flows.get(position, {})),
            }
        )
        last = position
    return path


def _told(length: int, flows: Mapping[int, Mapping[str, int]], marked: int | None) -> Iterable[int]:
    if length <= MOST_PLACES:
        return range(length)
    most = sorted(flows, key=lambda position: (-sum(flows[position].values()), position))
    told = {0, length - 1, *most[:_KEPT]}
    if marked is not None:
        told.update(range(marked - 2, marked + 3))
    return sorted(position for position in told if 0 <= position < length)


def flow_to_json(info: FlowInfo, routine: Routine | None) -> dict[str, Any]:
    """A flow at one moment.

    :param routine: the version that it started with; None: it is not known any more.
    """
    at_task = routine is not None and info.position < len(routine)
    return {
        "id": info.id,
        "routine": info.routine,
        "version": info.version,
        "state": info.state.value,
        "position": info.position,
        "length": info.length,
        "key": info.key,
        "task": routine.tasks[info.position].name if routine is not None and at_task else info.key,
        "reason": _cut(info.reason, _LINE),
        "error": _cut(info.error, _LINE),
        "parent": info.parent,
        "child": info.child,
        "idempotency_key": info.idempotency_key,
        "steps": info.steps,
        "made": info.time_made.isoformat(),
        "changed": info.time_changed.isoformat(),
    }


def step_to_json(step: FlowStep, routine: Routine | None) -> dict[str, Any]:
    """One row of a flow's history. Result and arguments are texts, to be read and no more."""
    known = routine is not None and step.position < len(routine)
    return {
        "number": step.number,
        "time": step.time.isoformat(),
        "state": step.state.value,
        "position": step.position,
        "key": step.key,
        "task": routine.tasks[step.position].name if routine is not None and known else step.key,
        "reason": _cut(step.reason, _LINE),
        "result": _cut(_text(step.result), _VALUE) if step.has_result else None,
        "arguments": _cut(_call(step), _VALUE),
        "child": step.child,
        "error": _cut(step.error, _LINE),
        # Its end says what was raised.
        "traceback": step.traceback[-_TRACEBACK:],
    }


def _call(step: FlowStep) -> str:
    """What came with it, as a call is written."""
    given = step.arguments
    # A submit leads to RUNNING, and the resume of one that waits to CHECK.
    if step.state.value == "RUNNING" and set(given) == {"args", "kwargs"}:
        said = [_text(each) for each in given["args"]]
        return ", ".join(said + [f"{key}={_text(value)}" for key, value in given["kwargs"].items()])
    return ", ".join(f"{key}={_text(value)}" for key, value in given.items())


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"
