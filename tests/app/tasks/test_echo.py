"""echo: what a function can do with its own Run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from task_thread.app import Progress, Run, RunStatus, TaskApp
from task_thread.errors import RunCancelled
from task_thread.testing import StartThread, ThreadLogs
from tests.app.tasks.hands import WITHIN, Gate, Notes, counting_async, opened_at_last, outcome


def test_progress_is_seen_from_outside_while_it_runs(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()

    @app.task(echo=True)
    def works(run: Run[Any]) -> None:
        run.progress(3, 12, "third page")
        gate.hold()

    run = works.add_task()
    with opened_at_last(gate):
        gate.arrived()
        assert run.progress_made == Progress(3, 12, "third page")
        assert run.progress_made.share == 0.25
        assert app.run_info(run.id).progress == run.progress_made
        (shown,) = app.app_statistics().runs
        assert shown.progress == run.progress_made
    run.wait(WITHIN)


def test_track_counts_what_is_done(start_thread: StartThread) -> None:
    app, seen = start_thread(TaskApp("t")), Notes()

    @app.task(echo=True)
    def works(run: Run[Any], things: Any, total: float | None = None) -> list[Any]:
        done = []
        for thing in run.track(things, total):
            seen.add(run.progress_made[:2])
            done.append(thing)
        return done

    run = works.add_task("abc")
    assert run.wait(WITHIN) == ["a", "b", "c"]
    assert seen.all == [(0, 3), (1, 3), (2, 3)]
    assert run.progress_made == Progress(3, 3)

    def endless() -> Iterator[int]:
        yield from range(2)

    run = works.add_task(endless())
    run.wait(WITHIN)
    assert run.progress_made == Progress(2, None)
    assert run.progress_made.share is None
    run = works.add_task(endless(), 4)
    run.wait(WITHIN)
    assert run.progress_made == Progress(2, 4)


def test_track_async(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    async def works(run: Run[Any]) -> list[int]:
        return [each async for each in run.track_async(counting_async(3), 3)]

    run = works.add_task()
    assert run.wait(WITHIN) == [0, 1, 2]
    assert run.progress_made == Progress(3, 3)


def test_track_ends_with_the_cancel_of_the_run(start_thread: StartThread) -> None:
    app, gate, done = start_thread(TaskApp("t")), Gate(), Notes()

    @app.task(echo=True)
    def works(run: Run[Any]) -> None:
        try:
            for each in run.track(range(100)):
                done.add(each)
                gate.hold()
        except RunCancelled:
            done.add("told")
            raise

    run = works.add_task()
    gate.arrived()
    run.cancel()
    assert isinstance(outcome(run), RunCancelled)
    gate.open()
    assert done.wait_for(2) == [0, "told"]


def test_sleep_in_a_thread_ends_with_the_cancel(start_thread: StartThread) -> None:
    app, gate, told = start_thread(TaskApp("t")), Gate(), Notes()
    gate.open()

    @app.task(echo=True)
    def works(run: Run[Any]) -> None:
        begun = time.monotonic()
        gate.hold()
        try:
            run.sleep(30)
        except RunCancelled:
            told.add(time.monotonic() - begun)

    run = works.add_task()
    gate.arrived()
    run.cancel()
    assert isinstance(outcome(run), RunCancelled)
    (pause,) = told.wait_for(1)
    assert pause < 10


def test_sleep_lasts_as_long_as_it_says(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    def thread(run: Run[Any]) -> float:
        begun = time.monotonic()
        run.sleep(0.05)
        return time.monotonic() - begun

    @app.task(echo=True)
    async def loop(run: Run[Any]) -> float:
        begun = time.monotonic()
        await run.sleep(0.05)
        return time.monotonic() - begun

    for task in (thread, loop):
        assert 0.049 <= task.add_task().wait(WITHIN) < 5


def test_cancel_with_a_reason(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    async def works(run: Run[Any]) -> None:
        run.cancel("the file is empty")
        await run.sleep(30)

    run = works.add_task()
    with pytest.raises(RunCancelled, match="the file is empty"):
        run.wait(WITHIN)
    assert run.status is RunStatus.CANCELLED
    assert "the file is empty" in run.info().error


def test_its_logger_names_run_and_task(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    def works(run: Run[Any]) -> None:
        run.logger.info("half of it is done", pages=5)

    run = works.add_task()
    run.wait(WITHIN)
    entry = thread_logs.wait_for("half of it is done")
    assert entry.values["run"] == run.id
    assert entry.values["task"] == "works"
    assert entry.values["pages"] == 5


def test_the_attempt_is_there_to_be_read(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True, retry=2, backoff=0)
    def works(run: Run[Any]) -> int:
        if run.attempt < 3:
            raise OSError
        return run.attempt

    assert works.add_task().wait(WITHIN) == 3


def test_each_attempt_begins_without_progress(start_thread: StartThread) -> None:
    app, seen = start_thread(TaskApp("t")), Notes()

    @app.task(echo=True, retry=1, backoff=0)
    def works(run: Run[Any]) -> None:
        seen.add(run.progress_made.done)
        run.progress(5, 5)
        if run.attempt == 1:
            raise OSError

    works.add_task().wait(WITHIN)
    assert seen.all == [0, 0]


def test_generators_get_it_too(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    def sync(run: Run[Any]) -> Iterator[str]:
        yield run.id

    @app.task(echo=True)
    async def asynchronous(run: Run[Any]) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield run.id

    for task in (sync, asynchronous):
        run: Run[Any] = task.add_task()
        assert run.wait(WITHIN) == [run.id]
