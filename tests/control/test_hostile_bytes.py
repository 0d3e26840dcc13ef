"""Hostile clients: each gets an error or a close, all stays bounded, the tree notices nothing.

No test waits for time to pass: the server's limits are parameters, and a test waits for the close.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import select
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from task_thread.monitor.control import ControlServer, Limits
from tests.control.trees import Raw, Tree, counts, descriptors, served, works
from tests.support.journal import PATIENCE

HELLO = b'{"v":1,"id":1,"do":"hello"}\n'
MIB = 2**20


@contextmanager
def unharmed(
    folder: Path, *, leaves: int = 2, limits: Limits | None = None
) -> Iterator[tuple[Tree, ControlServer, Path]]:
    """A tree and a server; after the block the tree is as it was, the server answers the next good
    client, and after its end no descriptor is left."""
    before = descriptors()
    path = folder / "a.sock"
    with served(path, leaves=leaves, limits=limits) as (root, server):
        figures = counts(root)
        yield root, server, path
        assert works(path)
        assert counts(root) == figures
        assert root.state.value == server.state.value == "running"
        assert server.statistics().last_error is None
    assert descriptors() == before


# ---- random bytes ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tree, Path]]:
    """One server for many hypotheses: each example is a client more."""
    path = tmp_path_factory.mktemp("s") / "a.sock"
    with served(path, limits=Limits(idle=0.5)) as (root, _):
        yield root, path


@pytest.fixture
def open_server(lasting_server: tuple[Tree, Path]) -> Iterator[tuple[Tree, Path]]:
    """The same; after the test the server has closed all that the test had opened."""
    yield lasting_server
    # What was closed before this one connected, it sees before this one's end.
    last = Raw(lasting_server[1])
    assert last.ask(do="hello")["ok"]
    leave([last])


LINES = st.binary(max_size=300).map(lambda data: data.replace(b"\n", b" ")) | st.sampled_from(
    [
        b"",
        b"\x00" * 100,
        b"[" * 60000,
        b'{"a":' * 10000,
        b'"' + b"\\" * 50001,
        b"9" * 60000,
        b"-" * 60000,
        b'{"v":1,"do":"stop","timeout":NaN}',
        b'{"v":1,"do":"stop","thread":"\\u0000"}',
        b'{"v":1,"do":"log-level","logger":"\\ud800","level":"debug"}',
        b'{"v":1,"do":"stacks","thread":"' + b"x" * 60000 + b'"}',
    ]
)


@given(st.lists(LINES, min_size=1, max_size=8))
@example([b"\xff" * 200, b"[" * 60000, b'{"v":1,"v":1}'])
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_each_line_of_random_bytes_gets_one_error(
    open_server: tuple[Tree, Path], lines: list[bytes]
) -> None:
    root, path = open_server
    before = counts(root)
    with Raw(path) as raw:
        assert raw.send(b"".join(line + b"\n" for line in lines))
        for _ in lines:
            assert raw.error()
        assert raw.ask(id=7, do="hello")["ok"]
    assert counts(root) == before


@given(st.binary(min_size=1, max_size=3000), st.integers(0, 3000))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_stream_of_random_bytes_that_breaks_off(
    open_server: tuple[Tree, Path], data: bytes, cut: int
) -> None:
    root, path = open_server
    before = counts(root)
    with Raw(path) as raw:
        raw.send(data[:cut])
    with Raw(path) as raw:
        raw.send(data)
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.is_closed()
    assert works(path)
    assert counts(root) == before


def test_megabytes_of_random_bytes(folder: Path) -> None:
    data = random.Random(7).randbytes(4 * MIB)
    with unharmed(folder) as (_, _, path), Raw(path) as raw:
        reader = threading.Thread(target=raw.is_closed)  # or its replies would stop it
        reader.start()
        raw.send(data)
        raw.socket.shutdown(socket.SHUT_WR)
        reader.join(PATIENCE)
        assert not reader.is_alive()


# ---- lines without a proper end -------------------------------------------------------------


@pytest.mark.parametrize("spare", [0, 1])
def test_the_limit_of_a_line(folder: Path, spare: int) -> None:
    with unharmed(folder) as (_, _, path), Raw(path) as raw:
        line = b'{"v":1,"id":"%s","do":"hello"}'
        line %= b"x" * (65536 - len(line) + 2 - 1 + spare)
        assert len(line) + 1 == 65536 + spare
        raw.send(line + b"\n")
        if spare:
            assert raw.error() == "a line has at most 65536 bytes"
            assert raw.is_closed()
        else:
            assert raw.reply()["ok"]


def test_an_endless_line_is_cut_off_and_not_kept(folder: Path) -> None:
    with unharmed(folder) as (_, _, path), Raw(path) as raw:
        tracemalloc.start()
        try:
            block, sent = b"x" * MIB, 0
            while raw.send(block) and sent < 1000:
                sent += 1
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sent < 1000  # it was the server who ended it
        assert raw.error() == "a line has at most 65536 bytes"
        assert raw.is_closed()
    assert peak < 6 * MIB


@pytest.mark.parametrize("half", [b"{", HELLO[:-1], b"\xff", b"x" * 60000])
def test_half_a_request_and_a_close(folder: Path, half: bytes) -> None:
    with unharmed(folder) as (_, _, path):
        for _ in range(50):
            with Raw(path) as raw:
                raw.send(half)


def test_a_reset_in_the_middle_of_a_reply(folder: Path) -> None:
    with unharmed(folder, leaves=300) as (_, _, path):
        for _ in range(5):
            with Raw(path) as raw:
                raw.send(b'{"v":1,"do":"snapshot"}\n' * 3)
                assert raw.socket.recv(10)  # it has begun


# ---- slow ones ------------------------------------------------------------------------------


def test_one_that_says_nothing_is_closed(folder: Path) -> None:
    with unharmed(folder, limits=Limits(idle=0.05)) as (_, _, path), Raw(path) as raw:
        assert raw.error() == "no whole line within 0.05 s"
        assert raw.is_closed()


def test_one_that_trickles_bytes_is_closed_all_the_same(folder: Path) -> None:
    with unharmed(folder, limits=Limits(idle=0.3)) as (_, _, path), Raw(path) as raw:
        begun, sent = monotonic(), 0
        # A byte each 10 ms, for as long as it is listened to: select() waits for its end meanwhile.
        while not select.select([raw.socket], [], [], 0.01)[0]:
            raw.send(HELLO[sent % 27 : sent % 27 + 1])
            sent += 1
            assert monotonic() - begun < PATIENCE
        assert sent > 1
        assert raw.error() == "no whole line within 0.3 s"
        assert raw.is_closed()


def test_the_time_for_a_line_begins_anew_with_each_reply(folder: Path) -> None:
    limits = Limits(idle=0.5)
    with unharmed(folder, limits=limits) as (_, _, path), Raw(path) as raw:
        begun = monotonic()
        while monotonic() - begun < 3 * limits.idle:
            assert raw.ask(do="hello")["ok"]
            assert not select.select([raw.socket], [], [], 0.05)[0]


def test_one_that_never_reads_is_cut_off_and_little_is_kept(folder: Path) -> None:
    limits = Limits(write=0.2)
    with unharmed(folder, leaves=1000, limits=limits) as (_, _, path), Raw(path) as measured:
        size = len(json.dumps(measured.ask(do="snapshot")))
        assert size > 400_000  # more than the system's buffers take
        measured.close()
        tracemalloc.start()
        try:
            clients = [Raw(path) for _ in range(8)]
            for client in clients:
                client.send(b'{"v":1,"do":"snapshot"}\n' * 100)
            assert works(path)  # others are served meanwhile
            # A hang-up: the server has cut it off. Nothing was read until then.
            for client in clients:
                poll = select.poll()
                poll.register(client.socket, select.POLLHUP)
                assert poll.poll(PATIENCE * 1000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        for client in clients:
            took = sum(len(part) for part in iter(partial(_take, client), b""))
            assert took < size * 2  # of a hundred replies one had begun
            client.close()
    # For each its reply, and what making it takes: at the most one at a time is made.
    assert peak < 8 * 2 * size + 16 * MIB


def leave(clients: list[Raw]) -> None:
    """Let all of them go, and wait until the server knows."""
    for client in clients:
        with contextlib.suppress(OSError):  # the server has closed it already
            client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()
        client.close()


def _take(client: Raw) -> bytes:
    try:
        return client.socket.recv(65536)
    except ConnectionResetError:
        return b""


class Narrow(ControlServer):
    """Its system takes little at once for a client that does not read."""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        super()._accept(reader, writer)


def test_a_small_reply_too_has_to_be_taken(folder: Path) -> None:
    path = folder / "a.sock"
    with Tree() as root, Narrow(root=root, path=path, limits=Limits(write=0.2)), Raw(path) as raw:
        raw.send(b'{"v":1,"id":"%s","do":"hello"}\n' % (b"x" * 40_000))
        poll = select.poll()
        poll.register(raw.socket, select.POLLHUP)
        assert poll.poll(PATIENCE * 1000)
        assert works(path)


# ---- many -----------------------------------------------------------------------------------


def test_two_hundred_connections_at_once(folder: Path) -> None:
    with unharmed(folder) as (_, _, path):
        clients = [Raw(path) for _ in range(200)]
        for client in clients:
            client.send(HELLO)
        replies = [client.reply() for client in clients]
        served_ones = [reply for reply in replies if reply["ok"]]
        assert len(served_ones) == 64
        errors = {reply["error"] for reply in replies if not reply["ok"]}
        assert errors == {"busy: 64 are connected"}
        for client, reply in zip(clients, replies, strict=True):
            if not reply["ok"]:
                assert client.is_closed()
        for client, reply in zip(clients, replies, strict=True):
            if reply["ok"]:
                assert (
                    client.ask(id=2, do="hello")["id"] == 2
                )  # those who came first still are there
        leave(clients)


def test_full_of_idle_ones_there_is_room_again_when_they_are_closed(folder: Path) -> None:
    limits = Limits(idle=0.5, connections=4, patience=0.02)
    with unharmed(folder, limits=limits) as (_, _, path):
        idle = [Raw(path) for _ in range(4)]
        with Raw(path) as more:
            assert more.error() == "busy: 4 are connected"
        for client in idle:
            assert client.is_closed()
            client.close()


def test_only_so_many_wait_for_a_place(folder: Path) -> None:
    limits = Limits(connections=2, patience=3 * PATIENCE)
    with unharmed(folder, limits=limits) as (_, _, path):
        inside = [Raw(path), Raw(path)]
        for client in inside:
            assert client.ask(do="hello")["ok"]
        waiting = [Raw(path), Raw(path)]
        with Raw(path) as more:
            assert more.error() == "busy: 2 are connected"  # at once: the patience is for two
        leave(inside)
        for client in waiting:
            assert client.ask(do="hello")["ok"]
        leave(waiting)


def test_many_half_lines_take_bounded_memory(folder: Path) -> None:
    with unharmed(folder) as (_, _, path):
        tracemalloc.start()
        try:
            clients = [Raw(path) for _ in range(64)]
            for client in clients:
                client.send(b"x" * 65535)
            for client in clients:
                client.send(b"\n")
                assert "not JSON" in client.error()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        leave(clients)
    assert peak < 64 * 4 * 65536


def test_from_many_threads_at_once(folder: Path) -> None:
    """Good ones and bad ones, side by side: each good request is answered."""
    answered: list[int] = []

    def good() -> None:
        with Raw(path) as raw:
            answered.append(sum(raw.ask(id=n, do="hello")["id"] == n for n in range(50)))

    def bad() -> None:
        noise = random.Random(1)
        for _ in range(50):
            raw = Raw(path)
            raw.send(noise.randbytes(noise.randrange(2000)))
            leave([raw])  # one after the other: too many at once is another test's matter

    with unharmed(folder) as (_, _, path):
        threads = [threading.Thread(target=good if n % 2 else bad) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE * 2)
        assert answered == [50] * 4


@pytest.mark.parametrize("count", [300])
def test_no_descriptor_is_kept_of_clients_that_went(folder: Path, count: int) -> None:
    with unharmed(folder) as (_, server, path):
        for n in range(count):
            with Raw(path) as raw:
                raw.send([b"", b"x", HELLO, b"x\n"][n % 4])
                if n % 4 == 2:
                    assert raw.reply()["ok"]
        with Raw(path) as last:
            # Each earlier one's end comes before this one's turn, or with it.
            assert last.ask(do="hello")["ok"]
            assert last.ask(do="hello")["ok"]
            here = os.listdir("/proc/self/fd")
        assert len(here) < 64 + 60
        assert len(server._talking) <= 4
