"""Tasks that create, re-schedule and delete themselves: ``reCreate``, ``reSchedule``, ``delete``.

Every task belongs to the crew of one thread, in whatever attribute its reference was put, and ends
with it. Everything here belongs to the loop of that thread. See taskref.py for how a task runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from task_thread.core.ending import end_tasks
from task_thread.core.taskref import CoFunc, Run, TaskRef, current_crew, current_ref, make_run
from task_thread.errors import NotInThread, ThreadEnded, WrongLoop

if TYPE_CHECKING:
    from task_thread.core.protocols import Owner

__all__ = ["Crew", "Namespace", "delete", "reCreate", "reSchedule"]


class Namespace:
    """Holds what one puts in: ``self.tasks`` and ``self.locks`` of a thread.

    A task takes the name of the attribute that holds its reference as its slot's name.
    """

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name!r} was not set here: set it in initVars__, None will do")

    def __repr__(self) -> str:
        return f"<{', '.join(f'{k}={v!r}' for k, v in vars(self).items())}>"


class Crew:
    """All tasks of one thread. On that thread's loop only."""

    __slots__ = ("_warned", "closed", "failed", "log", "loop", "name", "note", "owner", "refs")

    def __init__(
        self,
        owner: Owner,
        name: Callable[[], str],
        failed: Callable[[TaskRef, BaseException], None],
        log: Callable[..., None],
        note: Callable[[BaseException, str], None],
    ) -> None:
        self.note = note  # told what a task raised that the thread survives
        self.owner = owner
        self.name = name
        self.log = log
        self.failed = failed  # told what a task raised that shall crash the thread
        self.refs: set[TaskRef] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self._warned: set[str] | None = None

    def start(self, run: Run) -> TaskRef:
        """Start a driver with its first run.

        :raises ThreadEnded: the thread's tasks have been ended already.
        """
        if self.closed:
            run[0].close()
            raise ThreadEnded(f"{self.name()} is ending and starts no more tasks", self.owner)
        ref = TaskRef(self, run)
        self.refs.add(ref)
        return ref

    def warn_once(self, slot: str) -> bool:
        """Whether that slot's warning is still to be given."""
        if self._warned is None:
            self._warned = set()
        if slot in self._warned:
            return False
        self._warned.add(slot)
        return True


def _crew_for(cofunc: object) -> Crew:
    """The crew that shall own a task of `cofunc`: of the thread whose method it is, else of the
    thread in whose context this runs."""
    loop = asyncio.get_running_loop()
    engine = getattr(getattr(cofunc, "__self__", None), "_taskthread", None)
    crew: Crew | None = current_crew.get() if engine is None else engine.crew
    if crew is None:
        raise NotInThread(
            f"no TaskThread owns {cofunc!r} here: start tasks in a thread's enter__, handlers or "
            "tasks, or pass one of its methods"
        )
    if crew.loop is not loop:
        if crew.loop is None:
            raise NotInThread(f"{crew.name()} does not run yet: start its tasks in enter__")
        raise WrongLoop(
            f"tasks of {crew.name()} are started and ended on its own loop: send it a signal"
        )
    return crew


async def reCreate(ref: Any, cofunc: CoFunc, *args: Any, **kwargs: Any) -> TaskRef:
    """End what runs in `ref`, wait for that, then start ``cofunc(*args, **kwargs)``.

    Called by the very task that runs in `ref` it means: after this run, that one.
    On the loop of the thread that owns the task only.

    :param ref: a task reference, an asyncio task, or None.
    :raises TypeError: wrong arguments for `cofunc`, or `ref` is no task.
    :raises NotInThread: no running TaskThread is there to own the task.
    :raises WrongLoop: the task's thread lives on another loop.
    :raises ThreadEnded: the thread has already ended its tasks.
    """
    crew = _crew_for(cofunc)
    run = make_run(cofunc, args, kwargs)
    if isinstance(ref, TaskRef) and ref.task is asyncio.current_task():
        ref.instead(run)
        return ref
    try:
        await delete(ref)
    except BaseException:
        run[0].close()
        raise
    return crew.start(run)


async def reSchedule(cofunc: CoFunc, *args: Any, **kwargs: Any) -> TaskRef:
    """Run ``cofunc(*args, **kwargs)`` after the run that calls this has returned.

    ``self.tasks.x = await reSchedule(self.x)`` is the last thing a task's run does. Called twice
    in one run, or from elsewhere than a task's own run, it starts another task at once.
    On the loop of the thread that owns the task only.

    :raises TypeError: wrong arguments for `cofunc`.
    :raises NotInThread: no running TaskThread is there to own the task.
    :raises WrongLoop: the task's thread lives on another loop.
    :raises ThreadEnded: the thread has already ended its tasks.
    """
    mine = current_ref.get()
    if mine is None or getattr(cofunc, "__self__", mine.owner) is not mine.owner:
        crew = _crew_for(cofunc)
        return crew.start(make_run(cofunc, args, kwargs))
    run = make_run(cofunc, args, kwargs)
    return mine if mine.then(run) else mine.crew.start(run)


async def delete(ref: Any) -> TaskRef | None:
    """End the task in `ref`, wait until it has ended, and return None, to put into the slot.

    None is no task, and fine. Called by the task itself it lets the current run finish, and no
    other follow. A task that goes on in spite of its cancel is cancelled again, then closed,
    within its thread's ``stop_timeout``. On the loop of the thread that owns the task only.

    :raises TypeError: `ref` is neither a task reference, nor an asyncio task, nor None.
    :raises WrongLoop: the task's thread lives on another loop.
    """
    if ref is None:
        return None
    if isinstance(ref, TaskRef):
        if ref.crew.loop is not asyncio.get_running_loop():
            raise WrongLoop(f"{ref!r} is ended on its own loop: send its thread a signal")
        if ref.task is asyncio.current_task():
            ref.stop_after_run()
            return None
        ref.cancel()
        stubborn = await end_tasks(
            {ref.task: ref.coroutine}, monotonic() + ref.crew.owner.stop_timeout
        )
        for _, where in stubborn:
            ref.crew.log("warning", "task %s ignored its cancel, %s", ref.name, where)
    elif isinstance(ref, asyncio.Task):
        if ref is not asyncio.current_task():
            ref.cancel()
            await asyncio.wait([ref])  # pyright: ignore[reportUnknownArgumentType]
    else:
        raise TypeError(f"{ref!r} is no task: pass what reCreate or reSchedule returned")
    return None
