"""Fires by the loop's own timers: call_at for each, an asyncio task for each fire."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from .fires import Fires, Once, Tick, remind
from .loops import PATIENCE, LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable


def cpu(seconds: int, tasks: int, way: int) -> float:
    """Microseconds of CPU for each fire."""
    fires = Fires(tasks, way)
    return _figure(fires, lambda: fires.cpu(seconds))


def lateness(seconds: int, tasks: int) -> float:
    """Milliseconds, 99 of 100."""
    fires = Fires(tasks)
    return _figure(fires, lambda: fires.lateness(seconds))


def cpu_at_once(tasks: int, lead: int) -> float:
    """Microseconds of CPU for each fire, all being due at one instant."""
    once = Once(tasks, lead)
    with LoopThread() as thread:
        loop, running = thread.loop, set[asyncio.Task[None]]()

        async def begin() -> None:
            when = loop.time() + once.at - time.time()
            for number in range(tasks):
                loop.call_at(when, due, number)

        def due(number: int) -> None:
            task = loop.create_task(remind(once, number))
            running.add(task)
            task.add_done_callback(running.discard)

        thread.submit(begin()).result(PATIENCE)
        return once.cpu()


def _figure(fires: Fires, figure: Callable[[], float]) -> float:
    with LoopThread() as thread:
        loop, running = thread.loop, set[asyncio.Task[None]]()
        offset = loop.time() - time.time()
        over = False

        async def begin() -> None:
            for number in range(fires.tasks):
                tick, start = fires.tick(number), fires.start(number) + offset
                passed = (loop.time() - start) // fires.period + 1
                loop.call_at(start + passed * fires.period, due, tick, start, passed)

        async def end() -> None:
            nonlocal over
            over = True
            if running:
                await asyncio.wait(running)

        def due(tick: Tick, start: float, index: float) -> None:
            if over:
                return
            task = loop.create_task(tick())
            running.add(task)
            task.add_done_callback(running.discard)
            loop.call_at(start + (index + 1) * fires.period, due, tick, start, index + 1)

        thread.submit(begin()).result(PATIENCE)
        found = figure()
        thread.submit(end()).result(PATIENCE)
        return found
