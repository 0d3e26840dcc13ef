"""The tasks of an app, by their ids: what a program declares, whoever runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from task_thread.app.checks import check_text
from task_thread.app.declaring import TRIGGER_OPTIONS, check_kind, options_for
from task_thread.app.options import TaskOptions, changed
from task_thread.app.signature import shape_of
from task_thread.app.task import Task, as_task
from task_thread.app.triggers import Trigger, from_json, make_trigger
from task_thread.errors import DuplicateTask, NotRunning, RegistryError, UnknownTask

if TYPE_CHECKING:
    from task_thread.app.records import ScheduleRecord
    from task_thread.app.run import Run

__all__ = ["TaskHost", "TaskSet"]

P = ParamSpec("P")
R = TypeVar("R")


class TaskHost(Protocol):
    """What a set of tasks asks of the app that runs them. From any thread."""

    def accept(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        priority: int,
        delay: float | None,
    ) -> Run[Any]:
        """Take a call."""
        ...

    def check_task(self, task: Task[..., Any]) -> None:
        """Raise if it can't have that task."""
        ...

    def task_added(self, task: Task[..., Any], fresh: bool = True) -> None:
        """A task is new, or another one has its id; or it is there from before, not `fresh`."""
        ...

    def task_changed(self, task: Task[..., Any], old: TaskOptions) -> None:
        """A task's options are others."""
        ...

    def task_removed(self, task: Task[..., Any]) -> None:
        """A task is gone."""
        ...

    def task_paused(self, task: Task[..., Any], paused: bool) -> None:
        """A task's ticks are paused, or no longer."""
        ...

    def next_of(self, task: Task[..., Any]) -> datetime | None:
        """When a task's next tick is due."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        ...


class TaskSet:
    """Tasks, declared apart from the app that runs them: share one between a module that declares,
    a program that runs, and the instances of an app that is restarted::

        jobs = TaskSet()

        @jobs.task(retry=3)
        def send(to, body): ...

        await root.spawn(TaskApp, "mail", tasks=jobs)

    An app without `tasks` has a set of its own. Everything may be called from any thread.

    Ownership: the tasks, the paused ones and the host belong to ``_lock``, which is held while the
    host is told, so that what it hears has the order in which it happened.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tasks: dict[str, Task[..., Any]] = {}
        self._paused: set[str] = set()
        self._host: TaskHost | None = None
        self._numbers = count(1)

    # ---- declaring ------------------------------------------------------------------------

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
        ``app.task(fn, retry=3)`` for one that exists.

        :param id: by default the name, which is by default the function's.
        :param replace: whether another task of that id gives way; else it is an error.
        :param options: those of :class:`TaskOptions`, and any others, which are kept in ``extra``.
        :raises TypeError, ValueError: an option makes no sense, or the function can't be a task.
        :raises DuplicateTask: a task of that id is there.
        """
        if fn is None:

            def decorate(fn: Callable[..., Any]) -> Task[..., Any]:
                return self.add(fn, id=id, replace=replace, options=options)

            return decorate
        return self.add(fn, id=id, replace=replace, options=options)

    def add(
        self,
        fn: Callable[..., Any] | Task[..., Any],
        *,
        id: str | None = None,
        replace: bool = False,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any],
        declared: bool = True,
    ) -> Task[..., Any]:
        """What :meth:`task` and :meth:`schedule` do."""
        base = as_task(fn)
        if base is not None:
            fn = base.fn
            given = changed(base.options, options)
            base = base.base or base
        else:
            given = options_for(fn, options)
        if id is not None:
            check_text("a task's id", id)
        elif declared:
            id = given.name
        else:
            id = self._free_id(given.name if base is None else base.id)
        check_kind(fn, given)
        task: Task[..., Any] = Task(self, id, fn, given, args, kwargs, base, declared)
        with self._lock:
            earlier = self._tasks.get(id)
            if earlier is not None and not replace:
                raise DuplicateTask(
                    f"there is a task {id!r} already: give another id, or replace=True"
                )
            was_paused = id in self._paused
            self._paused.discard(id)
            try:
                if self._host is not None:
                    self._host.check_task(task)
                    self._host.task_added(task, fresh=not _goes_on(task, earlier))
            except BaseException:  # a trigger that finds no time: the earlier one stays
                if was_paused:
                    self._paused.add(id)
                raise
            if earlier is not None:
                earlier.deleted = True
            self._tasks[id] = task
        return task

    def _free_id(self, name: str) -> str:
        """`name` and the next number that nobody has."""
        with self._lock:
            while (id := f"{name}-{next(self._numbers)}") in self._tasks:
                pass
        return id

    def schedule(
        self,
        fn: Callable[..., Any] | Task[..., Any],
        trigger: Trigger | str,
        *,
        id: str | None = None,
        args: tuple[Any, ...] | list[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        replace: bool = False,
        **options: Any,
    ) -> Task[..., Any]:
        """Run `fn`, a function or a task, on a trigger: a task of its own, with its own id.

        ``schedule(report, "cron", expression="0 6 * * *")`` takes the trigger's alias and options.

        :param trigger: a Date, Interval, Cron, AnyOf, AllOf, or its alias.
        :param id: by default that of `fn` and a number.
        :param args: what each tick calls it with.
        :param kwargs: the same.
        :param replace: whether another task of that id gives way; else it is an error.
        :raises TypeError, ValueError: the trigger, an option or the arguments make no sense.
        :raises DuplicateTask: a task of that id is there.
        """
        if isinstance(trigger, str):
            own = {name: options.pop(name) for name in list(options) if name in TRIGGER_OPTIONS}
            trigger = make_trigger(trigger, **own)
        options["trigger"] = make_trigger(trigger)
        return self.add(
            fn,
            id=id,
            replace=replace,
            args=tuple(args),
            kwargs=kwargs,
            options=options,
            declared=False,
        )

    def make_apart(
        self, fn: Callable[..., Any] | Task[..., Any], options: Mapping[str, Any]
    ) -> Task[..., Any]:
        """A task that is in no set: for a single call.

        :raises TypeError, ValueError: as :meth:`task`.
        """
        base = as_task(fn)
        if base is not None:
            given, fn = changed(base.options, {**options, "trigger": None}), base.fn
        else:
            given = options_for(fn, options)
        check_kind(fn, given)
        return Task(self, given.name, fn, given)

    # ---- seeing ---------------------------------------------------------------------------

    def __getitem__(self, id: str) -> Task[..., Any]:
        with self._lock:
            task = self._tasks.get(id)
        if task is None:
            raise UnknownTask(f"there is no task {id!r}")
        return task

    def __contains__(self, id: object) -> bool:
        with self._lock:
            return id in self._tasks

    def __len__(self) -> int:
        with self._lock:
            return len(self._tasks)

    def __iter__(self) -> Iterator[Task[..., Any]]:
        with self._lock:
            return iter(list(self._tasks.values()))

    # ---- what tasks ask -------------------------------------------------------------------

    def host_of(self, task: Task[..., Any]) -> TaskHost:
        """The app that runs `task`.

        :raises NotRunning: there is none yet.
        :raises UnknownTask: it was deleted.
        """
        task._check_there()
        host = self._host
        if host is None:
            raise NotRunning(f"no TaskApp has {task!r} yet: TaskApp(..., tasks=...) and run it")
        return host

    def change(self, task: Task[..., Any], changes: dict[str, Any]) -> None:
        """See :meth:`Task.update`."""
        with self._lock:
            task._check_there()
            before = (task.fn, task.args, task.kwargs, task.options, task.shape)
            fn = changes.pop("fn", task.fn)
            args = tuple(changes.pop("args", task.args))
            kwargs = dict(changes.pop("kwargs")) if "kwargs" in changes else task.kwargs
            old = task.options
            options = changed(old, changes)
            shape = task.shape
            if fn is not task.fn or options.echo != old.echo:
                shape = shape_of(fn, options.echo)
            if options.trigger is not None:
                shape.check(args, kwargs)
            check_kind(fn, options, shape)
            task.become(fn, args, kwargs, options, shape)
            try:
                if self._host is not None:
                    self._host.check_task(task)
                    self._host.task_changed(task, old)
            except BaseException:  # a trigger that finds no time, arguments that can't be stored
                task.become(*before)
                raise

    def pause(self, task: Task[..., Any]) -> None:
        """See :meth:`Task.pause`."""
        with self._lock:
            if task.id not in self._paused:
                self._paused.add(task.id)
                if self._host is not None:
                    self._host.task_paused(task, True)

    def resume(self, task: Task[..., Any]) -> None:
        """See :meth:`Task.resume`."""
        with self._lock:
            if task.id in self._paused:
                self._paused.discard(task.id)
                if self._host is not None:
                    self._host.task_paused(task, False)

    def is_paused(self, task: Task[..., Any]) -> bool:
        """See :attr:`Task.is_paused`."""
        with self._lock:
            return task.id in self._paused

    def remove(self, task: Task[..., Any]) -> None:
        """See :meth:`Task.delete`."""
        with self._lock:
            task._check_there()
            del self._tasks[task.id]
            self._paused.discard(task.id)
            task.deleted = True
            if self._host is not None:
                self._host.task_removed(task)

    def next_of(self, task: Task[..., Any]) -> datetime | None:
        """See :attr:`Task.next_run_time`."""
        host = self._host
        return None if host is None or self.is_paused(task) else host.next_of(task)

    # ---- what apps ask --------------------------------------------------------------------

    def attach(self, host: TaskHost) -> None:
        """From now on `host` runs these tasks, in the place of whoever did before, and goes on
        with their ticks where that one was.

        :raises StoreError: it can't have one of them.
        :raises RegistryError: another app runs them at this moment.
        """
        with self._lock:
            if self._host is not None and self._host is not host and self._host.is_running:
                raise RegistryError("another TaskApp runs these tasks: one at a time")
            for task in self._tasks.values():
                host.check_task(task)
            self._host = host
            for task in self._tasks.values():
                host.task_added(task, fresh=False)

    def attach_if_free(self, host: TaskHost) -> None:
        """The same, unless another one runs them."""
        with self._lock:
            if self._host is None:
                self.attach(host)

    def restore(
        self, id: str, fn: Callable[..., Any] | Task[..., Any], record: ScheduleRecord
    ) -> None:
        """Make a task again that :meth:`schedule` has made in an earlier life of the process."""
        options: dict[str, Any] = {**record["options"], "trigger": from_json(record["said"])}
        with self._lock:
            base = as_task(fn)
            function = fn if base is None else base.fn
            given = changed(
                base.options if base is not None else options_for(function, {}), options
            )
            check_kind(function, given)
            task: Task[..., Any] = Task(
                self, id, function, given, tuple(record["args"]), record["kwargs"], base, False
            )
            task.declared_trigger = (
                None if record["declared"] is None else from_json(record["declared"])
            )
            self._tasks[id] = task
            if record["paused"]:
                self._paused.add(id)
            if self._host is not None:
                self._host.task_added(task, fresh=False)

    def mark_paused(self, task: Task[..., Any]) -> None:
        """It was paused in an earlier life of the process."""
        with self._lock:
            self._paused.add(task.id)


def _goes_on(task: Task[..., Any], earlier: Task[..., Any] | None) -> bool:
    """Whether `task` is `earlier` said once more, as a program does each time it starts: then its
    ticks go on where they were. Else an hourly tick of a program that is started every 50 minutes
    would never come."""
    if earlier is None or earlier.fn is not task.fn or earlier.declared_trigger is None:
        return False
    if earlier.declared_trigger != task.declared_trigger:
        return False
    task.seat = earlier.seat
    return True
