"""What it costs to look at a tree: snapshots, the dashboard with a viewer, the watch."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from concurrent.futures import Future
from statistics import median
from time import perf_counter, process_time
from typing import Any

from task_thread import TaskThread
from task_thread.monitor.dashboard import Dashboard
from task_thread.monitor.snapshot import snapshot
from task_thread.monitor.watch import Watch

from .loops import PATIENCE

FANOUT = 10  # children of each thread that has any
LOOKS = 20  # snapshots in one measurement
SETTLING = 2.0  # seconds until what follows a start has run out

VIEWER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1] + "events", timeout=60) as answer:
    for line in answer:
        if line.startswith(b"data:"):
            print(len(line), flush=True)
"""


class Branch(TaskThread):
    """Has some children, which have some, until there are as many as there shall be."""

    stop_timeout = 60.0

    def __init__(self, sizes: list[int], parent: TaskThread | None = None) -> None:
        self._sizes = sizes
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        """Start the children, one after the other."""
        for size in self._sizes:
            await self.spawn(Branch, split(size - 1))


class Root(Branch):
    """The topmost, with what looks at the tree beside its branches."""

    def __init__(self, size: int, watcher: type[TaskThread] | None = None) -> None:
        self._watcher = watcher
        self.looking: Future[Any] = Future()
        super().__init__(split(size - 1))

    async def enter__(self) -> None:
        """Start the branches, then the watcher."""
        await super().enter__()
        if self._watcher is Dashboard:
            self.looking.set_result(await self.spawn(Dashboard, port=0))
        elif self._watcher is not None:
            self.looking.set_result(await self.spawn(self._watcher, self))


def split(count: int) -> list[int]:
    """Share `count` threads out to at most FANOUT children."""
    share, rest = divmod(count, FANOUT)
    return [each for each in (share + (number < rest) for number in range(FANOUT)) if each]


def snapshot_time(size: int) -> float:
    """Milliseconds for a snapshot of that many threads."""
    with Root(size) as root:
        times = []
        for _ in range(LOOKS):
            began = perf_counter()
            node = snapshot(root)
            times.append((perf_counter() - began) * 1e3)
        assert sum(1 for _ in node.walk()) == size
        return median(times)


def turns(size: int) -> float:
    """How many turns all loops together made because of LOOKS snapshots."""
    with Root(size) as root:
        time.sleep(SETTLING)
        before = _all_turns(root)
        for _ in range(LOOKS):
            snapshot(root)
        return _all_turns(root) - before


def _all_turns(thread: TaskThread) -> int:
    loop: Any = thread._taskthread.life.loop
    own: int = loop._selector.turn
    return own + sum(_all_turns(child) for child in thread.children)


def unwatched(size: int) -> float:
    """Percent of a core that an idle tree of 100 takes, over that many seconds."""
    return _share(size, None)


def watched(size: int) -> float:
    """The same with a Watch over it."""
    return _share(size, Watch)


def dashboard(size: int) -> float:
    """The same with a dashboard, and a viewer of its events in another process."""
    return _share(size, Dashboard)


def _share(seconds: int, watcher: type[TaskThread] | None) -> float:
    logging.disable(logging.CRITICAL - 1)
    with Root(100, watcher) as root:
        if watcher is not Dashboard:
            time.sleep(SETTLING)
            return _share_of(seconds)
        board = root.looking.result(PATIENCE)
        with subprocess.Popen(
            [sys.executable, "-c", VIEWER, board.thread.url], stdout=subprocess.PIPE, text=True
        ) as viewer:
            assert viewer.stdout is not None
            viewer.stdout.readline()  # it sees the first of them
            share = _share_of(seconds)
            viewer.kill()
            seen = len(viewer.stdout.readlines())
            assert seen >= seconds - 2, f"only {seen} events in {seconds} s"
        return share


def _share_of(seconds: int) -> float:
    began, used = perf_counter(), process_time()
    time.sleep(seconds)
    return (process_time() - used) / (perf_counter() - began) * 100
