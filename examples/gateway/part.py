"""What the gateway's threads have in common: each counts what it does, and tells when asked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from task_thread import ExitReason, InboxView, TaskThread

from .messages import Counts

if TYPE_CHECKING:
    from task_thread.signals import Signal

__all__ = ["Part"]


class Part(TaskThread):
    """A thread of the gateway that keeps counts.

    A subclass that overrides one of these hooks calls the one here as well.

    :ivar counts: what was counted since the start; the names are explained in
        :class:`examples.gateway.totals.Totals`. Touched on the thread's own loop alone, others
        ask with :class:`Counts`; after the thread's end anybody may read them.
    """

    def initVars__(self) -> None:
        self.counts: Counter[str] = Counter()

    def getId(self) -> str:
        return type(self).__name__.lower()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Counts):
            signal.reply(dict(self.counts))
        return None

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        self.counts["dead_letters"] += child.statistics().inbox.dead
        if reason.failed:
            self.counts["children_failed"] += 1

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        """Nothing to tell: that whoever sends has to wait is what the bounded inbox is for."""
