"""Sockets from the thread that accepts to the thread that serves, and the wrong ways named."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from task_thread import Connection, Listener, State, TaskThread, VirtualThread, reCreate, reSchedule
from task_thread.errors import WrongLoop
from task_thread.signals import Signal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Place, Plain, message


class Echo(TaskThread):
    """Serves one connection on its own loop: echoes what it reads, until the end."""

    def __init__(self, connection: Connection, parent: TaskThread | None = None) -> None:
        self.connection = connection
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        reader, self.writer = await self.connection.streams()
        self.tasks.serve = await reCreate(None, self.serve, reader)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.readline():
            self.writer.write(data.upper())
            await self.writer.drain()
        await self.requestTerminate()

    async def exit__(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


class Server(TaskThread):
    """Accepts, and has each connection served by a child."""

    def __init__(self, listener: Listener, child_place: Place) -> None:
        self.listener = listener
        self.child_place = child_place
        super().__init__()

    async def enter__(self) -> None:
        self.tasks.accept = await reCreate(None, self.accept)

    async def accept(self) -> None:
        connection = await self.listener.accept()
        await self.child_place(Echo)(connection, parent=self).run()
        self.tasks.accept = await reSchedule(self.accept)

    async def exit__(self) -> None:
        self.listener.close()


async def talk(address: Any) -> str:
    """What the server at `address` echoes."""
    if isinstance(address, tuple):
        reader, writer = await asyncio.open_connection(*address[:2])
    else:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(b"hello\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer.decode().strip()


async def test_tcp_connection_is_served_on_another_loop(home: Place, place: Place) -> None:
    listener = Listener.tcp()
    assert listener.address[0] == "127.0.0.1"
    async with home(Server)(listener, place):
        assert await asyncio.gather(*(talk(listener.address) for _ in range(5))) == ["HELLO"] * 5


async def test_unix_connection_is_served_on_another_loop(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    listener = Listener.unix(path)
    assert listener.address == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with Server(listener, place):
        assert await talk(str(path)) == "HELLO"
    assert not path.exists()


def test_unix_socket_has_mode_0600_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Listener.unix(tmp_path / "open.sock"):
            assert stat.S_IMODE((tmp_path / "open.sock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    with Listener.unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_unix_socket_in_use_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "used.sock"
    with Listener.unix(path):
        with pytest.raises(OSError, match="in use"):
            Listener.unix(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_file_that_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        Listener.unix(path)
    assert path.read_text() == "precious"


def test_tcp_port_in_use_is_an_error() -> None:
    with Listener.tcp() as listener, pytest.raises(OSError, match="in use"):
        Listener.tcp("127.0.0.1", listener.address[1])


async def test_connection_knows_its_peer() -> None:
    with Listener.tcp() as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        connection = await listener.accept()
        assert connection.peer == writer.get_extra_info("sockname")
        assert str(connection.peer) in repr(connection)
        connection.close()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_streams_are_opened_once() -> None:
    with Listener.tcp() as listener:
        _, client = await asyncio.open_connection(*listener.address)
        connection = await listener.accept()
        _, writer = await connection.streams()
        with pytest.raises(WrongLoop, match="once"):
            await connection.streams()
        connection.close()  # nothing: it was handed over
        for each in (client, writer):
            each.close()
            await each.wait_closed()


async def test_closed_connection_has_no_streams() -> None:
    with Listener.tcp() as listener:
        _, client = await asyncio.open_connection(*listener.address)
        connection = await listener.accept()
        connection.close()
        connection.close()
        with pytest.raises(WrongLoop):
            await connection.streams()
        client.close()
        await client.wait_closed()


async def test_reader_limit_counts() -> None:
    with Listener.tcp() as listener:
        _, client = await asyncio.open_connection(*listener.address)
        connection = await listener.accept()
        reader, writer = await connection.streams(limit=16)
        client.write(b"x" * 100 + b"\n")
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()
        for each in (client, writer):
            each.close()
            await each.wait_closed()


async def test_closed_listener_takes_nobody() -> None:
    listener = Listener.tcp()
    address = listener.address
    listener.close()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


class Holds(TaskThread):
    """Keeps a stream that it was given, as programs for one loop do."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        journal: Journal,
        parent: TaskThread | None = None,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.journal = journal
        super().__init__(parent=parent)

    async def signalHandler__(self, signal: Signal) -> None:
        self.journal(await self.reader.readline())


async def pair_of_streams(
    listener: Listener,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamWriter]:
    _, client = await asyncio.open_connection(*listener.address)
    reader, writer = await (await listener.accept()).streams()
    return reader, writer, client


async def test_os_thread_with_a_stream_of_another_loop_is_refused(journal: Journal) -> None:
    with Listener.tcp() as listener:
        reader, writer, client = await pair_of_streams(listener)
        async with VirtualThread() as root:
            child = Holds(reader, writer, journal, parent=root)
            with pytest.raises(WrongLoop, match=r"self\.reader(.|\n)*Listener") as caught:
                await child.run()
            assert str(child) in str(caught.value)
            assert "VirtualThread" in str(caught.value)
        for each in (client, writer):
            each.close()
            await each.wait_closed()


async def test_virtual_thread_takes_a_stream_of_its_parents_loop(journal: Journal) -> None:
    class Virtual(Holds, VirtualThread):
        pass

    with Listener.tcp() as listener:
        reader, writer, client = await pair_of_streams(listener)
        async with VirtualThread() as root:
            child = Virtual(reader, writer, journal, parent=root)
            await child.run()
            await child.insertSignal(message(1))
            client.write(b"works\n")
            await journal.seen(b"works\n")
        for each in (client, writer):
            each.close()
            await each.wait_closed()


async def test_stream_that_was_passed_some_other_way_is_named_in_the_crash() -> None:
    class Reads(TaskThread):
        def initVars__(self) -> None:
            self.hidden: list[asyncio.StreamReader] = []

        async def signalHandler__(self, signal: Signal) -> None:
            await self.hidden[0].readline()

    with Listener.tcp() as listener:
        reader, writer, client = await pair_of_streams(listener)
        async with Plain() as root:
            child = Reads(parent=root)
            child.hidden.append(reader)
            await child.run()
            await child.insertSignal(message(1))
            reason = await child.join()
            assert child.state is State.CRASHED
        for each in (client, writer):
            each.close()
            await each.wait_closed()
    assert reason.exception is not None
    notes = "\n".join(reason.exception.__notes__)
    assert str(child) in notes
    assert "Listener.accept()" in notes


class Impatient(TaskThread):
    """Accepts, and is cancelled just when somebody has connected."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.kept: list[Connection] = []
        super().__init__()

    async def enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(50):
            accepting = loop.create_task(self.listener.accept())
            await asyncio.sleep(0)
            with socket.create_connection(self.listener.address):
                # About when it is woken.
                loop.call_soon(partial(loop.call_soon, accepting.cancel))
                try:
                    self.kept.append(await accepting)
                except asyncio.CancelledError:
                    self.kept.append(await self.listener.accept())


def test_a_cancel_loses_no_connection() -> None:
    with Listener.tcp() as listener, Impatient(listener) as thread:
        assert len(thread.kept) == 50
        for connection in thread.kept:
            connection.close()


async def test_several_tasks_of_one_loop_may_accept() -> None:
    with Listener.tcp() as listener:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            tasks = [group.create_task(listener.accept()) for _ in range(3)]
            await asyncio.sleep(0)
            clients = [socket.create_connection(listener.address) for _ in range(3)]
        for task, client in zip(tasks, clients, strict=True):
            task.result().close()
            client.close()
