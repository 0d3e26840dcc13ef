"""What other libraries of this kind get wrong, as far as no other test here says so in its name."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from task_thread.app import (
    AllOf,
    Cron,
    Interval,
    Middleware,
    Priority,
    Run,
    RunStatus,
    TaskApp,
)
from task_thread.errors import TriggerNeverAgrees, WaitTimeout
from task_thread.testing import StartThread
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    add,
    let_pass,
    nothing,
    opened_at_last,
    outcome,
)

# ---- asyncz and APScheduler -------------------------------------------------------------------


def test_asyncz_a_tick_that_is_seconds_late_is_run_by_default(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(notes.add, Interval(seconds=0.05), id="a", args=(1,))
    task.pause()
    let_pass(app, 1.3)  # more than the one second of theirs
    task.resume()
    notes.wait_for(1)


def test_asyncz_a_trigger_that_never_agrees_ends_with_an_error_and_does_not_spin() -> None:
    app = TaskApp("t")
    with pytest.raises(TriggerNeverAgrees):
        app.schedule(nothing, AllOf(Cron("0 0 1 1 *"), Cron("0 0 2 1 *")))


def test_asyncz_reaching_max_instances_is_a_choice_of_skip_or_queue() -> None:
    app = TaskApp("t")
    for word in ("skip", "queue"):
        assert app.task(nothing, id=word, on_overlap=word).options.on_overlap == word
    with pytest.raises(ValueError, match="on_overlap"):
        app.task(nothing, on_overlap="drop")


def test_asyncz_stopping_does_not_cancel_what_runs(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    began = Gate()

    async def runs() -> str:
        await began.hold_async()
        await asyncio.sleep(0.1)
        notes.add("done")
        return "done"

    run = app.task(runs).add_task()
    began.arrived()
    began.open()
    start_thread.stop(app)
    assert (run.wait(0), notes.all) == ("done", ["done"])


def test_asyncz_an_unknown_executor_is_refused_and_the_task_not_lost() -> None:
    app = TaskApp("t")
    task = app.schedule(nothing, Interval(hours=1), id="a")
    with pytest.raises(ValueError, match="executor"):
        task.update(executor="moon")
    assert app.tasks_by_id["a"].next_run_time is not None


def test_asyncz_a_duplicate_id_before_the_start_is_not_dropped_silently(
    start_thread: StartThread,
) -> None:
    app, notes = TaskApp("t"), Notes()
    app.schedule(notes.add, Interval(seconds=0.01), id="a", args=("first",))
    with pytest.raises(ValueError, match="'a'"):
        app.schedule(notes.add, Interval(seconds=0.01), id="a", args=("second",))
    start_thread(app)
    assert set(notes.wait_for(3)) == {"first"}


def test_asyncz_a_crontab_of_day_0_is_sunday() -> None:
    due = TaskApp("t").schedule(nothing, Cron("0 0 * * 0")).next_run_time
    assert due is not None
    assert due.isoweekday() == 7


def test_asyncz_at_the_autumn_clock_change_0330_fires_once() -> None:
    zone = ZoneInfo("Europe/Berlin")
    trigger = Cron("30 3 * * *", timezone=zone)
    after = datetime(2030, 10, 26, 12, tzinfo=zone)
    times = trigger.times(after)
    first, second = next(times), next(times)
    assert first.date() == datetime(2030, 10, 27, tzinfo=zone).date()
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=24)


# ---- atasker ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loop", "thread", "process"])
def test_atasker_an_exception_in_a_task_is_not_swallowed(
    start_thread: StartThread, kind: str
) -> None:
    app = start_thread(TaskApp("t", processes=1))

    async def raises() -> None:
        int("x")

    run: Run[Any]
    if kind == "loop":
        run = app.task(raises).add_task()
    else:
        run = app.task(int, id="int", executor=kind).add_task("x")
    with pytest.raises(ValueError, match="invalid literal"):
        run.wait(WITHIN)
    assert (run.status, run.value) == (RunStatus.FAILED, None)
    assert "invalid literal" in run.traceback


def test_atasker_a_raising_process_target_completes_and_frees_its_place(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t", processes=1))
    task = app.task(int, id="int", executor="process", priority=Priority.LOW)
    for run in [task.add_task("x") for _ in range(4)]:
        assert isinstance(outcome(run), ValueError)
    assert task.add_task("7").wait(WITHIN) == 7
    assert app.app_statistics().lanes[2].running == 0


def test_atasker_a_raising_coroutine_does_not_hang_the_waiter(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    async def raises() -> None:
        await asyncio.sleep(0)
        raise LookupError

    run = app.task(raises).add_task()
    with pytest.raises(LookupError):
        asyncio.run(run.result(WITHIN))


def test_atasker_apply_gives_the_arguments_one_by_one(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", processes=1))
    run = asyncio.run(app.apply(add, 1, 2, executor="process", times=3))
    assert run == 9


def test_atasker_critical_starts_at_full_size(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=1)), Gate()
    with opened_at_last(gate):
        hold = app.task(gate.hold)
        for _ in range(3):
            hold.add_task(priority=Priority.HIGH)
        gate.arrived(3)
        assert app.task(add).add_task(1, priority=Priority.CRITICAL).wait(WITHIN) == 1


def test_atasker_an_unknown_id_and_a_finished_one_do_not_look_alike(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(nothing).add_task()
    run.wait(WITHIN)
    assert app.run_info(run.id).status is RunStatus.SUCCEEDED
    with pytest.raises(LookupError, match="nobody"):
        app.run_info("nobody")


# ---- QTasks -----------------------------------------------------------------------------------


def test_qtasks_retry_on_exc_counts_subclasses(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    notes = Notes()

    def refuses() -> None:
        notes.add(1)
        raise ConnectionRefusedError

    outcome(app.task(refuses, retry=1, backoff=0, retry_on_exc=[OSError]).add_task())
    assert len(notes) == 2


def test_qtasks_priority_0_does_not_fall_back_to_the_default(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    assert app.task(nothing).add_task(priority=0).priority == 0
    assert app.task(nothing, id="b", priority=0).add_task().priority == 0


def test_qtasks_middlewares_are_called_once_for_each_of_three_runs(
    start_thread: StartThread,
) -> None:
    calls = Notes()

    class Counts(Middleware):
        def before(self, run: Run[Any]) -> None:
            calls.add(run.id)

    app = start_thread(TaskApp("t"))
    task = app.task(nothing, middlewares=[Counts])
    ids = []
    for _ in range(3):
        run = task.add_task()
        run.wait(WITHIN)
        ids.append(run.id)
    assert calls.all == ids


def test_qtasks_a_users_own_timeout_error_is_his_own(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    def raises() -> None:
        raise TimeoutError("of the server")

    error = outcome(app.task(raises, max_time=60).add_task())
    assert type(error) is TimeoutError


def test_qtasks_max_time_of_a_sync_function_does_not_wait_for_its_end(
    start_thread: StartThread,
) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    with opened_at_last(gate):
        assert isinstance(outcome(app.task(gate.hold, max_time=0.02).add_task()), TimeoutError)
        assert gate.passed == 0


def test_qtasks_a_generators_return_value_is_not_lost(start_thread: StartThread) -> None:
    def counts() -> Any:
        yield 1
        return "the end"

    run = start_thread(TaskApp("t")).task(counts).add_task()
    assert (run.wait(WITHIN), run.return_value) == ([1], "the end")


def test_qtasks_waiting_that_times_out_raises_and_does_not_return_none(
    start_thread: StartThread,
) -> None:
    run = start_thread(TaskApp("t")).task(nothing).add_task(delay=60)
    with pytest.raises(WaitTimeout):
        run.wait(0.01)
    with pytest.raises(WaitTimeout):
        asyncio.run(run.result(0.01))


# ---- queues and engines -----------------------------------------------------------------------


def test_taskiq_results_are_not_limited_to_a_hundred(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    async def same(number: int) -> int:
        return number

    task = app.task(same)
    runs = [task.add_task(number) for number in range(1000)]
    for run in runs:
        run.wait(WITHIN)
    assert [app.run_info(run.id).result for run in runs] == list(range(1000))


def test_anyio_and_loky_a_dead_worker_breaks_nothing_but_its_call(
    start_thread: StartThread,
) -> None:
    import os

    app = start_thread(TaskApp("t", processes=2))
    dies = app.task(os._exit, id="dies", executor="process")
    sqrt = app.task(math.sqrt, id="sqrt", executor="process")
    runs = [sqrt.add_task(4), dies.add_task(1), sqrt.add_task(9)]
    results = [outcome(run) for run in runs]
    assert (results[0], results[2]) == (2.0, 3.0)
    assert type(results[1]).__name__ == "WorkerDied"
