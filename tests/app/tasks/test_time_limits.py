"""max_time: on the loop, in a thread and in a process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from task_thread.app import Middleware, Run, RunStatus, TaskApp
from task_thread.errors import RunCancelled, TimeLimitReached
from task_thread.testing import StartThread
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    is_alive,
    nothing,
    opened_at_last,
    outcome,
    tell_and_hang,
)


def test_a_coroutine_is_cancelled_and_cleans_up(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task(max_time=0.05)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            notes.add("cleaned up")

    run = slow.add_task()
    with pytest.raises(TimeLimitReached, match=r"0\.05 s"):
        run.wait(WITHIN)
    assert (run.status, notes.wait_for(1)) == (RunStatus.FAILED, ["cleaned up"])


def test_the_limit_is_a_timeout_error_and_says_which_run() -> None:
    assert issubclass(TimeLimitReached, TimeoutError)


def test_max_time_of_a_sync_function_does_not_block_until_its_end_unlike_qtasks(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t", threads=1))
    gate = Gate()
    with opened_at_last(gate):
        run = app.task(gate.hold, max_time=0.05).add_task()
        begun = time.monotonic()
        with pytest.raises(TimeLimitReached):
            run.wait(WITHIN)
        assert time.monotonic() - begun < 5
        assert gate.passed == 0
        # Its place is free: another one may use it.
        assert app.task(lambda: "next", id="next").add_task().wait(WITHIN) == "next"
        assert app.app_statistics().lanes[1].abandoned == 1


def test_in_a_process_the_worker_is_killed(start_thread: StartThread, tmp_path: Path) -> None:
    app = start_thread(TaskApp("t", processes=1))
    path = tmp_path / "pid"
    run = app.task(tell_and_hang, executor="process", max_time=3.0).add_task(str(path))
    with pytest.raises(TimeLimitReached):
        run.wait(WITHIN)
    if path.exists():  # the machine may be slow: then it was killed while it started
        app.task(nothing).add_task().wait(WITHIN)
        process = int(path.read_text())
        deadline = time.monotonic() + WITHIN
        while is_alive(process) and time.monotonic() < deadline:
            app.task(nothing, id="again", replace=True).add_task(delay=0.01).wait(WITHIN)
        assert not is_alive(process)


def test_what_ends_in_time_has_no_limit_afterwards(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(max_time=0.05)
    async def quick() -> str:
        return "quick"

    run = quick.add_task()
    assert run.wait(WITHIN) == "quick"
    app.task(nothing).add_task(delay=0.1).wait(WITHIN)
    assert (run.status, run.exception) == (RunStatus.SUCCEEDED, None)


def test_to_wait_in_a_queue_is_not_held_against_a_run(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", coroutines=1))
    gate = Gate()
    with opened_at_last(gate):
        hold = app.task(gate.hold_async, priority=200)
        hold.add_task()
        gate.arrived()

        @app.task(max_time=0.2, priority=200)
        async def quick() -> str:
            return "quick"

        run = quick.add_task()
        app.task(nothing, priority=0).add_task(delay=0.3).wait(WITHIN)
        assert run.status is RunStatus.QUEUED
        gate.open()
        assert run.wait(WITHIN) == "quick"


@pytest.mark.parametrize("kind", ["loop", "thread"])
@pytest.mark.parametrize("max_time", [None, 30.0])
def test_a_users_own_timeout_error_is_not_reported_as_the_time_limit_unlike_qtasks(
    start_thread: StartThread, kind: str, max_time: float | None
) -> None:
    app = start_thread(TaskApp("t"))
    mine = TimeoutError("the server's, not yours")

    def sync() -> None:
        raise mine

    async def asynchronous() -> None:
        raise mine

    fn: Any = sync if kind == "thread" else asynchronous
    run = app.task(fn, max_time=max_time).add_task()
    error = outcome(run)
    assert error is mine
    assert not isinstance(error, TimeLimitReached)


def test_asyncio_timeout_within_a_run_is_its_own_affair(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(max_time=30)
    async def uses_timeout() -> str:
        try:
            async with asyncio.timeout(0.02):
                await asyncio.Event().wait()
        except TimeoutError:
            return "mine"
        return "?"

    assert uses_timeout.add_task().wait(WITHIN) == "mine"

    @app.task(max_time=30)
    async def lets_it_out() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.02)

    error = outcome(lets_it_out.add_task())
    assert type(error) is TimeoutError


def test_a_coroutine_that_ignores_its_cancel_changes_nothing_any_more(
    start_thread: StartThread,
) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    @app.task(max_time=0.05)
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await gate.hold_async()
        notes.add("went on")
        return "late"

    with opened_at_last(gate):
        run = stubborn.add_task()
        assert isinstance(outcome(run), TimeLimitReached)
        gate.arrived()
        gate.open()
    notes.wait_for(1)
    app.task(nothing).add_task().wait(WITHIN)
    assert run.status is RunStatus.FAILED
    assert run.value is None
    assert app.app_statistics().ended == {RunStatus.FAILED: 1, RunStatus.SUCCEEDED: 1}


def test_a_middleware_is_told_of_the_limit(start_thread: StartThread) -> None:
    notes = Notes()

    class Watches(Middleware):
        def on_error(self, run: Run[Any]) -> None:
            notes.add(run.exception)

        def after(self, run: Run[Any]) -> None:
            notes.add("after")

    app = start_thread(TaskApp("t", middlewares=[Watches]))
    gate = Gate()
    with opened_at_last(gate):
        for fn in (gate.hold, gate.hold_async):
            outcome(app.task(fn, max_time=0.03).add_task())
        first, second = notes.wait_for(2)
    assert isinstance(first, TimeLimitReached)
    assert isinstance(second, TimeLimitReached)


def test_an_echo_function_in_a_thread_is_told_when_its_time_is_over(
    start_thread: StartThread,
) -> None:
    app, told, gate = start_thread(TaskApp("t")), Notes(), Gate()

    @app.task(echo=True, max_time=0.05)
    def works(run: Run[Any]) -> None:
        try:
            gate.hold()
            run.progress(1)
        except RunCancelled as error:
            told.add(error)

    with opened_at_last(gate):
        run = works.add_task()
        assert isinstance(outcome(run), TimeLimitReached)
    assert len(told.wait_for(1)) == 1


def test_and_so_it_is_when_another_attempt_follows(start_thread: StartThread) -> None:
    app, told, gate, second = start_thread(TaskApp("t")), Notes(), Gate(), Gate()

    @app.task(echo=True, max_time=0.05, retry=1, backoff=0)
    def works(run: Run[Any]) -> str:
        if run.attempt == 2:
            run.task.update(max_time=None)
            run.progress(7, 10)
            return second.hold()
        gate.hold()
        try:
            run.progress(1)
        except RunCancelled:
            told.add("told")
        else:
            told.add("not told")
        return "?"

    with opened_at_last(gate, second):
        run = works.add_task()
        gate.arrived()
        second.arrived()
        gate.open()
        assert told.wait_for(1) == ["told"]
        assert run.progress_made.done == 7
        second.open()
    run.wait(WITHIN)


def test_the_limit_ends_a_pause_in_a_thread_though_another_attempt_follows(
    start_thread: StartThread,
) -> None:
    app, told = start_thread(TaskApp("t")), Notes()

    @app.task(echo=True, max_time=0.05, retry=1, backoff=30)
    def works(run: Run[Any]) -> None:
        try:
            run.sleep(20)
        except RunCancelled:
            told.add("told")

    run = works.add_task()
    try:
        assert told.wait_for(1, within=2.0) == ["told"]
    finally:
        run.cancel()
    outcome(run)
