"""A task: a callable with options, which an app runs on a trigger or on a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from task_thread.app.checks import check_seconds, check_whole
from task_thread.app.options import TaskOptions
from task_thread.app.signature import Shape, shape_of
from task_thread.app.triggers import Trigger, make_trigger
from task_thread.errors import UnknownTask

if TYPE_CHECKING:
    from task_thread.app.agenda import Entry
    from task_thread.app.run import Run
    from task_thread.app.taskset import TaskSet

__all__ = ["PreparedCall", "Task"]

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A function with options. Made by ``app.task``, ``app.schedule`` and ``background_task``.

    Calling it calls the function, here and now: ``send("ann", "hi")``. ``add_task`` has the app run
    it. Everything may be called from any thread.

    Ownership: ``options``, ``fn``, ``args`` and ``kwargs`` are replaced as a whole, under the lock
    of the task set; whoever reads sees the old ones or the new ones. What was accepted before keeps
    its arguments.

    :ivar id: unique in its app, and never changed.
    :ivar fn: the function.
    :ivar args: what a tick calls it with.
    :ivar kwargs: the same.
    :ivar options: the TaskOptions.
    """

    # There may be a hundred thousand, each of which is looked at when it is due.
    __slots__ = (
        "__weakref__",
        "args",
        "base",
        "declared",
        "declared_trigger",
        "deleted",
        "fn",
        "home",
        "id",
        "is_plain",
        "kwargs",
        "options",
        "seat",
        "shape",
    )

    def __init__(
        self,
        home: TaskSet,
        id: str,
        fn: Callable[..., Any],
        options: TaskOptions,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        base: Task[..., Any] | None = None,
        declared: bool = True,
    ) -> None:
        self.id = id
        self.declared = declared  # by the program, each time it starts; else by app.schedule()
        self.declared_trigger = options.trigger
        self.seat: Entry | None = None  # where its ticks are, in the scheduler of its app
        self.home = home
        self.base = base  # whose function it is, where app.schedule() was given a task
        self.fn = fn
        self.options = options
        self.args = args
        self.kwargs: dict[str, Any] = dict(kwargs or {})
        self.shape: Shape
        if base is not None and base.fn is fn and base.options.echo == options.echo:
            self.shape = base.shape
        else:
            self.shape = shape_of(fn, options.echo)
        self.is_plain = is_plain(options, self.shape)
        self.deleted = False
        if self.options.trigger is not None:
            self.shape.check(self.args, self.kwargs)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function, here and now."""
        return self.fn(*args, **kwargs)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.options.name or self.id

    @property
    def trigger(self) -> Trigger | None:
        """When it is run by itself; None: only when called."""
        return self.options.trigger

    @property
    def is_life_cycle(self) -> bool:
        """Whether it is a generator with a trigger: set up on its first tick, advanced by each
        further one, and told False at the stop."""
        shape = self.shape
        return self.options.trigger is not None and (
            (shape.is_generator or shape.is_async_generator)
            and self.options.generate_handler is None
        )

    # ---- calls ----------------------------------------------------------------------------

    def add_task(
        self,
        /,
        *args: Any,
        priority: int | None = None,
        delay: float | None = None,
        **kwargs: Any,
    ) -> Run[R]:
        """Have the app run it with these arguments, and do not wait for that. From any thread.

        :param priority: for this run; by default the task's. 0 is CRITICAL.
        :param delay: seconds before which it does not begin.
        :raises TypeError: the function can't be called like that.
        :raises ValueError: `delay` is negative.
        :raises NotStorable: it is durable, and an argument is no JSON.
        :raises NotRunning: no app runs its tasks yet.
        :raises ThreadEnded: the app has ended, or is about to.
        """
        self.shape.check(args, kwargs)
        if priority is None:
            priority = self.options.priority
        else:
            check_whole("priority", priority, None)
        check_seconds("delay", delay)
        return self.home.host_of(self).accept(self, args, kwargs, int(priority), delay)

    def prepare(
        self,
        /,
        *args: Any,
        priority: int | None = None,
        delay: float | None = None,
        **kwargs: Any,
    ) -> PreparedCall[R]:
        """Hold a call for later: ``prepare(...).add_task()`` is the same as ``add_task(...)``.

        :raises TypeError: the function can't be called like that.
        :raises ValueError: `delay` is negative.
        """
        self.shape.check(args, kwargs)
        check_seconds("delay", delay)
        if priority is not None:
            check_whole("priority", priority, None)
        return PreparedCall(self, args, kwargs, priority, delay)

    # ---- changes --------------------------------------------------------------------------

    def update(self, **changes: Any) -> None:
        """Change options, ``fn``, ``args`` or ``kwargs``: all that is named or, where one makes no
        sense, nothing. From any thread. A new trigger counts from now.

        :raises TypeError: a value of the wrong type, or the arguments don't fit the function.
        :raises ValueError: a value that makes no sense, or `id`, which is never changed.
        :raises UnknownTask: it was deleted.
        """
        if "id" in changes:
            raise ValueError(f"the id of {self.id!r} is never changed: delete it and add another")
        self.home.change(self, changes)

    def become(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: TaskOptions,
        shape: Shape,
    ) -> None:
        """Be another one. With the lock of the task set."""
        self.fn, self.args, self.kwargs = fn, args, kwargs
        self.options, self.shape = options, shape
        self.is_plain = is_plain(options, shape)

    def reschedule(self, trigger: Trigger | str, **options: Any) -> None:
        """Change the trigger, and nothing else: ``reschedule("interval", seconds=7)``. It counts
        from now. From any thread.

        :raises TypeError, ValueError: as the trigger's class, or there is no such alias.
        :raises UnknownTask: it was deleted.
        """
        self.update(trigger=make_trigger(trigger, **options))

    def pause(self) -> None:
        """No ticks until :meth:`resume`. Calls go on. From any thread."""
        self._check_there()
        self.home.pause(self)

    def resume(self) -> None:
        """Ticks again. What was due meanwhile is judged as if the app had been away: run once if
        it is coalesced, missed if it is later than the grace. From any thread."""
        self._check_there()
        self.home.resume(self)

    def delete(self) -> None:
        """Forget the task. Runs that were accepted go on. From any thread.

        :raises UnknownTask: it was deleted before.
        """
        self._check_there()
        self.home.remove(self)

    @property
    def is_paused(self) -> bool:
        """Whether its ticks are paused."""
        return self.home.is_paused(self)

    @property
    def next_run_time(self) -> datetime | None:
        """When its next tick is due; None where there is none, or it is paused."""
        return self.home.next_of(self)

    def _check_there(self) -> None:
        if self.deleted:
            raise UnknownTask(f"the task {self.id!r} was deleted")

    def __repr__(self) -> str:
        return f"<Task {self.id}>"


@dataclass(frozen=True, slots=True)
class PreparedCall(Generic[R]):
    """A call that is held for later. A value; from any thread, as often as you like."""

    task: Task[..., R]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    priority: int | None = None
    delay: float | None = None

    def add_task(self) -> Run[R]:
        """Have it run. It raises what :meth:`Task.add_task` does."""
        return self.task.add_task(
            *self.args, priority=self.priority, delay=self.delay, **self.kwargs
        )


def as_task(thing: object) -> Task[..., Any] | None:
    """`thing`, if it is a task."""
    return cast("Task[..., Any]", thing) if isinstance(thing, Task) else None


def is_plain(options: TaskOptions, shape: Shape) -> bool:
    """Whether its function is to be called, or its coroutine awaited, and nothing besides."""
    return (
        not shape.is_generator
        and not shape.is_async_generator
        and not options.echo
        and options.decode is None
        and not options.middlewares
    )
