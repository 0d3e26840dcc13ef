"""Fresh interpreters, and contenders taking turns in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .model import Benchmark, Contender, Python, Results, Series

REPOSITORY = Path(__file__).resolve().parents[2]
PEER_FOLDER_VARIABLE = "TASK_THREAD_BENCH_PEER"
FREE_PYTHON_VARIABLE = "TASK_THREAD_FT_PYTHON"
PEER_INSTALL = "pip install --target .bench-peer --no-deps task-virtualthread==0.0.3"
TIME_LIMIT = 180.0  # seconds one measurement may take before it counts as failed

Progress = Callable[[Benchmark, Contender, int, int], None]


def run_benchmark(benchmark: Benchmark, *, rounds: int, quick: bool, progress: Progress) -> Results:
    """Let the contenders take turns for that many rounds (times the benchmark's weight)."""
    series = tuple(Series(contender) for contender in benchmark.contenders)
    size = benchmark.quick_size if quick else benchmark.size
    total = benchmark.rounds(rounds)
    for number in range(1, total + 1):
        for one in series:
            if not one.is_out:
                progress(benchmark, one.contender, number, total)
                take_turn(one, size)
            if one.is_out:
                one.figures.append(None)
    return Results(benchmark, series)


def take_turn(series: Series, size: int) -> None:
    """Measure once and note the figure, or what stood against it."""
    try:
        command, environment = prepare(series.contender, size)
    except FileNotFoundError as error:
        series.missing = str(error)
        return
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        series.failure = f"no figure within {TIME_LIMIT:.0f} s"
        return
    if done.returncode != 0 or not done.stdout.strip():
        series.failure = last_line(done.stderr) or f"exit code {done.returncode}"
        return
    answer = json.loads(last_line(done.stdout))
    if "missing" in answer:
        series.missing = answer["missing"]
    else:
        series.figures.append(float(answer["figure"]))


def prepare(contender: Contender, size: int) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of one measurement.

    :raises FileNotFoundError: where the interpreter or the peer isn't there, saying what to do.
    """
    environment = dict(os.environ)
    path = [str(REPOSITORY)]
    executable = sys.executable
    if contender.python is Python.PEER:
        # Before the repository: the original library is imported by our own name.
        path.insert(0, str(peer_folder()))
    if contender.python is Python.FREE:
        executable = free_threaded_python()
        environment["PYTHON_GIL"] = "0"
    environment["PYTHONPATH"] = os.pathsep.join(path)
    # -P keeps the working directory off the path, where it would come before PYTHONPATH.
    worker = [executable, "-P", "-m", "tests.benchmarks.worker"]
    numbers = [str(number) for number in (size, *contender.arguments)]
    return [*worker, contender.call, *numbers], environment


def peer_folder() -> Path:
    """The folder that holds the original library.

    :raises FileNotFoundError: where it isn't installed.
    """
    folder = Path(os.environ.get(PEER_FOLDER_VARIABLE, REPOSITORY / ".bench-peer"))
    if not (folder / "task_thread" / "manage.py").exists():
        raise FileNotFoundError(PEER_INSTALL)
    return folder.resolve()


def free_threaded_python() -> str:
    """The free-threaded interpreter that the environment names.

    :raises FileNotFoundError: where it names none, or one that isn't there.
    """
    executable = os.environ.get(FREE_PYTHON_VARIABLE)
    if executable is None:
        raise FileNotFoundError(f"set {FREE_PYTHON_VARIABLE}")
    path = Path(executable)
    # absolute(), not resolve(): behind its link a virtual environment's python is the base one.
    absolute = path.absolute()
    if not absolute.exists():
        raise FileNotFoundError(f"{FREE_PYTHON_VARIABLE} names no file: {executable}")
    return str(absolute)


def free_threaded_version() -> str | None:
    """What the free-threaded interpreter calls itself; None where there is none."""
    try:
        command = [free_threaded_python(), "--version"]
    except FileNotFoundError:
        return None
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def last_line(text: str) -> str:
    """The last line that isn't blank, or an empty text."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
