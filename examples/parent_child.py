"""A parent that gives work to two children and collects what they find.

Each of the three is an OS thread with a loop of its own; they share nothing and talk in signals.

Run it with ``python -m examples.parent_child``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from task_thread import ExitReason, TaskThread, run
from task_thread.signals import Signal


@dataclass(frozen=True)
class Text(Signal):
    """Parent to child: count the words of this."""

    text: str


@dataclass(frozen=True)
class Words(Signal):
    """Child to parent: so many words."""

    words: int


class Counter(TaskThread):
    """Counts words. What blocks here holds up this child alone."""

    def __init__(self, name: str, parent: TaskThread) -> None:
        self.name = name
        super().__init__(parent=parent)

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Text):
            await self.sigFromChildToParent__(Words(len(signal.text.split())))

    def getId(self) -> str:
        return self.name


class Library(TaskThread):
    """Deals its texts out to the children in turn, and ends when all answers are there."""

    texts = ("to be or not to be", "call me Ishmael", "all happy families are alike")

    def initVars__(self) -> None:
        self.answers = 0
        self.total = 0

    async def enter__(self) -> None:
        counters = [Counter(f"counter {number}", parent=self) for number in (1, 2)]
        for counter in counters:
            await counter.run()  # returns when the child's enter__ has returned
        for number, text in enumerate(self.texts):
            # Waits if the child's inbox is full, without blocking this loop.
            await self.sigFromParentToChild__(Text(text), counters[number % len(counters)])

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        if not isinstance(signal, Words):
            return
        print(f"{child.getId()} found {signal.words} words", flush=True)
        self.answers += 1
        self.total += signal.words
        if self.answers == len(self.texts):
            await self.stop()  # stops the children as well, the last one first

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        print(f"{child.getId()} has ended: {reason.kind}", flush=True)

    async def exit__(self) -> None:
        print(f"{self.total} words in all", flush=True)


if __name__ == "__main__":
    sys.exit(run(Library()))
