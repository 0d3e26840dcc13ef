"""Handles a thread's signals, one at a time, in the order in which they came.

An item of the inbox is a Signal from outside or from the parent, a pair (child, signal), or a
notice that a child has ended. After a few milliseconds of handling without a pause the loop gets
a turn, so that a flood of signals starves nothing else on it. Reading the clock for each signal
would cost a tenth of the speed, so it is read after so many as took half that time before.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.family import CHILD_SHARE, ChildEnded
from task_thread.signals import Signal

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["listen"]

_SLICE: Final = 0.005  # seconds of handling before the loop gets a turn
_BURST: Final = 1024  # signals at the most between two looks at the clock


async def listen(thread: TaskThread) -> None:
    """Handle what comes until the thread drains its inbox for the end, or a handler raises."""
    life, inbox = thread._taskthread.life, thread._taskthread.inbox
    queue = inbox.queue
    burst, begun = 1, monotonic()
    item: Any = None
    try:
        while True:
            for _ in range(min(burst, len(queue))):
                item = queue.popleft()
                if isinstance(item, Signal):
                    inbox.taken += 1
                    if inbox.line:
                        inbox.admit()
                    if await thread.signalHandler__(item) is False:
                        life.order_stop("normal", monotonic() + thread.stop_timeout * CHILD_SHARE)
                elif item.__class__ is tuple:
                    inbox.taken += 1
                    if inbox.line:
                        inbox.admit()
                    await thread.childsignalHandler__(item[1], item[0])
                else:
                    await thread.childExited__(item.child, item.reason)
            item = None
            if queue:
                used = monotonic() - begun
                if used < _SLICE / 2:
                    burst = min(2 * burst, _BURST)
                    continue
                if used > _SLICE:
                    burst = max(1, burst // 4)
                await asyncio.sleep(0)
            elif life.draining and inbox.all_arrived():
                return
            else:
                await inbox.sleep()
            begun = monotonic()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            life.fail(error, _where(item))  # something that the handler awaited was cancelled
        raise
    except (Exception, SystemExit) as error:
        life.fail(error, _where(item))


def _where(item: Any) -> str:
    """What was being handled, for people."""
    if isinstance(item, Signal):
        return f"signalHandler__ of {item!r}"
    if isinstance(item, tuple):
        return f"childsignalHandler__ of {item[1]!r} from {item[0]}"
    if isinstance(item, ChildEnded):
        return f"childExited__ of {item.child}"
    return "its listener"
