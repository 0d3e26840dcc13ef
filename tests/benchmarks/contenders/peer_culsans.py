"""One way between two loops through culsans, whose async side serves any loop."""

from __future__ import annotations

import asyncio

import culsans

from .bursts import Counter, Item, rate_of_awaited
from .loops import PATIENCE, two_threads


def put_each(size: int, burst: int, cores: int) -> float:
    """Items per second: one async put and one async get each."""
    counter = Counter()
    queue: culsans.Queue[Item] = culsans.Queue()

    async def begin() -> asyncio.Task[None]:
        return asyncio.ensure_future(listen())

    async def listen() -> None:
        get, handle = queue.async_q.get, counter.take_later
        while True:
            await handle(await get())

    async def end(listener: asyncio.Task[None]) -> None:
        listener.cancel()
        await asyncio.wait([listener])

    sender, receiver = two_threads(cores)
    with sender, receiver:
        listener = receiver.submit(begin()).result(PATIENCE)
        items = [Item() for _ in range(size)]
        work = rate_of_awaited(queue.async_q.put, counter, items, burst)
        rate = sender.submit(work).result(PATIENCE)
        receiver.submit(end(listener)).result(PATIENCE)
        return rate
