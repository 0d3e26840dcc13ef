"""A sync generator, advanced one step at a time in some OS thread.

A call in an OS thread can't be cancelled: whoever waits for it may be gone when it returns. A
generator that runs must not be sent anything, though, and one that nobody asks any more must be
closed. So each step knows how far it has come, and whether anybody still waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Generator
from enum import Enum, auto
from typing import Any

from task_thread.latch import Latch

__all__ = ["Call", "Returned", "SyncSteps"]

Call = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Makes a call without arguments in some OS thread, and gives its value."""


class Returned:
    """What a step gives instead of a yielded value: the generator has returned `value`."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value


class SyncSteps:
    """One sync generator.

    Ownership: the loop's; what the OS threads share with it is in the step.
    """

    __slots__ = ("_call", "_generator", "_step")

    def __init__(self, generator: Generator[Any, Any, Any], call: Call) -> None:
        self._generator = generator
        self._call = call
        self._step: _Step | None = None

    @property
    def alive(self) -> bool:
        """Whether it was begun and stands at a yield. For when it is settled."""
        return self._step is not None and self._step.standing

    async def settled(self) -> None:
        """Wait for a step that was cut short, and goes on in its OS thread all the same."""
        if self._step is not None:
            await self._step.over.wait()

    async def advance(self, word: bool | None) -> Any:
        """Send `word`, and return what is yielded, or ``Returned``.

        If this is cancelled the generator is closed as soon as the step is over; a step that has
        not begun by then does not happen.

        :raises BaseException: what the generator raised.
        """
        before = self._step
        step = self._step = _Step(self._generator, word)
        try:
            return await self._call(step)
        except BaseException:
            if step.give_up():
                self._step = before  # as if it had never been
            raise

    async def close(self) -> None:
        """Close it at its yield, in some OS thread.

        :raises BaseException: what the generator raised.
        """
        await self._call(self._generator.close)


class _Stand(Enum):
    """How far a step has come."""

    AWAITED = auto()
    UNDER_WAY = auto()
    GIVEN_UP = auto()
    OVER = auto()


class _Step:
    """One step: called in some OS thread.

    Ownership: ``_stand`` is shared, and guarded by ``_lock``. ``standing`` is written before
    ``over`` is set, and read after that.
    """

    __slots__ = ("_generator", "_lock", "_stand", "_word", "over", "standing")

    def __init__(self, generator: Generator[Any, Any, Any], word: bool | None) -> None:
        self._generator = generator
        self._word = word
        self._lock = threading.Lock()
        self._stand = _Stand.AWAITED
        self.over = Latch[None]()
        self.standing = False  # whether the generator stands at a yield

    def __call__(self) -> Any:
        """Take the step."""
        with self._lock:
            if self._stand is _Stand.GIVEN_UP:
                return None
            self._stand = _Stand.UNDER_WAY
        try:
            return self._take()
        finally:
            self.over.set(None)

    def _take(self) -> Any:
        try:
            value = self._generator.send(self._word)
        except StopIteration as end:
            return Returned(end.value)
        with self._lock:
            wanted = self._stand is _Stand.UNDER_WAY
            self._stand = _Stand.OVER
        if wanted:
            self.standing = True
            return value
        self._generator.close()
        return None

    def give_up(self) -> bool:
        """Nobody waits for it any more. Returns whether it has not even begun. On the loop."""
        with self._lock:
            begun = self._stand is not _Stand.AWAITED
            if self._stand is not _Stand.OVER:
                self._stand = _Stand.GIVEN_UP
        return not begun
