"""The gateway's work without a tree: one asyncio server that frames, checks and writes batches."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.gateway.database import BATCH_ROWS, BATCH_SECONDS
from examples.gateway.frames import FrameDecoder
from examples.gateway.readings import Row, parse
from examples.gateway.server import READ_BYTES

from .gateway_load import CONNECTIONS, Load
from .gateway_rows import TalliedStore, Tally
from .loops import PATIENCE, LoopThread

Write = Callable[[list[Row]], Awaitable[None]]


class Server:
    """Serves every client on one loop."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._batch: list[Row] = []
        self._timer: asyncio.Task[None] | None = None

    async def open(self) -> tuple[str, int]:
        """Listen on a free port, and tell which. On the loop that serves."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=READ_BYTES)
        address: tuple[str, int] = self._server.sockets[0].getsockname()
        return address

    async def close(self) -> None:
        """Listen no more. On the loop that serves, when all clients have gone."""
        self._server.close()
        if self._timer is not None:
            await self._timer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = FrameDecoder()
        while data := await reader.read(READ_BYTES):
            for payload in decoder.feed(data):
                row, _ = parse(payload)
                self._batch.append(row)
            if len(self._batch) >= BATCH_ROWS:
                await self._commit()
            elif self._timer is None:
                self._timer = asyncio.create_task(self._flush())
        decoder.finish()
        writer.close()

    async def _flush(self) -> None:
        await asyncio.sleep(BATCH_SECONDS)
        self._timer = None
        await self._commit()

    async def _commit(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            await self._write(batch)


def in_loop(frames: int) -> float:
    """Frames per second, SQLite's calls on the server's own loop."""
    with LoopThread() as thread, tempfile.TemporaryDirectory() as folder:
        tally = _tally(frames)

        async def make() -> TalliedStore:
            return TalliedStore(Path(folder) / "rows.db", tally)

        store = thread.submit(make()).result(PATIENCE)

        async def write(rows: list[Row]) -> None:
            store.write(rows)

        async def close() -> None:
            store.close()

        rate = _rate(thread, write, tally, frames)
        thread.submit(close()).result(PATIENCE)
        return rate


def in_thread(frames: int) -> float:
    """Frames per second, SQLite's calls in a thread of their own."""
    with (
        LoopThread() as thread,
        ThreadPoolExecutor(1) as pool,
        tempfile.TemporaryDirectory() as folder,
    ):
        tally = _tally(frames)
        path = Path(folder) / "rows.db"
        store = pool.submit(TalliedStore, path, tally).result(PATIENCE)

        async def write(rows: list[Row]) -> None:
            await asyncio.get_running_loop().run_in_executor(pool, store.write, rows)

        rate = _rate(thread, write, tally, frames)
        pool.submit(store.close).result(PATIENCE)
        return rate


def _tally(frames: int) -> Tally:
    return Tally(frames // CONNECTIONS * CONNECTIONS)


def _rate(thread: LoopThread, write: Write, tally: Tally, frames: int) -> float:
    server = Server(write)
    load = Load(thread.submit(server.open()).result(PATIENCE), frames)
    rate = tally.rate(load.go(), PATIENCE)
    load.join()
    thread.submit(server.close()).result(PATIENCE)
    return rate
