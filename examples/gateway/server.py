"""The TCP side: a server that accepts clients, and a connection for each of them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from task_thread import (
    Connection,
    Listener,
    VirtualThread,
    delete,
    errors,
    on_error,
    reCreate,
    reSchedule,
)

from .frames import MAX_LENGTH, FrameDecoder, FrameError
from .messages import ConnectionOver, Frames, Refuse
from .part import Part

if TYPE_CHECKING:
    from task_thread import TaskThread
    from task_thread.signals import Signal

    from .processor import Processor

__all__ = ["READ_BYTES", "ClientConnection", "Server"]

READ_BYTES = 128 * 1024
"""The most bytes that are read from a client at once."""


class Server(Part):
    """Accepts TCP clients on 127.0.0.1 and runs a :class:`ClientConnection` for each.

    :ivar address: host and port that it listens on, once it runs.
    """

    stop_timeout = 20.0

    def __init__(
        self,
        processor: Processor,
        *,
        port: int = 0,
        max_length: int = MAX_LENGTH,
        parent: TaskThread | None = None,
    ) -> None:
        """
        :param processor: where the frames go.
        :param port: the TCP port; 0: any free one.
        :param max_length: the longest payload to take, in bytes.
        """
        self.processor = processor
        self.port = port
        self.max_length = max_length
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.accept = None

    async def enter__(self) -> None:
        self.listener = Listener.tcp("127.0.0.1", self.port, backlog=1024)
        self.address: tuple[str, int] = self.listener.address
        self.tasks.accept = await reCreate(self.tasks.accept, self.accept)
        self.logger.info("listening on %s:%s", *self.address)

    @on_error("restart")  # after a pause: the system may be out of descriptors for a while
    async def accept(self) -> None:
        """Task: take the next client."""
        connection = await self.listener.accept()
        self.counts["connections"] += 1
        try:
            await ClientConnection(self, connection).run()
        except (OSError, errors.LifeError) as error:  # it has gone again, or this server stops
            self.logger.warning("lost %s before it was served: %s", connection.peer, error)
            connection.close()
        self.tasks.accept = await reSchedule(self.accept)

    async def stopping__(self) -> None:
        self.tasks.accept = await delete(self.tasks.accept)
        self.listener.close()


class ClientConnection(VirtualThread):
    """Reads one client's frames and passes them on to the processor.

    While the processor's inbox is full nothing is read, so the client's TCP window fills, and
    the client has to wait: nothing is dropped and nothing piles up.
    """

    def __init__(self, server: Server, connection: Connection) -> None:
        self.server = server
        self.connection = connection
        super().__init__(parent=server)

    def initVars__(self) -> None:
        self.tasks.read = None
        self.decoder = FrameDecoder(max_length=self.server.max_length)
        self.closed_here = False

    async def enter__(self) -> None:
        self.read_all = asyncio.Event()
        self.reader, self.writer = await self.connection.streams(limit=READ_BYTES)
        # The system's own buffer may hold megabytes: a client that has to wait learns it sooner,
        # and a stop that reads what was sent already is over sooner.
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_BYTES)
        self.tasks.read = await reCreate(self.tasks.read, self.read)

    async def read(self) -> None:
        """Task: read until the client has finished, its framing breaks, or this end closes."""
        try:
            while self.decoder.error is None and (data := await self._next_bytes()):
                if payloads := self.decoder.feed(data):
                    self.server.counts["received"] += len(payloads)
                    await self.server.processor.insertSignal(Frames(self, payloads))
        finally:
            self.read_all.set()
        await self.requestTerminate()

    async def _next_bytes(self) -> bytes:
        try:
            return await self.reader.read(READ_BYTES)
        except ConnectionError:  # reset by the client; what was cut off shows in the decoder
            return b""

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Refuse):
            self._close()  # the read task sees the end of the stream, and ends this thread
        return None

    async def stopping__(self) -> None:
        self._close()
        await self.read_all.wait()

    async def exit__(self) -> None:
        self._close()  # stopping__ has done it, unless this thread crashed
        await self.server.processor.insertSignal(ConnectionOver(self, self._framing_error()))

    def _framing_error(self) -> FrameError | None:
        if self.decoder.error is None and self.closed_here:
            return None  # a frame that we ourselves cut off is no fault of the client
        try:
            self.decoder.finish()
        except FrameError as error:
            self.server.counts["received"] += 1
            return error
        return None

    def _close(self) -> None:
        # Ends the read task too: the reader hands out what it has and then sees the end.
        if not self.read_all.is_set():
            self.closed_here = True
        self.writer.close()

    def getId(self) -> str:
        return "{}:{}".format(*self.connection.peer)
