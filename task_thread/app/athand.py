"""A call in a process, made by whoever waits for it on the app's own loop.

A worker that makes it, and says so when it has, costs a task and two turns of the loop: a quarter
of what the whole call takes. Only where nothing of the user's runs around the call: that would run
in the caller's task, and see what is his.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from task_thread.app.attempt import Attempt
    from task_thread.app.dispatcher import Dispatcher
    from task_thread.app.run import Run

__all__ = ["see_through"]

R = TypeVar("R")


async def see_through(desk: Dispatcher, run: Run[R]) -> R:
    """What `run` gives, which the caller has just had accepted. On the app's loop.

    If it may begin at once, it is made here, the first attempt of it; else by the workers. Who is
    cancelled in this has to cancel the run.

    :raises BaseException: all that :meth:`Run.result` raises.
    """
    me = asyncio.current_task()
    attempt = None if me is None else desk.take_up(run)
    if me is not None and attempt is not None:
        await _make(desk, attempt, me)
    return await run.result()


async def _make(desk: Dispatcher, attempt: Attempt, me: asyncio.Task[Any]) -> None:
    """Returns when the attempt is over, however it ended.

    :raises CancelledError: the caller was cancelled. What becomes of the run is left to him.
    """
    before = me.cancelling()
    context = desk.context.copy()  # what callbacks set is not the caller's
    value: Any = None
    error: BaseException | None = None
    try:
        coroutine = context.run(attempt.begin, me)
        if coroutine is None:  # the task was changed this moment, and its place is a thread now
            return
        value = await coroutine
    except BaseException as raised:
        error = raised
    if attempt.over:
        me.uncancel()  # that was how the run was cancelled, or its time limit came
    is_mine = isinstance(error, asyncio.CancelledError) and me.cancelling() > before
    if is_mine:
        attempt.over = True
    context.run(attempt.done_at_hand, value, error)
    try:
        if error is not None and (is_mine or isinstance(error, GeneratorExit)):
            raise error
    finally:  # its traceback leads to this frame, and both would wait for the collector
        del error
