"""What is written down of flows and routines: JSON, with a version.

====================  ===========================  =================================================
kind                  key                          what
====================  ===========================  =================================================
``flow``              the run id                   its Row: where it is
``flow-step``         run id / number              one row of its history, its results among them
``flow-ended``        time of the end / run id     an index of what can be dropped some day
``routine``           name @ version               a routine, as flows may have started with it
``routine-now``       its name                     which version is the one of today
``flow-task``         its key                      a task row
====================  ===========================  =================================================

Pure: values in, bytes out, and back. Runs and schedules are in the same store, in records of the
layer below.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any, Final

from task_thread.app.records import Fields, from_bytes, is_a, is_count, is_time, to_bytes
from task_thread.app.store import Change
from task_thread.errors import NotStorable
from task_thread.flows.history import Row, Step
from task_thread.flows.info import FlowInfo, FlowStep
from task_thread.flows.spec import Routine, TaskRow
from task_thread.flows.words import FlowState
from task_thread.log import show

__all__ = [
    "ENDED",
    "FLOW",
    "ROUTINE",
    "ROUTINE_NOW",
    "STEP",
    "TASK",
    "ended_change",
    "ended_key",
    "info_of",
    "parse_ended",
    "parse_now",
    "parse_routine",
    "parse_row",
    "parse_step",
    "parse_task",
    "public_step",
    "routine_changes",
    "routine_id",
    "row_change",
    "step_change",
    "step_key",
    "task_change",
]

FLOW: Final = "flow"
STEP: Final = "flow-step"
ENDED: Final = "flow-ended"
ROUTINE: Final = "routine"
ROUTINE_NOW: Final = "routine-now"
TASK: Final = "flow-task"

_VERSION: Final = 1
_STATES: Final = frozenset(FlowState)
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_TEXT: Final = 100_000  # characters that are kept of an error and of a traceback


@lru_cache(maxsize=256)
def _quoted(text: str) -> str:
    return _encode(text)


def _is_state(value: Any) -> bool:
    return isinstance(value, str) and value in _STATES


_FLOW: Final[Fields] = {
    "routine": is_a(str), "length": is_count, "state": _is_state, "position": is_count,
    "steps": is_count, "made": is_time, "changed": is_time,
}  # fmt: skip
_FLOW_MORE: Final[Fields] = {  # left out where there is nothing to say
    "reason": is_a(str), "check": is_a(dict), "asked": is_a(dict), "parent": is_a(str),
    "child": is_a(str), "called": is_a(str), "key": is_a(str), "digest": is_a(str),
    "error": is_a(str),
}  # fmt: skip
_STEP: Final[Fields] = {
    "number": is_count, "time": is_time, "state": _is_state, "position": is_count,
}  # fmt: skip
_STEP_MORE: Final[Fields] = {
    "result": lambda _: True, "given": is_a(dict), "reason": is_a(str), "child": is_a(str),
    "error": is_a(str), "traceback": is_a(str),
}  # fmt: skip
_ROUTINE: Final[Fields] = {"name": is_a(str), "tasks": is_a(list)}
_NOW: Final[Fields] = {"version": is_a(str)}
_TASK: Final[Fields] = {"key": is_a(str), "script": is_a(str), "name": is_a(str)}
_ENDED: Final[Fields] = {"id": is_a(str)}


# ---- flows ------------------------------------------------------------------------------------


def row_change(row: Row) -> Change:
    """The record of a flow. One that has ended for good is not read at a start."""
    # Put together by hand, since it is made for each step: what is a number or one of our words
    # needs no encoder.
    text = (
        f'{{"v":{_VERSION},"routine":{_quoted(row.routine)},"length":{row.length},'
        f'"state":"{row.state}","position":{row.position},"steps":{row.steps},'
        f'"made":{row.made!r},"changed":{row.changed!r}'
    )
    for name, value in (
        ("reason", row.reason), ("parent", row.parent), ("child", row.child), ("key", row.key),
        ("called", row.called), ("digest", row.digest), ("error", row.error[:_TEXT]),
    ):  # fmt: skip
        if value:
            text += f',"{name}":{_encode(value)}'
    if row.check is not None:
        text += f',"check":{_encode(row.check)}'
    if row.asked is not None:
        text += f',"asked":{_encode(row.asked)}'
    return Change(FLOW, row.id, f"{text}}}".encode(), not row.state.is_final)


def parse_row(key: str, value: bytes) -> Row:
    """The other way.

    :raises NotStorable: it can't be read. :raises StoreTooNew: a later version wrote it.
    """
    record = _parse(FLOW, key, value, _FLOW, _FLOW_MORE)
    row = Row(id=key, **record)
    if row.position > row.length or row.steps < 1:
        raise NotStorable(f"flow {key} can't be read: it is at {row.position} of {row.length}")
    return row._replace(
        state=FlowState(row.state),
        routine=intern(row.routine),
        reason=intern(row.reason),
        called=intern(row.called),
    )


def _parse(kind: str, key: str, value: bytes, fields: Fields, more: Fields) -> dict[str, Any]:
    """The fields of a record, and those of `more` that it has."""
    record = from_bytes(kind, key, value, fields)
    found = {name: record[name] for name in fields}
    for name, fits in more.items():
        if name in record:
            if not fits(record[name]):
                raise NotStorable(f"{kind} {key} can't be read ({name}): {show(value)}")
            found[name] = record[name]
    return found


def step_key(id: str, number: int) -> str:
    """The key of a row of its history: they sort in their order."""
    return f"{id}/{number:08d}"


def step_change(id: str, step: Step) -> Change:
    """The record of a row of the history. Result and arguments are put in as the texts that they
    are."""
    text = (
        f'{{"v":{_VERSION},"number":{step.number},"time":{step.time!r},'
        f'"state":"{step.state}","position":{step.position}'
    )
    if step.result is not None:
        text += f',"result":{step.result}'
    if step.given is not None:
        text += f',"given":{step.given}'
    for name, value in (
        ("reason", step.reason), ("child", step.child), ("error", step.error[:_TEXT]),
        ("traceback", step.traceback[-_TEXT:]),
    ):  # fmt: skip
        if value:
            text += f',"{name}":{_encode(value)}'
    return Change(STEP, step_key(id, step.number), f"{text}}}".encode(), False)


def parse_step(key: str, value: bytes) -> Step:
    """The other way.

    :raises NotStorable: it can't be read. :raises StoreTooNew: a later version wrote it.
    """
    record = _parse(STEP, key, value, _STEP, _STEP_MORE)
    record["state"] = FlowState(record["state"])
    for name in ("result", "given"):
        if name in record:
            record[name] = _encode(record[name])
    return Step(**record)


# ---- the index of what has ended --------------------------------------------------------------


def ended_key(id: str, time: float) -> str:
    """They sort by the time of the end."""
    return f"{time:017.6f}/{id}"


def ended_change(row: Row, *, gone: bool = False) -> Change:
    """The flow has ended, or failed, in this state; or (gone) goes on after all."""
    key = ended_key(row.id, row.changed)
    if gone:
        return Change(ENDED, key, None)
    return Change(ENDED, key, _encode({"v": _VERSION, "id": row.id}).encode(), False)


def parse_ended(key: str, value: bytes) -> tuple[float, str]:
    """When it was, and the run id.

    :raises NotStorable: it can't be read. :raises StoreTooNew: a later version wrote it.
    """
    record = from_bytes(ENDED, key, value, _ENDED)
    time = key.partition("/")[0]
    try:
        return float(time), record["id"]
    except ValueError:
        raise NotStorable(f"{ENDED} {key} can't be read: its key has no time") from None


# ---- routines and task rows -------------------------------------------------------------------


def routine_id(routine: Routine) -> str:
    """Name and version, as a flow's row says it: one text for all flows of it."""
    return intern(f"{routine.name}@{routine.version}")


def routine_changes(routine: Routine, *, now: bool) -> list[Change]:
    """The records of a routine.

    :param now: whether it is the one of its name from now on.
    """
    record = {"name": routine.name, "tasks": [_task_record(row) for row in routine.tasks]}
    value = to_bytes({"v": _VERSION, **record}, f"routine {routine.name}")
    changes = [Change(ROUTINE, routine_id(routine), value)]
    if now:
        pointer = to_bytes({"v": _VERSION, "version": routine.version}, f"routine {routine.name}")
        changes.append(Change(ROUTINE_NOW, routine.name, pointer))
    return changes


def parse_routine(key: str, value: bytes) -> Routine:
    """The other way.

    :raises NotStorable: it can't be read. :raises StoreTooNew: a later version wrote it.
    """
    record = from_bytes(ROUTINE, key, value, _ROUTINE)
    try:
        routine = Routine(record["name"], tuple(_task_row(each) for each in record["tasks"]))
    except (KeyError, TypeError, ValueError) as error:
        raise NotStorable(f"{ROUTINE} {key} can't be read: {error}") from None
    if routine_id(routine) != key:
        raise NotStorable(f"{ROUTINE} {key} can't be read: what is in it is another one")
    return routine


def parse_now(key: str, value: bytes) -> str:
    """The version of today.

    :raises NotStorable: it can't be read. :raises StoreTooNew: a later version wrote it.
    """
    version: str = from_bytes(ROUTINE_NOW, key, value, _NOW)["version"]
    return version


def task_change(row: TaskRow) -> Change:
    """The record of a task row."""
    return Change(TASK, row.key, to_bytes({"v": _VERSION, **_task_record(row)}, f"task {row.key}"))


def parse_task(key: str, value: bytes) -> TaskRow:
    """The other way.

    :raises NotStorable: it can't be read. :raises StoreTooNew: a later version wrote it.
    """
    try:
        return _task_row(from_bytes(TASK, key, value, _TASK))
    except (TypeError, ValueError) as error:
        raise NotStorable(f"{TASK} {key} can't be read: {error}") from None


def _task_record(row: TaskRow) -> dict[str, str]:
    return {"key": row.key, "script": row.script, "name": row.name}


def _task_row(record: Any) -> TaskRow:
    return TaskRow(record["key"], record["script"], record["name"])


# ---- for the user -----------------------------------------------------------------------------


def info_of(row: Row, routine: Routine | None) -> FlowInfo:
    """A flow at this moment.

    :param routine: the version that it started with; None: it is not known any more.
    """
    name, _, version = row.routine.rpartition("@")
    at_one = routine is not None and row.position < len(routine.tasks)
    return FlowInfo(
        id=row.id,
        routine=name,
        version=version,
        state=row.state,
        position=row.position,
        length=row.length,
        key=routine.tasks[row.position].key if routine is not None and at_one else "",
        reason=row.reason,
        error=row.error,
        parent=row.parent,
        child=row.child,
        idempotency_key=row.key,
        steps=row.steps,
        time_made=datetime.fromtimestamp(row.made, UTC),
        time_changed=datetime.fromtimestamp(row.changed, UTC),
    )


def public_step(step: Step, routine: Routine | None) -> FlowStep:
    """A row of the history, for people."""
    known = routine is not None and step.position < len(routine.tasks)
    return FlowStep(
        number=step.number,
        time=datetime.fromtimestamp(step.time, UTC),
        state=step.state,
        position=step.position,
        key=routine.tasks[step.position].key if routine is not None and known else "",
        reason=step.reason,
        has_result=step.result is not None,
        result=None if step.result is None else json.loads(step.result),
        arguments={} if step.given is None else json.loads(step.given),
        child=step.child,
        error=step.error,
        traceback=step.traceback,
    )
