"""From a function to the options of its task: what it says of itself, and whether it can be run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from task_thread.app.options import TaskOptions, changed
from task_thread.app.signature import Shape, is_lasting, shape_of

__all__ = ["TRIGGER_OPTIONS", "check_kind", "options_for"]

TRIGGER_OPTIONS: Final = frozenset(
    {
        "at", "weeks", "days", "hours", "minutes", "seconds", "start", "end", "jitter",
        "expression", "timezone",
    }
)  # fmt: skip


def options_for(fn: Callable[..., Any], options: Mapping[str, Any]) -> TaskOptions:
    """The options for a function: what was said, and the rest from the function itself."""
    defaults = _known_defaults(fn) if is_lasting(fn) else _defaults_of(fn)
    return changed(defaults, options)


def _defaults_of(fn: Callable[..., Any]) -> TaskOptions:
    shape = shape_of(fn, echo=False)
    inner = getattr(fn, "func", fn)  # a partial has no name of its own, nor has an object
    name: str = getattr(inner, "__qualname__", type(inner).__qualname__)
    name = name.rpartition("<locals>.")[2].replace("<lambda>", "lambda")
    return TaskOptions(
        name=name,
        description=(inspect.getdoc(inner) or "").partition("\n")[0],
        executor="loop" if shape.is_async else "thread",
    )


_known_defaults: Final = functools.lru_cache(maxsize=256)(_defaults_of)


def check_kind(fn: Callable[..., Any], options: TaskOptions, shape: Shape | None = None) -> None:
    """:raises TypeError, ValueError: that function can't be run in that way."""
    if shape is None:
        shape = shape_of(fn, options.echo)
    name = options.name
    if options.executor == "loop" and not shape.is_async:
        raise ValueError(f"{name}: executor='loop' is for async functions; others would block it")
    if options.executor != "loop" and shape.is_async:
        raise ValueError(f"{name}: async functions run on the loop, not in a {options.executor}")
    if options.executor == "process":
        from task_thread.app.processes import check_importable

        if options.echo:
            raise ValueError(f"{name}: a Run can't go to another process: echo needs a thread")
        check_importable(fn)
    if (
        options.trigger is not None
        and options.generate_handler is None
        and (shape.is_generator or shape.is_async_generator)
    ):
        if options.echo:
            raise ValueError(f"{name}: a life-cycle task has many runs, and echo gives it one")
        if options.executor == "process":
            raise ValueError(f"{name}: a life-cycle task lives in this process: loop or thread")
    if options.generate_handler is not None and not (
        shape.is_generator or shape.is_async_generator
    ):
        raise TypeError(f"{name}: generate_handler is for generators, and it is none")
