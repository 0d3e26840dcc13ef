"""Processes of whole programs: Ctrl-C, kill -9, functions of __main__, and no noise from any."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, os, sys, time
from task_thread.app.processes import Processes

def triple(number):
    return 3 * number

def hang(path):
    with open(path, "w") as pipe:
        pipe.write(str(os.getpid()))
    time.sleep(1000)

async def main():
    processes = Processes()
    print("triple", await processes.call(triple, (5,), {}), flush=True)
    if len(sys.argv) > 1:
        try:
            await processes.call(hang, (sys.argv[1],), {})
        except asyncio.CancelledError:
            print("interrupted", flush=True)
    await processes.close()
    print("closed", flush=True)

"""
GUARD = "if __name__ == '__main__':\n    "
RUN = "asyncio.run(main())\n"


def program(folder: Path, text: str, *arguments: str) -> subprocess.Popen[str]:
    path = folder / "program.py"
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )


def pipe_in(folder: Path) -> str:
    path = str(folder / "pipe")
    os.mkfifo(path)
    return path


def pid_from(path: str) -> int:
    with open(path) as pipe:
        return int(pipe.read())


def test_a_function_of_main_is_called_and_nothing_is_noisy(tmp_path: Path) -> None:
    running = program(tmp_path, PROGRAM + GUARD + RUN)
    out, err = running.communicate(timeout=50)
    assert (running.returncode, out, err) == (0, "triple 15\nclosed\n", "")


def test_a_program_without_a_guard_is_told_what_it_lacks(tmp_path: Path) -> None:
    running = program(tmp_path, PROGRAM + RUN)
    _, err = running.communicate(timeout=50)
    assert running.returncode == 1
    assert "WorkerDied" in err
    assert "belongs under if __name__ == '__main__'" in err


def test_ctrl_c_in_a_terminal_is_the_programs_own_affair(tmp_path: Path) -> None:
    pipe = pipe_in(tmp_path)
    running = program(tmp_path, PROGRAM + GUARD + RUN, pipe)
    pid_from(pipe)  # the worker is in its call
    os.killpg(running.pid, signal.SIGINT)  # to all processes of the group, as a terminal does
    out, err = running.communicate(timeout=50)
    assert out == "triple 15\ninterrupted\nclosed\n"
    # asyncio.run() ends so on Ctrl-C; of the worker there is not a word.
    assert err.count("Traceback") in (0, 1)
    assert "worker" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
def test_a_worker_in_a_call_dies_with_its_app(tmp_path: Path) -> None:
    pipe = pipe_in(tmp_path)
    running = program(tmp_path, PROGRAM + GUARD + RUN, pipe)
    handle = os.pidfd_open(pid_from(pipe))
    try:
        running.kill()
        running.communicate(timeout=50)
        ended, _, _ = select.select([handle], [], [], 20)
        assert ended
    finally:
        os.close(handle)
