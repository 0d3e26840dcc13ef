"""What a flow does, sentence by sentence."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from task_thread.errors import (
    FlowCancelled,
    FlowFailed,
    FlowStateError,
    NotRunning,
    ThreadEnded,
    UnknownFlow,
    UnknownRoutine,
    WaitTimeout,
    WrongLoop,
)
from task_thread.flows.flowapp import FlowApp
from task_thread.flows.words import FlowState, spawn, wait
from tests.app.tasks.hands import Gate, opened_at_last
from tests.flows.hands import WITHIN, Paper, Watched, app_of, outcome, routine_of
from tests.flows.media import Archive, Download, Elsewhere, Notify
from tests.flows.stage import Does, Loops, Stage, Tries, Unasked

SPEC = "tests.flows.stage.Loops"


def run(flows: Watched, *args: Any, **kwargs: Any) -> Any:
    """Submit, and wait for the result."""
    return flows.app.wait(flows.app.submit(*args, **kwargs), WITHIN)


# ---- tasks, arguments and results -------------------------------------------------------------


def test_tasks_run_in_their_order_and_see_the_results_before_them(
    flows: Watched, stage: Stage
) -> None:
    name = routine_of(flows, "a", "b", "c")
    stage.performs(b=lambda task: {"a was": task.results["a"]})
    run_id = flows.app.submit(name)
    assert flows.app.wait(run_id, WITHIN) == "c"
    assert stage.order(run_id) == ["perform a", "perform b", "perform c"]
    assert [each.results for each in stage.calls()] == [
        {}, {"a": "a"}, {"a": "a", "b": {"a was": "a"}},
    ]  # fmt: skip
    assert flows.states(run_id) == ["RUNNING", "RUNNING", "RUNNING", "DONE"]


def test_what_was_submitted_reaches_every_task(flows: Watched, stage: Stage) -> None:
    name = routine_of(flows, "a", "b")
    run(flows, name, "clip.mp4", (1, 2), size=3)
    assert [(each.args, each.kwargs) for each in stage.calls()] == [
        (("clip.mp4", [1, 2]), {"size": 3})
    ] * 2


def test_a_task_knows_who_it_is(flows: Watched) -> None:
    for cls in (Notify, Archive):
        name = routine_of(flows, f"k-{cls.__name__}", cls=cls)
        run_id = flows.app.submit(name)
        assert flows.app.wait(run_id, WITHIN) == [run_id, name, f"k-{cls.__name__}"]


def test_a_coroutine_runs_on_the_loop_a_function_in_a_thread_or_a_process(
    flows: Watched, stage: Stage
) -> None:
    flows.app.routine("r", [("loop", Loops), ("thread", Does), ("process", Elsewhere)])
    where = threading.get_native_id
    stage.performs(loop=lambda task: where(), thread=lambda task: where())
    run_id = flows.app.submit("r")
    process = flows.app.wait(run_id, WITHIN)
    results = [step.result for step in flows.history(run_id) if step.has_result]
    assert len({*results, where()}) == 4
    assert process not in (os.getpid(), *results[:2])


def test_values_are_what_json_makes_of_them_with_a_restart_or_without(stage: Stage) -> None:
    """A tuple comes as a list, and no task sees what another one does to a value."""
    store = Paper()
    stage.performs(a=lambda task, given: given.append(9) or (1, (2, 3)))
    stage.performs(b=lambda task, given: task.results["a"].append(given) or wait())
    for _ in range(2):
        with Watched(app_of(store)) as flows:
            routine_of(flows, "a", "b", "c")
            flows.quiet()
            if not flows.app.list():
                run_id = flows.app.submit("a-b-c", [0])
                flows.until(run_id, "WAIT")
    with Watched(app_of(store)) as flows:
        flows.app.resume(run_id, go=True)
        assert flows.app.wait(run_id, WITHIN) == "c"
    last = stage.calls()[-1]
    assert last.args == ([0],)
    assert last.results == {"a": [1, [2, 3]], "b": {"go": True}}


@pytest.mark.parametrize("value", [None, 0, "", [], {}, False, 1.5, "\u00e9\u2028\U0001f600", [[]]])
def test_a_task_may_give_anything_that_json_has_a_word_for(
    flows: Watched, stage: Stage, value: Any
) -> None:
    """None, and what is not true, does not stop the flow."""
    name = routine_of(flows, "a", "b")
    stage.performs(a=lambda task: value, b=lambda task: [task.results["a"]])
    assert run(flows, name) == [value]


# ---- one step after the other ------------------------------------------------------------------


class Slow(Paper):
    """Writes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: Gate | None = None

    async def write(self, changes: Any) -> None:
        if self.gate is not None:
            await self.gate.hold_async()
        await super().write(changes)


def test_a_step_is_on_disk_before_the_next_one_begins(stage: Stage) -> None:
    store, gate = Slow(), Gate()

    def hold(task: Any) -> str:
        store.gate = gate
        return "a"

    stage.performs(a=hold)
    with Watched(app_of(store)) as flows, opened_at_last(gate):
        name = routine_of(flows, "a", "b")
        run_id = flows.app.submit(name)
        gate.arrived()
        assert flows.app.status(run_id).position == 1
        assert stage.order() == ["perform a"]
        with pytest.raises(WaitTimeout):
            flows.app.wait(run_id, 0.05)
        assert stage.order() == ["perform a"]
        store.gate = None
        gate.open()
        assert flows.app.wait(run_id, WITHIN) == "b"


def test_no_flow_begins_before_it_is_on_disk(stage: Stage) -> None:
    store, gate = Slow(), Gate()
    with Watched(app_of(store)) as flows, opened_at_last(gate):
        name = routine_of(flows, "a")
        flows.flush()
        store.gate = gate
        run_id = flows.app.submit(name)
        gate.arrived()
        with pytest.raises(WaitTimeout):
            flows.app.wait(run_id, 0.05)
        assert stage.order() == []
        store.gate = None
        gate.open()
        assert flows.app.wait(run_id, WITHIN) == "a"


def test_a_flow_goes_on_from_any_group_of_writes(stage: Stage) -> None:
    """Whatever a kill leaves of what was written: the committed steps never run again, the others
    once."""
    store = Paper()
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a", "b", "c", "d")
        flows.flush()
        before = len(store.groups)
        run_id = flows.app.submit(name, 7)
        flows.app.wait(run_id, WITHIN)
        flows.flush()
        groups = len(store.groups)
    assert groups - before == 5
    whole = stage.order()
    for number in range(before + 1, groups + 1):
        ran = len(stage.calls())
        with Watched(app_of(store.as_killed(number))) as flows:
            assert asyncio.run(flows.app.result(run_id, WITHIN)) == "d"
            assert stage.order()[ran:] == whole[number - before - 1 :]
            assert flows.states(run_id) == ["RUNNING"] * 4 + ["DONE"]
    assert {each.args for each in stage.calls()} == {(7,)}


def test_a_step_under_way_when_the_process_is_killed_runs_again(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task: gate.hold_async())
    gate = Gate()
    with Watched(app_of(store)) as flows, opened_at_last(gate):
        name = routine_of(flows, "a", "b")
        run_id = flows.app.submit(name)
        gate.arrived()
        copy = store.as_killed()
    stage.performs(a=lambda task: "again")
    with Watched(app_of(copy)) as flows:
        assert flows.app.wait(run_id, WITHIN) == "b"
    assert stage.order().count("perform a") == 2
    assert stage.calls()[-1].results == {"a": "again"}


def test_a_stop_gives_steps_time_and_keeps_the_rest(stage: Stage) -> None:
    """What is under way may end; what follows comes in the next life."""
    store, gate = Paper(), Gate()
    stage.performs(a=lambda task: gate.hold_async())

    class Ending(FlowApp):
        async def stopping__(self) -> None:
            asyncio.get_running_loop().call_soon(gate.open)  # after what follows has begun
            await super().stopping__()

    with opened_at_last(gate), Watched(Ending(store=store)) as flows:
        name = routine_of(flows, "a", "b")
        run_id = flows.app.submit(name)
        gate.arrived()
    assert stage.order() == ["perform a"]
    with Watched(app_of(store)) as flows:
        assert flows.app.wait(run_id, WITHIN) == "b"
    assert stage.order() == ["perform a", "perform b"]


def test_a_step_that_outlasts_the_stop_runs_again_in_the_next_life(stage: Stage) -> None:
    store, gate = Paper(), Gate()
    stage.performs(a=lambda task: gate.hold_async())
    with opened_at_last(gate):
        with Watched(app_of(store)) as flows:
            name = routine_of(flows, "a", "b")
            run_id = flows.app.submit(name)
            gate.arrived()
            waiting = threading.Thread(
                target=lambda: raised.append(outcome(lambda: flows.app.wait(run_id)))
            )
            raised: list[Any] = []
            waiting.start()
            asyncio.run(flows.app.stop(timeout=0.3))
        waiting.join(WITHIN)
        assert isinstance(raised[0], ThreadEnded)
        stage.performs(a=lambda task: "again")
        with Watched(app_of(store)) as flows:
            assert flows.app.wait(run_id, WITHIN) == "b"
            assert flows.states(run_id) == ["RUNNING", "RUNNING", "DONE"]


def test_attempts_are_counted_anew_after_a_restart(stage: Stage) -> None:
    store, gate = Paper(), Gate()
    tries: list[int] = []

    def fail(task: Any) -> Any:
        tries.append(len(tries))
        if len(tries) == 3:
            return gate.hold_async()
        raise OSError("not yet")

    stage.performs(a=fail)
    with Watched(app_of(store)) as flows, opened_at_last(gate):
        name = routine_of(flows, "a", cls=Tries)
        run_id = flows.app.submit(name)
        gate.arrived()
        copy = store.as_killed()
    with Watched(app_of(copy)) as flows:
        flows.until(run_id, "FAIL")
    assert len(tries) == 6


def test_a_routine_of_a_thousand_tasks(stage: Stage) -> None:
    store = Paper()
    keys = [f"k{number}" for number in range(1000)]
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, *keys, name="long")
        run_id = flows.app.submit(name)
        assert flows.app.wait(run_id, 30) == "k999"
        assert stage.order() == [f"perform {key}" for key in keys]
        assert len(flows.history(run_id)) == 1001
        assert flows.app.status(run_id).position == 1000
    assert stage.calls()[-1].results == {key: key for key in keys[:-1]}


# ---- waiting -----------------------------------------------------------------------------------


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


# ---- spawning ----------------------------------------------------------------------------------


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


# ---- failing -----------------------------------------------------------------------------------


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


# ---- cancelling --------------------------------------------------------------------------------


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


# ---- keys --------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_run_id(stage: Stage) -> None:
    """Whether the flow runs, has ended, or did so in another life; and nothing is begun again."""
    store = Paper()
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a")
        run_id = flows.app.submit(name, 1, x=2, idempotency_key="order 7")
        assert flows.app.submit(name, 1, x=2, idempotency_key="order 7") == run_id
        assert flows.app.wait(run_id, WITHIN) == "a"
        assert flows.app.submit(name, 1, x=2, idempotency_key="order 7") == run_id
        assert flows.app.status(run_id).idempotency_key == "order 7"
        other = flows.app.submit(name, 1, x=2, idempotency_key="order 8")
        assert other != run_id
        assert flows.app.wait(other, WITHIN) == "a"
    with Watched(app_of(store)) as flows:
        routine_of(flows, "a")
        assert flows.app.submit(name, 1, x=2, idempotency_key="order 7") == run_id
        assert flows.app.wait(run_id, WITHIN) == "a"
        flows.quiet()
        assert flows.states(run_id) == ["RUNNING", "DONE"]
    assert len(stage.calls()) == 2


def test_a_key_is_for_one_thing(flows: Watched, stage: Stage) -> None:
    stage.performs(a=lambda task, *args, **kwargs: wait())
    one, other = routine_of(flows, "a"), routine_of(flows, "b")
    run_id = flows.app.submit(one, 1, x=2, y=3, idempotency_key="k")
    for what, args, kwargs in (
        (other, (1,), {"x": 2, "y": 3}), (one, (2,), {"x": 2, "y": 3}), (one, (1,), {"x": 3}),
        (one, (), {}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="a key is for one thing"):
            flows.app.submit(what, *args, idempotency_key="k", **kwargs)
    assert flows.app.submit(one, 1, y=3, x=2, idempotency_key="k") == run_id
    for bad in ("", 7, None.__class__):
        with pytest.raises((TypeError, ValueError)):
            flows.app.submit(one, idempotency_key=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="idempotency_key"):
        flows.app.submit(flows.app.flow(other), idempotency_key="z")


def test_what_was_submitted_under_a_key_is_on_disk_after_a_flush(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task: wait())
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a"), idempotency_key="k")
        flows.flush()
        assert run_id in store.keys("flow")


def test_what_was_submitted_under_a_key_outlives_a_stop(stage: Stage) -> None:
    store = Paper()
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a")
        run_ids = [flows.app.submit(name, idempotency_key=f"k{each}") for each in range(20)]
    with Watched(app_of(store)) as flows:
        for run_id in run_ids:
            assert asyncio.run(flows.app.result(run_id, WITHIN)) == "a"


# ---- flows that were made ----------------------------------------------------------------------


def test_a_flow_that_was_made_is_submitted_later(stage: Stage) -> None:
    store = Paper()
    with Watched(app_of(store)) as flows:
        routine = flows.app.routine("r", [("a", Loops), ("b", Loops)])
        info = flows.app.flow(routine)
        assert (info.state, info.position, info.length, info.steps) == ("INIT", 0, 2, 1)
        assert flows.app.submit(info, 1) == info.id
        assert flows.app.wait(info.id, WITHIN) == "b"
        with pytest.raises(FlowStateError, match="submitted before") as error:
            flows.app.submit(info.id)
        assert error.value.state is FlowState.DONE
        later = flows.app.flow("r").id
        flows.flush()
        assert stage.order(later) == []
    with Watched(app_of(store)) as flows:
        assert flows.app.status(later).state == "INIT"
        assert flows.app.submit(later, 2) == later
        assert flows.app.wait(later, WITHIN) == "b"
        assert flows.states(later) == ["INIT", "RUNNING", "RUNNING", "DONE"]
    assert [each.args for each in stage.calls(later)] == [(2,), (2,)]


# ---- routines ----------------------------------------------------------------------------------


def test_a_flow_keeps_the_routine_that_it_started_with(stage: Stage) -> None:
    store = Paper()
    stage.performs(a=lambda task: wait())
    with Watched(app_of(store)) as flows:
        first = flows.app.routine("r", [("a", Loops), ("b", Loops)])
        old = flows.app.submit("r")
        flows.until(old, "WAIT")
        second = flows.app.routine("r", [("a", Loops), ("c", Loops)], replace=True)
        new = flows.app.submit("r")
        flows.until(new, "WAIT")
        assert flows.app.status(old).version == first.version
        assert flows.app.status(new).version == second.version
    with Watched(app_of(store)) as flows:
        assert flows.app.routines["r"] == second
        flows.app.routine("r", [("d", Loops)])
        for run_id in (old, new):
            flows.app.resume(run_id, go=True)
        assert flows.app.wait(old, WITHIN) == "b"
        assert flows.app.wait(new, WITHIN) == "c"
        assert run(flows, "r") == "d"


def test_a_routine_is_known_in_the_next_life(stage: Stage) -> None:
    store = Paper()
    with Watched(app_of(store)) as flows:
        routine_of(flows, "a", "b", name="r")
        flows.app.create_task(("t", Loops, "a friend"))
    with Watched(app_of(store)) as flows:
        assert run(flows, "r") == "b"
        assert flows.app.routines.tasks["t"].name == "a friend"


def test_a_routine_may_be_declared_while_the_app_runs(flows: Watched) -> None:
    with pytest.raises(UnknownRoutine, match="Did you mean 'ingest'"):
        flows.app.routine("ingest", [Download])
        flows.app.submit("ingets")
    assert run(flows, "ingest", 1) == {"args": [1], "kwargs": {}}


# ---- asking ------------------------------------------------------------------------------------


def test_flows_are_listed(flows: Watched, stage: Stage) -> None:
    stage.performs(a=lambda task: wait())
    one, other = routine_of(flows, "a"), routine_of(flows, "b")
    ids = [flows.app.submit(one), flows.app.submit(other), flows.app.submit(one)]
    for run_id, state in zip(ids, ("WAIT", "DONE", "WAIT"), strict=True):
        flows.until(run_id, state)
    made = flows.app.flow(one).id
    listed = [info.id for info in flows.app.list()]
    assert listed == [*ids, made]
    assert [info.id for info in flows.app.list("WAIT")] == [ids[0], ids[2]]
    assert [info.id for info in flows.app.list(FlowState.DONE)] == [ids[1]]
    assert [info.id for info in flows.app.list(routine=other)] == [ids[1]]
    assert [info.id for info in flows.app.list("INIT", one)] == [made]
    with pytest.raises(ValueError, match="NONSENSE"):
        flows.app.list("NONSENSE")


def test_flows_that_have_ended_are_found_in_the_store(stage: Stage) -> None:
    store = Paper()
    with Watched(app_of(store, retention=0.05)) as flows:
        name = routine_of(flows, "a")
        ids = []
        for _ in range(5):
            ids.append(flows.app.submit(name))
            flows.app.wait(ids[-1], WITHIN)
        flows.flush()
        ended = asyncio.run(flows.app.ended(3))
        assert [info.id for info in ended] == ids[:1:-1]
    with Watched(app_of(store)) as flows:
        with pytest.raises(UnknownFlow):
            flows.app.status(ids[0])
        assert asyncio.run(flows.app.stored_status(ids[0])).state == "DONE"
        assert flows.app.wait(ids[0], WITHIN) == "a"
        assert asyncio.run(flows.app.result(ids[0])) == "a"


def test_an_unknown_run_id_is_an_error_wherever_it_is_given(flows: Watched) -> None:
    app = flows.app
    asked: list[Callable[[], Any]] = [
        lambda: app.status("nobody"),
        lambda: app.resume("nobody"),
        lambda: app.cancel("nobody"),
        lambda: app.wait("nobody", 1),
        lambda: asyncio.run(app.result("nobody", 1)),
        lambda: asyncio.run(app.history("nobody")),
        lambda: asyncio.run(app.stored_status("nobody")),
    ]
    for ask in asked:
        with pytest.raises(UnknownFlow, match="nobody"):
            ask()
    with pytest.raises(UnknownRoutine, match="nobody"):
        app.submit("nobody")
    for bad in (None, 7, b"x"):
        with pytest.raises(TypeError):
            app.status(bad)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            app.submit(bad)  # type: ignore[arg-type]


def test_an_app_that_does_not_run_says_so(stage: Stage) -> None:
    app = app_of()
    app.routine("a", [Download])
    asked: list[Callable[[], Any]] = [
        lambda: app.submit("a"),
        lambda: app.flow("a"),
        lambda: asyncio.run(app.history("x")),
        lambda: asyncio.run(app.ended()),
    ]
    for ask in asked:
        with pytest.raises(NotRunning):
            ask()
    with Watched(app) as flows:
        run_id = flows.app.submit("a")
        flows.app.wait(run_id, WITHIN)
    for ask in asked:
        with pytest.raises(ThreadEnded):
            ask()
    assert app.status(run_id).state == "DONE"


def test_waiting_has_a_limit_and_does_not_hold_a_loop_up(flows: Watched, stage: Stage) -> None:
    stage.performs(a=lambda task: wait())
    run_id = flows.app.submit(routine_of(flows, "a"))
    with pytest.raises(WaitTimeout):
        flows.app.wait(run_id, 0.02)

    async def ask() -> None:
        with pytest.raises(WrongLoop):
            flows.app.wait(run_id)
        with pytest.raises(WaitTimeout):
            await flows.app.result(run_id, 0.02)

    asyncio.run(ask())
    assert flows.until(run_id, "WAIT").state == "WAIT"


def test_each_change_is_told_when_it_is_on_disk(stage: Stage) -> None:
    store = Paper()
    seen: list[tuple[str, int, bool]] = []
    stage.performs(a=lambda task: wait("for you"))
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        flows.until(run_id, "WAIT")
        flows.app.resume(run_id, go=True)
        flows.app.wait(run_id, WITHIN)
        flows.until(run_id, "DONE")
        seen = [(str(info.state), info.position, info.steps > 0) for info in flows.told]
    assert seen == [
        ("RUNNING", 0, True), ("WAIT", 0, True), ("CHECK", 0, True), ("RUNNING", 1, True),
        ("DONE", 2, True),
    ]  # fmt: skip
