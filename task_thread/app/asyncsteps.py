"""An async generator, advanced one step at a time in one asyncio task of its own.

Each tick comes from another asyncio task. A task group, a timeout or a cancel scope that is open
across a yield belongs to the task that opened it, and must be left in the same one: so one task
takes all the steps, and whoever ticks waits for its answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

from task_thread.app.steps import Returned

__all__ = ["AsyncSteps"]

_Answer = asyncio.Future[tuple[Any, BaseException | None]]

_CUT_SHORT: Final = "the step was cut short"


class AsyncSteps:
    """One async generator, and the task that runs it.

    Ownership: the loop's.
    """

    __slots__ = ("_answer", "_ask", "_generator", "_name", "_task")

    def __init__(self, generator: AsyncGenerator[Any, Any], name: str) -> None:
        self._generator = generator
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._ask: asyncio.Future[bool | None] | None = None
        self._answer: _Answer | None = None

    @property
    def alive(self) -> bool:
        """Whether it was begun and has not ended."""
        if self._task is None or self._ask is None:
            return False
        return not (self._task.done() or self._ask.cancelled())

    async def settled(self) -> None:
        """Wait for a step that was cut short, and is still cleaning up."""
        if self._answer is not None and not self._answer.done():
            await asyncio.wait([self._answer])

    async def advance(self, word: bool | None) -> Any:
        """Send `word`, and return what is yielded, or ``Returned``.

        If this is cancelled, what the generator awaits is cancelled, and it is waited for.

        :raises BaseException: what the generator raised.
        """
        loop = asyncio.get_running_loop()
        answer = self._answer = loop.create_future()
        if self._task is None or self._ask is None:
            self._ask = loop.create_future()
            self._task = loop.create_task(self._run(self._ask), name=f"{self._name}/stage")
            self._task.add_done_callback(self._ended)
        self._ask.set_result(word)
        try:
            await asyncio.wait([answer])
        except asyncio.CancelledError:
            await self._cut_short(self._task, answer)
            raise
        value, error = answer.result()
        if error is not None:
            raise error
        return value

    async def close(self) -> None:
        """Close it at its yield.

        :raises BaseException: what the generator raised.
        """
        if self._task is None or self._task.done():
            return
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._task.cancel(_CUT_SHORT)
        await asyncio.wait([answer])
        _, error = answer.result()
        if error is not None and not isinstance(error, asyncio.CancelledError):
            raise error

    async def _run(self, ask: asyncio.Future[bool | None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                word = await ask
                value = await self._generator.asend(word)
                ask = self._ask = loop.create_future()
                self._reply(value)
        except StopAsyncIteration:
            pass
        finally:
            # It may stand at a yield: at the end of the loop this task is cancelled as any other.
            await self._generator.aclose()

    async def _cut_short(self, task: asyncio.Task[None], answer: _Answer) -> None:
        if answer.done():
            return  # at this very moment: it stands at its yield, or has ended
        task.cancel(_CUT_SHORT)
        await asyncio.wait([answer])
        if not task.done():
            task.uncancel()  # it has caught that, and yielded

    def _reply(self, value: Any, error: BaseException | None = None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((value, error))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever ended it: also a cancel that came before its first step."""
        if self._answer is None or self._answer.done():
            return  # nobody waits: the loop itself tells of the exception of a task like this
        if task.cancelled():
            self._reply(None, asyncio.CancelledError(_CUT_SHORT))
        else:
            self._reply(Returned(), task.exception())
