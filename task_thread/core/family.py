"""Parents and children: who belongs to whom, and how children are stopped, in order, in time.

The rules:

- A thread has at most one parent and is no ancestor of itself.
- From the moment a thread begins to stop it takes no more children.
- Children are stopped one after the other, the one started last first, under the parent's own
  deadline. One that takes more than half of what is left no longer holds up its siblings.
- A child for which a ``stop_timeout`` was agreed when it was spawned has no more time than that.
- A level always keeps a tenth of what is left of the time for itself, so that a parent can still
  close its files after a child has hung.
- When all have been stopped none has left an OS thread behind, not for a moment: also those that
  had ended before are waited for.

Ownership: ``_members`` may be read from any thread; it is changed by single dictionary operations,
by adoption (under the parent's life lock) and by a child's end (in the child's OS thread). That end
adds to ``_parting`` too, and whoever finds that an OS thread has ended takes it out.
"""

from __future__ import annotations

import itertools
import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.inbox import Notice
from task_thread.core.judge import abandon, overslept
from task_thread.core.lifecycle import ExitReason
from task_thread.errors import FamilyError
from task_thread.signals import CloseSignal

if TYPE_CHECKING:
    from task_thread.core.life import Life
    from task_thread.core.thread import TaskThread

__all__ = ["CHILD_SHARE", "ChildEnded", "Family", "is_within"]

CHILD_SHARE: Final = 0.9  # of the time left to a parent, for its children
_SIBLING_SHARE: Final = 0.5  # of that, for one child while others wait for their turn


def _rank(child: TaskThread) -> int:
    return child._taskthread.rank


class ChildEnded(Notice, CloseSignal):
    """A child's last signal to its parent, behind all that it had sent: it has ended, and why."""

    def __init__(self, child: TaskThread, reason: ExitReason) -> None:
        super().__init__(reason)
        self.child = child


def is_within(thread: TaskThread | None, ancestor: TaskThread) -> bool:
    """Whether `thread` is `ancestor` or one of its descendants."""
    while thread is not None:
        if thread is ancestor:
            return True
        thread = thread.parent
    return False


class Family:
    """One thread's children."""

    __slots__ = ("_grace", "_members", "_parting", "_shuffled", "owner", "ranks")

    def __init__(self, owner: TaskThread) -> None:
        self.owner = owner
        # By identity: a subclass may say what equals what, and may not be hashable.
        self._members: dict[int, TaskThread] = {}
        self._parting: set[threading.Thread] = set()  # of those that have left
        self._grace = 0.0  # seconds added to the waits of the stop: this loop stood still in one
        self.ranks = itertools.count()  # the places among the children, in the order of their start
        self._shuffled = False  # somebody has come back to an earlier place

    def adopt(self, child: TaskThread) -> None:
        """Make `child` the youngest child, or give it the place of the instance before it. From any
        thread.

        :raises FamilyError: it has another parent, or would be its own ancestor.
        :raises NotRunning: this thread has not been started.
        :raises ThreadEnded: this thread is stopping, or the child has ended.
        """
        owner = self.owner
        if is_within(owner, child):
            raise FamilyError(f"{child} can't be a child of {owner}, which it is or descends from")
        if child.parent is not None and child.parent is not owner:
            raise FamilyError(f"{child} is a child of {child.parent} already")
        child._taskthread.life.check_not_ended()
        with owner._taskthread.life.accepting():
            child.parent = owner
            engine = child._taskthread
            if engine.handle is not None and engine.handle.generation:
                engine.rank = engine.handle.rank
                self._shuffled = True
            else:
                engine.rank = next(self.ranks)
            self._members.pop(id(child), None)
            self._members[id(child)] = child

    def leave(self, child: TaskThread) -> None:
        """`child` has ended. From any thread."""
        for parting in list(self._parting):
            if not parting.is_alive():
                self.part(parting)
        own = child._taskthread.life.parting
        if own is not None:
            self._parting.add(own)  # first: so it is always there or among the members
        self._members.pop(id(child), None)

    def part(self, own: threading.Thread) -> None:
        """The OS thread of one that has left has ended too. From any thread."""
        self._parting.discard(own)

    def members(self) -> list[TaskThread]:
        """The children, in the order of their start. From any thread."""
        members = list(self._members.values())
        if self._shuffled:
            members.sort(key=_rank)
        return members

    def __contains__(self, child: TaskThread) -> bool:
        return id(child) in self._members

    def find(self, _id: Any, _class: type | None) -> TaskThread | None:
        """The first child with that id and of that class, where given."""
        if _id is None and _class is None:
            return None
        for child in self.members():
            if (_id is None or child.getId() == _id) and (
                _class is None or isinstance(child, _class)
            ):
                return child
        return None

    async def stop_all(self) -> None:
        """Stop all children within the owner's deadline. On the owner's loop."""
        life = self.owner._taskthread.life
        begun = monotonic()
        children = [child._taskthread.life for child in reversed(self.members())]
        for child in children:
            child.order_stop("shutdown", min(life.share(CHILD_SHARE), child.agreed_limit()))
            last = child is children[-1]
            await self._await_end(child, begun, 1.0 if last else _SIBLING_SHARE)
        for child in children:
            await self._await_end(child, begun, 1.0)
            if not child.ended.is_set():
                await abandon(child, life.share(CHILD_SHARE))
            child.reap()
        for parting in list(self._parting):
            parting.join()
            self.part(parting)

    def hurry(self) -> None:
        """The owner's deadline has come nearer: so has that of the children that stop already."""
        limit = self.owner._taskthread.life.share(CHILD_SHARE)
        for child in self.members():
            if child._taskthread.life.limit < inf:
                child._taskthread.life.order_stop("shutdown", limit)
                child._taskthread.life.ended.poke()

    async def _await_end(self, child: Life, begun: float, share: float) -> None:
        """Wait until `child` has ended: at most so long that, of the time that the owner had when
        it had `begun` to stop them all, half of its own tenth is left; or a `share` of what is
        left of that, while others wait for their turn."""
        life = self.owner._taskthread.life
        asked = monotonic()
        while not child.ended.is_set():
            seen = child.ended.pokes
            give_up = begun + (life.limit - begun) * (1 + CHILD_SHARE) / 2
            give_up = asked + (give_up - asked) * share + self._grace
            left = give_up - monotonic()
            if left <= 0:
                return
            await child.ended.wait_once(left, seen)
            self._grace = self._grace or overslept(give_up)
