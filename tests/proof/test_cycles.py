"""A thousand lives, many of them ending badly, leave nothing behind: no OS thread, no asyncio
task, no descriptor, no memory, no object."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import threading
import tracemalloc
import weakref
from collections.abc import Callable

import pytest

from task_thread import State, TaskThread, VirtualThread, reCreate, reSchedule
from task_thread.errors import ThreadEnded
from task_thread.signals import Request, Signal
from tests.proof.trees import PATIENCE, Bookkeeper, Numbered, Planned, VirtualBookkeeper, placed

CRASHES = ("initVars__", "enter__", "signalHandler__", "childsignalHandler__", "childExited__",
           "stopping__", "exit__", "task", "inputOverflowHandler__", None, None)  # fmt: skip
GROWTH = 64 * 1024
"""Bytes by which the second half of the cycles may grow: a leak of one small object for each
would be more than twice that."""


class Question(Request[int]):
    """Half of the lives answer it."""


class Mortal(Bookkeeper):
    """Lives a short life with a child, two tasks and some signals, and may crash in `where`."""

    max_qsize = 4

    def __init__(self, parent: TaskThread | None, where: str | None) -> None:
        self.where = where
        super().__init__(parent)

    def crash(self, where: str) -> None:
        if where == self.where:
            raise Planned

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.tick = self.tasks.wait = None
        self.crash("initVars__")

    async def enter__(self) -> None:
        self.tasks.tick = await reCreate(self.tasks.tick, self.tick)
        self.tasks.wait = await reCreate(self.tasks.wait, asyncio.sleep, 3600)
        self.child = (Bookkeeper if self.where == "exit__" else VirtualBookkeeper)(self)
        await self.child.run()
        self.crash("enter__")

    async def tick(self) -> None:
        await asyncio.sleep(0)
        self.crash("task")
        self.tasks.tick = await reSchedule(self.tick)

    async def stopping__(self) -> None:
        self.crash("stopping__")

    async def exit__(self) -> None:
        self.crash("exit__")

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.crash("signalHandler__")
        if isinstance(signal, Question):
            signal.reply(1)
        return await super().signalHandler__(signal)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.crash("childsignalHandler__")

    async def childExited__(self, child: TaskThread, reason: object) -> None:
        self.crash("childExited__")

    async def inputOverflowHandler__(self, queue: object) -> None:
        self.crash("inputOverflowHandler__")


MORTALS = (Mortal, placed(Mortal, "virtual"))


async def bother(mortal: Mortal) -> None:
    """Send, ask, flood, end its child: whatever brings it to its crash."""
    with contextlib.suppress(ThreadEnded):
        if mortal.where == "signalHandler__" or mortal.where is None:
            with contextlib.suppress(ThreadEnded):
                assert await mortal.ask(Question(), timeout=PATIENCE) == 1
        elif mortal.where == "childsignalHandler__":
            await mortal.child.sigFromChildToParent__(Numbered("test", 1))
        elif mortal.where == "childExited__":
            await mortal.child.stop()
        elif mortal.where == "inputOverflowHandler__":
            for number in range(20):
                await mortal.insertSignal(Numbered("test", number))
        elif mortal.where == "task":
            await mortal.join()


async def live(parent: TaskThread | None, kind: type[Mortal], where: str | None) -> bool:
    """One life, from the constructor to the end. Whether it crashed."""
    try:
        mortal = kind(parent, where)
    except Planned:
        return True
    if parent is None:
        running = asyncio.create_task(mortal.run())
        if where != "enter__":
            # A root's run() returns at its end: ask() waits for the start in its inbox.
            with contextlib.suppress(ThreadEnded):
                await mortal.ask(Question(), timeout=PATIENCE)
            if mortal.state is State.RUNNING:
                await bother(mortal)
        if where in ("enter__", "task"):
            await mortal.join()
        await mortal.stop()
        with contextlib.suppress(Planned):
            await running
    else:
        with contextlib.suppress(Planned):
            await mortal.run()
            await bother(mortal)
        await mortal.stop()
    reason = await mortal.join()
    if where is None:
        assert reason.kind == "shutdown", reason
    elif reason.kind == "crash":
        assert isinstance(reason.exception, Planned), reason
    return reason.kind == "crash"


def descriptors() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def measured(cycle: Callable[[], None], times: int) -> int:
    """Run `cycle` so often, and return by how many bytes the second half has grown."""
    tracemalloc.start()
    try:
        for _ in range(times // 2):
            cycle()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(times // 2):
            cycle()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


@pytest.mark.parametrize("under", ["nobody", "an OS thread", "a virtual thread"])
def test_cycles_leak_nothing(rng: random.Random, under: str) -> None:
    """1,000 lives in all: as roots, and as children of a parent that lives on."""

    async def program() -> None:
        loop = asyncio.get_running_loop()
        parent: TaskThread | None = None
        if under != "nobody":
            parent = (Quiet if under == "an OS thread" else VirtualQuiet)()
            await parent.__aenter__()
        drawn = [(rng.choice(MORTALS), rng.choice(CRASHES)) for _ in range(34)]
        for kind in MORTALS:
            for where in CRASHES:  # once each, before anything is counted
                crashed = await live(parent, kind, where)
                # Whether an inbox overflows is a race; all other crashes do come.
                assert crashed is (where is not None) or where == "inputOverflowHandler__", where
        gc.collect()
        before = descriptors(), os_threads(), threading.active_count()
        tasks = len(asyncio.all_tasks())
        tracemalloc.start()
        sizes: list[int] = []
        for _ in range(10):
            for kind, where in drawn:
                await live(parent, kind, where)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert (descriptors(), os_threads(), threading.active_count()) == before
        assert len(asyncio.all_tasks()) == tasks
        assert sizes[-1] - sizes[4] < GROWTH, sizes
        if parent is not None:
            assert parent.children == []
            await parent.stop()
        assert asyncio.all_tasks(loop) == {asyncio.current_task()}

    asyncio.run(program())


class Quiet(TaskThread):
    """A parent that only goes on."""


class VirtualQuiet(VirtualThread):
    """The same as a virtual root."""


def test_synchronous_programs_leak_nothing() -> None:
    def cycle() -> None:
        with Quiet() as root:
            root.post(Numbered("test", 1))

    cycle()
    gc.collect()
    before = descriptors(), os_threads(), threading.active_count()
    assert measured(cycle, 200) < GROWTH
    assert (descriptors(), os_threads(), threading.active_count()) == before


@pytest.mark.parametrize("where", sorted({str(where) for where in CRASHES}))
@pytest.mark.parametrize("kind", MORTALS)
def test_an_ended_thread_can_be_collected(kind: type[Mortal], where: str) -> None:
    async def program() -> list[weakref.ref[TaskThread]]:
        references: list[weakref.ref[TaskThread]] = []

        class Watched(kind):  # type: ignore[misc, valid-type]
            def initVars__(self) -> None:
                references.append(weakref.ref(self))
                super().initVars__()

        async with Quiet() as parent:
            await live(parent, Watched, where)
            await live(None, Watched, where)
            # The parent was told, in its own time: after this nothing is on its way to it.
            parent.post(Numbered("test", 1))
            await parent.stop()
            # The interpreter still knows the last exception, and asyncio the last handle.
            await asyncio.sleep(0)
            gc.collect()
            assert [reference() for reference in references] == [None, None]
        return references

    asyncio.run(program())


def test_a_long_life_does_not_grow(rng: random.Random) -> None:
    """One tree that re-schedules, sends, asks and restarts tasks all the time."""

    class Busy(Bookkeeper):
        runs = 0

        async def enter__(self) -> None:
            self.tasks.tick = await reCreate(None, self.tick)

        async def tick(self) -> None:
            self.runs += 1
            await self.sigFromChildToParent__(Numbered("up", self.runs))
            self.tasks.other = await reCreate(getattr(self.tasks, "other", None), asyncio.sleep, 9)
            self.tasks.tick = await reSchedule(self.tick)

        async def signalHandler__(self, signal: Signal) -> bool | None:
            if isinstance(signal, Question):
                signal.reply(self.runs)
            return None

    async def program() -> None:
        async with Bookkeeper() as root:
            child = Busy(root)
            await child.run()
            sizes: list[int] = []
            tracemalloc.start()
            for _ in range(6):
                for number in range(300):
                    await child.ask(Question(), timeout=PATIENCE)
                    await child.insertSignal(Numbered("down", number))
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            # What is on its way differs from look to look.
            assert min(sizes[4:]) - max(sizes[1:3]) < GROWTH, sizes
            assert child.statistics().tasks[-1].runs > 0

    asyncio.run(program())
