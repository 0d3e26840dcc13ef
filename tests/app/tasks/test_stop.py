"""The stop: what runs is given until the deadline, what waits is cancelled, and nothing is left."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from task_thread.app import Interval, RunEnded, RunStatus, TaskApp
from task_thread.errors import RunCancelled, StopTimeout, ThreadEnded
from task_thread.testing import StartThread, no_leaks
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    add,
    counting,
    ended_counts,
    let_pass,
    nothing,
    opened_at_last,
    outcome,
    tell_and_hang,
)


def stopping(start_thread: StartThread, app: TaskApp) -> threading.Thread:
    """Begin the stop, and return when no calls are taken any more."""
    thread = threading.Thread(target=start_thread.stop, args=(app,))
    thread.start()
    task = app.task(nothing, id="probe", replace=True)
    while True:
        try:
            task.add_task().wait(WITHIN)
        except (ThreadEnded, RunCancelled):
            return thread


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_stopping_waits_for_what_runs_and_does_not_cancel_it_unlike_asyncz(
    start_thread: StartThread, kind: str
) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    with opened_at_last(gate):
        run = app.task(gate.hold if kind == "thread" else gate.hold_async, id="it").add_task()
        gate.arrived()
        thread = stopping(start_thread, app)
        assert not run.ended
    thread.join()
    assert run.wait(0) == "held"
    assert run.status is RunStatus.SUCCEEDED
    reason = app.exit_reason
    assert reason is not None
    assert reason.kind == "shutdown"


def test_what_waits_is_cancelled_with_status(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=1)), Gate()
    ended = Notes()
    with opened_at_last(gate):
        hold = app.task(gate.hold, priority=200)
        held = hold.add_task()
        gate.arrived()

        @app.task(retry=3, backoff=60)
        async def fails() -> None:
            raise OSError

        retrying = fails.add_task()
        while retrying.status is not RunStatus.RETRYING:
            let_pass(app, 0.001)
        waiting = [hold.add_task() for _ in range(3)]
        waiting += [hold.add_task(delay=60), retrying]
        for run in waiting:
            run.add_callback(ended.add)
        thread = stopping(start_thread, app)
        for run in waiting:
            assert isinstance(outcome(run), RunCancelled)
            assert run.status is RunStatus.CANCELLED
            assert run.time_ended is not None
        assert not held.ended
    thread.join()
    assert held.status is RunStatus.SUCCEEDED
    assert sorted(map(id, ended.all)) == sorted(map(id, waiting))
    assert len([run for run in waiting if run.attempt]) == 1


def test_what_hangs_is_cancelled_at_the_deadline_and_the_stop_is_in_time(
    start_thread: StartThread,
) -> None:
    app, gate, notes = TaskApp("t"), Gate(), Notes()
    app.stop_timeout = 1.5
    start_thread(app)

    @app.task
    async def hangs() -> None:
        try:
            await gate.hold_async()
        finally:
            notes.add(time.monotonic())

    run = hangs.add_task()
    gate.arrived()
    begun = time.monotonic()
    reason = start_thread.stop(app)
    took = time.monotonic() - begun
    assert took < 1.5
    (cleaned,) = notes.all
    assert cleaned - begun > 0.5
    assert isinstance(outcome(run), RunCancelled)
    assert reason.kind == "shutdown"


def test_a_thread_that_hangs_is_left_and_the_stop_is_in_time(start_thread: StartThread) -> None:
    app, gate = TaskApp("t"), Gate()
    app.stop_timeout = 1.0
    start_thread(app)
    with opened_at_last(gate):
        run = app.task(gate.hold).add_task()
        gate.arrived()
        begun = time.monotonic()
        start_thread.stop(app)
        assert time.monotonic() - begun < 1.5
        assert isinstance(outcome(run), RunCancelled)


def test_a_process_that_hangs_is_killed(start_thread: StartThread, tmp_path: Path) -> None:
    app = TaskApp("t", processes=1)
    app.stop_timeout = 2.0
    start_thread(app)
    path = tmp_path / "pid"
    run = app.task(tell_and_hang, executor="process").add_task(str(path))
    while not path.exists():
        let_pass(app, 0.01)
    begun = time.monotonic()
    reason = start_thread.stop(app)
    assert time.monotonic() - begun < 2.5
    assert reason.kind == "shutdown"
    assert isinstance(outcome(run), RunCancelled)
    assert not Path(f"/proc/{path.read_text()}").exists()


def test_what_runs_may_not_add_tasks_any_more(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()

    @app.task
    def adds() -> None:
        gate.hold()
        app.tasks_by_id["nothing"].add_task()

    app.task(nothing)
    with opened_at_last(gate):
        run = adds.add_task()
        gate.arrived()
        thread = stopping(start_thread, app)
    thread.join()
    assert isinstance(outcome(run), ThreadEnded)


def test_a_run_that_fails_while_it_stops_is_not_tried_again(start_thread: StartThread) -> None:
    app, gate, notes = start_thread(TaskApp("t")), Gate(), Notes()

    @app.task(retry=5, backoff=0)
    def fails() -> None:
        notes.add(1)
        gate.hold()
        raise OSError("mine")

    with opened_at_last(gate):
        run = fails.add_task()
        gate.arrived()
        thread = stopping(start_thread, app)
    thread.join()
    assert isinstance(outcome(run), OSError)
    assert run.status is RunStatus.FAILED
    assert len(notes) == 1


def test_no_ticks_after_it(start_thread: StartThread) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()
    with opened_at_last(gate):
        app.task(gate.hold).add_task()
        gate.arrived()
        app.schedule(notes.add, Interval(seconds=0.01), id="a", args=(1,))
        notes.wait_for(2)
        thread = stopping(start_thread, app)
        before = len(notes)
        clock = start_thread(TaskApp("clock"))
        let_pass(clock, 0.06)
        assert len(notes) <= before + 1
    thread.join()


@pytest.mark.parametrize("overlap", ["queue", "skip"])
def test_ticks_that_retry_and_ticks_that_queue_end_once_each(
    start_thread: StartThread, overlap: Any
) -> None:
    app, ended, begun = start_thread(TaskApp("t")), Notes(), Notes()
    app.subscribe(RunEnded, callback=lambda event: ended.add((event.run.id, event.run.status)))

    def fails() -> None:
        begun.add(1)
        raise OSError

    app.schedule(
        fails, Interval(seconds=0.01), id="a", on_overlap=overlap, coalesce=False, retry=3,
        backoff=60, max_instances=3,
    )  # fmt: skip
    begun.wait_for(3)
    let_pass(app, 0.1)
    start_thread.stop(app)
    ids = [id for id, _ in ended.all]
    assert len(ids) == len(set(ids))
    assert len(begun) == 3
    counts = ended_counts(app)
    accepted = app._app.dispatcher._number
    assert sum(counts.values()) == accepted
    assert RunStatus.FAILED not in counts
    lanes = app.app_statistics().lanes
    assert [(lane.running, lane.queued) for lane in lanes] == [(0, 0)] * 3


def test_calls_from_many_threads_during_the_stop_end_or_are_refused(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))
    task, runs, refused = app.task(nothing), Notes(), Notes()
    begun = threading.Barrier(5)

    def calls() -> None:
        begun.wait(WITHIN)
        while True:
            try:
                runs.add(task.add_task())
            except ThreadEnded:
                refused.add(1)
                return

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(WITHIN)
    runs.wait_for(50)
    start_thread.stop(app)
    for thread in threads:
        thread.join(WITHIN)
    assert len(refused) == 4
    for run in runs.all:
        assert run.ended
        assert run.status in {RunStatus.SUCCEEDED, RunStatus.CANCELLED}
    assert sum(ended_counts(app).values()) == len(runs)


def test_an_app_whose_handler_crashes_ends_its_runs(start_thread: StartThread) -> None:
    from task_thread.signals import MessageSignal, Signal

    class Fragile(TaskApp):
        async def signalHandler__(self, signal: Signal) -> bool:
            raise LookupError("broken")

    app, gate = start_thread(Fragile("t"), crashes=True), Gate()
    with opened_at_last(gate):
        runs = [app.task(gate.hold_async).add_task(), app.task(nothing).add_task(delay=60)]
        gate.arrived()
        app.post(MessageSignal("test", 1))
        gate.open()
        assert outcome(runs[0]) == "held"
        assert isinstance(outcome(runs[1]), RunCancelled)
    start_thread.stop(app)


def test_a_subclass_may_override_the_hooks(start_thread: StartThread) -> None:
    notes = Notes()

    class Mine(TaskApp):
        async def enter__(self) -> None:
            await super().enter__()
            notes.add(await self.apply(add, 1, 2))

        async def stopping__(self) -> None:
            notes.add("stopping")
            await super().stopping__()

        async def exit__(self) -> None:
            await super().exit__()
            notes.add("exit")

    start_thread.stop(start_thread(Mine("t")))
    assert notes.all == [3, "stopping", "exit"]


def test_an_enter_that_raises_leaves_nothing(start_thread: StartThread) -> None:
    class Fails(TaskApp):
        async def enter__(self) -> None:
            await super().enter__()
            self.tasks_by_id["nothing"].add_task(delay=60)
            raise LookupError("at the start")

    app = Fails("t")
    task = app.task(nothing)
    with pytest.raises(LookupError):
        start_thread(app)
    with pytest.raises(ThreadEnded):
        task.add_task()


def test_a_run_of_an_app_whose_start_failed_is_told(start_thread: StartThread) -> None:
    runs = []

    class Fails(TaskApp):
        async def enter__(self) -> None:
            await super().enter__()
            runs.append(self.tasks_by_id["nothing"].add_task(delay=60))
            raise LookupError("at the start")

    app = Fails("t")
    app.task(nothing)
    with pytest.raises(LookupError):
        start_thread(app)
    with pytest.raises((RunCancelled, ThreadEnded)):
        runs[0].wait(2.0)


def test_a_whole_life_leaves_nothing_behind() -> None:
    with no_leaks():
        app = TaskApp("t", threads=4, processes=1, retention=0.5)
        notes = Notes()
        with app:
            task, idle = app.task(add), app.task(nothing)
            app.schedule(notes.add, Interval(seconds=0.01), args=(1,))
            process = app.task(counting, executor="process")
            runs: list[Any] = [task.add_task(1) for _ in range(50)]
            runs += [idle.add_task() for _ in range(50)]
            runs += [process.add_task(3) for _ in range(3)]
            for run in runs:
                run.wait(WITHIN)
            notes.wait_for(3)
        with app._taskthread.life.lock:
            pass
    assert app.exit_reason is not None
    assert app.exit_reason.kind == "shutdown"


def test_async_with_and_run_and_with() -> None:
    async def main() -> Any:
        async with TaskApp("t") as app:
            return await app.task(add).add_task(1, 2)

    with no_leaks():
        assert asyncio.run(main()) == 3
        with TaskApp("t") as app:
            assert app.task(add).add_task(1, 2).wait(WITHIN) == 3


def test_after_the_end_what_has_ended_can_still_be_asked_for(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(add).add_task(1, 2)
    run.wait(WITHIN)
    start_thread.stop(app)
    assert run.wait(0) == 3
    assert app.run_info(run.id).result == 3
    assert app.app_statistics().ended == {RunStatus.SUCCEEDED: 1}
    assert run.cancel() is False


def test_who_waits_for_a_run_of_an_app_that_was_given_up_is_told(
    start_thread: StartThread,
) -> None:
    app, gate = TaskApp("t"), Gate()
    app.stop_timeout = 0.5

    async def blocks() -> None:
        gate.hold()

    with opened_at_last(gate):
        with pytest.raises(StopTimeout), app:
            waits = app.task(nothing).add_task(delay=60)
            blocked = app.task(blocks).add_task()
            gate.arrived()
        with pytest.raises(ThreadEnded):
            app.tasks_by_id["nothing"].add_task()
        for run in (waits, blocked):
            with pytest.raises((RunCancelled, ThreadEnded)):
                run.wait(2.0)
    app._taskthread.life.reap()
