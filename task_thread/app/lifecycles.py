"""The life-cycle tasks of an app: which generator belongs to which task, from tick to tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import is_
from time import monotonic
from typing import TYPE_CHECKING, Any

from task_thread.app.stages import Stage
from task_thread.app.task import Task
from task_thread.log import log_safely

if TYPE_CHECKING:
    from task_thread.app.dispatcher import Dispatcher

__all__ = ["LifeCycles"]


class LifeCycles:
    """Each task's generator. On the app's loop, but for :meth:`has`.

    :param desk: whose threads the synchronous ones are advanced in.
    """

    def __init__(self, desk: Dispatcher) -> None:
        self._desk = desk
        # Each with the call that it began with.
        self._stages: dict[str, tuple[tuple[Any, ...], Stage]] = {}

    def has(self, task: Task[..., Any]) -> bool:
        """Whether a generator of that task's id is under way. From any thread."""
        return task.id in self._stages

    def stage_of(self, task: Task[..., Any]) -> Stage:
        """The task's generator; a new one with its first tick."""
        self.look_at(task)
        known = self._stages.get(task.id)
        if known is None:
            desk = self._desk
            context = desk.context.copy()  # one for all its steps, which belong together

            async def call(fn: Callable[[], Any]) -> Any:
                return await desk.threads.call(fn, (), {}, context)

            stage = Stage(task.fn, task.args, task.kwargs, call, name=task.name)
            known = self._stages[task.id] = (_call_of(task), stage)
        return known[1]

    def look_at(self, task: Task[..., Any]) -> None:
        """Where the task is another one by now, the old one's generator ends."""
        known = self._stages.get(task.id)
        if known is not None and (
            not task.is_life_cycle or not all(map(is_, known[0], _call_of(task)))
        ):
            self.end(task.id)

    def forget(self, task: Task[..., Any]) -> None:
        """Its generator has ended by itself."""
        self._stages.pop(task.id, None)

    def end(self, id: str) -> None:
        """Tell the generator of that task False, and do not wait for its end."""
        known = self._stages.pop(id, None)
        if known is not None:
            life = self._desk.app._taskthread.life
            life.create_task(self._stop(id, known[1]), "life-cycle")

    async def end_all(self, limit: float) -> None:
        """Tell each one False, all at once, and give them until `limit` (seconds of
        time.monotonic())."""
        stages, self._stages = self._stages, {}
        if not stages:
            return
        ends = [asyncio.create_task(self._stop(id, stage)) for id, (_, stage) in stages.items()]
        _, late = await asyncio.wait(ends, timeout=max(0.0, limit - monotonic()))
        for end in late:
            end.cancel()
        if late:
            await asyncio.wait(late, timeout=max(0.0, limit - monotonic()))

    async def _stop(self, id: str, stage: Stage) -> None:
        try:
            await stage.stop()
        except Exception as error:
            log_safely(
                self._desk.app.logger, "error", "a life-cycle task raised at its end", task=id,
                exc_info=error,
            )  # fmt: skip


def _call_of(task: Task[..., Any]) -> tuple[Any, ...]:
    """What makes a generator another one. Compared by identity: each is replaced as a whole, and
    an ``==`` of the user's may do anything."""
    return (task, task.fn, task.args, task.kwargs)
