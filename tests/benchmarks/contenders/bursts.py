"""The load of the one-way benchmarks: items sent in bursts from one loop, counted at the other end.

A burst is what a sender sends before it gives its loop a turn.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
WARM_UP = 5_000  # items sent ahead of the measured ones


class Item:
    """What the bare mechanisms carry: an object as plain as a signal."""


class Counter:
    """Counts what arrives; `arrived` holds the moment at which the last of a batch did."""

    def __init__(self) -> None:
        self._left = 0
        self.arrived: Future[float] = Future()

    def expect(self, count: int) -> None:
        """Begin a batch of that many items. Called before the first of them is sent."""
        self._left = count
        self.arrived = Future()

    def take(self, _item: object) -> None:
        """Count one item. On the receiver's thread."""
        self._left -= 1
        if self._left == 0:
            self.arrived.set_result(perf_counter())

    async def take_later(self, item: object) -> None:
        """The same as a coroutine, as a signal handler is."""
        self.take(item)


async def rate_of_awaited(
    send: Callable[[T], Awaitable[object]], counter: Counter, items: Sequence[T], burst: int
) -> float:
    """Items per second where sending is awaited. On the sender's loop."""

    async def pour(batch: Sequence[T]) -> None:
        for start in range(0, len(batch), burst):
            for item in batch[start : start + burst]:
                await send(item)
            await asyncio.sleep(0)

    return await timed(pour, counter, items)


async def rate_of_called(
    send: Callable[[T], object], counter: Counter, items: Sequence[T], burst: int
) -> float:
    """Items per second where sending is a plain call. On the sender's loop."""

    async def pour(batch: Sequence[T]) -> None:
        for start in range(0, len(batch), burst):
            for item in batch[start : start + burst]:
                send(item)
            await asyncio.sleep(0)

    return await timed(pour, counter, items)


async def timed(
    pour: Callable[[Sequence[T]], Awaitable[None]], counter: Counter, items: Sequence[T]
) -> float:
    """Pour a warm-up, then all; from the first send to the arrival of the last."""
    for batch in (items[:WARM_UP], items):
        counter.expect(len(batch))
        began = perf_counter()
        await pour(batch)
        arrived = await asyncio.wrap_future(counter.arrived)
    return len(items) / (arrived - began)
