"""Walking a tree of threads from outside, and what its threads are called there.

The rules:

- A place is where a thread stands. A supervised child's place outlives its instances: it is in
  the tree while it is down, and has the name of its handle.
- A path is the names from the root on, joined with "/". Ids are the user's and may be anything,
  also twice among siblings; then the first one of that path is meant.
- Below one thread the supervised children come first, in the order of their spawn, then the
  others in the order of their start: so a restart changes nobody's position.

From any thread. What is read belongs to the threads, and is read by single operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from task_thread.core.handle import Handle
from task_thread.core.lifecycle import FINAL
from task_thread.core.thread import TaskThread

__all__ = ["Place", "find", "places", "root_of"]


class Place(NamedTuple):
    """Where a thread stands in a tree.

    :ivar path: the names from the root on: ``"Gateway-1/Server-1"``.
    :ivar thread: the thread, or the latest instance of a supervised one.
    :ivar handle: the supervised one's handle; None for the root and children without supervision.
    """

    path: str
    thread: TaskThread
    handle: Handle[TaskThread] | None = None

    @property
    def restarting(self) -> bool:
        """Whether it is down, and a next instance will come."""
        return self.handle is not None and self.handle.restarting

    @property
    def below(self) -> list[Place]:
        """The places of its children."""
        # The living first: an instance that is born between the two readings is found in its
        # handle then, and one that has ended between them is no child any more.
        living = self.thread.children
        found = [
            Place(f"{self.path}/{handle}", handle.thread, handle) for handle in self.thread.handles
        ]
        supervised = {id(place.thread) for place in found}
        found += [
            Place(f"{self.path}/{child._taskthread.name()}", child)
            for child in living
            if id(child) not in supervised and child.state not in FINAL
        ]
        return found


def places(root: TaskThread) -> Iterator[Place]:
    """`root` and all below it, parents before their children."""
    waiting = [Place(root._taskthread.name(), root)]
    while waiting:
        place = waiting.pop()
        yield place
        waiting.extend(reversed(place.below))


def find(root: TaskThread, path_or_id: str) -> Place | None:
    """The first place with that path; where there is none, the first whose thread has that id."""
    same_id: Place | None = None
    for place in places(root):
        if place.path == path_or_id:
            return place
        if same_id is None and place.thread._taskthread.name() == path_or_id:
            same_id = place
    return same_id


def root_of(thread: TaskThread) -> TaskThread:
    """The topmost ancestor of `thread`; itself where it has no parent. From any thread."""
    while thread.parent is not None:
        thread = thread.parent
    return thread
