"""What the proofs share: threads that keep books about themselves, and ways to act at once."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from task_thread import ExitReason, State, TaskThread, VirtualThread
from task_thread.signals import Request, Signal

T = TypeVar("T")
B = TypeVar("B", bound=TaskThread)

FINAL: Final = frozenset({State.STOPPED, State.CRASHED, State.ABANDONED})
PATIENCE: Final = 10.0
"""Seconds after which a test gives something up as hung."""


class Planned(Exception):
    """What the hostile threads raise. Nothing else should come out."""


@dataclass(frozen=True)
class Numbered(Signal):
    """A signal that says who sent it and as which one."""

    sender: str
    number: int


class Ready(Request[None]):
    """Is replied to by the first handler that runs: when ``enter__`` has returned."""


class Books:
    """What one thread has seen, written by the thread alone and read after its end."""

    def __init__(self) -> None:
        self.hooks: list[str] = []
        self.handled = 0
        self.last: dict[str, int] = {}
        self.per_sender: Counter[str] = Counter()
        self.out_of_order: list[str] = []
        self.exited: list[tuple[TaskThread, ExitReason]] = []

    def note(self, signal: Signal) -> None:
        """Count a signal that was handled, and check its place in its sender's row."""
        self.handled += 1
        if isinstance(signal, Numbered):
            before = self.last.get(signal.sender, -1)
            if signal.number <= before:
                self.out_of_order.append(f"{signal} after {before}")
            self.last[signal.sender] = signal.number
            self.per_sender[signal.sender] += 1


class Bookkeeper(TaskThread):
    """Keeps books about its hooks and signals."""

    stop_timeout = 10.0

    def initVars__(self) -> None:
        self.books = Books()

    async def enter__(self) -> None:
        self.books.hooks.append("enter__")

    async def stopping__(self) -> None:
        self.books.hooks.append("stopping__")

    async def exit__(self) -> None:
        self.books.hooks.append("exit__")

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.books.note(signal)
        if isinstance(signal, Ready):
            signal.reply(None)
        return None

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.books.note(signal)

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        self.books.exited.append((child, reason))

    async def inputOverflowHandler__(self, queue: object) -> None:
        """A full inbox is what the floods are for."""

    async def outputOverflowHandler__(self, queue: object) -> None:
        """The same."""


class VirtualBookkeeper(Bookkeeper, VirtualThread):
    """The same on its parent's loop."""


def placed(cls: type[B], kind: str) -> type[B]:
    """`cls`, or for the kind "virtual" a class like it that lives on its parent's loop."""
    if kind == "os":
        return cls
    virtual: type[B] = type(f"Virtual{cls.__name__}", (cls, VirtualThread), {})
    return virtual


def check_sums(thread: Bookkeeper) -> None:
    """The books of an ended thread and its statistics say the same."""
    inbox = thread.statistics().inbox
    assert inbox.depth == 0, inbox
    assert inbox.accepted == inbox.handled + inbox.dead, inbox
    assert inbox.handled == thread.books.handled, (inbox, thread.books.handled)
    assert not inbox.capacity or inbox.high_water <= inbox.capacity, inbox
    assert thread.books.out_of_order == []


async def started(root: Bookkeeper) -> asyncio.Task[None]:
    """Run `root` beside this task and wait until its ``enter__`` has returned.

    :returns: the task that awaits its ``run()``.
    """
    running = asyncio.create_task(root.run())
    await root.ask(Ready(), timeout=PATIENCE)
    return running


def at_once(rng: random.Random, *calls: Callable[[], T]) -> list[T | BaseException]:
    """Call all of them in OS threads of their own, let go together, each after a few random
    instructions; return what they returned or raised, in their order."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[T | BaseException | None] = [None] * len(calls)

    def call(index: int, delay: int) -> None:
        barrier.wait(PATIENCE)
        for _ in range(delay):
            pass
        try:
            outcomes[index] = calls[index]()
        except BaseException as error:
            outcomes[index] = error

    threads = [
        threading.Thread(target=call, args=(index, rng.choice((0, 30, 300, 3000, 20000))))
        for index in range(len(calls))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a call hangs"
    return outcomes  # type: ignore[return-value]


def awaiting(cofunc: Callable[[], Coroutine[Any, Any, T]]) -> Callable[[], T]:
    """``cofunc`` as a plain call, awaited on a loop of its own."""

    async def limited() -> T:
        async with asyncio.timeout(PATIENCE):
            return await cofunc()

    return lambda: asyncio.run(limited())


def only(outcomes: list[Any], *allowed: type[BaseException]) -> None:
    """Fail with the first exception among `outcomes` that is of none of the allowed classes."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, allowed):
            raise outcome
