"""Life-cycle tasks: a generator that is set up by its first tick, advanced by each, and ended once.

::

    async def poll(url):
        async with Client(url) as client:       # the first tick
            while (yield await client.get()):   # each tick; True until the task is stopped
                ...
        print("closed")                         # once, at the stop

What a generator of either kind does between two yields is a *step* (steps.py, asyncsteps.py); here
is what a tick and a stop make of the steps.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from task_thread.app.asyncsteps import AsyncSteps
from task_thread.app.steps import Call, Returned, SyncSteps
from task_thread.log import class_logger

__all__ = ["Advance", "Stage", "is_lifecycle"]


@dataclass(frozen=True, slots=True)
class Advance:
    """What a tick has come to.

    :ivar value: what was yielded; if it has ended, what a sync generator returned.
    :ivar ended: the generator has returned: the task is over.
    """

    value: Any
    ended: bool = False


def is_lifecycle(fn: Callable[..., Any]) -> bool:
    """Whether `fn` is a sync or async generator function, or a method or partial of one."""
    return inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)


class _Steps(Protocol):
    """A generator, advanced one step at a time."""

    @property
    def alive(self) -> bool:
        """Whether it can be advanced."""
        ...

    async def settled(self) -> None:
        """Wait for a step that was cut short, and goes on all the same."""
        ...

    async def advance(self, word: bool | None) -> Any:
        """Send `word`, and return what is yielded, or ``Returned``."""
        ...

    async def close(self) -> None:
        """End it where it stands."""
        ...


class Stage:
    """One life-cycle task: its generator, from tick to tick.

    A sync generator is advanced through `call`, an async one in an asyncio task of its own, always
    the same, so that task groups and cancel scopes may stay open from tick to tick.

    A tick that is cancelled cancels what an async generator awaits. A sync one can't be cancelled:
    it is closed as soon as it comes to its next yield, in the OS thread that it is in. Until then
    the next tick waits; it begins with a fresh generator.

    Ownership: everything belongs to the loop on which it is ticked; ticks and the stop take turns.

    :param fn: a sync or async generator function.
    :param call: makes a call in some OS thread, and gives its value; for sync generators.
    :param name: for the log; the name of `fn` by default.
    :raises TypeError: `fn` is no generator function, or is sync and there is no `call`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        call: Call | None = None,
        *,
        name: str | None = None,
    ) -> None:
        if not is_lifecycle(fn):
            raise TypeError(f"a life-cycle task is a generator function, {fn!r} is none")
        if call is None and not inspect.isasyncgenfunction(fn):
            raise TypeError(f"{fn!r} is sync: it needs a call, to be advanced in some thread")
        self._fn = fn
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})
        self._call = call
        self._name = getattr(fn, "__qualname__", repr(fn)) if name is None else name
        self._turns = asyncio.Lock()
        self._steps: _Steps | None = None
        self._over = False

    @property
    def over(self) -> bool:
        """Whether it has ended or was stopped: no tick does anything any more."""
        return self._over

    async def tick(self) -> Advance:
        """Advance the generator to its next yield: the first time to its first one, from then on
        by sending it True. After the end or the stop nothing happens, and it says ``ended``.

        :raises Exception: what the generator raised. The next tick begins with a fresh one.
        """
        async with self._turns:
            fresh = await self._alive() is None
            if self._over:
                return Advance(None, ended=True)
            if fresh:
                self._steps = self._begin()
            steps = self._steps
            assert steps is not None  # it was just made, or found alive
            value = await steps.advance(None if fresh else True)
            if isinstance(value, Returned):
                self._over, self._steps = True, None
                return Advance(value.value, ended=True)
            return Advance(value)

    async def stop(self) -> None:
        """Send the generator False and let it run to its end, where it was begun. Once: the next
        call waits for the first, and does nothing.

        :raises Exception: what the generator raised meanwhile. It is over all the same.
        """
        async with self._turns:
            self._over = True
            steps = await self._alive()
            self._steps = None
            if steps is None:
                return
            if not isinstance(await steps.advance(False), Returned):
                class_logger("TaskApp").warning(
                    "the life-cycle task %s yielded again after it was told False: it is closed "
                    "there. Write `while (yield):`, so that False ends it",
                    self._name,
                )
                await steps.close()

    def _begin(self) -> _Steps:
        generator = self._fn(*self._args, **self._kwargs)
        if self._call is None or inspect.isasyncgen(generator):
            return AsyncSteps(generator, self._name)
        return SyncSteps(generator, self._call)

    async def _alive(self) -> _Steps | None:
        """The generator that is under way, when it stands at a yield."""
        steps = self._steps
        if steps is not None:
            await steps.settled()
            if not steps.alive:
                self._steps = None
        return self._steps
