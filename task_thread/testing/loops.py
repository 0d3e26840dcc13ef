"""asyncio's own loop under a manual clock: its time is the clock's, and it waits for events only.

Whose turn it is and when time moves is the conductor's business (conductor.py).

All of a loop belongs to its own OS thread.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import selectors
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from task_thread.core.turns import TurnSelector
from task_thread.testing.seats import Call, Closing

if TYPE_CHECKING:
    from collections.abc import Callable

    from task_thread.testing.conductor import Conductor
    from task_thread.testing.seats import Seat

__all__ = ["ClockLoop"]


class _Turns(selectors.DefaultSelector):
    """Gives the loop's turn back before it looks for events, and looks when it has the next."""

    loop: ClockLoop
    seat: Seat

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for a turn instead of for events; then see which there are."""
        return super().select(self.seat.end_turn(timeout, self.loop.due()))

    def close(self) -> None:
        """Leave the seat."""
        self.seat.leave()
        super().close()


class _BelledTurns(TurnSelector):
    """The same for the loops of the core, whose selector takes a thread's signals out and in."""

    loop: ClockLoop
    seat: Seat

    def select(self, timeout: float | None = None) -> list[Any]:
        """Send what the turn has collected, and wait for the next one."""
        exchange = self.exchange
        if exchange is not None and exchange.lanes:
            exchange.flush()
        self.turn += 1  # odd: it waits
        granted = self.seat.end_turn(timeout, self.loop.due())
        self.turn += 1
        return super().select(granted)

    def close(self) -> None:
        """Leave the seat."""
        self.seat.leave()
        super().close()


class _Executor(ThreadPoolExecutor):
    """An executor whose end the conductor can wait for."""

    def __init__(self, conductor: Conductor, seat: Seat) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._conductor = conductor
        self._seat = seat
        self._closing: Closing | None = None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As ever. First comes the loop's own call, which does not wait, then a helper's."""
        if self._closing is None:
            self._closing = Closing()
            self._seat.closing.append(self._closing)
        if not wait:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            return
        self._closing.helper = threading.current_thread()
        super().shutdown(wait=True, cancel_futures=cancel_futures)
        with self._conductor.lock:
            self._closing.returned = True
            self._conductor.look()


class ClockLoop(asyncio.SelectorEventLoop):
    """A loop that lives in the time of a manual clock."""

    def __init__(self, conductor: Conductor, seat: Seat) -> None:
        self._conductor = conductor
        self._seat = seat
        belled = hasattr(os, "eventfd") and hasattr(select, "epoll")
        selector = _BelledTurns() if belled else _Turns()
        selector.loop, selector.seat = self, seat
        super().__init__(selector)
        # What a starting thread does before its loop first runs belongs to its first turn.
        seat.come(selector.fileno())

    def time(self) -> float:
        """The clock's reading, in seconds."""
        return self._conductor.now()

    # A loop takes what is due within its clock's resolution, a nanosecond mostly, for due. Here
    # time stands still: whoever is woken must find that his moment has come, and not nearly so.
    @property
    def _clock_resolution(self) -> float:
        return math.ulp(self.time())

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """What asyncio measures is of no use here."""

    def due(self) -> float:
        """The moment of its next timer; ``inf``: there is none."""
        scheduled: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
        return scheduled[0].when() if scheduled else math.inf

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As asyncio's; the clock stands still while the loop waits for the call."""
        self._check_closed()  # type: ignore[attr-defined]
        if executor is None:
            executor = getattr(self, "_default_executor", None)
        if executor is None:
            executor = _Executor(self._conductor, self._seat)
            self.set_default_executor(executor)
        running: Future[Any] = executor.submit(func, *args)
        call = Call(getattr(func, "__qualname__", None) or repr(func))
        self._seat.calls.append(call)
        future = asyncio.wrap_future(running, loop=self)  # rings this loop when it is done
        future.add_done_callback(lambda _: self._seat.calls.remove(call))
        running.add_done_callback(lambda _: self._conductor.call_done(call))  # after that
        return future
