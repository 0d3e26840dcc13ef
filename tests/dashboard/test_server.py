"""The web server, spoken to by hand: what it answers, and what it refuses."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from task_thread.monitor import Dashboard
from task_thread.monitor.http_limits import HttpLimits, host_is_known, known_hosts
from task_thread.monitor.http_messages import Answer, Request
from task_thread.monitor.web import WebServer
from tests.dashboard.http import (
    Address,
    Viewer,
    connect,
    exchange,
    get,
    read_all,
    request,
    send,
    statuses,
)
from tests.dashboard.trees import Shop

BIG = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def hasty() -> Iterator[Shop]:
    """A tree whose server has little patience and little room."""
    limits = HttpLimits(
        connections=4,
        streams=2,
        head_bytes=2048,
        head_timeout=0.1,
        idle_timeout=0.2,
        write_timeout=0.2,
        linger=0.5,
    )
    with Shop(limits=limits) as tree:
        yield tree


@pytest.fixture(autouse=True)
def _all_have_left(hasty: Shop) -> Iterator[None]:
    """What a test leaves to the server is cleared away before it ends."""
    yield
    assert hasty.all_have_left()


@pytest.fixture(scope="module")
def address(hasty: Shop) -> Address:
    return hasty.address


# ---- what it answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content_type", "part"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/page.css", "text/css; charset=utf-8", b"--ground"),
        ("/page.js", "text/javascript; charset=utf-8", b"EventSource"),
        ("/api/tree", "application/json", b'"path":"shop/till"'),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", b"task_thread_up{"),
        ("/healthz", "application/json", b'{"ok":true,"stuck":[]}'),
        ("/readyz", "application/json", b'{"ok":true,"down":[]}'),
        ("/healthz?since=1", "application/json", b'"ok"'),
    ],
)
def test_pages(address: Address, path: str, content_type: str, part: bytes) -> None:
    reply = get(address, path)
    assert (reply.status, reply.headers["content-type"]) == (200, content_type)
    assert part in reply.body


@pytest.mark.parametrize("path", ["/", "/api/tree", "/nowhere"])
def test_every_answer_is_guarded(address: Address, path: str) -> None:
    headers = get(address, path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/", "/metrics", "/nowhere", "/events"])
def test_head_has_the_headers_and_no_body(address: Address, path: str) -> None:
    answer = exchange(address, request(path, method="HEAD"))
    head, blank, body = answer.partition(b"\r\n\r\n")
    assert (blank, body) == (b"\r\n\r\n", b"")
    assert statuses(head) == [404 if path == "/nowhere" else 200]
    if path != "/events":
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert length > 10


def test_connection_is_kept_for_the_next_request(address: Address) -> None:
    with connect(address) as sock:
        for _ in range(3):
            sock.sendall(request("/healthz", "Host: localhost"))
            assert statuses(sock.recv(65536)) == [200]


def test_requests_sent_ahead_are_answered_in_order(address: Address) -> None:
    ahead = request("/healthz", "Host: localhost") + request("/nowhere", "Host: localhost")
    assert statuses(exchange(address, ahead + request("/readyz"))) == [200, 404, 200]


def test_a_request_may_come_in_pieces(address: Address) -> None:
    whole = request("/readyz")
    with connect(address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n in range(len(whole)):
            sock.sendall(whole[n : n + 1])
        assert statuses(read_all(sock)) == [200]


@pytest.mark.parametrize("host", ["", "Host: localhost\r\n"])
def test_http_1_0_is_answered_and_closed(address: Address, host: str) -> None:
    answer = exchange(address, f"GET /healthz HTTP/1.0\r\n{host}\r\n".encode())
    assert statuses(answer) == [200]
    assert answer.endswith(b'{"ok":true,"stuck":[]}')


def test_half_a_request_then_an_end(address: Address) -> None:
    assert statuses(exchange(address, b"GET / HT", end=True)) == [400]


def test_an_end_without_a_request_is_just_closed(address: Address) -> None:
    assert exchange(address, b"", end=True) == b""


# ---- what it refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/nowhere"), 404),
        (request("/%2e%2e/etc/passwd"), 404),
        (request("/page/../index.html"), 404),
        (request("/", method="POST"), 405),
        (request("/", method="BREW"), 405),
        (request("/healthz", "Host: localhost", "Content-Length: 5") + b"hello", 413),
        (request("/healthz", "Host: localhost", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 413),
        (request("/", "Host: localhost", "Content-Length: 5", method="POST") + b"hello", 405),
        (request("/healthz", "Host: localhost", "X: " + "y" * 4000), 431),
        (request("/" + "y" * 4000), 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (request("/", "Host: localhost", "Host: localhost"), 400),
        (request("/", "Host: localhost", "Bad Header: 1"), 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"hello\r\n\r\n", 400),
    ],
)
def test_refused(address: Address, data: bytes, status: int) -> None:
    answer = exchange(address, data, end=status in (404, 405))
    assert statuses(answer) == [status]
    assert b"connection: close" in answer.lower() or status in (404, 405)


def test_a_refused_client_may_finish_what_it_says(address: Address) -> None:
    """Closed at once with something unread, the connection would be reset, and what was said to
    the client lost on its way."""
    with connect(address) as sock:
        sock.sendall(request("/", "Host: localhost", "Content-Length: 3000"))
        assert statuses(read_all(sock)) == [413]
        for _ in range(3):
            sock.sendall(b"x" * 1000)


def test_405_says_what_is_allowed(address: Address) -> None:
    assert get(address, "/", method="POST").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("localhost evil.example", 421),
        ("", 421),
    ],
)
def test_only_this_machines_names_on_loopback(address: Address, host: str, status: int) -> None:
    assert statuses(exchange(address, request("/api/tree", f"Host: {host}", "Connection: close")))[
        0
    ] == (status)


def test_the_target_counts_where_it_names_a_host(address: Address) -> None:
    good = request("http://localhost/healthz")
    assert statuses(exchange(address, good)) == [200]
    bad = request("http://evil.example/healthz")
    assert statuses(exchange(address, bad)) == [421]


@pytest.mark.parametrize(
    ("configured", "bound", "host", "known"),
    [
        ("ip6-localhost", "::1", "ip6-localhost:80", True),
        ("ip6-localhost", "::1", "other", False),
        ("127.0.0.2", "127.0.0.2", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.2", "127.0.0.3", False),
        ("0.0.0.0", "0.0.0.0", "any.example:80", True),
        ("0.0.0.0", "0.0.0.0", "no host at all", False),
        ("::", "::", "any.example", True),
    ],
)
def test_hosts(configured: str, bound: str, host: str, known: bool) -> None:
    assert host_is_known(host, known_hosts(configured, bound)) is known


# ---- slow clients, and many ---------------------------------------------------------------------


def test_a_head_that_takes_too_long(address: Address) -> None:
    with connect(address) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert statuses(read_all(sock)) == [408]


def test_a_head_that_drips_has_no_more_time_than_another(address: Address) -> None:
    with connect(address) as sock:
        sock.settimeout(0.01)
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
        found = b""
        for _ in range(1000):
            send(sock, b"y")
            try:
                found = sock.recv(65536)
                break
            except TimeoutError:
                continue
        assert statuses(found) == [408]


def test_silence_is_closed_without_words(address: Address) -> None:
    with connect(address) as sock:
        assert read_all(sock) == b""


def test_a_kept_connection_is_closed_when_it_idles(address: Address) -> None:
    with connect(address) as sock:
        sock.sendall(request("/healthz", "Host: localhost"))
        assert statuses(read_all(sock)) == [200]


def test_a_slow_start_of_the_next_request(address: Address) -> None:
    with connect(address) as sock:
        sock.sendall(request("/healthz", "Host: localhost") + b"GET /he")
        assert statuses(read_all(sock)) == [200, 408]


def big_pages(tree: Shop) -> None:
    """Let one page of the tree's dashboard be bigger than what the system buffers."""

    async def big(request: Request) -> Answer:
        return Answer(bytes(BIG))

    routes = tree.dashboard._web._routes
    assert isinstance(routes, dict)
    routes["/big"] = big


def test_a_reader_that_does_not_read_is_closed(hasty: Shop) -> None:
    big_pages(hasty)
    with connect(hasty.address) as sock:
        sock.sendall(request("/big", "Host: localhost"))
        assert hasty.all_have_left()
        got = read_all(sock)
    assert len(got) < BIG
    assert get(hasty.address).status == 200


def test_one_connection_too_many_is_told_so(hasty: Shop) -> None:
    assert hasty.all_have_left()
    taken = [connect(hasty.address) for _ in range(4)]
    try:
        for sock in taken:
            sock.sendall(b"GET / HTTP/1.1\r\n")
        answer = exchange(hasty.address, b"")
        assert statuses(answer) == [503]
        assert b"Retry-After" in answer
    finally:
        for sock in taken:
            sock.close()
    assert hasty.all_have_left()


def test_a_bug_in_a_page_is_a_500_and_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request) -> Answer:
        raise LookupError("no such drawer")

    routes = shop.dashboard._web._routes
    assert isinstance(routes, dict)
    routes["/broken"] = broken
    reply = get(shop.address, "/broken")
    assert reply.status == 500
    assert b"drawer" not in reply.body
    assert "no such drawer" in caplog.text
    assert get(shop.address).status == 200


# ---- the stream ---------------------------------------------------------------------------------


def test_events_are_the_tree_as_json(address: Address) -> None:
    with Viewer(address) as viewer:
        assert b"Content-Type: text/event-stream" in viewer.head
        event = viewer.chunk()
        assert event.endswith(b"\n\n")
        data = json.loads(event.partition(b"data: ")[2])
        assert data["title"] == "shop"
        assert data["tree"]["path"] == "shop"
        assert [child["id"] for child in data["tree"]["children"]][:2] == ["till", "cellar"]
        assert data["health"] == {"ok": True, "stuck": []}
        assert data["down"] == []
        later = json.loads(viewer.chunk().partition(b"data: ")[2])
        assert 0.5 < later["clock"] - data["clock"] < 5.0


def test_too_many_viewers_leave_room_for_checks(hasty: Shop) -> None:
    with Viewer(hasty.address) as one, Viewer(hasty.address) as two:
        assert one.chunk()
        assert two.chunk()
        assert get(hasty.address, "/events").status == 503
        assert get(hasty.address, "/healthz").status == 200
    assert hasty.all_have_left()


def test_a_viewer_who_speaks_is_shown_out(address: Address) -> None:
    with Viewer(address) as viewer:
        viewer.chunk()
        viewer.sock.sendall(b"and another thing")
        while viewer.chunk():
            pass


def test_a_viewer_who_leaves_gives_his_place_back(hasty: Shop) -> None:
    for _ in range(6):
        with Viewer(hasty.address) as viewer:
            assert viewer.chunk()
        assert hasty.all_have_left()


# ---- constructing and binding -------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [{"port": -1}, {"port": 65536}, {"port": True}, {"port": "80"}, {"host": ""}, {"host": 1}],
)
def test_bad_address(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        Dashboard(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"root": 1}, {"watch": 1}, {"parent": 1}])
def test_bad_threads(arguments: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"TaskThread|Watch"):
        Dashboard(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["connections", "head_bytes", "write_timeout", "linger"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_bad_limits(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        HttpLimits(**{name: value})  # type: ignore[arg-type]


def test_a_port_that_is_taken_is_one_clear_line(shop: Shop) -> None:
    host, port = shop.address
    with (
        pytest.raises(OSError, match=f"can't serve on {host} port {port}") as caught,
        Shop(port=port),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_the_url_leads_to_the_page(host: str) -> None:
    with Shop(host=host) as tree:
        assert tree.dashboard.url.startswith(("http://127.0.0.1:", "http://[::1]:"))
        assert get(tree.address).status == 200


async def test_a_name_of_two_addresses_has_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound with port 0 each address would get a port of its own, and the URL tell one of them."""
    found = [*socket.getaddrinfo("127.0.0.1", 0), *socket.getaddrinfo("::1", 0)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
    server = WebServer({}, limits=HttpLimits(), log=print)
    host, port = await server.listen("localhost", 0)
    assert server._server is not None
    assert [each.getsockname()[:2] for each in server._server.sockets] == [(host, port)]
    await server.stop()


def test_the_url_of_ipv6() -> None:
    with Shop(host="::1") as tree:
        assert tree.dashboard.url == f"http://[::1]:{tree.address[1]}/"
        assert get(tree.address).status == 200
