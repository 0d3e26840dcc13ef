"""What the tests of tasks share: gates, logs of what happened, functions that processes import."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from task_thread.app import Run, RunStatus, TaskApp, TaskSet
from task_thread.latch import Latch

WITHIN = 10.0
"""Seconds within which whatever a test waits for has happened."""


class Gate:
    """Whoever comes says so, and stays until the gate is opened. For threads and loops."""

    def __init__(self) -> None:
        self._there = threading.Semaphore(0)
        self._open = Latch[None]()
        self.passed = 0

    def hold(self, *_: Any) -> str:
        """Come, and stay; in an OS thread."""
        self._there.release()
        assert self._open.wait_blocking(WITHIN * 2)
        self.passed += 1
        return "held"

    async def hold_async(self, *_: Any) -> str:
        """Come, and stay; in a coroutine."""
        self._there.release()
        assert await self._open.wait(WITHIN * 2)
        self.passed += 1
        return "held"

    def arrived(self, number: int = 1) -> None:
        """Wait until so many have come."""
        for _ in range(number):
            assert self._there.acquire(timeout=WITHIN), "nobody has come"

    def someone_comes(self, within: float) -> bool:
        """Whether one more comes within so many seconds."""
        return self._there.acquire(timeout=within)

    def open(self) -> None:
        """Let everyone go on."""
        self._open.set(None)


@contextmanager
def opened_at_last(*gates: Gate) -> Iterator[None]:
    """Open the gates at the end, however that comes."""
    try:
        yield
    finally:
        for gate in gates:
            gate.open()


class Notes:
    """A list that threads append to, and that a test waits for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._notes: list[Any] = []

    def add(self, note: Any) -> None:
        """Append one."""
        with self._changed:
            self._notes.append(note)
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._notes)

    @property
    def all(self) -> list[Any]:
        """All so far."""
        with self._changed:
            return list(self._notes)

    def wait_for(self, number: int, within: float = WITHIN) -> list[Any]:
        """All, once there are so many."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self._notes) >= number, within)
            assert there, f"{number} notes were to come, these came: {self._notes}"
            return list(self._notes)


def let_pass(app: TaskApp, seconds: float) -> None:
    """Let time pass in the app: it is a delayed run's time that is waited for."""
    app.task(nothing, id=f"time-{time.monotonic_ns()}").add_task(delay=seconds).wait(
        seconds + WITHIN
    )


def settled(app: TaskApp) -> None:
    """Return when the app's loop has done what it was asked to do before."""
    app.task(nothing, id=f"settled-{time.monotonic_ns()}", priority=0).add_task().wait(WITHIN)


async def nothing() -> None:
    """Do nothing."""


def outcome(run: Run[Any]) -> Any:
    """What the run gave or raised, once it has ended."""
    try:
        return run.wait(WITHIN)
    except BaseException as error:
        return error


def ended_counts(app: TaskApp) -> dict[RunStatus, int]:
    """How many runs have ended in which way, without those in which none has."""
    return {status: number for status, number in app.app_statistics().ended.items() if number}


# ---- for processes ----------------------------------------------------------------------------


def add(a: int, b: int = 0, *more: int, times: int = 1) -> int:
    """A sum."""
    return (a + b + sum(more)) * times


def pid() -> int:
    """Of the process that calls it."""
    return os.getpid()


JOBS = TaskSet()


@JOBS.task(executor="process")
def decorated(number: int) -> tuple[int, int]:
    """A task by its decorator, whose name leads to the Task and not to the function."""
    return os.getpid(), number


def die(code: int = 3) -> None:
    """End the process without a word."""
    os._exit(code)


def fail(text: str) -> None:
    """Raise."""
    raise LookupError(text)


def tell_and_hang(path: str, seconds: float = 60.0) -> None:
    """Write the process id to a file, and hang."""
    with open(path + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".part", path)
    time.sleep(seconds)


def come_and_hang(fifo: str, seconds: float = 60.0) -> None:
    """Write the process id to a pipe that somebody reads, and hang."""
    with open(fifo, "w") as pipe:
        pipe.write(str(os.getpid()))
    time.sleep(seconds)


def fail_once(path: str) -> str:
    """Raise, unless there is a file of that name; there is one the next time."""
    if os.path.exists(path):
        return "well"
    with open(path, "w"):
        raise LookupError("not yet")


def counting(number: int) -> Generator[int, Any, str]:
    """Yield numbers, and return a text."""
    yield from range(number)
    return f"counted {number}"


async def counting_async(number: int) -> AsyncIterator[int]:
    """Yield numbers."""
    for each in range(number):
        yield each


def is_alive(pid: int) -> bool:
    """Whether there is a process of that id that is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
