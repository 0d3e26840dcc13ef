"""Loops from a factory of one's own, and what is shut down with a loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from task_thread import TaskThread, reCreate, reSchedule
from task_thread.signals import Request, Signal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Plain, forever, message, overdue, payload


def uvloop_factory() -> asyncio.AbstractEventLoop:
    # A missing uvloop fails the tests: the extra "test" brings it.
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


# Importing uvloop would turn the GIL of a free-threaded Python on again.
no_gil = not getattr(sys, "_is_gil_enabled", lambda: True)()
FACTORIES = [
    pytest.param(TaskThread.loop_factory, id="default"),
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(
        uvloop_factory,
        id="uvloop",
        marks=pytest.mark.skipif(no_gil, reason="uvloop needs the GIL"),
    ),
]
Factory = Callable[[], asyncio.AbstractEventLoop]


class Count(Request[int]):
    """How many signals were there?"""


def with_factory(cls: type[Any], factory: Factory) -> type[Any]:
    return type(cls.__name__, (cls,), {"loop_factory": staticmethod(factory)})


class Worker(TaskThread):
    def __init__(self, journal: Journal, parent: TaskThread | None = None) -> None:
        self.journal = journal
        self.count = self.ticks = 0
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        self.kind = type(asyncio.get_running_loop())
        self.tasks.tick = await reCreate(None, self.tick)

    async def tick(self) -> None:
        self.ticks += 1
        if self.ticks == 1000:
            self.journal("ticked")
        if self.ticks > 1000:
            await asyncio.sleep(0.001)
        self.tasks.tick = await reSchedule(self.tick)

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Count):
            signal.reply(self.count)
            return
        self.count += 1
        if payload(signal) == "echo" and self.parent is not None:
            await self.sigFromChildToParent__(message(self.count))

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.journal(("echo", payload(signal)))


@pytest.mark.parametrize("factory", FACTORIES)
async def test_a_tree_lives_on_the_factorys_loops(factory: Factory, journal: Journal) -> None:
    made = with_factory(Worker, factory)
    root = made(journal)
    async with root:
        child = made(journal, parent=root)
        await child.run()
        assert root.kind is child.kind is loop_kind(factory)
        for _ in range(300):
            await child.insertSignal(message(1))
        await child.insertSignal(message("echo"))
        await journal.seen(("echo", 301))
        assert await child.ask(Count()) == 301
        await asyncio.to_thread(child.post, message("echo"))
        await journal.seen(("echo", 302))
        await journal.seen("ticked", 2)
    assert root.exit_reason.kind == child.exit_reason.kind == "shutdown"


def loop_kind(factory: Factory) -> type[asyncio.AbstractEventLoop]:
    loop = factory()
    try:
        return type(loop)
    finally:
        loop.close()


@pytest.mark.parametrize("factory", FACTORIES)
async def test_threads_on_different_loops_talk(factory: Factory, journal: Journal) -> None:
    async with Worker(journal) as root:
        child = with_factory(Worker, factory)(journal, parent=root)
        await child.run()
        await root.sigFromParentToChild__(message("echo"))
        await journal.seen(("echo", 1))


@pytest.mark.parametrize("factory", FACTORIES)
def test_embedded_in_a_synchronous_program(factory: Factory, journal: Journal) -> None:
    with with_factory(Worker, factory)(journal) as root:
        root.post(message(1))
        journal.wait("ticked")
    assert root.count == 1


@pytest.mark.parametrize("factory", FACTORIES)
async def test_the_default_executor_is_shut_down(factory: Factory, journal: Journal) -> None:
    class Calls(TaskThread):
        async def enter__(self) -> None:
            await asyncio.to_thread(journal, "called")

    before = set(threading.enumerate())
    async with with_factory(Calls, factory)():
        await journal.seen("called")
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


async def test_a_call_that_hangs_in_the_executor_is_left_behind_and_said(
    journal: Journal,
) -> None:
    release = threading.Event()

    def hang() -> None:
        journal("hanging")
        release.wait(PATIENCE)

    class Calls(TaskThread):
        stop_timeout = 0.4

        async def enter__(self) -> None:
            self.tasks.call = await reCreate(None, self.call)

        async def call(self) -> None:
            await asyncio.to_thread(hang)

    async with overdue(Plain(), "executor") as root:
        child = Calls(parent=root)
        await child.run()
        await journal.seen("hanging")
        await child.stop()
        reason = child.exit_reason
    release.set()
    assert reason is not None
    assert reason.kind == "timeout"


@pytest.mark.parametrize("factory", FACTORIES)
async def test_async_generators_are_closed(factory: Factory, journal: Journal) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await forever()
        finally:
            journal("closed")

    class Reads(TaskThread):
        async def enter__(self) -> None:
            self.numbers = numbers()
            async for number in self.numbers:
                journal(number)
                break

    async with with_factory(Reads, factory)():
        await journal.seen(1)
    assert journal.count("closed") == 1


@pytest.mark.parametrize("factory", FACTORIES)
async def test_the_loop_is_closed_at_the_end(factory: Factory) -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def remembered() -> asyncio.AbstractEventLoop:
        made.append(factory())
        return made[-1]

    async with with_factory(TaskThread, remembered)():
        assert not made[0].is_closed()
    assert [loop.is_closed() for loop in made] == [True]


@pytest.mark.parametrize("factory", FACTORIES)
async def test_a_loop_that_is_stopped_by_hand_ends_its_thread_in_order(
    factory: Factory, journal: Journal
) -> None:
    class Stops(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            asyncio.get_running_loop().stop()

        async def exit__(self) -> None:
            journal("exit__")

    async with Plain() as root:
        child = with_factory(Stops, factory)(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        reason = await child.join()
    assert reason.kind == "normal"
    assert journal.entries == ["exit__"]


async def test_system_exit_in_a_callback_of_the_loop_is_a_crash(journal: Journal) -> None:
    class Exits(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            asyncio.get_running_loop().call_soon(sys.exit, 3)

        async def exit__(self) -> None:
            journal("exit__")

    async with Plain() as root:
        child = Exits(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        reason = await child.join()
    assert reason.kind == "crash"
    assert journal.entries == ["exit__"]


def test_an_ended_thread_keeps_no_descriptor() -> None:
    """Also where somebody keeps the thread itself."""
    kept: list[TaskThread] = []
    counts: list[int] = []
    for _ in range(4):
        with Plain() as thread:
            kept.append(thread)
        counts.append(len(os.listdir("/proc/self/fd")))
    assert len(set(counts)) == 1, counts
