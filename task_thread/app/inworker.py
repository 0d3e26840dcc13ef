"""What runs inside a worker process: the call itself, and what comes back of it.

Nothing here is called in the app's own process. A worker is fresh: it has what its imports gave
it, and no loop, thread, lock or connection of the app's.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Collected", "Name", "Reply", "make"]

Name = tuple[str, ...]
"""Where a function is found: its module, and the attributes that lead to it."""

Reply = tuple[bool, Any, str]
"""Whether it returned; what it returned or raised (None: that can't travel); and a text: for an
error its traceback."""

_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Collected:
    """What a generator gave in a worker process.

    :ivar values: what it yielded, in order.
    :ivar returned: what it returned at its end.
    """

    values: list[Any]
    returned: Any


def make(request: bytes) -> bytes:
    """Make the call that `request` is, a pickle of a callable or Name, arguments and keywords.

    :returns: a pickle of a :data:`Reply`. Nothing is raised: of what can't be unpickled in the
        app, or leaves this process, the app would know no more than that a worker broke.
    """
    _settle()
    try:
        target, args, kwargs = _read(request)
        fn: Callable[..., Any] = target if callable(target) else _find(target)
        value = fn(*args, **kwargs)
        if inspect.isgenerator(value):
            value = _collect(value)
        return _pack(value)
    except BaseException as error:  # SystemExit too is the call's and not ours
        return _told(error)


def _read(request: bytes) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    try:
        return pickle.loads(request)  # type: ignore[no-any-return]
    except Exception as error:
        error.add_note("raised while the worker process read the arguments")
        raise


def _find(name: Name) -> Any:
    module, *attributes = name
    found: Any = importlib.import_module(module)
    for attribute in attributes:
        found = getattr(found, attribute)
    return found


def _collect(values: Generator[Any, Any, Any]) -> Collected:
    collected: list[Any] = []
    while True:
        try:
            collected.append(next(values))
        except StopIteration as stop:
            return Collected(collected, stop.value)


def _pack(value: Any) -> bytes:
    try:
        return pickle.dumps((True, value, ""), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            f"what it returned, a {type(value).__qualname__}, can't leave its process: {error}"
        ) from error


def _told(error: BaseException) -> bytes:
    """What came of a call that raised."""
    own = error.__traceback__
    below = None if own is None else own.tb_next  # without the line in make()
    text = "".join(traceback.format_exception(type(error), error, below))
    try:
        reply = pickle.dumps((False, error, text), pickle.HIGHEST_PROTOCOL)
        pickle.loads(reply)  # one whose class wants other arguments than it keeps fails only here
    except Exception:  # it runs what the error's class defines
        return pickle.dumps((False, None, text), pickle.HIGHEST_PROTOCOL)
    return reply


# ---- once in each worker ----------------------------------------------------------------------


@functools.cache
def _settle() -> None:
    """Make this process fit for what functions do. Once, before the first call."""
    # Ctrl-C in a terminal goes to all processes there. The app knows what it wants to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_the_app()
    _keep_the_pipes()


def _die_with_the_app() -> None:
    """Where the system can do that (Linux), have it end this process with the app, however that
    one ends: a run that the app begins again in its next life must not still be going on here."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):
        return  # a Python or a C library without: an idle worker ends all the same
    if os.getppid() != parent:
        os._exit(1)


def _keep_the_pipes() -> None:
    """Keep the descriptors 0, 1 and 2 out of the talk with the app.

    Calls come through 0 and replies go through 1. A program that a function runs, or a library in
    C that prints, would read and write there too, and break the worker. Nobody reads 2, so that it
    would block who writes much.
    """
    for stream, number, mode in ((sys.__stdin__, 0, "rb"), (sys.__stdout__, 1, "wb")):
        buffer: Any = getattr(stream, "buffer", None)
        raw: Any = getattr(buffer, "raw", buffer)
        if raw is None or raw.fileno() != number:
            continue
        raw.__init__(os.dup(number), mode)  # the same stream on a descriptor of its own
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
