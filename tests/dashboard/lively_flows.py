"""A tree with flows in which something goes on, to look at: files come in, and some wait for a
person."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from task_thread import TaskThread, reCreate, reSchedule
from task_thread.flows import FlowApp, FlowTask, RoutineSet, spawn, wait
from task_thread.monitor import Dashboard

HERE = __name__
FILES = ("beach.mov", "city at night.mp4", "interview.wav", "concert.flac", "harbour.mp4")


class Fetch(FlowTask):
    """Takes its time."""

    async def perform(self, file: str) -> dict[str, Any]:
        await asyncio.sleep(random.uniform(0.2, 1.5))
        return {"file": file, "bytes": random.randrange(10**6, 10**9)}


class Checksum(Fetch):
    """Fails with some."""

    async def perform(self, file: str) -> Any:
        await asyncio.sleep(random.uniform(0.2, 1.5))
        if random.random() < 0.06:
            raise OSError(f"{file}: the end of the file is missing")
        return f"{random.getrandbits(64):016x}"


class Confirm(FlowTask):
    """Waits for a person."""

    def perform(self, file: str) -> Any:
        return wait(f"has anybody seen {file}?")

    def check(self, file: str, *, confirmed: bool = False) -> Any:
        return confirmed


class Transcode(FlowTask):
    """Has it done elsewhere."""

    def perform(self, file: str) -> Any:
        return spawn(routine="transcode", args=(file,), reason="transcoded apart")


def routines() -> RoutineSet:
    """What the studio does."""
    made = RoutineSet()
    ingest = [
        ("fetch", f"{HERE}.Fetch", "fetch the file"),
        ("checksum", f"{HERE}.Checksum", "sum it up"),
        ("confirm", f"{HERE}.Confirm", "ask a person"),
        ("transcode", f"{HERE}.Transcode"),
        ("archive", f"{HERE}.Fetch", "put it away"),
    ]
    made.routine("ingest", ingest)
    parts = [(f"part-{n:02d}", f"{HERE}.Fetch", f"part {n}") for n in range(1, 61)]
    made.routine("transcode", parts)
    return made


class Studio(TaskThread):
    """The root: an app with flows, and the dashboard."""

    def getId(self) -> str:
        return "Studio"

    def initVars__(self) -> None:
        self.tasks.bring = None

    async def enter__(self) -> None:
        self.flows = (await self.spawn(FlowApp, "media", routines=routines(), name="media")).thread
        self.tasks.bring = await reCreate(None, self.bring)
        title = "Studio"
        self.dashboard = await self.spawn(Dashboard, title=title, actions=True)

    async def bring(self) -> None:
        """Task: a file comes in; and somebody looks at one that waits."""
        self.flows.submit("ingest", random.choice(FILES))
        waiting = self.flows.list(state="WAIT")
        if len(waiting) > 5:
            self.flows.resume(waiting[0].id, confirmed=True)
        await asyncio.sleep(random.uniform(0.5, 1.5))
        self.tasks.bring = await reSchedule(self.bring)

    @property
    def url(self) -> str:
        """The dashboard's page. From any thread, while it runs."""
        return self.dashboard.thread.url
