"""One way between two loops: the limit, and what one writes first."""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from .bursts import Counter, Item, rate_of_called
from .loops import PATIENCE, two_threads

if TYPE_CHECKING:
    from collections.abc import Callable


class Mailbox:
    """A deque, a lock, and one wake-up for all that was put since the last one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Callable[[Item], object]) -> None:
        self._loop = loop
        self._handle = handle
        self._lock = Lock()
        self._waiting: deque[Item] = deque()
        self._woken = False

    def put(self, item: Item) -> None:
        """Put one item. From any thread."""
        with self._lock:
            self._waiting.append(item)
            if self._woken:
                return
            self._woken = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, deque()
            self._woken = False
        handle = self._handle
        for item in batch:
            handle(item)


class AwaitingMailbox:
    """The same with a coroutine as handler, awaited for one item after the other."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._lock = Lock()
        self._waiting: deque[Item] = deque()
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put(self, item: Item) -> None:
        """Put one item. From any thread."""
        with self._lock:
            self._waiting.append(item)
            if len(self._waiting) > 1:
                return
        self._loop.call_soon_threadsafe(self._woken.set)

    async def listen(self) -> None:
        """Handle what comes, for ever. On the receiver's loop."""
        handle = self._counter.take_later
        while True:
            await self._woken.wait()
            self._woken.clear()
            with self._lock:
                batch, self._waiting = self._waiting, deque()
            for item in batch:
                await handle(item)


def called(size: int, burst: int, cores: int) -> float:
    """The limit: items per second through a mailbox whose handler is a plain function."""
    counter = Counter()
    sender, receiver = two_threads(cores)
    with sender, receiver:
        mailbox = Mailbox(receiver.loop, counter.take)
        items = [Item() for _ in range(size)]
        work = rate_of_called(mailbox.put, counter, items, burst)
        return sender.submit(work).result(PATIENCE)


def awaited(size: int, burst: int, cores: int) -> float:
    """Items per second through a mailbox whose handler is awaited."""
    counter = Counter()

    async def begin() -> tuple[AwaitingMailbox, asyncio.Task[None]]:
        mailbox = AwaitingMailbox(counter)
        return mailbox, asyncio.ensure_future(mailbox.listen())

    async def end(listener: asyncio.Task[None]) -> None:
        listener.cancel()
        await asyncio.wait([listener])

    sender, receiver = two_threads(cores)
    with sender, receiver:
        mailbox, listener = receiver.submit(begin()).result(PATIENCE)
        items = [Item() for _ in range(size)]
        rate = sender.submit(rate_of_called(mailbox.put, counter, items, burst)).result(PATIENCE)
        receiver.submit(end(listener)).result(PATIENCE)
        return rate


def call_soon(size: int, burst: int, cores: int) -> float:
    """Items per second with a call_soon_threadsafe for each."""
    counter = Counter()
    sender, receiver = two_threads(cores)
    with sender, receiver:
        items = [Item() for _ in range(size)]
        wake, take = receiver.loop.call_soon_threadsafe, counter.take
        work = rate_of_called(lambda item: wake(take, item), counter, items, burst)
        return sender.submit(work).result(PATIENCE)
