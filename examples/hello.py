"""One thread, one task that re-schedules itself, and an end.

Run it with ``python -m examples.hello``.
"""

from __future__ import annotations

import asyncio
import sys

from task_thread import TaskThread, reCreate, reSchedule, run

PERIOD = 0.2  # seconds


class Hello(TaskThread):
    """Says hello a few times and stops itself."""

    def __init__(self, times: int = 3) -> None:
        self.times = times
        super().__init__()

    def initVars__(self) -> None:
        # Runs in the constructing thread, before there is a loop: only declare things here.
        self.tasks.hello = None
        self.said = 0

    async def enter__(self) -> None:
        # From here on everything runs on this thread's own loop.
        self.tasks.hello = await reCreate(self.tasks.hello, self.hello)

    async def hello(self) -> None:
        """Task: say hello once. It runs again because it asks for that in its last line."""
        await asyncio.sleep(PERIOD)
        self.said += 1
        print(f"hello {self.said}", flush=True)
        if self.said == self.times:
            await self.stop()
            return
        self.tasks.hello = await reSchedule(self.hello)

    async def exit__(self) -> None:
        print("bye", flush=True)


if __name__ == "__main__":
    sys.exit(run(Hello()))
