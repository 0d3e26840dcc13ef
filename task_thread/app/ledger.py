"""What of an app outlives the process: its runs and schedules, written to its store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from task_thread.app.journal import Journal
from task_thread.app.progress import NO_PROGRESS
from task_thread.app.records import (
    RUN,
    SCHEDULE,
    RunRecord,
    call_text,
    from_bytes,
    moment,
    stamp,
    to_bytes,
)
from task_thread.app.run import Run
from task_thread.app.runinfo import RunInfo, error_line
from task_thread.app.store import Change, Store
from task_thread.app.words import RunStatus
from task_thread.errors import (
    NotStorable,
    RunFailed,
    StoreError,
    StoreFailed,
    ThreadEnded,
    UnknownRun,
)

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Ledger", "restore"]

_SLICE: Final = 200  # changes that are made ready in one turn of the loop: some milliseconds
_TEXT: Final = 100_000  # characters that are kept of an error and of a traceback
_LATER: Final = 2  # turns of the loop that a change waits: what ends meanwhile is written once


class Ledger:
    """Keeps the store in step with the runs. On the app's loop, all of it.

    Runs that change are noted, and written in one go when the group before them is on disk: a run
    that is accepted, begun and ended meanwhile is written once.

    :param ended: called with each run whose end is on disk, or can't be for now.
    :param trouble: called with what the store has failed with.
    """

    def __init__(
        self,
        store: Store,
        retention: float,
        ended: Callable[[Run[Any]], None],
        trouble: Callable[[StoreError], None],
    ) -> None:
        self._store = store
        self._retention = retention
        self._ended = ended
        self._trouble = trouble
        self._journal: Journal | None = None
        self._loop = asyncio.get_running_loop()
        # Runs, each with the time before which it does not begin or, once settled or left, its
        # record; and schedules by their keys, each behind the runs that its ticks have made.
        self._dirty: dict[Run[Any] | str, float | bytes | _Left | None] = {}
        self._under_way = 0
        self._planned = False

    async def open(self, owner: TaskThread) -> None:
        """Open the store. It raises what that does."""
        await self._store.open(owner)
        self._journal = Journal(self._store, self._loop, self._trouble)

    @property
    def journal(self) -> Journal:
        """What writes to the store: other layers' records go the same way.

        :raises StoreFailed: it is closed.
        """
        if self._journal is None:
            raise StoreFailed(f"the store {self._store.address} is closed")
        return self._journal

    async def read(self, kind: str) -> list[tuple[str, Any]]:
        """All live records, each as what :func:`from_bytes` makes of it, or the error."""
        found: list[tuple[str, Any]] = []
        for key, value in await self._store.live(kind):
            try:
                found.append((key, from_bytes(kind, key, value)))
            except NotStorable as error:
                found.append((key, error))
        return found

    async def info(self, id: str) -> RunInfo:
        """What the store knows of a run.

        :raises UnknownRun: nothing.
        :raises StoreError: it can't be read.
        """
        value = await self._store.get(RUN, id)
        if value is None:
            raise UnknownRun(f"there is no run {id!r}, or its retention is over")
        try:
            return _info(id, from_bytes(RUN, id, value))
        except NotStorable as error:
            raise StoreFailed(f"{self._store.address} is damaged: {error}") from error

    # ---- writing --------------------------------------------------------------------------

    def note(self, run: Run[Any], not_before: float = 0.0) -> None:
        """`run` has changed.

        :param not_before: when it begins, if it is delayed; seconds since 1970.
        """
        if run.call is None:
            try:
                run.call = call_text(run.args, run.kwargs)
            except NotStorable as error:  # an earlier run of a tick has changed them
                run.durable = False
                self._trouble(NotStorable(f"{run!r} goes on in memory alone: {error}"))
                return
        self._dirty[run] = not_before
        self._plan()

    def settle(self, run: Run[Any]) -> None:
        """Its outcome is decided. A result that can't be stored makes it a failed one."""
        call = run.call
        if call is None:  # it ends before it could begin, in this life
            call = call_text(run.args, run.kwargs)
        run.call = None
        try:
            record = to_bytes(_record(run, 0.0), run, call)
        except NotStorable as error:
            run.value = run.return_value = None
            run.exception = NotStorable(f"the result of {error}")
            run._outcome = RunStatus.FAILED
            record = to_bytes(_record(run, 0.0), run, call)
        self._dirty[run] = record
        self._plan()

    def leave(self, run: Run[Any]) -> None:
        """Its app ends, and it does not: what has changed of it is written as it is now."""
        state = self._dirty.get(run)
        if isinstance(state, float):
            self._dirty[run] = _Left(to_bytes(_record(run, state), run, run.call or ""))

    def put_schedule(self, key: str, record: bytes | None) -> None:
        """A schedule is another one, or (None) gone."""
        # At the end: were it on disk without the runs of its ticks, these would be lost.
        self._dirty.pop(key, None)
        self._dirty[key] = record
        self._plan()

    def _plan(self) -> None:
        if not self._planned and not self._under_way:
            self._planned = True
            self._later(_LATER)

    def _later(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._later, turns - 1)
        else:
            self._planned = False
            self._write(_SLICE)
            if self._dirty:
                self._planned = True
                self._loop.call_soon(self._later, 0)

    def _write(self, number: int | None = None) -> None:
        """Give the first `number` of what has changed to the journal; None: all of it."""
        journal = self._journal
        if journal is None:
            return
        gone = time() + self._retention
        changed = list(islice(self._dirty.items(), number))
        for thing, state in changed:
            del self._dirty[thing]
            if isinstance(thing, str):
                assert state is None or isinstance(state, bytes)  # not a run's
                try:
                    journal.put(Change(SCHEDULE, thing, state), self._written)
                except NotStorable as error:  # its id can't be encoded
                    self._trouble(error)
                    continue
            elif isinstance(state, bytes):
                journal.put(Change(RUN, thing.id, state, False, gone), _Told(self, thing))
            elif isinstance(state, _Left):
                journal.put(Change(RUN, thing.id, state.record), self._written)
            else:
                value = to_bytes(_record(thing, state or 0.0), thing, thing.call or "")
                journal.put(Change(RUN, thing.id, value), self._written)
            self._under_way += 1

    def _written(self, error: StoreError | None) -> None:
        self._under_way -= 1
        if not self._under_way and self._dirty:
            self._plan()

    def told(self, run: Run[Any], error: StoreError | None) -> None:
        """Its end was written, or could not be for now."""
        self._written(error)
        self._ended(run)

    async def flush(self) -> None:
        """Wait until all that has changed is on disk.

        :raises StoreError: it can't be written for now.
        :raises ThreadEnded: the app has ended.
        """
        journal = self._journal
        if journal is None:
            raise ThreadEnded(f"the store {self._store.address} was closed, as its app has ended")
        self._write()
        await journal.flush()

    async def close(self, limit: float) -> None:
        """Write what is left, until `limit` (seconds of time.monotonic()), and let go of the store.

        :raises StoreFailed: some of it could not be written, and is lost.
        """
        try:
            self._write()
            journal, self._journal = self._journal, None
            if journal is not None:
                await journal.close(max(0.05, limit - monotonic()))
        finally:
            await self._store.close()


class _Left(NamedTuple):
    """The record of a run that its app has left."""

    record: bytes


class _Told:
    """What is called when the end of a run was written: a closure would weigh more."""

    __slots__ = ("_ledger", "_run")

    def __init__(self, ledger: Ledger, run: Run[Any]) -> None:
        self._ledger = ledger
        self._run = run

    def __call__(self, error: StoreError | None) -> None:
        self._ledger.told(self._run, error)


def _record(run: Run[Any], not_before: float) -> dict[str, Any]:
    """The fields of a RunRecord, but for ``args`` and ``kwargs``."""
    error = run.exception
    has_result = run._settled and run._outcome is RunStatus.SUCCEEDED
    return {
        "v": 1,
        "task": run.task.id,
        "name": run.task.name,
        "executor": run.executor,
        "priority": run.priority,
        "status": (run._outcome if run._settled else run.status).value,
        "attempt": run.attempt,
        "starts": run.starts,
        "queued": run._queued_at,
        "started": run._started_at,
        "ended": run._ended_at,
        "not_before": not_before,
        "due": stamp(run.due),
        "stands_for": run.stands_for,
        "result": run.value if has_result else None,
        "returned": run.return_value if has_result else None,
        "error": "" if error is None else _line_of(error)[:_TEXT],
        "traceback": "" if error is None else _traceback_of(run, error)[-_TEXT:],
    }


def _line_of(error: BaseException) -> str:
    # What an earlier life has written down stays as it is.
    return str(error) if type(error) is RunFailed else error_line(error)


def _traceback_of(run: Run[Any], error: BaseException) -> str:
    return (type(error) is RunFailed and error.traceback) or run.traceback


def restore(run: Run[Any], record: RunRecord) -> float:
    """Make `run` what `record` says; it has not ended.

    :returns: when it begins, in seconds since 1970; 0 for at once.
    """
    # An attempt that was under way when the process ended begins again, and is not held against
    # it; the starts tell how often that has happened.
    under_way = record["status"] == RunStatus.RUNNING
    run.attempt = max(0, record["attempt"] - 1) if under_way else record["attempt"]
    run.starts = record["starts"]
    run._queued_at = record["queued"]
    run._started_at = record["started"]
    run.due = moment(record["due"])
    run.stands_for = record["stands_for"]
    if record["error"]:
        run.exception = RunFailed(record["error"], record["traceback"])
    return record["not_before"]


def _info(id: str, record: RunRecord) -> RunInfo:
    queued = moment(record["queued"])
    if queued is None:
        raise StoreFailed(f"the record of run {id} is damaged: it was never queued")
    return RunInfo(
        id=id,
        task=record["task"],
        name=record["name"],
        executor=record["executor"],
        status=RunStatus(record["status"]),
        priority=record["priority"],
        attempt=record["attempt"],
        time_queued=queued,
        time_started=moment(record["started"]),
        time_ended=moment(record["ended"]),
        due=moment(record["due"]),
        stands_for=record["stands_for"],
        result=record["result"],
        error=record["error"],
        traceback=record["traceback"],
        progress=NO_PROGRESS,
    )
