"""What one says about a task: the specification that callers, the scheduler and the runs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from task_thread.app.checks import check_seconds, check_text, check_whole, check_word
from task_thread.app.middleware import Middleware, check_middleware
from task_thread.app.triggers import Trigger, make_trigger
from task_thread.app.words import ExecutorName, OnOverlap, Priority
from task_thread.core.supervision import Backoff

__all__ = ["TaskOptions", "changed"]

_BACKOFF: Final = Backoff()
_NO_EXTRA: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """The options of a task. A value: may be shared between tasks, apps and threads.

    :param name: for people; by default the function's name.
    :param description: for people; by default the first line of the function's docstring.
    :param tags: words to find the task by.
    :param executor: ``"loop"``, ``"thread"`` or ``"process"``; by default ``"loop"`` for what is
        async and ``"thread"`` for the rest.
    :param priority: which goes first, the lower number before the higher; NORMAL by default.
    :param max_time: seconds that one attempt may take; None for no limit.
    :param retry: so many more attempts after one that failed; 0 by default.
    :param retry_on_exc: only after these errors, their subclasses too; None: after any.
    :param backoff: the pauses before them: a Backoff, or seconds that are always the same.
    :param echo: the function gets its Run as the first argument.
    :param decode: called with what the function returned; its result becomes the run's.
    :param middlewares: around each attempt, the first outermost, inside those of the app.
    :param generate_handler: called with each value that a generator yields; the run's result is
        the list of what it returned. Sync or async.
    :param durable: kept in the app's store. None: if the app has one.
    :param trigger: when it is run by itself.
    :param coalesce: several ticks that are due at once become one run; True by default.
    :param misfire_grace_time: seconds that a tick may be late; what is later is not run. None, the
        default: any lateness is run.
    :param max_instances: so many runs from ticks may be under way at once; 1 by default.
    :param on_overlap: what becomes of a tick beyond that: ``"skip"`` it, or ``"queue"`` it.
    :param extra: whatever else was said, for middlewares.
    :raises TypeError: a value of the wrong type.
    :raises ValueError: a value that makes no sense.
    """

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    executor: ExecutorName = "thread"
    priority: int = Priority.NORMAL
    max_time: float | None = None
    retry: int = 0
    retry_on_exc: tuple[type[BaseException], ...] | None = None
    backoff: Backoff | float = field(default_factory=lambda: _BACKOFF)
    echo: bool = False
    decode: Callable[[Any], Any] | None = None
    middlewares: tuple[Middleware | type[Middleware], ...] = ()
    generate_handler: Callable[[Any], Any] | None = None
    durable: bool | None = None
    trigger: Trigger | None = None
    coalesce: bool = True
    misfire_grace_time: float | None = None
    max_instances: int = 1
    on_overlap: OnOverlap = "skip"
    extra: Mapping[str, Any] = field(default_factory=lambda: _NO_EXTRA)

    def __post_init__(self) -> None:
        check_text("name", self.name)
        check_text("description", self.description, empty=True)
        check_word("executor", self.executor, get_args(ExecutorName))
        check_word("on_overlap", self.on_overlap, get_args(OnOverlap))
        for name in ("echo", "coalesce"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} is True or False, not {getattr(self, name)!r}")
        if self.durable is not None and not isinstance(self.durable, bool):
            raise TypeError(f"durable is True, False or None, not {self.durable!r}")
        check_whole("priority", self.priority, None)
        check_whole("retry", self.retry, 0)
        check_whole("max_instances", self.max_instances, 1)
        check_seconds("max_time", self.max_time, above=True)
        check_seconds("misfire_grace_time", self.misfire_grace_time)
        if not isinstance(self.backoff, Backoff):
            check_seconds("backoff", self.backoff, optional=False)
        for name in ("decode", "generate_handler"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise TypeError(f"{name} is called with a value, and {value!r} can't be")
        if self.trigger is not None and not isinstance(self.trigger, Trigger):
            raise TypeError(f"a trigger is a Date, Interval, Cron, ..., not {self.trigger!r}")
        self._normalise()

    def _normalise(self) -> None:
        """Lists become tuples, a single word or class a tuple of one."""
        put = object.__setattr__
        tags = _as_tuple("tags", self.tags, str)
        if not all(isinstance(tag, str) for tag in tags):
            raise TypeError(f"tags are words, not {self.tags!r}")
        put(self, "tags", tags)
        put(self, "priority", int(self.priority))
        if self.retry_on_exc is not None:
            errors = _as_tuple("retry_on_exc", self.retry_on_exc, type)
            for each in errors:
                given: object = each
                if not (isinstance(given, type) and issubclass(given, BaseException)):
                    raise TypeError(f"retry_on_exc takes classes of exceptions, not {given!r}")
            put(self, "retry_on_exc", errors)
        said: object = self.middlewares
        layers = cast("Sequence[Any]", said if isinstance(said, Sequence) else (said,))
        put(self, "middlewares", tuple(check_middleware(each) for each in layers))
        extra: object = self.extra
        if not isinstance(extra, Mapping):
            raise TypeError(f"extra is a mapping of further options, not {extra!r}")
        put(self, "extra", MappingProxyType(dict(self.extra)))

    def pause(self, failures: int, luck: float) -> float:
        """Seconds before the next attempt, after so many failures.

        :param luck: a random number from 0 to 1.
        """
        if isinstance(self.backoff, Backoff):
            return self.backoff.delay(failures, luck)
        return float(self.backoff)

    def is_retried(self, attempt: int, error: BaseException) -> bool:
        """Whether there is another attempt after this one, which raised `error`."""
        if attempt > self.retry or not isinstance(error, Exception):
            return False
        return self.retry_on_exc is None or isinstance(error, self.retry_on_exc)


def _with_trigger(options: TaskOptions, trigger: Trigger) -> TaskOptions:
    """The same without checking once more what was checked: a program may schedule one task in a
    hundred thousand ways."""
    copy = object.__new__(TaskOptions)
    for name in _FIELDS:
        object.__setattr__(copy, name, getattr(options, name))
    object.__setattr__(copy, "trigger", trigger)
    return copy


_FIELDS: Final = frozenset(each.name for each in fields(TaskOptions))


def changed(options: TaskOptions, changes: Mapping[str, Any]) -> TaskOptions:
    """`options` with `changes`, all of them or, where one makes no sense, none.

    What is no option is kept in ``extra``. A trigger may be given by its alias.

    :raises TypeError: a value of the wrong type.
    :raises ValueError: a value that makes no sense.
    """
    trigger = changes.get("trigger")
    if len(changes) == 1 and isinstance(trigger, Trigger):
        return _with_trigger(options, trigger)
    known = {name: value for name, value in changes.items() if name in _FIELDS}
    extra = {name: value for name, value in changes.items() if name not in _FIELDS}
    if isinstance(known.get("trigger"), str):
        known["trigger"] = make_trigger(known["trigger"])
    if extra:
        known["extra"] = {**options.extra, **known.get("extra", {}), **extra}
    return replace(options, **known)


def _as_tuple(name: str, value: Any, single: type) -> tuple[Any, ...]:
    """:raises TypeError: it is neither a single one nor several."""
    if isinstance(value, single):
        return (value,)
    try:
        return tuple[Any, ...](value)
    except TypeError:
        raise TypeError(f"{name} takes one or several, and {value!r} is neither") from None
