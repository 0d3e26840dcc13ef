"""What stands around a tree: waiting for its end, OS signals, exit codes, synchronous programs.

Whoever waits for a thread's end is its judge (judge.py): past the deadline he gives it up, since
a thread whose loop is blocked can't say so itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from task_thread.core import judge
from task_thread.core.signalbell import SignalBell
from task_thread.core.turns import new_event_loop
from task_thread.errors import StartCancelled, StopTimeout, WrongLoop

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["EXIT_CRASHED", "EXIT_ENDED", "EXIT_OVERDUE", "run"]

EXIT_ENDED: Final = 0
"""Exit code: the tree ended by itself, or was asked to."""
EXIT_CRASHED: Final = 1
"""Exit code: the root crashed."""
EXIT_OVERDUE: Final = 70
"""Exit code: something hung past the stop deadline, and was cut off or left behind."""

_HURRY_TIMEOUT: Final = 0.5  # seconds that are left to a stop after a second OS signal
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

T = TypeVar("T")


def run(root: TaskThread) -> int:
    """Run a tree from a plain ``main`` and return the process's exit code.

    ``raise SystemExit(run(Hello()))``. A crash is logged, not raised. From a thread in which no
    loop runs; from the main thread SIGINT and SIGTERM stop the tree in order.

    :returns: 0, it ended by itself or was asked to; 1, it crashed; 70, something hung past the
        stop deadline.
    :raises TypeError: `root` is no TaskThread.
    :raises FamilyError: `root` has a parent.
    :raises AlreadyStarted: it was run before.
    :raises WrongLoop: a loop runs in this thread: ``await root.run()`` there.
    """
    from task_thread.core.thread import TaskThread
    from task_thread.errors import FamilyError

    if not isinstance(root, TaskThread):
        raise TypeError(f"run() takes a TaskThread, an instance, not {root!r}")
    if root.parent is not None:
        raise FamilyError(f"{root} has a parent, which runs it; run() takes the root")
    try:
        run_blocking(root, root.run, virtual=True)
    except StopTimeout:
        return EXIT_OVERDUE
    except BaseException:
        if root.exit_reason is None or not root.exit_reason.failed:
            raise
    reason = root.exit_reason
    if root._taskthread.life.overdue:
        return EXIT_OVERDUE
    return EXIT_CRASHED if reason is not None and reason.failed else EXIT_ENDED


def run_blocking(
    thread: TaskThread, cofunc: Callable[[], Coroutine[Any, Any, T]], *, virtual: bool = False
) -> T:
    """Await ``cofunc()`` from synchronous code, on a loop that lives as long as that takes.

    :raises WrongLoop: a loop runs in this thread, or a VirtualThread would be left without one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise WrongLoop(f"a loop runs here: use await or async with for {thread}")
    if not thread.own_loop and not virtual:
        raise WrongLoop(
            f"{thread} is virtual and has no loop of its own to go on with: use async with"
        )
    # With a factory the runner leaves the main thread's own event loop setting alone.
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(cofunc())


async def run_root(root: TaskThread) -> None:
    """Run the tree and wait for its end; see :meth:`TaskThread.run`."""
    with _os_signals(root):
        try:
            with contextlib.suppress(StartCancelled):
                await root._taskthread.start()
            await wait_ended(root)
        except asyncio.CancelledError:
            # Who runs a tree and is cancelled does not leave it behind.
            root._taskthread.ask_to_end(root.stop_timeout)
            await wait_ended(root)
            raise
    raise_outcome(root)


async def wait_ended(thread: TaskThread) -> None:
    """Wait until `thread` has ended and its OS thread is gone; give it up past its deadline.
    From any loop but its own."""
    life = thread._taskthread.life
    await judge.wait(life, life.ended)
    life.reap()


def raise_outcome(root: TaskThread) -> None:
    """:raises BaseException: what crashed it.
    :raises StopTimeout: it, or something below it, hung past the deadline.
    """
    reason = root.exit_reason
    if reason is not None and reason.exception is not None:
        raise reason.exception
    if root._taskthread.life.overdue or (reason is not None and reason.failed):
        raise StopTimeout("\n".join(root._taskthread.life.overdue) or f"{root} ended: {reason}")


class _OsSignals:
    """SIGINT and SIGTERM for the roots that are run from the main thread. In that thread only."""

    def __init__(self) -> None:
        self._earlier: dict[int, Any] = {}
        self._rings: dict[object, Callable[[], None]] = {}
        self._bell: SignalBell | None = None

    def enter(self, key: object, ring: Callable[[], None]) -> None:
        """From now on `ring` is called for each signal; the first one in installs the handlers."""
        self._rings[key] = ring
        if len(self._rings) > 1:
            return
        with contextlib.suppress(NotImplementedError):  # a loop that waits for no descriptors
            self._bell = SignalBell(asyncio.get_running_loop())
        for number in _SIGNALS:
            earlier = signal.getsignal(number)
            # None: installed from C and not ours to restore. Ignored (nohup): so be it.
            if earlier is not None and earlier != signal.SIG_IGN:
                self._earlier[number] = signal.signal(number, self._handle)

    def leave(self, key: object) -> None:
        """The last one out restores what was there before."""
        del self._rings[key]
        if not self._rings:
            for number, earlier in self._earlier.items():
                signal.signal(number, earlier)
            self._earlier.clear()
            if self._bell is not None:
                self._bell.close()
                self._bell = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        for ring in list(self._rings.values()):
            ring()


_os_signals_of_main: Final = _OsSignals()


@contextmanager
def _os_signals(root: TaskThread) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM stop `root`, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    # Not the context of whatever the signal interrupts: that may be the root's own.
    context = copy_context()
    count = heard = 0

    def obey() -> None:
        nonlocal heard
        heard += 1
        hurry = heard > 1
        root._taskthread.log(
            "warning", "stopping at once" if hurry else "stopping, asked by a signal"
        )
        root._taskthread.ask_to_end(_HURRY_TIMEOUT if hurry else root.stop_timeout)

    def ring() -> None:
        # Runs between any two instructions of the main thread, so it may take no lock.
        nonlocal count
        count += 1
        if count > 2 and heard == 0:  # the main thread's own loop is blocked: break in
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(obey, context=context)

    _os_signals_of_main.enter(root, ring)
    try:
        yield
    finally:
        _os_signals_of_main.leave(root)
