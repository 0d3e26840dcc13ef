"""The thread of a SQLite store: it takes jobs from any loop, and groups those that write.

Each commit is a sync of the disk, which takes as long as hundreds of records. So all that waits is
one transaction: while one commits, the next gathers. The way there and back is one wake-up each: a
job is put into a list, of which the thread's loop is told when it has nothing to do, and its end is
told to the loop of the caller. No signal, inbox or task is in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from task_thread.app.sqlite_database import Database
from task_thread.app.sqlite_errors import explain, is_of_the_call
from task_thread.app.store import Change
from task_thread.core.thread import TaskThread
from task_thread.errors import NotStorable, StoreError, StoreFailed

__all__ = ["SqliteThread"]

T = TypeVar("T")


class _Job:
    """Something to do in the thread, for somebody who waits on his own loop.

    Ownership: the thread's, until it has told the loop of the caller.
    """

    __slots__ = ("call", "changes", "error", "future", "loop", "result")

    def __init__(self, changes: Sequence[Change], call: Callable[[], Any] | None) -> None:
        self.changes = changes
        self.call = call  # None for a write
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: StoreError | None = None

    def settle(self) -> None:
        """Tell the caller. On his loop."""
        if self.future.done():  # he was cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class SqliteThread(TaskThread):
    """Opens a file, writes and reads for everybody, one group after the other, and closes it.

    Ownership: ``_jobs``, ``_doing``, ``_busy`` and ``_refusing`` are guarded by ``_lock``; the
    database belongs to the thread, which alone may use it.

    :param path: the file.
    :param synchronous: see ``Database``.
    :param name: its id.
    """

    lag_limit = math.inf  # it blocks in the disk, and nobody else lives on its loop
    stop_timeout = 30.0

    def __init__(self, path: str, synchronous: str, name: str) -> None:
        self._path, self._synchronous, self._name = path, synchronous, name
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._doing: list[_Job] = []
        self._busy = False  # the loop was told, or is at it
        self._refusing = False
        self._database: Database  # from open_file() on
        self._is_open = False
        super().__init__()

    def getId(self) -> str:
        """The name that it was given."""
        return self._name

    async def enter__(self) -> None:
        """Be there for jobs. The file is opened by the first of them, so that an error of that is
        the caller's, and no crash."""
        self._loop = asyncio.get_running_loop()

    async def exit__(self) -> None:
        """Do what waits, and close the file."""
        self.refuse()
        self._do(self._take())
        with self._lock:
            self._doing = []
        if self._is_open:
            self._database.close()

    # ---- from any loop --------------------------------------------------------------------

    async def open_file(self) -> None:
        """Open the file. Once, before all else.

        :raises StoreError: it can't be opened.
        """

        def open_it() -> None:
            self._database = Database(self._path, self._synchronous)
            self._is_open = True

        await self._wait_for(_Job((), open_it))

    async def write(self, changes: Sequence[Change]) -> None:
        """Make the changes; return when they are on disk.

        :raises StoreError: none was made.
        """
        await self._wait_for(_Job(changes, None))

    async def read(self, look: Callable[[Database], T]) -> T:
        """What `look` finds in the database, when all that waits has been written.

        :raises StoreError: it could not be read.
        """
        return cast(T, await self._wait_for(_Job((), lambda: look(self._database))))

    def refuse(self) -> None:
        """Take no more jobs. From any thread."""
        with self._lock:
            self._refusing = True

    def fail_rest(self) -> None:
        """Tell those who still wait that it was given up. From any thread, after the end."""
        with self._lock:
            jobs = self._doing + self._jobs
            self._doing, self._jobs = [], []
        for job in jobs:
            job.error = StoreFailed(
                f"the store {self._path} hung, and was given up; what it was to write may be there "
                "or not"
            )
        _tell(jobs)

    async def _wait_for(self, job: _Job) -> Any:
        with self._lock:
            if self._refusing:
                raise StoreFailed(f"the store {self._path} is closed")
            self._jobs.append(job)
            idle, self._busy = not self._busy, True
        if idle:
            with contextlib.suppress(RuntimeError):  # it closes just now, and does this job first
                self._loop.call_soon_threadsafe(self._work)
        return await job.future

    # ---- on its own loop ------------------------------------------------------------------

    def _work(self) -> None:
        """Do what waits, and what has come meanwhile in a later turn."""
        self._do(self._take())
        with self._lock:
            self._doing = []
            self._busy = more = len(self._jobs) > 0
        if more:
            self._loop.call_soon(self._work)

    def _take(self) -> list[_Job]:
        with self._lock:
            self._doing, self._jobs = self._jobs, []
            return self._doing

    def _do(self, jobs: list[_Job]) -> None:
        """All writes that stand together are one group; a read sees what came before it."""
        group: list[_Job] = []
        for job in jobs:
            if job.call is None:
                group.append(job)
                continue
            self._write(group)
            group = []
            self._call(job, job.call)
        self._write(group)

    def _write(self, group: list[_Job]) -> None:
        if not group:
            return
        try:
            self._database.apply([change for job in group for change in job.changes])
        except Exception as error:
            if is_of_the_call(error):
                if len(group) > 1:  # one of them is at fault: the others shall not suffer
                    for job in group:
                        self._write([job])
                    return
                group[0].error = NotStorable(f"can't be stored in {self._path}: {error}")
            else:
                for job in group:  # an error each: whoever it is raised at adds to its traceback
                    job.error = explain(error, self._path, "can't write to")
        _tell(group)

    def _call(self, job: _Job, call: Callable[[], Any]) -> None:
        try:
            job.result = call()
        except StoreError as error:
            job.error = error
        except Exception as error:
            job.error = explain(error, self._path, "can't read")
        _tell([job])


def _tell(jobs: list[_Job]) -> None:
    """Tell those who wait for `jobs`, with one wake-up of each loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, its in loops.items():
        with contextlib.suppress(RuntimeError):  # closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, its)


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()
