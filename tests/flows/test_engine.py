"""What a flow does, sentence by sentence: tasks and results, one step after the other."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from task_thread.errors import (
    FlowCancelled,
    RunCancelled,
    ThreadEnded,
    WaitTimeout,
)
from task_thread.flows.flowapp import FlowApp
from task_thread.flows.words import FlowState, wait
from task_thread.testing import ThreadLogs
from tests.app.tasks.hands import Gate, opened_at_last
from tests.flows.hands import WITHIN, Paper, Watched, app_of, outcome, routine_of
from tests.flows.media import Archive, Elsewhere, Notify
from tests.flows.stage import Abroad, Does, Loops, Stage, Tries


def run(flows: Watched, *args: Any, **kwargs: Any) -> Any:
    """Submit, and wait for the result."""
    return flows.app.wait(flows.app.submit(*args, **kwargs), WITHIN)


# ---- tasks, arguments and results ---------------------------------------------------------------


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


# ---- one step after the other -------------------------------------------------------------------


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


# ---- what is around a task ----------------------------------------------------------------------


def test_a_task_in_a_process_has_what_others_have(flows: Watched, stage: Stage) -> None:
    """Its key, the results, and all that it may return."""
    flows.app.routine("r", [("a", Loops), ("b", Abroad)])
    run_id = flows.app.submit("r", "clip.mp4")
    info = flows.until(run_id, "WAIT")
    assert info.reason == f"b {run_id} {{'a': 'a'}} ('clip.mp4',)"
    flows.app.resume(run_id)
    assert flows.app.wait(run_id, WITHIN) == "tests.flows.stage.Loops"
    assert stage.calls()[-1].args[0] != os.getpid()


def test_a_task_logs_with_its_flow_and_tells_its_progress(
    flows: Watched, stage: Stage, thread_logs: ThreadLogs
) -> None:
    def work(task: Any) -> int:
        task.logger.info("half of it", part=1)
        task.progress(1, 2, "half")
        return int(task.run.progress_made.done)

    for cls in (Loops, Does):
        key = cls.__name__
        stage.performs(**{key: work})
        run_id = flows.app.submit(routine_of(flows, key, cls=cls))
        assert flows.app.wait(run_id, WITHIN) == 1
        said = [each.values for each in thread_logs.entries if each.event == "half of it"]
        assert (said[-1]["flow"], said[-1]["key"], said[-1]["part"]) == (run_id, key, 1)


def test_progress_tells_a_function_that_its_flow_was_cancelled(
    flows: Watched, stage: Stage
) -> None:
    gate = Gate()
    ended: list[BaseException] = []

    def work(task: Any) -> None:
        gate.hold()
        try:
            task.progress(1, 2)
        except RunCancelled as error:
            ended.append(error)
            over.open()
            raise

    over = Gate()
    stage.performs(a=work)
    with opened_at_last(gate):
        run_id = flows.app.submit(routine_of(flows, "a", cls=Does))
        gate.arrived()
        flows.app.cancel(run_id)
        with pytest.raises(FlowCancelled):
            flows.app.wait(run_id, WITHIN)
        gate.open()
    over.hold()
    assert len(ended) == 1


def test_statistics_say_how_many_flows_are_where(flows: Watched, stage: Stage) -> None:
    stage.performs(b=lambda task: wait())
    name = routine_of(flows, "a", "b")
    for _ in range(3):
        flows.until(flows.app.submit(name), "WAIT")
    flows.app.flow(name)
    first = flows.app.routines[name]
    flows.app.routine(name, [("c", Loops)], replace=True)
    run(flows, name)
    said = flows.app.flow_statistics()
    assert said.states == {"WAIT": 3, "INIT": 1, "DONE": 1}
    by_version = {each.routine.version: each for each in said.routines}
    old = by_version[first.version]
    assert not old.is_current
    assert old.places == {(1, FlowState.WAIT): 3, (0, FlowState.INIT): 1}
    new = by_version[flows.app.routines[name].version]
    assert new.is_current
    assert new.places == {(1, FlowState.DONE): 1}
