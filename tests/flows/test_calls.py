"""What is asked of an app: submits under keys, flows that are made, routines, questions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from task_thread.errors import (
    FlowStateError,
    NotRunning,
    ThreadEnded,
    UnknownFlow,
    UnknownRoutine,
    WaitTimeout,
    WrongLoop,
)
from task_thread.flows.words import FlowState, wait
from tests.flows.hands import WITHIN, Paper, Watched, app_of, routine_of
from tests.flows.media import Download
from tests.flows.stage import Loops, Stage


def run(flows: Watched, *args: Any, **kwargs: Any) -> Any:
    """Submit, and wait for the result."""
    return flows.app.wait(flows.app.submit(*args, **kwargs), WITHIN)


# ---- keys ---------------------------------------------------------------------------------------


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


# ---- flows that were made -----------------------------------------------------------------------


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


# ---- routines -----------------------------------------------------------------------------------


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


# ---- asking -------------------------------------------------------------------------------------


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
