"""Where a thread lives: an event loop, and for a TaskThread the OS thread that runs it.

A carrier starts, serves and closes a loop, and knows nothing of what lives on it but the three
calls of :class:`Resident`. It is a daemon thread, since Python cannot kill a thread: one that
hangs in a C call would keep the process from ending. A tree never leaves one behind unsaid.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
import warnings
from asyncio import AbstractEventLoop
from concurrent.futures import Executor
from contextvars import Context
from typing import TYPE_CHECKING, Final

from task_thread.core.exchange import Exchange

if TYPE_CHECKING:
    from task_thread.core.protocols import LoopFactory, Resident

__all__ = ["Carrier", "close_helpers", "stack_of"]

_ASIDE: Final = 0.005  # seconds that one that is replaced leaves the interpreter to the next one


class Carrier:
    """An OS thread with an event loop of its own, for one resident.

    :param factory: makes the loop, in the OS thread.
    """

    __slots__ = ("_factory", "_reaped", "_resident", "_thread")

    def __init__(self, factory: LoopFactory) -> None:
        self._factory = factory
        self._reaped = threading.Event()
        self._resident: Resident
        self._thread: threading.Thread

    def start(self, resident: Resident, name: str, context: Context) -> None:
        """Carry `resident`, in an OS thread of that name and in that context. From any thread.

        :raises RuntimeError: the system has no thread left to give.
        """
        self._resident = resident
        self._thread = threading.Thread(
            target=context.run, args=(self._carry,), name=name, daemon=True
        )
        self._thread.start()

    def reap(self) -> None:
        """Wait for the OS thread, which is just about to end. From any other thread."""
        if self._thread is not threading.current_thread():
            self._reaped.set()
            self._thread.join()

    @property
    def os_thread(self) -> threading.Thread:
        """The OS thread."""
        return self._thread

    @property
    def ident(self) -> int | None:
        """The OS thread's identifier, as in :func:`threading.get_ident`."""
        return self._thread.ident

    def _carry(self) -> None:
        try:
            exchange = self._open()
        except BaseException as error:
            self._resident.off_loop(error)
            return
        loop = exchange.loop
        self._resident.on_loop(exchange)
        self._run(loop)
        exchange.close()
        if self._resident.off_loop(None):
            self._reaped.wait(_ASIDE)
        loop.close()  # whoever needs that to have happened reaps

    def _open(self) -> Exchange:
        return Exchange.open(self._factory(), own=True)

    def _run(self, loop: AbstractEventLoop) -> None:
        while True:
            error: BaseException | None = None
            try:
                loop.run_forever()
            except BaseException as raised:  # SystemExit out of a callback, say
                error = raised
            if self._resident.loop_stopped(error):
                return


def stack_of(ident: int | None) -> str:
    """The stack of a running OS thread, newest call last; "" where it has ended."""
    frame = sys._current_frames().get(ident) if ident is not None else None
    return "" if frame is None else "".join(traceback.format_stack(frame)).rstrip()


async def close_helpers(loop: AbstractEventLoop, timeout: float) -> bool:
    """End the loop's async generators and its default executor, on that loop.

    :param timeout: seconds to wait for the calls that the executor still runs.
    :returns: False where some of them still ran at the end; they are left alone.
    """
    await loop.shutdown_asyncgens()
    if not hasattr(
        loop, "_default_executor"
    ):  # uvloop keeps it out of sight, and takes a timeout on every Python
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            await loop.shutdown_default_executor(timeout)  # type: ignore[call-arg, unused-ignore]
        return True
    executor: Executor | None = getattr(loop, "_default_executor", None)
    if executor is None:
        return True
    # loop.shutdown_default_executor() of Python 3.11 has no timeout, and blocks the loop in a
    # join() when it is cancelled. A thread of our own can be left behind.
    done: asyncio.Future[None] = loop.create_future()

    def shut() -> None:
        executor.shutdown(wait=True)
        with contextlib.suppress(RuntimeError):  # the loop did not wait that long
            loop.call_soon_threadsafe(done.cancel)

    executor.shutdown(wait=False, cancel_futures=True)
    threading.Thread(target=shut, name="executor-shutdown", daemon=True).start()
    finished, _ = await asyncio.wait([done], timeout=timeout)
    return bool(finished)
