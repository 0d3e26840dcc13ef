"""Ten thousand restarts leave nothing behind: no OS thread, no asyncio task, no descriptor, no
memory, no entry in a dictionary of the core's.

With an OS thread for each instance there are 2,000 of them; TASK_THREAD_RESTARTS says how many.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import pkgutil
import random
import threading
import tracemalloc
import weakref
from collections.abc import Sized
from typing import Any

import pytest

import task_thread.core
from task_thread import Handle, TaskThread
from task_thread.latch import Latch
from task_thread.signals import Request, Signal
from tests.proof.chaos.ledger import Load, inbox_of
from tests.proof.chaos.victims import FAILING, WELL
from tests.proof.test_cycles import descriptors, os_threads
from tests.proof.trees import PATIENCE, Planned, placed

GIVEN = os.environ.get("TASK_THREAD_RESTARTS", "")
RESTARTS = {"os": int(GIVEN) if GIVEN else 2_000, "virtual": int(GIVEN) if GIVEN else 10_000}
GROWTH = 40 * 1024
"""Bytes by which the later half of all restarts may grow: a thousand or five that left one small
object each would be more. One table that doubles its size at some point is less."""


def kept_by_the_core() -> dict[str, int]:
    """How many entries each collection at the top of one of the core's modules and classes has."""
    sizes: dict[str, int] = {}
    for info in pkgutil.iter_modules(task_thread.core.__path__, "task_thread.core."):
        module = importlib.import_module(info.name)
        owners: list[Any] = [module]
        owners += [each for each in vars(module).values() if isinstance(each, type)]
        for owner in owners:
            for name, value in list(vars(owner).items()):
                if isinstance(value, dict | list | set | weakref.WeakSet) and name[:2] != "__":
                    sizes[f"{owner.__name__}.{name}"] = len(value)
    return sizes


def kept_by(thread: TaskThread) -> dict[str, int]:
    """How many entries each collection inside of one living thread has."""
    engine: Any = thread._taskthread
    sizes: dict[str, int] = {}
    for part in ("life", "family", "crew", "inbox", "supervisor", "errands"):
        inner = getattr(engine, part)
        names = getattr(type(inner), "__slots__", None) or vars(inner)
        for name in names:
            value = getattr(inner, name, None)
            if isinstance(value, Sized) and not isinstance(value, str):
                sizes[f"{part}.{name}"] = len(value)
    # The keeper of the last one to end may be just about to end itself.
    sizes["life.aside"] = max(0, sizes["life.aside"] - 1)
    return sizes


class AllHandled(Request[None]):
    """Answered when all that came in before was handled: a child's end, for one."""


class Parent(TaskThread):
    """Supervises, and gives up never. It remembers all restarts within the window, so that is
    short here."""

    max_restarts = 10**9
    restart_window = 0.01

    async def signalHandler__(self, signal: Signal) -> bool | None:
        assert isinstance(signal, AllHandled)
        signal.reply(None)
        return None


class Mayfly(TaskThread):
    """Ends at its first signal, in the way that is next, until all are through."""

    def __init__(self, ways: list[str], done: Latch[None]) -> None:
        self.ways, self.done = ways, done
        self.end = ""
        super().__init__()

    async def enter__(self) -> None:
        self.post(Load("itself", 0))

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if not self.ways:
            self.done.set(None)
            return None
        self.end = self.ways.pop()
        if self.end in ("handler", "task", "later"):
            raise Planned
        await self.requestTerminate()
        return None

    async def stopping__(self) -> None:
        if self.end == "stopping__":
            raise Planned

    async def exit__(self) -> None:
        if self.end == "exit__":
            raise Planned


async def restart_often(parent: TaskThread, cls: type[Mayfly], ways: list[str]) -> Handle[Mayfly]:
    """Spawn one child that is restarted once for each of the `ways`."""
    done: Latch[None] = Latch()
    times = len(ways)
    child = await parent.spawn(cls, ways, done)
    assert await done.wait(PATIENCE + times / 100)
    assert child.restarts == times
    assert child.generation == times + 1
    return child


async def snapshot(parent: TaskThread) -> tuple[Any, ...]:
    """What must not grow."""
    await parent.ask(AllHandled(), timeout=PATIENCE)
    gc.collect()
    return (
        kept_by_the_core(),
        kept_by(parent),
        descriptors(),
        os_threads(),
        threading.active_count(),
        len(asyncio.all_tasks()),
        len(parent.children),
    )


@pytest.mark.timeout(60 + max(RESTARTS.values()) // 50)
@pytest.mark.parametrize(("above", "below"), [("os", "os"), ("os", "virtual"), ("virtual", "os")])
def test_many_restarts_leak_nothing(rng: random.Random, above: str, below: str) -> None:
    times = RESTARTS[below]

    def ways(count: int) -> list[str]:
        return rng.choices((*FAILING, *WELL), k=count)

    async def program() -> None:
        sizes: list[int] = []
        async with placed(Parent, above)() as parent:
            cls = placed(Mayfly, below)
            child = await restart_often(parent, cls, ways(100))
            await parent.delChild(child)
            before = await snapshot(parent)
            tracemalloc.start()
            try:
                for _ in range(10):
                    child = await restart_often(parent, cls, ways(times // 10))
                    inbox = inbox_of(child)
                    assert (inbox.depth, inbox.dead) == (0, 0)
                    assert inbox.handled == times // 10 + 1
                    await parent.delChild(child)
                    del child
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
            finally:
                tracemalloc.stop()
            assert await snapshot(parent) == before
        # What is on its way, and what the last garbage was, differs from look to look.
        assert min(sizes[5:]) - min(sizes[1:5]) < GROWTH, sizes

    asyncio.run(program())


@pytest.mark.parametrize("below", ["os", "virtual"])
def test_one_handle_that_is_restarted_all_the_time_does_not_grow(
    rng: random.Random, below: str
) -> None:
    """One child through all restarts: its handle, its inbox and its supervisor keep their size."""
    times = RESTARTS[below] // 4

    async def program() -> None:
        sizes: list[int] = []
        done: Latch[None] = Latch()
        gone: list[weakref.ref[TaskThread]] = []

        class Watched(placed(Mayfly, below)):  # type: ignore[misc]
            async def enter__(self) -> None:
                if len(self.ways) == times - times // 10:
                    gone.append(weakref.ref(self))
                if len(self.ways) % (times // 10) == 0:
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
                await super().enter__()

        async with Parent() as parent:
            tracemalloc.start()
            try:
                child = await parent.spawn(Watched, rng.choices(FAILING, k=times), done)
                assert await done.wait(PATIENCE + times / 100)
            finally:
                tracemalloc.stop()
            assert child.restarts == times
            # Instances are not kept: not by the next one, not by the handle, not by an error.
            gc.collect()
            assert len(gone) == 1
            assert gone[0]() is None
        assert min(sizes[6:]) - min(sizes[1:6]) < GROWTH, sizes

    asyncio.run(program())


def test_the_count_of_what_is_kept_sees_a_leak() -> None:
    """The books above are not blind: one entry more in the core is one that they see."""
    before = kept_by_the_core()
    engine = importlib.import_module("task_thread.core.engine")
    engine._numbers["nobody"] = iter(())
    try:
        assert kept_by_the_core() != before
    finally:
        del engine._numbers["nobody"]
    assert kept_by_the_core() == before
