"""CPU-bound signal handlers in TaskThreads."""

from __future__ import annotations

from concurrent.futures import Future
from time import perf_counter

from task_thread import TaskThread
from task_thread.signals import Signal

from .cpu_work import require_no_gil, work
from .loops import PATIENCE
from .placement import Place


class Worker(TaskThread):
    """Does a piece of work for each signal."""

    max_qsize = 0

    def __init__(self, pieces: int, place: Place, parent: TaskThread) -> None:
        self.left = pieces
        self.place = place
        self.ended: Future[float] = Future()
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        """Take one's place."""
        self.place.take()

    async def signalHandler__(self, signal: Signal) -> None:
        """Work for one signal."""
        work()
        self.left -= 1
        if self.left == 0:
            self.ended.set_result(perf_counter())


class Foreman(TaskThread):
    """Sends every worker its signals, then waits."""

    def __init__(self, workers: int, pieces: int) -> None:
        self.pieces = pieces
        self.began = 0.0
        self.count = workers
        self.workers: list[Worker] = []
        super().__init__()

    async def enter__(self) -> None:
        """Start the workers and give them their work."""
        for number in range(self.count):
            worker = Worker(self.pieces, Place(number, 2), self)
            await worker.run()
            self.workers.append(worker)
        self.began = perf_counter()
        for _ in range(self.pieces):
            await self.sigFromParentToChild__(Signal())


def _rate(workers: int, pieces: int) -> float:
    require_no_gil()
    with Foreman(workers, pieces) as foreman:
        ended = max(worker.ended.result(PATIENCE) for worker in foreman.workers)
        return workers * pieces / (ended - foreman.began)


def one(size: int) -> float:
    """Pieces of work per second in one TaskThread."""
    return _rate(1, size)


def two(size: int) -> float:
    """Pieces of work per second in two TaskThreads, together."""
    return _rate(2, size)
