"""The other end of the control socket, for synchronous programs: the command line, scripts, tests.

The rules:

- Whoever answers is not trusted: a reply has a largest size, must have come within the timeout as a
  whole, and is checked for its form. What is wrong with it is said in one line, as a ControlError.
- A daemon closes connections that are idle. So before a request is sent the client looks whether
  the connection still stands, and opens another one if not. A request is never sent twice.

A client belongs to one thread at a time.
"""

from __future__ import annotations

import json
import select
import socket
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Final

from task_thread.errors import ControlError, Silent, Unreachable
from task_thread.monitor import protocol
from task_thread.monitor.places import SocketFile, peer_pid

__all__ = ["ControlClient"]

TIMEOUT: Final = 10.0
"""Seconds that an answer may take."""
REPLY_LIMIT: Final = 256 * 1024 * 1024
"""How many bytes a reply may have."""

_CHUNK: Final = 256 * 1024


class ControlClient:
    """Asks one daemon. A context manager; it connects with the first call.

    :param path: the daemon's socket.
    :param timeout: seconds that each answer may take, the connecting included.
    :param reply_limit: bytes that a reply may have.
    """

    def __init__(
        self, path: Path | str, *, timeout: float = TIMEOUT, reply_limit: int = REPLY_LIMIT
    ) -> None:
        self.path = Path(path)
        self.timeout = timeout
        self._reply_limit = reply_limit
        self._socket: socket.socket | None = None
        self._count = 0

    def call(self, do: str, **arguments: Any) -> Any:
        """Do `do` there, and return its result. Arguments that are None are left out.

        :raises Unreachable: nobody listens, or the connection was closed.
        :raises Silent: no answer within the timeout.
        :raises ControlError: it was refused, or what came is no answer.
        """
        self._count += 1
        given = {name: value for name, value in arguments.items() if value is not None}
        request = {"v": protocol.VERSION, "id": self._count, "do": do, **given}
        limit = monotonic() + self.timeout
        try:
            line = self._exchange(protocol.encode(request), limit)
            return _result(line, self._count)
        except TimeoutError:
            self.close()
            raise Silent(f"{self.path}: no answer within {self.timeout:g} s") from None
        except BlockingIOError:  # what a Unix socket says, at once, when its queue is full
            self.close()
            raise Silent(f"{self.path}: no answer, and others wait there already") from None
        except _Refused as refused:  # as it should be: the connection can be used again
            raise ControlError(str(refused)) from None
        except ControlError as error:
            self.close()
            raise type(error)(f"{self.path}: {error}") from None
        except OSError as error:
            self.close()
            raise Unreachable(f"{self.path}: {_why(error)}") from None

    def process(self) -> int | None:
        """The daemon's process, as this one would call it; None where the system does not tell.

        :raises Unreachable: nobody listens.
        """
        try:
            return peer_pid(self._connected(monotonic() + self.timeout))
        except OSError as error:
            self.close()
            raise Unreachable(f"{self.path}: {_why(error)}") from None

    def wait_closed(self, timeout: float) -> bool:
        """Wait until the daemon closes this connection, at most `timeout` seconds.

        :returns: whether it has.
        """
        sock, limit = self._socket, monotonic() + timeout
        while sock is not None:
            ready, _, _ = select.select([sock], [], [], max(0.0, limit - monotonic()))
            if not ready:
                return False
            try:
                if sock.recv(_CHUNK):
                    continue
            except OSError:
                pass
            self.close()
            return True
        return True

    def close(self) -> None:
        """Close the connection. The next call opens another one."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- the socket -----------------------------------------------------------------------

    def _connected(self, limit: float) -> socket.socket:
        """A connection that the daemon has not closed, as far as one can see."""
        if self._socket is not None and _has_ended(self._socket):
            self.close()
        if self._socket is None:
            path = SocketFile(self.path).path  # refuses one that is too long
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(_left(limit))
                sock.connect(str(path))
            except BaseException:
                sock.close()
                raise
            self._socket = sock
        return self._socket

    def _exchange(self, request: bytes, limit: float) -> bytes:
        """Send one line, and return the line that comes back."""
        sock = self._connected(limit)
        sock.settimeout(_left(limit))
        # One that is busy says so and closes at once: then the sending fails, and the reason is
        # there to be read.
        failed: OSError | None = None
        try:
            sock.sendall(request)
        except (BrokenPipeError, ConnectionResetError) as error:
            failed = error
        parts: list[bytes] = []
        size = 0
        while True:
            sock.settimeout(_left(limit))
            try:
                part = sock.recv(_CHUNK)
            except ConnectionResetError as error:
                raise failed or error from None
            if not part:
                raise failed or Unreachable("the daemon closed the connection")
            head, newline, rest = part.partition(b"\n")
            parts.append(head)
            size += len(head)
            if size > self._reply_limit:
                raise ControlError(f"its answer is longer than {self._reply_limit} bytes")
            if rest:
                raise ControlError("it answers more than it was asked")
            if newline:
                return b"".join(parts)


class _Refused(Exception):  # noqa: N818
    """The daemon has answered, in order, that it won't."""


def _result(line: bytes, asked: int) -> Any:
    """What a reply line says.

    :raises _Refused: that the request is refused.
    :raises ControlError: nothing that this client understands.
    """
    try:
        reply = protocol.as_object(json.loads(line))
    except (ValueError, RecursionError):
        raise ControlError("its answer is no JSON: is it a control socket?") from None
    if reply is None or "v" not in reply:
        raise ControlError("its answer is of another form: is it a control socket?")
    if reply["v"] != protocol.VERSION:
        told = ascii(reply["v"])[:20]
        raise ControlError(f"it speaks version {told}, and this client version {protocol.VERSION}")
    if reply.get("ok") is False and isinstance(reply.get("error"), str):
        if reply.get("id") not in (asked, None):
            raise ControlError("its answer is to another request")
        raise _Refused(reply["error"])
    if reply.get("ok") is not True or "result" not in reply:
        raise ControlError("its answer is of another form: is it a control socket?")
    if reply.get("id") != asked:
        raise ControlError("its answer is to another request")
    return reply["result"]


def _left(limit: float) -> float:
    left = limit - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _has_ended(sock: socket.socket) -> bool:
    """Whether a connection on which nothing is awaited has something to say: its end."""
    ready, _, _ = select.select([sock], [], [], 0)
    return bool(ready)


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such socket"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there any more"
    if isinstance(error, (BrokenPipeError, ConnectionResetError)):
        return "the daemon closed the connection"
    return error.strerror if error.strerror is not None else str(error)
