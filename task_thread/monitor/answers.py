"""What a control socket's requests do to a tree, without the socket.

Few of them change anything: "log-level" sets levels of the standard library's loggers, "stop"
orders an end, and those about flows (see flows.py) do what they say. Nothing here waits, but for
the latter: a stop is ordered and goes on by itself.

All of it is called on the control server's own loop, and reads the tree from there.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from task_thread.core.lifecycle import FINAL
from task_thread.core.thread import TaskThread
from task_thread.monitor import loglevels
from task_thread.monitor.flows import FlowRequests
from task_thread.monitor.snapshot import snapshot, to_json
from task_thread.monitor.stacks import stacks
from task_thread.monitor.tree import Place, places

__all__ = ["Answers"]


class Answers:
    """Answers the requests about one tree.

    :param root: the tree.
    :param name: what the daemon is called.
    :param go: runs a coroutine beside everything else, on the running loop.
    """

    def __init__(
        self, root: TaskThread, name: str, go: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._root = root
        self._name = name
        self._go = go
        self._started = datetime.now(UTC) - timedelta(seconds=root.statistics().uptime)
        self._commands: dict[str, Callable[..., Any]] = {
            "hello": self.hello,
            "snapshot": self.snapshot,
            "stacks": self.stacks,
            "log-level": self.log_level,
            "stop": self.stop,
            **FlowRequests(root).commands,
        }

    def __call__(self, do: str, arguments: Mapping[str, Any]) -> Any:
        """The result of doing `do`, one of protocol.COMMANDS, with its `arguments`; or what has to
        be awaited for it.

        :raises ValueError: it is refused; one clear line says why.
        """
        return self._commands[do](**arguments)

    def hello(self) -> dict[str, Any]:
        """Who this is. ``started``: when the root was run, ISO 8601, UTC."""
        return {
            "name": self._name,
            "pid": os.getpid(),
            # Not by an import: what is inside does not know the public face, which is loaded.
            "version": sys.modules["task_thread"].__version__,
            "started": self._started.isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "root": self._root._taskthread.name(),
        }

    def snapshot(self) -> dict[str, Any]:
        """The tree; see monitor.snapshot.to_json."""
        return to_json(snapshot(self._root))

    def stacks(self, thread: str | None = None) -> list[dict[str, str]]:
        """Where each thread is, or that one.

        :raises ValueError: there is no such thread.
        """
        path = None if thread is None else self._find(thread).path
        return [
            {"path": each.path, "where": each.where, "lines": each.lines}
            for each in stacks(self._root)
            if path is None or each.path == path
        ]

    def log_level(self, logger: str | None = None, level: str | None = None) -> dict[str, str]:
        """The levels of the tree's loggers, or of that one; set first where a level is given.

        :raises ValueError: there is no such logger or level.
        """
        classes = {type(place.thread).__name__ for place in places(self._root)}
        if level is None:
            return loglevels.levels(classes, logger)
        return loglevels.set_level(classes, level, logger)

    def stop(self, timeout: float | None = None, thread: str | None = None) -> dict[str, Any]:
        """Order the end of a thread and all below it, or of the whole tree, and say which.

        A supervised child stays down: it is stopped through its handle.

        :param timeout: seconds that the stop may take; the thread's ``stop_timeout`` by default.
        :raises ValueError: there is no such thread, or it has ended.
        """
        place = Place(self._root._taskthread.name(), self._root)
        if thread is not None:
            place = self._find(thread)
        target = place.thread
        if timeout is None:
            timeout = target.stop_timeout
        if target is self._root:
            # Not stop(): asked from a child of the root that would be the root's own wish, and
            # from elsewhere it would wait.
            target._taskthread.life.order_end("shutdown", timeout)
        elif place.handle is not None:
            self._go(place.handle.stop(timeout))
        elif target.state in FINAL:
            raise ValueError(f"{place.path} has ended already")
        else:
            self._go(target.stop(timeout))
        return {"stopping": place.path, "timeout": timeout}

    def _find(self, thread: str) -> Place:
        """The place with that path, or the only one whose thread has that id.

        :raises ValueError: there is none, or several have that id.
        """
        same_id: list[Place] = []
        for place in places(self._root):
            if place.path == thread:
                return place
            name = place.path if place.handle is None else str(place.handle.name)
            if thread in (name, place.thread._taskthread.name()):
                same_id.append(place)
        if len(same_id) > 1:
            paths = ", ".join(place.path for place in same_id[:5])
            raise ValueError(f"{len(same_id)} threads are called {thread!a}, give a path: {paths}")
        if not same_id:
            raise ValueError(f"no thread {thread!a} in this tree")
        return same_id[0]
