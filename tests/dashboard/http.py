"""HTTP by hand: exactly these bytes, and what comes back."""

from __future__ import annotations

import http.client
import re
import socket
from dataclasses import dataclass

from tests.support.journal import PATIENCE

Address = tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """An answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes


def connect(address: Address) -> socket.socket:
    """A connection whose reads don't wait for ever."""
    return socket.create_connection(address, timeout=PATIENCE)


def send(sock: socket.socket, data: bytes) -> None:
    """Send as much of `data` as is taken before the other side closes."""
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def read_all(sock: socket.socket) -> bytes:
    """All that comes until the close. A reset is a close too.

    :raises TimeoutError: the other side neither says anything nor closes.
    """
    found = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return found
        if not piece:
            return found
        found += piece


def exchange(address: Address, data: bytes, *, end: bool = False) -> bytes:
    """What is answered to `data` until the close; with `end` after an end of ours."""
    with connect(address) as sock:
        send(sock, data)
        if end:
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        return read_all(sock)


def statuses(data: bytes) -> list[int]:
    """The status of each answer in `data`, none of which has a body with a status line in it."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def get(address: Address, path: str = "/healthz", *, method: str = "GET", **headers: str) -> Reply:
    """A good request."""
    client = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        client.close()


def post(address: Address, path: str, body: bytes, **headers: str) -> Reply:
    """A POST of JSON; headers that are "" are left out."""
    client = http.client.HTTPConnection(*address, timeout=PATIENCE)
    given = {"Content-Type": "application/json", **headers}
    try:
        client.request("POST", path, body, {name: value for name, value in given.items() if value})
        answer = client.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        client.close()


def request(path: str = "/healthz", *headers: str, method: str = "GET") -> bytes:
    """The bytes of a request that ends the connection unless `headers` say otherwise."""
    lines = [f"{method} {path} HTTP/1.1", *(headers or ("Host: localhost", "Connection: close"))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Viewer:
    """Follows /events."""

    def __init__(self, address: Address) -> None:
        self.sock = connect(address)
        self.sock.sendall(request("/events", "Host: localhost"))
        self.file = self.sock.makefile("rb")
        self.head = self._until_blank()

    def _until_blank(self) -> list[bytes]:
        lines: list[bytes] = []
        while (line := self.file.readline()) not in (b"\r\n", b""):
            lines.append(line.rstrip())
        return lines

    def chunk(self) -> bytes:
        """The next piece of the stream; b"" at its end."""
        size = int(self.file.readline() or b"0", 16)
        data = self.file.read(size)
        self.file.readline()
        return data

    def close(self) -> None:
        """Go away."""
        self.file.close()
        self.sock.close()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
