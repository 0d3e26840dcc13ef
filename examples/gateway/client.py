"""A client of the gateway: what any program that sends readings would do."""

from __future__ import annotations

import asyncio
import socket
from typing import Self

__all__ = ["SEND_BUFFER", "FrameClient"]

SEND_BUFFER = 128 * 1024
"""What may wait in the system to be sent, in bytes. By default that may be megabytes, which the
gateway would have to work off before the client can finish."""


class FrameClient:
    """One TCP connection to the gateway. Lives on the loop that opened it.

    :ivar sent: how many frames were handed to the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sent = 0

    @classmethod
    async def open(cls, address: tuple[str, int]) -> Self:
        """Connect to the gateway's server at `address`.

        :raises OSError: nobody listens there.
        """
        reader, writer = await asyncio.open_connection(*address)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return cls(reader, writer)

    async def send(self, data: bytes, frames: int) -> None:
        """Send `data`, which holds that many frames, and wait while the gateway is busy.

        :raises ConnectionError: the gateway has closed the connection.
        """
        self.writer.write(data)
        self.sent += frames
        await self.writer.drain()

    async def told_to_finish(self, seconds: float) -> bool:
        """Wait so long, or until the gateway says that it wants no more on this connection.

        :returns: whether it does: :meth:`finish`, and open another connection.
        """
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(4096):
                    pass  # it has nothing else to say
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    async def finish(self) -> None:
        """Say that no more will come, and wait until the gateway has read all of it.

        The gateway closes its end only then, so what was sent before is not lost in a buffer.
        """
        try:
            if self.writer.can_write_eof():
                self.writer.write_eof()
            while await self.reader.read(4096):
                pass
        except OSError:  # the gateway has refused us
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection at once."""
        self.writer.close()
