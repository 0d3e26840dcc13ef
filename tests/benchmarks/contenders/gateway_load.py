"""The clients of both gateways, in a process of their own.

`python -P -m tests.benchmarks.contenders.gateway_load HOST PORT FRAMES` connects, prints a line,
waits for a line, sends all frames over its connections at once, and ends when all were read.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from examples.gateway.frames import encode_frame
from examples.gateway.readings import encode_payload

CONNECTIONS = 8
FRAMES_AT_ONCE = 100  # in one write


class Load:
    """The clients' process, for the side that runs the server."""

    def __init__(self, address: tuple[str, int], frames: int) -> None:
        """Start it and wait until it is connected and ready to send."""
        module = [sys.executable, "-P", "-m", __name__]
        self._process = subprocess.Popen(
            [*module, address[0], str(address[1]), str(frames)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the clients did not connect")

    def go(self) -> float:
        """Let them send; the moment at which they were told."""
        assert self._process.stdin is not None
        began = perf_counter()
        print(file=self._process.stdin, flush=True)
        return began

    def join(self) -> None:
        """Wait until they have ended.

        :raises RuntimeError: where they failed.
        """
        self._process.communicate()
        if self._process.returncode != 0:
            raise RuntimeError("the clients failed")


def pieces(sensor: str, frames: int) -> list[bytes]:
    """What one client sends: one reading of its sensor in each frame."""
    encoded = [
        encode_frame(encode_payload(sensor, 1.7e9 + number / 8, number % 97 + 0.5))
        for number in range(frames)
    ]
    starts = range(0, frames, FRAMES_AT_ONCE)
    return [b"".join(encoded[start : start + FRAMES_AT_ONCE]) for start in starts]


def send(client: socket.socket, data: list[bytes]) -> None:
    """Send all of it, say so, and wait until the other end has closed."""
    for piece in data:
        client.sendall(piece)
    client.shutdown(socket.SHUT_WR)
    while client.recv(4096):
        pass


def main(host: str, port: int, frames: int) -> None:
    """Be the clients."""
    share = frames // CONNECTIONS
    data = [pieces(f"load.{number}", share) for number in range(CONNECTIONS)]
    clients = [socket.create_connection((host, port)) for _ in range(CONNECTIONS)]
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, clients, data))
    for client in clients:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
