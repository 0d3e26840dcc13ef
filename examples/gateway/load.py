"""Something for the gateway to do: good clients, a bad one, and viewers. All of them real."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from task_thread import VirtualThread, delete, reCreate, reSchedule

from .client import FrameClient
from .frames import MAX_LENGTH, encode_frame
from .part import Kept, Part
from .readings import Place, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from task_thread import TaskThread

__all__ = ["BAD_FRAMES", "BadClient", "Load", "Producer", "Watcher", "chunk"]

CHUNK_FRAMES = 1000
"""How many frames a producer sends at once when it is not slowed down."""
BREATH_SECONDS = 0.001
"""How long it rests then, since it shares its loop with others."""
RATE_SECONDS = 0.05
"""How often a producer sends what is due when it has a rate to keep."""
BAD_SECONDS = 0.5
"""How long the bad client waits before each connection."""
BAD_ROUNDS = 2
"""How often it tries each kind of bad frame, before it gives up."""


def chunk(sensor: str, first: int, frames: int) -> bytes:
    """`frames` frames of one sensor, a wave that goes on from sample number `first`."""
    now = time.time()
    pack, wave = struct.pack, math.sin(now / 5 + sum(sensor.encode())) * 10
    pieces: list[bytes] = []
    for number in range(first, first + frames):
        payload = b'{"sensor":"%b","time":%.4f,"value":%.3f}' % (
            sensor.encode(),
            now,
            20 + wave + number % 7 / 10,
        )
        pieces.append(pack(">I", len(payload)) + payload)
    return b"".join(pieces)


class Load(Part):
    """Runs the clients; they are VirtualThreads, so all of them share this thread's loop.

    :ivar live: the WebSocket address that the viewers watch.
    """

    def __init__(
        self,
        address: tuple[str, int],
        live: str,
        kept: Kept | None = None,
        *,
        clients: int,
        viewers: int,
        rate: float,
        parent: TaskThread | None = None,
    ) -> None:
        """
        :param address: host and port of the gateway's server.
        :param live: the WebSocket address of the gateway's readings.
        :param clients: how many producers.
        :param viewers: how many watchers.
        :param rate: frames a second from each producer; 0: as many as the gateway takes.
        """
        self.address = address
        self.live = live
        self.clients = clients
        self.viewers = viewers
        self.rate = rate
        super().__init__(kept, parent=parent)

    async def enter__(self) -> None:
        for number in range(self.viewers):
            await Watcher(number, self).run()
        for number in range(1, self.clients + 1):
            await Producer(number, self).run()
        await BadClient(self).run()


class Producer(VirtualThread):
    """A good client: sends frames until it is stopped, and then makes sure that all arrived."""

    def __init__(self, number: int, load: Load) -> None:
        self.sensor = f"load.{number}"
        self.load = load
        super().__init__(parent=load)

    def initVars__(self) -> None:
        self.tasks.send = None

    async def enter__(self) -> None:
        await self._connect()
        self.tasks.send = await reCreate(self.tasks.send, self.send)

    async def _connect(self) -> None:
        self.client = await FrameClient.open(self.load.address)
        self.connected = asyncio.get_running_loop().time()

    async def send(self) -> None:
        """Task: send the frames that are due."""
        frames, rate = CHUNK_FRAMES, self.load.rate
        pause = min(RATE_SECONDS, CHUNK_FRAMES / rate) if rate else BREATH_SECONDS
        if await self.client.told_to_finish(pause):
            await self.client.finish()
            try:
                await self._connect()  # the gateway's next server takes it
            except OSError as error:
                await _give_up(self, error)
                return
        if rate:
            elapsed = asyncio.get_running_loop().time() - self.connected
            # A producer that was held up does not make up for it all at once.
            frames = min(int(elapsed * rate) - self.client.sent, CHUNK_FRAMES)
        self.load.counts["sent"] += frames
        with suppress(ConnectionError):  # the next run sees that, too
            await self.client.send(chunk(self.sensor, self.client.sent, frames), frames)
        self.tasks.send = await reSchedule(self.send)

    async def stopping__(self) -> None:
        self.tasks.send = await delete(self.tasks.send)

    async def exit__(self) -> None:
        await self.client.finish()

    def getId(self) -> str:
        return self.sensor


async def _give_up(client: VirtualThread, error: Exception) -> None:
    """There is no gateway any more: end, in order."""
    client.logger.warning("the gateway has gone: %s", error)
    await client.requestTerminate()


class Watcher(VirtualThread):
    """A viewer: counts the messages that it gets over its WebSocket."""

    def __init__(self, number: int, load: Load) -> None:
        self.number = number
        self.load = load
        super().__init__(parent=load)

    def initVars__(self) -> None:
        self.tasks.watch = None

    async def enter__(self) -> None:
        await self._connect()
        self.tasks.watch = await reCreate(self.tasks.watch, self.watch)

    async def _connect(self) -> None:
        self.socket = await connect(self.load.live, compression=None, max_size=None)

    async def watch(self) -> None:
        """Task: take the next message."""
        try:
            await self.socket.recv()
            self.load.counts["watched"] += 1
        except ConnectionClosed:
            try:
                await self._connect()  # to the next instance of what serves viewers
            except (OSError, InvalidHandshake) as error:
                await _give_up(self, error)
                return
        self.tasks.watch = await reSchedule(self.watch)

    async def exit__(self) -> None:
        self.tasks.watch = await delete(self.tasks.watch)
        await self.socket.close()

    def getId(self) -> str:
        return f"watcher.{self.number}"


def _good(place: Place | None = None) -> bytes:
    return encode_frame(encode_payload("load.bad", time.time(), 1.0, place))


BAD_FRAMES: dict[str, Callable[[], bytes]] = {
    "too long": lambda: _good() + struct.pack(">I", MAX_LENGTH + 1),
    "not JSON": lambda: _good() + encode_frame(b"temperature=21"),
    "wrong fields": lambda: _good() + encode_frame(b'{"sensor":"x","time":0,"value":"warm"}'),
    "cut off": lambda: _good() + _good()[:-5],
    "snapshot": lambda: _good() + _good(Place("half", 1, 2)),
}
"""For each way to be refused: makes a good frame, and then one that is bad in that way."""


class BadClient(VirtualThread):
    """Breaks the rules on purpose, in each way in turn, on a new connection every time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        super().__init__(parent=load)

    def initVars__(self) -> None:
        self.tasks.offend = None
        self.turn = 0

    async def enter__(self) -> None:
        self.tasks.offend = await reCreate(self.tasks.offend, self.offend)

    async def offend(self) -> None:
        """Task: one connection, refused."""
        await asyncio.sleep(BAD_SECONDS)
        kinds = list(BAD_FRAMES.values())
        data = kinds[self.turn % len(kinds)]()
        self.turn += 1
        self.load.counts["bad_connections"] += 1
        try:
            client = await FrameClient.open(self.load.address)
        except OSError as error:
            await _give_up(self, error)
            return
        try:
            await client.send(data, frames=2)
            await client.finish()  # the gateway closes as soon as it has seen the bad frame
        except ConnectionError:
            pass
        finally:
            client.close()
        if self.turn < BAD_ROUNDS * len(kinds):
            self.tasks.offend = await reSchedule(self.offend)

    def getId(self) -> str:
        return "load.bad"
