"""The TCP side: a server that accepts clients, and a connection for each of them."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from contextlib import suppress
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
from .part import Kept, Part

if TYPE_CHECKING:
    from task_thread import Handle, TaskThread
    from task_thread.signals import Signal

    from .processor import Processor

__all__ = ["FINISH_SECONDS", "READ_BYTES", "ClientConnection", "Lobby", "Server"]

READ_BYTES = 128 * 1024
"""The most bytes that are read from a client at once."""
FINISH_SECONDS = 1.0
"""So long a client that was told to finish may take to do so, before it is cut off."""


class Lobby(Kept):
    """Clients that were accepted by an instance which came to its end before it could serve them.

    The next one does. What is left at the gateway's end, the gateway closes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[Connection] = deque()

    def close(self) -> None:
        """Close the connections that nobody will serve."""
        while self.waiting:
            self.waiting.popleft().close()


class Server(Part):
    """Accepts TCP clients and runs a :class:`ClientConnection` for each.

    The listening socket is the gateway's: while this thread is being restarted the system goes on
    taking connections, and the next instance finds them in the socket's queue. The clients of the
    crashed instance are told to finish, and may come back at once.
    """

    stop_timeout = 20.0

    def __init__(
        self,
        processor: Handle[Processor],
        door: socket.socket,
        lobby: Lobby | None = None,
        *,
        max_length: int = MAX_LENGTH,
        parent: TaskThread | None = None,
    ) -> None:
        """
        :param processor: where the frames go.
        :param door: a listening TCP socket, which is not closed here.
        :param lobby: what the instance before may have left.
        :param max_length: the longest payload to take, in bytes.
        """
        self.lobby = Lobby() if lobby is None else lobby
        self.processor = processor
        self.door = door
        self.max_length = max_length
        super().__init__(self.lobby, parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.accept = None

    async def enter__(self) -> None:
        self.listener = Listener(self.door.dup())
        self.tasks.accept = await reCreate(self.tasks.accept, self.accept)
        self.logger.info("listening on %s:%s", *self.listener.address)

    @on_error("restart")  # after a pause: the system may be out of descriptors for a while
    async def accept(self) -> None:
        """Task: take the next client."""
        waiting = self.lobby.waiting
        connection = waiting.popleft() if waiting else await self.listener.accept()
        try:
            await ClientConnection(self, connection).run()
            self.counts["connections"] += 1
        except errors.ThreadEnded:  # this server stops
            waiting.append(connection)
            return
        except (OSError, errors.LifeError) as error:  # it has gone again
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
        # Half-closed: the client sees that no more is wanted, and what it has sent is still read.
        with suppress(OSError):  # it has gone, which the read task will see
            self.writer.write_eof()
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self.read_all.wait()
        except TimeoutError:
            self._close()
            await self.read_all.wait()

    async def exit__(self) -> None:
        self._close()
        over = ConnectionOver(self, self._framing_error())
        with suppress(errors.ThreadEnded):  # the gateway has given the processor up, and ends
            await self.server.processor.insertSignal(over)

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
