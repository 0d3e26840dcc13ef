"""The app that is there without being made: for a program with a few background tasks."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar, overload

from task_thread.app.app import TaskApp
from task_thread.app.task import Task
from task_thread.core.lifecycle import State

__all__ = ["background_task", "default_app"]

P = ParamSpec("P")
R = TypeVar("R")

_lock: Final = threading.Lock()


class _DefaultApp(TaskApp):
    """Begins with the first call, and ends with the interpreter.

    Ownership: the start is guarded by the lock of this module.
    """

    def begin(self) -> None:
        """Start it, if it was not."""
        with _lock:
            if self.state is State.NEW:
                # Not awaited here: a loop may run in this thread. It needs no one to look after
                # it, and takes calls at once.
                starter = threading.Thread(target=self.__enter__, name=f"{self}/start")
                starter.start()
                starter.join()
                atexit.register(self._end)

    def _end(self) -> None:
        if self.state is State.RUNNING:
            self.__exit__(None, None, None)


_the_one: Final[list[_DefaultApp]] = []


def default_app() -> TaskApp:
    """The app of :func:`background_task`, one for the process. It runs from now on, and ends with
    the interpreter: what runs then is given the app's ``stop_timeout``. From any thread."""
    app = _the_app()
    app.begin()
    return app


def _the_app() -> _DefaultApp:
    with _lock:
        if not _the_one:
            _the_one.append(_DefaultApp("background"))
        return _the_one[0]


@overload
def background_task(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...


@overload
def background_task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def background_task(
    fn: None = None, /, *, id: str | None = None, replace: bool = False, **options: Any
) -> Callable[[Callable[P, Any]], Task[P, Any]]: ...


@overload
def background_task(
    fn: Callable[P, Any], /, *, id: str | None = None, replace: bool = False, **options: Any
) -> Task[P, Any]: ...


def background_task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    id: str | None = None,
    replace: bool = False,
    **options: Any,
) -> Any:
    """Make a task of a function, in the default app, which begins with this:
    ``@background_task``, ``@background_task(retry=3)``, or ``background_task(shrink, priority=50)``
    for a function that exists. From any thread.

    :param options: as for :meth:`TaskApp.task`.
    :raises TypeError, ValueError: an option makes no sense, or the function can't be a task.
    :raises DuplicateTask: the default app has a task of that id.
    """
    app = default_app()
    if fn is None:
        return app.task(id=id, replace=replace, **options)
    return app.task(fn, id=id, replace=replace, **options)
