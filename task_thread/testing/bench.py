"""What one test has started, and its end: the ``start_thread`` fixture.

Everything here belongs to the test's own OS thread, unless it says otherwise.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from task_thread.core.lifecycle import State
from task_thread.core.thread import TaskThread
from task_thread.testing.desk import Desk
from task_thread.testing.leaks import LeakWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from task_thread.core.lifecycle import ExitReason
    from task_thread.testing.clock import ThreadClock

__all__ = ["Bench", "StartThread"]

_THREADS_END_WITHIN: Final = 5.0  # real seconds

T = TypeVar("T", bound=TaskThread)
R = TypeVar("R")


class _Host(TaskThread):
    """Gives its loop to the VirtualThreads that a test starts as roots."""


class StartThread:
    """What the fixture ``start_thread`` gives: call it with a thread to start it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(
        self, thread: T, *, crashes: bool = False, wait: bool = True, timeout: float = 10.0
    ) -> T:
        """Start `thread`, block until its ``enter__`` has returned, and return it.

        A root, or the child of a thread that runs. It needs no loop of the test's: a VirtualThread
        without a parent is put on a loop of the kit's. At the end of the test it is stopped, and
        the test fails if the stop times out, or if the thread has crashed and nobody has looked
        at its ``exit_reason``.

        :param crashes: it may crash without the test looking.
        :param wait: False: do not wait for ``enter__``; if it raises, the thread has crashed.
        :param timeout: real seconds that ``enter__`` may take.
        :raises TypeError: `thread` is no TaskThread.
        :raises RuntimeError: its parent lives on the test's own loop, which this would block:
            ``await child.run()`` there.
        :raises TimeoutError: ``enter__`` has not returned in time.
        :raises BaseException: what ``enter__`` raised, and what ``run()`` raises of a thread that
            can't be started.
        """
        self._bench.start(thread, crashes=crashes, wait=wait, timeout=timeout)
        return thread

    def wait(self, awaitable: Awaitable[R], timeout: float = 10.0) -> R:
        """Await something from a test that is no coroutine: ``wait(thread.ask(Total()))``.

        In the context of the test, on a loop of the kit's, in real time.

        :param timeout: real seconds to wait at the most.
        :raises TimeoutError: it took longer.
        :raises BaseException: what was raised there.
        """
        return self._bench.desk.run(_await(awaitable), timeout)

    def stop(self, thread: TaskThread, timeout: float | None = None) -> ExitReason:
        """Stop `thread`, block until it has ended, and say why it did.

        :param timeout: seconds that the stop may take; its ``stop_timeout`` by default.
        """

        async def stop() -> ExitReason:
            await thread.stop(timeout)
            return await thread.join()

        reason = self._bench.desk.run(stop(), None)
        self._bench.looked_at(thread)
        return reason


async def _await(awaitable: Awaitable[R]) -> R:
    return await awaitable


class Bench:
    """Everything that one test has started, and what it must not leave behind."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.clock: ThreadClock | None = None
        self._started: list[tuple[TaskThread, bool]] = []
        self._host: _Host | None = None
        self._looked_at: set[int] = set()  # threads, by identity
        self._watch = LeakWatch()
        self._watch.begin()
        self._exit_reason: Any = TaskThread.__dict__["exit_reason"]
        self._join: Any = TaskThread.__dict__["join"]
        self._watch_looks()

    def _watch_looks(self) -> None:
        """Notice who looks at a thread's reason: the test, or what it calls, and not the library
        for its own ends."""
        bench, read, join = self, self._exit_reason.fget, self._join

        def exit_reason(thread: TaskThread) -> ExitReason | None:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if not caller.startswith(("task_thread.core.", "task_thread.monitor.")):
                bench.looked_at(thread)
            reason: ExitReason | None = read(thread)
            return reason

        async def looking_join(thread: TaskThread) -> ExitReason:
            reason: ExitReason = await join(thread)
            bench.looked_at(thread)
            return reason

        _put(property(exit_reason, doc=read.__doc__), looking_join)

    def looked_at(self, thread: TaskThread) -> None:
        """The test has seen why `thread` ended, if it had. From any thread."""
        if thread._taskthread.life.reason is not None:
            self._looked_at.add(id(thread))

    # ---- the start ------------------------------------------------------------------------

    def start(self, thread: TaskThread, *, crashes: bool, wait: bool, timeout: float) -> None:
        """See :meth:`StartThread.__call__`."""
        if not isinstance(thread, TaskThread):
            raise TypeError(f"start_thread() takes a TaskThread, an instance, not {thread!r}")
        self._check_parent(thread)
        home = self._home_of(thread)
        self._started.append((thread, crashes))
        if not wait:
            self.desk.run(_begin(thread, home), timeout)
            return
        try:
            self.desk.run(_start(thread, home), timeout)
        except TimeoutError as error:
            if thread.state is not State.STARTING and thread._taskthread.life.reason is not None:
                self._looked_at.add(id(thread))
                raise  # enter__ itself has raised it
            stands = (
                ""
                if self.clock is None
                else (
                    f"; the manual clock stands at {self.clock.monotonic():g} s: start it with "
                    "wait=False and advance the clock"
                )
            )
            raise TimeoutError(
                f"enter__ of {thread} has not returned within {timeout:g} s{stands}"
            ) from error
        except BaseException:
            self._looked_at.add(id(thread))  # the test gets to see it now
            raise

    def _check_parent(self, thread: TaskThread) -> None:
        parent = thread.parent
        loop = None if parent is None else parent._taskthread.life.loop
        if loop is not None and loop is asyncio._get_running_loop():
            raise RuntimeError(
                f"{parent} lives on this test's own loop, which start_thread() would block: "
                f"await the run() of {thread}"
            )

    def _home_of(self, thread: TaskThread) -> asyncio.AbstractEventLoop | None:
        """The loop on which to start it; None: any."""
        if thread.own_loop or thread.parent is not None:
            return None
        if self._host is None:
            self._host = _Host()
            self.desk.run(_start(self._host, None), None)
        return self._host._taskthread.life.loop

    # ---- the end --------------------------------------------------------------------------

    def finish(self) -> list[str]:
        """Stop everything, put everything back, and tell what was wrong. Once."""
        problems: list[str] = []
        if self.clock is not None:
            self.clock.release()  # first: a deadline under a clock that stands never comes
        try:
            for thread, crashes in reversed(self._started):
                problems += self._end(thread, crashes)
            if self._host is not None:
                self.desk.run(self._host.stop(), None)
        finally:
            _put(self._exit_reason, self._join)
            if self.clock is not None:
                self.clock.uninstall()
            self.desk.close()
        return problems + self._watch.end(_THREADS_END_WITHIN)

    def _end(self, thread: TaskThread, crashes: bool) -> list[str]:
        life = thread._taskthread.life
        self.desk.run(thread.stop(), None)
        reason = life.reason
        if reason is None or crashes or id(thread) in self._looked_at:
            return []
        if reason.exception is not None:
            trace = "".join(traceback.format_exception(reason.exception)).rstrip()
            return [
                f"{thread} crashed, and the test has not looked at its exit_reason "
                f"(start_thread(..., crashes=True) if it may):\n{trace}"
            ]
        if reason.failed or life.overdue:
            return [f"the stop of {thread} timed out: " + ("\n".join(life.overdue) or str(reason))]
        return []


def _put(exit_reason: Any, join: Any) -> None:
    public: Any = TaskThread
    public.exit_reason, public.join = exit_reason, join


async def _start(thread: TaskThread, home: asyncio.AbstractEventLoop | None) -> None:
    start: Callable[[], Coroutine[Any, Any, None]] = thread._taskthread.start
    if home is None:
        await start()
    else:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(start(), home))


async def _begin(thread: TaskThread, home: asyncio.AbstractEventLoop | None) -> None:
    """Start it, and return as soon as that has begun."""
    task = asyncio.create_task(_start(thread, home))
    task.add_done_callback(_retrieve)
    _begun.add(task)
    task.add_done_callback(_begun.discard)
    await asyncio.sleep(0)


def _retrieve(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # it stands in the thread's exit_reason


_begun: set[asyncio.Task[None]] = set()  # the loop itself keeps only a weak reference
