"""A tree in which something goes on, to look at: two levels, traffic in waves, now and then a
crash."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

from task_thread import Backoff, TaskThread, VirtualThread, reCreate, reSchedule
from task_thread.monitor import Dashboard
from task_thread.signals import MessageSignal, Signal

TICK = 0.05


class Part(TaskThread):
    """Takes what it is sent, at a pace of its own."""

    pause = 0.0

    def __init__(self, name: str, parent: TaskThread | None = None) -> None:
        self.name = name
        super().__init__(parent=parent)

    def getId(self) -> str:
        return self.name

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, MessageSignal) and signal.getMessage() == "break":
            raise ConnectionResetError("meter 7 closed the line in the middle of a frame")
        if self.pause:
            await asyncio.sleep(self.pause)
        return None


class Database(Part):
    """Slower than what comes in at the top of a wave: its inbox fills."""

    pause = 0.008

    def initVars__(self) -> None:
        self.tasks.flush = None
        self.tasks.vacuum = None

    async def enter__(self) -> None:
        self.tasks.flush = await reCreate(None, self.flush)
        self.tasks.vacuum = await reCreate(None, self.vacuum)

    async def flush(self) -> None:
        await asyncio.sleep(0.2)
        self.tasks.flush = await reSchedule(self.flush)

    async def vacuum(self) -> None:
        await asyncio.sleep(30)
        self.tasks.vacuum = await reSchedule(self.vacuum)


class Meter(Part):
    """Sends readings to the database, more at some times than at others."""

    def __init__(
        self, name: str, to: Any, mean: float, phase: float, parent: TaskThread | None = None
    ) -> None:
        self.to = to
        self.mean = mean
        self.phase = phase
        self.now = 0.0
        self.random = random.Random(name)
        super().__init__(name, parent=parent)

    def initVars__(self) -> None:
        self.tasks.read = None

    async def enter__(self) -> None:
        self.tasks.read = await reCreate(None, self.read)

    async def read(self) -> None:
        await asyncio.sleep(TICK)
        self.now += TICK
        wave = 1 + 0.6 * math.sin(self.now / 9 + self.phase) + self.random.gauss(0, 0.25)
        for _ in range(max(0, round(self.mean * wave * TICK + self.random.random() - 0.5))):
            await self.to.insertSignal(MessageSignal(self.name, "reading"))
            await self.sigFromChildToParent__(MessageSignal(self.name, "read"))
        self.tasks.read = await reSchedule(self.read)


class VirtualMeter(Meter, VirtualThread):
    """A meter on its parent's loop."""


class Port(Part):
    """A serial port with its meters, which tell it of each reading."""

    def __init__(self, name: str, to: Any, mean: float, parent: TaskThread | None = None) -> None:
        self.to = to
        self.mean = mean
        self.frames = 0
        super().__init__(name, parent=parent)

    def initVars__(self) -> None:
        self.tasks.keep_alive = None
        self.tasks.statistics = None

    async def enter__(self) -> None:
        self.tasks.keep_alive = await reCreate(None, self.keep_alive)
        self.tasks.statistics = await reCreate(None, self.count_frames)
        number = int(self.name.rpartition("S")[2])
        for n in range(2):
            name = f"meter {2 * number + n + 1}"
            await self.spawn(VirtualMeter, name, self.to, self.mean, n + 2.0 * number)

    async def keep_alive(self) -> None:
        await asyncio.sleep(0.25)
        self.tasks.keep_alive = await reSchedule(self.keep_alive)

    async def count_frames(self) -> None:
        await asyncio.sleep(1.0)
        self.tasks.statistics = await reSchedule(self.count_frames)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.frames += 1


class Station(Part):
    """The root: a database, four ports with two meters each, a display and the dashboard.

    :param port: for the dashboard; 0: any free one.
    """

    strategy = "one_for_one"

    def __init__(self, port: int = 0) -> None:
        self.port = port
        super().__init__("Station")

    async def enter__(self) -> None:
        self.database = await self.spawn(Database, "database", stop_timeout=2.0)
        self.ports = [
            await self.spawn(Port, f"ttyS{n}", self.database, mean, backoff=Backoff(0.05))
            for n, mean in enumerate((9.0, 14.0, 6.0, 22.0))
        ]
        self.display = await self.spawn(Part, "display", restart="transient")
        self.dashboard = await self.spawn(Dashboard, port=self.port, title="Metering station")

    @property
    def url(self) -> str:
        """The dashboard's page. From any thread, while the station runs."""
        return self.dashboard.thread.url

    def break_port(self, number: int) -> None:
        """Let one of the ports crash. From any thread."""
        self.ports[number].post(MessageSignal("operator", "break"))
