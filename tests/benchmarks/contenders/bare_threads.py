"""Bare threads with loops: started one by one, known to run, stopped and joined; and bare tasks."""

from __future__ import annotations

import asyncio
import time
from time import perf_counter

from .loops import PATIENCE, LoopThread
from .resident import resident_kib, wake_ups

FIRST = 10  # started before memory is read, so that what is loaded once isn't counted
SETTLING = 1.0  # seconds until what follows the start has run out
IDLE_THREADS = 50


def start_and_stop(size: int) -> float:
    """Seconds to start that many, one after the other, and to stop and join them all."""
    began = perf_counter()
    threads = _start(size)
    _end(threads)
    return perf_counter() - began


def memory(size: int) -> float:
    """KiB of resident memory for each thread."""
    first = _start(FIRST)
    before = resident_kib()
    threads = _start(size)
    figure = (resident_kib() - before) / size
    _end(first + threads)
    return figure


def idle(size: int) -> float:
    """How often 50 idle threads woke up in that many seconds."""
    threads = _start(IDLE_THREADS)
    time.sleep(SETTLING)
    before = sum(wake_ups().values())
    time.sleep(size)
    figure = sum(wake_ups().values()) - before
    _end(threads)
    return figure


def _start(count: int) -> list[LoopThread]:
    threads = []
    for _ in range(count):
        thread = LoopThread()
        thread.start()
        threads.append(thread)
    return threads


def _end(threads: list[LoopThread]) -> None:
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.join()


async def _listen(queue: asyncio.Queue[object], running: asyncio.Event) -> None:
    running.set()
    await queue.get()


async def _start_task() -> asyncio.Task[None]:
    """Start a task that waits at a queue, and return when it runs."""
    running = asyncio.Event()
    task = asyncio.create_task(_listen(asyncio.Queue(), running))
    await running.wait()
    return task


async def _tasks(size: int) -> tuple[float, float]:
    tasks = [await _start_task() for _ in range(FIRST)]
    before = resident_kib()
    began = perf_counter()
    tasks += [await _start_task() for _ in range(size)]
    seconds = perf_counter() - began
    used = resident_kib() - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return seconds / size * 1e6, used / size


def task_memory(size: int) -> float:
    """KiB of resident memory for each task that waits at a queue of its own."""
    with LoopThread() as thread:
        return thread.submit(_tasks(size)).result(PATIENCE)[1]


def task_start(size: int) -> float:
    """Microseconds to start one task that waits at a queue of its own."""
    with LoopThread() as thread:
        return thread.submit(_tasks(size)).result(PATIENCE)[0]
