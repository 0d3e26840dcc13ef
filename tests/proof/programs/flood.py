"""A tree with floods going both ways, that ends on an OS signal: ``flood.py MODE SUMS``.

Writes ``entering`` and ``ready`` to stdout, and the sums, when it ends, as JSON to the file SUMS.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from task_thread import TaskThread, VirtualThread, reCreate, reSchedule, run
from task_thread.errors import InboxFull, ThreadEnded
from task_thread.signals import Signal

MODE, SUMS = sys.argv[1], Path(sys.argv[2])


class Drop(Signal):
    """One of a flood."""


class Party(TaskThread):
    """Counts what it sends and gets. In ``stopping__`` it sends its last, and says so."""

    max_qsize = 8
    stop_timeout = 10.0

    def initVars__(self) -> None:
        self.sent_up = self.got = 0
        self.stopped_sending = False
        self.sent_last = asyncio.Event()

    async def enter__(self) -> None:
        self.tasks.flood = await reCreate(None, self.flood)

    async def flood(self) -> None:
        try:
            for _ in range(20):
                await self.sigFromChildToParent__(Drop())
                self.sent_up += 1
        except ThreadEnded:  # the parent was stopped in its start, and handles nothing
            self.stopped_sending = True
        await asyncio.sleep(0)
        if self.stopped_sending:
            self.sent_last.set()
        else:
            self.tasks.flood = await reSchedule(self.flood)

    async def stopping__(self) -> None:
        self.stopped_sending = True
        await self.sent_last.wait()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.got += 1
        return None

    async def inputOverflowHandler__(self, queue: object) -> None:
        """That is what a flood is."""

    async def outputOverflowHandler__(self, queue: object) -> None:
        """The same."""


class VirtualParty(Party, VirtualThread):
    """The same on its parent's loop."""


class Root(TaskThread):
    """Floods its children, and is flooded."""

    max_qsize = 8
    stop_timeout = 10.0

    def initVars__(self) -> None:
        self.family: list[Party] = []
        self.sent: list[int] = []
        self.got_up = 0

    async def enter__(self) -> None:
        print("entering", flush=True)
        if MODE == "hang-in-enter":
            await asyncio.get_running_loop().create_future()
        for number in range(40 if MODE == "many" else 4):
            child = (Party, VirtualParty)[number % 2](self)
            await child.run()
            self.family.append(child)
            self.sent.append(0)
            setattr(self.tasks, f"flood{number}", await reCreate(None, self.flood, number))
        self.tasks.post = await reCreate(None, self.post_to_all)
        print("ready", flush=True)

    async def flood(self, number: int) -> None:
        try:
            for _ in range(20):
                await self.family[number].insertSignal(Drop())
                self.sent[number] += 1
        except ThreadEnded:
            return
        await asyncio.sleep(0)
        await reSchedule(self.flood, number)

    async def post_to_all(self) -> None:
        for number, child in enumerate(self.family):
            try:
                child.post(Drop())
            except (InboxFull, ThreadEnded):
                continue
            self.sent[number] += 1
        await asyncio.sleep(0.001)
        await reSchedule(self.post_to_all)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.got_up += 1

    async def stopping__(self) -> None:
        if MODE == "hang-in-stop":
            print("stopping", flush=True)
            await asyncio.get_running_loop().create_future()

    async def exit__(self) -> None:
        SUMS.write_text(json.dumps(self.sums()), encoding="utf-8")

    def sums(self) -> dict[str, Any]:
        mine = self.statistics().inbox
        return {
            "up": {
                "sent": sum(child.sent_up for child in self.family),
                "accepted": mine.accepted,
                "handled": mine.handled,
                "dead": mine.dead,
                "got": self.got_up,
            },
            "down": [
                {
                    "sent": sent,
                    "accepted": child.statistics().inbox.accepted,
                    "handled": child.statistics().inbox.handled,
                    "dead": child.statistics().inbox.dead,
                    "got": child.got,
                    "reason": str(child.exit_reason),
                }
                for sent, child in zip(self.sent, self.family, strict=True)
            ],
        }


if __name__ == "__main__":
    raise SystemExit(run(Root()))
