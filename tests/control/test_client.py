"""The client: against good daemons, none, and hostile ones."""

# ruff: noqa: SIM117  # what is awaited stands in a block of its own

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from task_thread.errors import ControlError, Silent, TaskThreadError, Unreachable
from task_thread.monitor.client import ControlClient
from task_thread.monitor.control import ControlServer, Limits
from task_thread.monitor.finding import Running, find, look, running, sockets
from task_thread.monitor.places import SocketFile
from tests.control.trees import Tree, descriptors, served
from tests.support.journal import PATIENCE

Answer = Callable[[socket.socket], None]


@contextmanager
def pretender(path: Path, *answers: Answer) -> Iterator[None]:
    """Listens at `path`; does with each connection, one after the other, what the next answer does,
    and then closes it."""
    file = SocketFile(path)
    listener = file.listen()
    listener.settimeout(PATIENCE)

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            with connection, contextlib.suppress(OSError):
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
        listener.close()
        file.remove()
        assert not thread.is_alive()


def says(data: bytes) -> Answer:
    """Reads a request, and answers so."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)
        connection.recv(65536)  # until the client closes

    return answer


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\n", "its answer is no JSON: is it a control socket?"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (b"\n", "no JSON"),
        (b"[]\n", "of another form"),
        (b"{}\n", "of another form"),
        (b'{"v":1,"id":1}\n', "of another form"),
        (b'{"v":1,"id":1,"ok":1,"result":1}\n', "of another form"),
        (b'{"v":1,"id":1,"ok":true}\n', "of another form"),
        (b'{"v":1,"id":1,"ok":false,"error":7}\n', "of another form"),
        (b'{"v":2,"id":1,"ok":true,"result":1}\n', "version 2, and this client version 1"),
        (b'{"v":"\x1b[2J"}\n', "no JSON"),
        (b'{"v":"\\u001b[2J"}\n', r"it speaks version '\x1b[2J'"),
        (b'{"v":1,"id":2,"ok":true,"result":1}\n', "to another request"),
        (b'{"v":1,"id":2,"ok":false,"error":"no"}\n', "to another request"),
        (b'{"v":1,"id":1,"ok":true,"result":1}\n{"v":1}\n', "more than it was asked"),
        (b"x" * 3000, "longer than 2000 bytes"),
        (b"x" * 3000 + b"\n", "longer than 2000 bytes"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none(folder: Path, data: bytes, error: str) -> None:
    path = folder / "a.sock"
    before = descriptors()
    with pretender(path, says(data)):
        client = ControlClient(path, timeout=PATIENCE, reply_limit=2000 if b"x" in data else 10**6)
        with pytest.raises(ControlError) as caught:
            client.call("hello")
        text = str(caught.value)
        assert text.startswith(f"{path}: ")
        assert error in text
        assert "\n" not in text
    assert descriptors() == before


def test_an_endless_answer_is_not_kept(folder: Path) -> None:
    def endless(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 65536)

    with pretender(folder / "a.sock", endless):
        with ControlClient(folder / "a.sock", reply_limit=10**6) as client:
            with pytest.raises(ControlError, match="longer than 1000000 bytes"):
                client.call("hello")


def test_silence(folder: Path) -> None:
    def say_nothing(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    with pretender(folder / "a.sock", say_nothing):
        with ControlClient(folder / "a.sock", timeout=0.05) as client:
            with pytest.raises(Silent, match=r"a\.sock: no answer within 0\.05 s") as caught:
                client.call("hello")
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, TaskThreadError)


def test_an_answer_that_trickles_has_one_time_as_a_whole(folder: Path) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.settimeout(0.01)
        while True:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1000):
                    return

    with pretender(folder / "a.sock", trickle):
        with ControlClient(folder / "a.sock", timeout=0.2) as client:
            with pytest.raises(Silent):
                client.call("hello")


def test_nobody_accepts(folder: Path) -> None:
    """A daemon that is stopped (SIGSTOP): the system connects, and nobody answers."""
    file = SocketFile(folder / "a.sock")
    with file.listen():
        with ControlClient(folder / "a.sock", timeout=0.05) as client:
            with pytest.raises(Silent):
                client.call("hello")
        assert running(timeout=0.05) == []
        assert look(timeout=0.05) == [folder / "a.sock"]
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(200)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(str(folder / "a.sock"))
        with pytest.raises(Silent, match="others wait there already"):
            ControlClient(folder / "a.sock", timeout=PATIENCE).call("hello")
        for each in waiting:
            each.close()
    file.remove()


@pytest.mark.parametrize("data", [b"", b'{"v":1,"id":1,"ok":tr'])
def test_closed_in_the_middle(folder: Path, data: bytes) -> None:
    def close(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(data)

    with pretender(folder / "a.sock", close), ControlClient(folder / "a.sock") as client:
        with pytest.raises(Unreachable, match="the daemon closed the connection"):
            client.call("hello")


def test_a_busy_daemon_says_so(folder: Path) -> None:
    with served(folder / "a.sock", limits=Limits(connections=0)):
        with ControlClient(folder / "a.sock") as client:
            with pytest.raises(ControlError, match=r"^busy: 0 are connected$"):
                client.call("hello")


def test_a_connection_that_was_closed_for_idleness_is_opened_again(folder: Path) -> None:
    with served(folder / "a.sock", limits=Limits(idle=0.02)):
        with ControlClient(folder / "a.sock") as client:
            pid = client.call("hello")["pid"]
            # What the server says before it closes is there, and no answer to anything.
            assert client.wait_closed(PATIENCE)
            assert client.call("hello")["pid"] == pid
            sock = client._socket
            assert sock is not None
            sock.settimeout(PATIENCE)
            assert sock.recv(1000, socket.MSG_PEEK)  # it says why, and closes
            assert client.call("hello")["pid"] == pid
            assert client._socket is not sock


def test_one_connection_serves_many_calls(folder: Path) -> None:
    with served(folder / "a.sock"), ControlClient(folder / "a.sock") as client:
        client.call("hello")
        sock = client._socket
        with pytest.raises(ControlError, match="can't do"):
            client.call("dance")
        client.call("snapshot")
        assert client._socket is sock
        assert client.process() == os.getpid()
        assert not client.wait_closed(0)
    assert client.wait_closed(0)


def test_nobody_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"x\.sock: no such socket"):
        ControlClient(folder / "x.sock").call("hello")
    file = SocketFile(folder / "dead.sock")
    file.listen().close()
    with pytest.raises(Unreachable, match=r"dead\.sock: nobody listens there any more"):
        ControlClient(folder / "dead.sock").call("hello")
    with pytest.raises(Unreachable, match="nobody listens"):
        ControlClient(folder / "dead.sock").process()
    assert sockets() == [folder / "dead.sock"]
    assert running() == look() == []
    file.remove()
    plain = tmp_path / "plain"
    plain.write_text("", encoding="ascii")
    with pytest.raises(ControlError):
        ControlClient(plain).call("hello")
    with pytest.raises(ControlError, match="bytes long"):
        ControlClient("/" + "x" * 200).call("hello")


def test_finding(folder: Path) -> None:
    with pytest.raises(Unreachable, match=f"no daemon runs in {folder}"):
        find()
    with pytest.raises(Unreachable, match=f"no daemon 'gw': none runs in {folder}"):
        find("gw")
    with served(folder / "one.sock"):
        assert find() == find("one") == find(str(folder / "one.sock")) == folder / "one.sock"
        with pytest.raises(Unreachable, match="no daemon 'gw': there is one"):
            find("gw")
        with served(folder / "two.sock"):
            assert [each.path.name for each in running()] == ["one.sock", "two.sock"]
            assert all(isinstance(each, Running) for each in look())
            with pytest.raises(ControlError, match="several daemons run, say which: one, two"):
                find()
            assert find("two") == folder / "two.sock"


@pytest.mark.parametrize("name", ["..", "../x.sock\0", "/nowhere/x", "./x", "/", "a\0/b"])
def test_finding_what_is_none(folder: Path, name: str) -> None:
    with pytest.raises(ControlError) as caught:
        find(name)
    assert "\n" not in str(caught.value)


def test_somebody_elses_folder_is_not_searched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes the folder first, in a place for all, must not be taken for our daemon."""
    with served(folder / "one.sock"):
        folder.chmod(0o777)
        for look_around in (running, find, lambda: find("one")):
            with pytest.raises(ControlError, match="open to others"):
                look_around()
        folder.chmod(0o700)
        mine = os.geteuid()
        monkeypatch.setattr("os.geteuid", lambda: mine + 1)
        for look_around in (running, find, lambda: find("one")):
            with pytest.raises(ControlError, match="belongs to user"):
                look_around()
        monkeypatch.undo()


def test_a_pretender_beside_a_daemon_is_told_apart(folder: Path) -> None:
    with served(folder / "one.sock"), pretender(folder / "zwei.sock", says(b"220 smtp\n")):
        found = look()
        assert isinstance(found[0], Running)
        assert found[1:] == [folder / "zwei.sock"]


def test_the_server_is_a_thread_as_any_other(folder: Path) -> None:
    """Restarted by its supervisor it listens again, in the same place."""

    class Own(Tree):
        async def enter__(self) -> None:
            await super().enter__()
            self.control = await self.spawn(ControlServer, folder / "a.sock", parent=self)

    with pytest.raises(TypeError):  # path is the second one
        with Own():
            pass

    class Right(Tree):
        async def enter__(self) -> None:
            await super().enter__()
            self.control = await self.spawn(ControlServer, path=folder / "a.sock")

    with Right() as root, ControlClient(folder / "a.sock") as client:
        assert client.call("hello")["root"] == "tree"
        asyncio.run(asyncio.wait_for(root.control.restart(), PATIENCE))
        assert client.call("hello")["root"] == "tree"
        assert root.control.generation == 2
