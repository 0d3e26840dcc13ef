"""Flows that fail, are resumed, and are cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from task_thread.errors import (
    FlowCancelled,
    FlowFailed,
    FlowStateError,
    UnknownFlow,
)
from task_thread.flows.words import FlowState, spawn, wait
from tests.app.tasks.hands import Gate, opened_at_last
from tests.flows.hands import WITHIN, Paper, Watched, app_of, routine_of
from tests.flows.stage import Does, Limited, Loops, Stage, Tries

SPEC = "tests.flows.stage.Loops"


# ---- failing ------------------------------------------------------------------------------------


def test_what_failed_is_run_again_by_a_resume(stage: Stage) -> None:
    """The task that failed, not those before it; in this life or the next."""
    store = Paper()

    def fail(task: Any, path: str) -> str:
        raise OSError("the disk is gone")

    stage.performs(b=fail)
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b", "c"), "clip.mp4")
        flows.until(run_id, "FAIL")
    for _ in range(2):
        with Watched(app_of(store)) as flows:
            info = flows.app.status(run_id)
            assert (info.position, info.key) == (1, "b")
            assert info.error == "OSError: the disk is gone"
            with pytest.raises(FlowFailed, match="task 2 of 3: OSError: the disk is gone") as error:
                flows.app.wait(run_id, WITHIN)
            assert "in fail" in error.value.traceback
            with pytest.raises(ValueError, match="without keywords"):
                flows.app.resume(run_id, go=True)
            flows.app.resume(run_id)
            flows.until(run_id, "FAIL")
    stage.performs(b=lambda task, path: "better")
    with Watched(app_of(store)) as flows:
        flows.app.resume(run_id)
        assert flows.app.wait(run_id, WITHIN) == "c"
        assert flows.app.status(run_id).error == ""
        fails = [step for step in flows.history(run_id) if step.state is FlowState.FAIL]
    assert [(step.error, "in fail" in step.traceback) for step in fails] == [
        ("OSError: the disk is gone", True)
    ] * 3
    assert stage.order() == ["perform a", *["perform b"] * 4, "perform c"]


def test_a_check_that_failed_is_asked_again_with_what_it_was_given(stage: Stage) -> None:
    store = Paper()

    def fail(task: Any, **kwargs: Any) -> bool:
        raise OSError("the disk is gone")

    stage.performs(a=lambda task: wait("for you"))
    stage.checks(a=fail)
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a"))
        flows.until(run_id, "WAIT")
        flows.app.resume(run_id, by="me")
        flows.until(run_id, "FAIL")
    stage.checks(a=lambda task, by: wait("for her") if by == "me" else True)
    with Watched(app_of(store)) as flows:
        flows.app.resume(run_id)
        assert flows.until(run_id, "WAIT").reason == "for her"
        flows.app.resume(run_id, by="her")
        assert flows.app.wait(run_id, WITHIN) == {"by": "her"}
    assert stage.order() == ["perform a", *["check a"] * 3]
    assert [each.kwargs.get("by") for each in stage.calls()] == [None, "me", "me", "her"]


def test_attempts_of_a_step_are_as_many_as_its_class_says(flows: Watched, stage: Stage) -> None:
    tries: list[int] = []

    def fail(task: Any) -> str:
        tries.append(1)
        if len(tries) % 3:
            raise OSError("not yet")
        return "third time"

    stage.performs(a=fail)
    run_id = flows.app.submit(routine_of(flows, "a", cls=Tries))
    assert flows.app.wait(run_id, WITHIN) == "third time"
    assert len(tries) == 3
    assert flows.states(run_id) == ["RUNNING", "DONE"]


def test_each_attempt_has_its_time(flows: Watched, stage: Stage) -> None:
    stage.performs(a=lambda task: asyncio.sleep(60))
    run_id = flows.app.submit(routine_of(flows, "a", cls=Limited))
    with pytest.raises(FlowFailed, match="TimeLimitReached"):
        flows.app.wait(run_id, WITHIN)
    assert stage.order() == ["perform a"] * 2


# ---- cancelling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Loops, Does])
def test_a_flow_that_runs_is_cancelled(flows: Watched, stage: Stage, cls: Any) -> None:
    gate = Gate()
    stage.performs(a=lambda task: (gate.hold_async if cls is Loops else gate.hold)())
    with opened_at_last(gate):
        run_id = flows.app.submit(routine_of(flows, "a", "b", cls=cls))
        gate.arrived()
        assert flows.app.cancel(run_id, "no need") is True
        with pytest.raises(FlowCancelled, match="no need"):
            flows.app.wait(run_id, WITHIN)
        assert flows.app.cancel(run_id) is False
    flows.quiet()
    info = flows.app.status(run_id)
    assert (info.state, info.reason, info.key) == ("CANCELLED", "no need", "a")
    assert stage.order() == ["perform a"]
    assert flows.states(run_id) == ["RUNNING", "CANCELLED"]


def test_flows_that_rest_are_cancelled(flows: Watched, stage: Stage) -> None:
    def fail(task: Any) -> None:
        raise OSError

    stage.performs(a=lambda task: wait(), b=fail)
    waits = flows.app.submit(routine_of(flows, "a"))
    fails = flows.app.submit(routine_of(flows, "b"))
    made = flows.app.flow("a").id
    flows.until(waits, "WAIT")
    flows.until(fails, "FAIL")
    for run_id in (waits, fails, made):
        assert flows.app.cancel(run_id)
        with pytest.raises(FlowCancelled):
            flows.app.wait(run_id, WITHIN)
        with pytest.raises(FlowStateError) as error:
            flows.app.resume(run_id)
        assert error.value.state is FlowState.CANCELLED
    assert flows.states(made) == ["INIT", "CANCELLED"]


def test_who_cancels_a_parent_cancels_its_children(flows: Watched, stage: Stage) -> None:
    routine_of(flows, "b", name="middle")
    stage.performs(
        a=lambda task: spawn(routine="middle"),
        b=lambda task: spawn(("c", SPEC)),
        c=lambda task: wait(),
    )
    run_id = flows.app.submit(routine_of(flows, "a"))
    middle = flows.until(run_id, "SPAWN").child
    child = flows.until(middle, "SPAWN").child
    flows.until(child, "WAIT")
    flows.app.cancel(run_id, "no need")
    for each in (run_id, middle, child):
        with pytest.raises(FlowCancelled):
            flows.app.wait(each, WITHIN)
    assert run_id in flows.app.status(middle).reason


def test_a_cancelled_flow_stays_cancelled_after_a_restart(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task: wait())
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a"))
        flows.until(run_id, "WAIT")
        flows.app.cancel(run_id, "no need")
    with Watched(app_of(store)) as flows:
        assert flows.app.list() == []
        with pytest.raises(UnknownFlow):
            flows.app.status(run_id)
        info = asyncio.run(flows.app.stored_status(run_id))
        assert (info.state, info.reason) == ("CANCELLED", "no need")
        with pytest.raises(FlowCancelled, match="no need"):
            flows.app.wait(run_id, WITHIN)
