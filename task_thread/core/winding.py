"""Winding a thread down, in order and in time.

::

    stopping__ -> children -> what is left in the inbox -> exit__ -> tasks -> the loop

All of it under one absolute deadline. Whatever hangs in one of these steps is cancelled when most
of the time that is left has passed, closed by force when that does not help, and the next step goes
on: no step can stop the others.

All of it belongs to the thread's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from task_thread.core.carrier import close_helpers
from task_thread.core.ending import (
    close_by_force,
    end_tasks,
    is_forced_close,
    new_task,
    where_it_hangs,
)
from task_thread.core.lifecycle import ExitReason
from task_thread.core.turns import tasks_of

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Winding", "does_nothing", "is_empty"]

HookFunction = TypeVar("HookFunction", bound=Callable[..., Coroutine[Any, Any, None]])

_EMPTY: Final = "__task_thread_empty__"
_STEP_SHARE: Final = 0.8  # of the time left: when a step that hangs is cancelled
_FORCE_SHARE: Final = 0.5  # of the time left then: when it is closed by force


def does_nothing(hook: HookFunction) -> HookFunction:
    """Decorate a hook of TaskThread's own, which is there to be overridden and need not be run."""
    setattr(hook, _EMPTY, True)
    return hook


def is_empty(hook: Callable[..., Any]) -> bool:
    """Whether nobody has overridden that hook, which does nothing then."""
    return getattr(hook, _EMPTY, False)


class Winding:
    """The winding down of one thread, begun by making it. On the thread's loop.

    :ivar task: the task that does it.
    :ivar limit: the thread's limit when this was last told of it; it may be lower by now.
    """

    def __init__(
        self, thread: TaskThread, loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._thread = thread
        self._engine = thread._taskthread
        self._life = thread._taskthread.life
        self._loop = loop
        self._context = context
        self._hurry: asyncio.Future[None] | None = None
        self.limit = self._life.limit
        self.task = new_task(loop, self._wind_down(), name=f"{thread}/stop", context=context)

    def hurry(self) -> None:
        """The deadline has come nearer: look at it again."""
        self.limit = self._life.limit
        if self._hurry is not None and not self._hurry.done():
            self._hurry.set_result(None)
        self._engine.family.hurry()

    async def _wind_down(self) -> None:
        thread = self._thread
        try:
            if not self._life.entered:
                await self._end_start()
            else:
                await self._step(thread.stopping__, "stopping__")
            if self._engine.supervisor is not None:
                self._engine.supervisor.close()
            await self._engine.family.stop_all()
            self._engine.end_supervision()
            await self._drain()
            if self._life.entered:
                await self._step(thread.exit__, "exit__")
            await self._end_tasks()
        except asyncio.CancelledError:
            # It was given up before, and now the loop that it shared is cleared away.
            self._engine.inbox.seal()
        except BaseException as error:  # a bug in here must not leave everyone waiting
            self._engine.log("critical", "winding down failed", exc_info=error)
            self._life.worsen(ExitReason("crash", error, "winding down"))
            self._engine.inbox.seal()
        finally:
            self._life.conclude()

    async def _end_start(self) -> None:
        """Wait for enter__, which was cancelled when the stop began."""
        # Nobody will handle signals: what the children still want to say must not wait for that.
        if self._life.keeps_inbox():
            self._engine.inbox.refuse_children()
        else:
            self._engine.inbox.refuse()
        main = self._life.main
        if main is not None and not await self._until(main, _STEP_SHARE):
            await self._cancel(main, "enter__")

    async def _drain(self) -> None:
        """Let the listener handle what is left, unless it has crashed; bury the rest. Where a next
        instance may come, leave it all to that one."""
        assert self._life.exchange is not None
        if self._life.keeps_inbox():
            await self._halt()
            return
        self._engine.inbox.refuse()
        self._life.exchange.drain()
        main = self._life.main
        if main is None or main.done():
            await self._await_arrivals()
        else:
            self._life.draining = True
            self._engine.inbox.wake()
            if not await self._until(main, _STEP_SHARE):
                await self._cancel(main, "its signal handler")
        self._engine.end_inbox()

    async def _halt(self) -> None:
        """Let the listener end with what it handles just now."""
        main = self._life.main
        if main is not None and not main.done():
            self._life.halt()
            if not await self._until(main, _STEP_SHARE):
                await self._cancel(main, "its signal handler")
        self._engine.inbox.fail_questions(taken_only=True)

    async def _await_arrivals(self) -> None:
        """Nobody handles what is still under way, but the counts of an ended thread are final."""
        inbox = self._engine.inbox
        if not inbox.sealed and not inbox.all_arrived():
            task = new_task(self._loop, inbox.await_all())
            if not await self._until(task, _STEP_SHARE):
                task.cancel()

    async def _end_tasks(self) -> None:
        self._engine.crew.closed = True
        refs = [ref for ref in self._engine.crew.refs if ref.task is not asyncio.current_task()]
        for ref in refs:
            ref.cancel()
        for aside in self._life.aside:
            aside.cancel()
        tasks: dict[asyncio.Task[Any], Any] = {ref.task: ref.coroutine for ref in refs}
        tasks |= dict.fromkeys(self._life.aside)
        if self._life.own_loop:
            others = tasks_of(self._loop) - tasks.keys() - {self.task}
            for task in others:
                task.cancel()
            tasks |= dict.fromkeys(others)
        for task, where in await end_tasks(tasks, self._life.share(_STEP_SHARE)):
            self._cut_off(task.get_name(), f"it ignored its cancel, {where}")
        if self._life.own_loop and not await close_helpers(
            self._loop, max(0.01, self._life.share(_FORCE_SHARE) - monotonic())
        ):
            self._cut_off("the loop's executor", "was left behind with a call still running")

    async def _step(self, hook: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        """Await a hook; cancel it when it takes too long, close it when that does not help."""
        if is_empty(hook):
            return  # not overridden: two tasks less for each thread that ends
        task = new_task(
            self._loop, _run_hook(hook), name=f"{self._thread}/{name}", context=self._context
        )
        if not await self._until(task, _STEP_SHARE) and not await self._cancel(task, name):
            return
        if not task.cancelled():
            # Not as a result only: a GeneratorExit of its own comes as the task's exception.
            error = task.exception() or task.result()
            if error is not None:
                self._life.fail(error, name)

    async def _cancel(self, task: asyncio.Task[Any], name: str) -> bool:
        """Past its share of the time: cancel it, and close it where that does not help.

        :returns: whether it ended with the cancel.
        """
        self._cut_off(name, where_it_hangs(task))
        task.cancel()
        if await self._until(task, _FORCE_SHARE):
            return True
        close_by_force(task)
        return False

    async def _until(self, task: asyncio.Task[Any], share: float) -> bool:
        """Wait for `task`, at most that share of the time left, which may shrink meanwhile."""
        begun = monotonic()
        while not task.done():
            left = begun + max(0.0, self._life.limit - begun) * share - monotonic()
            if left <= 0:
                return False
            self._hurry = self._loop.create_future()
            await asyncio.wait(
                (task, self._hurry), timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
        return True

    def _cut_off(self, name: str, how: str) -> None:
        level = "debug" if self._life.is_cut_off_as_agreed else "error"
        self._engine.log(level, "%s was cut off past the deadline: %s", name, how)
        self._life.worsen(ExitReason("timeout", detail=f"{name}: {how}"))
        self._life.note_overdue(f"{self._thread}: {name} was cut off, {how}")


async def _run_hook(hook: Callable[[], Coroutine[Any, Any, Any]]) -> BaseException | None:
    """Await a hook, and return what it raised: a SystemExit that leaves a task ends its loop."""
    try:
        await hook()
    except asyncio.CancelledError as error:
        if cast("asyncio.Task[Any]", asyncio.current_task()).cancelling():
            raise
        return error  # of something that the hook awaited: an error like others
    except BaseException as error:
        if is_forced_close(error):
            raise
        return error
    return None
