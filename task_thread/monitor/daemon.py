"""Running a tree as a daemon, in the foreground: what ``task-thread run`` does.

In this order:

1. Logging is set up, the class is loaded, and its instance made. What is wrong with the arguments
   is told in one line, and the exit code is 2.
2. The operator starts (operator.py), in OS threads of its own.
3. The root runs as :func:`task_thread.run` runs it, from the main thread: SIGINT and SIGTERM stop
   it in order, a second one at once.
4. The root has ended. The operator ends, and the process with the root's exit code.

OS signals are handled in the main thread, between any two of its instructions, so a handler may
neither take a lock nor wait nor raise: all that these do is to append a call to the operator's
loop. Before there is a root that could be stopped in order, SIGINT and SIGTERM end the process at
once, with code 0: it was asked to end. (As process 1 of a container it would otherwise not even
notice them.)
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

from task_thread.core.lifecycle import State
from task_thread.core.root import EXIT_CRASHED, EXIT_ENDED, EXIT_OVERDUE, run, run_blocking
from task_thread.core.thread import TaskThread
from task_thread.errors import ControlError
from task_thread.monitor.loading import check_arguments, load_root
from task_thread.monitor.logs import LogFormat, held_back, set_up
from task_thread.monitor.operator import Operator, Reload, Report
from task_thread.signals import Signal

__all__ = ["EXIT_USAGE", "load_root", "serve"]

EXIT_USAGE: Final = 2
"""Exit code: the arguments are wrong, or what they name can't be had."""

_LINGER: Final = 1.0  # seconds that a process has to end by itself after its stop was overdue


def serve(
    target: str | type[TaskThread],
    *args: str,
    name: str | None = None,
    log_format: LogFormat = "console",
    log_level: str = "info",
    control: Path | None = None,
    stop_timeout: float | None = None,
    dashboard: tuple[str, int] | None = None,
    actions: bool = False,
) -> int:
    """Run a tree as this process's daemon, and return the process's exit code.

    From a thread in which no loop runs; OS signals are obeyed in the main thread only. The process
    should end when this has returned, and is made to if something hung past the stop deadline.

    :param target: the root's class, or where it is: ``"package.module:Class"``.
    :param args: for its constructor.
    :param name: what the daemon is called; the class's name by default.
    :param log_format: ``"console"`` or ``"json"``; see :mod:`task_thread.monitor.logs`.
    :param log_level: what is logged from.
    :param control: the control socket; None for none.
    :param stop_timeout: seconds for the stop of the tree; by default as its class says.
    :param dashboard: host and port to serve the dashboard on; None for nowhere.
    :param actions: whether flows can be resumed and cancelled there.
    :returns: 0, the tree has ended or was asked to; 1, it crashed; 2, an argument is wrong, which
        one line on stderr tells; 70, something hung past the stop deadline.
    """
    early = _EarlySignals()
    with early.obeyed():
        try:
            try:
                set_up(log_format, log_level)
            except ValueError as error:
                raise _RefusedError(str(error)) from None
            root = _make(target, args, stop_timeout)
            if root is None:
                return EXIT_CRASHED
            early.root = root
            called = type(root).__name__ if name is None else name
            operator = Operator(root, called, control, dashboard, actions=actions)
            with _operating(operator):
                code = _run(root, operator)
        except _Asked:
            return EXIT_ENDED
        except _RefusedError as error:
            sys.stderr.write(f"task-thread: {error}\n")
            return EXIT_USAGE
    if code == EXIT_OVERDUE:
        _end_at_last()
    return code


class _RefusedError(Exception):
    """An argument is wrong; the text is one line."""


def _make(
    target: str | type[TaskThread], args: tuple[str, ...], stop_timeout: float | None
) -> TaskThread | None:
    """The root, not yet started; None where its constructor has raised, which was logged."""
    try:
        cls = load_root(target) if isinstance(target, str) else target
        check_arguments(cls, args)
        if stop_timeout is not None and not 0 <= stop_timeout < math.inf:
            raise ValueError(f"a stop timeout is a number of seconds from 0 on, not {stop_timeout}")
    except ValueError as error:
        raise _RefusedError(str(error)) from None
    try:
        root = cast("Callable[..., TaskThread]", cls)(*args)
    except Exception as error:  # it is the user's, and may raise anything
        logging.getLogger(cls.__name__).error("could not be constructed", exc_info=error)
        return None
    if stop_timeout is not None:
        root.stop_timeout = stop_timeout
    return root


def _run(root: TaskThread, operator: Operator) -> int:
    asked = {"SIGHUP": Reload, "SIGUSR1": Report}
    with contextlib.ExitStack() as stack:
        for name, kind in asked.items():
            number = getattr(signal, name, None)
            if number is not None:
                stack.enter_context(_handled(number, _passed_on(operator, kind)))
        try:
            return run(root)
        except KeyboardInterrupt:  # a third SIGINT or SIGTERM broke into a call that blocked it all
            return EXIT_OVERDUE


# ---- the operator -----------------------------------------------------------------------------


@contextmanager
def _operating(operator: Operator) -> Iterator[None]:
    """While inside, the operator runs.

    :raises _RefusedError: what it shall serve can't be had.
    """
    # A report was asked for by name, whatever else is logged.
    logging.getLogger(type(operator).__name__).setLevel(logging.INFO)
    try:
        # Their complaints come as one line, below.
        with held_back("Operator", "ControlServer", "Dashboard"):
            run_blocking(operator, operator._taskthread.start)
    except (ControlError, OSError, ImportError) as error:
        raise _RefusedError(str(error)) from None
    try:
        yield
    finally:
        # Its own troubles were logged, and are not the tree's.
        with contextlib.suppress(Exception):
            run_blocking(operator, operator.stop)


def _end_at_last() -> None:
    """Let the process end, though a call that hangs in a thread pool would keep the interpreter
    waiting for ever."""
    sys.stdout.flush()

    def end() -> None:
        time.sleep(_LINGER)
        os._exit(EXIT_OVERDUE)

    threading.Thread(target=end, name="end-at-last", daemon=True).start()


# ---- OS signals -------------------------------------------------------------------------------


def _passed_on(operator: Operator, kind: type[Signal]) -> Callable[[int, FrameType | None], None]:
    """An OS signal's handler: the operator gets a signal of that kind."""

    def handle(number: int, frame: FrameType | None) -> None:
        loop = operator._taskthread.life.loop
        if loop is not None:
            # Not post() itself: its locks may be held by what this has interrupted.
            with contextlib.suppress(RuntimeError):  # closed: the operator has ended
                loop.call_soon_threadsafe(_deliver, operator, kind)

    return handle


def _deliver(operator: Operator, kind: type[Signal]) -> None:
    with contextlib.suppress(Exception):  # it has more to do than it can, or is ending
        operator.post(kind())


@contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """While inside, `handler` handles that OS signal, if this is the main thread."""
    # None: installed from C and not ours to restore. Ignored (nohup): so be it.
    earlier = signal.getsignal(number)
    if (
        threading.current_thread() is not threading.main_thread()
        or earlier is None
        or earlier == signal.SIG_IGN
    ):
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, earlier)


class _Asked(BaseException):
    """SIGINT or SIGTERM, before there was anything to stop in order."""


class _EarlySignals:
    """SIGINT and SIGTERM while the root does not run: before, they end the process; afterwards it
    is about to end, and they are not heard."""

    def __init__(self) -> None:
        self.root: TaskThread | None = None
        self._asked = False

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        """While inside, this handles them wherever the root's own handlers do not."""
        with _handled(signal.SIGINT, self._handle), _handled(signal.SIGTERM, self._handle):
            yield

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked or (self.root is not None and self.root.state is not State.NEW):
            return
        self._asked = True  # once: a second one must not break into what ends after the first
        raise _Asked
