"""The viewers: one port that serves a page to browsers, and live readings over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Origin

from task_thread import reCreate

from .messages import Latest
from .part import Kept, Part

if TYPE_CHECKING:
    import socket

    from task_thread import TaskThread
    from task_thread.signals import Signal

    from .readings import Row

__all__ = ["CLOSE_SECONDS", "HISTORY", "MAX_SENSORS", "SLOW_BYTES", "STREAM_SECONDS", "Viewers"]

STREAM_SECONDS = 0.2
"""A new reading waits at most so long for others to be sent with."""
HISTORY = 300
"""How many points of each sensor a new viewer gets, so that its charts don't start empty."""
MAX_SENSORS = 256
"""So many sensors are shown; readings of further ones are counted only."""
SLOW_BYTES = 1024 * 1024
"""A viewer that has let so many bytes pile up misses what comes, until it has caught up."""
CLOSE_SECONDS = 1.0
"""How long a stop waits for a viewer that does not answer."""

PAGE = Path(__file__).with_name("page.html")


class Viewers(Part):
    """Streams to viewers what a screen can show: a few times a second, the newest of each sensor.

    A viewer never holds up the gateway: one that reads too slowly misses updates. The database
    has every row. So this part may forget: after a crash the charts begin anew, in pages that
    have connected again by themselves, to the same port.

    What is sent is JSON. First, once, to each viewer::

        {"history": {sensor: [[time, value], ...], ...}, "rows": 123}

    and then, while readings come in::

        {"readings": [[sensor, time, value], ...], "rows": 456}
    """

    max_qsize = 16
    weak_point = "readings taken over, not yet sent"

    def __init__(
        self, door: socket.socket, kept: Kept | None = None, *, parent: TaskThread | None = None
    ) -> None:
        """:param door: the listening socket for the page and ``/live``; it is not closed here."""
        self.door = door
        super().__init__(kept, parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.tasks.stream = None
        self.viewers: set[ServerConnection] = set()
        self.history: dict[str, deque[tuple[float, float]]] = {}
        self.fresh: dict[str, Row] = {}

    async def enter__(self) -> None:
        self.page = PAGE.read_bytes()
        host, port = self.door.getsockname()
        self.http = await serve(
            self._view,
            sock=self.door.dup(),
            process_request=self._respond,
            # Other pages in the same browser may not listen in. None: not a browser.
            origins=[
                None,
                *(Origin(f"http://{name}:{port}") for name in ("127.0.0.1", "localhost")),
            ],
            compression=None,
            max_size=1024,  # viewers have nothing to say
            close_timeout=CLOSE_SECONDS,
        )
        self.logger.info("page on http://%s:%s/", host, port)

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Latest):
            self.counts["streamed"] += signal.count
            for sensor, row in signal.rows.items():
                if sensor in self.history or len(self.history) < MAX_SENSORS:
                    self.history.setdefault(sensor, deque(maxlen=HISTORY))
                    self.fresh[sensor] = row
            self.weak()
            if self.tasks.stream is None:
                self.tasks.stream = await reCreate(None, self.stream)
        return await super().signalHandler__(signal)

    async def stream(self) -> None:
        """Task: send what has come. Started by a reading, so nothing ticks while none comes."""
        await asyncio.sleep(STREAM_SECONDS)
        self.tasks.stream = None
        self._send()

    async def exit__(self) -> None:
        self._send()
        self.http.close()
        await self.http.wait_closed()

    def _send(self) -> None:
        readings: list[Row] = []
        for sensor, time, value in self.fresh.values():
            self.history[sensor].append((time, value))
            readings.append((sensor, time, value))
        self.fresh = {}
        if readings and (ready := [viewer for viewer in self.viewers if _keeps_up(viewer)]):
            message = {"readings": readings, "rows": self.counts["streamed"]}
            broadcast(ready, json.dumps(message, separators=(",", ":")))
            self.counts["messages"] += len(ready)

    async def _view(self, viewer: ServerConnection) -> None:
        self.counts["viewers"] += 1
        history = {sensor: list(points) for sensor, points in self.history.items()}
        message = {"history": history, "rows": self.counts["streamed"]}
        self.viewers.add(viewer)
        # Not send(), which waits: no update may go out before the history, or get lost after it.
        broadcast([viewer], json.dumps(message, separators=(",", ":")))
        try:
            await viewer.wait_closed()
        finally:
            self.viewers.discard(viewer)

    def _respond(self, _viewer: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/live":
            return None  # goes on as a WebSocket
        if path == "/":
            return _response(HTTPStatus.OK, "text/html; charset=utf-8", self.page)
        return _response(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"no such page\n")


def _keeps_up(viewer: ServerConnection) -> bool:
    return viewer.transport.get_write_buffer_size() < SLOW_BYTES


def _response(status: HTTPStatus, content_type: str, body: bytes) -> Response:
    headers = Headers()
    headers["Content-Type"] = content_type
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    headers["Cache-Control"] = "no-store"
    headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " connect-src 'self'; img-src data:"
    )
    return Response(status.value, status.phrase, headers, body)
