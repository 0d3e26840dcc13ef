"""One way between two loops through a plain janus queue."""

from __future__ import annotations

import asyncio

import janus

from .bursts import Counter, Item, rate_of_awaited, rate_of_called
from .loops import PATIENCE, LoopThread, two_threads
from .placement import Place


def put_each(size: int, burst: int, cores: int) -> float:
    """Items per second: the sync side's put for each (the async side is bound to the receiver)."""
    return _rate(size, burst, cores, "put")


def put_nowait_each(size: int, burst: int, cores: int) -> float:
    """Items per second: the sync side's put_nowait for each."""
    return _rate(size, burst, cores, "put_nowait")


def _rate(size: int, burst: int, cores: int, put_name: str) -> float:
    counter = Counter()

    async def begin() -> tuple[janus.Queue[Item], asyncio.Task[None]]:
        queue: janus.Queue[Item] = janus.Queue()
        return queue, asyncio.ensure_future(listen(queue))

    async def listen(queue: janus.Queue[Item]) -> None:
        get, handle = queue.async_q.get, counter.take_later
        while True:
            await handle(await get())

    async def end(queue: janus.Queue[Item], listener: asyncio.Task[None]) -> None:
        listener.cancel()
        await asyncio.wait([listener])
        await queue.aclose()

    sender, receiver = two_threads(cores)
    with sender, receiver:
        queue, listener = receiver.submit(begin()).result(PATIENCE)
        items = [Item() for _ in range(size)]
        put = getattr(queue.sync_q, put_name)
        rate = sender.submit(rate_of_called(put, counter, items, burst)).result(PATIENCE)
        receiver.submit(end(queue, listener)).result(PATIENCE)
        return rate


def async_put_each(size: int, burst: int, cores: int) -> float:
    """Items per second: the async side's put for each, taken by a thread without a loop."""
    counter = Counter()

    async def pour() -> float:
        queue: janus.Queue[Item | None] = janus.Queue()
        taker = asyncio.create_task(asyncio.to_thread(take_all, queue))
        items = [Item() for _ in range(size)]
        rate = await rate_of_awaited(queue.async_q.put, counter, items, burst)
        await queue.async_q.put(None)
        await taker
        await queue.aclose()
        return rate

    def take_all(queue: janus.Queue[Item | None]) -> None:
        Place(1, cores).take()
        get, handle = queue.sync_q.get, counter.take
        while (item := get()) is not None:
            handle(item)

    with LoopThread(Place(0, cores)) as sender:
        return sender.submit(pour()).result(PATIENCE)
