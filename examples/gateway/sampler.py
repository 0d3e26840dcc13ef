"""The sampler: real metrics of this machine, sent over TCP like any client's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from task_thread import delete, reCreate, reSchedule

if TYPE_CHECKING:
    from task_thread import TaskThread

from .client import FrameClient
from .frames import encode_frame
from .part import Kept, Part
from .readings import Place, encode_payload

__all__ = ["SAMPLE_SECONDS", "Meter", "Sampler"]

SAMPLE_SECONDS = 0.5
"""How often the machine is looked at."""


class Meter:
    """Reads this machine's CPU, memory, disks and network.

    Rates (bytes a second, percent of CPU time) are means over the time since the last
    :meth:`read`, or since the construction.
    """

    def __init__(self) -> None:
        psutil.cpu_percent(percpu=True)  # the first call has nothing to compare with
        self._last = time.monotonic()
        self._bytes = self._total_bytes()

    def read(self) -> dict[str, float]:
        """The value of each sensor now."""
        now, totals = time.monotonic(), self._total_bytes()
        elapsed = max(now - self._last, 1e-3)
        values = {f"cpu.{n}": load for n, load in enumerate(psutil.cpu_percent(percpu=True))}
        values = {"cpu": sum(values.values()) / max(len(values), 1)} | values
        values["memory"] = psutil.virtual_memory().percent
        for sensor, total in totals.items():
            values[sensor] = max(total - self._bytes.get(sensor, total), 0) / elapsed
        self._last, self._bytes = now, totals
        return values

    @staticmethod
    def _total_bytes() -> dict[str, int]:
        totals: dict[str, int] = {}
        if disk := psutil.disk_io_counters():  # None on a machine without disks of its own
            totals |= {"disk.read": disk.read_bytes, "disk.write": disk.write_bytes}
        if net := psutil.net_io_counters():
            totals |= {"net.received": net.bytes_recv, "net.sent": net.bytes_sent}
        return totals


class Sampler(Part):
    """Sends all metrics of one instant as one snapshot, so that nobody sees half of it.

    It has no code for a connection that breaks: then it crashes, and a fresh one connects.
    """

    def __init__(
        self,
        address: tuple[str, int],
        kept: Kept | None = None,
        *,
        parent: TaskThread | None = None,
    ) -> None:
        """:param address: host and port of the gateway's server."""
        self.address = address
        super().__init__(kept, parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.sample = None

    async def enter__(self) -> None:
        self.meter = Meter()
        self.client = await FrameClient.open(self.address)
        self.tasks.sample = await reCreate(self.tasks.sample, self.sample)

    async def sample(self) -> None:
        """Task: one snapshot."""
        if await self.client.told_to_finish(SAMPLE_SECONDS):
            await self.client.finish()
            self.client = await FrameClient.open(self.address)
        now, values = time.time(), self.meter.read()
        self.counts["snapshots"] += 1
        name = str(self.counts["snapshots"])
        frames = [
            encode_frame(encode_payload(sensor, now, value, Place(name, n, len(values))))
            for n, (sensor, value) in enumerate(values.items(), start=1)
        ]
        self.counts["sent"] += len(frames)
        await self.client.send(b"".join(frames), len(frames))
        self.tasks.sample = await reSchedule(self.sample)

    async def stopping__(self) -> None:
        self.tasks.sample = await delete(self.tasks.sample)

    async def exit__(self) -> None:
        await self.client.finish()
