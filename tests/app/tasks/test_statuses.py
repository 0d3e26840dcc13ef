"""A run's statuses through all their transitions, its times, run_info, and the statistics."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_thread.app import (
    Date,
    Interval,
    Run,
    RunEnded,
    RunEvent,
    RunInfo,
    RunRetrying,
    RunStarted,
    RunStatus,
    TaskApp,
)
from task_thread.errors import TickMissed, TickSkipped, UnknownRun
from task_thread.testing import StartThread
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    add,
    ended_counts,
    fail,
    let_pass,
    nothing,
    opened_at_last,
    outcome,
    settled,
)


def test_queued_running_succeeded(start_thread: StartThread) -> None:
    app, gate, seen = start_thread(TaskApp("t", threads=1)), Gate(), Notes()
    with opened_at_last(gate):
        hold = app.task(gate.hold)
        first = hold.add_task()
        second = hold.add_task()
        gate.arrived(2)
        third = hold.add_task()
        settled(app)
        assert [r.status for r in (first, second, third)] == ["running", "running", "queued"]
        assert [r.attempt for r in (first, second, third)] == [1, 1, 0]
        third.add_callback(lambda run: seen.add(run.status))
    third.wait(WITHIN)
    assert third.status == "succeeded"
    assert seen.wait_for(1) == [RunStatus.SUCCEEDED]


def test_delayed_queued_running_retrying_queued_running_failed(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.subscribe(RunEvent, callback=lambda event: notes.add((type(event), event.run.status)))

    @app.task(retry=1, backoff=0.01, echo=True)
    async def fails(run: Run[Any]) -> None:
        notes.add(run.status)
        raise LookupError

    run = fails.add_task(delay=0.01)
    notes.add(run.status)
    outcome(run)
    assert notes.wait_for(7) == [
        "delayed",
        (RunStarted, "running"), "running", (RunRetrying, "retrying"),
        (RunStarted, "running"), "running", (RunEnded, "failed"),
    ]  # fmt: skip


def test_only_five_are_final() -> None:
    final = {status.value for status in RunStatus if status.is_final}
    assert final == {"succeeded", "failed", "cancelled", "missed", "skipped"}


def test_the_times_are_in_utc_and_in_order(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    begun = datetime.now(UTC)
    run = app.task(add).add_task(1)
    run.wait(WITHIN)
    assert run.time_started is not None
    assert run.time_ended is not None
    assert begun - timedelta(seconds=0.01) <= run.time_queued <= run.time_started
    assert run.time_started <= run.time_ended <= datetime.now(UTC) + timedelta(seconds=0.01)
    assert run.time_ended.tzinfo is UTC


def test_the_info_is_what_the_run_is(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(add, name="sum", priority=7).add_task(1, 2)
    run.wait(WITHIN)
    info = app.run_info(run.id)
    assert info == run.info()
    assert isinstance(info, RunInfo)
    assert (info.id, info.task, info.name, info.executor) == (run.id, "sum", "sum", "thread")
    assert (info.status, info.priority, info.attempt, info.result) == ("succeeded", 7, 1, 3)
    assert (info.error, info.traceback, info.due, info.stands_for) == ("", "", None, 1)
    failed = app.task(fail).add_task("gone")
    outcome(failed)
    info = app.run_info(failed.id)
    assert info.error == "LookupError: gone"
    assert info.traceback.endswith("LookupError: gone\n")
    assert "in fail" in info.traceback
    assert info.result is None


def test_a_run_is_known_as_soon_as_it_is_accepted(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(nothing)

    @app.task
    async def asks() -> RunStatus:
        run = task.add_task(delay=0.01)
        return app.run_info(run.id).status

    assert asks.add_task().wait(WITHIN) == "delayed"
    for _ in range(300):
        app.run_info(task.add_task().id)


def test_an_unknown_id_is_an_error_not_none_unlike_atasker(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    with pytest.raises(UnknownRun, match="'nobody'"):
        app.run_info("nobody")
    with pytest.raises(LookupError):
        asyncio.run(app.stored_run_info("nobody"))
    assert issubclass(UnknownRun, LookupError)


def test_a_finished_run_and_an_unknown_one_do_not_look_alike_unlike_atasker(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(nothing).add_task()
    run.wait(WITHIN)
    assert app.run_info(run.id).status == "succeeded"
    assert asyncio.run(app.stored_run_info(run.id)) == app.run_info(run.id)
    with pytest.raises(UnknownRun):
        app.run_info(run.id + "0")


def test_it_is_kept_for_the_retention_and_then_unknown(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", retention=0.2))
    run = app.task(add).add_task(1)
    run.wait(WITHIN)
    assert app.run_info(run.id).result == 1
    let_pass(app, 0.4)
    with pytest.raises(UnknownRun):
        app.run_info(run.id)
    assert run.wait(0) == 1  # whoever holds it has it still
    assert run.status is RunStatus.SUCCEEDED


def test_what_has_not_ended_is_kept_longer(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", retention=0.05)), Gate()
    with opened_at_last(gate):
        run = app.task(gate.hold).add_task()
        delayed = app.task(nothing).add_task(delay=30)
        let_pass(app, 0.2)
        assert app.run_info(run.id).status == "running"
        assert app.run_info(delayed.id).status == "delayed"


def test_none_is_kept_when_all_are_old(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", retention=0.05))
    task = app.task(nothing)
    for run in [task.add_task() for _ in range(500)]:
        run.wait(WITHIN)
    let_pass(app, 0.15)
    let_pass(app, 0.1)
    assert len(app._app.dispatcher.runs) < 10


def test_a_missed_and_a_skipped_run_say_so_to_who_waits(start_thread: StartThread) -> None:
    app, gate, ids = start_thread(TaskApp("t")), Gate(), Notes()
    app.subscribe(RunEvent, callback=lambda event: ids.add((event.run.task, event.run.id)))
    soon = datetime.now(UTC) + timedelta(seconds=0.02)
    missed = app.schedule(nothing, Date(soon), id="missed", misfire_grace_time=0.0)
    missed.pause()
    let_pass(app, 0.05)
    missed.resume()
    with opened_at_last(gate):
        app.schedule(gate.hold, Interval(seconds=0.02), id="skipped")
        gate.arrived()
        let_pass(app, 0.1)
        app.tasks_by_id["skipped"].delete()
    settled(app)
    runs = app._app.dispatcher.runs
    by_status = {run.status: run for run in list(runs.values()) if run.due is not None}
    with pytest.raises(TickMissed):
        by_status[RunStatus.MISSED].wait(WITHIN)
    with pytest.raises(TickSkipped):
        by_status[RunStatus.SKIPPED].wait(WITHIN)
    for status in (RunStatus.MISSED, RunStatus.SKIPPED):
        run = by_status[status]
        assert run.ended
        assert run.attempt == 0
        assert run.time_started is None
        assert run.time_ended is not None


def test_the_statistics_add_up(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=2, coroutines=3)), Gate()
    with opened_at_last(gate):
        thread = app.task(gate.hold, id="thread", priority=200)
        loop = app.task(gate.hold_async, id="loop", priority=200)
        held = [task.add_task() for task in (thread, loop) for _ in range(6)]
        later, failing = app.task(nothing), app.task(fail)
        delayed = [later.add_task(delay=30) for _ in range(4)]
        over = [failing.add_task("x", priority=0) for _ in range(3)]
        for run in over:
            outcome(run)
        gate.arrived(5)
        app.task(nothing, id="last").add_task(priority=0).wait(WITHIN)
        statistics = app.app_statistics()
        lanes = {lane.executor: lane for lane in statistics.lanes}
        assert (lanes["thread"].running, lanes["thread"].queued) == (2, 4)
        assert (lanes["loop"].running, lanes["loop"].queued) == (3, 3)
        assert statistics.delayed == 4
        assert statistics.ended == {RunStatus.FAILED: 3, RunStatus.SUCCEEDED: 1}
        assert statistics.tasks == len(app.tasks_by_id) == 5
        assert (statistics.name, statistics.durable, statistics.scheduled) == ("t", False, 0)
        assert len(statistics.runs) == 5
        delayed[0].cancel()
        held[-1].cancel()
        outcome(held[-1])
        outcome(delayed[0])
        assert ended_counts(app)[RunStatus.CANCELLED] == 2
        assert app.app_statistics().delayed == 3


def test_ticks_that_queue_behind_others_are_counted_as_queued(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    with opened_at_last(gate):
        task = app.schedule(
            gate.hold, Interval(seconds=0.02), id="a", on_overlap="queue", coalesce=False
        )
        gate.arrived()
        let_pass(app, 0.15)
        task.pause()
        settled(app)
        statistics = app.app_statistics()
        accepted = app._app.dispatcher._number
        queued = sum(lane.queued for lane in statistics.lanes)
        running = sum(lane.running for lane in statistics.lanes)
        assert running == 1
        assert queued >= 2
        assert queued + running + sum(statistics.ended.values()) == accepted
