"""Waiting for a thread, and giving it up when it hangs past its deadline.

A call that blocks a loop can't be interrupted, and a thread whose loop is blocked can't say so
itself. So whoever waits for a thread's end is its judge: past the deadline of an ordered stop he
gives it up, from outside, and whatever is to be done in its place is done by him.

He has waited only if he woke in time. One who wakes late has stood still, and the thread perhaps as
well (a paused machine, a SIGSTOP, a call that held the interpreter): it gets as long again, once.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.lifecycle import ExitReason

if TYPE_CHECKING:
    from task_thread.core.life import Life
    from task_thread.latch import Latch

__all__ = ["abandon", "give_up_at", "overslept", "wait"]

_PATIENCE: Final = 0.25  # of what the judge keeps of the time, before he gives the thread up
_LAST_WORD: Final = 0.9  # of it, until which he then stops the children
_STOOD_STILL: Final = 0.05  # seconds by which a wait is late at least, if it is said to have been


def give_up_at(life: Life) -> float:
    """When whoever waits for the end gives it up, in seconds of time.monotonic(): shortly after
    its own limit. From any thread."""
    return life.after_limit(_PATIENCE)


async def wait(life: Life, latch: Latch[Any]) -> None:
    """Wait for one of the two latches of `life`. From any loop but the thread's own.

    Past the deadline of an ordered stop the thread is given up, which sets both.
    """
    grace = 0.0
    while not latch.is_set():
        seen = latch.pokes
        now, limit = monotonic(), give_up_at(life) + grace
        if now >= limit:
            if await abandon(life, life.after_limit(_LAST_WORD)):
                return
            limit = inf  # another judge is at it, and tells in a moment; or it has just ended
        await latch.wait_once(None if limit == inf else limit - now, seen)
        grace = grace or overslept(limit)


def overslept(due: float) -> float:
    """How long after `due` a wait that was to end then shall end instead: 0 where it ended in time,
    else as much later than now as now is later than that."""
    late = monotonic() - due
    return 2 * late if late >= _STOOD_STILL else 0.0


async def abandon(life: Life, limit: float) -> bool:
    """Give the thread up: it hangs in a call that cannot be interrupted. From any other loop.

    Its children are stopped until `limit`, since it no longer can.

    :returns: False, and nothing is done, where it had ended or another judge has begun to.
    """
    where = life.where()
    if not life.give_up():
        return False
    thread = life.thread
    engine = thread._taskthread
    engine.log("critical", "abandoned: it hangs past its deadline\n%s", where)
    life.note_overdue(f"{thread} was abandoned, it hangs in:\n{where}")
    try:
        await _end_children(life, limit)
    finally:  # a judge that is cancelled tells all the same: nobody else will
        _bury(life, ExitReason("abandoned", detail=where))
    return True


async def _end_children(life: Life, limit: float) -> None:
    children = [child._taskthread.life for child in reversed(life.thread.children)]
    for child in children:
        child.order_stop("shutdown", limit)
    for child in children:
        await _await_end(child, life, limit)


def _bury(life: Life, reason: ExitReason) -> None:
    engine = life.thread._taskthread
    life.worsen(reason)
    engine.end_supervision()
    if life.keeps_inbox():
        engine.inbox.fail_questions(taken_only=True)
    else:
        engine.inbox.end_hanging()
        engine.inbox.fail_questions(taken_only=False)
    life.tell(reason)


async def _await_end(child: Life, parent: Life, limit: float) -> None:
    # A child on the loop that hangs can't end, and is not waited for.
    while child.loop is not parent.loop and not child.ended.is_set():
        left = limit - monotonic()
        if left <= 0:
            break
        await child.ended.wait_once(left)
    if not child.ended.is_set():
        await abandon(child, limit)
