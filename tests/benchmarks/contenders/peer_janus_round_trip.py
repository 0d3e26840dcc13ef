"""A ball between two loops through two plain janus queues."""

from __future__ import annotations

import asyncio
from time import perf_counter

import janus

from .loops import PATIENCE, two_threads

WARM_UP = 500  # round trips ahead of the measured ones


def queues(size: int, cores: int) -> float:
    """Microseconds for a round trip: async get and sync put_nowait, both ways."""

    async def make() -> janus.Queue[bool]:
        return janus.Queue()

    async def answer(inbox: janus.Queue[bool], outbox: janus.Queue[bool]) -> None:
        while await inbox.async_q.get():
            outbox.sync_q.put_nowait(True)
        await inbox.aclose()

    async def play(inbox: janus.Queue[bool], outbox: janus.Queue[bool]) -> float:
        for trips in (WARM_UP, size):
            began = perf_counter()
            for _ in range(trips):
                outbox.sync_q.put_nowait(True)
                await inbox.async_q.get()
            ended = perf_counter()
        outbox.sync_q.put_nowait(False)
        await inbox.aclose()
        return (ended - began) / size * 1e6

    near, far = two_threads(cores)
    with near, far:
        inbox = near.submit(make()).result(PATIENCE)
        outbox = far.submit(make()).result(PATIENCE)
        answering = asyncio.run_coroutine_threadsafe(answer(outbox, inbox), far.loop)
        figure = near.submit(play(inbox, outbox)).result(PATIENCE)
        answering.result(PATIENCE)
        return figure
