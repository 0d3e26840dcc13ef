"""A spare OS thread with its loop, for the next restart in a tree.

To make the two takes as long as all the rest of a restart. So from the first restart of a child on
its tree keeps one pair ahead: the next instance that comes in place of another gets it, and when
that one is up the next pair is made. There is never more than one in a tree, and it ends with the
child for which it was made, and with the root. A tree in which nothing was ever restarted has none.

Only what would be made in any case is made ahead: a ``loop_factory`` other than TaskThread's own is
called when its thread starts, in its OS thread and with its context variables.

Ownership: ``Engine.spare`` of a tree's root belongs to the lock of the root's life.
"""

from __future__ import annotations

import threading
from contextvars import Context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.carrier import Carrier
from task_thread.core.exchange import Exchange, here
from task_thread.core.lifecycle import FINAL
from task_thread.core.turns import new_event_loop

if TYPE_CHECKING:
    from task_thread.core.engine import Engine
    from task_thread.core.handle import Handle
    from task_thread.core.protocols import Resident
    from task_thread.core.thread import TaskThread

__all__ = ["Spare", "dismiss", "prepare", "take"]


class Spare(Carrier):
    """A carrier whose OS thread and loop are there before its resident.

    Ownership: ``_exchange`` belongs to the OS thread, as ``_resident`` does from the order on.

    :ivar handle: the child for which it was made.
    :raises OSError: the system has no descriptor left for the loop.
    :raises RuntimeError: the system has no thread left to give.
    """

    __slots__ = ("_exchange", "_orders", "handle")

    def __init__(self, name: str, handle: Handle[Any]) -> None:
        super().__init__(new_event_loop)
        self.handle: Final = handle
        self._orders: SimpleQueue[tuple[str, Context] | None] = SimpleQueue()
        # Here, and not in the OS thread: so all that it takes is there, or is known not to be,
        # when this returns.
        self._exchange = Exchange.open(new_event_loop())
        self._thread = threading.Thread(target=self._wait, name=name, daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._close()
            raise

    def start(self, resident: Resident, name: str, context: Context) -> None:
        """As any carrier's, and nothing of the system's is needed any more."""
        self._resident = resident
        self._orders.put((name, context))

    def dismiss(self) -> None:
        """Nobody needs it: end it, and wait for that. From any other thread."""
        self._orders.put(None)
        self.reap()

    def _wait(self) -> None:
        here.exchange = self._exchange
        order = self._orders.get()
        if order is None:
            self._close()
            return
        self._thread.name, context = order
        context.run(self._carry)

    def _close(self) -> None:
        self._exchange.close()
        self._exchange.loop.close()

    def _open(self) -> Exchange:
        return self._exchange


def take(thread: TaskThread) -> Spare | None:
    """The spare of its tree for `thread`, which is about to start; None where there is none for
    it. From any thread."""
    if _handle_of(thread) is None:
        return None
    root = _root_of(thread)
    with root.life.lock:
        spare, root.spare = root.spare, None
    return spare


def prepare(thread: TaskThread) -> None:
    """Have a spare ready in the tree of `thread`, if that came in place of another and there is
    none. From any thread."""
    handle, root = _handle_of(thread), _root_of(thread)
    there = root.spare
    if handle is None or there is not None:
        return
    try:
        spare = Spare(f"{root.name()}/spare", handle)
    except (OSError, RuntimeError):
        return  # whoever can't do without will say so
    with root.life.lock:
        if root.spare is None and root.life.state not in FINAL and not handle.is_over:
            root.spare = spare
            return
    spare.dismiss()


def dismiss(thread: TaskThread, handle: Handle[Any] | None = None) -> None:
    """`thread` has ended: end the spare of its tree if it was the root, or if this `handle` was the
    child for which the spare was made. From any thread."""
    root = thread._taskthread if handle is None else _root_of(thread)
    with root.life.lock:
        spare = root.spare
        if spare is None or (handle is not None and spare.handle is not handle):
            return
        root.spare = None
    spare.dismiss()


def _handle_of(thread: TaskThread) -> Handle[Any] | None:
    """Whose next instance `thread` is, if a spare can be for that."""
    handle = thread._taskthread.handle
    factory: Any = type(thread).loop_factory
    if handle is None or handle.generation < 2 or factory is not new_event_loop:
        return None
    return handle if thread.own_loop else None


def _root_of(thread: TaskThread) -> Engine:
    while thread.parent is not None:
        thread = thread.parent
    return thread._taskthread
