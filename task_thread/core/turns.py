"""An event loop that says when a turn ends, and that can be rung by one system call.

An asyncio loop offers two ways in: ``call_soon``, which costs a whole turn of the loop, and
``call_soon_threadsafe``, which costs a handle, a socket write and two reads. Signals need less:
what a turn has collected must leave when the turn ends, and what has come in must be there when
the next one begins. Both moments pass through the selector, which a SelectorEventLoop takes from
outside, documented and public: so :class:`TurnSelector` is one that calls back at both.

Loops from a factory of the user's (uvloop) and systems without eventfd use the two ordinary ways;
they are only slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import selectors
import weakref
from asyncio import AbstractEventLoop
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.core.exchange import Exchange
    from task_thread.core.protocols import Bell

__all__ = ["NO_BELL", "bell_for", "new_event_loop", "tasks_of"]


_CLEAR_AT: Final = 64  # tasks born before those that have ended are forgotten
_select: Final = selectors.DefaultSelector.select  # looked up once: every turn passes here


class _Eventfd:
    """A descriptor that is closed when nobody can use it any more.

    A sender may have found the loop alive and ring when it was closed just then: the number would
    be somebody else's file by now. While he rings he holds a reference to this, and a lock for each
    ring is not needed.
    """

    def __init__(self) -> None:
        self.number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def __del__(self) -> None:
        os.close(self.number)


class TurnSelector(selectors.DefaultSelector):
    """The system's best selector, which ends and begins a loop's turns in our hearing.

    All of it belongs to the loop; ``turn`` may be read from any thread.

    :ivar turn: odd while the loop waits for events, even while it runs callbacks; it grows with
        each change. Who sees the same even number for long sees a loop that something holds up.
    """

    turn = 0

    def __init__(self) -> None:
        super().__init__()
        self.eventfd = _Eventfd()
        self.register(self.eventfd.number, selectors.EVENT_READ)
        self._report_each_ring_once()
        self.exchange: Exchange | None = None

    def _report_each_ring_once(self) -> None:
        """Watch the bell edge-triggered: then its counter need not be read back, which would be a
        system call for each ring. Its 64 bits last for more rings than anybody has time for."""
        with select.epoll.fromfd(os.dup(self.fileno())) as same:
            same.modify(self.eventfd.number, select.EPOLLIN | select.EPOLLET)

    def select(self, timeout: float | None = None) -> list[Any]:
        """End the turn, wait for events, and take what the bell stands for."""
        exchange = self.exchange
        if exchange is not None and exchange.lanes:
            exchange.flush()
        self.turn += 1
        events = _select(self, timeout)
        self.turn += 1
        if not events:
            return events
        number = self.eventfd.number
        for index, (key, _) in enumerate(events):
            if key.fd == number:
                del events[index]
                if exchange is not None:
                    exchange.drain()
                break
        return events


class _TurnBell:
    """The short way: through the loop's own selector, which looks for itself when a turn ends."""

    asked = False

    def __init__(self, selector: TurnSelector, exchange: Exchange) -> None:
        self._selector = selector
        self._eventfd = selector.eventfd
        selector.exchange = exchange

    def want_turn_end(self) -> None:
        """Nothing to do."""

    def ring(self) -> None:
        os.eventfd_write(self._eventfd.number, 1)

    def close(self) -> None:
        self._selector.exchange = None


class _LoopBell:
    """The ordinary way, for every loop."""

    asked = True

    def __init__(self, loop: AbstractEventLoop, exchange: Exchange) -> None:
        self._loop, self._exchange = loop, exchange

    def want_turn_end(self) -> None:
        self._loop.call_soon(self._exchange.flush)

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed: nobody lives there any more
            self._loop.call_soon_threadsafe(self._exchange.drain)

    def close(self) -> None:
        """Nothing to do: a late flush or drain finds nothing."""


class _NoBell:
    """The bell of a closed exchange."""

    asked = False

    def want_turn_end(self) -> None:
        """Nobody listens."""

    def ring(self) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """It is closed."""


NO_BELL: Final = _NoBell()


class TurnLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a TurnSelector, which also knows its tasks: asyncio.all_tasks() walks
    through those of all loops of the process, which makes stopping n threads take n * n steps.
    """

    def __init__(self) -> None:
        selector = TurnSelector()
        super().__init__(selector)
        self._eventfd: _Eventfd | None = selector.eventfd
        self._born: list[weakref.ref[asyncio.Task[Any]]] = []
        self._clear_at = _CLEAR_AT

    def _write_to_self(self) -> None:
        """Wake the loop: what call_soon_threadsafe asks of a loop's class. The bell needs no
        reading back, as asyncio's own pair of sockets does."""
        eventfd = self._eventfd
        if eventfd is not None:
            os.eventfd_write(eventfd.number, 1)

    def close(self) -> None:
        """As asyncio's; the bell's descriptor goes as soon as nobody rings it any more."""
        super().close()
        self._eventfd = None

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """As asyncio's; all tasks of a loop are made here."""
        task: asyncio.Task[Any] = super().create_task(coro, **kwargs)
        self._born.append(weakref.ref(task))
        if len(self._born) > self._clear_at:
            self._born = [weakref.ref(living) for living in self.living_tasks()]
            self._clear_at = max(_CLEAR_AT, 2 * len(self._born))
        return task

    def living_tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks of this loop that have not ended. On the loop only."""
        tasks = (ref() for ref in self._born)
        return {task for task in tasks if task is not None and not task.done()}


def new_event_loop() -> AbstractEventLoop:
    """The loop that threads run unless told otherwise: asyncio's own, on a TurnSelector where the
    system has eventfd and epoll (Linux)."""
    if hasattr(os, "eventfd") and hasattr(select, "epoll"):
        return TurnLoop()
    return asyncio.new_event_loop()


def tasks_of(loop: AbstractEventLoop) -> set[asyncio.Task[Any]]:
    """The tasks of `loop` that have not ended. On that loop only."""
    return loop.living_tasks() if isinstance(loop, TurnLoop) else asyncio.all_tasks(loop)


def bell_for(loop: AbstractEventLoop, exchange: Exchange) -> Bell:
    """The bell of `loop`, for the exchange that serves it."""
    selector = getattr(loop, "_selector", None)
    if isinstance(selector, TurnSelector):
        return _TurnBell(selector, exchange)
    return _LoopBell(loop, exchange)
