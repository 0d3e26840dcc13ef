"""Processes: cancelled, closed, left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from anyio import to_process

from task_thread import TaskThread, reCreate
from task_thread.app.processes import Processes
from task_thread.errors import WorkerDied
from task_thread.testing import StartThread
from tests.app.pools import targets
from tests.app.pools.rooms import in_processes, seeded


def is_gone(pid: int) -> bool:
    """Whether the system has it no more, not even as one that has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def hangs(processes: Processes, folder: Path) -> tuple[asyncio.Task[Any], int]:
    """A call that does not return, and the process that it is in."""
    pipe = str(folder / "pipe")
    os.mkfifo(pipe)
    task = asyncio.create_task(processes.call(targets.forever, (pipe,), {}))
    pid = int(await asyncio.to_thread(targets.read_all, pipe))
    os.unlink(pipe)
    return task, pid


# ---- cancelled --------------------------------------------------------------------------------


def test_cancelling_kills_the_worker(tmp_path: Path) -> None:
    async def work(processes: Processes) -> None:
        other = await processes.call(targets.pid, (), {})
        task, pid = await hangs(processes, tmp_path)
        assert pid == other
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert is_gone(pid)
        assert processes.busy == 0
        assert processes.pids() == []
        assert await processes.call(targets.add, (1, 2), {}) == 3

    in_processes(work)


def test_a_cancel_while_the_worker_starts_leaves_nothing() -> None:
    luck = seeded()

    async def work(processes: Processes) -> None:
        for _ in range(12):
            task = asyncio.create_task(processes.call(targets.add, (1, 2), {}))
            await asyncio.wait([task], timeout=luck.uniform(0.0, 0.4))
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result() == 3
            assert processes.busy == 0
            assert len(processes.pids()) <= 1
        assert await processes.call(targets.add, (1, 2), {}) == 3

    in_processes(work)


def test_a_second_cancel_leaves_nothing(tmp_path: Path) -> None:
    async def work(processes: Processes) -> None:
        for turns in range(6):
            task, pid = await hangs(processes, tmp_path)
            task.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert pid not in processes.pids()

    in_processes(work)


# ---- closed -----------------------------------------------------------------------------------


def test_close_waits_for_calls_and_ends_all(tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)

    async def work(processes: Processes) -> None:
        task = asyncio.create_task(processes.call(targets.read_all, (pipe,), {}))
        pid = await processes.call(targets.pid, (), {})
        closing = asyncio.create_task(processes.close())
        await asyncio.sleep(0)
        assert not closing.done()
        await asyncio.to_thread(targets.write, pipe, "done")
        await closing
        assert await task == "done"
        assert is_gone(pid)

    in_processes(work)


def test_close_that_is_cancelled_kills_what_runs(tmp_path: Path) -> None:
    async def work(processes: Processes) -> None:
        task, pid = await hangs(processes, tmp_path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await processes.close()
        assert is_gone(pid)
        with pytest.raises(WorkerDied, match="to call forever was ended by SIGKILL"):
            await task

    in_processes(work)


def test_close_that_is_cancelled_while_a_worker_starts() -> None:
    async def work(processes: Processes) -> None:
        task = asyncio.create_task(processes.call(targets.add, (1, 2), {}))
        await asyncio.sleep(0)
        closing = asyncio.create_task(processes.close())
        await asyncio.sleep(0.01)  # a while after which it is starting, mostly
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        with pytest.raises(WorkerDied):
            await task

    in_processes(work)


def test_many_ends_at_random_moments_leave_nothing() -> None:
    luck = seeded()

    async def once(processes: Processes) -> None:
        calls: list[tuple[Callable[..., Any], tuple[int, ...]]] = [
            (targets.add, (1, 2)),
            (targets.exit_hard, (1,)),
            (targets.kill_me, (signal.SIGKILL,)),
        ]
        tasks = [asyncio.create_task(processes.call(fn, args, {})) for fn, args in calls]
        await asyncio.sleep(luck.uniform(0.0, 1.0))
        for task in tasks:
            if luck.random() < 0.5:
                task.cancel()
        await asyncio.wait(tasks)
        for task in tasks[1:]:
            assert task.cancelled() or isinstance(task.exception(), WorkerDied)

    for _ in range(4):
        in_processes(once)


# ---- whose loop -------------------------------------------------------------------------------


class Caller(TaskThread):
    """Calls in tasks that end, on a loop that somebody runs forever."""

    async def enter__(self) -> None:
        self.processes = Processes()
        self.pids: list[int] = []
        await reCreate(None, self._call)

    async def _call(self) -> None:
        self.pids.append(await self.processes.call(targets.pid, (), {}))
        if len(self.pids) < 4:
            await reCreate(None, self._call)  # another task: this one ends
        else:
            await self.requestTerminate()

    async def exit__(self) -> None:
        await self.processes.close()


def test_workers_outlive_the_task_that_made_the_first_call(start_thread: StartThread) -> None:
    caller = start_thread(Caller())
    start_thread.wait(caller.join(), timeout=50)
    assert len(caller.pids) == 4
    assert len(set(caller.pids)) == 1
    assert is_gone(caller.pids[0])


def test_two_pools_after_each_other_on_one_loop_and_one_of_anyios() -> None:
    async def work(processes: Processes) -> None:
        before = await to_process.run_sync(targets.pid)
        one = await processes.call(targets.pid, (), {})
        await processes.close()
        assert is_gone(one)
        second = Processes()
        two = await second.call(targets.pid, (), {})
        assert two != one
        await second.close()
        assert is_gone(two)
        assert await to_process.run_sync(targets.pid) == before != one

    asyncio.run(_with_processes(work))


async def _with_processes(work: Callable[[Processes], Coroutine[Any, Any, None]]) -> None:
    await work(Processes())
