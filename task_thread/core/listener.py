"""Handles a thread's signals, one at a time, in the order in which they came.

An item of the inbox is a Signal from outside or from the parent, a pair (child, signal), a request
that somebody asks (Asked), or a notice that a child has ended. After a few milliseconds of handling
without a pause the loop gets a turn, so that a flood of signals starves nothing else on it. Reading
the clock for each signal would cost a tenth of the speed, so it is read after so many as took half
that time before.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from task_thread.core.ending import is_forced_close
from task_thread.core.family import ChildEnded
from task_thread.core.questions import Asked
from task_thread.log import show
from task_thread.signals import Signal

if TYPE_CHECKING:
    from task_thread.core.lifecycle import ExitReason
    from task_thread.core.thread import TaskThread

__all__ = ["listen"]

_SLICE: Final = 0.005  # seconds of handling before the loop gets a turn
_BURST: Final = 64  # signals at the most between two looks at the clock


async def listen(thread: TaskThread) -> None:
    """Handle what comes until the thread drains its inbox for the end, or a handler raises."""
    life, inbox = thread._taskthread.life, thread._taskthread.inbox
    listening = _Listening(thread)
    while True:
        try:
            await listening.handle_all()
            return
        except asyncio.CancelledError as error:
            if cast("asyncio.Task[Any]", asyncio.current_task()).cancelling():
                raise
            crashed = life.fail(error, _where(listening.item))  # of what the handler awaited
        except BaseException as error:
            if life.winding_down and is_forced_close(error):
                raise
            crashed = life.fail(error, _where(listening.item))
        if crashed:
            # Nobody makes room any more, and nobody shall wait for it; but for a next instance.
            if life.keeps_inbox():
                inbox.refuse_children()
            else:
                inbox.refuse()
            return


class _Listening:
    """One thread's listening.

    :ivar item: what is being handled.
    """

    __slots__ = ("item", "thread")

    def __init__(self, thread: TaskThread) -> None:
        self.thread = thread
        self.item: Any = None

    async def handle_all(self) -> None:
        """Handle one item after the other."""
        thread = self.thread
        life, inbox = thread._taskthread.life, thread._taskthread.inbox
        queue = inbox.queue
        burst, begun = 1, 0.0
        while not life.is_halting():
            waiting = len(queue)
            for _ in range(waiting if waiting < burst else burst):  # noqa: FURB136  (min() is slow)
                self.item = item = queue.popleft()
                if item.__class__ is ChildEnded:
                    await thread.childExited__(item.child, cast("ExitReason", item.reason))
                    continue
                inbox.taken += 1
                if inbox.line:
                    inbox.admit()
                if isinstance(item, Signal):
                    if await thread.signalHandler__(item) is False:
                        life.order_end("normal")
                elif item.__class__ is tuple:
                    await thread.childsignalHandler__(item[1], item[0])
                else:
                    item.taken = True
                    if await thread.signalHandler__(item.request) is False:
                        life.order_end("normal")
                    if item.handled is not None:
                        item.handled.set(None)
            self.item = None
            if queue:
                now = monotonic()
                if not begun:  # the clock is read only where there is more than one burst
                    begun = now
                used = now - begun
                if used < _SLICE / 2:
                    burst = min(2 * burst, _BURST)
                    continue
                if used > _SLICE:
                    burst = max(1, burst // 4)
                await asyncio.sleep(0)
            elif life.is_halting() or (life.draining and inbox.all_arrived()):
                return
            else:
                inbox.home.flush()  # what handlers have sent need not wait for the turn's end
                await inbox.sleeper()
            begun = 0.0


def _where(item: Any) -> str:
    """What was being handled, for people."""
    if isinstance(item, ChildEnded):
        return f"childExited__ of {item.child}"
    if isinstance(item, Signal):
        return f"signalHandler__ of {show(item)}"
    if item is None:
        return "its listener"
    if isinstance(item, Asked):
        return f"signalHandler__ of {show(item.request)}"
    child, signal = item
    return f"childsignalHandler__ of {show(signal)} from {child}"
