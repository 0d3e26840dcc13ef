"""Children that end as they are told, by many ways."""

from __future__ import annotations

import asyncio
from typing import Final

from task_thread import TaskThread, reCreate
from task_thread.signals import Signal
from tests.proof.chaos.ledger import Kill, Ledger, Question
from tests.proof.trees import Planned

FAILING: Final = ("handler", "task", "later", "exit__", "stopping__")
"""Ways to end after which a transient child is restarted."""
WELL: Final = ("false", "wish", "stop")
"""Ways to end well, of which a permanent child knows nothing."""


class Victim(TaskThread):
    """Books what it is given, replies to questions, and ends as a :class:`Kill` says."""

    max_qsize = 8

    def __init__(self, ledger: Ledger, parent: TaskThread | None = None) -> None:
        self.ledger = ledger
        self.end = ""
        super().__init__(parent=parent)

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.ledger.note(signal)
        if isinstance(signal, Question):
            signal.reply(signal.number)
        elif isinstance(signal, Kill):
            return await self.die(signal.way)
        return None

    async def die(self, way: str) -> bool | None:
        """End, in that way."""
        self.end = way
        if way == "handler":
            raise Planned(way)
        if way in ("task", "later"):
            self.tasks.bomb = await reCreate(None, self.explode, 2 if way == "later" else 0)
        elif way in ("wish", "exit__", "stopping__"):
            await self.requestTerminate()
        elif way == "stop":
            await self.stop()  # from within: it does not wait
        else:
            assert way == "false", way
            return False
        return None

    async def explode(self, turns: int) -> None:
        """Task: raise, after so many turns."""
        for _ in range(turns):
            await asyncio.sleep(0)
        raise Planned("task")

    async def stopping__(self) -> None:
        if self.end == "stopping__":
            raise Planned("stopping__")

    async def exit__(self) -> None:
        if self.end == "exit__":
            raise Planned("exit__")

    async def inputOverflowHandler__(self, queue: object) -> None:
        """A full inbox is what is wanted."""
