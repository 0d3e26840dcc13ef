"""What a test has left behind: OS threads, event loops, tasks, descriptors.

A loop is known from its making to its closing, by asyncio's own constructor and close(), which are
replaced while somebody watches. (To search the memory for loops takes as long as many tests.) So
loops that are not asyncio's, uvloop's say, show by their descriptors and OS threads alone.

Ownership: ``_watches`` and what a watch has noted belong to ``_lock``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import warnings
from asyncio.base_events import BaseEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

__all__ = ["LeakError", "LeakWatch", "descriptors", "no_leaks"]

_DESCRIPTORS: Final = "/proc/self/fd"
_lock: Final = threading.RLock()  # a coroutine may be collected as garbage while it is held
_watches: Final[list[LeakWatch]] = []
_originals: Final[dict[str, Any]] = {}


class LeakError(AssertionError):
    """Something was left behind.

    :ivar leaks: one line (or more) for each, for people.
    """

    def __init__(self, leaks: list[str]) -> None:
        self.leaks = leaks
        super().__init__("left behind:\n" + "\n".join(f"- {leak}" for leak in leaks))


@contextmanager
def no_leaks(*, patience: float = 5.0) -> Iterator[None]:
    """Raise at the end of the block if what was begun in it goes on: an OS thread, an event loop
    that was not closed, a task that was pending when its loop was closed, a coroutine that was
    never awaited, an open file descriptor (on systems with /proc/self/fd; others skip that).

    What the block itself raises goes on, with the leaks as a note. From any thread, with a loop or
    without one.

    :param patience: real seconds to wait for OS threads to end.
    :raises LeakError: with a list of what was left behind.
    """
    watch = LeakWatch()
    watch.begin()
    try:
        yield
    except BaseException as error:
        leaks = watch.end(patience)
        if leaks:
            error.add_note(str(LeakError(leaks)))
        raise
    leaks = watch.end(patience)
    if leaks:
        raise LeakError(leaks)


class LeakWatch:
    """Notes what is begun from :meth:`begin` on, and tells in :meth:`end` what is left of it."""

    def __init__(self) -> None:
        self.loops: dict[int, BaseEventLoop] = {}  # by identity: those that are open
        self.noted: list[str] = []
        self._threads: set[threading.Thread] = set()
        self._descriptors: dict[int, str] | None = None
        self._had_uvloop = False

    def begin(self) -> None:
        """Begin. Once."""
        self._had_uvloop = _open_libuvs_pipe()
        self._threads = set(threading.enumerate())
        self._descriptors = descriptors()
        with _lock:
            if not _watches:
                _install()
            _watches.append(self)

    def end(self, patience: float) -> list[str]:
        """Tell what is left: one line or more for each. Once.

        :param patience: real seconds to wait for OS threads to end.
        """
        deadline = monotonic() + patience
        leaks: list[str] = []
        for thread in set(threading.enumerate()) - self._threads - {threading.current_thread()}:
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                leaks.append(f"the OS thread {thread.name!r} still runs{_stack(thread)}")
        opened = self._opened()
        if opened or self.loops:  # what nobody holds any more was only not collected yet
            gc.collect()
            opened = self._opened()
        with _lock:
            _watches.remove(self)
            if not _watches:
                _uninstall()
            leaks += self.noted
            leaks += [_unclosed(loop) for loop in self.loops.values() if not loop.is_closed()]
        leaks += [f"descriptor {number} is open: {what}" for number, what in opened.items()]
        return leaks

    def _opened(self) -> dict[int, str]:
        if self._descriptors is None:
            return {}
        now = descriptors() or {}
        opened = {n: what for n, what in now.items() if self._descriptors.get(n) != what}
        if not self._had_uvloop and "uvloop" in sys.modules:
            # The first pipe of which both ends are open is the one of _open_libuvs_pipe().
            kinds = list(opened.values())
            pipe = next((what for what in kinds if "pipe" in what and kinds.count(what) == 2), None)
            opened = {n: what for n, what in opened.items() if what != pipe}
        return opened


def _open_libuvs_pipe() -> bool:
    """Have uvloop, where it is loaded, open the pipe for OS signals that it opens with its first
    loop and keeps for as long as the process lives. Whether it is loaded."""
    uvloop = sys.modules.get("uvloop")
    if uvloop is not None and not _originals.get("libuv"):
        _originals["libuv"] = True
        uvloop.new_event_loop().close()
    return uvloop is not None


def descriptors() -> dict[int, str] | None:
    """The process's open descriptors, each with what it is; None where the system has no
    /proc/self/fd: there they are not checked."""
    try:
        numbers = [int(name) for name in os.listdir(_DESCRIPTORS)]
    except OSError:
        return None
    found: dict[int, str] = {}
    for number in numbers:
        try:
            found[number] = os.readlink(f"{_DESCRIPTORS}/{number}")
        except OSError:  # the one that listed the others
            continue
    return found


def _stack(thread: threading.Thread) -> str:
    from task_thread.core.carrier import stack_of

    stack = stack_of(thread.ident)
    return f", it is in\n{stack}" if stack else ""


def _unclosed(loop: BaseEventLoop) -> str:
    tasks = [task.get_name() for task in _pending(loop)]
    pending = f", and has pending tasks: {', '.join(sorted(tasks))}" if tasks else ""
    return f"an event loop was not closed: {loop!r}{pending}"


def _pending(loop: BaseEventLoop) -> list[asyncio.Task[Any]]:
    from task_thread.core.turns import tasks_of

    # A task that was closed by force is known not to end, and was reported when that was done.
    return [task for task in tasks_of(loop) if getattr(task, "_log_destroy_pending", True)]


def _install() -> None:
    """Have loops and coroutines noted. Under the lock."""
    make, close = BaseEventLoop.__init__, BaseEventLoop.close
    forgotten: Any = getattr(warnings, "_warn_unawaited_coroutine", None)
    _originals.update(make=make, close=close, forgotten=forgotten)

    def noting_make(self: BaseEventLoop) -> None:
        make(self)
        with _lock:
            for watch in _watches:
                watch.loops[id(self)] = self

    def noting_close(self: BaseEventLoop) -> None:
        if not self.is_closed() and not self.is_running():
            names = ", ".join(sorted(task.get_name() for task in _pending(self)))
            with _lock:
                for watch in _watches:
                    if watch.loops.pop(id(self), None) is not None and names:
                        watch.noted.append(f"a loop was closed with pending tasks: {names}")
        close(self)

    def noting_forgotten(coroutine: Any) -> None:
        with _lock:
            for watch in _watches:
                watch.noted.append(f"a coroutine was never awaited: {coroutine.__qualname__}")

    # The warning comes where the coroutine is collected, in any thread, and is a warning only.
    _put(noting_make, noting_close, None if forgotten is None else noting_forgotten)


def _uninstall() -> None:
    """Put everything back. Under the lock."""
    _put(_originals["make"], _originals["close"], _originals["forgotten"])


def _put(make: Any, close: Any, forgotten: Any) -> None:
    loop_class: Any = BaseEventLoop
    loop_class.__init__, loop_class.close = make, close
    if forgotten is not None:
        python: Any = warnings
        python._warn_unawaited_coroutine = forgotten
