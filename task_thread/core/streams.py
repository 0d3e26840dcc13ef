"""Sockets on their way from the thread that accepts them to the thread that serves them.

An asyncio stream belongs to the loop on which it was made. A raw socket belongs to none: so a
server accepts :class:`Connection` objects, hands them over, and whoever serves one opens its
streams on his own loop::

    listener = Listener.tcp("127.0.0.1", 8000)
    connection = await listener.accept()            # in the server's thread
    reader, writer = await connection.streams()     # in the thread that serves it
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from task_thread.errors import WrongLoop

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Connection", "Listener", "check_streams", "explain_wrong_loop"]

_HELP = (
    "an asyncio stream belongs to the loop it was made on. Hand over the accepted socket "
    "(Listener.accept() gives a Connection; await connection.streams() where it is served), or "
    "let it be served on the same loop by a VirtualThread"
)


class Connection:
    """An accepted socket that belongs to no loop yet. Pass it to whoever shall serve it.

    :ivar peer: who is at the other end, as the socket says it: (host, port), or "" on Unix.
    """

    def __init__(self, sock: socket.socket, peer: Any) -> None:
        sock.setblocking(False)
        self._socket: socket.socket | None = sock
        self.peer = peer

    async def streams(
        self, limit: int = 2**16
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open reader and writer on the running loop. Once.

        :param limit: the reader's buffer limit, in bytes.
        :raises WrongLoop: its streams were opened already (on whichever loop), or it was closed.
        """
        # One thread takes the socket out; single attribute swaps need no lock with one server and
        # one who serves, which is what handing over means.
        sock, self._socket = self._socket, None
        if sock is None:
            raise WrongLoop(f"{self!r}: its streams can be opened once, where it is served")
        return await asyncio.open_connection(sock=sock, limit=limit)

    def close(self) -> None:
        """Close it, if nobody has opened its streams. From any thread."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def __repr__(self) -> str:
        return f"<Connection from {self.peer!r}{'' if self._socket else ', handed over'}>"


class Listener:
    """A listening socket whose connections may be served on any loop.

    Make one with :meth:`tcp` or :meth:`unix`. It may be used from one loop at a time.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        # Who waits in accept(); each list belongs to its loop.
        self._waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}

    @classmethod
    def tcp(cls, host: str = "127.0.0.1", port: int = 0, *, backlog: int = 100) -> Listener:
        """Listen on a TCP port.

        :param host: the address to bind; this machine alone by default.
        :param port: 0 lets the system choose: see :attr:`address`.
        :raises OSError: the address can't be bound.
        """
        return cls(socket.create_server((host, port), backlog=backlog))

    @classmethod
    def unix(cls, path: str | os.PathLike[str], *, backlog: int = 100) -> Listener:
        """Listen on a Unix socket that its owner alone may use (mode 0600).

        A socket that a dead process has left at `path` is replaced.

        :raises OSError: the path can't be bound, or somebody listens there.
        """
        _remove_stale(Path(path))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The mode must hold from the first moment, and umask() is the whole process's: so the
            # socket's own descriptor is given its mode, which bind() takes over.
            os.fchmod(sock.fileno(), stat.S_IRUSR | stat.S_IWUSR)
            sock.bind(os.fspath(path))
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
            sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    @property
    def address(self) -> Any:
        """Where it listens: (host, port), or the path."""
        return self._socket.getsockname()

    async def accept(self) -> Connection:
        """Wait for a connection, on the running loop.

        A cancel loses no connection: what was accepted is returned, and nothing else is accepted.

        :raises OSError: the listener was closed, or the system has no descriptor left.
        """
        # Not loop.sock_accept(): cancelled just after it has accepted it drops the connection.
        while True:
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                await self._readable()
            else:
                return Connection(sock, peer)

    async def _readable(self) -> None:
        """Wait until somebody may have connected; several tasks of a loop may."""
        loop = asyncio.get_running_loop()
        descriptor = self._socket.fileno()
        waiting = self._waiting.setdefault(loop, [])
        mine: asyncio.Future[None] = loop.create_future()
        if not waiting:
            loop.add_reader(descriptor, self._wake, loop)
        waiting.append(mine)
        try:
            await mine
        finally:
            if mine in waiting:
                waiting.remove(mine)
            if not waiting and self._waiting.get(loop) is waiting:
                del self._waiting[loop]
                loop.remove_reader(descriptor)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiting in self._waiting.get(loop, ()):
            if not waiting.done():
                waiting.set_result(None)

    def close(self) -> None:
        """Stop listening; a Unix socket's path is removed. Accepted connections live on."""
        if self._socket.fileno() == -1:
            return
        path = self._socket.getsockname() if self._socket.family == socket.AF_UNIX else ""
        self._socket.close()
        if path:
            Path(path).unlink(missing_ok=True)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _remove_stale(path: Path) -> None:
    """Remove a socket on which nobody listens."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()


def check_streams(thread: TaskThread) -> None:
    """:raises WrongLoop: `thread`, about to get a loop of its own, holds a stream of another."""
    for name, value in vars(thread).items():
        if isinstance(value, (asyncio.StreamReader, asyncio.StreamWriter)):
            raise WrongLoop(
                f"{thread} would run on its own loop, but self.{name} is of another: {_HELP}"
            )


def explain_wrong_loop(error: BaseException, thread: TaskThread) -> None:
    """Add what to do to asyncio's own errors about a future of another loop."""
    text = str(error) if type(error) is RuntimeError else ""
    if "attached to a different loop" in text or "bound to a different event loop" in text:
        error.add_note(f"{thread} used something of another loop: {_HELP}")
