"""How the classes of tasks are run: their options, checked once, and a task of the app for each."""

from __future__ import annotations

import inspect
import json
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any, Final

from task_thread.app.options import TaskOptions
from task_thread.app.signature import Shape
from task_thread.app.task import Task
from task_thread.app.taskset import TaskSet
from task_thread.flows.flowtask import FlowTask
from task_thread.flows.importing import class_of
from task_thread.flows.visits import in_process, in_thread, on_loop

__all__ = ["Kind", "Kinds", "check_class", "kind_of"]

_SAID: Final = ("priority", "max_time", "retry", "retry_on_exc", "backoff", "description")


class Kind:
    """What there is to know about one class of tasks. Immutable; from any thread.

    :param script: an import string that leads to it.
    :param cls: the class.
    :raises TypeError, ValueError: an option makes no sense, or does not fit ``perform``.

    :ivar performs: options for ``perform``; ``checks``: for ``check``.
    :ivar always_passes: whether ``check`` is that of FlowTask, which need not be asked.
    """

    def __init__(self, script: str, cls: type[FlowTask]) -> None:
        self.cls: Final = cls
        self.script: Final = script
        self.performs: Final = _options(script, cls, "perform")
        self.checks: Final = _options(script, cls, "check")
        self.always_passes: Final = cls.check is FlowTask.check
        self._perform: Final = Shape(_bound(cls, "perform"), False, reserved=())
        self._check: Final = inspect.signature(_bound(cls, "check"))
        self._perform_names: Final = _positionals(cls, "perform")
        self._check_names: Final = _positionals(cls, "check")
        self._taken: Final = {*_first(cls, "perform"), *_first(cls, "check")}

    def check_given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """:raises TypeError: ``perform`` can't be called like that, or ``check`` could not,
        whatever a resume brings; the message says why.
        """
        self._perform.check(args, kwargs)
        for name in self._taken:
            if name in kwargs:
                raise TypeError(f"{self.script} can't be given {name!r}: that is the task itself")
        if not self.always_passes:
            self._bind(self._check.bind_partial, args, kwargs)
            self._look_for_places_taken(len(args))

    def _look_for_places_taken(self, number: int) -> None:
        """What was submitted must not stand where ``check`` waits for a resume's keyword: in
        ``check(self, confirmed=False)`` a path would be a confirmation."""
        for place, other in list(zip(self._perform_names, self._check_names, strict=False))[
            :number
        ]:
            if other.default is not other.empty and place.name != other.name:
                raise TypeError(
                    f"{self.script}.check() would be given {place.name!r} as {other.name!r}: let "
                    f"it take first what perform() takes: check(self, {place.name}, "
                    f"{other.name}=...)"
                )

    def check_asked(self, called: str, asked: Mapping[str, Any]) -> None:
        """:param called: how the flow was submitted: see Row.
        :raises TypeError: ``check`` can't be called with that and these keywords.
        """
        if not self.always_passes and called:
            number, names = json.loads(called)
            for name in self._taken:
                if name in asked:
                    raise TypeError(
                        f"{self.script} can't be asked with {name!r}: that is the task itself"
                    )
            self._bind(self._check.bind, (None,) * number, {**dict.fromkeys(names), **asked})

    def _bind(
        self, bind: Callable[..., object], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        try:
            bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.script}.check() can't be called like that: {error}") from None


class Kinds:
    """The tasks of an app for the classes of its flows' tasks. They are in no set, and made when
    they are needed first.

    Ownership: guarded by ``_lock``.

    :param tasks: the app's task set, which makes them.
    """

    def __init__(self, tasks: TaskSet) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self._made: dict[tuple[Kind, bool], Task[..., Any]] = {}

    def task_for(self, script: str, *, check: bool) -> Task[..., Any] | None:
        """The task that calls ``perform`` or ``check`` of that class; None: its check always
        passes. From any thread.

        :raises NotImportable: there is no such class any more.
        :raises TypeError, ValueError: its options make no sense.
        """
        kind = kind_of(script)
        if check and kind.always_passes:
            return None
        task = self._made.get((kind, check))
        if task is not None:
            return task
        task = self._tasks.make_apart(*_callable_for(kind.checks if check else kind.performs))
        with self._lock:
            return self._made.setdefault((kind, check), task)


_kinds: Final[dict[str, Kind]] = {}
"""Ownership: no thread's. It is read and written a key at a time, and of two that were made at once
for one class either will do."""


def kind_of(script: str) -> Kind:
    """What is known of the class of that import string. From any thread.

    :raises NotImportable: there is none.
    :raises TypeError, ValueError: its options make no sense.
    """
    cls = class_of(script)
    kind = _kinds.get(script)
    if kind is None or kind.cls is not cls:
        kind = _kinds[script] = Kind(script, cls)
    return kind


def check_class(script: str) -> None:
    """See that flows can have tasks of the class of that import string. From any thread. It raises
    what :func:`kind_of` does."""
    kind_of(script)


def _callable_for(said: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    executor = said["executor"]
    if executor == "loop":
        return on_loop, dict(said)
    if executor == "process":
        return in_process, dict(said)
    return in_thread, {**said, "echo": True}


def _options(script: str, cls: type[FlowTask], method: str) -> dict[str, Any]:
    """What `cls` says about how it is run, checked.

    :raises TypeError, ValueError: it makes no sense.
    """
    executor = cls.executor
    is_async = inspect.iscoroutinefunction(getattr(cls, method))
    try:
        if is_async:
            if executor not in (None, "loop") and method == "perform":
                raise ValueError(
                    f"executor={executor!r}, and perform is a coroutine function: that runs on the "
                    "loop; leave executor out, or write a plain function"
                )
            executor = "loop"
        elif executor in (None, "loop"):
            if executor == "loop" and method == "perform":
                raise ValueError(
                    "executor='loop', and perform is a plain function: on the loop it would hold "
                    "everything else up; leave executor out, or write a coroutine function"
                )
            executor = "thread"
        name = script if method == "perform" else f"{script}.check"
        said: dict[str, Any] = {"name": name, "executor": executor, "durable": False}
        for option in _SAID:
            value = getattr(cls, option)
            if value is not None:
                said[option] = value
        if "description" not in said:
            said["description"] = (inspect.getdoc(cls) or "").partition("\n")[0]
        TaskOptions(**said)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{script}: {error}") from None
    return said


def _bound(cls: type[FlowTask], method: str) -> Callable[..., Any]:
    """The method, as an instance has it. Nothing is made: __init__ may do anything."""
    function = inspect.getattr_static(cls, method)
    if isinstance(function, types.FunctionType):
        return types.MethodType(function, object())
    return getattr(cls, method)  # type: ignore[no-any-return]


def _first(cls: type[FlowTask], method: str) -> tuple[str, ...]:
    """What the method calls its first argument, the task itself, where a keyword could say it."""
    function = inspect.getattr_static(cls, method)
    if not isinstance(function, types.FunctionType):
        return ()
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.kind is not first.POSITIONAL_OR_KEYWORD:
        return ()
    return (first.name,)


def _positionals(cls: type[FlowTask], method: str) -> tuple[inspect.Parameter, ...]:
    """The parameters that positional arguments fall on, but for ``*args``."""
    parameters = inspect.signature(_bound(cls, method)).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(each for each in parameters if each.kind in kinds)
