"""Trees to look into, servers that let one look, and clients without manners."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from task_thread import TaskThread, VirtualThread
from task_thread.monitor.client import ControlClient
from task_thread.monitor.control import ControlServer, Limits
from task_thread.monitor.snapshot import snapshot, to_json
from task_thread.signals import MessageSignal, Signal
from tests.support.journal import PATIENCE, Journal


class Leaf(VirtualThread):
    """Takes signals, and does nothing with them."""

    async def signalHandler__(self, signal: Signal) -> bool | None:
        return None


class Branch(TaskThread):
    """Has leaves, supervised."""

    def __init__(self, leaves: int = 2, parent: TaskThread | None = None) -> None:
        self._leaves = leaves
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        for number in range(self._leaves):
            await self.spawn(Leaf, name=f"leaf {number}")


class Tree(TaskThread):
    """A root with a branch that is supervised, and a leaf that is not."""

    def __init__(self, leaves: int = 2) -> None:
        self._leaves = leaves
        self.journal = Journal()
        super().__init__()

    def getId(self) -> str:
        return "tree"

    async def enter__(self) -> None:
        self.branch = await self.spawn(Branch, self._leaves, name="branch")
        self.leaf = Leaf(parent=self)
        await self.leaf.run()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.journal(signal.getMessage() if isinstance(signal, MessageSignal) else signal)
        return None

    async def stopping__(self) -> None:
        self.journal("stopping")


@contextmanager
def served(
    path: Path, *, leaves: int = 2, limits: Limits | None = None
) -> Iterator[tuple[Tree, ControlServer]]:
    """A tree that runs, and a server beside it."""
    root = Tree(leaves)
    with root, ControlServer(root=root, path=path, limits=limits) as server:
        yield root, server


def counts(root: TaskThread) -> list[Any]:
    """What must not change by looking: all of a tree but times and lags."""
    found: list[Any] = []
    waiting = [to_json(snapshot(root))]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.pop("children"))
        for moving in ("uptime", "loop_lag"):
            del node[moving]
        found.append(node)
    return found


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


class Raw:
    """A connection that sends whatever it likes."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Only then the timeout: with one, a queue that is full for the moment is an error.
        self.socket.connect(str(path))
        self.socket.settimeout(PATIENCE)
        self._rest = b""

    def send(self, data: bytes) -> bool:
        """Send all of it; whether the other side has taken it."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def line(self) -> bytes | None:
        """The next line; None at the end.

        :raises TimeoutError: nothing came.
        """
        while b"\n" not in self._rest:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not part:
                return None
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def reply(self) -> dict[str, Any]:
        """The next reply, which there must be."""
        line = self.line()
        assert line is not None, "closed, and no reply"
        assert line.isascii()
        found = json.loads(line)
        assert isinstance(found, dict)
        assert found["v"] == 1
        return found

    def error(self) -> str:
        """The error of the next reply, which must be one: a single line."""
        found = self.reply()
        assert found["ok"] is False
        assert set(found) == {"v", "id", "ok", "error"}
        text = found["error"]
        assert isinstance(text, str)
        assert "\n" not in text
        assert text
        return text

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request of version 1, and return its reply."""
        assert self.send(json.dumps({"v": 1, **request}).encode() + b"\n")
        return self.reply()

    def is_closed(self) -> bool:
        """Whether the other side closes, after whatever it still says.

        :raises TimeoutError: it does not.
        """
        while self.line() is not None:
            pass
        return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def works(path: Path) -> bool:
    """Whether the server answers the next good client."""
    with contextlib.closing(ControlClient(path, timeout=PATIENCE)) as client:
        hello = client.call("hello")
    return bool(hello["root"] == "tree")
