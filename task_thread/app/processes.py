"""Processes that calls are made in: for what would hold the interpreter up, or must be killable.

The workers and the way to them are ``anyio.to_process``: each is a fresh interpreter (a process
with threads is never forked), makes one call at a time and is used again. What this adds:

- The workers belong to this pool and end with it. anyio would end them with the task that happened
  to make the first call on a loop that somebody runs forever, as all of ours are.
- A function is found by its name even where a decorator took its place (importable.py), and what
  it does to its standard streams, what it raises and what can't be pickled stay its own affair
  (inworker.py): none of that breaks a worker, or leaves one a reply behind.
- A worker that dies, or answers out of step, fails its own call and is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from task_thread.app.importable import check_importable, request_for, title
from task_thread.app.inworker import Collected, Reply, make
from task_thread.errors import RunFailed, ThreadEnded, WorkerDied

if TYPE_CHECKING:
    from anyio.abc import Process

__all__ = ["Collected", "Processes", "check_importable"]


class Processes:
    """Makes calls in processes. For the coroutines of one loop, which owns all of it.

    It starts a process when a call finds none idle; how many may be busy is not decided here
    (bands.py). What a function prints there goes nowhere, and Ctrl-C does not reach it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool: _Pool | None = None  # made by the first call, which also imports anyio
        self._closed = False
        self._busy = 0
        self._all_done: asyncio.Future[None] | None = None  # what close() waits for

    @property
    def busy(self) -> int:
        """How many calls are under way. From any thread."""
        return self._busy

    def pids(self) -> list[int]:
        """The processes that can take calls, or are in one. On the loop."""
        return [] if self._pool is None else sorted(each.pid for each in self._pool.workers)

    async def call(
        self, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call ``fn(*args, **kwargs)`` in a process, and return its value: of a generator function
        a :class:`Collected`. Cancelling the wait kills the process.

        :raises BaseException: what it raised, with the traceback from there as a note.
        :raises RunFailed: it raised what can't travel between processes; its text is there.
        :raises WorkerDied: the process died under it, or could not be started.
        :raises TypeError: an argument can't be pickled, or what it returned.
        :raises ValueError: a process can't import `fn`.
        :raises ThreadEnded: the pool is closed.
        """
        if self._closed:
            raise ThreadEnded(f"the processes are closed: they don't call {title(fn)}")
        request = request_for(fn, args, kwargs)
        if self._pool is None:
            self._pool = _Pool()
        self._busy += 1
        try:
            reply = await self._pool.make(request, title(fn))
        finally:
            self._busy -= 1
            done = self._all_done
            if not self._busy and done is not None and not done.done():
                done.set_result(None)
        return _value_of(reply, title(fn))

    async def close(self) -> None:
        """Take no more calls, wait for those under way, and end all processes.

        Cancelling it kills them in the midst of their calls. May be called again.
        """
        self._closed = True
        try:
            await self._until_done()
        finally:
            if self._pool is not None:
                await self._pool.close()
            # A worker that was just starting is killed as soon as it has, and its call told.
            await self._until_done()

    async def _until_done(self) -> None:
        while self._busy:
            self._all_done = self._loop.create_future()
            await self._all_done


def _value_of(reply: bytes, name: str) -> Any:
    """What a call has returned; or what it raised is raised."""
    try:
        good, value, text = _unpickled(reply)
    except Exception as error:
        raise TypeError(f"what {name} returned in its process can't be read: {error}") from error
    if good:
        return value
    if value is None:
        last = text.strip().rpartition("\n")[2]
        raise RunFailed(f"{name} raised in its process, and that can't leave it: {last}", text)
    value.add_note(f"In its process:\n{text.rstrip()}")
    try:
        raise value
    finally:  # the traceback leads to this frame, and both would wait for the collector
        del value


def _unpickled(reply: bytes) -> Reply:
    return pickle.loads(reply)  # type: ignore[no-any-return]


class _Workers(set["Process"]):
    """The workers that have started, and are not known to be dead."""

    closed = False

    def add(self, worker: Process) -> None:
        """It has started: for a call, unless that comes too late."""
        super().add(worker)
        _leave_its_code(worker)
        if self.closed:
            _kill(worker)


class _Pool:
    """What ``anyio.to_process`` keeps for a loop: the workers, and which of them are idle.

    It keeps them in two variables of the loop. They are set here before it does, so that it does
    not tie them to a task of somebody's, and put back by :meth:`close`. On that loop, all of it.
    """

    def __init__(self) -> None:
        import anyio
        from anyio import to_process

        self.workers = _Workers()
        self._idle: deque[tuple[Process, float]] = deque()
        # How many may be busy is decided before (bands.py), so nothing has to be entered here: a
        # CapacityLimiter without a limit costs each call a turn of the loop.
        self._limiter: Any = contextlib.nullcontext()
        self._broken = anyio.BrokenWorkerProcess
        self._scope = anyio.CancelScope
        self._run_sync = to_process.run_sync
        self._all_var = to_process._process_pool_workers
        self._idle_var = to_process._process_pool_idle_workers
        self._all_before = self._all_var.set(self.workers)
        self._idle_before = self._idle_var.set(self._idle)

    async def make(self, request: bytes, name: str) -> bytes:
        """The reply to `request`. :raises WorkerDied: there is none."""
        try:
            return await self._run_sync(make, request, cancellable=True, limiter=self._limiter)
        except asyncio.CancelledError as error:
            # anyio kills a worker that is in a call; one that is just starting it leaves alone.
            await self._end_lost(error)
            raise
        except BaseException as error:
            # Our function raises nothing: this is the worker's end, its failed start, or a reply
            # that is none of ours. A worker that is out of step would give the next call the
            # reply that belongs to this one.
            worker = self._worker_in(error)
            if not isinstance(error, Exception) and not _is_reply(error):
                if worker is not None:
                    _kill(worker)
                raise  # it is about this process, or about this coroutine
            if worker is not None:
                await self._end(worker)
            raise WorkerDied(self._obituary(error, worker, name)) from error

    async def close(self) -> None:
        """Kill all workers, and wait until the system has them no more. Once or again."""
        if not self.workers.closed:
            self.workers.closed = True
            self._idle.clear()
            self._all_var.reset(self._all_before)
            self._idle_var.reset(self._idle_before)
        for worker in self.workers:
            _kill(worker)
        for worker in list(self.workers):
            await worker.aclose()
            self.workers.discard(worker)

    async def _end_lost(self, error: BaseException) -> None:
        worker = self._worker_in(error)
        if worker is not None and worker not in self.workers:
            await self._end(worker)

    async def _end(self, worker: Process) -> None:
        self.workers.discard(worker)
        for each in [each for each in self._idle if each[0] is worker]:
            self._idle.remove(each)
        _kill(worker)
        # Where the caller stands in a scope of anyio's that is cancelled, it goes on cancelling.
        with self._scope(shield=True):
            await worker.aclose()

    def _worker_in(self, error: BaseException) -> Process | None:
        """The worker that `error` is about. anyio does not tell; its frame knows."""
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_code is self._run_sync.__code__:
                found: Process | None = step.tb_frame.f_locals.get("process")
                return found
            step = step.tb_next
        return None

    def _obituary(self, error: BaseException, worker: Process | None, name: str) -> str:
        if worker is None:
            return f"no process could be started for {name}: {error}"
        code = worker.returncode
        if not isinstance(error, self._broken):
            end = f"answered out of step: {error!r}"
        elif error.args:  # only about its start does anyio say something
            end = f"could not be started: {error.__cause__ or error!r}{_about_main()}"
        elif code is not None and code < 0:
            end = f"was ended by {_signal_name(-code)}"
        else:
            end = f"ended with exit code {code}"
        return f"the process {worker.pid} that was to call {name} {end}"


def _about_main() -> str:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is None:
        return ""
    return (
        f". A process begins by running {path} under another name: it must be possible to run that "
        "as a file, and what it starts belongs under if __name__ == '__main__'"
    )


def _is_reply(error: BaseException) -> bool:
    """Whether `error` came from the worker, as the reply to something. Its frame knows."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and step.tb_frame.f_locals.get("retval") is error


def _leave_its_code(worker: Process) -> None:
    """Have `worker` signalled without a look whether it has ended, which subprocess takes before.

    asyncio waits for its exit code, and where that look has taken it already, logs a warning and
    says 255. (Later versions of Python send signals like this themselves.)
    """
    transport = getattr(getattr(worker, "_process", None), "_transport", None)
    popen = None if transport is None else transport.get_extra_info("subprocess")
    if isinstance(popen, subprocess.Popen):
        popen.send_signal = functools.partial(os.kill, popen.pid)  # type: ignore[method-assign]


def _kill(worker: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.kill()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
