"""A supervised child that crashes and comes again, over and over."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc
from concurrent.futures import Future
from pathlib import Path
from statistics import median
from time import perf_counter

from task_thread import TaskThread, VirtualThread
from task_thread.signals import Signal

from ..model import UnmeasurableError
from .loops import PATIENCE

WARM_UP = 20  # restarts ahead of the measured ones
CALM = 0.002  # seconds from a first signal to the next crash: all has settled by then


class Crash(Signal):
    """The handler raises."""


class First(Signal):
    """Waits behind the crash, for the next instance."""


class Watch:
    """Takes the time from each crash to the next instance's first signal, in microseconds."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._crashed_at = 0.0
        self._times: list[float] = []
        self.median: Future[float] = Future()

    def crashed(self) -> None:
        """The handler is about to raise. On the child's loop."""
        self._crashed_at = perf_counter()

    def handled(self) -> bool:
        """The next instance handles its first signal. Whether another crash is wanted."""
        self._times.append((perf_counter() - self._crashed_at) * 1e6)
        self._left -= 1
        if not self._left:
            self.median.set_result(median(self._times[WARM_UP:]))
        return self._left > 0


class Child(TaskThread):
    """Crashes when it is told to."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        super().__init__()

    async def signalHandler__(self, signal: Signal) -> None:
        """Crash, or say that one is there again and ask for the next crash."""
        if isinstance(signal, Crash):
            self.watch.crashed()
            raise RuntimeError("told to")
        if self.watch.handled():
            asyncio.get_running_loop().call_later(CALM, self.go_on)

    def go_on(self) -> None:
        """Ask for the next crash."""
        self.post(Crash())
        self.post(First())


class VirtualChild(Child, VirtualThread):
    """The same on its parent's loop."""


class Root(TaskThread):
    """Supervises one child."""

    max_restarts = 10**9

    def __init__(self, kind: type[Child], count: int) -> None:
        self._kind = kind
        self.watch = Watch(count)
        super().__init__()

    async def enter__(self) -> None:
        """Spawn the child, and let it begin."""
        child = await self.spawn(self._kind, self.watch)
        child.post(Crash())
        child.post(First())


def own_loop(size: int) -> float:
    """Microseconds from a crash to the next instance's first signal, with an OS thread each."""
    return _median(Child, size)


def virtual(size: int) -> float:
    """The same on the parent's loop."""
    return _median(VirtualChild, size)


def _median(kind: type[Child], size: int) -> float:
    logging.disable(logging.CRITICAL - 1)  # as in a program that keeps quiet
    with Root(kind, size + WARM_UP) as root:
        return root.watch.median.result(PATIENCE)


class Mayfly(TaskThread):
    """Ends at its first signal, so many times, and says when it is the last."""

    def __init__(self, left: list[int], done: Future[None]) -> None:
        self._left, self._done = left, done
        super().__init__()

    async def enter__(self) -> None:
        """Have something to crash over."""
        self.post(Crash())

    async def signalHandler__(self, signal: Signal) -> None:
        """Crash, unless it was enough."""
        self._left[0] -= 1
        if self._left[0]:
            raise RuntimeError("told to")
        self._done.set_result(None)


class Nursery(TaskThread):
    """Supervises, and gives up never. It remembers all restarts within the window, so that is
    short here."""

    max_restarts = 10**9
    restart_window = 0.01


def _restart(nursery: Nursery, times: int) -> None:
    """Spawn a child, let it be restarted so often, and forget it."""
    done: Future[None] = Future()

    class Begin(TaskThread):
        """Spawns from within, since the main thread has no loop."""

        async def enter__(self) -> None:
            child = await nursery.spawn(Mayfly, [times + 1], done)
            await asyncio.wrap_future(done)
            assert child.restarts == times
            await nursery.delChild(child)

    with Begin():
        pass


def left_behind(size: int) -> float:
    """OS threads, descriptors and asyncio tasks that so many restarts leave behind."""
    logging.disable(logging.CRITICAL - 1)
    with Nursery() as nursery:
        _restart(nursery, WARM_UP)
        before = _belongings()
        _restart(nursery, size)
        return _belongings() - before


def _belongings() -> int:
    gc.collect()
    if not Path("/proc/self/fd").exists():
        raise UnmeasurableError("needs Linux's /proc")
    threads, files = Path("/proc/self/task"), Path("/proc/self/fd")
    tasks = sum(isinstance(thing, asyncio.Task) for thing in gc.get_objects())
    return len(list(threads.iterdir())) + len(list(files.iterdir())) + tasks


def growth(size: int) -> float:
    """Bytes of memory that each of so many restarts leaves behind, counted by tracemalloc over the
    second half of them: what fills up once, as caches do, is full by then."""
    logging.disable(logging.CRITICAL - 1)
    with Nursery() as nursery:
        tracemalloc.start()
        _restart(nursery, size // 2)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        _restart(nursery, size // 2)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return max(0.0, (after - before) / (size // 2))
