"""What others have of the flows of an app: they make, move and find them, from any thread.

A move is made here and now, in memory, under one lock, by whoever has a reason for it: so of two
who resume a flow one is refused, at once and wherever he is. What follows from it is the engine's
business, on the app's loop: it is told, and takes the moves out in the order in which they were
made.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio.events import _get_running_loop
from collections.abc import Callable
from time import time
from typing import Any, Final

from task_thread.errors import NotRunning, ThreadEnded, UnknownFlow
from task_thread.flows.census import Census, Change
from task_thread.flows.flow import Flow
from task_thread.flows.history import Move, Row
from task_thread.latch import Latch

__all__ = ["Gate"]


class Gate:
    """The flows of one app, as all threads see them.

    Ownership: the census, the rows, latches and ``stored`` of its flows, and all attributes that
    begin with an underscore are guarded by ``lock``. Nothing of the user's is called, and nothing
    is waited for while it is held.

    :param app: whose they are, for errors.
    :param name: its name.
    """

    def __init__(self, app: Any, name: str) -> None:
        self._app = app
        self._name = name
        self.lock: Final = threading.Lock()
        self.census: Final = Census()
        self._intake: list[Change] = []
        self._ringing = False
        self._open: bool | None = None  # None: not yet
        self._gone = False  # the loop will not turn again
        self._loop: asyncio.AbstractEventLoop
        self._drain: Callable[[], None]

    # ---- from any thread ------------------------------------------------------------------

    def make(self, flow: Flow, move: Move, same: Callable[[Flow], str] | None = None) -> str:
        """Take in a new flow, and the move with which it begins.

        :param same: there may be one of that run id already, here or in the store, which was
            submitted under the same key: called with it, it raises where that is another one.
        """
        with self.lock:
            self._check_open()
            there = None if same is None else self.census.get(flow.id)
            if there is None:
                if same is not None:
                    flow.unsure = []
                flow.row = move.row
                self.census.add(flow)
                self._note([Change(flow, None, move.row, move.step)])
        if there is not None and same is not None:
            return same(there)
        self._ring()
        return flow.id

    def ask(self, id: str, decide: Callable[[Flow, float], Move]) -> Flow:
        """Have a flow make the move that is decided on, with the lock held.

        :raises UnknownFlow: there is none of that run id.
        :raises BaseException: what `decide` raises; nothing has changed then.
        """
        with self.lock:
            self._check_open()
            flow = self.census.get(id)
            if flow is None:
                raise self.unknown(id)
            at = time()
            self._note(self.census.move(flow, decide(flow, at), at))
        self._ring()
        return flow

    def find(self, id: str) -> Flow:
        """The flow of that run id.

        :raises UnknownFlow: there is none in memory.
        """
        with self.lock:
            flow = self.census.get(id)
        if flow is None:
            raise self.unknown(id)
        return flow

    def unknown(self, id: str) -> UnknownFlow:
        """The error for a run id that nobody knows."""
        return UnknownFlow(
            f"{self._name} has no flow {id!r} under way, nor one that ended lately; "
            "stored_status() and history() know those that ended before"
        )

    def waiter(self, flow: Flow) -> Latch[None] | None:
        """What is set when the flow has ended and that is on disk, or earlier: look again then.
        None: it has.

        :raises ThreadEnded: the app has ended before it.
        """
        with self.lock:
            if flow.row.state.has_ended and flow.stored == flow.row.steps:
                return None
            if self._gone:
                raise ThreadEnded(
                    f"{self._name} has ended before flow {flow.id}, which goes on at the next "
                    "start if there is a store",
                    self._app,
                )
            if flow.latch is None:
                flow.latch = Latch()
            return flow.latch

    def give_up(self) -> None:
        """The app's thread has ended: wake those who wait for flows that go on another time. From
        any thread."""
        with self.lock:
            self._open, self._gone = False, True
            latches = [flow.latch for flow in self.census if flow.latch is not None]
        for latch in latches:
            latch.set(None)

    @property
    def was_opened(self) -> bool:
        """Whether the app has begun, if it has ended too."""
        return self._open is not None

    def _check_open(self) -> None:
        if self._open is None:
            raise NotRunning(f"{self._name} does not run yet: run it first", self._app)
        if not self._open:
            raise ThreadEnded(
                f"{self._name} takes no more flows: it has ended, or will soon", self._app
            )

    def _note(self, changes: list[Change]) -> None:
        """These are to be written. With the lock."""
        self._intake += changes

    def _ring(self) -> None:
        """Have the intake looked through, once. Without the lock."""
        with self.lock:
            if self._ringing or not self._intake:
                return
            self._ringing = True
        if _get_running_loop() is self._loop:
            self._loop.call_soon(self._drain)
        else:
            with contextlib.suppress(RuntimeError):  # closed: the app was given up
                self._loop.call_soon_threadsafe(self._drain)

    # ---- what the engine does, on the loop ------------------------------------------------

    def open(self, drain: Callable[[], None], flows: list[Flow]) -> None:
        """Take calls from now on.

        :param drain: called on this loop when there are moves to be taken out.
        :param flows: what was there.
        """
        self._loop = asyncio.get_running_loop()
        self._drain = drain
        with self.lock:
            for flow in flows:
                self.census.add(flow)
            self._open = True

    def close(self) -> None:
        """Take no more calls."""
        with self.lock:
            self._open = False

    def take(self) -> list[Change]:
        """The moves that were made since it was last asked."""
        with self.lock:
            intake, self._intake = self._intake, []
            self._ringing = False
        return intake

    def move(self, flow: Flow, before: Row, move: Move, at: float) -> list[Change] | None:
        """Make a move for the engine, unless somebody else was first.

        :returns: what has moved; None: others have moves to be taken out before, this one is among
            them now, or was not made.
        """
        with self.lock:
            if flow.row is not before:
                return None
            changes = self.census.move(flow, move, at)
            if not self._intake:
                return changes
            self._note(changes)
        return None

    def add_child(self, parent: Flow, before: Row, move: Move, child: Flow, begun: Move) -> None:
        """A task has spawned a flow: two moves that are one, unless somebody else was first."""
        with self.lock:
            if parent.row is before:
                changes = self.census.move(parent, move, begun.row.made)
                self.census.add(child)
                self._note([*changes, Change(child, None, begun.row, begun.step)])

    def written(self, flow: Flow, steps: int) -> tuple[Row, Latch[None] | None] | None:
        """So many rows of a flow's history are on disk.

        :returns: where it is, and who waits for its end, if that is it; None: it has moved since.
        """
        with self.lock:
            row = flow.row
            if row.steps != steps:
                return None
            flow.stored = steps
            latch = None
            if row.state.has_ended:
                latch, flow.latch = flow.latch, None
        return row, latch

    def become(self, flow: Flow, known: Row) -> None:
        """It was in the store from before."""
        with self.lock:
            self.census.drop(flow)
            flow.row = known
            self.census.add(flow)

    def forget(self, id: str) -> None:
        """A flow that has ended for good is in the store alone from now on."""
        with self.lock:
            flow = self.census.get(id)
            if flow is not None and flow.unsure is None and flow.row.state.is_final:
                self.census.drop(flow)

    def take_out(self, id: str) -> bool:
        """A flow that has ended, or failed, is about to leave the store too.

        :returns: False if it goes on, since somebody has resumed it.
        """
        with self.lock:
            flow = self.census.get(id)
            if flow is None or flow.unsure is not None:
                return True
            if not flow.row.state.has_ended:
                return False
            self.census.drop(flow)
            return True
