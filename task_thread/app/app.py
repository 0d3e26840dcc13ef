"""TaskApp: the TaskThread that runs tasks on a trigger, on a call, in a pool."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar, overload

from task_thread.app.athand import see_through
from task_thread.app.checks import check_seconds, check_text, check_whole
from task_thread.app.dispatcher import COROUTINES
from task_thread.app.events import AppEvent
from task_thread.app.middleware import Middleware
from task_thread.app.office import Office
from task_thread.app.pool import Pool, pool_of
from task_thread.app.runinfo import RunInfo
from task_thread.app.statistics import AppStatistics, statistics_of
from task_thread.app.store import Store, store_for
from task_thread.app.task import Task
from task_thread.app.taskset import TaskSet
from task_thread.app.triggers import Trigger
from task_thread.app.words import ExecutorName
from task_thread.core.thread import TaskThread
from task_thread.errors import NotRunning, UnknownRun

__all__ = ["TaskApp"]

P = ParamSpec("P")
R = TypeVar("R")

_THREADS: Final = 8
_RETENTION: Final = 60.0


class TaskApp(TaskThread):
    """Runs tasks: a TaskThread of its own, alone or in a tree.

    ::

        app = TaskApp("mail", threads=8)

        @app.task(retry=3, max_time=10.0)
        def send(to, body): ...

        with app:
            print(send.add_task("ann", "hi").wait(timeout=5))

    A subclass that overrides ``enter__``, ``stopping__`` or ``exit__`` awaits those of this class
    too.

    :param name: its id, and what its OS threads are called.
    :param threads: how many runs there may be in OS threads at once: a number, or a
        :class:`Pool` that says what is kept in reserve.
    :param processes: the same for processes; by default as many as there are processors. Each is
        started when it is needed first.
    :param coroutines: how many coroutines of runs may be under way at once.
    :param store: ``"sqlite:///mail.db"``, or a :class:`Store`: makes the app durable. None: all is
        in memory.
    :param tasks: what it runs; by default a :class:`TaskSet` of its own. An app that is spawned is
        made anew with each restart: give it one.
    :param middlewares: around each attempt of each run, the first outermost.
    :param events: the parent is told of these: classes of :mod:`task_thread.app.events`.
    :param retention: seconds for which a run that has ended can be asked for by its id.
    :param parent: the thread whose child it shall be.
    :raises TypeError: an argument of the wrong type.
    :raises ValueError: one that makes no sense, or names no store.
    """

    def __init__(
        self,
        name: str = "app",
        *,
        threads: Pool | int = _THREADS,
        processes: Pool | int | None = None,
        coroutines: int = COROUTINES,
        store: str | Store | None = None,
        tasks: TaskSet | None = None,
        middlewares: Sequence[Middleware | type[Middleware]] | Middleware | type[Middleware] = (),
        events: Sequence[type[AppEvent]] = (),
        retention: float = _RETENTION,
        parent: TaskThread | None = None,
    ) -> None:
        check_text("an app's name", name)
        if tasks is not None and not isinstance(tasks, TaskSet):
            raise TypeError(f"tasks is a TaskSet, not {tasks!r}")
        check_seconds("retention", retention, above=True, optional=False)
        pools: dict[ExecutorName, Pool] = {
            "loop": Pool(coroutines),
            "thread": pool_of(threads),
            "process": pool_of(os.cpu_count() or 1 if processes is None else processes),
        }
        self._name = name
        super().__init__(parent)
        self._app = Office(
            self,
            name,
            pools,
            None if store is None else store_for(store),
            tasks,
            _layers(middlewares),
            retention,
        )
        if events:
            self.subscribe(*events)

    def getId(self) -> str:
        """The app's name."""
        return self._name

    # ---- tasks ----------------------------------------------------------------------------

    @property
    def tasks_by_id(self) -> TaskSet:
        """Its tasks: ``app.tasks_by_id["sweep"]``. From any thread."""
        return self._app.tasks

    @overload
    def task(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...

    @overload
    def task(self, fn: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(
        self, fn: None = None, /, *, id: str | None = None, replace: bool = False, **options: Any
    ) -> Callable[[Callable[P, Any]], Task[P, Any]]: ...

    @overload
    def task(
        self,
        fn: Callable[P, Any],
        /,
        *,
        id: str | None = None,
        replace: bool = False,
        **options: Any,
    ) -> Task[P, Any]: ...

    def task(
        self,
        fn: Callable[..., Any] | None = None,
        /,
        *,
        id: str | None = None,
        replace: bool = False,
        **options: Any,
    ) -> Any:
        """Make a task of a function: ``@app.task``, ``@app.task(retry=3)``, or
        ``app.task(fn, retry=3)``. See :meth:`TaskSet.task`. From any thread."""
        if fn is None:
            return self._app.tasks.task(id=id, replace=replace, **options)
        return self._app.tasks.add(fn, id=id, replace=replace, options=options)

    def schedule(
        self,
        fn: Callable[..., Any] | Task[..., Any],
        trigger: Trigger | str,
        *,
        id: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        replace: bool = False,
        **options: Any,
    ) -> Task[..., Any]:
        """Run `fn`, a function or a task, on a trigger. See :meth:`TaskSet.schedule`. From any
        thread."""
        return self._app.tasks.schedule(
            fn, trigger, id=id, args=tuple(args), kwargs=kwargs, replace=replace, **options
        )

    async def apply(
        self,
        fn: Callable[..., Any] | Task[..., Any],
        /,
        *args: Any,
        executor: ExecutorName | None = None,
        priority: int | None = None,
        max_time: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run ``fn(*args, **kwargs)`` once, a task or any function, and return what it gives. From
        any loop. To be cancelled in this cancels the run.

        :param executor: ``"process"`` for what computes; by default the loop for what is async and
            a thread for the rest.
        :param priority: which goes first; NORMAL by default.
        :param max_time: seconds that it may take.
        :raises TypeError, ValueError: the function can't be run like that.
        :raises TimeLimitReached: it took longer than `max_time`.
        :raises WorkerDied: its process died under it.
        :raises NotRunning: the app does not run yet. :raises ThreadEnded: it has ended.
        :raises BaseException: what the function raised.
        """
        if priority is not None:
            check_whole("priority", priority, None)
        task = self._app.single_use(fn, executor, max_time)
        task.shape.check(args, kwargs)
        here = asyncio.get_running_loop() is self._taskthread.life.loop
        desk = self._app.dispatcher
        run = desk.accept(
            task,
            args,
            kwargs,
            task.options.priority if priority is None else priority,
            None,
            call=None,
            at_once=here,
        )
        try:
            return await (see_through(desk, run) if here else run.result())
        except asyncio.CancelledError:
            run.cancel("nobody waits for it any more")
            raise

    # ---- runs -----------------------------------------------------------------------------

    def run_info(self, id: str) -> RunInfo:
        """What the run of that id is at this moment: while it is under way, and for ``retention``
        seconds after its end. From any thread.

        :raises UnknownRun: there is none, or none any more.
        """
        run = self._app.dispatcher.runs.get(id)
        if run is None:
            raise UnknownRun(f"{self} knows no run {id!r}, or no longer")
        return run.info()

    async def stored_run_info(self, id: str) -> RunInfo:
        """The same of a run in the store, from an earlier life of the process too. From any loop.

        :raises UnknownRun: there is none, or none any more.
        :raises StoreFailed: the store can't be read.
        """
        run = self._app.dispatcher.runs.get(id)
        if run is not None:
            return run.info()
        if self._app.ledger is None:
            raise UnknownRun(f"{self} knows no run {id!r}, and has no store")
        return await self._app.ledger.info(id)

    async def flush(self) -> None:
        """Wait until all that was accepted before is on disk; without a store at once. From any
        loop.

        :raises StoreError: it can't be written for now. It is tried again all the same.
        :raises NotRunning: the app does not run yet.
        :raises ThreadEnded: it has ended.
        """
        if self._taskthread.life.loop is None:
            raise NotRunning(f"{self} does not run yet: run it first", self)
        await self._taskthread.errands.run(self._app.flush)

    def app_statistics(self) -> AppStatistics:
        """A frozen snapshot of its queues, pools and runs. From any thread; it does not wake the
        app."""
        return statistics_of(self._app)

    # ---- events ---------------------------------------------------------------------------

    def subscribe(
        self, *kinds: type[AppEvent], callback: Callable[[Any], Any] | None = None
    ) -> None:
        """Have the parent told of events, in its ``childsignalHandler__``; or `callback`, which is
        called on the app's loop, and awaited if it is async. From any thread.

        :param kinds: RunEnded, TaskAdded, ...; none: all.
        :raises TypeError: one of them is no class of events.
        """
        self._app.dispatcher.notices.subscribe(callback, kinds or (AppEvent,))

    def unsubscribe(
        self, *kinds: type[AppEvent], callback: Callable[[Any], Any] | None = None
    ) -> None:
        """The reverse. From any thread."""
        self._app.dispatcher.notices.unsubscribe(callback, kinds)

    # ---- life -----------------------------------------------------------------------------

    async def enter__(self) -> None:
        """Open the store, go on with what is in it, and begin."""
        await self._app.open()

    async def stopping__(self) -> None:
        """Take no calls any more; what runs is given until most of the deadline has passed."""
        await self._app.stop()

    async def exit__(self) -> None:
        """Write what is left, and let go of the pools and the store."""
        await self._app.close()


def _layers(middlewares: Any) -> Sequence[Any]:
    """A single middleware is a sequence of one."""
    return (middlewares,) if not isinstance(middlewares, list | tuple) else [*middlewares]
