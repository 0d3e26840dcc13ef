"""Flows as they came from a daemon or a file, as lines for people. Pure.

What is missing or of another form raises ControlError; all text is fit for a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from task_thread.cli.layout import Cell, Column, lay_out, shorten
from task_thread.cli.text import clean, count, duration, one_line
from task_thread.errors import ControlError

__all__ = ["STATES", "counted", "flow_lines", "one_flow", "summary"]

STATES: Final = {
    "RUNNING": "green",
    "CHECK": "cyan",
    "WAIT": "yellow",
    "SPAWN": "blue",
    "FAIL": "bold red",
    "CANCELLED": "dim",
}
"""How a state's word is shown; the others as they are."""

_FLOWS: Final = [
    Column("RUN"),  # never cut: it is copied
    Column("ROUTINE", least=8, optional=True),
    Column("STATE"),
    Column("FOR", right=True, optional=True),
    Column("TASK", least=7),
    Column("REASON OR ERROR", least=8),
    Column("AGE", right=True, optional=True),
]
_TASKS: Final = [
    Column(""), Column("", right=True), Column("KEY", least=8),
    Column("CLASS", least=8, keeps_end=True), Column("NAME", least=6, optional=True),
    Column("", least=4),
]  # fmt: skip
_HISTORY: Final = [
    Column("#", right=True), Column("TIME (UTC)"), Column("STATE"), Column("TASK", least=8),
    Column("WHAT", least=20),
]  # fmt: skip
_VALUE: Final = 300  # characters of a value that are shown
_AROUND: Final = 5  # tasks that are shown around the one where the flow is, of a long routine
_LONG: Final = 30  # tasks of a routine of which some are left out

_WRONG: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


# ---- many flows -------------------------------------------------------------------------------


def flow_lines(flows: Sequence[Any], now: datetime, width: int | None, unicode: bool) -> list[Text]:
    """A line for each flow, under their titles.

    :raises ControlError: they are nothing of the kind.
    """
    try:
        return lay_out(_FLOWS, [_flow_line(flow, now) for flow in flows], width, unicode)
    except _WRONG as error:
        raise _other_form(error) from None


def _flow_line(flow: Any, now: datetime) -> list[Cell]:
    state = one_line(flow["state"])
    failed = flow["error"] != ""
    return [
        Cell(one_line(flow["id"]), "bold"),
        Cell(one_line(flow["routine"])),
        Cell(state, STATES.get(state, "")),
        Cell(duration(_since(flow["time_changed"], now))),
        Cell(_place(flow)),
        Cell(one_line(flow["error"] if failed else flow["reason"]), "red" if failed else ""),
        Cell(duration(_since(flow["time_made"], now))),
    ]


def _place(flow: Any) -> str:
    """Which task it is at: "2/3 confirm"."""
    position, length = int(flow["position"]), int(flow["length"])
    if position >= length:
        return f"{length}/{length}"
    return one_line(f"{position + 1}/{length} {flow['key']}")


def summary(answer: Mapping[str, Any], ended: bool) -> str:
    """How many there are, in one line.

    :param ended: whether those that have ended were asked for, whose number nobody knows.
    :raises ControlError: it is nothing of the kind.
    """
    try:
        shown, total = len(answer["flows"]), int(answer["total"])
        states = {one_line(state): int(number) for state, number in answer["counts"].items()}
        more = answer["next"] is not None
    except _WRONG as error:
        raise _other_form(error) from None
    told = "not ended for good: " + counted(states)
    if more:
        of = "the last ones; there are more" if ended else f"of {total}"
        return f"{shown} shown, {of} (--limit). {told[0].upper()}{told[1:]}"
    return f"{told[0].upper()}{told[1:]}"


def counted(states: Mapping[str, int]) -> str:
    """How many are in which state: "12 WAIT, 3 FAIL"."""
    order = [*STATES, *sorted(states)]
    return (
        ", ".join(f"{states[state]} {state}" for state in dict.fromkeys(order) if state in states)
        or "none"
    )


# ---- one flow ---------------------------------------------------------------------------------


def one_flow(
    answer: Mapping[str, Any],
    now: datetime,
    width: int | None,
    unicode: bool,
    *,
    last: int,
    tracebacks: bool = False,
) -> list[Text]:
    """A flow, its routine with the flow's place in it, and the end of its history.

    :param last: how many rows of the history are shown at most.
    :param tracebacks: whether tracebacks are shown whole.
    :raises ControlError: it is nothing of the kind.
    """
    try:
        flow, routine = answer["flow"], answer["routine"]
        return [
            *_facts(flow, routine, now),
            Text(""),
            *_tasks(flow, routine, width, unicode),
            Text(""),
            *_history(flow, answer["history"], width, unicode, last, tracebacks),
        ]
    except _WRONG as error:
        raise _other_form(error) from None


def _facts(flow: Any, routine: Any, now: datetime) -> list[Text]:
    state = one_line(flow["state"])
    resting = Text(state, STATES.get(state, ""))
    resting.append(f" for {duration(_since(flow['time_changed'], now))}", "default")
    told: list[tuple[str, Text]] = [
        ("run", Text(one_line(flow["id"]), "bold")),
        ("routine", _version(flow, routine)),
        ("state", resting),
        ("made", Text(f"{_moment(flow['time_made'])} UTC, "
                      f"{duration(_since(flow['time_made'], now))} ago")),
    ]  # fmt: skip
    for name in ("reason", "error", "parent", "child", "idempotency_key"):
        if flow[name] != "":
            style = "red" if name == "error" else ""
            told.append((name.replace("idempotency_", ""), Text(one_line(flow[name]), style)))
    lines: list[Text] = []
    for name, text in told:
        line = Text(f"{name:<9}", "bold")
        line.append(text if text.style else Text(text.plain, "not bold"))
        lines.append(line)
    return lines


def _version(flow: Any, routine: Any) -> Text:
    told = f"{flow['routine']}, version {flow['version']}"
    today = routine["current"]
    if today is None:
        told += " (no routine has this name today; this flow keeps its own)"
    elif today != flow["version"]:
        told += f" (today's is version {today}; this flow keeps its own)"
    return Text(one_line(told))


def _tasks(flow: Any, routine: Any, width: int | None, unicode: bool) -> list[Text]:
    tasks = routine["tasks"]
    if tasks is None:
        return [Text("its routine is not in the store, or can't be read", "red")]
    at = int(flow["position"])
    near = range(at - _AROUND, at + _AROUND + 1)
    lines = [
        _task_line(number, task, flow)
        for number, task in enumerate(tasks)
        if len(tasks) <= _LONG or number in near
    ]
    shown = lay_out(_TASKS, lines, width, unicode)
    if len(lines) < len(tasks):
        shown.append(Text(f"{len(lines)} of its {len(tasks)} tasks, around where it is", "dim"))
    return shown


def _task_line(number: int, task: Any, flow: Any) -> list[Cell]:
    at, state = int(flow["position"]), one_line(flow["state"])
    here = number == at
    name = "" if task["name"] == task["key"] else one_line(task["name"])
    script = "" if task["script"] == task["key"] else one_line(task["script"])
    style = STATES.get(state, "") if here else "dim" if number < at else ""
    return [
        Cell(">" if here else "", style),
        Cell(str(number + 1), style),
        Cell(one_line(task["key"]), style),
        Cell(script),
        Cell(name),
        Cell(state if here else "done" if number < at else "", style),
    ]


# ---- its history ------------------------------------------------------------------------------


def _history(
    flow: Any, rows: Sequence[Any], width: int | None, unicode: bool, last: int, tracebacks: bool
) -> list[Text]:
    told = rows[max(0, len(rows) - last) :]
    heads = lay_out(_HISTORY, [_row_line(row) for row in told], width, unicode)
    lines = heads[:1]
    for line, row in zip(heads[1:], told, strict=True):
        lines.append(line)
        trace = clean(row["traceback"]).rstrip().split("\n") if row["traceback"] else []
        if trace and not tracebacks:
            lines.append(Text(f"     a traceback of {len(trace)} lines: --traceback", "dim"))
        elif trace:
            lines += [Text(f"     {line}", "red") for line in trace]
    missing = int(flow["steps"]) - len(told)
    if missing > 0:
        lines.append(Text(f"{len(told)} of {flow['steps']} rows: --last {flow['steps']}", "dim"))
    return lines


def _row_line(row: Any) -> list[Cell]:
    state = one_line(row["state"])
    task = one_line(row["key"]) or str(int(row["position"]) + 1)
    return [
        Cell(str(int(row["number"]))),
        Cell(_moment(row["time"])),
        Cell(state, STATES.get(state, "")),
        Cell(task),
        Cell(_what(row), "red" if row["error"] else ""),
    ]


def _what(row: Any) -> str:
    """What a row of a history is about, in one line."""
    left_out: dict[str, Any] = row.get("left_out") or {}
    told: list[str] = []
    if row["has_result"]:
        told.append(f"result {_value(row['result'], left_out.get('result'))}")
    given = row["arguments"]
    if left_out.get("arguments") is not None:
        told.append(f"given {_value(None, left_out['arguments'])}")
    elif row["state"] == "RUNNING" and given is not None and set(given) == {"args", "kwargs"}:
        told.append(f"submitted {_call(given['args'], given['kwargs'])}".rstrip())
    elif given is not None:
        told.append(f"resumed {_call([], given)}".rstrip())
    told += [one_line(row[name]) for name in ("error", "reason") if row[name]]
    if row["child"]:
        told.append(f"child {one_line(row['child'])}")
    return "; ".join(told)


def _call(args: Any, kwargs: Any) -> str:
    values = [_value(value, None) for value in args]
    values += [f"{one_line(name)}={_value(value, None)}" for name, value in kwargs.items()]
    return shorten(" ".join(values), _VALUE, unicode=False)


def _value(value: Any, size: int | None) -> str:
    if size is not None:
        return f"({count(size)} characters)"
    return shorten(json.dumps(value), _VALUE, unicode=False)


# ---- times ------------------------------------------------------------------------------------


def _since(text: Any, now: datetime) -> float:
    """Seconds since then; not below 0: clocks differ."""
    return max(0.0, (now - datetime.fromisoformat(text)).total_seconds())


def _moment(text: Any) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _other_form(error: Exception) -> ControlError:
    return ControlError(f"what is told of the flows is of another form ({error!r})")
