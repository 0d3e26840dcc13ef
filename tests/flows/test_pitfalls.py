"""What the neighbour of this kind gets wrong, and what its page promises, line by line."""

from __future__ import annotations

import time
from typing import Any

import pytest

from task_thread.errors import DuplicateRoutine, DuplicateTask, UnknownFlow, UnknownRoutine
from task_thread.flows import (
    FlowApp,
    FlowTask,
    TaskRow,
    create_script,
    create_task,
    spawn,
    wait,
)
from tests.flows.hands import WITHIN, Paper, Watched, app_of, routine_of
from tests.flows.stage import Loops, Stage

HERE = __name__


# ---- what was measured of it -------------------------------------------------------------------


def test_after_wait_a_passed_check_goes_on_with_the_very_next_task(
    flows: Watched, stage: Stage
) -> None:
    name = routine_of(flows, "a", "b", "c", "d")
    stage.performs(b=lambda task, *args, **kwargs: wait("for you"))
    run_id = flows.app.submit(name, "clip.mp4", size=3)
    flows.until(run_id, "WAIT")
    flows.app.resume(run_id, go=True)
    flows.app.wait(run_id, WITHIN)
    assert stage.order() == ["perform a", "perform b", "check b", "perform c", "perform d"]


def test_after_wait_earlier_results_and_the_arguments_are_there(
    flows: Watched, stage: Stage
) -> None:
    name = routine_of(flows, "a", "b", "c")
    stage.performs(a=lambda task, *args, **kwargs: {"apples": True})
    stage.performs(b=lambda task, *args, **kwargs: wait("for you"))
    run_id = flows.app.submit(name, "clip.mp4", size=3)
    flows.until(run_id, "WAIT")
    flows.app.resume(run_id, go=True)
    flows.app.wait(run_id, WITHIN)
    check, last = stage.calls()[2:]
    assert (check.args, check.kwargs) == (("clip.mp4",), {"size": 3, "go": True})
    assert check.results == {"a": {"apples": True}}
    assert (last.args, last.kwargs) == (("clip.mp4",), {"size": 3})
    assert last.results == {"a": {"apples": True}, "b": {"go": True}}


def test_after_spawn_the_childs_result_is_that_of_the_task_that_spawned(
    flows: Watched, stage: Stage
) -> None:
    name = routine_of(flows, "a", "b", "c")
    stage.performs(a=lambda task: spawn(("child", Loops), reason="apart"))
    run_id = flows.app.submit(name)
    assert flows.app.wait(run_id, WITHIN) == "c"
    assert stage.order() == ["perform a", "perform child", "perform b", "perform c"]
    assert stage.calls()[-1].results == {"a": "child", "b": "b"}


def test_a_last_task_that_waits_waits(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a", "b")
    stage.performs(b=lambda task: wait("for you"))
    run_id = flows.app.submit(name)
    flows.until(run_id, "WAIT")
    info = flows.app.status(run_id)
    assert (info.state, info.position, info.key, info.reason) == ("WAIT", 1, "b", "for you")
    flows.app.resume(run_id, go=True)
    assert flows.app.wait(run_id, WITHIN) == {"go": True}
    assert flows.app.status(run_id).state == "DONE"


def test_a_last_task_that_spawns_waits_for_its_child(flows: Watched, stage: Stage) -> None:
    stage.performs(a=lambda task: spawn(("c", Loops)), c=lambda task: wait())
    run_id = flows.app.submit(routine_of(flows, "a"))
    child = flows.until(run_id, "SPAWN").child
    flows.until(child, "WAIT")
    assert flows.app.status(run_id).state == "SPAWN"
    flows.app.resume(child, go=True)
    assert flows.app.wait(run_id, WITHIN) == {"go": True}


def test_two_routines_of_one_name_do_not_merge(flows: Watched) -> None:
    first = flows.app.routine("my routine", [("a", Loops)])
    with pytest.raises(DuplicateRoutine, match="replace=True"):
        flows.app.routine("my routine", [("b", Loops)])
    assert flows.app.routines["my routine"] is first
    assert flows.app.routine("my routine", [("a", Loops)]) is first
    second = flows.app.routine("my routine", [("b", Loops)], replace=True)
    assert [row.key for row in second] == ["b"]
    assert first.version != second.version
    assert flows.app.wait(flows.app.submit("my routine"), WITHIN) == "b"
    assert flows.app.wait(flows.app.submit(first), WITHIN) == "a"


def test_specs_of_all_forms_may_be_mixed_and_a_wrong_one_is_named_at_once() -> None:
    app = FlowApp()
    download = f"{HERE}.Class"
    app.routine("good", [download, ("k", download), {"key": "q", "script": download}, ("r", Class)])
    for wrong in (
        {"script": 7},
        {"name": "only"},
        {"key": "q", "unknown": 1},
        (),
        7,
        None,
        "nodot",
    ):
        with pytest.raises((TypeError, ValueError), match=r"tasks\[1\]"):
            app.routine("bad", [download, wrong])  # type: ignore[list-item]
    assert "bad" not in app.routines


def test_keys_are_unique_in_a_routine_and_stand_for_one_script() -> None:
    app = FlowApp()
    with pytest.raises(ValueError, match="key"):
        app.routine("r", [f"{HERE}.Class", f"{HERE}.Class"])
    app.routine("r", [f"{HERE}.Class", ("again", f"{HERE}.Class")])
    with pytest.raises(DuplicateTask):
        app.create_task(("again", f"{HERE}.Long"))
    assert app.create_task(("again", f"{HERE}.Long"), replace=True).script == f"{HERE}.Long"


# ---- its page ----------------------------------------------------------------------------------


class Long(FlowTask):
    """def perform(self, *a, **kw) ... return { 'apples': True }"""

    def perform(self, *a: Any, **kw: Any) -> dict[str, bool]:
        time.sleep(0)
        return {"apples": True}


class Class(Long):
    """One that inherits what it does."""


class VeryLong(FlowTask):
    """Takes an argument, changes its keywords, and gives both."""

    def perform(self, seconds: int = 8, *a: Any, **kw: Any) -> tuple[Any, ...]:
        kw["very_long"] = seconds
        return (a, kw)


class Download(FlowTask):
    """Offloads its work."""

    def perform(self, *a: Any, **kw: Any) -> Any:
        return spawn(reason="background download", task=f"{HERE}.VeryLong", args=(7,))

    def check(self, *a: Any, **kw: Any) -> bool:
        raise AssertionError("a child that is done needs no check")


class Offload(FlowTask):
    """Waits, and says why it waits on."""

    def perform(self, *a: Any, **kw: Any) -> Any:
        return wait(reason="wait for confirmation")

    def check(self, *a: Any, **kw: Any) -> Any:
        if kw.get("offload") is None:
            return wait(reason="Not Ready")
        return True


def test_a_task_has_a_key_an_import_string_and_a_friendly_name(flows: Watched) -> None:
    row = TaskRow(name="foo", script=f"{HERE}.Long", key="unique-foo-long")
    flows.app.create_task(row)
    flows.app.routine("r", ["unique-foo-long"])
    assert flows.app.routines["r"].task_at(0) == row
    assert flows.app.wait(flows.app.submit("r"), WITHIN) == {"apples": True}


def test_create_script_and_create_task_make_the_same_row(flows: Watched) -> None:
    script = f"{HERE}.Long"
    row = TaskRow("unique-foo-long", script, "foo")
    assert create_script("unique-foo-long", script, "foo") == row
    assert flows.app.create_script("unique-foo-long", script, "foo") == row
    assert flows.app.create_task(row) == row
    assert create_task(("unique-foo-long", script)) == TaskRow("unique-foo-long", script)
    assert create_task((script,)) == TaskRow(script, script, script)


def test_a_routine_is_made_from_a_list_of_specs(flows: Watched) -> None:
    script = f"{HERE}.Class"
    routine = flows.app.routine(
        "my routine",
        [
            script,
            (f"{HERE}.Long",),
            ("key", script),
            ("key 2", script, "friendly name"),
            {"key": "key 3", "script": script, "name": "friendly_name"},
            {"key": "key 4", "script": script},
            {"script": f"{HERE}.VeryLong"},
            {"key": f"{HERE}.Offload"},
        ],
    )
    assert [(row.key, row.script, row.name) for row in routine] == [
        (script, script, script),
        (f"{HERE}.Long", f"{HERE}.Long", f"{HERE}.Long"),
        ("key", script, "key"),
        ("key 2", script, "friendly name"),
        ("key 3", script, "friendly_name"),
        ("key 4", script, "key 4"),
        (f"{HERE}.VeryLong",) * 3,
        (f"{HERE}.Offload",) * 3,
    ]
    assert routine.task_at(3) == TaskRow("key 2", script, "friendly name")


def test_a_flow_of_a_routine_is_submitted_by_itself_or_its_id(flows: Watched) -> None:
    routine = flows.app.routine("my routine", [f"{HERE}.Class"])
    for flow in (flows.app.flow(routine), flows.app.flow("my routine")):
        assert flows.app.submit(flow) == flow.id
        assert flows.app.wait(flow.id, WITHIN) == {"apples": True}
    flow = flows.app.flow(routine)
    assert flows.app.submit(flow.id) == flow.id
    assert flows.app.wait(flow.id, WITHIN) == {"apples": True}
    with pytest.raises(UnknownRoutine):
        flows.app.submit("nobody")
    with pytest.raises(UnknownFlow):
        flows.app.resume("nobody")


def test_any_value_that_is_data_is_given_and_what_a_task_changes_is_its_own(flows: Watched) -> None:
    flows.app.routine("r", [f"{HERE}.VeryLong", ("next", f"{HERE}.VeryLong")])
    run_id = flows.app.submit("r", 3, 4, x=5)
    assert flows.app.wait(run_id, WITHIN) == [[4], {"x": 5, "very_long": 3}]
    assert flows.history(run_id)[0].arguments == {"args": [3, 4], "kwargs": {"x": 5}}


def test_a_task_spawns_another_and_the_flow_goes_on_with_its_result(
    flows: Watched, stage: Stage
) -> None:
    flows.app.routine("r", [f"{HERE}.Download", ("after", Loops)])
    run_id = flows.app.submit("r", "clip.mp4")
    flows.app.wait(run_id, WITHIN)
    (after,) = stage.calls()
    assert after.results == {f"{HERE}.Download": [[], {"very_long": 7}]}
    assert flows.history(run_id)[1].reason == "background download"


def test_a_task_waits_for_a_person_and_says_why(stage: Stage) -> None:
    """Days may pass, and lives of the process."""
    store = Paper()
    with Watched(app_of(store)) as flows:
        flows.app.routine("r", [f"{HERE}.Offload", ("after", Loops)])
        run_id = flows.app.submit("r", 1)
        assert flows.until(run_id, "WAIT").reason == "wait for confirmation"
    with Watched(app_of(store)) as flows:
        flows.app.resume(run_id)
        assert flows.until(run_id, "WAIT").reason == "Not Ready"
        flows.app.resume(run_id, offload=None)
        flows.until(run_id, "WAIT", times=2)
        assert stage.calls() == []
        flows.app.resume(run_id, offload="yes")
        assert flows.app.wait(run_id, WITHIN) == "after"
    assert stage.calls()[0].results == {f"{HERE}.Offload": {"offload": "yes"}}
