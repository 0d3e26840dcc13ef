"""Clients that break every rule: each gets an error or a close, memory stays bounded, the tree
notices nothing, and the next good request is answered."""

from __future__ import annotations

import random
import resource
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from task_thread.monitor.http_limits import HttpLimits
from tests.dashboard.http import (
    Address,
    connect,
    exchange,
    get,
    read_all,
    request,
    send,
    statuses,
)
from tests.dashboard.trees import Shop

HEAD_BYTES = 4096


@pytest.fixture(scope="module")
def victim() -> Iterator[Shop]:
    """A tree whose server has short timeouts, since these tests wait them out."""
    limits = HttpLimits(
        connections=32,
        head_bytes=HEAD_BYTES,
        head_timeout=0.1,
        idle_timeout=0.1,
        write_timeout=0.2,
        linger=0.1,
    )
    with Shop(limits=limits) as tree:
        yield tree


@pytest.fixture(autouse=True)
def the_tree_notices_nothing(victim: Shop) -> Iterator[None]:
    before = victim.counts()
    generation = victim.handle.generation
    yield
    assert get(victim.address).status == 200
    assert victim.counts() == before
    assert victim.handle.generation == generation
    assert victim.all_have_left()


def acceptable(answer: bytes) -> bool:
    """Errors, or proper answers to what happened to be proper requests, or nothing at all."""
    return answer == b"" or (answer.startswith(b"HTTP/1.1 ") and 500 not in statuses(answer))


lines = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [
            b"GET / HTTP/1.1",
            b"GET /metrics HTTP/1.0",
            b"HEAD /healthz HTTP/1.1",
            b"POST / HTTP/1.1",
            b"Host: localhost",
            b"Host: evil.example",
            b"Connection: keep-alive",
            b"Content-Length: 10",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Expect: 100-continue",
            b"Upgrade: websocket",
            b" folded",
            b": no name",
            b"",
            b"\x00",
            b"X: " + b"y" * 5000,
        ]
    ),
)
conversations = st.lists(
    st.tuples(lines, st.sampled_from([b"\r\n", b"\n", b"\r", b""])), max_size=12
)

FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FUZZ
@given(data=st.binary(max_size=3000))
def test_random_bytes(victim: Shop, data: bytes) -> None:
    assert acceptable(exchange(victim.address, data, end=True))


@FUZZ
@given(conversation=conversations)
def test_almost_http(victim: Shop, conversation: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(line + end for line, end in conversation)
    assert acceptable(exchange(victim.address, data, end=True))


@settings(FUZZ, max_examples=40)
@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_half_a_request_and_then_gone(victim: Shop, data: bytes, cut: int) -> None:
    whole = request("/metrics") + data
    with connect(victim.address) as sock:
        send(sock, whole[:cut])
        # Closed with what is unread in it: a reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@settings(FUZZ, max_examples=25)
@given(conversation=conversations)
def test_what_is_never_finished(victim: Shop, conversation: list[tuple[bytes, bytes]]) -> None:
    """No end from this side: the server's patience ends it."""
    data = b"".join(line + end for line, end in conversation)
    assert acceptable(exchange(victim.address, data))


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: localhost\r\n"],
    ids=["nothing", "a target", "a header", "headers"],
)
@pytest.mark.parametrize("filling", [b"y", b"y: z\r\n", b"\r"], ids=["word", "lines", "returns"])
def test_a_head_without_an_end(victim: Shop, start: bytes, filling: bytes) -> None:
    """However much is sent, the server reads little more than a head may have."""
    with connect(victim.address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        flood = start + filling * (64 * 1024 * 1024 // len(filling))
        before = peak_memory()
        send(sock, flood)
        answer = read_all(sock)
    assert acceptable(answer)
    assert statuses(answer) in ([], [400], [431])
    assert peak_memory() - before < 16


def peak_memory() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_pipelined_without_end_and_without_reading(victim: Shop) -> None:
    """The answers to ten thousand requests that nobody reads wait in the client's own buffers."""
    before = peak_memory()
    with connect(victim.address) as sock:
        sock.settimeout(5.0)
        try:
            send(sock, request("/metrics", "Host: localhost") * 10_000)
        except TimeoutError:
            pass
        assert victim.all_have_left()
    assert peak_memory() - before < 32


def test_two_hundred_at_once(victim: Shop) -> None:
    """So many are served, the others are told 503 or closed; nobody is left without an end."""
    chosen = random.Random(3)
    socks = [connect(victim.address) for _ in range(200)]
    try:
        for sock in socks:
            send(sock, chosen.choice([request(), b"GET / HT", b"\xff" * 50, b""]))
        answers = [read_all(sock) for sock in socks]
    finally:
        for sock in socks:
            sock.close()
    assert all(acceptable_crowd(answer) for answer in answers)
    assert len(victim.dashboard._web._refused) <= 32


def acceptable_crowd(answer: bytes) -> bool:
    return not answer or set(statuses(answer)) <= {200, 400, 408, 503}


def test_viewers_that_never_read(victim: Shop) -> None:
    socks = [connect(victim.address) for _ in range(20)]
    for sock in socks:
        sock.sendall(request("/events", "Host: localhost"))
        assert statuses(sock.recv(65536)) == [200]
    for sock in socks:
        sock.close()
    assert victim.all_have_left()
    assert victim.dashboard._feed.viewers == 0


def test_good_requests_between_bad_ones(victim: Shop) -> None:
    chosen = random.Random(7)
    address: Address = victim.address
    for _ in range(50):
        exchange(address, chosen.randbytes(200), end=True)
        assert get(address, "/readyz").status == 200
