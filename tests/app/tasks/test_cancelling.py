"""A cancel: while it is queued, delayed, running or retrying, from within, and after the end."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from task_thread.app import Run, RunStatus, TaskApp
from task_thread.errors import RunCancelled
from task_thread.testing import StartThread, ThreadLogs
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    add,
    ended_counts,
    nothing,
    opened_at_last,
    outcome,
    pid,
    settled,
    tell_and_hang,
)


def is_cancelled(run: Run[Any], reason: str = "") -> None:
    error = outcome(run)
    assert isinstance(error, RunCancelled), error
    assert reason in str(error)
    assert run.status is RunStatus.CANCELLED
    assert run.ended
    assert run.time_ended is not None
    assert run.cancel() is False


def test_while_it_is_queued_it_is_not_begun(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", threads=1))
    gate, notes = Gate(), Notes()
    with opened_at_last(gate):
        for _ in range(2):
            app.task(gate.hold, id="hold", replace=True).add_task()
        gate.arrived(2)
        run = app.task(notes.add, id="note").add_task(1)
        assert run.cancel("no need") is True
        is_cancelled(run, "no need")
        assert run.attempt == 0
        assert run.time_started is None
    settled(app)
    assert len(notes) == 0


def test_while_it_is_delayed(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(add).add_task(1, delay=60)
    run.cancel("changed my mind")
    is_cancelled(run, "changed my mind")
    assert app.app_statistics().delayed == 0


def test_right_after_the_call(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    noted = app.task(notes.add, id="note")

    @app.task
    async def both() -> Run[Any]:
        run = noted.add_task(1)
        run.cancel()
        return run

    is_cancelled(both.add_task().wait(WITHIN))
    assert len(notes) == 0


def test_a_running_coroutine_is_cancelled_and_cleans_up(start_thread: StartThread) -> None:
    app, gate, notes = start_thread(TaskApp("t")), Gate(), Notes()

    @app.task
    async def slow() -> None:
        try:
            await gate.hold_async()
        finally:
            await asyncio.sleep(0)
            notes.add("cleaned up")

    run = slow.add_task()
    gate.arrived()
    run.cancel()
    is_cancelled(run)
    assert notes.wait_for(1) == ["cleaned up"]


def test_a_running_thread_goes_on_and_its_result_is_dropped(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    with opened_at_last(gate):
        run = app.task(gate.hold).add_task()
        gate.arrived()
        run.cancel("enough")
        is_cancelled(run, "enough")
        assert gate.passed == 0
    settled(app)
    assert run.value is None


def test_a_running_process_is_killed_and_the_next_call_gets_another(
    start_thread: StartThread, tmp_path: Path
) -> None:
    app = start_thread(TaskApp("t", processes=1))
    first = app.task(pid, executor="process").add_task().wait(WITHIN)
    path = tmp_path / "pid"
    run = app.task(tell_and_hang, executor="process").add_task(str(path))
    while not path.exists():
        app.task(nothing, id="turn", replace=True).add_task(delay=0.01).wait(WITHIN)
    assert int(path.read_text()) == first
    run.cancel()
    is_cancelled(run)
    assert app.tasks_by_id["pid"].add_task().wait(WITHIN) != first


def test_between_two_attempts(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task(retry=5, backoff=60)
    def fails() -> None:
        notes.add(1)
        raise OSError

    run = fails.add_task()
    notes.wait_for(1)
    while run.status is not RunStatus.RETRYING:
        settled(app)
    run.cancel()
    is_cancelled(run)
    assert len(notes) == 1
    assert app.app_statistics().delayed == 0


def test_from_within_with_echo(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task(echo=True)
    async def on_loop(run: Run[Any]) -> None:
        run.cancel("nothing to do")
        try:
            await asyncio.Event().wait()
        finally:
            notes.add("loop")

    @app.task(echo=True)
    def in_thread(run: Run[Any]) -> None:
        run.cancel("nothing to do")
        try:
            run.sleep(WITHIN)
        finally:
            notes.add("thread")

    for task in (on_loop, in_thread):
        is_cancelled(task.add_task(), "nothing to do")
    assert sorted(notes.wait_for(2)) == ["loop", "thread"]


def test_from_within_by_raising_or_by_cancelling_ones_own_asyncio_task(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    async def raises() -> None:
        raise asyncio.CancelledError

    @app.task
    async def cancels() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await asyncio.sleep(0)

    for task in (raises, cancels):
        is_cancelled(task.add_task())
    assert app.task(add).add_task(1).wait(WITHIN) == 1


def test_a_cancel_that_a_coroutine_leaves_behind_does_not_meet_the_next_run(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    async def leaves_it() -> str:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        return "done"

    @app.task
    async def waits() -> str:
        await asyncio.sleep(0.001)
        return "undisturbed"

    runs = [task.add_task() for _ in range(20) for task in (leaves_it, waits)]
    assert [run.wait(WITHIN) for run in runs] == ["done", "undisturbed"] * 20


def test_what_a_run_that_waited_leaves_on_its_asyncio_task_meets_no_other_run(
    start_thread: StartThread,
) -> None:
    """A time limit made by hand, that nobody has called off."""
    app, ends = start_thread(TaskApp("t", coroutines=1)), Notes()

    @app.task(priority=200)
    async def leaves_it() -> None:
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().call_later(0.05, me.cancel)
        me.add_done_callback(lambda _: ends.add("its asyncio task ended"))
        await asyncio.sleep(0)

    @app.task(priority=200)
    async def waits() -> str:
        await asyncio.sleep(0.1)
        assert ends.all == ["its asyncio task ended"]
        return "undisturbed"

    first, second = leaves_it.add_task(), waits.add_task()
    first.wait(WITHIN)
    assert second.wait(WITHIN) == "undisturbed"


def test_after_the_end_it_is_false_and_changes_nothing(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(add).add_task(1)
    assert run.wait(WITHIN) == 1
    assert run.cancel("too late") is False
    settled(app)
    assert (run.status, run.exception, run.wait(0)) == (RunStatus.SUCCEEDED, None, 1)


def test_twice_is_once(start_thread: StartThread) -> None:
    app, gate, ended = start_thread(TaskApp("t")), Gate(), Notes()
    run = app.task(gate.hold_async).add_task()
    run.add_callback(ended.add)
    gate.arrived()
    for number in range(5):
        run.cancel(f"number {number}")
    is_cancelled(run, "number 0")
    settled(app)
    assert len(ended) == 1
    assert ended_counts(app)[RunStatus.CANCELLED] == 1


def test_a_cancel_of_the_waiter_is_none_of_the_run(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    run = app.task(gate.hold_async).add_task()

    async def main() -> None:
        waiter = asyncio.ensure_future(run.result())
        await asyncio.to_thread(gate.arrived)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter

    with opened_at_last(gate):
        asyncio.run(main())
        assert not run.ended
    assert run.wait(WITHIN) == "held"


def test_a_function_that_waits_for_a_cancelled_run_is_not_cancelled_itself(
    start_thread: StartThread,
) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    inner = app.task(gate.hold_async).add_task()

    @app.task
    async def outer() -> str:
        try:
            await inner
        except RunCancelled:
            return "told"
        return "?"

    run = outer.add_task()
    gate.arrived()
    inner.cancel()
    assert run.wait(WITHIN) == "told"
    assert run.status is RunStatus.SUCCEEDED


def test_a_run_that_awaits_another_one_and_is_cancelled_leaves_that_one_alone(
    start_thread: StartThread,
) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    inner = app.task(gate.hold_async).add_task()

    @app.task
    async def outer() -> None:
        await inner

    with opened_at_last(gate):
        run = outer.add_task()
        gate.arrived()
        settled(app)
        run.cancel()
        is_cancelled(run)
        assert not inner.ended
    assert inner.wait(WITHIN) == "held"


def test_what_an_abandoned_thread_raises_is_nobodys_error(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    app, gate, over = start_thread(TaskApp("t")), Gate(), threading.Event()

    def raises() -> None:
        gate.hold()
        over.set()
        raise LookupError("too late")

    run = app.task(raises).add_task()
    gate.arrived()
    run.cancel()
    is_cancelled(run)
    gate.open()
    assert over.wait(WITHIN)
    settled(app)
    assert thread_logs.filter(level="error") == []
    assert thread_logs.filter(level="warning") == []
