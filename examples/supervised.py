"""A worker that crashes now and then, and is restarted: its supervisor, and the handle to it.

Run it with ``python -m examples.supervised``.
"""

from __future__ import annotations

import logging
import sys

from task_thread import Backoff, ExitReason, TaskThread, errors, reCreate, run
from task_thread.signals import Request, Signal


class Half(Request[float]):
    """Office to worker: what is the half of this?"""

    def __init__(self, text: str) -> None:
        self.text = text


class Worker(TaskThread):
    """Has no code for wrong input: what it can't read crashes it."""

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Half):
            signal.reply(float(signal.text) / 2)


class Office(TaskThread):
    """Gives out work, whatever becomes of the worker."""

    async def enter__(self) -> None:
        pauses = Backoff(initial=0.05, maximum=10.0)  # seconds
        self.worker = await self.spawn(Worker, name="worker", restart="permanent", backoff=pauses)
        self.tasks.work = await reCreate(None, self.work)

    async def work(self) -> None:
        """Task: ask for three halves. The handle stays good, whichever instance is behind it."""
        for text in ("3", "seven", "8"):
            try:
                half = await self.worker.ask(Half(text))
                print(f"instance {self.worker.generation}: {text} / 2 = {half}", flush=True)
            except errors.ThreadEnded:
                print(f"no answer about {text!r}: asked once, handled once", flush=True)
        print(f"restarts: {self.worker.restarts}", flush=True)
        await self.stop()

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        print(f"{child.getId()} ended: {reason.kind}", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # the crash would be logged, and the restart
    sys.exit(run(Office()))
