"""A tree to be run as a daemon, and to be looked into.

It says "ready" on stdout when all of it is there.
"""

from __future__ import annotations

import sys

from task_thread import TaskThread, VirtualThread
from task_thread.signals import MessageSignal, Request, Signal


class Ready(Request[None]):
    """Asks whether it is there."""


class Leaf(VirtualThread):
    """Handles signals; crashes on one that says so."""

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, MessageSignal) and signal.getMessage() == "crash":
            raise ValueError("bad [red]reading[/] \x1b[31mé")
        if isinstance(signal, Ready):
            signal.reply(None)
        return None


class Branch(TaskThread):
    """Has leaves under supervision."""

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        super().__init__()

    async def enter__(self) -> None:
        for number in range(self.leaves):
            await self.spawn(Leaf, name=f"leaf-{number}")


class Tree(TaskThread):
    """The root. Its first leaf has crashed once when it is ready."""

    def __init__(self, leaves: str = "3") -> None:
        self.leaves = int(leaves)
        super().__init__()

    def getId(self) -> str:
        return "tree"

    async def enter__(self) -> None:
        self.branch = await self.spawn(Branch, self.leaves, name="branch")
        leaf = self.branch.thread.handles[0]
        await leaf.insertSignal(MessageSignal("test", "crash"))
        await leaf.ask(Ready())  # the next instance answers
        sys.stdout.write("ready\n")
        sys.stdout.flush()
