"""Letters to a server that is out of order most of the time: retries, and nothing is lost.

Run it with ``python -m examples.sender``: it brings its own server, on this machine only, which
drops two of three connections. The letters are kept in a file until they are sent, so the program
may be killed and started again at any moment.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from task_thread import Handle, TaskThread, run
from task_thread.app import Backoff, RunEnded, RunStatus, TaskApp, TaskSet
from task_thread.signals import Signal

LETTERS = 12
letters = TaskSet()


class FlakyServer:
    """Takes a letter a line, and answers ``ok``; or closes before it does."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._calls = 0

    async def start(self) -> int:
        """:returns: the port that the system chose."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls += 1
        out_of_order = self._calls % 3
        line = (await reader.readline()).decode().strip()
        if not out_of_order:
            self.received.append(line)
            writer.write(b"ok\n")
        writer.close()

    async def close(self) -> None:
        """Take no more."""
        self._server.close()
        await self._server.wait_closed()


@letters.task(retry=8, retry_on_exc=[OSError], max_time=5.0, backoff=Backoff(initial=0.01))
async def send(port: int, to: str, body: str) -> str:
    """One letter. It may arrive twice, if the answer is lost: it says so itself, by its name."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{to}: {body}\n".encode())
        answer = await reader.readline()
    finally:
        writer.close()
    if answer != b"ok\n":
        raise ConnectionError(f"no answer about the letter to {to}")
    return to


class Office(TaskThread):
    """Has the letters sent by an app, which it supervises."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.store = f"sqlite:///{folder / 'letters.db'}"
        self.server = FlakyServer()
        self.attempts = 0
        self.sent = 0

    async def enter__(self) -> None:
        port = await self.server.start()
        self.app: Handle[TaskApp] = await self.spawn(
            TaskApp, "letters", store=self.store, tasks=letters, events=(RunEnded,)
        )
        for number in range(LETTERS):
            send.add_task(port, f"reader {number}", "the news of today")
        await self.app.thread.flush()  # from here on they outlive this program

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        if isinstance(signal, RunEnded):
            self.attempts += signal.run.attempt
            self.sent += signal.run.status is RunStatus.SUCCEEDED
            if self.sent == LETTERS:
                await self.requestTerminate()

    async def exit__(self) -> None:
        await self.server.close()
        print(f"{self.sent} of {LETTERS} letters sent", flush=True)
        print(f"more attempts than letters: {self.attempts > LETTERS}", flush=True)
        print(f"each arrived: {len(set(self.server.received)) == LETTERS}", flush=True)


def main() -> int:
    """Send the letters."""
    logging.basicConfig(level=logging.CRITICAL)  # each failed attempt would be logged
    with tempfile.TemporaryDirectory() as folder:
        return run(Office(Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
