"""What the overflow hooks are given."""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop
from typing import TYPE_CHECKING, Any

from task_thread.core.inbox import Notice
from task_thread.core.questions import signal_of
from task_thread.errors import WrongLoop

if TYPE_CHECKING:
    from task_thread.core.inbox import Inbox

__all__ = ["InboxView"]


class InboxView:
    """A look into an inbox, in asyncio.Queue's words."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    @property
    def maxsize(self) -> int:
        """How many signals may wait; 0 for no limit."""
        return self._inbox.capacity

    def qsize(self) -> int:
        """How many signals wait. From any thread."""
        return self._inbox.depth()

    def empty(self) -> bool:
        """Whether none waits. From any thread."""
        return self.qsize() <= 0

    def full(self) -> bool:
        """Whether there is no room. From any thread."""
        return 0 < self.maxsize <= self.qsize()

    def get_nowait(self) -> Any:
        """Take the oldest signal out; it counts as dead. On the owner's own loop only.

        A signal that a child had sent comes as the pair (child, signal).

        :raises asyncio.QueueEmpty: none waits, or what waits is still under way.
        :raises WrongLoop: called from elsewhere: only the owner may drop its signals.
        """
        inbox = self._inbox
        home = inbox.home
        if home is None or _get_running_loop() is not home.loop:
            raise WrongLoop(f"only {inbox._name()} itself may take signals out of its inbox")
        home.drain()
        for index, item in enumerate(inbox.queue):
            if not isinstance(item, Notice):
                del inbox.queue[index]
                inbox.bury((item,))
                inbox.admit()
                return item if item.__class__ is tuple else signal_of(item)
        raise asyncio.QueueEmpty
