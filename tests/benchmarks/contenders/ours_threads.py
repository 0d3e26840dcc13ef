"""Many children of one root: started one by one, then stopped with it."""

from __future__ import annotations

import time
from time import perf_counter

from task_thread import TaskThread, VirtualThread

from .resident import resident_kib, wake_ups

FIRST = 10  # started before memory is read, so that what is loaded once isn't counted
SETTLING = 1.0  # seconds until what follows the start has run out
IDLE_THREADS = 50


class Child(TaskThread):
    """An idle thread."""


class VirtualChild(VirtualThread):
    """An idle virtual thread."""


class Root(TaskThread):
    """Starts its children when it is entered; knows what each of them cost."""

    stop_timeout = 60.0

    def __init__(self, kind: type[TaskThread], count: int) -> None:
        self._kind = kind
        self._count = count
        self.start_each = 0.0  # microseconds
        self.memory_each = 0.0  # KiB
        super().__init__()

    async def enter__(self) -> None:
        """Start the children, one after the other."""
        for _ in range(FIRST):
            await self._kind(parent=self).run()
        before = resident_kib()
        began = perf_counter()
        for _ in range(self._count):
            await self._kind(parent=self).run()
        seconds = perf_counter() - began
        self.memory_each = (resident_kib() - before) / self._count
        self.start_each = seconds / self._count * 1e6


class PlainRoot(TaskThread):
    """Starts its children when it is entered, and looks at nothing."""

    stop_timeout = 60.0

    def __init__(self, count: int) -> None:
        self._count = count
        super().__init__()

    async def enter__(self) -> None:
        """Start the children, one after the other."""
        for _ in range(self._count):
            await Child(parent=self).run()


def start_and_stop(size: int) -> float:
    """Seconds to start a root with that many TaskThreads and to stop it."""
    began = perf_counter()
    with PlainRoot(size):
        pass
    return perf_counter() - began


def memory(size: int) -> float:
    """KiB of resident memory for each TaskThread."""
    with Root(Child, size) as root:
        return root.memory_each


def virtual_memory(size: int) -> float:
    """KiB of resident memory for each VirtualThread."""
    with Root(VirtualChild, size) as root:
        return root.memory_each


def virtual_start(size: int) -> float:
    """Microseconds to start one VirtualThread."""
    with Root(VirtualChild, size) as root:
        return root.start_each


def idle(size: int) -> float:
    """How often an idle tree of 50 OS threads woke up in that many seconds."""
    with PlainRoot(IDLE_THREADS - 1):
        time.sleep(SETTLING)
        before = sum(wake_ups().values())
        time.sleep(size)
        return sum(wake_ups().values()) - before
