"""Threads for tests, and where they are put."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import pytest

from task_thread import ExitReason, Handle, TaskThread, VirtualThread
from task_thread.errors import InboxFull, StopTimeout
from task_thread.signals import MessageSignal, Signal
from tests.support.journal import Journal

T = TypeVar("T", bound=TaskThread)


class Place(Protocol):
    """Gives a class of TaskThreads its place: an OS thread for each, or their parent's loop."""

    def __call__(self, cls: type[T]) -> type[T]:
        """The class, so placed."""
        ...


def own_thread(cls: type[T]) -> type[T]:
    """As it is: an OS thread with a loop for each instance."""
    return cls


def on_parents_loop(cls: type[T]) -> type[T]:
    """The same class as a VirtualThread."""
    virtual: type[T] = type(cls.__name__, (cls, VirtualThread), {"__doc__": cls.__doc__})
    return virtual


class Plain(TaskThread):
    """Does nothing of itself."""


class Recorder(TaskThread):
    """Writes down each of its hooks as (name, hook), and each signal as (name, payload)."""

    def __init__(
        self, journal: Journal, name: str = "thread", parent: TaskThread | None = None
    ) -> None:
        self.journal = journal
        self.name = name
        super().__init__(parent=parent)

    def getId(self) -> str:
        return self.name

    def note(self, what: Any) -> None:
        self.journal((self.name, what))

    async def enter__(self) -> None:
        self.note("enter__")

    async def stopping__(self) -> None:
        self.note("stopping__")

    async def exit__(self) -> None:
        self.note("exit__")

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.note(payload(signal))
        return None

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.note((str(child), payload(signal)))

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        self.note(("childExited__", str(child), reason.kind))


def message(content: Any) -> MessageSignal:
    """A signal that carries `content`."""
    return MessageSignal("test", content)


def payload(signal: Signal) -> Any:
    """What :func:`message` put in; the signal itself for any other."""
    return signal.getMessage() if isinstance(signal, MessageSignal) else signal


class Gate:
    """Holds handlers up until it is opened: from any thread, for any loop."""

    def __init__(self) -> None:
        self._journal = Journal()

    def open(self) -> None:
        """Let everyone pass, now and later."""
        self._journal("open")

    async def passed(self) -> None:
        """Wait on the running loop until it is open."""
        await self._journal.seen("open")


class Held(Recorder):
    """A Recorder whose handler says (name, "handling") and waits at a gate for each signal."""

    def __init__(
        self, journal: Journal, name: str = "thread", parent: TaskThread | None = None
    ) -> None:
        self.gate = Gate()
        super().__init__(journal, name, parent=parent)

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.note("handling")
        await self.gate.passed()
        return await super().signalHandler__(signal)


def post_at_last(child: Handle[Any], signal: Signal) -> None:
    """In a bare OS thread: post it, again and again until there is room.

    :raises ThreadEnded: the child has ended, and no next instance comes.
    """
    while True:
        try:
            child.post(signal)
            return
        except InboxFull:
            time.sleep(0)  # lets others run: nobody tells a bare thread of room


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def overdue(root: T, match: str) -> AsyncIterator[T]:
    """``async with root``, which in the end must say who hung past the stop deadline."""
    with pytest.raises(StopTimeout, match=match):
        async with root:
            yield root
