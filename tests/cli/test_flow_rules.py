"""The pure parts of ``task-thread flows``: what words mean, and how flows are shown."""

from __future__ import annotations

import contextlib
import copy
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from typer import BadParameter

from task_thread.cli.flow_tables import counted, flow_lines, one_flow, summary
from task_thread.cli.flow_words import call_of, value_of
from task_thread.errors import ControlError

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).isoformat()


def flow(id: str = "67d3a6f0-1", **changes: Any) -> dict[str, Any]:
    return {
        "id": id, "routine": "ingest", "version": "0afc9f8016bd", "state": "WAIT", "position": 1,
        "length": 3, "key": "confirm", "reason": "is it right?", "error": "", "parent": "",
        "child": "", "idempotency_key": "", "steps": 3, "time_made": at(7500),
        "time_changed": at(65), **changes,
    }  # fmt: skip


def row(number: int, state: str = "RUNNING", **changes: Any) -> dict[str, Any]:
    return {
        "number": number, "time": at(65), "state": state, "position": 0, "key": "fetch",
        "reason": "", "has_result": False, "result": None, "arguments": None, "child": "",
        "error": "", "traceback": "", **changes,
    }  # fmt: skip


def whole(*history: dict[str, Any], tasks: int = 3, **changes: Any) -> dict[str, Any]:
    keys = ["fetch", "confirm", *(f"t{n}" for n in range(3, tasks + 1))]
    told = [{"key": key, "script": f"media.{key}", "name": key} for key in keys]
    return {
        "app": "media", "flow": flow(length=tasks, **changes),
        "routine": {"name": "ingest", "version": "0afc9f8016bd", "current": "0afc9f8016bd",
                    "tasks": told},
        "history": list(history), "next": None,
    }  # fmt: skip


def shown(answer: dict[str, Any], width: int | None = None, **options: Any) -> list[str]:
    lines = one_flow(answer, NOW, width, unicode=False, **{"last": 100, **options})
    return [line.plain for line in lines]


# ---- words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("null", None), ("3", 3), ("-0.5", -0.5), ('"3"', "3"), ("[1]", [1]),
        ("clip.mp4", "clip.mp4"), ("True", "True"), ("all good", "all good"), ("", ""),
        ("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "1e999"), ("[NaN]", "[NaN]"),
        ("[" * 100_000, "[" * 100_000), ("9" * 5000, "9" * 5000), ("01", "01"), ("ä", "ä"),
    ],
)  # fmt: skip
def test_a_value(text: str, value: Any) -> None:
    found = value_of(text)
    assert (type(found), found) == (type(value), value)


def test_arguments() -> None:
    args, kwargs = call_of(
        ["clip.mp4", "n=3", "note=a=b", "http://x?a=1", "=x", "1a=2", "été=", '"a=b"']
    )
    assert args == ["clip.mp4", "http://x?a=1", "=x", "1a=2", "a=b"]
    assert kwargs == {"n": 3, "note": "a=b", "été": ""}
    assert call_of([]) == ([], {})
    with pytest.raises(BadParameter, match="n is given twice"):
        call_of(["n=1", "n=2"])


@given(st.lists(st.text()))
def test_any_words_are_arguments_or_refused(words: list[str]) -> None:
    try:
        args, kwargs = call_of(words)
    except BadParameter:
        return
    assert len(args) + len(kwargs) == len(words)
    for value in (*args, *kwargs.values()):
        assert not isinstance(value, float) or math.isfinite(value)


# ---- many flows -----------------------------------------------------------------------------


def test_a_line_for_each_flow() -> None:
    lines = flow_lines(
        [flow(), flow("x-2", state="FAIL", error="OSError: gone"), flow("x-3", position=3, key="")],
        NOW, None, unicode=False,
    )  # fmt: skip
    words = [line.plain.split() for line in lines]
    assert words[0] == ["RUN", "ROUTINE", "STATE", "FOR", "TASK", "REASON", "OR", "ERROR", "AGE"]
    assert words[1] == [
        "67d3a6f0-1", "ingest", "WAIT", "1m05s", "2/3", "confirm", "is", "it", "right?", "2h05m",
    ]  # fmt: skip
    assert "OSError: gone" in lines[2].plain
    assert "is it right?" not in lines[2].plain
    assert "  3/3  " in lines[3].plain


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_terminal(width: int) -> None:
    long = flow(routine="r" * 100, key="k" * 100, reason="word " * 100)
    for line in flow_lines([long, flow()], NOW, width, unicode=True):
        assert cell_len(line.plain) <= width


def test_the_sum() -> None:
    answer = {"flows": [1, 2], "total": 9, "next": 2, "counts": {"WAIT": 7, "RUNNING": 2}}
    assert (
        summary(answer, False) == "2 shown, of 9 (--limit). Not ended for good: 2 RUNNING, 7 WAIT"
    )
    assert summary(answer, True).startswith("2 shown, the last ones; there are more (--limit).")
    assert summary({**answer, "next": None}, False) == "Not ended for good: 2 RUNNING, 7 WAIT"
    assert counted({}) == "none"
    assert counted({"NEWER": 1, "FAIL": 2}) == "2 FAIL, 1 NEWER"


# ---- one flow -------------------------------------------------------------------------------


def test_a_flow_and_its_place_in_its_routine() -> None:
    lines = shown(whole(row(0), row(1), row(2)))
    assert "state    WAIT for 1m05s" in lines
    assert "reason   is it right?" in lines
    assert "routine  ingest, version 0afc9f8016bd" in lines
    tasks = [line.split() for line in lines if "media." in line]
    assert tasks == [
        ["1", "fetch", "media.fetch", "done"], [">", "2", "confirm", "media.confirm", "WAIT"],
        ["3", "t3", "media.t3"],
    ]  # fmt: skip


def test_another_version_of_today_is_told() -> None:
    answer = whole()
    answer["routine"]["current"] = "ffff"
    assert "today's is version ffff; this flow keeps its own" in "\n".join(shown(answer))
    answer["routine"]["current"] = None
    assert "no routine has this name today" in "\n".join(shown(answer))
    answer["routine"]["tasks"] = None
    assert "its routine is not in the store, or can't be read" in shown(answer)


def test_of_a_long_routine_what_is_around_the_flow_is_shown() -> None:
    lines = shown(whole(tasks=1000, position=500, key="t501"))
    tasks = [line for line in lines if "media." in line]
    assert len(tasks) == 11
    assert tasks[5].split() == [">", "501", "t501", "media.t501", "WAIT"]
    assert "11 of its 1000 tasks, around where it is" in lines
    done = shown(whole(tasks=1000, position=1000, key="", state="DONE"))
    assert sum("media." in line for line in done) == 5


def test_what_is_in_a_history() -> None:
    rows = [
        row(0, arguments={"args": ["a"], "kwargs": {"n": [1]}}),
        row(1, has_result=True, result={"size": 7}),
        row(2, "WAIT", key="confirm", reason="is it right?"),
        row(3, "CHECK", key="confirm", arguments={"args": 1, "kwargs": 2}),
        row(4, "SPAWN", key="", position=4, child="67d3a6f0-2", reason="apart"),
        row(5, "FAIL", error="OSError: gone", traceback="Traceback:\n  gone\n"),
        row(6, has_result=True, left_out={"result": 100_000}),
        row(7, "RUNNING", left_out={"arguments": 70_000}),
    ]
    lines = shown(whole(*rows, steps=8))
    text = "\n".join(lines)
    for part in (
        'fetch    submitted "a" n=[1]', 'fetch    result {"size": 7}', "confirm  is it right?",
        "confirm  resumed args=1 kwargs=2", "SPAWN    5        apart; child 67d3a6f0-2",
        "fetch    OSError: gone", "a traceback of 2 lines: --traceback",
        "result (100k characters)", "given (70k characters)",
    ):  # fmt: skip
        assert part in text, text
    assert "  gone" not in text
    assert "       gone" in shown(whole(*rows, steps=8), tracebacks=True)


def test_the_end_of_a_long_history_is_shown() -> None:
    lines = shown(whole(*(row(n) for n in range(50)), steps=1000), last=10)
    assert [line.split()[0] for line in lines if " RUNNING " in line] == [
        str(n) for n in range(40, 50)
    ]
    assert lines[-1] == "10 of 1000 rows: --last 1000"


def test_nothing_of_a_flow_reaches_the_terminal() -> None:
    evil = "\x1b[31m\x07\u202e\n\r[red]x[/]"
    rows = [
        row(0, reason=evil, key=evil, error=evil, traceback=evil, has_result=True, result=evil,
            arguments={evil: evil}, child=evil),
    ]  # fmt: skip
    answer = whole(*rows, id=evil, reason=evil, error=evil, parent=evil, idempotency_key=evil)
    answer["routine"]["tasks"] = [{"key": evil, "script": evil, "name": evil + "x"}]
    for tracebacks in (False, True):
        for line in shown(answer, tracebacks=tracebacks):
            assert line.isprintable(), repr(line)
    for text in flow_lines([answer["flow"]], NOW, None, unicode=True):
        assert text.plain.isprintable()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_what_is_of_another_form_is_one_clear_error(data: st.DataObject) -> None:
    answer = copy.deepcopy(whole(row(0, has_result=True, result=[1]), row(1)))
    place: Any = data.draw(
        st.sampled_from(
            [answer, answer["flow"], answer["routine"], answer["routine"]["tasks"][0],
             answer["history"][0]]
        )
    )  # fmt: skip
    name = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        del place[name]
    else:
        place[name] = data.draw(JUNK)
    for show in (
        lambda: shown(answer),
        lambda: flow_lines([answer.get("flow")], NOW, 80, unicode=True),
        lambda: summary(answer, False),
    ):
        with contextlib.suppress(ControlError):  # and nothing else
            show()
