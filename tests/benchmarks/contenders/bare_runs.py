"""A queue of runs in one asyncio loop, as one writes it first, and the least that it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .loops import PATIENCE, LoopThread, two_threads
from .placement import Place
from .runs import THREADS, gathered, rate_of_calls, rate_of_runs, same, same_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

NORMAL = 100


@dataclass(slots=True)
class Run:
    """What one wants to know of a run: its id, where it is, when it was what, what came of it."""

    priority: int
    number: int
    function: Callable[..., Awaitable[Any]]
    args: tuple[Any, ...]
    done: asyncio.Event | Event
    id: str = field(default_factory=lambda: uuid4().hex)
    status: str = "queued"
    queued: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    ended: datetime | None = None
    value: Any = None
    error: Exception | None = None

    def __lt__(self, other: Run) -> bool:
        return (self.priority, self.number) < (other.priority, other.number)


async def work(queue: asyncio.PriorityQueue[Run]) -> None:
    """The worker: one run after the other, each in an asyncio task so that it can be cancelled."""
    while True:
        run = await queue.get()
        run.status, run.started = "running", datetime.now(UTC)
        try:
            run.value = await asyncio.ensure_future(run.function(*run.args))
            run.status = "succeeded"
        except Exception as error:
            run.status, run.error = "failed", error
        run.ended = datetime.now(UTC)
        run.done.set()


def sketch(size: int) -> float:
    """Runs per second: a priority queue, one worker, a task for each run; all in one loop."""
    numbers = count()

    async def pour() -> float:
        queue: asyncio.PriorityQueue[Run] = asyncio.PriorityQueue()
        worker = asyncio.ensure_future(work(queue))

        async def add(number: int) -> Run:
            run = Run(NORMAL, next(numbers), same, (number,), asyncio.Event())
            await queue.put(run)
            return run

        async def results(runs: Sequence[Run]) -> list[int]:
            for run in runs:
                await run.done.wait()  # type: ignore[misc]
            return [run.value for run in runs]

        rate = await rate_of_runs(add, results, size)
        worker.cancel()
        await asyncio.wait([worker])
        return rate

    return _alone(pour)


def sketch_from_thread(size: int, cores: int) -> float:
    """The same worker; runs come from another thread, with one wake-up for all that wait."""
    numbers = count()
    adder, worker_thread = two_threads(cores)
    with adder, worker_thread:
        loop = worker_thread.loop
        lock, waiting = Lock(), deque[Run]()

        async def begin() -> tuple[asyncio.PriorityQueue[Run], asyncio.Task[None]]:
            queue: asyncio.PriorityQueue[Run] = asyncio.PriorityQueue()
            return queue, asyncio.create_task(work(queue))

        async def end() -> None:
            worker.cancel()
            await asyncio.wait([worker])

        async def pour() -> float:
            return rate_of_calls(add, results, size)

        def take_in() -> None:
            with lock:
                runs = list(waiting)
                waiting.clear()
            for run in runs:
                queue.put_nowait(run)

        def add(number: int) -> Run:
            run = Run(NORMAL, next(numbers), same, (number,), Event())
            with lock:
                waiting.append(run)
                is_first = len(waiting) == 1
            if is_first:
                loop.call_soon_threadsafe(take_in)
            return run

        def results(runs: Sequence[Run]) -> list[int]:
            for run in runs:
                run.done.wait()
            return [run.value for run in runs]

        queue, worker = worker_thread.submit(begin()).result(PATIENCE)
        rate = adder.submit(pour()).result(PATIENCE)
        worker_thread.submit(end()).result(PATIENCE)
        return rate


def least(size: int) -> float:
    """Runs per second with nothing but a heap, a future for each, and one worker that awaits."""
    heap: list[tuple[int, int, int, asyncio.Future[int]]] = []
    numbers = count()

    async def pour() -> float:
        loop, filled = asyncio.get_running_loop(), asyncio.Event()

        async def take_each() -> None:
            while True:
                await filled.wait()
                while heap:
                    _, _, number, future = heappop(heap)
                    future.set_result(await same(number))
                filled.clear()

        async def add(number: int) -> asyncio.Future[int]:
            future = loop.create_future()
            heappush(heap, (NORMAL, next(numbers), number, future))
            filled.set()
            return future

        worker = asyncio.ensure_future(take_each())
        rate = await rate_of_runs(add, gathered, size)
        worker.cancel()
        await asyncio.wait([worker])
        return rate

    return _alone(pour)


def executor(size: int) -> float:
    """Runs per second of a plain function in a ThreadPoolExecutor."""

    def results(futures: Sequence[Future[int]]) -> list[int]:
        return [future.result(PATIENCE) for future in futures]

    with ThreadPoolExecutor(THREADS) as pool:

        def add(number: int) -> Future[int]:
            return pool.submit(same_now, number)

        return rate_of_calls(add, results, size)


def _alone(pour: Callable[[], Any]) -> float:
    with LoopThread(Place(0, 1)) as thread:
        rate: float = thread.submit(pour()).result(PATIENCE)
        return rate
