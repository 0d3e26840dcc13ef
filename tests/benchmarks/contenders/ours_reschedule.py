"""Tasks that re-schedule themselves."""

from __future__ import annotations

from concurrent.futures import Future
from time import perf_counter

from task_thread import TaskThread, reCreate, reSchedule

from .loops import PATIENCE


class Ticker(TaskThread):
    """One task in a slot of its own, written as every task is."""

    def __init__(self, runs: int) -> None:
        self.left = runs
        self.began = 0.0
        self.seconds: Future[float] = Future()
        super().__init__()

    def initVars__(self) -> None:
        """Declare the slot."""
        self.tasks.tick = None

    async def enter__(self) -> None:
        """Start the task."""
        self.began = perf_counter()
        self.tasks.tick = await reCreate(self.tasks.tick, self.tick)

    async def tick(self) -> None:
        """Run again, until all runs are done."""
        self.left -= 1
        if self.left > 0:
            self.tasks.tick = await reSchedule(self.tick)
        else:
            self.seconds.set_result(perf_counter() - self.began)


class ManyTickers(TaskThread):
    """Tasks in a list of slots, each with its number and the runs that are left to it."""

    def __init__(self, runs: int, tasks: int) -> None:
        self.runs_each = runs // tasks
        self.tasks_left = tasks
        self.began = 0.0
        self.seconds: Future[float] = Future()
        super().__init__()

    def initVars__(self) -> None:
        """Declare the slots."""
        self.tasks.ticks = [None] * self.tasks_left

    async def enter__(self) -> None:
        """Start the tasks."""
        self.began = perf_counter()
        for slot in range(self.tasks_left):
            self.tasks.ticks[slot] = await reCreate(None, self.tick, slot, self.runs_each)

    async def tick(self, slot: int, left: int) -> None:
        """Run again, until this task's runs are done; the last task says how long all took."""
        left -= 1
        if left > 0:
            self.tasks.ticks[slot] = await reSchedule(self.tick, slot, left)
            return
        self.tasks_left -= 1
        if self.tasks_left == 0:
            self.seconds.set_result(perf_counter() - self.began)


def one(runs: int) -> float:
    """Runs per second of one task."""
    with Ticker(runs) as ticker:
        return runs / ticker.seconds.result(PATIENCE)


def many(runs: int, tasks: int) -> float:
    """Runs per second of all tasks together."""
    with ManyTickers(runs, tasks) as tickers:
        return runs / tickers.seconds.result(PATIENCE)
