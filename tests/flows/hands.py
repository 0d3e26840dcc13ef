"""What tests of flows share: waiting for flows to rest, and stores that remember or fail."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import Change, Store
from task_thread.errors import StoreError, StoreFailed
from task_thread.flows.events import FlowChanged
from task_thread.flows.flowapp import FlowApp
from task_thread.flows.flowtask import FlowTask
from task_thread.flows.info import FlowInfo, FlowStep
from task_thread.flows.memory import MemoryStore
from task_thread.flows.words import FlowState
from tests.flows.stage import Loops

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

WITHIN = 10.0
"""Seconds within which whatever a test waits for has happened."""

BUSY = frozenset({FlowState.RUNNING, FlowState.CHECK})
"""The states that a flow leaves by itself."""


class Watched:
    """A FlowApp that runs in the block, and whose flows can be waited for::

        with Watched(FlowApp("flows")) as flows:
            flows.until(run_id, "WAIT")

    :param app: an app that does not run yet.
    """

    def __init__(self, app: FlowApp) -> None:
        self.app = app
        self._changed = threading.Condition()
        self.told: list[FlowInfo] = []
        app.subscribe(FlowChanged, callback=self._note)

    def __enter__(self) -> Watched:
        self.app.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.app.__exit__(kind, error, trace)

    def _note(self, event: FlowChanged) -> None:
        with self._changed:
            self.told.append(event.info)
            self._changed.notify_all()

    def until(self, run_id: str, *states: str, times: int = 1) -> FlowInfo:
        """The flow, once it was told so often that it is in one of these states."""

        def there() -> FlowInfo | None:
            found = [each for each in self.told if each.id == run_id and each.state in states]
            return found[-1] if len(found) >= times else None

        with self._changed:
            info = self._changed.wait_for(there, WITHIN)
        assert info is not None, f"not in {states}: {self.app.status(run_id)}"
        return info

    def quiet(self) -> None:
        """Return when no flow goes on by itself, and all that moved is on disk."""

        def there() -> bool:
            return not any(info.state in BUSY for info in self.app.list())

        with self._changed:
            quiet = self._changed.wait_for(there, WITHIN)
        assert quiet, [info for info in self.app.list() if info.state in BUSY]
        self.flush()

    def settled(self, there: Callable[[], bool], said: Callable[[], str]) -> None:
        """Return when that is so. It is asked again whenever a flow has moved.

        :param said: what is said when it never comes.
        """
        until = monotonic() + WITHIN
        while True:
            with self._changed:
                seen = len(self.told)
            if there():
                return
            assert self._moves(seen, until), f"nothing moves, and is not as it should be: {said()}"

    def _moves(self, seen: int, until: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.told) != seen, until - monotonic())

    def flush(self) -> None:
        """Wait until all is on disk."""
        asyncio.run(self.app.flush())

    def history(self, run_id: str) -> Sequence[FlowStep]:
        """The history of a flow."""
        return asyncio.run(self.app.history(run_id))

    def histories(self, run_ids: Iterable[str]) -> dict[str, Sequence[FlowStep]]:
        """The histories of several flows."""

        async def ask() -> dict[str, Sequence[FlowStep]]:
            return {run_id: await self.app.history(run_id) for run_id in run_ids}

        return asyncio.run(ask())

    def stored_status(self, run_id: str) -> FlowInfo:
        """The flow, from the store if need be."""
        return asyncio.run(self.app.stored_status(run_id))

    def ended(self, limit: int = 1_000_000) -> Sequence[FlowInfo]:
        """The last flows that have ended."""
        return asyncio.run(self.app.ended(limit))

    def states(self, run_id: str) -> list[str]:
        """The states in its history."""
        return [str(step.state) for step in self.history(run_id)]


class Paper:
    """A store that remembers what was written, group by group, so that a test can go back: a kill
    leaves the first so many of them, and nothing of the rest.

    :param folder: where it has a file of SQLite's; None: it is in memory.

    :ivar groups: all that was written. Changed on the loop of whoever writes, and only appended to.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._store: Store = MemoryStore()
        if folder is not None:
            path = folder / f"{secrets.token_hex(8)}.db"
            self._store = SqliteStore(str(path), synchronous="normal")
        self.groups: list[list[Change]] = []
        self._rows: dict[str, int] = {}

    @property
    def address(self) -> str:
        return self._store.address

    async def open(self, owner: TaskThread | None = None) -> None:
        await self._store.open(owner)

    async def live(self, kind: str) -> Sequence[tuple[str, bytes]]:
        return await self._store.live(kind)

    async def get(self, kind: str, key: str) -> bytes | None:
        return await self._store.get(kind, key)

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> Sequence[tuple[str, bytes]]:
        return await self._store.under(kind, prefix, limit=limit, reverse=reverse)

    async def write(self, changes: Sequence[Change]) -> None:
        await self._store.write(changes)
        self.groups.append(list(changes))
        for kind, key, value, *_ in changes:
            if kind == "flow-step" and value is not None:
                run_id, _, number = key.partition("/")
                self._rows[run_id] = max(self.rows(run_id), int(number) + 1)

    async def close(self) -> None:
        await self._store.close()

    def rows(self, run_id: str) -> int:
        """How many rows of a flow's history are on disk. From any thread."""
        return self._rows.get(run_id, 0)

    def keys(self, kind: str) -> list[str]:
        """The keys of all records of a kind. While it is open."""
        return [key for key, _ in asyncio.run(self._store.under(kind, ""))]

    def as_killed(self, number: int | None = None) -> Paper:
        """The store as it was after so many groups; None: after all that there are by now."""
        groups = list(self.groups[:number])
        paper = Paper(self._folder)

        async def fill() -> None:
            await paper.open()
            for group in groups:
                await paper.write(group)
            await paper.close()

        asyncio.run(fill())
        return paper


class Trouble(Paper):
    """A store that fails when it is told to. From any thread.

    :ivar error: what writing raises, while it is not None; ``read_error``: what reading raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.error: StoreError | None = None
        self.read_error: StoreError | None = None
        self.reads = 0
        self.tried = threading.Semaphore(0)

    def full(self, value: Any = None) -> Any:
        """The disk is full from now on; it gives `value`, for tasks that fill it."""
        self.error = StoreFailed("the disk is full")
        return value

    def works(self) -> None:
        """Nothing is wrong any more."""
        self.error = self.read_error = None

    def was_tried(self, times: int = 1) -> None:
        """Wait until writing has failed once more."""
        for _ in range(times):
            assert self.tried.acquire(timeout=WITHIN), "nothing was written"

    async def write(self, changes: Sequence[Change]) -> None:
        if self.error is not None:
            self.tried.release()
            raise self.error
        await super().write(changes)

    async def get(self, kind: str, key: str) -> bytes | None:
        self._read()
        return await super().get(kind, key)

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> Sequence[tuple[str, bytes]]:
        self._read()
        return await super().under(kind, prefix, limit=limit, reverse=reverse)

    def _read(self) -> None:
        self.reads += 1
        if self.read_error is not None:
            raise self.read_error


def outcome(work: Callable[[], Any]) -> Any:
    """What it gives, or raises."""
    try:
        return work()
    except Exception as error:
        return error


def app_of(store: Any = None, **options: Any) -> FlowApp:
    """An app for tests."""
    return FlowApp("flows", store=store, threads=4, **options)


def routine_of(
    flows: Watched, *keys: str, cls: type[FlowTask] = Loops, name: str | None = None
) -> str:
    """Declare a routine of tasks with these keys, all of that class; its name."""
    name = "-".join(keys) if name is None else name
    flows.app.routine(name, [(key, cls) for key in keys])
    return name
