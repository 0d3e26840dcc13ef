"""Coroutines of runs on the app's loop, begun without a task each.

A coroutine that does not wait needs no asyncio task of its own: the worker that takes it steps it
to its end and takes the next. Only one that really waits keeps its worker, which is a task of its
own from then on, and another worker goes on with the queue. So 50,000 runs that never wait take
one task, and 1,000 that do take 1,000. (A task for each run was the other way: half of the speed.)
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import partial
from operator import is_
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from task_thread.core.ending import new_task

__all__ = ["Job", "Workers"]

R = TypeVar("R")

_SLICE: Final = 0.002  # seconds after which other callbacks of the loop get their turn


class Job(Protocol):
    """Something that a worker can do. On the loop."""

    def begin(self, worker: asyncio.Task[Any]) -> Coroutine[Any, Any, Any] | None:
        """It is about to be done by `worker`, which may be cancelled until it has ended. None: it
        is under way elsewhere, and the worker has nothing more to do with it."""
        ...

    def done(self, value: Any, error: BaseException | None) -> None:
        """Its coroutine gave a value, or raised."""
        ...


class Workers:
    """Tasks that take jobs for as long as there are any. On the app's loop, all of it.

    :param take: gives the next job, or None.
    :param waiting: whether ``take`` would give one.
    :param name: of the tasks.
    """

    def __init__(
        self, take: Callable[[], Job | None], waiting: Callable[[], bool], name: str
    ) -> None:
        self._take = take
        self._waiting = waiting
        self._name = name
        self._looking = 0  # workers that will look for a job without being woken
        self._loop = asyncio.get_running_loop()
        self._context: Final = copy_context()
        self.tasks: Final = set[asyncio.Task[None]]()

    def wake(self) -> None:
        """There may be something to do."""
        if not self._looking and self._waiting():
            self._spawn()

    def _spawn(self) -> None:
        self._looking += 1
        # Each worker has a context of its own: what a run sets there ends with it.
        task = new_task(self._loop, self._work(), name=self._name, context=self._context.copy())
        self.tasks.add(task)

    def _suspended(self) -> None:
        """The job of this worker waits for something: somebody else has to look for the rest."""
        self._looking -= 1
        if not self._looking and self._waiting():
            self._spawn()

    async def _work(self) -> None:
        me: Any = asyncio.current_task()
        try:
            await self._do_jobs(me)
        finally:
            # Not by a callback of the task's end: that would be one more turn of the loop.
            self.tasks.discard(me)

    async def _do_jobs(self, me: asyncio.Task[Any]) -> None:
        clean = tuple(self._context.values())
        pause_at = monotonic() + _SLICE
        while True:
            job = self._take()
            if job is None:
                self._looking -= 1
                return
            error: BaseException | None = None
            value = None
            looking = ours = True
            try:
                coroutine = job.begin(me)
                ours = coroutine is not None
                if coroutine is not None:
                    try:
                        waits_for = coroutine.send(None)
                    except StopIteration as stop:
                        value = stop.value
                    else:
                        looking = False
                        self._suspended()
                        value = await _rest_of(coroutine, waits_for)
            except BaseException as raised:
                error = raised
            if not looking:
                self._looking += 1
            try:
                if ours:
                    job.done(value, error)
            except Exception as trouble:  # a bug of ours must not be the end of all runs
                self._loop.call_exception_handler(
                    {"message": "a run could not be ended", "exception": trouble, "task": me}
                )
            if isinstance(error, GeneratorExit | KeyboardInterrupt | SystemExit):
                self._looking -= 1
                self.wake()
                if isinstance(error, GeneratorExit):  # closed by force, as the loop goes down
                    raise error
                return
            if not looking or me.cancelling() or not _is_clean(copy_context(), clean):
                # A fresh worker for the next job: a cancel that came too late must not meet it,
                # nor what this one has set in the context, or left on its asyncio task.
                self._looking -= 1
                self.wake()
                return
            if monotonic() > pause_at:
                await asyncio.sleep(0)
                pause_at = monotonic() + _SLICE


def _is_clean(context: Context, clean: tuple[Any, ...]) -> bool:
    """Whether nothing was set in it that had those values before. By identity: an ``==`` of the
    user's may do anything."""
    return len(context) == len(clean) and all(map(is_, context.values(), clean))


@types.coroutine
def _rest_of(coroutine: Coroutine[Any, Any, R], waits_for: Any) -> Generator[Any, Any, R]:
    """``await coroutine``, where its first step was taken, and gave `waits_for`: what `yield from`
    does, which can't be begun in the middle."""
    while True:
        try:
            sent = yield waits_for
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, sent)
        try:
            waits_for = step()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
