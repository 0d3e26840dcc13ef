"""OS threads that calls are made in: for what would block the app's loop.

The rules:

- A call has an OS thread to itself. How many there may be is not decided here (bands.py).
- Who is idle is used again, the latest first, and ends after a while of idleness.
- For several calls at once one idle thread is woken, which wakes the next one before it begins; and
  who returns first takes what nobody has begun. So long calls all begin at once, and short ones are
  made by few threads. (To wake a thread for each took up to three times as long.)
- Python can't kill a thread. A call that nobody waits for any more goes on, in a thread that is
  *abandoned* until it returns: nobody waits for it, and somebody else does the work.
- What ends within one turn of the loop rings it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from functools import partial
from typing import Any, Final

from task_thread.app.inthread import Call, Worker
from task_thread.errors import ThreadEnded

__all__ = ["Threads"]

_JOIN: Final = 1.0  # seconds; for a thread that has left its last line behind

_MANY: Final = 32  # threads that were about to end, before it is looked which have


class Threads:
    """Makes calls in OS threads. For the coroutines of one loop.

    Ownership: ``_lock`` guards all that changes, here and in the workers. The loop makes workers
    and hands calls to them; a worker puts itself among the idle, and takes itself out.

    :param name: the OS threads are daemons named ``name-1``, ``name-2``, ...
    :param idle: seconds after which an idle one ends, 10 by default; ``inf`` for never.
    """

    def __init__(self, name: str, idle: float = 10.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self.idle_seconds: Final = min(idle, threading.TIMEOUT_MAX)
        self._lock = threading.Lock()
        self._made = 0
        self._closed = False
        self._workers: set[Worker] = set()  # all that live
        # At any time there are at least as many idle or coming as there are calls to do, and
        # somebody is coming as long as there is one.
        self._todo: deque[Call] = deque()  # nobody has begun them
        self._coming = 0  # workers that were woken, or started, and have not looked yet
        self._idle: list[Worker] = []  # the latest last
        self._ended: list[Call] = []  # what the loop has been rung for
        self._gone: list[threading.Thread] = []  # they are just about to end
        self._busy = 0
        self._abandoned = 0
        self._news: asyncio.Future[None] | None = None  # what close() waits for; the loop's own

    # ---- from any thread ------------------------------------------------------------------

    @property
    def busy(self) -> int:
        """How many calls are under way that somebody waits for."""
        return self._busy

    @property
    def idle_count(self) -> int:
        """How many threads wait for a call."""
        return len(self._idle)

    @property
    def abandoned(self) -> int:
        """How many threads are still in a call that nobody waits for any more."""
        return self._abandoned

    def left(self) -> list[str]:
        """The threads that can't be ended: each with its name and the line it is in. These are the
        abandoned ones, and when :meth:`close` was called, all that are still in a call."""
        with self._lock:
            calls = [(worker, worker.call) for worker in self._workers]
            closed = self._closed
        frames = sys._current_frames()
        lines: list[str] = []
        for worker, call in calls:
            if call is None or not (call.abandoned or closed):
                continue
            frame = frames.get(worker.thread.ident or 0)
            if frame is not None:
                code = frame.f_code
                line = f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})"
                lines.append(f"{worker.thread.name} is in {line}")
        return sorted(lines)

    # ---- on the loop ----------------------------------------------------------------------

    async def call(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        context: Context,
    ) -> Any:
        """Run ``context.run(fn, *args, **kwargs)`` in a thread, and return its value.

        Cancelling the wait abandons the call: unless it has not begun it goes on, its value is
        dropped, and what it raises is logged at the level debug.

        :raises BaseException: what it raised, as it is. A StopIteration comes as the cause of a
            RuntimeError, as out of any coroutine.
        :raises ThreadEnded: the pool is closed.
        :raises RuntimeError: the system has no thread left to give.
        """
        ended = self._loop.create_future()
        call = Call(fn, args, kwargs, context, partial(_tell, ended))
        self.begin(call)
        del fn, args, kwargs, context
        try:
            await ended
        except asyncio.CancelledError:
            self.abandon(call)
            raise
        error = call.take_error()
        if error is None:
            return call.value
        try:
            raise error
        finally:  # the traceback leads to this frame, and both would wait for the collector
            del error, call

    def begin(self, call: Call) -> None:
        """The same for who doesn't wait: ``call.then`` is called on the loop when the call has
        ended, unless it was abandoned. What that raises goes to the loop's exception handler.

        :raises ThreadEnded: the pool is closed.
        :raises RuntimeError: the system has no thread left to give.
        """
        with self._lock:
            if self._closed:
                raise ThreadEnded(f"the threads {self._name!r} are closed: they take no call")
            self._busy += 1
            self._todo.append(call)
            if len(self._todo) <= len(self._idle) + self._coming:
                if not self._coming:
                    self._wake_one()
                return
            self._made += 1
            self._coming += 1
            worker = Worker(self, f"{self._name}-{self._made}")
            self._workers.add(worker)
        try:
            # In a context of its own, which the thread keeps on Pythons that let it inherit one.
            Context().run(worker.thread.start)
        except BaseException:
            with self._lock:
                self._coming -= 1
                self._workers.discard(worker)
                if call.begun:  # by somebody who has just returned
                    return
                self._todo.remove(call)
                self._busy -= 1
            raise

    def abandon(self, call: Call) -> None:
        """Nobody waits for it any more: if it has not begun it never will, else it goes on, and
        what comes of it is dropped. Once."""
        call.then = None
        with self._lock:
            if not call.begun:
                self._todo.remove(call)
            call.abandoned = call.begun and not call.returned
            if not call.returned:
                self._busy -= 1
            if call.abandoned:
                self._abandoned += 1
        if call.returned:
            call.forget()
        else:
            self._tell_close()

    async def close(self) -> None:
        """Take no more calls, wait for those under way, and end all threads but the abandoned.

        Cancelling it leaves those that are still in a call: each ends when its call returns. May
        be called again.
        """
        with self._lock:
            self._closed = True
            while self._idle:
                self._wake_one()
        self._settle()
        while self._waits_for_some():
            self._news = self._loop.create_future()
            await self._news
        with self._lock:
            gone, self._gone = self._gone, []
        for thread in gone:
            thread.join(_JOIN)

    def _waits_for_some(self) -> bool:
        with self._lock:
            return len(self._workers) > self._abandoned

    def _wake_one(self) -> None:
        """Under the lock: have the one that is idle since the latest look what there is to do."""
        self._coming += 1
        self._idle.pop().wake.release()

    def _settle(self) -> None:
        """Tell those who wait what has ended."""
        with self._lock:
            ended, self._ended = self._ended, []
        for call in ended:
            then, call.then = call.then, None  # it leads to who keeps the call
            if then is not None:
                try:
                    then(call)
                except Exception as error:  # the others want to know as well
                    self._loop.call_exception_handler(
                        {"message": "the end of a call could not be told", "exception": error}
                    )
        self._tell_close()

    def _tell_close(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # ---- in the workers -------------------------------------------------------------------

    def comes(self, worker: Worker) -> bool:
        """The worker was woken, or started: it gets a call, or none. False: it has to end."""
        with self._lock:
            self._coming -= 1
            stays = self._assign(worker)
            if self._todo and not self._coming:
                self._wake_one()
        if not stays:
            self._ring()
        return stays

    def returned(self, worker: Worker, call: Call) -> bool:
        """The worker's call has returned: it gets another, or none. False: it has to end."""
        with self._lock:
            call.returned = True
            abandoned, ring = call.abandoned, False
            if abandoned:
                self._abandoned -= 1
            else:
                self._busy -= 1
                ring = not self._ended
                self._ended.append(call)
            stays = self._assign(worker)
        if ring:
            self._ring()
        if abandoned:
            call.forget()
        return stays

    def ends_idle(self, worker: Worker) -> bool:
        """The worker was idle for long. False: there is something to do just now."""
        with self._lock:
            if self._todo or worker not in self._idle:
                return False
            self._idle.remove(worker)
            self._strike(worker)
        return True

    def _assign(self, worker: Worker) -> bool:
        """Under the lock: give it something to do, or nothing. False: it is about to end."""
        if self._todo:
            worker.call = self._todo.popleft()
            worker.call.begun = True
            return True
        worker.call = None
        if self._closed:
            self._strike(worker)
            return False
        self._idle.append(worker)
        return True

    def _strike(self, worker: Worker) -> None:
        """Under the lock: it is about to end."""
        self._workers.discard(worker)
        if len(self._gone) > _MANY:
            self._gone = [thread for thread in self._gone if thread.is_alive()]
        self._gone.append(worker.thread)

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # closed: nobody waits on that loop any more
            self._loop.call_soon_threadsafe(self._settle)


def _tell(ended: asyncio.Future[None], call: Call) -> None:
    if not ended.done():  # by a cancel of who waits for it, who has not had his turn yet
        ended.set_result(None)
