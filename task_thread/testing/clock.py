"""The manual clock of the ``manual_clock`` fixture: time that passes when the test says so.

While it is installed

- threads get loops that live in its time, from ``TaskThread.loop_factory``; a class that sets a
  loop_factory of its own keeps its own loops, in real time;
- the library's own deadlines and pauses (stop and send timeouts, ``ask``, back-off, the restart
  window) are moments of this clock.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import pkgutil
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from task_thread.clock import ManualClock
from task_thread.core.judge import give_up_at
from task_thread.testing.conductor import Conductor
from task_thread.testing.loops import ClockLoop
from task_thread.testing.seats import Birth, Seat

if TYPE_CHECKING:
    from task_thread.core.life import Life
    from task_thread.core.thread import TaskThread
    from task_thread.latch import Latch

__all__ = ["ThreadClock"]

_LAYERS: Final = (
    "task_thread.app.",
    "task_thread.core.",
    "task_thread.latch",
)  # whose deadlines are the clock's
_ZERO: Final = 1.0  # the core takes a moment of 0.0 for none


class ThreadClock(ManualClock):
    """A manual clock that threads live by. ``manual_clock`` is one.

    It stands still until the test advances it. Loops under it take turns: one of them runs at a
    time, in an order that is the same each time.

    :ivar patience: real seconds that the threads may take at any one moment of the clock, before
        :meth:`advance` and :meth:`until_quiet` raise.
    """

    def __init__(self, start: datetime | None = None, patience: float = 10.0) -> None:
        super().__init__(start)
        self.patience = patience
        self._conductor = Conductor()
        self._undo: list[tuple[Any, str, Any]] = []

    def monotonic(self) -> float:
        """Seconds that have passed on this clock. From any thread."""
        return self._conductor.now()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, and return when all threads are quiet after that.

        Everything that is due within that time happens at its own moment, in the order of these
        moments; before the next one comes, all that followed from it has happened. A call in a
        thread's executor is waited for. What is due less than a microsecond later is due.

        From a test's thread; in an asynchronous test ``await asyncio.to_thread(clock.advance, 5)``
        where a thread under this clock needs the test's own loop.

        :raises ValueError: `seconds` is negative: a monotonic clock does not go back.
        :raises TimeoutError: the threads did not get quiet within :attr:`patience` real seconds;
            it says which, and where they hang.
        :raises RuntimeError: called from a thread under this clock, which would wait for itself,
            or after the test.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"a clock does not go back, and comes to no end: advance({seconds})")
        if isinstance(asyncio._get_running_loop(), ClockLoop):
            raise RuntimeError("a thread under this clock would wait for itself")
        self._conductor.run_until_quiet(seconds, self.patience)

    def until_quiet(self) -> None:
        """Wait until all that can happen without time passing has happened. As ``advance(0)``."""
        self.advance(0)

    # ---- for the kit ----------------------------------------------------------------------

    def install(self) -> None:
        """Put threads that start from now on, and the library's deadlines, under this clock."""
        import task_thread.core
        from task_thread.core import judge
        from task_thread.core.thread import TaskThread

        self._set(TaskThread, "loop_factory", _LoopFactory(self._conductor))
        conductor = self._conductor

        def monotonic() -> float:
            return _ZERO + conductor.now()

        original = judge.wait

        async def wait(life: Life, latch: Latch[Any]) -> None:
            """The judge's wait, for whom time passes where he waits outside."""
            if isinstance(asyncio.get_running_loop(), ClockLoop):
                await original(life, latch)
                return
            patience = _Judge(life, latch)
            conductor.wait_for(patience)
            try:
                await original(life, latch)
            finally:
                conductor.forget(patience)

        self._set(judge, "wait", wait)
        schedules = sys.modules.get("task_thread.app.schedules")
        if schedules is not None:  # else nobody has a TaskApp whose ticks could come
            self._set(schedules, "_now", self.now)
        replaced = {id(time.monotonic): monotonic, id(time): _Time(monotonic)}
        for each in pkgutil.iter_modules(task_thread.core.__path__, "task_thread.core."):
            importlib.import_module(each.name)  # now: later it would take the machine's clock
        for name, module in list(sys.modules.items()):
            if name.startswith(_LAYERS):
                for key, value in list(vars(module).items()):
                    if id(value) in replaced:
                        self._set(module, key, replaced[id(value)])

    def release(self) -> None:
        """Let time pass by itself from now on, as the machine's does: threads that hang are then
        given up in time. For good."""
        self._conductor.release()

    def uninstall(self) -> None:
        """Put everything back. The threads under this clock should have ended."""
        self.release()
        self._conductor.close()
        while self._undo:
            owner, name, value = self._undo.pop()
            setattr(owner, name, value)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        before = _own(owner, name)
        self._undo.append((owner, name, before))
        setattr(owner, name, value)


def _own(owner: Any, name: str) -> Any:
    """The attribute as it stands in `owner`: a staticmethod as one."""
    names: dict[str, Any] = owner.__dict__
    return names[name]


class _Judge:
    """Whoever waits, on a loop of real time, for a thread's end; see judge.py."""

    def __init__(self, life: Life, latch: Latch[Any]) -> None:
        self._life = life
        self._latch = latch

    def until(self) -> float:
        """To the moment at which the thread is given up, if it and all below live in this time.

        Not before it has been told that it shall end: whoever orders that sets the limit first and
        tells it then, and a clock that moves between the two cuts it off before it has begun.
        """
        life = self._life
        if self._latch.is_set() or not life.knows_its_limit or not _under_clock(life.thread):
            return -math.inf
        return give_up_at(life) - _ZERO

    def is_over(self) -> None:
        """Look at the time again."""
        self._latch.poke()


def _under_clock(thread: TaskThread) -> bool:
    """Whether `thread` and all below live on loops of a clock. What lives elsewhere, in real time,
    would be taken for quiet."""
    loop = thread._taskthread.life.loop
    return (loop is None or isinstance(loop, ClockLoop)) and all(
        _under_clock(child) for child in thread.children
    )


class _Time:
    """The module time, but for its monotonic()."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _LoopFactory:
    """``TaskThread.loop_factory`` under a clock. Whoever reads it is about to start a thread."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def __get__(self, instance: object, owner: type | None = None) -> Birth:
        conductor = self._conductor

        def make(seat: Seat) -> ClockLoop:
            return ClockLoop(conductor, seat)

        return Birth(conductor, make)
