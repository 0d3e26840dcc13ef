"""A TCP server that accepts in one thread and serves each client in another.

An asyncio stream belongs to one loop. So the server hands over the accepted connection, which
belongs to none yet, and the worker opens its streams on the loop that will use them.

Run it with ``python -m examples.tcp_handover``: it is its own client, and ends when served.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from itertools import cycle

from task_thread import Connection, Listener, TaskThread, delete, reCreate, reSchedule, run
from task_thread.signals import Signal

CLIENTS = 4


@dataclass(frozen=True, eq=False)
class Serve(Signal):
    """Server to worker: this client is yours."""

    connection: Connection


class Worker(TaskThread):
    """Answers lines with themselves in capitals."""

    def __init__(self, name: str, parent: TaskThread) -> None:
        self.name = name
        super().__init__(parent=parent)

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Serve):
            # One task for each client. The thread owns every task that was started like this,
            # whether or not somebody keeps the reference.
            await reCreate(None, self.serve, signal.connection)

    async def serve(self, connection: Connection) -> None:
        """Task: one client until it closes."""
        reader, writer = await connection.streams()
        try:
            async for line in reader:
                writer.write(f"{self.name}: {line.decode().upper()}".encode())
                await writer.drain()
        finally:
            writer.close()

    def getId(self) -> str:
        return self.name


class Server(TaskThread):
    """Accepts clients and deals them out to two workers in turn."""

    def initVars__(self) -> None:
        self.tasks.accept = None
        self.tasks.clients = None

    async def enter__(self) -> None:
        workers = [Worker(f"worker {number}", parent=self) for number in (1, 2)]
        for worker in workers:
            await worker.run()
        self.next_worker = cycle(workers)
        self.listener = Listener.tcp("127.0.0.1", 0)
        self.tasks.accept = await reCreate(self.tasks.accept, self.accept)
        self.tasks.clients = await reCreate(self.tasks.clients, self.try_out)

    async def accept(self) -> None:
        """Task: hand the next client to the next worker."""
        connection = await self.listener.accept()
        await self.sigFromParentToChild__(Serve(connection), next(self.next_worker))
        self.tasks.accept = await reSchedule(self.accept)

    async def try_out(self) -> None:
        """Task: be some clients, and then stop."""
        for number in range(1, CLIENTS + 1):
            reader, writer = await asyncio.open_connection(*self.listener.address)
            writer.write(f"client {number}\n".encode())
            print((await reader.readline()).decode(), end="", flush=True)
            writer.close()
        await self.stop()

    async def stopping__(self) -> None:
        self.tasks.accept = await delete(self.tasks.accept)
        self.listener.close()


if __name__ == "__main__":
    sys.exit(run(Server()))
