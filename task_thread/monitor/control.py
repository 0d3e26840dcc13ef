"""ControlServer: a thread that lets its user look into a tree through a Unix socket.

The protocol is in protocol.py, the file's whereabouts and safety in places.py, what the requests do
in answers.py. Here is what holds everything within bounds, whoever is at the other end:

- A line has at most 64 KiB. One that is longer, or has no end, gets an error, and the connection
  is closed, since nobody knows where the next line begins. Any other bad line gets an error, and
  the connection goes on.
- At most 64 connections. As many again may wait, for half a second, until one of them goes (many
  that have gone may not have been noticed yet); who finds no room gets an error and is closed.
- A whole line must come within 30 s of the last reply, else the connection is closed: neither an
  idle client nor one that trickles bytes holds a place for ever.
- One request at a time for each connection; the next line is read when the reply is gone. Replies
  go out in slices, so that beside the reply itself little is kept; a client that has not taken all
  of it within 10 s is cut off.

All of it belongs to the server's own loop, in an OS thread of its own: a tree whose loops are
blocked can still be looked into.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Any, Final

from task_thread.core.thread import TaskThread
from task_thread.monitor import protocol
from task_thread.monitor.answers import Answers
from task_thread.monitor.places import SUFFIX, SocketFile, socket_path
from task_thread.monitor.snapshot import root_of

__all__ = ["ControlServer", "Limits"]

_SLICE: Final = 64 * 1024  # bytes of a reply that are handed to the transport at once
_LAST_WORDS: Final = 1.0  # seconds that replies under way have when the server ends

# From 3.13 on asyncio would remove the file as well, and not under the folder's lock.
_KEEP_FILE: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a control server lets its clients do.

    :ivar line: bytes of a line, its newline included.
    :ivar connections: how many at once; as many again may wait for a place.
    :ivar patience: seconds that one waits for a place.
    :ivar idle: seconds within which a whole line must have come, from the last reply on.
    :ivar write: seconds within which a reply must have been taken.
    """

    line: int = protocol.LINE_LIMIT
    connections: int = 64
    patience: float = 0.5
    idle: float = 30.0
    write: float = 10.0


class ControlServer(TaskThread):
    """Answers on a Unix socket that only its user can reach: ``task-thread ps, tree, top, stacks,
    log-level, stop, flows`` ask there.

    Run it as a child, in the ``enter__`` of the root, or give it a root and run it beside that.

    :param root: the tree to look into; its own topmost ancestor by default.
    :param path: the socket; ``NAME.sock`` in the user's folder for them by default.
    :param name: what the daemon is called; by default as the socket's file, or as the root.
    :param limits: for clients.
    :raises TypeError: `root` is no TaskThread.
    :raises ControlError: from ``run()``: the socket can't be had; one clear line says why.
    """

    lag_limit = 10.0  # a snapshot of many thousand threads may take its time

    def __init__(
        self,
        root: TaskThread | None = None,
        path: Path | str | None = None,
        parent: TaskThread | None = None,
        *,
        name: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        if root is not None and not isinstance(root, TaskThread):
            raise TypeError(f"root is a TaskThread, not {root!r}")
        self._root = root
        self._asked_path = None if path is None else Path(path)
        self._asked_name = name
        self._limits = Limits() if limits is None else limits
        self._talking: set[asyncio.Task[None]] = set()  # one for each connection
        self._room = asyncio.Semaphore(self._limits.connections)
        self._waiting = 0  # how many wait for room
        self._reading: set[asyncio.Task[Any] | None] = set()  # those of them that wait for a line
        self._orders: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._file: SocketFile | None = None
        super().__init__(parent=parent)

    @property
    def path(self) -> Path | None:
        """Where it listens; None before its ``enter__``. From any thread."""
        return None if self._file is None else self._file.path

    async def enter__(self) -> None:
        """Listen."""
        root = root_of(self) if self._root is None else self._root
        path = self._asked_path
        if path is None:
            path = socket_path(_as_name(root) if self._asked_name is None else self._asked_name)
        name = path.name.removesuffix(SUFFIX) if self._asked_name is None else self._asked_name
        self._answers = Answers(root, name, self._order)
        self._file = SocketFile(path)
        sock = self._file.listen()
        try:
            self._server = await asyncio.start_unix_server(
                # Its limit is on what stands before the newline.
                self._accept, sock=sock, limit=self._limits.line - 1, **_KEEP_FILE
            )  # fmt: skip
        except BaseException:
            sock.close()
            self._file.remove()
            raise
        self.logger.debug("control socket", path=str(self._file.path))

    async def stopping__(self) -> None:
        """Take no more connections, and give the file back."""
        self._close()

    async def exit__(self) -> None:
        """Close the connections; what is being answered gets a second for it."""
        self._close()
        for task in self._talking & self._reading:
            task.cancel()
        if self._talking:
            _, late = await asyncio.wait(self._talking, timeout=_LAST_WORDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _close(self) -> None:
        """Take no more connections. Again: does nothing."""
        if self._file is not None:
            self._file.remove()  # first: who finds a file shall find somebody who listens
        if self._server is not None:
            self._server.close()

    def _order(self, stop: Coroutine[Any, Any, None]) -> None:
        """Let a stop go on beside everything else."""
        task = asyncio.get_running_loop().create_task(stop)
        self._orders.add(task)
        task.add_done_callback(self._ordered)

    def _ordered(self, task: asyncio.Task[None]) -> None:
        self._orders.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.logger.error("a stop that was ordered failed", exc_info=error)

    # ---- connections ----------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody has connected."""
        # A task of our own: asyncio's would log that it was cancelled when the server ends.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._talking.add(task)
        task.add_done_callback(self._talking.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its begin to its end."""
        whole = placed = False
        try:
            # Drain, everywhere here, means: the client has taken it (or its system has).
            writer.transport.set_write_buffer_limits(high=0)
            placed = await self._find_room()
            if placed:
                await self._converse(reader, writer)
            else:
                most = self._limits.connections
                await self._write(writer, protocol.failure(None, f"busy: {most} are connected"))
            whole = True
        except (OSError, TimeoutError):  # it went away, or takes nothing
            pass
        finally:
            if placed:  # first: who sees the end of one finds room for another
                self._room.release()
            if whole:
                writer.close()
            else:  # close() would wait for ever for a client that takes nothing
                writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _find_room(self) -> bool:
        """Take a place, or wait for one; whether there was one."""
        if self._room.locked() and self._waiting >= self._limits.connections:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.patience):
                return await self._room.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Line by line, until the client or the server has enough."""
        server, task = self._server, asyncio.current_task()
        while server is not None and server.is_serving():
            self._reading.add(task)  # nothing is lost when it is cancelled now
            try:
                line = await self._read(reader)
            except protocol.Refusal as refusal:
                await self._write(writer, protocol.failure(None, str(refusal)))
                return
            finally:
                self._reading.discard(task)
            if line is None:
                return
            await self._write(writer, await self._reply(line))
            # What is in the buffers already needs no waiting: let the others have their turn.
            await asyncio.sleep(0)

    async def _read(self, reader: asyncio.StreamReader) -> bytes | None:
        """The next line; None where the client has closed.

        :raises Refusal: what comes is no line, and nobody knows where the next one begins.
        """
        limits = self._limits
        try:
            async with asyncio.timeout(limits.idle):
                return await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise protocol.Refusal("the line has no end: a newline is missing") from None
            return None
        except asyncio.LimitOverrunError:
            raise protocol.Refusal(f"a line has at most {limits.line} bytes") from None
        except TimeoutError:
            raise protocol.Refusal(f"no whole line within {limits.idle:g} s") from None

    async def _reply(self, line: bytes) -> bytes:
        asked: object = None
        try:
            request = protocol.parse(line)
            asked = request.id
            result = self._answers(request.do, request.arguments)
            if isawaitable(result):
                result = await result
            return protocol.success(asked, result)
        except protocol.Refusal as refusal:
            return protocol.failure(refusal.id, str(refusal))
        except ValueError as error:
            return protocol.failure(asked, str(error))
        except Exception as error:  # a getId() or handle may raise whatever it likes
            self.logger.error("a request failed", exc_info=error)
            return protocol.failure(asked, f"it failed: {type(error).__name__} (see the log)")

    async def _write(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        """Send `reply`, and wait until the client's side has it.

        :raises TimeoutError: it has not, within the limit.
        :raises OSError: the client has gone.
        """
        async with asyncio.timeout(self._limits.write):
            view = memoryview(reply)
            for begin in range(0, len(view), _SLICE):
                writer.write(view[begin : begin + _SLICE])
                await writer.drain()


def _as_name(root: TaskThread) -> str:
    """The root's id, as a name that a daemon may have."""
    name = re.sub(r"[^A-Za-z0-9_@:+-]+", "-", root._taskthread.name()).lstrip("-@:+")
    return name[:64] if name else type(root).__name__
