"""A disk that is full, or fails: the app goes on, says so, and catches up."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from task_thread.app import Interval, RunStatus, StoreTrouble, TaskApp
from task_thread.errors import StoreFailed, ThreadEnded
from tests.app.durable.hands import WITHIN, File, flush, in_store
from tests.app.store.helpers import FailingConnection
from tests.app.tasks.hands import Notes
from tests.support.programs import ROOT


@contextmanager
def full_disk(app: TaskApp) -> Iterator[None]:
    """No commit succeeds in the block."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    kept: list[Any] = []

    def fail(database: Any) -> None:
        kept.append(database._connection)
        database._connection = FailingConnection(kept[0], error, "COMMIT")

    def work(database: Any) -> None:
        database._connection = kept[0]

    in_store(app, fail)
    try:
        yield
    finally:
        in_store(app, work)


def test_the_app_goes_on_and_catches_up(file: File, thread_logs: Any) -> None:
    troubles = Notes()
    app = TaskApp("mail", store=file.url)
    app.subscribe(StoreTrouble, callback=troubles.add)

    @app.task
    async def work(number: int) -> int:
        return number

    @app.task(trigger=Interval(seconds=0.01))
    async def tick() -> None:
        ticks.add(1)

    ticks = Notes()
    with app:
        assert work.add_task(0).wait(WITHIN) == 0
        with full_disk(app):
            runs = [work.add_task(number) for number in range(1, 50)]
            assert [run.wait(WITHIN) for run in runs] == list(range(1, 50))
            later = work.add_task(50, delay=3600)
            for _ in range(2):
                with pytest.raises(StoreFailed, match="the disk is full"):
                    flush(app)
            (event,) = troubles.wait_for(1)[:1]
            assert event.app == "mail"
            assert "the disk is full" in event.error
            ticks.wait_for(len(ticks) + 3)
            stored = {tuple(run["args"]) for run in file.records().values()}
            assert stored <= {(0,), ()}
        flush(app)
        there = {run["args"][0]: run["status"] for run in file.records().values() if run["args"]}
        assert there == {**dict.fromkeys(range(50), "succeeded"), 50: "delayed"}
        assert later.info().status is RunStatus.DELAYED
    told = [entry for entry in thread_logs.entries if "store can't be written" in entry.event]
    assert told
    assert all(entry.level == "error" for entry in told)


def test_it_catches_up_by_itself(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(number: int) -> int:
            return number

        with full_disk(app):
            assert [work.add_task(each).wait(WITHIN) for each in range(3)] == [0, 1, 2]
            with pytest.raises(StoreFailed):
                flush(app)
        assert work.add_task(3).wait(WITHIN) == 3  # on disk, and with it what was put before
        assert len(file.records()) == 4


def test_a_stop_while_the_disk_is_full_says_what_is_lost(file: File) -> None:
    app = TaskApp("mail", store=file.url)

    @app.task
    async def work() -> int:
        return 1

    with pytest.raises(StoreFailed, match="lost"), app:
        fill_disk(app)
        run = work.add_task(delay=3600)
        with pytest.raises(StoreFailed):
            flush(app)
        asyncio.run(app.stop(timeout=2.0))
    reason = app.exit_reason
    assert reason is not None
    assert reason.kind == "crash"
    with pytest.raises(ThreadEnded):
        run.wait(0)
    with TaskApp("mail", store=file.url):  # the file is free
        pass


def fill_disk(app: TaskApp) -> None:
    """No commit succeeds any more."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(database: Any) -> None:
        database._connection = FailingConnection(database._connection, error, "COMMIT")

    in_store(app, fail)


def test_waiters_are_not_left_waiting_when_the_disk_stays_full(file: File) -> None:
    app = TaskApp("mail", store=file.url)

    @app.task
    async def work() -> int:
        return 1

    with pytest.raises(StoreFailed, match="lost"), app:
        fill_disk(app)
        runs = [work.add_task() for _ in range(20)]
        assert [run.wait(WITHIN) for run in runs] == [1] * 20
        asyncio.run(app.stop(timeout=1.0))


def test_a_file_that_may_not_grow(file: File) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.app.durable.limited", str(file.path)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        timeout=50,
    )
    number, _, said = done.stdout.decode().partition(" ")
    assert "the disk" in said
    runs = [(run["args"][0], run["status"]) for run in file.records().values()]
    assert sorted(runs) == [(each, "succeeded") for each in range(int(number))]
