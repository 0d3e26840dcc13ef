"""Two things at the same moment, hundreds of times, from OS threads let go by a barrier."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from task_thread.errors import (
    FlowCancelled,
    FlowFailed,
    FlowStateError,
    ThreadEnded,
)
from task_thread.flows.history import MOVES
from task_thread.flows.words import FlowState, spawn, wait
from task_thread.testing import no_leaks
from tests.flows.hands import WITHIN, Paper, Watched, app_of, routine_of
from tests.flows.stage import Does, Loops, Stage
from tests.proof.conftest import switching
from tests.proof.trees import at_once, only

__all__ = ["switching"]

pytestmark = [pytest.mark.usefixtures("switching", "quiet_logs")]

ROUNDS = 60


@contextmanager
def life(store: Paper | None = None, **options: Any) -> Iterator[Watched]:
    """An app that leaves nothing behind, and whose histories hold together in the end."""
    paper = Paper() if store is None else store
    with no_leaks():
        with Watched(app_of(paper, **options)) as flows:
            yield flows
            ids = [info.id for info in flows.app.list()]
            flows.quiet()
            for run_id in ids:
                check(flows, run_id)
        assert flows.app.exit_reason is not None
        assert flows.app.exit_reason.kind == "shutdown"


def check(flows: Watched, run_id: str) -> list[FlowState]:
    """See that a history holds together; its states."""
    steps = flows.history(run_id)
    states = [step.state for step in steps]
    assert [step.number for step in steps] == list(range(len(steps)))
    for before, after in pairwise(steps):
        assert after.state in MOVES[before.state], states
        assert after.position - before.position in (0, 1)
        assert after.time >= before.time
    info = flows.app.status(run_id)
    assert (info.state, info.steps) == (states[-1], len(steps))
    assert flows.stored_status(run_id) == info
    return states


def won(outcomes: list[Any]) -> int:
    """How many of them raised nothing."""
    return sum(not isinstance(each, BaseException) for each in outcomes)


def resting(flows: Watched, name: str) -> str:
    """A flow that waits."""
    run_id = flows.app.submit(name)
    flows.until(run_id, "WAIT")
    return run_id


@pytest.fixture
def waits(stage: Stage) -> Stage:
    """The tasks a wait."""
    stage.performs(a=lambda task: wait("for you"))
    return stage


def test_resume_against_resume(rng: random.Random, waits: Stage) -> None:
    """One of them is taken, and its keywords are the result."""
    with life() as flows:
        name = routine_of(flows, "a", "b")
        for _ in range(ROUNDS):
            run_id = resting(flows, name)
            calls = [partial(flows.app.resume, run_id, go=True, by=each) for each in range(4)]
            outcomes = at_once(rng, *calls)
            only(outcomes, FlowStateError)
            assert won(outcomes) == 1
            winner = next(i for i, each in enumerate(outcomes) if each is None)
            assert flows.app.wait(run_id, WITHIN) == "b"
            assert [step.result for step in flows.history(run_id)][3] == {"go": True, "by": winner}
            assert waits.order(run_id) == ["perform a", "check a", "perform b"]


def test_resumes_of_a_failed_flow(rng: random.Random, stage: Stage) -> None:
    def fail(task: Any) -> None:
        raise OSError

    stage.performs(a=fail)
    with life() as flows:
        name = routine_of(flows, "a")
        for _ in range(ROUNDS):
            run_id = flows.app.submit(name)
            flows.until(run_id, "FAIL")
            outcomes = at_once(rng, *[partial(flows.app.resume, run_id)] * 2)
            only(outcomes, FlowStateError)
            flows.quiet()
            assert stage.order(run_id) == ["perform a"] * (1 + won(outcomes))


@pytest.mark.parametrize("go", [True, False])
def test_resume_against_cancel(rng: random.Random, waits: Stage, go: bool) -> None:
    with life() as flows:
        name = routine_of(flows, "a", "b")
        for _ in range(ROUNDS):
            run_id = resting(flows, name)
            resumed, cancelled = at_once(
                rng, partial(flows.app.resume, run_id, go=go), partial(flows.app.cancel, run_id)
            )
            only([resumed, cancelled], FlowStateError)
            if cancelled is True:
                with pytest.raises(FlowCancelled):
                    flows.app.wait(run_id, WITHIN)
                assert flows.app.status(run_id).state == "CANCELLED"
            else:
                assert resumed is None
                assert flows.app.wait(run_id, WITHIN) == "b"
            flows.quiet()
            states = check(flows, run_id)
            assert states.count(FlowState.CHECK) == (resumed is None)


def test_cancels_against_each_other(rng: random.Random, waits: Stage) -> None:
    with life() as flows:
        name = routine_of(flows, "a")
        for _ in range(ROUNDS):
            run_id = resting(flows, name)
            outcomes = at_once(rng, *[partial(flows.app.cancel, run_id)] * 3)
            only(outcomes)
            assert sorted(outcomes) == [False, False, True]  # type: ignore[type-var]
            flows.quiet()
            assert flows.states(run_id) == ["RUNNING", "WAIT", "CANCELLED"]


@pytest.mark.parametrize("cls", [Loops, Does])
def test_cancel_against_the_steps_of_a_flow(rng: random.Random, stage: Stage, cls: Any) -> None:
    """It is cancelled between two steps, in one, or too late; no step begins after it."""
    with life() as flows:
        keys = [f"k{number}" for number in range(6)]
        name = routine_of(flows, *keys, cls=cls)
        ends = []
        for _ in range(ROUNDS):
            run_id = flows.app.submit(name)
            (cancelled,) = at_once(rng, partial(flows.app.cancel, run_id, "no need"))
            if cancelled is False:
                assert flows.app.wait(run_id, WITHIN) == "k5"
            else:
                with pytest.raises(FlowCancelled):
                    flows.app.wait(run_id, WITHIN)
            flows.quiet()
            states = check(flows, run_id)
            begun = len(stage.order(run_id))
            ends.append(begun)
            done = len(states) - 2  # the submit, and the cancel
            assert begun in ((6,) if cancelled is False else (done, done + 1))
        print(ends)


def test_cancel_against_the_end_of_a_child(rng: random.Random, stage: Stage) -> None:
    """The parent is cancelled, and so is the child unless it was done; or both are done."""
    stage.performs(a=lambda task: spawn(("c", Loops)), c=lambda task: wait())
    with life() as flows:
        name = routine_of(flows, "a", "b")
        for _ in range(ROUNDS):
            run_id = flows.app.submit(name)
            child = flows.until(run_id, "SPAWN").child
            flows.until(child, "WAIT")
            resumed, cancelled = at_once(
                rng,
                partial(flows.app.resume, child, go=True),
                partial(flows.app.cancel, run_id),
            )
            only([resumed, cancelled], FlowStateError)
            flows.quiet()
            both = (flows.app.status(run_id).state, flows.app.status(child).state)
            if cancelled is False:
                assert both == ("DONE", "DONE")
            else:
                assert both in (("CANCELLED", "CANCELLED"), ("CANCELLED", "DONE"))
            check(flows, run_id)
            check(flows, child)


def test_the_childs_cancel_against_the_parents(rng: random.Random, stage: Stage) -> None:
    stage.performs(a=lambda task: spawn(("c", Loops)), c=lambda task: wait())
    with life() as flows:
        name = routine_of(flows, "a")
        for _ in range(ROUNDS):
            run_id = flows.app.submit(name)
            child = flows.until(run_id, "SPAWN").child
            flows.until(child, "WAIT")
            mine, its = at_once(
                rng, partial(flows.app.cancel, run_id), partial(flows.app.cancel, child)
            )
            assert mine is True
            flows.quiet()
            assert flows.app.status(run_id).state == "CANCELLED"
            assert flows.app.status(child).state == "CANCELLED"
            middle = [FlowState.FAIL] if its is True else []
            assert check(flows, run_id)[2:] == [*middle, FlowState.CANCELLED]
            assert len(check(flows, child)) == 3


def test_resumes_of_a_failed_child_and_its_parent(rng: random.Random, stage: Stage) -> None:
    """The parent rests on that child again, or spawns a new one; in the end it is done."""
    broken: set[str] = set()

    def once(task: Any) -> str:
        if task.run_id not in broken:
            broken.add(task.run_id)
            if len(broken) % 2:
                raise OSError
        return "c"

    stage.performs(a=lambda task: spawn(("c", Loops)), c=once)
    with life() as flows:
        name = routine_of(flows, "a", "b")
        for _ in range(ROUNDS):
            broken.clear()
            run_id = flows.app.submit(name)
            child = flows.until(run_id, "FAIL").child
            outcomes = at_once(
                rng, partial(flows.app.resume, child), partial(flows.app.resume, run_id)
            )
            only(outcomes, FlowStateError)
            assert outcomes[0] is None
            assert flows.app.wait(child, WITHIN) == "c"
            assert flows.app.wait(run_id, WITHIN) == "b"
            flows.quiet()
            check(flows, child)
            states = check(flows, run_id)
            assert states.count(FlowState.SPAWN) == 2


def test_one_key_from_eight_threads(rng: random.Random, stage: Stage) -> None:
    """All get the same run id, and it is begun once; from the store's view too."""
    store = Paper()
    for number in range(4):
        with life(store) as flows:
            name = routine_of(flows, "a")
            for key in range(ROUNDS // 4):
                submit = partial(flows.app.submit, name, key, idempotency_key=f"key {key}")
                outcomes = at_once(rng, *[submit] * 8)
                only(outcomes)
                (run_id,) = set(outcomes)
                assert isinstance(run_id, str)
                assert flows.app.wait(run_id, WITHIN) == "a"
                assert stage.order(run_id) == ["perform a"], f"life {number}"


def test_one_key_for_two_things(rng: random.Random, stage: Stage) -> None:
    with life() as flows:
        name = routine_of(flows, "a")
        for key in range(ROUNDS):
            calls = [
                partial(flows.app.submit, name, each, idempotency_key=str(key)) for each in range(3)
            ]
            outcomes = at_once(rng, *calls)
            only(outcomes, ValueError)
            assert won(outcomes) == 1
            (run_id,) = (each for each in outcomes if isinstance(each, str))
            assert flows.app.wait(run_id, WITHIN) == "a"
            assert stage.calls(run_id)[0].args == (outcomes.index(run_id),)


def test_one_made_flow_submitted_twice(rng: random.Random, stage: Stage) -> None:
    with life() as flows:
        name = routine_of(flows, "a", "b")
        for _ in range(ROUNDS):
            info = flows.app.flow(name)
            calls = [partial(flows.app.submit, info, each) for each in range(3)]
            outcomes = at_once(rng, *calls, partial(flows.app.cancel, info.id))
            cancelled = outcomes.pop()
            only(outcomes, FlowStateError)
            assert won(outcomes) + (cancelled is True) in (1, 2)
            flows.quiet()
            assert {each.args for each in stage.calls(info.id)} <= {
                (number,) for number, each in enumerate(outcomes) if each == info.id
            }
            check(flows, info.id)


@pytest.mark.parametrize("passes", [True, False])
def test_a_poll_against_a_resume(rng: random.Random, stage: Stage, passes: bool) -> None:
    """The poll passes, or the resume is asked, with its keywords; never both."""
    stage.performs(a=lambda task: wait(check_every=0.001))
    stage.checks(a=lambda task, by=None: by is not None or (passes and rng.random() < 0.3))
    with life() as flows:
        name = routine_of(flows, "a", "b")
        ways = set()
        for _ in range(ROUNDS):
            run_id = flows.app.submit(name)
            flows.until(run_id, "WAIT")
            (outcome,) = at_once(rng, partial(flows.app.resume, run_id, by="me"))
            only([outcome], FlowStateError)
            assert flows.app.wait(run_id, WITHIN) == "b"
            flows.quiet()
            states = check(flows, run_id)
            result = stage.calls(run_id)[-1].results["a"]
            assert result == ({"by": "me"} if outcome is None else {})
            assert states.count(FlowState.CHECK) == (outcome is None)
            asked = [each.kwargs for each in stage.calls(run_id) if each.word == "check"]
            assert asked.count({"by": "me"}) == (outcome is None)
            ways.add(outcome is None)
        assert True in ways


def test_a_poll_against_a_cancel(rng: random.Random, stage: Stage) -> None:
    stage.performs(a=lambda task: wait(check_every=0.001))
    stage.checks(a=lambda task: rng.random() < 0.3)
    with life() as flows:
        name = routine_of(flows, "a", "b")
        for _ in range(ROUNDS):
            run_id = flows.app.submit(name)
            (cancelled,) = at_once(rng, partial(flows.app.cancel, run_id))
            flows.quiet()
            state = flows.app.status(run_id).state
            assert state == ("DONE" if cancelled is False else "CANCELLED")
            check(flows, run_id)


def test_routines_declared_and_flows_submitted_at_once(rng: random.Random, stage: Stage) -> None:
    """A flow is of one of the versions, and does the tasks of that."""
    with life() as flows:
        keys = ("x-a", "x-b")
        versions = {flows.app.routine("r", [("x-a", Loops)]).version: "x-a"}
        declare = partial(flows.app.routine, "r", replace=True)
        for _ in range(ROUNDS):
            calls: list[Callable[[], Any]] = [partial(declare, [(key, Loops)]) for key in keys]
            outcomes: list[Any] = at_once(rng, *calls, partial(flows.app.submit, "r"))
            only(outcomes)
            *routines, run_id = outcomes
            versions |= {routine.version: routine.task_at(0).key for routine in routines}
            assert isinstance(run_id, str)
            assert flows.app.wait(run_id, WITHIN) == versions[flows.app.status(run_id).version]


# ---- the stop ----------------------------------------------------------------------------------


def ask_everything(flows: Watched, name: str, run_ids: list[str]) -> list[Callable[[], Any]]:
    """All that can be asked of an app, and the stop."""
    app = flows.app
    return [
        lambda: asyncio.run(app.stop()),
        lambda: app.submit(name, "late"),
        lambda: app.submit(name, "keyed", idempotency_key=run_ids[0]),
        lambda: app.flow(name).id,
        lambda: app.resume(run_ids[0], go=True),
        lambda: app.cancel(run_ids[1]),
        lambda: app.wait(run_ids[2], WITHIN),
        lambda: asyncio.run(app.history(run_ids[2])),
        lambda: asyncio.run(app.flush()),
        lambda: [each.id for each in app.list()],
        lambda: app.routine(f"new {len(run_ids)}", [("new", Loops)]),
    ]


def test_the_stop_against_everything(rng: random.Random, stage: Stage) -> None:
    """What was accepted is there in the next life, and done in the end; nothing runs twice; nobody
    hangs."""
    stage.performs(a=lambda task, *args: wait())
    for _ in range(ROUNDS // 3):
        store = Paper()
        with no_leaks():
            with Watched(app_of(store)) as flows:
                name = routine_of(flows, "z", "a", "b")
                run_ids = [flows.app.submit(name) for _ in range(3)]
                for run_id in run_ids:
                    flows.until(run_id, "WAIT")
                outcomes = at_once(rng, *ask_everything(flows, name, run_ids))
                only(outcomes, ThreadEnded)
            with Watched(app_of(store)) as flows:
                accepted = [each for each in outcomes[1:4] if isinstance(each, str)]
                for run_id in accepted:
                    assert flows.stored_status(run_id).id == run_id
                flows.quiet()
                done = [*accepted, run_ids[0], run_ids[2]]
                for run_id in done:
                    finish(flows, run_id)
                if outcomes[5] is True:
                    assert flows.stored_status(run_ids[1]).state == "CANCELLED"
                for run_id in done:
                    assert flows.stored_status(run_id).state == "DONE"
                    assert stage.order(run_id).count("perform z") == 1
                    assert stage.order(run_id).count("perform a") == 1
                    assert stage.order(run_id).count("perform b") == 1


def finish(flows: Watched, run_id: str) -> None:
    """Have a flow end, wherever it is."""
    info = flows.stored_status(run_id)
    if info.state is FlowState.INIT:
        flows.app.submit(run_id)
        info = flows.until(run_id, "WAIT")
    if info.state is FlowState.WAIT:
        flows.app.resume(run_id, go=True)
    assert asyncio.run(flows.app.result(run_id, WITHIN)) == "b"


def test_the_stop_against_steps_in_threads_and_on_the_loop(
    rng: random.Random, stage: Stage
) -> None:
    """Whatever is under way: a step that was committed never runs again."""
    keys = [f"k{number}" for number in range(8)]
    for _ in range(ROUNDS // 3):
        store = Paper()
        ids: list[str] = []
        for number in range(3):
            with Watched(app_of(store)) as flows:
                flows.app.routine(
                    "r", [(key, Does if n % 2 else Loops) for n, key in enumerate(keys)]
                )
                if number == 0:
                    ids = [flows.app.submit("r") for _ in range(10)]
                if number < 2:
                    at_once(rng, lambda app=flows.app: asyncio.run(app.stop()))  # type: ignore[misc]
                else:
                    for run_id in ids:
                        assert asyncio.run(flows.app.result(run_id, WITHIN)) == "k7"
        for run_id in ids:
            assert stage.order(run_id) == [f"perform {key}" for key in keys]


def test_waiters_against_the_end_of_a_flow(rng: random.Random, stage: Stage) -> None:
    """Whoever waits, and however: he gets what came, at once or later."""
    stage.performs(a=lambda task, fails: 1 / 0 if fails else "a")
    with life() as flows:
        name = routine_of(flows, "a")
        for number in range(ROUNDS):
            run_id = flows.app.submit(name, number % 2)
            outcomes = at_once(
                rng,
                *[partial(flows.app.wait, run_id, WITHIN)] * 2,
                *[lambda i=run_id: asyncio.run(flows.app.result(i, WITHIN))] * 2,
            )
            if number % 2:
                assert [type(each) for each in outcomes] == [FlowFailed] * 4
            else:
                assert outcomes == ["a"] * 4
