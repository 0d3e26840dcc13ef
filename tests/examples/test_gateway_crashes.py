"""The gateway's parts crash, each in its turn and at the worst moment: what that costs."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from websockets.sync.client import connect

from examples.gateway import gateway as gateway_module
from examples.gateway import part as part_module
from examples.gateway import server as server_module
from examples.gateway.database import Database, Unwritten
from examples.gateway.frames import encode_frame
from examples.gateway.gateway import PARTS, Gateway, Options
from examples.gateway.messages import Counts, Crash, Frames, Recovered
from examples.gateway.processor import Processor
from examples.gateway.readings import Place, encode_payload
from examples.gateway.store import RowStore
from task_thread import Backoff, Connection, TaskThread, errors, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from examples.gateway.readings import Row
    from examples.gateway.server import ClientConnection
    from task_thread.signals import Signal

TIMEOUT = 10.0


def payload(value: float, place: Place | None = None) -> bytes:
    return encode_payload("test", 1.5, value, place)


def good(value: float, place: Place | None = None) -> bytes:
    return encode_frame(payload(value, place))


def values_in(database: Path) -> list[float]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT value FROM readings ORDER BY id").fetchall()
    return [value for (value,) in rows]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(database=tmp_path / "readings.db", sample=False)


class Watched(Gateway):
    """Tells when a part is back that was crashed on purpose."""

    def initVars__(self) -> None:
        super().initVars__()
        self.back = threading.Event()

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        await super().childsignalHandler__(signal, child)
        if isinstance(signal, Recovered):
            self.back.set()

    def crash(self, part: str) -> None:
        """Crash it, and wait until it is back."""
        self.back.clear()
        self.parts[part].post(Crash())
        assert self.back.wait(TIMEOUT)


@contextmanager
def client(gateway: Gateway) -> Iterator[socket.socket]:
    with socket.create_connection(gateway.address, TIMEOUT) as connection:
        yield connection


def finish(connection: socket.socket) -> None:
    """Say that no more comes, and wait until the gateway has read all of it."""
    connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionError):
        assert connection.recv(1) == b""


def send_all(gateway: Gateway, data: bytes) -> None:
    with client(gateway) as connection:
        connection.sendall(data)
        finish(connection)


@contextmanager
def viewing(gateway: Gateway) -> Iterator[Callable[[int], None]]:
    """Wait until so many rows have come through."""
    with connect("ws://{}:{}/live".format(*gateway.page)) as viewer:

        def wait(rows: int) -> None:
            while json.loads(viewer.recv(TIMEOUT))["rows"] < rows:
                pass

        yield wait


@pytest.mark.parametrize("part", PARTS)
def test_each_part_may_crash_under_load_and_nothing_is_lost(options: Options, part: str) -> None:
    gateway = Gateway(
        replace(
            options,
            seconds=1.2,
            sample=True,
            dashboard_port=0,
            clients=3,
            rate=2000.0,
            crash=part,
            crash_after=0.7,
        )
    )
    assert run(gateway) == 0
    summary = gateway.summary()
    assert summary.good, "\n".join(summary.lines())
    assert summary.restarts == {part: 1}
    (crash,) = summary.crashes
    assert (crash.part, crash.generation) == (part, 2)
    assert 0.7 <= crash.at < crash.at + crash.seconds < TIMEOUT
    assert summary.totals.frames_in >= summary.totals.sent > 1000
    for handle in gateway.parts.values():
        inbox = handle.statistics().inbox
        assert (inbox.accepted, inbox.dead, inbox.depth) == (inbox.handled, 0, 0)


class Source:
    """In the place of a connection."""

    def getId(self) -> str:
        return "source"


def frames(*values: float) -> Frames:
    origin = cast("ClientConnection", SOURCE)
    return Frames(origin, [payload(value) for value in values])


SOURCE = Source()


class HeldProcessor(Processor):
    """Handles nothing before it may: until then signals gather."""

    go: threading.Event

    async def signalHandler__(self, signal: Signal) -> bool | None:
        assert self.go.wait(TIMEOUT)
        return await super().signalHandler__(signal)


class HeldGateway(Watched):
    processor_class = HeldProcessor


def test_a_crash_between_two_steps_keeps_what_was_half_done(options: Options) -> None:
    """Crash, with one batch checked and not yet passed on, and two more that wait."""
    HeldProcessor.go = threading.Event()
    with HeldGateway(options) as gateway:
        processor = gateway.parts["processor"]
        for signal in (Crash(), frames(1, 2), frames(3), frames(4)):
            processor.post(signal)
        first = processor.thread
        HeldProcessor.go.set()
        assert gateway.back.wait(TIMEOUT)
        assert processor.thread is not first
    assert values_in(options.database) == [1, 2, 3, 4]
    (crash,) = gateway.summary().crashes
    assert (crash.when, crash.signals, crash.rows) == (Processor.weak_point, 2, 2)
    assert gateway.parts["processor"].statistics().inbox.handled >= 4


class Stumbling(Processor):
    """Fails to pass on what it has to, so many times."""

    stumbles: int

    async def _pass_on(self) -> None:
        if self.desk.outgoing and Stumbling.stumbles:
            Stumbling.stumbles -= 1
            raise RuntimeError("stumbled")
        await super()._pass_on()


class StumblingGateway(Watched):
    processor_class = Stumbling


def test_what_even_the_exit_could_not_pass_on_the_next_instance_does(options: Options) -> None:
    Stumbling.stumbles = 3  # in the handler, in exit__, and in the next one's enter__
    with StumblingGateway(options) as gateway, viewing(gateway) as wait:
        send_all(gateway, good(1))
        send_all(gateway, good(2))
        wait(2)
    summary = gateway.summary()
    assert Stumbling.stumbles == 0
    assert values_in(options.database) == [1, 2]
    assert summary.good, "\n".join(summary.lines())
    assert summary.restarts == {"processor": 2}


def test_a_half_sent_snapshot_outlives_the_processor(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "CRASH_SECONDS", 0.0)
    with Watched(options) as gateway, client(gateway) as connection:
        with viewing(gateway) as wait:
            connection.sendall(good(1, Place("s", 1, 2)) + good(9))
            wait(1)  # so the first part was seen, too
        gateway.crash("processor")
        connection.sendall(good(2, Place("s", 2, 2)))
        finish(connection)
    assert values_in(options.database) == [9, 1, 2]
    assert gateway.summary().good


class Flaky(RowStore):
    """Can't write, so many times."""

    failures: int

    def write(self, rows: Sequence[Row]) -> None:
        if Flaky.failures:
            Flaky.failures -= 1
            raise sqlite3.OperationalError("disk I/O error")
        super().write(rows)


class FlakyDatabase(Database):
    async def enter__(self) -> None:
        await super().enter__()
        self.store.close()
        self.store = Flaky(self.file)


class FlakyGateway(Gateway):
    database_class = FlakyDatabase


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "DISK_PAUSES", Backoff(initial=0.001, jitter=0))


@pytest.mark.usefixtures("_soon")
def test_rows_that_could_not_be_written_are_written_by_the_next_instance(
    options: Options,
) -> None:
    Flaky.failures = 4  # each instance tries twice: when it is time, and in its exit__
    with FlakyGateway(options) as gateway:
        with viewing(gateway) as wait:
            send_all(gateway, good(1) + good(2))
            wait(2)
        unwritten = gateway.kept["database"]
        assert isinstance(unwritten, Unwritten)
        database = gateway.parts["database"]
        while database.generation < 3:  # until the third instance of it has come
            asyncio.run(_next_instance(database))
    summary = gateway.summary()
    assert values_in(options.database) == [1, 2]
    assert summary.good, "\n".join(summary.lines())
    assert (summary.restarts, unwritten.rows) == ({"database": 2}, [])


async def _next_instance(part: Any) -> None:
    with suppress(Exception):
        await part.thread.join()
    await part.ask(Counts(), TIMEOUT)


@pytest.mark.usefixtures("_soon")
def test_without_its_database_it_gives_up_and_says_so(options: Options) -> None:
    Flaky.failures = 10**6
    gateway = FlakyGateway(options)
    with (
        pytest.raises(errors.RestartLimitReached, match="gateway gives up: more than 5 restarts"),
        gateway,
        client(gateway) as connection,
    ):
        connection.sendall(good(1))
        with suppress(ConnectionError):
            assert connection.recv(1) == b""  # the gateway has stopped by itself
    summary = gateway.summary()
    assert not summary.complete
    assert not summary.clean
    assert summary.restarts == {"database": 5}
    assert "disk I/O error" in "\n".join(summary.lines())
    assert values_in(options.database) == []


def test_a_server_that_crashes_refuses_nobody_and_reads_what_was_sent(options: Options) -> None:
    with Watched(options) as gateway, client(gateway) as old:
        with viewing(gateway) as wait:
            old.sendall(good(1))
            wait(1)
        gateway.back.clear()
        gateway.parts["server"].post(Crash())
        assert old.recv(1) == b""  # half-closed: it is told to finish
        with client(gateway) as new:  # though nobody accepts just now
            new.sendall(good(3))
            old.sendall(good(2))  # what was on its way is still read
            old.shutdown(socket.SHUT_WR)
            assert gateway.back.wait(TIMEOUT)
            finish(new)
    assert sorted(values_in(options.database)) == [1, 2, 3]
    summary = gateway.summary()
    assert summary.good
    assert (summary.totals.connections, summary.totals.connections_refused) == (2, 0)


def test_a_client_that_does_not_finish_is_cut_off(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "FINISH_SECONDS", 0.05)
    with Watched(options) as gateway, client(gateway) as stubborn:
        with viewing(gateway) as wait:
            stubborn.sendall(good(1) + good(2)[:5])
            wait(1)
        gateway.crash("server")
        with suppress(ConnectionError):
            while True:  # until its connection is reset
                stubborn.sendall(b"\0")
    assert values_in(options.database) == [1]
    assert gateway.summary().good


def test_a_client_that_was_accepted_at_the_last_moment_is_served_by_the_next(
    options: Options,
) -> None:
    with Watched(options) as gateway:
        lobby = gateway.lobby
        here, there = socket.socketpair()
        # The first instance has looked into the lobby once it answers: its accept task was begun
        # before that. Else it might still find the client there, and tell it to finish.
        asyncio.run(gateway.parts["server"].ask(Counts(), TIMEOUT))
        lobby.waiting.append(Connection(there, ("somebody", 1)))
        gateway.crash("server")
        with here:
            here.settimeout(TIMEOUT)
            here.sendall(good(1))
            finish(here)
    assert values_in(options.database) == [1]
    assert (gateway.summary().good, len(lobby.waiting)) == (True, 0)


def test_the_addresses_stay(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page and dashboard are found where they were, after a crash."""
    monkeypatch.setattr(part_module, "CRASH_SECONDS", 0.0)
    with Watched(replace(options, dashboard_port=0)) as gateway:
        url = gateway.dashboard_url
        for part in ("dashboard", "viewers"):
            gateway.crash(part)
        with connect("ws://{}:{}/live".format(*gateway.page)) as viewer:
            assert json.loads(viewer.recv(TIMEOUT))["rows"] == 0
        assert gateway.parts["dashboard"].thread.url == url  # type: ignore[attr-defined]
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        with closing(http.client.HTTPConnection(host, int(port), TIMEOUT)) as asking:
            for path in ("/healthz", "/readyz", "/api/tree"):
                asking.request("GET", path)
                with asking.getresponse() as answer:
                    assert answer.status == 200
                    body = answer.read()
    tree = json.loads(body)
    assert {child["id"]: child["restarts"] for child in tree["children"]} == {
        "dashboard": 1,
        "database": 0,
        "viewers": 1,
        "processor": 0,
        "server": 0,
    }
    assert gateway.summary().good


def test_a_crash_that_is_not_healed_is_told(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part would crash when work comes, and none does."""
    monkeypatch.setattr(gateway_module, "RECOVERY_SECONDS", 0.05)
    monkeypatch.setattr(part_module, "CRASH_SECONDS", 1000.0)
    gateway = Gateway(replace(options, seconds=0.1, crash="processor", crash_after=0.0))
    assert run(gateway) == 0
    summary = gateway.summary()
    assert summary.complete
    assert (summary.healed, summary.good) == (False, False)
    assert "processor did not come back within 0.05 s" in summary.failures
