"""What coming again costs at the least: a new thread with a new loop; and what it costs all bare,
with the old one's end before it."""

from __future__ import annotations

import asyncio
import threading
from statistics import median
from time import perf_counter

WARM_UP = 20  # starts ahead of the measured ones
CALM = 0.002  # seconds between two of them, as between our crashes


class Planned(Exception):
    """What ends a loop."""


def start(size: int) -> float:
    """Microseconds from making a thread to the first callback on its new loop."""
    return asyncio.run(_starts(WARM_UP + size))


async def _starts(count: int) -> float:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    for _ in range(count):
        await asyncio.sleep(CALM)
        ended = loop.create_future()

        def live(ended: asyncio.Future[float] = ended) -> None:
            own = asyncio.new_event_loop()
            ran_at: list[float] = []

            def first() -> None:
                ran_at.append(perf_counter())
                own.stop()

            own.call_soon(first)
            own.run_forever()
            own.close()
            loop.call_soon_threadsafe(ended.set_result, ran_at[0])

        began = perf_counter()
        thread = threading.Thread(target=live)
        thread.start()
        times.append((await ended - began) * 1e6)
        thread.join()
    return median(times[WARM_UP:])


def restart(size: int) -> float:
    """Microseconds from an exception that ends one thread's loop to the first callback on the loop
    of the next thread, which is started by a loop that is told, and joins the first one."""
    return asyncio.run(_Restarts(WARM_UP + size).median())


class _Restarts:
    """One thread after the other, each ended by an exception."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._times: list[float] = []
        self._crashed_at = 0.0

    async def median(self) -> float:
        """Let all of them live and die."""
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        self._start()
        await self._done
        return median(self._times[WARM_UP:])

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._work())
        except Planned:
            loop.close()
            self._loop.call_soon_threadsafe(self._ended)

    async def _work(self) -> None:
        if self._crashed_at:
            self._times.append((perf_counter() - self._crashed_at) * 1e6)
        await asyncio.sleep(CALM)
        self._crashed_at = perf_counter()
        raise Planned

    def _ended(self) -> None:
        self._thread.join()
        self._left -= 1
        if self._left:
            self._start()
        else:
            self._done.set_result(None)
