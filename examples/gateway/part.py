"""What the gateway's threads have in common: what outlives them, counts, and crashes on demand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from task_thread import ExitReason, InboxView, TaskThread, reCreate

from .messages import Counts, Crash, Recovered

if TYPE_CHECKING:
    from task_thread.signals import Signal

__all__ = ["CRASH_SECONDS", "CrashOnPurposeError", "Kept", "Part"]

CRASH_SECONDS = 0.5
"""So long a part that was ordered to crash waits for a moment at which that hurts."""


class CrashOnPurposeError(Exception):
    """What a part raises that was ordered to crash."""


class Kept:
    """What outlives the instances of one part.

    A restart gives a part fresh memory, which is the point of it. What must not be forgotten is
    made once, by the gateway, and given to each instance in turn. It belongs to the thread of the
    instance that lives; between two of them nobody touches it.

    :ivar counts: what was counted since the gateway's start; the names are explained in
        :class:`examples.gateway.totals.Totals`.
    :ivar crash: how the last instance crashed on purpose, until the next one has told the gateway
        that it is at work.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.crash: Recovered | None = None


class Part(TaskThread):
    """A thread of the gateway: supervised, and it keeps counts.

    A subclass that overrides one of these hooks calls the one here as well.

    :ivar counts: those of :class:`Kept`. Touched on the thread's own loop alone, others ask with
        :class:`Counts`; after the end anybody may read them.
    """

    weak_point: ClassVar[str] = ""
    """At what point of its work a crash would hurt the most: where it calls :meth:`weak`. Empty:
    it holds nothing that could be lost, and an ordered crash comes at once."""

    def __init__(
        self, kept: Kept | None = None, *, parent: TaskThread | None = None, **more: Any
    ) -> None:
        """:param kept: what outlives this instance; by default nothing does."""
        self.kept = Kept() if kept is None else kept
        self.counts = self.kept.counts
        self.crash_ordered = self.crashing = False
        super().__init__(parent=parent, **more)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.crash = None

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Counts):
            signal.reply(dict(self.counts))
        elif isinstance(signal, Crash):
            if not self.weak_point:
                self._crash("in the middle of the run")
            self.crash_ordered = True
            self.tasks.crash = await reCreate(self.tasks.crash, self.crash_anyway)
        if self.kept.crash is not None and not self.crashing:
            await self._tell_recovered(self.kept.crash)
        return None

    async def _tell_recovered(self, crash: Recovered) -> None:
        self.kept.crash = None
        crash.seconds = time.monotonic() - crash.crashed_at
        await self.sigFromChildToParent__(crash)

    # ---- crashing on purpose --------------------------------------------------------------

    def in_hand(self) -> int:
        """How many rows this part has taken over and not yet passed on or written."""
        return 0

    def weak(self) -> None:
        """The moment at which a crash would hurt the most. One that was ordered comes here, if
        signals wait as well: so the demonstration is not an easy one."""
        if self.crash_ordered and self.statistics().inbox.depth:
            self._crash(self.weak_point)

    async def crash_anyway(self) -> None:
        """Task: crash though the moment is not so bad, since a worse one did not come."""
        await asyncio.sleep(CRASH_SECONDS)
        self._crash("while it waited for work")

    def _crash(self, when: str) -> None:
        self.crashing = True
        waiting = self.statistics().inbox.depth
        self.kept.crash = Recovered(when, waiting, self.in_hand(), time.monotonic())
        raise CrashOnPurposeError(f"{when}, with {waiting} signals waiting")

    # ---- hooks ----------------------------------------------------------------------------

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        self.counts["dead_letters"] += child.statistics().inbox.dead
        if reason.failed:
            self.counts["children_failed"] += 1

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        """Nothing to tell: that whoever sends has to wait is what the bounded inbox is for."""
