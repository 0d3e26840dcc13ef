"""How a supervised child is made, the first time and each time after."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from task_thread.core.lifecycle import State
from task_thread.log import show

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Recipe"]

T = TypeVar("T", bound="TaskThread")


class Recipe(Generic[T]):
    """How each instance of a supervised child is made: from the same class and arguments.

    :raises TypeError: there is no such class, or it does not take these arguments.
    :raises ValueError: the time makes no sense.
    """

    __slots__ = ("args", "cls", "kwargs", "name", "stop_timeout")

    def __init__(
        self,
        parent: TaskThread,
        cls: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: Any,
        stop_timeout: float | None,
    ) -> None:
        self.cls: type[T] = _check_class(cls)
        _check_seconds("stop_timeout", stop_timeout)
        if "parent" not in kwargs and _takes_parent(cls):
            kwargs = {**kwargs, "parent": parent}
        self.args, self.kwargs = args, kwargs
        self.name, self.stop_timeout = name, stop_timeout

    def make(self) -> T:
        """A new instance, which does not run yet. What its constructor raises is raised."""
        thread = self.cls(*self.args, **self.kwargs)
        if thread.state is not State.NEW:
            raise TypeError(f"{self.cls.__name__}() must make a new instance, not {thread!r}")
        if self.stop_timeout is not None:
            thread.stop_timeout = self.stop_timeout
        return thread


def _check_seconds(name: str, given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise TypeError(f"{name} is a number of seconds or None, not {given!r}")
    if not given >= 0:  # so that nan is refused as well
        raise ValueError(f"{name} is a number of seconds from 0 on, not {given!r}")


def _check_class(cls: object) -> Any:
    from task_thread.core.thread import TaskThread

    given = cls  # as what it came: a check with isinstance() makes it half-known
    if isinstance(cls, TaskThread):
        raise TypeError(
            f"spawn() makes its instances itself: pass the class {type(cls).__name__} and its "
            "arguments, do not call it"
        )
    if isinstance(cls, type) and issubclass(cls, TaskThread):
        return cls
    raise TypeError(f"spawn() takes a class of TaskThreads, not {show(given)}")


def _takes_parent(cls: type) -> bool:
    try:
        parameter = inspect.signature(cls).parameters.get("parent")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (
        parameter.KEYWORD_ONLY,
        parameter.POSITIONAL_OR_KEYWORD,
    )
