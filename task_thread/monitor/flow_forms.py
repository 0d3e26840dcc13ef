"""Flows as plain data, for the control socket and the command line.

The rules:

- Nothing of ``task_thread.flows`` is imported here, as in ``apps``.
- Results, reasons and tracebacks are the user's, and of any size. What is longer than a limit is
  left out, or cut, and its size told instead; NaN and infinite numbers become texts, since they are
  no JSON. So a picture can always be made, and is never too large to be sent.

Pure.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.flows.history import Step
    from task_thread.flows.info import FlowInfo
    from task_thread.flows.spec import Routine

__all__ = [
    "TEXT_LIMIT",
    "VALUE_LIMIT",
    "WHOLE_LIMIT",
    "flow_to_json",
    "routine_to_json",
    "step_to_json",
]

TEXT_LIMIT: Final = 500
"""How many characters are told of a reason or error in a list of flows."""
WHOLE_LIMIT: Final = 10_000
"""The same, of one flow."""
VALUE_LIMIT: Final = 64 * 1024
"""How many characters of JSON a result or arguments may take to be told; and how many characters
are told of a text in a history."""


def flow_to_json(info: FlowInfo, most: int = TEXT_LIMIT) -> dict[str, Any]:
    """A flow at one moment.

    :param most: characters that are told of its texts.
    """
    return {
        "id": info.id,
        "routine": info.routine,
        "version": info.version,
        "state": info.state.value,
        "position": info.position,
        "length": info.length,
        "key": info.key,
        "reason": info.reason[:most],
        "error": info.error[:most],
        "parent": info.parent,
        "child": info.child,
        "idempotency_key": info.idempotency_key,
        "steps": info.steps,
        "time_made": info.time_made.isoformat(),
        "time_changed": info.time_changed.isoformat(),
    }


def routine_to_json(routine: Routine) -> list[dict[str, str]]:
    """The tasks of a routine, in their order."""
    return [{"key": row.key, "script": row.script, "name": row.name} for row in routine.tasks]


def step_to_json(
    step: Step, routine: Routine | None, most: int | None = VALUE_LIMIT
) -> dict[str, Any]:
    """A row of a history. ``left_out`` tells the size of what was left out or cut, by its name.

    :param routine: the version that the flow goes through; None: nobody knows it.
    :param most: the limit on each value and text; None for none.
    """
    left_out: dict[str, int] = {}

    def value(name: str, text: str | None) -> Any:
        if text is None:
            return None
        if most is not None and len(text) > most:
            left_out[name] = len(text)
            return None
        return json.loads(text, parse_constant=str)

    def cut(name: str, text: str) -> str:
        if most is None or len(text) <= most:
            return text
        left_out[name] = len(text)
        return text[-most:] if name == "traceback" else text[:most]

    known = routine is not None and step.position < len(routine.tasks)
    told: dict[str, Any] = {
        "number": step.number,
        "time": _moment(step.time),
        "state": step.state.value,
        "position": step.position,
        "key": routine.tasks[step.position].key if routine is not None and known else "",
        "reason": cut("reason", step.reason),
        "has_result": step.result is not None,
        "result": value("result", step.result),
        "arguments": value("arguments", step.given),
        "child": step.child,
        "error": cut("error", step.error),
        "traceback": cut("traceback", step.traceback),
    }
    if left_out:
        told["left_out"] = left_out
    return told


def _moment(seconds: float) -> str:

    return datetime.fromtimestamp(seconds, UTC).isoformat()
