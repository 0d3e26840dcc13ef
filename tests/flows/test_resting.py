"""Flows that wait, and flows that spawned another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from task_thread.errors import (
    FlowFailed,
)
from task_thread.flows.words import FlowState, spawn, wait
from tests.app.tasks.hands import Gate, opened_at_last
from tests.flows.hands import WITHIN, Paper, Watched, app_of, routine_of
from tests.flows.stage import Stage, Unasked

SPEC = "tests.flows.stage.Loops"


# ---- waiting ------------------------------------------------------------------------------------


def test_wait_and_resume(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a", "b")
    stage.performs(a=lambda task, *args, **kwargs: wait("for you"))
    run_id = flows.app.submit(name, 1, go=False, size=2)
    info = flows.until(run_id, "WAIT")
    assert (info.reason, info.position, info.key) == ("for you", 0, "a")
    flows.app.resume(run_id, go=True, by="me")
    assert flows.app.wait(run_id, WITHIN) == "b"
    _, check, after = stage.calls()
    assert (check.word, check.args, check.kwargs) == (
        "check", (1,), {"go": True, "size": 2, "by": "me"},
    )  # fmt: skip
    assert (after.args, after.kwargs) == ((1,), {"go": False, "size": 2})
    assert after.results == {"a": {"go": True, "by": "me"}}
    steps = flows.history(run_id)
    assert [step.state for step in steps] == ["RUNNING", "WAIT", "CHECK", "RUNNING", "DONE"]
    assert steps[2].arguments == {"go": True, "by": "me"}
    assert steps[3].result == {"go": True, "by": "me"}


def test_a_check_that_says_not_yet_rests_for_the_same_reason(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a")
    stage.performs(a=lambda task: wait("for you"))
    said = iter([False, None, 0, wait("for her"), False, True])
    stage.checks(a=lambda task: next(said))
    run_id = flows.app.submit(name)
    reasons = []
    for times in range(1, 7):
        flows.until(run_id, "WAIT", times=times)
        reasons.append(flows.app.status(run_id).reason)
        flows.app.resume(run_id)
    assert flows.app.wait(run_id, WITHIN) == {}
    assert reasons == ["for you"] * 4 + ["for her"] * 2
    assert flows.states(run_id) == ["RUNNING", *["WAIT", "CHECK"] * 6, "DONE"]


def test_a_check_that_is_not_written_passes(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a", cls=Unasked)
    stage.performs(a=lambda task: wait())
    run_id = flows.app.submit(name)
    flows.until(run_id, "WAIT")
    flows.app.resume(run_id, anything=1)
    assert flows.app.wait(run_id, WITHIN) == {"anything": 1}


def test_a_check_may_spawn(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a", "b")
    stage.performs(a=lambda task: wait())
    stage.checks(a=lambda task: spawn(("child", SPEC), reason="apart"))
    run_id = flows.app.submit(name)
    flows.until(run_id, "WAIT")
    flows.app.resume(run_id)
    assert flows.app.wait(run_id, WITHIN) == "b"
    assert stage.calls()[-1].results == {"a": "child"}
    assert flows.states(run_id) == ["RUNNING", "WAIT", "CHECK", "SPAWN", "RUNNING", "DONE"]


def test_waiting_lasts_across_restarts(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task, path: wait("for you"))
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"), "clip.mp4")
        flows.until(run_id, "WAIT")
    for _ in range(3):
        with Watched(app_of(store)) as flows:
            info = flows.app.status(run_id)
            assert (info.state, info.reason, info.key) == ("WAIT", "for you", "a")
            flows.app.resume(run_id)
            flows.until(run_id, "WAIT")
    with Watched(app_of(store)) as flows:
        flows.app.resume(run_id, go=True)
        assert flows.app.wait(run_id, WITHIN) == "b"
    assert stage.order() == ["perform a", *["check a"] * 4, "perform b"]
    assert {each.args for each in stage.calls()} == {("clip.mp4",)}


def test_a_resume_that_is_on_disk_is_not_lost(stage: Stage) -> None:
    """A kill while the check is asked: it is asked again, with the same keywords."""
    store, gate = Paper(), Gate()
    stage.performs(a=lambda task: wait())
    stage.checks(a=lambda task, **kwargs: gate.hold_async())
    with Watched(app_of(store)) as flows, opened_at_last(gate):
        run_id = flows.app.submit(routine_of(flows, "a"))
        flows.until(run_id, "WAIT")
        flows.app.resume(run_id, by="me")
        gate.arrived()
        copy = store.as_killed()
    stage.checks(a=lambda task, **kwargs: True)
    with Watched(app_of(copy)) as flows:
        assert flows.app.wait(run_id, WITHIN) == {"by": "me"}
    assert [each.kwargs for each in stage.calls()[1:]] == [{"by": "me"}] * 2


def test_a_check_is_asked_by_itself(stage: Stage) -> None:
    """Polls write nothing until one passes; the result is empty."""
    store = Paper()
    stage.performs(a=lambda task: wait("for it", check_every=0.01))
    said = iter([False, None, wait("for it", check_every=0.01), False, True])
    stage.checks(a=lambda task: next(said))
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        assert flows.app.wait(run_id, WITHIN) == "b"
        assert stage.order() == ["perform a", *["check a"] * 5, "perform b"]
        assert flows.states(run_id) == ["RUNNING", "WAIT", "RUNNING", "DONE"]
        assert stage.calls()[-1].results == {"a": {}}


def test_a_poll_goes_on_after_a_restart(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task: wait(check_every=0.01))
    stage.checks(a=lambda task: passes)
    passes = False
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a"))
        flows.until(run_id, "WAIT")
    passes = True
    with Watched(app_of(store)) as flows:
        assert flows.app.wait(run_id, WITHIN) == {}


def test_a_resume_while_the_check_is_polled_is_taken_after_it(flows: Watched, stage: Stage) -> None:
    gate = Gate()
    stage.performs(a=lambda task: wait(check_every=0.01))
    stage.checks(a=lambda task, go=False: go or gate.hold_async())
    with opened_at_last(gate):
        run_id = flows.app.submit(routine_of(flows, "a"))
        gate.arrived()
        flows.app.resume(run_id, go=True)
        assert flows.app.status(run_id).state == "CHECK"
        assert len(stage.calls()) == 2
        gate.open()
        assert flows.app.wait(run_id, WITHIN) == {"go": True}
    assert [each.kwargs for each in stage.calls()] == [{}, {}, {"go": True}]


# ---- spawning -----------------------------------------------------------------------------------


def test_a_child_gives_its_result_to_the_task_that_spawned_it(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a", "b")
    routine_of(flows, "c", "d", name="child")
    stage.performs(
        a=lambda task, *args: spawn(routine="child", args=(7,), kwargs={"x": 1}, reason="apart"),
        d=lambda task, *args, **kwargs: gate.hold_async(),
    )
    gate = Gate()
    with opened_at_last(gate):
        run_id = flows.app.submit(name, "mine")
        gate.arrived()
        info = flows.app.status(run_id)
        assert (info.state, info.reason, info.key) == ("SPAWN", "apart", "a")
        child = flows.app.status(info.child)
        assert (child.parent, child.routine, child.state) == (run_id, "child", "RUNNING")
        gate.open()
        assert flows.app.wait(run_id, WITHIN) == "b"
    assert flows.app.wait(child.id, WITHIN) == "held"
    assert stage.order() == ["perform a", "perform c", "perform d", "perform b"]
    assert [each.args for each in stage.calls()] == [("mine",), (7,), (7,), ("mine",)]
    assert stage.calls()[-1].results == {"a": "held"}
    steps = flows.history(run_id)
    assert [step.state for step in steps] == ["RUNNING", "SPAWN", "RUNNING", "DONE"]
    assert (steps[1].child, steps[2].key, steps[2].result) == (child.id, "a", "held")


def test_the_childs_end_and_its_parents_step_are_written_together(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task: spawn(("child", SPEC)))
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        flows.app.wait(run_id, WITHIN)
        flows.flush()
        groups = len(store.groups)
    for number in range(3, groups + 1):
        copy = store.as_killed(number)
        with Watched(app_of(copy)) as flows:
            if run_id not in copy.keys("flow"):
                continue
            assert asyncio.run(flows.app.result(run_id, WITHIN)) == "b"
            flows.quiet()
            assert len(copy.keys("flow")) == 2, "it was spawned twice"
            ended = asyncio.run(flows.app.ended())
            assert {info.state for info in ended} == {FlowState.DONE}


@pytest.mark.parametrize("how", ["raises", "cancelled", "unstorable"])
def test_a_child_that_fails_fails_its_parents(flows: Watched, stage: Stage, how: str) -> None:
    def end(task: Any) -> Any:
        if how == "raises":
            raise OSError("no more paper")
        return object() if how == "unstorable" else wait()

    routine_of(flows, "b", name="middle")
    stage.performs(a=lambda task: spawn(routine="middle"), b=lambda task: spawn(("c", SPEC)), c=end)
    run_id = flows.app.submit(routine_of(flows, "a"))
    if how == "cancelled":
        flows.until(run_id, "SPAWN")
        middle = flows.app.status(run_id).child
        flows.until(middle, "SPAWN")
        child = flows.app.status(middle).child
        flows.until(child, "WAIT")
        assert flows.app.cancel(child, "no more paper")
    with pytest.raises(FlowFailed) as caught:
        flows.app.wait(run_id, WITHIN)
    top = flows.app.status(run_id)
    middle_info = flows.app.status(top.child)
    child_info = flows.app.status(middle_info.child)
    assert [each.state for each in (top, middle_info, child_info)] == [
        "FAIL", "FAIL", "CANCELLED" if how == "cancelled" else "FAIL",
    ]  # fmt: skip
    assert top.child in top.error
    assert middle_info.child in middle_info.error
    if how != "unstorable":
        assert "no more paper" in top.error
    assert caught.value.run_id == run_id


def test_a_child_that_failed_and_is_resumed_brings_its_parents_back(
    flows: Watched, stage: Stage
) -> None:
    works = False

    def may_fail(task: Any) -> str:
        if works:
            return "at last"
        raise OSError("not yet")

    routine_of(flows, "b", name="middle")
    stage.performs(
        a=lambda task: spawn(routine="middle", reason="apart"),
        b=lambda task: spawn(("c", SPEC)),
        c=may_fail,
    )
    run_id = flows.app.submit(routine_of(flows, "a", "last"))
    flows.until(run_id, "FAIL")
    middle = flows.app.status(run_id).child
    child = flows.app.status(middle).child
    flows.app.resume(child)
    flows.until(run_id, "FAIL", times=2)
    assert flows.app.status(run_id).child == middle
    works = True
    flows.app.resume(child)
    info = flows.app.status(run_id)
    assert info.state in ("SPAWN", "RUNNING", "DONE")
    assert flows.app.wait(run_id, WITHIN) == "last"
    assert stage.calls()[-1].results == {"a": "at last"}
    assert flows.states(run_id) == [
        "RUNNING", "SPAWN", "FAIL", "SPAWN", "FAIL", "SPAWN", "RUNNING", "DONE",
    ]  # fmt: skip
    assert stage.order().count("perform a") == 1


def test_a_parent_that_is_resumed_spawns_anew(flows: Watched, stage: Stage) -> None:
    works = False

    def may_fail(task: Any) -> str:
        if works:
            return "at last"
        raise OSError("not yet")

    stage.performs(a=lambda task: spawn(("c", SPEC)), c=may_fail)
    run_id = flows.app.submit(routine_of(flows, "a", "b"))
    flows.until(run_id, "FAIL")
    first = flows.app.status(run_id).child
    works = True
    flows.app.resume(run_id)
    assert flows.app.wait(run_id, WITHIN) == "b"
    assert flows.app.status(first).state == "FAIL"
    flows.app.resume(first)  # it goes on alone
    assert flows.app.wait(first, WITHIN) == "at last"
    assert flows.app.status(run_id).state == "DONE"
    assert stage.order() == [*["perform a", "perform c"] * 2, "perform b", "perform c"]
