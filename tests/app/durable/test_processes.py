"""Several processes: one that has the file, one that wants it, and those that it leaves."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from task_thread.app import TaskApp
from task_thread.errors import StoreInUse
from tests.app.durable.hands import WITHIN, File, flush
from tests.support.programs import PATIENCE, ROOT

HOLDER = """
import sys
from task_thread.app import TaskApp
app = TaskApp("holder", store=sys.argv[1])
@app.task
async def work(): return 1
with app:
    print(work.add_task().wait(10), flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(file: File) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the file."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HOLDER, file.url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_the_second_process_is_told_of_the_first(file: File) -> None:
    with holder(file) as process:
        for _ in range(2):
            with (
                pytest.raises(StoreInUse, match=f"process {process.pid};"),
                TaskApp("mail", store=file.url),
            ):
                pass
        with closing(sqlite3.connect(file.path)) as database:  # a look at it is no use of it
            assert database.execute("SELECT count(*) FROM record").fetchone() == (1,)
        process.kill()
        process.wait(PATIENCE)
        with TaskApp("mail", store=file.url) as app:
            assert len(file.records()) == 1
            flush(app)


def test_two_apps_of_one_process(file: File) -> None:
    with (
        TaskApp("mail", store=file.url),
        pytest.raises(StoreInUse, match=f"this process \\(pid {os.getpid()}\\)"),
        TaskApp("other", store=file.url),
    ):
        pass


def test_the_file_is_for_its_user_alone(file: File) -> None:
    with TaskApp("mail", store=file.url):
        assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_relative_path_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = TaskApp("mail", store="sqlite:///mail.db")
    assert not (tmp_path / "mail.db").exists()
    with app:
        assert (tmp_path / "mail.db").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system can't do that")
def test_processes_of_the_pool_end_with_their_app(file: File) -> None:
    """A kill -9 of the app ends those too that are in the midst of a call: its next life begins
    that call anew."""
    pipe = f"{file.path}.pipe"
    os.mkfifo(pipe)
    with (
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.app.durable.pooled", str(file.path)],
            cwd=ROOT,
        ) as process,
        open(os.open(pipe, os.O_RDWR)) as said,
    ):
        try:
            workers = {int(said.readline()) for _ in range(3)}  # one of them twice
            watched = [os.pidfd_open(pid) for pid in workers]
            poller = select.poll()
            for each in watched:
                poller.register(each, select.POLLIN)
            assert len(watched) == 2
            assert not poller.poll(0)
        finally:
            process.kill()
        process.wait(PATIENCE)
        left = set(watched)
        while left:
            ready = poller.poll(WITHIN * 1000)
            assert ready, f"{len(left)} of {len(watched)} have outlived their app"
            for descriptor, _ in ready:
                left.remove(descriptor)
                poller.unregister(descriptor)
                os.close(descriptor)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(file: File, how: signal.Signals) -> None:
    """What has not begun is on disk afterwards."""
    source = """
import sys, asyncio
from task_thread import run
from task_thread.app import TaskApp
class App(TaskApp):
    async def enter__(self):
        await super().enter__()
        work.add_task("a", delay=3600)
        print("ready", flush=True)
app = App("mail", store=sys.argv[1])
@app.task
async def work(name): pass
raise SystemExit(run(app))
"""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source, file.url], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(how)
        assert process.wait(PATIENCE) == 0
    assert [run["args"] for run in file.records().values()] == [["a"]]


def test_a_loop_of_its_own_takes_no_part_in_it(file: File) -> None:
    """The app can be run from a coroutine as well."""

    async def main() -> None:
        async with TaskApp("mail", store=file.url) as app:

            @app.task
            async def work() -> int:
                return 1

            assert await work.add_task() == 1

    asyncio.run(main())
    assert file.only()["status"] == "succeeded"
