"""Functions by their names, for processes that import them.

A pickled function is a name as well, but one that has to lead to the function itself. The name of
a function that was decorated (by ``app.task`` first of all) leads to what the decorator made of it,
from where the function is one attribute further on.
"""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from task_thread.app.inworker import Name

__all__ = ["check_importable", "name_of", "request_for", "title"]

_INWARDS: Final = ("fn", "__wrapped__")  # from a Task, or a decorator's work, to the function
_ASYNC: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_DEPTH: Final = 8  # decorators on one function


def title(fn: Any) -> str:
    """What people call it."""
    return str(getattr(fn, "__qualname__", None) or repr(fn))


def check_importable(fn: Callable[..., Any]) -> None:
    """Check that a worker process can import `fn`, as far as that can be known when it is declared.

    A function of ``__main__`` will do if the program is a file: a worker runs that file again,
    under another name. So its start belongs under ``if __name__ == "__main__":``.

    :raises TypeError: it can't be called, or it is async, which is for the loop.
    :raises ValueError: it is a lambda, was defined in a function, in an interactive session, or is
        an object that can't be pickled.
    """
    if not callable(fn):
        raise TypeError(f"a function can be called, {fn!r} can't")
    inner: Any = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    if _is_async(inner):
        raise TypeError(f"{title(inner)} is async: it runs on a loop, and a process has none")
    if isinstance(inner, type | types.FunctionType):
        _check_place(inner)
    if inner is not fn or not isinstance(fn, type | types.FunctionType):
        _pickled(fn)


def _is_async(fn: Any) -> bool:
    code = getattr(fn, "__code__", None)
    return code is not None and bool(code.co_flags & _ASYNC)


def _check_place(fn: Any) -> None:
    name = fn.__qualname__
    if "<lambda>" in name:
        raise ValueError(f"a lambda has no name for a process to import: def {name!r} in a module")
    if "<locals>" in name:
        raise ValueError(f"{name} is local to a function: a process can import it from a module")
    if fn.__module__ == "__main__" and not _main_is_a_file():
        raise ValueError(
            f"{name} is in __main__, which is no file here: a process can import it from a module"
        )


def _main_is_a_file() -> bool:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return path is not None and os.path.isfile(path)


def name_of(fn: Any) -> Name | None:
    """Where `fn` is found now, None: not by its name."""
    module = getattr(fn, "__module__", None)
    name = getattr(fn, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    path = name.split(".")
    found: Any = sys.modules.get(module)
    for attribute in path:
        found = getattr(found, attribute, None)
    for _ in range(_DEPTH):
        if found is fn or (isinstance(fn, types.MethodType) and found == fn):
            return (module, *path)
        inwards = next((each for each in _INWARDS if getattr(found, each, None) is not None), None)
        if inwards is None:
            return None
        path.append(inwards)
        found = getattr(found, inwards)
    return None


def request_for(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """The call as :func:`task_thread.app.inworker.make` takes it.

    :raises TypeError: an argument can't be pickled, or it is async; the message says which.
    :raises ValueError: a worker process can't import `fn`.
    """
    target = name_of(fn)
    if target is None or target[0] == "__main__" or _is_async(fn):
        check_importable(fn)
    if target is None and isinstance(fn, types.FunctionType):
        raise ValueError(
            f"{fn.__qualname__} of {fn.__module__} is something else there by now: a process can "
            "only import what its name leads to"
        )
    call = (target or fn, tuple(args), dict(kwargs))
    try:
        return pickle.dumps(call, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(_blame(fn, args, kwargs, error)) from error


def _blame(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> str:
    named = [(f"argument {place}", value) for place, value in enumerate(args, 1)]
    named += [(f"argument {name!r}", value) for name, value in kwargs.items()]
    for which, value in named:
        try:
            pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as its:  # whatever the class of the value raises
            kind = type(value).__qualname__
            return f"{which} of {title(fn)}, a {kind}, can't go to another process: {its}"
    return f"the arguments of {title(fn)} can't go to another process: {error}"


def _pickled(fn: Callable[..., Any]) -> None:
    try:
        pickle.dumps(fn, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise ValueError(f"{title(fn)} can't go to another process: {error}") from error
