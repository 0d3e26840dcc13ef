"""Processes: what a call gives, and what does not break a worker."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from task_thread.app.processes import Collected, Processes
from task_thread.errors import RunFailed, ThreadEnded, WorkerDied
from tests.app.pools import targets
from tests.app.pools.rooms import in_processes


async def is_same_worker(processes: Processes, pid: int) -> bool:
    """Whether there is one worker, that one, and it gives the right answers."""
    assert await processes.call(targets.add, (20, 3), {}) == 23
    return await processes.call(targets.pid, (), {}) == pid and processes.pids() == [pid]


# ---- what a call gives ------------------------------------------------------------------------


def test_apply_calls_f_with_its_arguments_and_keywords() -> None:
    async def work(processes: Processes) -> None:
        given = await processes.call(targets.give, (1, [2]), {"three": {"4": 5}})
        assert given == ((1, [2]), {"three": {"4": 5}})
        assert await processes.call(targets.pid, (), {}) != os.getpid()
        assert await processes.call(targets.decorated.fn, (5,), {}) == 15
        assert await processes.call(targets.Cup(3).fill, (4,), {}) == 12
        big = os.urandom(5_000_000)
        assert await processes.call(targets.give, (big,), {}) == ((big,), {})

    in_processes(work)


def test_workers_are_fresh_and_never_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MARK", "changed in the app")

    def no_fork() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", no_fork)

    async def work(processes: Processes) -> None:
        stop = threading.Event()
        other = threading.Thread(target=stop.wait)
        other.start()
        try:
            assert await processes.call(targets.mark_and_threads, (), {}) == ("as imported", 1)
        finally:
            stop.set()
            other.join()

    in_processes(work)


def test_a_raising_target_completes_with_its_error_and_gives_its_slot_back() -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        with pytest.raises(targets.Specific) as raised:
            await processes.call(targets.raise_specific, (7,), {})
        assert raised.value.code == 7
        assert processes.busy == 0
        assert await is_same_worker(processes, pid)
        shown = "".join(traceback.format_exception(raised.value))
        assert "In its process:" in shown
        assert "in raise_specific" in shown
        assert "inworker" not in shown  # that is our affair

    in_processes(work)


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError("own")]
)
def test_what_would_end_an_interpreter_comes_to_the_caller(error: BaseException) -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        with pytest.raises(type(error)) as raised:
            await processes.call(targets.raise_it, (error,), {})
        assert raised.value.args == error.args
        assert await is_same_worker(processes, pid)

    in_processes(work)


def test_a_stop_iteration_is_the_cause_of_a_runtime_error() -> None:
    async def work(processes: Processes) -> None:
        with pytest.raises(RuntimeError) as raised:
            await processes.call(targets.raise_it, (StopIteration(1),), {})
        assert isinstance(raised.value.__cause__, StopIteration)

    in_processes(work)


def test_a_generator_comes_back_as_what_it_yielded_and_returned() -> None:
    async def work(processes: Processes) -> None:
        given = await processes.call(targets.count, (3,), {})
        assert given == Collected([0, 1, 2], "the end")
        with pytest.raises(ValueError, match="in the midst"):
            await processes.call(targets.fail_after, (3,), {})

    in_processes(work)


# ---- what can't travel ------------------------------------------------------------------------


def test_what_can_not_be_pickled_is_an_error_of_that_call_only() -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        with pytest.raises(TypeError, match="argument 1 of give, a lock"):
            await processes.call(targets.give, (threading.Lock(),), {})
        with pytest.raises(TypeError, match="what it returned, a lock, can't leave its process"):
            await processes.call(targets.give_lock, (), {})
        with pytest.raises(LookupError, match="can't be read here") as raised:
            await processes.call(targets.give, (targets.UnreadableThere(),), {})
        assert "while the worker process read the arguments" in "".join(raised.value.__notes__)
        with pytest.raises(TypeError, match=r"give_unreadable returned .* can't be read at home"):
            await processes.call(targets.give_unreadable, (os.getpid(),), {})
        assert processes.busy == 0
        assert await is_same_worker(processes, pid)

    in_processes(work)


@pytest.mark.parametrize(
    ("fn", "words"),
    [(targets.raise_odd, "Odd: odd one"), (targets.raise_lambda, "ValueError: <function")],
)
def test_an_error_that_can_not_travel_is_told_in_words(fn: Any, words: str) -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        with pytest.raises(RunFailed, match=words) as raised:
            await processes.call(fn, (), {})
        assert f"in {fn.__name__}" in raised.value.traceback
        assert await is_same_worker(processes, pid)

    in_processes(work)


# ---- what does not break a worker -------------------------------------------------------------


def test_what_is_printed_and_read_there_does_not_break_the_worker() -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        assert await processes.call(targets.print_everywhere, (), {}) == ""
        assert await is_same_worker(processes, pid)

    in_processes(work)


def test_ctrl_c_does_not_reach_a_worker() -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        assert await processes.call(targets.interrupt_me, (), {}) == "still here"
        os.kill(pid, signal.SIGINT)  # while it is idle
        assert await is_same_worker(processes, pid)

    in_processes(work)


# ---- workers that die -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "argument", "words"),
    [
        (targets.exit_hard, 3, "to call exit_hard ended with exit code 3"),
        (targets.exit_hard, 0, "to call exit_hard ended with exit code 0"),
        (targets.kill_me, signal.SIGKILL, "to call kill_me was ended by SIGKILL"),
        (targets.kill_me, signal.SIGTERM, "to call kill_me was ended by SIGTERM"),
    ],
)
def test_a_worker_that_dies_fails_that_call_only(
    fn: Any, argument: int, words: str, tmp_path: Path
) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)

    async def work(processes: Processes) -> None:
        other = asyncio.create_task(processes.call(targets.read_all, (pipe,), {}))
        with pytest.raises(WorkerDied, match=words):
            await processes.call(fn, (argument,), {})
        assert processes.busy == 1
        assert await processes.call(targets.add, (1, 2), {}) == 3
        await asyncio.to_thread(targets.write, pipe, "unharmed")
        assert await other == "unharmed"
        assert len(processes.pids()) == 2

    in_processes(work)


async def kill(pid: int) -> None:
    """Kill it, and wait until it is dead (the pool may not know yet)."""
    handle = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(select.select, [handle], [], [])
    finally:
        os.close(handle)


def test_a_worker_that_was_killed_while_idle_is_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    died: list[str] = []

    async def work(processes: Processes) -> None:
        for _ in range(8):
            pid = await processes.call(targets.pid, (), {})
            await kill(pid)
            # It may be known by now, or be found out by the call: which fails then, alone. Its exit
            # code is known in either case, though subprocess and asyncio both want to have it.
            try:
                other = await processes.call(targets.pid, (), {})
            except WorkerDied as error:
                died.append(str(error))
                other = await processes.call(targets.pid, (), {})
            assert other != pid
            assert processes.pids() == [other]
        assert all("was ended by SIGKILL" in text for text in died)
        assert caplog.text == ""

    in_processes(work)


def test_a_reply_out_of_step_ends_the_worker() -> None:
    async def work(processes: Processes) -> None:
        pid = await processes.call(targets.pid, (), {})
        assert processes._pool is not None
        (worker,) = processes._pool.workers
        assert worker.stdin is not None
        await worker.stdin.send(b"no pickle\n")  # what it answers belongs to no call
        with pytest.raises(WorkerDied, match="to call add answered out of step"):
            await processes.call(targets.add, (1, 2), {})
        assert processes.pids() == []
        assert await processes.call(targets.add, (1, 2), {}) == 3
        assert pid not in processes.pids()

    in_processes(work)


def test_closed_it_takes_no_call() -> None:
    async def work(processes: Processes) -> None:
        await processes.close()
        await processes.close()
        with pytest.raises(ThreadEnded, match="they don't call add"):
            await processes.call(targets.add, (1, 2), {})

    in_processes(work)
