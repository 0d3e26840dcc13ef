"""A tree at one moment, as frozen data and as JSON.

Nothing waits and no loop runs for it: each thread's ``statistics()`` is read where it is called,
one thread after the other, so that the numbers of two threads may be some microseconds apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from task_thread.core.statistics import Failure, TaskStatistics, ThreadStatistics
from task_thread.core.thread import TaskThread
from task_thread.monitor import apps
from task_thread.monitor.tree import Place, root_of

if TYPE_CHECKING:
    from task_thread.app.statistics import AppStatistics

__all__ = ["Node", "root_of", "snapshot", "to_json"]


@dataclass(frozen=True, slots=True)
class Node:
    """One thread at one moment, with all below it.

    :ivar statistics: what ``statistics()`` said; of a supervised one, of its latest instance.
    :ivar path: where it stands: the names from the root on, joined with "/".
    :ivar restarting: whether it is down, and its supervisor will start a next instance.
    :ivar children: supervised ones in the order of their spawn, then others as they were started.
    :ivar app: what ``app_statistics()`` said, where the thread is a TaskApp; else None.
    """

    statistics: ThreadStatistics
    path: str
    restarting: bool
    children: tuple[Node, ...]
    app: AppStatistics | None = None

    def walk(self) -> Iterator[Node]:
        """Itself and all below, parents before their children."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def snapshot(root: TaskThread) -> Node:
    """The tree below `root`, and `root` itself, as it is now. From any thread; no loop runs for it.

    :raises TypeError: `root` is no TaskThread.
    """
    if not isinstance(root, TaskThread):
        raise TypeError(f"snapshot() takes a TaskThread, not {root!r}")
    read_app = apps.reader()
    # Not recursive: a tree may be deeper than Python's stack.
    order: list[tuple[Place, int]] = []
    waiting = [Place(root._taskthread.name(), root)]
    while waiting:
        place = waiting.pop()
        below = place.below
        order.append((place, len(below)))
        waiting.extend(reversed(below))
    done: list[Node] = []  # the nodes that no parent has taken yet, the first child last
    for place, count in reversed(order):
        children = tuple(done.pop() for _ in range(count))
        app = None if read_app is None else read_app(place.thread)
        done.append(Node(_look(place), place.path, place.restarting, children, app))
    return done[0]


def _look(place: Place) -> ThreadStatistics:
    return place.thread.statistics() if place.handle is None else place.handle.statistics()


def to_json(node: Node) -> dict[str, Any]:
    """The tree as JSON-able data: the form that the socket, the page and the command share.

    Times are seconds, or ISO 8601 in UTC. A state is its word, an exit reason its text. The key
    ``app`` is there where the thread is a TaskApp.
    """
    whole = _flat(node)
    waiting = [(node, whole)]
    while waiting:
        parent, data = waiting.pop()
        for child in parent.children:
            flat = _flat(child)
            data["children"].append(flat)
            waiting.append((child, flat))
    return whole


def _flat(node: Node) -> dict[str, Any]:
    seen = node.statistics
    flat: dict[str, Any] = {
        "id": apps.text_of(seen.id),
        "path": node.path,
        "class": seen.class_name,
        "state": seen.state.value,
        "restarting": node.restarting,
        "virtual": seen.virtual,
        "generation": seen.generation,
        "restarts": seen.restarts,
        "restart_type": seen.restart_type,
        "uptime": seen.uptime,
        "loop_lag": seen.loop_lag,
        "exit_reason": None if seen.exit_reason is None else str(seen.exit_reason),
        "last_error": None if seen.last_error is None else _failure(seen.last_error),
        "inbox": {
            "depth": seen.inbox.depth,
            "capacity": seen.inbox.capacity,
            "high_water": seen.inbox.high_water,
            "accepted": seen.inbox.accepted,
            "handled": seen.inbox.handled,
            "dead": seen.inbox.dead,
        },
        "tasks": [_task(task) for task in seen.tasks],
        "children": [],
    }
    if node.app is not None:
        flat["app"] = apps.app_to_json(node.app)
    return flat


def _failure(failure: Failure) -> dict[str, str]:
    return {
        "summary": failure.summary,
        "where": failure.where,
        "at": failure.at.isoformat(),
        "traceback": failure.traceback,
    }


def _task(task: TaskStatistics) -> dict[str, Any]:
    return {
        "name": task.name,
        "running": task.running,
        "runs": task.runs,
        "rate": task.rate,
        "restarts": task.restarts,
        "last_error": task.last_error,
    }
