"""Attempts after one that failed: which errors, how many, and the pauses between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from task_thread.app import Backoff, Middleware, Run, RunStatus, TaskApp
from task_thread.errors import TimeLimitReached
from task_thread.testing import StartThread, ThreadLogs
from tests.app.tasks.hands import WITHIN, Notes, fail, nothing, outcome


class Ours(OSError):
    """A subclass."""


def failing(error: BaseException, times: int = 1000) -> tuple[Callable[[], str], Notes]:
    notes = Notes()

    def attempt() -> str:
        notes.add(time.monotonic())
        if len(notes) <= times:
            raise error
        return f"attempt {len(notes)}"

    return attempt, notes


@pytest.mark.parametrize("retry", [0, 1, 3])
def test_exactly_so_many_more_attempts(start_thread: StartThread, retry: int) -> None:
    app = start_thread(TaskApp("t"))
    fn, notes = failing(OSError("no"))
    run = app.task(fn, retry=retry, backoff=0).add_task()
    error = outcome(run)
    assert isinstance(error, OSError)
    assert len(notes) == run.attempt == retry + 1
    assert run.status is RunStatus.FAILED
    assert app.app_statistics().ended == {RunStatus.FAILED: 1}


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_it_succeeds_with_the_first_good_one(start_thread: StartThread, failures: int) -> None:
    fn, notes = failing(OSError("no"), failures)
    run = start_thread(TaskApp("t")).task(fn, retry=3, backoff=0).add_task()
    assert run.wait(WITHIN) == f"attempt {failures + 1}"
    assert len(notes) == run.attempt == failures + 1
    assert run.exception is None
    assert run.traceback == ""
    assert run.info().error == ""


@pytest.mark.parametrize("kind", ["loop", "thread", "process"])
def test_in_each_place(start_thread: StartThread, kind: str) -> None:
    app = start_thread(TaskApp("t", processes=1))

    async def fail_async(text: str) -> None:
        raise LookupError(text)

    fn: Any = fail_async if kind == "loop" else fail
    run = app.task(fn, executor=kind, retry=2, backoff=0.01).add_task("gone")
    error = outcome(run)
    assert isinstance(error, LookupError)
    assert run.attempt == 3


def test_subclasses_of_retry_on_exc_count_unlike_qtasks(start_thread: StartThread) -> None:
    fn, notes = failing(Ours("no"))
    run = start_thread(TaskApp("t")).task(fn, retry=2, backoff=0, retry_on_exc=[OSError]).add_task()
    assert isinstance(outcome(run), Ours)
    assert len(notes) == 3


def test_others_than_retry_on_exc_are_not_tried_again(start_thread: StartThread) -> None:
    fn, notes = failing(KeyError("no"))
    app = start_thread(TaskApp("t"))
    task = app.task(fn, retry=2, backoff=0, retry_on_exc=[OSError, ValueError])
    assert isinstance(outcome(task.add_task()), KeyError)
    assert len(notes) == 1
    task.update(retry_on_exc=())
    assert isinstance(outcome(task.add_task()), KeyError)
    assert len(notes) == 2


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_is_no_exception_fails_at_once_and_ends_nothing_else(
    start_thread: StartThread, error: BaseException
) -> None:
    app = start_thread(TaskApp("t"))
    fn, notes = failing(error)

    async def on_loop() -> None:
        raise error

    for task in (app.task(fn, retry=3, backoff=0), app.task(on_loop, retry=3, backoff=0)):
        run = task.add_task()
        assert type(outcome(run)) is type(error)
        assert (run.attempt, run.status) == (1, RunStatus.FAILED)
    assert len(notes) == 1
    app.task(nothing).add_task().wait(WITHIN)


def test_a_cancel_from_within_is_not_tried_again(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task(retry=3, backoff=0)
    async def gives_up() -> None:
        notes.add(1)
        raise asyncio.CancelledError

    run = gives_up.add_task()
    outcome(run)
    assert run.status is RunStatus.CANCELLED
    assert len(notes) == 1


def test_the_pauses_are_those_of_the_backoff(start_thread: StartThread) -> None:
    fn, notes = failing(OSError("no"))
    backoff = Backoff(0.05, 2, 0.15, jitter=0)
    run = start_thread(TaskApp("t")).task(fn, retry=4, backoff=backoff).add_task()
    outcome(run)
    times = notes.all
    pauses = [b - a for a, b in pairwise(times)]
    for pause, least in zip(pauses, (0.05, 0.1, 0.15, 0.15), strict=True):
        assert least - 0.002 <= pause < least + 0.5


def test_between_two_attempts_it_is_retrying_and_holds_no_place(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", threads=1))
    fn, notes = failing(OSError("no"), 1)
    run = app.task(fn, retry=1, backoff=0.1).add_task()
    notes.wait_for(1)
    statuses = set()
    while not run.ended and len(notes) == 1:
        statuses.add(run.status)
    assert RunStatus.RETRYING in statuses
    assert run.wait(WITHIN) == "attempt 2"


def test_a_retrying_run_is_counted_as_delayed(start_thread: StartThread) -> None:
    app, told = start_thread(TaskApp("t")), Notes()
    from task_thread.app import RunRetrying

    app.subscribe(RunRetrying, callback=told.add)
    fn, _ = failing(OSError("no"))
    run = app.task(fn, retry=1, backoff=30).add_task()
    (event,) = told.wait_for(1)
    assert event.run.status is RunStatus.RETRYING
    assert "no" in event.run.error
    app.task(nothing).add_task().wait(WITHIN)
    statistics = app.app_statistics()
    assert statistics.delayed == 1
    assert [lane.running for lane in statistics.lanes] == [0, 0, 0]
    run.cancel()
    outcome(run)


def test_a_time_limit_is_tried_again_and_each_attempt_has_its_own(
    start_thread: StartThread,
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task(retry=2, backoff=0, max_time=0.05)
    async def slow() -> str:
        notes.add(time.monotonic())
        if len(notes) < 3:
            await asyncio.Event().wait()
        return "in time"

    run = slow.add_task()
    assert run.wait(WITHIN) == "in time"
    assert len(notes) == run.attempt == 3


@pytest.mark.parametrize(
    ("errors", "attempts"), [([TimeoutError], 3), ([TimeLimitReached], 3), ([KeyError], 1)]
)
def test_retry_on_exc_says_whether_time_limits_count(
    start_thread: StartThread, errors: list[type[Exception]], attempts: int
) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(retry=2, backoff=0, max_time=0.03, retry_on_exc=errors)
    async def slow() -> None:
        await asyncio.Event().wait()

    run = slow.add_task()
    assert isinstance(outcome(run), TimeLimitReached)
    assert run.attempt == attempts


def test_the_last_attempts_error_is_the_runs(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task(retry=2, backoff=0)
    def fails() -> None:
        notes.add(1)
        raise OSError(f"number {len(notes)}")

    run = fails.add_task()
    assert str(outcome(run)) == "number 3"
    assert "number 3" in run.traceback
    assert "number 2" not in run.traceback


def test_a_stale_attempt_leaves_nothing_on_a_run_that_went_on(start_thread: StartThread) -> None:
    """The first attempt is over time, and takes long to give up; the second one succeeds."""
    app, cleaned = start_thread(TaskApp("t")), Notes()
    second_done = asyncio.Event()

    class Watches(Middleware):
        def on_error(self, run: Run[Any]) -> None:
            cleaned.add("not told of what is over")

    @app.task(retry=1, backoff=0, max_time=0.05, echo=True, middlewares=[Watches])
    async def slow(run: Run[Any]) -> str:
        if run.attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                await second_done.wait()
                cleaned.add("cleaned up")
        second_done.set()
        return "second"

    run = slow.add_task()
    assert run.wait(WITHIN) == "second"
    assert cleaned.wait_for(1) == ["cleaned up"]
    app.task(nothing).add_task().wait(WITHIN)
    assert run.exception is None
    assert run.info().error == ""
    assert run.value == "second"


def test_each_failed_attempt_is_logged_and_the_last_as_an_error(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    fn, _ = failing(OSError("no"))
    outcome(start_thread(TaskApp("t")).task(fn, retry=2, backoff=0).add_task())
    assert len(thread_logs.filter(level="info", event="will be tried again")) == 2
    (last,) = thread_logs.filter(level="error")
    assert isinstance(last.exc_info, OSError)
