"""Callbacks of a run: sync, async, raising, after the end; each exactly once."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from task_thread.app import Run, RunEnded, RunStarted, RunStatus, TaskApp
from task_thread.testing import StartThread, ThreadLogs
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    add,
    nothing,
    opened_at_last,
    outcome,
    settled,
)


def test_sync_and_async_ones_are_called_with_the_run_on_the_apps_loop(
    start_thread: StartThread,
) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    def sync(run: Run[Any]) -> None:
        notes.add(("sync", run, threading.current_thread().name, run.status, run.value))

    async def asynchronous(run: Run[Any]) -> None:
        await asyncio.sleep(0)
        notes.add(("async", run, threading.current_thread().name, run.status, run.value))

    with opened_at_last(gate):
        run = app.task(gate.hold).add_task()
        run.add_callback(sync)
        run.add_callback(asynchronous)
    name = app._taskthread.name()
    assert notes.wait_for(2) == [
        ("sync", run, name, RunStatus.SUCCEEDED, "held"),
        ("async", run, name, RunStatus.SUCCEEDED, "held"),
    ]


def test_they_are_called_in_order(start_thread: StartThread) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()
    with opened_at_last(gate):
        run = app.task(gate.hold).add_task()
        for number in range(10):
            run.add_callback(lambda _, number=number: notes.add(number))  # type: ignore[misc]
    assert notes.wait_for(10) == list(range(10))


def test_after_the_end_it_is_called_at_once(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    run = app.task(add).add_task(1)
    run.wait(WITHIN)
    run.add_callback(notes.add)

    async def asynchronous(run: Run[Any]) -> None:
        notes.add(run)

    run.add_callback(asynchronous)
    assert notes.wait_for(2) == [run, run]


@pytest.mark.parametrize("how", ["succeed", "fail", "cancel", "time limit"])
def test_whatever_the_end(start_thread: StartThread, how: str) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    async def runs() -> None:
        await gate.hold_async()
        if how == "fail":
            raise LookupError

    with opened_at_last(gate):
        run = app.task(runs, max_time=0.1 if how == "time limit" else None).add_task()
        run.add_callback(lambda run: notes.add(run.status))
        gate.arrived()
        if how == "cancel":
            run.cancel()
        if how == "time limit":
            outcome(run)
    ends = {"succeed": RunStatus.SUCCEEDED, "cancel": RunStatus.CANCELLED}
    assert notes.wait_for(1) == [ends.get(how, RunStatus.FAILED)]


def test_what_one_raises_is_logged_and_the_others_are_called(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    def raises(run: Run[Any]) -> None:
        raise LookupError("mine")

    async def raises_later(run: Run[Any]) -> None:
        raise LookupError("mine too")

    with opened_at_last(gate):
        run = app.task(gate.hold).add_task()
        for callback in (raises, raises_later, notes.add):
            run.add_callback(callback)
    assert run.wait(WITHIN) == "held"
    assert notes.wait_for(1) == [run]
    settled(app)
    errors = thread_logs.filter(level="error", event="a callback raised")
    assert sorted(str(each.exc_info) for each in errors) == ["mine", "mine too"]
    assert run.status is RunStatus.SUCCEEDED


def cancelled_error(_: Any) -> None:
    """What ``future.result()`` of a future that was cancelled raises."""
    raise asyncio.CancelledError


def test_a_callback_that_raises_a_cancelled_error_stops_nothing(start_thread: StartThread) -> None:
    app, gate = TaskApp("t"), Gate()
    app.stop_timeout = 2.0
    start_thread(app, crashes=True)
    with opened_at_last(gate):
        run = app.task(gate.hold_async).add_task()
        run.add_callback(cancelled_error)
        gate.arrived()
    assert run.wait(WITHIN) == "held"
    assert app.task(add).add_task(1).wait(3.0) == 1


@pytest.mark.parametrize("kind", [RunStarted, RunEnded])
def test_a_subscriber_that_raises_a_cancelled_error_stops_nothing(
    start_thread: StartThread, kind: Any
) -> None:
    app = TaskApp("t")
    app.stop_timeout = 2.0
    start_thread(app, crashes=True)
    app.subscribe(kind, callback=cancelled_error)
    for _ in range(2):
        assert app.task(nothing, id="it", replace=True).add_task().wait(3.0) is None


def test_after_the_end_of_the_app_too(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    run = app.task(add).add_task(1)
    run.wait(WITHIN)
    start_thread.stop(app)

    async def asynchronous(run: Run[Any]) -> None:
        notes.add(run)

    def raises(run: Run[Any]) -> None:
        raise LookupError("mine")

    run.add_callback(notes.add)
    run.add_callback(raises)
    run.add_callback(asynchronous)
    assert notes.wait_for(2, within=2) == [run, run]
    assert len(thread_logs.filter(level="error", event="a callback raised")) == 1


def test_a_late_one_that_raises_a_cancelled_error_is_logged(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(add).add_task(1)
    run.wait(WITHIN)
    start_thread.stop(app)
    run.add_callback(cancelled_error)
    assert len(thread_logs.filter(level="error", event="a callback raised")) == 1


def test_a_callback_is_something_that_can_be_called(start_thread: StartThread) -> None:
    run = start_thread(TaskApp("t")).task(add).add_task(1, delay=0.01)
    bad: Any = 5
    with pytest.raises(TypeError):
        run.add_callback(bad)


def test_exactly_once_however_it_races_with_the_end(start_thread: StartThread) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    luck = random.Random(seed)
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task
    async def turns(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    rounds, adders = 150, 3
    for number in range(rounds):
        run = turns.add_task(luck.randrange(6))
        barrier = threading.Barrier(adders)
        pauses = [luck.randrange(200) for _ in range(adders)]

        def adds(who: int, spins: int, run: Run[Any] = run, barrier: Any = barrier) -> None:
            barrier.wait(WITHIN)
            for _ in range(spins):
                pass
            run.add_callback(lambda run: notes.add((run.id, who)))

        threads = [
            threading.Thread(target=adds, args=(who, pause)) for who, pause in enumerate(pauses)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        notes.wait_for((number + 1) * adders)
    settled(app)
    assert len(notes) == len(set(notes.all)) == rounds * adders


def test_one_that_is_added_while_the_app_stops_is_called(start_thread: StartThread) -> None:
    """Just before its loop is closed nobody would look at what it is asked to do."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    luck = random.Random(seed)
    for number in range(40):
        app, notes = start_thread(TaskApp(f"t{number}")), Notes()
        run = app.task(nothing).add_task()
        run.wait(WITHIN)
        spins = luck.randrange(3000)

        def adds(
            run: Run[Any] = run, spins: int = spins, note: Callable[[Any], None] = notes.add
        ) -> None:
            for _ in range(40):
                for _ in range(spins):
                    pass
                run.add_callback(note)

        thread = threading.Thread(target=adds)
        thread.start()
        start_thread.stop(app)
        thread.join()
        notes.wait_for(40, within=2)
        assert len(notes) == 40


def test_async_callbacks_of_runs_that_end_with_the_app_are_awaited(
    start_thread: StartThread,
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    run = app.task(add).add_task(1, delay=60)

    async def asynchronous(run: Run[Any]) -> None:
        await asyncio.sleep(0.02)
        notes.add(run.status)

    run.add_callback(asynchronous)
    start_thread.stop(app)
    assert notes.all == [RunStatus.CANCELLED]
