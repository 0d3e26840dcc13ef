"""The gateway's tree, with real sockets: what bad frames cost, what viewers see, how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import sqlite3
import threading
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from examples.gateway import viewers
from examples.gateway.database import BATCH_ROWS, Database
from examples.gateway.frames import HEADER, MAX_LENGTH, encode_frame
from examples.gateway.gateway import Gateway, Options
from examples.gateway.processor import Processor
from examples.gateway.readings import MAX_OPEN, Place, Row, encode_payload
from examples.gateway.sampler import Meter
from examples.gateway.store import RowStore
from examples.gateway.viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from examples.gateway.totals import Totals
    from task_thread import InboxView

TIMEOUT = 10.0


def good(value: float, place: Place | None = None) -> bytes:
    return encode_frame(encode_payload("test", 1.5, value, place))


def frame(**fields: object) -> bytes:
    return encode_frame(json.dumps(fields).encode())


def rows_of(database: Path) -> list[Row]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT sensor, time, value FROM readings ORDER BY id").fetchall()


def values_in(database: Path) -> list[float]:
    return [value for _, _, value in rows_of(database)]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(database=tmp_path / "readings.db", sample=False)


@contextmanager
def client(gateway: Gateway) -> Iterator[socket.socket]:
    with socket.create_connection(gateway.address, TIMEOUT) as connection:
        yield connection


def send_all(gateway: Gateway, data: bytes) -> None:
    """Send it, and wait until the gateway has read it."""
    with client(gateway) as connection, suppress(ConnectionError):  # it may be refused meanwhile
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        wait_for_close(connection)


def wait_for_close(connection: socket.socket) -> None:
    try:
        assert connection.recv(1) == b""
    except ConnectionResetError:  # closed before all of it was read
        pass


BAD = {
    "too long": HEADER.pack(MAX_LENGTH + 1),
    "longest length": HEADER.pack(2**32 - 1),
    "not JSON": encode_frame(b"temperature=21"),
    "empty": encode_frame(b""),
    "not UTF-8": encode_frame(b'{"sensor":"\xff","time":1,"value":1}'),
    "nested deeply": encode_frame(b"[" * MAX_LENGTH),
    "not an object": encode_frame(b"[1,2,3]"),
    "no value": frame(sensor="test", time=1),
    "wrong value": frame(sensor="test", time=1, value="warm"),
    "wrong time": frame(sensor="test", time=-5, value=1),
    "wrong sensor": frame(sensor="", time=1, value=1),
    "wrong part": frame(sensor="test", time=1, value=1, snapshot="s", part=3, parts=2),
    "part twice": good(1, Place("s", 1, 3)) + good(1, Place("s", 1, 3)),
    "parts differ": good(1, Place("s", 1, 3)) + good(1, Place("s", 2, 4)),
    "too many snapshots": b"".join(good(1, Place(str(n), 1, 2)) for n in range(MAX_OPEN + 1)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_frame_costs_its_connection_alone(
    options: Options, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Gateway(options) as gateway, client(gateway) as neighbour:
        neighbour.sendall(good(1))
        with client(gateway) as bad:
            bad.sendall(good(2) + BAD[kind])
            wait_for_close(bad)  # though this end has not finished
        neighbour.sendall(good(3))
        neighbour.shutdown(socket.SHUT_WR)
        wait_for_close(neighbour)
        send_all(gateway, good(4))  # and others are still welcome
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert sorted(values_in(options.database)) == [1, 2, 3, 4]
    assert summary.totals.connections_refused == 1
    assert summary.totals.frames_rejected >= 1
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["Processor"]


@pytest.mark.parametrize("kept", [1, 3, 4, 10])
def test_a_frame_cut_off(options: Options, kept: int, caplog: pytest.LogCaptureFixture) -> None:
    with Gateway(options) as gateway:
        send_all(gateway, good(1) + good(2)[:kept])
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert values_in(options.database) == [1]
    assert summary.totals.rejected == {"cut off": 1}
    assert f"the stream ends {kept} bytes into a frame" in caplog.text


def test_a_snapshot_cut_off_is_not_written_by_half(
    options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    with Gateway(options) as gateway:
        send_all(gateway, good(1, Place("s", 1, 3)) + good(2, Place("s", 2, 3)) + good(3))
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert values_in(options.database) == [3]
    assert summary.totals.rejected == {"snapshot": 2}
    assert "before its snapshot was whole" in caplog.text


def test_what_follows_a_bad_frame_is_refused_with_it(options: Options) -> None:
    with Gateway(options) as gateway:
        send_all(gateway, good(1) + BAD["not JSON"] + good(2) + good(3))
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert values_in(options.database) == [1]
    assert summary.totals.rejected == {"not JSON": 1, "after a bad frame": 2}


def test_a_snapshot_is_written_in_order_and_as_one(options: Options) -> None:
    parts = [good(n, Place("s", n, 4)) for n in (3, 1, 4, 2)]
    with Gateway(options) as gateway:
        send_all(gateway, parts[0] + parts[1] + good(9) + parts[2] + parts[3])
    assert gateway.summary().complete
    assert values_in(options.database) == [9, 1, 2, 3, 4]


def test_a_frame_that_comes_byte_by_byte(options: Options) -> None:
    with Gateway(options) as gateway, client(gateway) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in good(1) + good(2):
            connection.sendall(bytes([byte]))
        connection.shutdown(socket.SHUT_WR)
        wait_for_close(connection)
    assert gateway.summary().complete
    assert values_in(options.database) == [1, 2]


def test_a_stop_keeps_what_came_in_and_blames_nobody(options: Options) -> None:
    """A client in the middle of a frame when the gateway stops: its whole frames are written."""
    with (
        Gateway(options) as gateway,
        connect(live(gateway)) as viewer,
        client(gateway) as connection,
    ):
        viewer.recv(TIMEOUT)
        connection.sendall(good(1) + good(2)[:7])
        viewer.recv(TIMEOUT)  # the first frame has come through
        asyncio.run(gateway.stop())
        wait_for_close(connection)
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert values_in(options.database) == [1]
    assert summary.totals.connections_refused == 0


def test_many_clients_at_once(options: Options) -> None:
    clients, frames = 200, 50
    with Gateway(options) as gateway, ExitStack() as stack:
        connections = [stack.enter_context(client(gateway)) for _ in range(clients)]
        for number, connection in enumerate(connections):
            connection.sendall(b"".join(good(number) for _ in range(frames)))
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
        for connection in connections:
            wait_for_close(connection)
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert summary.totals.connections == clients
    assert Counter(values_in(options.database)) == dict.fromkeys(range(clients), frames)


def test_streams_with_noise_in_them(options: Options) -> None:
    """Whatever comes over the line: each frame is written or refused, and no thread ends badly."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with Gateway(options) as gateway:
        for _ in range(150):
            places = [None, Place("s", dice.randint(1, 2), 2)]
            stream = bytearray(b"".join(good(n, dice.choice(places)) for n in range(8)))
            for _ in range(dice.randint(0, 3)):
                stream[dice.randrange(len(stream))] = dice.randrange(256)
            send_all(gateway, bytes(stream[: dice.randint(0, len(stream))]))
        send_all(gateway, good(1.25))
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert 1.25 in values_in(options.database)
    assert 0 < summary.totals.connections_refused < summary.totals.connections == 151


class Slow(RowStore):
    """Writes nothing until the processor's inbox has been full."""

    def __init__(self, path: Path, full: threading.Event) -> None:
        super().__init__(path)
        self.full = full

    def write(self, rows: Sequence[Row]) -> None:
        assert self.full.wait(TIMEOUT)
        super().write(rows)


class FullProcessor(Processor):
    """Tells when somebody has to wait for room in its inbox."""

    full: threading.Event

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        self.full.set()


class SlowDatabase(Database):
    full: threading.Event

    async def enter__(self) -> None:
        await super().enter__()
        self.store.close()
        self.store = Slow(self.path, self.full)


class SlowGateway(Gateway):
    database_class = SlowDatabase
    processor_class = FullProcessor


def test_back_pressure_reaches_the_client_and_nothing_is_lost(options: Options) -> None:
    """While the database hangs, everything up to the client fills up, and waits."""
    frames = 24 * BATCH_ROWS
    data = b"".join(good(n) for n in range(frames))
    SlowDatabase.full = FullProcessor.full = threading.Event()
    with SlowGateway(options) as gateway:
        send_all(gateway, data)
    summary = gateway.summary()
    assert FullProcessor.full.is_set()
    assert (summary.complete, summary.clean) == (True, True)
    assert values_in(options.database) == list(range(frames))
    for part in gateway.parts.values():
        inbox = part.statistics().inbox
        assert inbox.high_water <= part.thread.max_qsize
        assert inbox.handled == inbox.accepted


def live(gateway: Gateway) -> str:
    return "ws://{}:{}/live".format(*gateway.page)


def page(gateway: Gateway, path: str) -> str:
    return "http://{}:{}{}".format(*gateway.page, path)


def test_a_viewer_gets_history_and_then_live_rows(options: Options) -> None:
    with Gateway(options) as gateway:
        with connect(live(gateway)) as first:
            assert json.loads(first.recv(TIMEOUT)) == {"history": {}, "rows": 0}
            send_all(gateway, good(1) + good(2))
            # The newest reading of each sensor, and how many rows there were.
            assert json.loads(first.recv(TIMEOUT)) == {"readings": [["test", 1.5, 2.0]], "rows": 2}
            with connect(live(gateway)) as second:
                assert json.loads(second.recv(TIMEOUT)) == {
                    "history": {"test": [[1.5, 2.0]]},
                    "rows": 2,
                }
                send_all(gateway, good(3))
                for viewer in (first, second):
                    message = json.loads(viewer.recv(TIMEOUT))
                    assert message == {"readings": [["test", 1.5, 3.0]], "rows": 3}
        # A viewer that is there at the end gets the last rows, too.
        with connect(live(gateway)) as last:
            last.recv(TIMEOUT)
            send_all(gateway, good(4))
            asyncio.run(gateway.stop())
            assert json.loads(last.recv(TIMEOUT))["readings"] == [["test", 1.5, 4.0]]
    totals: Totals = gateway.summary().totals
    assert totals.viewers == 3
    assert gateway.summary().clean


def upgrade(connection: socket.socket) -> None:
    """Become a WebSocket viewer by hand, and read no more than the greeting."""
    connection.sendall(
        b"GET /live HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    answer = b""
    while b"history" not in answer:
        answer += connection.recv(1)


def test_a_viewer_that_does_not_read_holds_up_nobody(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_bytes = 20_000
    monkeypatch.setattr(viewers, "STREAM_SECONDS", 0.0)
    monkeypatch.setattr(viewers, "SLOW_BYTES", slow_bytes)
    names = [f"{number:064}" for number in range(100)]
    update = b"".join(encode_frame(encode_payload(name, 1.5, 2.5)) for name in names)
    with Gateway(options) as gateway, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(gateway.page)
        upgrade(slow)
        part = gateway.parts["viewers"].thread
        assert isinstance(part, Viewers)
        (stuck,) = part.viewers
        stuck.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )
        with connect(live(gateway)) as quick, client(gateway) as connection:
            quick.recv(TIMEOUT)
            for _ in range(30):  # 8 kB each
                connection.sendall(update)
                assert len(json.loads(quick.recv(TIMEOUT))["readings"]) == len(names)
            largest = len(json.dumps([[name, 1.5, 2.5] for name in names]))
            waiting = stuck.transport.get_write_buffer_size()
            assert slow_bytes <= waiting < slow_bytes + 2 * largest
    summary = gateway.summary()
    assert (summary.complete, summary.clean) == (True, True)
    assert summary.stop_seconds < 5


def test_the_page_is_served_and_needs_nothing_from_elsewhere(options: Options) -> None:
    with Gateway(options) as gateway:
        with urllib.request.urlopen(page(gateway, "/"), timeout=TIMEOUT) as answer:
            text = answer.read().decode()
            assert answer.headers.get_content_type() == "text/html"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "<title>Telemetry gateway</title>" in text
        assert "http://" not in text
        assert "https://" not in text
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(page(gateway, "/secret"), timeout=TIMEOUT)
        with caught.value as error:
            assert error.code == 404


def test_other_sites_in_the_same_browser_may_not_listen(options: Options) -> None:
    with Gateway(options) as gateway:
        with pytest.raises(InvalidStatus, match="403"):
            connect(live(gateway), origin=Origin("http://elsewhere.example"))
        origin = Origin(page(gateway, ""))
        with connect(live(gateway), origin=origin) as viewer:
            assert "history" in json.loads(viewer.recv(TIMEOUT))


def test_the_meter_reads_this_machine() -> None:
    values = Meter().read()
    assert {"cpu", "cpu.0", "memory"} <= values.keys()
    assert all(0 <= values[name] <= 100 for name in ("cpu", "cpu.0", "memory"))
    assert all(value >= 0 for value in values.values())
