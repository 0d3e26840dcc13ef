"""What the server answers, and what that does to the tree."""

# ruff: noqa: SIM117  # what is awaited stands in a block of its own

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from task_thread import TaskThread, __version__
from task_thread.app import TaskApp
from task_thread.errors import ControlError
from task_thread.monitor import ControlServer
from task_thread.monitor.client import ControlClient
from task_thread.monitor.finding import find, running
from task_thread.monitor.snapshot import snapshot, to_json
from tests.control.trees import Leaf, Raw, Tree, counts, descriptors, served, works
from tests.monitor.apps import Mail
from tests.support.journal import PATIENCE
from tests.support.threads import message


@pytest.fixture
def client(folder: Path) -> Iterator[ControlClient]:
    """A client of a tree with a server beside it."""
    with served(folder / "gateway.sock") as (_, server):
        assert server.path == folder / "gateway.sock"
        with ControlClient(server.path) as client:
            yield client


def test_hello(client: ControlClient) -> None:
    hello = client.call("hello")
    assert set(hello) == {"name", "pid", "version", "started", "python", "root"}
    assert (hello["name"], hello["pid"], hello["root"]) == ("gateway", os.getpid(), "tree")
    assert hello["version"] == __version__
    assert hello["started"].endswith("+00:00")
    assert client.call("hello") == hello


def test_snapshot_is_the_snapshot(folder: Path) -> None:
    with served(folder / "a.sock") as (root, server), ControlClient(str(server.path)) as client:
        root.branch.thread.post(message(1))
        got = client.call("snapshot")
        assert [node["path"] for node in got["children"]] == ["tree/branch", f"tree/{root.leaf}"]
        assert set(got) == set(to_json(snapshot(root)))
        leaves = [child["path"] for child in got["children"][0]["children"]]
        assert leaves == ["tree/branch/leaf 0", "tree/branch/leaf 1"]
        assert got["children"][0]["inbox"]["accepted"] == 1


def test_a_snapshot_has_the_apps(folder: Path) -> None:
    mail = Mail()
    app = TaskApp("mail", threads=2, processes=1, tasks=mail.tasks)
    with app, ControlServer(root=app, path=folder / "a.sock"):
        mail.under_way("to ann \ud800")
        with ControlClient(folder / "a.sock") as client:
            got = client.call("snapshot")["app"]
        (run,) = got["runs"]
        assert (run["name"], run["share"], run["note"]) == ("send mail", 0.3, "to ann \ud800")
        assert got["lanes"][1]["running"] == 1
        mail.let_go()


def test_stacks(client: ControlClient) -> None:
    every = client.call("stacks")
    assert {each["path"] for each in every} >= {"tree", "tree/branch", "tree/branch/leaf 0"}
    assert all(set(each) == {"path", "where", "lines"} for each in every)
    one = client.call("stacks", thread="tree/branch")
    assert [each["path"] for each in one] == ["tree/branch"]
    assert "listen" in one[0]["lines"]
    assert client.call("stacks", thread="leaf 1")[0]["path"] == "tree/branch/leaf 1"
    with pytest.raises(ControlError, match=r"^no thread 'leaf 9' in this tree$"):
        client.call("stacks", thread="leaf 9")


def test_an_id_that_several_have_is_refused_with_their_paths(folder: Path) -> None:
    class Twin(Leaf):
        def getId(self) -> str:
            return "twin"

    class Nest(Leaf):
        async def enter__(self) -> None:
            await Twin(parent=self).run()

    with Tree() as root:
        with ControlServer(root=root, path=folder / "a.sock") as server:
            assert server.path is not None
            with ControlClient(server.path) as client, pytest.raises(ControlError) as caught:
                _run_children(root, [Nest, Nest])
                client.call("stop", thread="twin")
        paths = str(caught.value).rpartition(": ")[2].split(", ")
    assert str(caught.value).startswith("2 threads are called 'twin', give a path: ")
    assert len(paths) == 2
    assert all(path.startswith("tree/Nest-") and path.endswith("/twin") for path in paths)


def _run_children(root: Tree, classes: list[type[TaskThread]]) -> None:
    """Run children of `root`, from outside it."""

    async def run() -> None:
        for cls in classes:
            await cls(parent=root).run()

    asyncio.run(run())


# ---- levels ---------------------------------------------------------------------------------


@pytest.fixture
def levels() -> Iterator[None]:
    """The loggers are put back as they were."""
    names = ["", "Tree", "Branch", "Leaf", "asyncio"]
    before = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("levels")
def test_levels_of_the_tree(client: ControlClient) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("Branch").setLevel(logging.ERROR)
    logging.getLogger("Leaf").setLevel(logging.NOTSET)
    logging.getLogger("Tree").setLevel(logging.INFO)
    assert client.call("log-level") == {
        "root": "warning", "Branch": "error", "Leaf": "warning", "Tree": "info"
    }  # fmt: skip
    told = client.call("log-level", level="DEBUG")
    assert told == dict.fromkeys(["root", "Branch", "Leaf", "Tree"], "debug")
    assert logging.getLogger().level == logging.DEBUG
    assert logging.getLogger("Branch").level == logging.DEBUG
    assert logging.getLogger("Leaf").level == logging.NOTSET  # it goes with the root's, as before


@pytest.mark.usefixtures("levels")
def test_level_of_one_logger(client: ControlClient) -> None:
    before = logging.getLogger().level
    assert client.call("log-level", logger="Leaf", level="error") == {"Leaf": "error"}
    assert client.call("log-level", logger="Leaf") == {"Leaf": "error"}
    assert logging.getLogger("Leaf").level == logging.ERROR
    assert logging.getLogger().level == before
    assert client.call("log-level", logger="asyncio", level="critical") == {"asyncio": "critical"}
    assert client.call("log-level", logger="root", level="error") == {"root": "error"}
    assert logging.getLogger().level == logging.ERROR
    assert client.call("log-level", logger="Leaf", level="notset") == {"Leaf": "error"}


@pytest.mark.usefixtures("levels")
@pytest.mark.parametrize(
    ("logger", "level", "says"),
    [
        ("Leav", "debug", r"^no logger 'Leav' here; did you mean .*Leaf\?$"),
        ("\x00\x1b", "debug", r"^no logger '\\x00\\x1b' here$"),
        ("", None, r"^no logger '' here$"),
        ("Leaf", "loud", r"^no level 'loud': there is notset, debug, info, warning, error"),
        (None, "", r"^no level '': there is"),
    ],
)
def test_level_refused(
    client: ControlClient, logger: str | None, level: str | None, says: str
) -> None:
    known = set(logging.Logger.manager.loggerDict)
    with pytest.raises(ControlError, match=says):
        client.call("log-level", logger=logger, level=level)
    assert set(logging.Logger.manager.loggerDict) == known  # no logger was made by asking


# ---- stop -----------------------------------------------------------------------------------


def test_stop_of_the_tree(folder: Path) -> None:
    with Tree() as root, ControlServer(root=root, path=folder / "a.sock") as server:
        assert server.path is not None
        with ControlClient(server.path) as client:
            told = client.call("stop", timeout=7)
            assert told == {"stopping": "tree", "timeout": 7.0}
            root.journal.wait("stopping")
            # The server is beside the tree, and lives on.
            assert client.call("hello")["root"] == "tree"
    reason = root.exit_reason
    assert reason is not None
    assert reason.kind == "shutdown"


def test_stop_of_the_tree_from_a_child_of_it(folder: Path) -> None:
    class Own(Tree):
        async def enter__(self) -> None:
            await super().enter__()
            self.control = ControlServer(parent=self)
            await self.control.run()

    with Own() as root:
        path = root.control.path
        assert path == folder / "tree.sock"
        with ControlClient(path) as client:
            assert client.call("snapshot")["children"][-1]["class"] == "ControlServer"
            assert client.call("stop") == {"stopping": "tree", "timeout": root.stop_timeout}
            assert client.wait_closed(PATIENCE)
            with pytest.raises(ControlError):
                client.call("hello")
    assert root.exit_reason is not None
    assert root.exit_reason.kind == "shutdown"


def test_stop_of_a_supervised_thread_keeps_it_down(folder: Path) -> None:
    with served(folder / "a.sock") as (root, server):
        handle = root.branch
        assert server.path is not None
        with ControlClient(server.path) as client:
            told = client.call("stop", thread="branch", timeout=5)
            assert told == {"stopping": "tree/branch", "timeout": 5.0}
            reason = asyncio.run(asyncio.wait_for(handle.join(), PATIENCE))
            assert reason.kind == "shutdown"
            assert handle.generation == 1
            branch = client.call("snapshot")["children"][0]
            assert (branch["state"], branch["restarting"]) == ("stopped", False)


def test_stop_of_a_child_without_supervision(folder: Path) -> None:
    with served(folder / "a.sock") as (root, server):
        assert server.path is not None
        with ControlClient(server.path) as client:
            told = client.call("stop", thread=str(root.leaf))
            assert told["stopping"] == f"tree/{root.leaf}"
            asyncio.run(asyncio.wait_for(root.leaf.join(), PATIENCE))
            with pytest.raises(ControlError, match="no thread"):
                client.call("stop", thread=str(root.leaf))
            assert client.call("snapshot")["state"] == "running"


# ---- lines ----------------------------------------------------------------------------------


def test_a_bad_line_gets_an_error_and_the_connection_goes_on(folder: Path) -> None:
    with served(folder / "a.sock") as (root, server), Raw(folder / "a.sock") as raw:
        before = counts(root)
        for bad in (b"\n", b"x\n", b"\xff\n", b"[" * 60000 + b"\n", b'{"v":9}\n', b"\x00\n"):
            assert raw.send(bad)
            assert raw.error()
        assert raw.ask(id={"a": [1]}, do="hello")["id"] == {"a": [1]}
        assert raw.ask(do="hello")["id"] is None
        assert raw.ask(id=3, do="dance")["id"] == 3
        assert counts(root) == before
        assert server.state.value == "running"


def test_many_requests_in_one_write_are_answered_in_order(folder: Path) -> None:
    with served(folder / "a.sock"), Raw(folder / "a.sock") as raw:
        lines = [
            b'{"v":1,"id":%d,"do":"%s"}\n' % (n, b"hello" if n % 3 else b"no") for n in range(200)
        ]
        raw.send(b"".join(lines))
        found = [raw.reply() for _ in lines]
    assert [reply["id"] for reply in found] == list(range(200))
    assert [reply["ok"] for reply in found] == [n % 3 != 0 for n in range(200)]


def test_a_client_that_has_said_all_is_answered_and_closed(folder: Path) -> None:
    with served(folder / "a.sock"), Raw(folder / "a.sock") as raw:
        raw.send(b'{"v":1,"do":"hello"}\n{"v":1')
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.reply()["ok"]
        assert "no end" in raw.error()
        assert raw.is_closed()


def test_what_the_tree_raises_is_an_error_of_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_root: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("task_thread.monitor.answers.snapshot", broken)
    with served(folder / "a.sock"), Raw(folder / "a.sock") as raw:
        assert raw.ask(id=1, do="snapshot")["error"] == "it failed: RuntimeError (see the log)"
        assert raw.ask(id=2, do="hello")["ok"]
    assert "a request failed" in caplog.text


def test_a_tree_too_deep_for_json_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep: dict[str, object] = {"children": []}
    for _ in range(100_000):
        deep = {"children": [deep]}
    monkeypatch.setattr("task_thread.monitor.answers.to_json", lambda _node: deep)
    with served(folder / "a.sock"), Raw(folder / "a.sock") as raw:
        assert "too deep" in raw.ask(id=1, do="snapshot")["error"]
        assert raw.ask(id=2, do="hello")["ok"]
    while deep["children"]:  # or its end would be as deep
        deep = deep["children"].pop()  # type: ignore[attr-defined]


# ---- life -----------------------------------------------------------------------------------


def test_modes_of_folder_and_socket(folder: Path) -> None:
    with served(folder / "run" / "a.sock"):
        assert stat.S_IMODE(os.stat(folder / "run").st_mode) == 0o700
        assert stat.S_IMODE(os.stat(folder / "run" / "a.sock").st_mode) == 0o600
    (folder / "run").rmdir()


def test_the_end_removes_the_file_and_closes_connections(folder: Path) -> None:
    before = descriptors()
    with served(folder / "a.sock") as (_, server):
        idle, busy = Raw(folder / "a.sock"), Raw(folder / "a.sock")
        assert busy.ask(do="hello")["ok"]
        assert (folder / "a.sock").is_socket()
    assert not (folder / "a.sock").exists()
    assert server.state.value == "stopped"
    with idle, busy:
        assert idle.is_closed()
        assert busy.is_closed()
    assert descriptors() == before


def test_idle_connections_hold_no_end_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("task_thread.monitor.control._LAST_WORDS", 100.0)
    with served(folder / "a.sock") as (_, server):
        idle = Raw(folder / "a.sock")
        assert idle.ask(do="hello")["ok"]
    with idle:
        assert idle.is_closed()
    assert server.exit_reason is not None
    assert server.exit_reason.kind == "shutdown"  # "timeout", had it waited for that client


def test_a_second_server_in_the_same_place_does_not_start(folder: Path) -> None:
    with served(folder / "a.sock"):
        with pytest.raises(ControlError, match=f"in use: process {os.getpid()} listens"):
            with served(folder / "a.sock"):
                pass
        assert works(folder / "a.sock")


def test_names(folder: Path) -> None:
    class Odd(Tree):
        def getId(self) -> str:
            return "../-gate way/1"

    with Odd() as odd:
        with ControlServer(root=odd) as server:
            assert server.path == folder / "gate-way-1.sock"
        with ControlServer(root=odd, name="gw") as server:
            assert server.path == folder / "gw.sock"
            assert running()[0].hello["name"] == "gw"
            assert find("gw") == find(None) == find(str(folder / "gw.sock")) == server.path
        with ControlServer(root=odd, path=folder / "x", name="gw") as server:
            with ControlClient(folder / "x") as client:
                assert client.call("hello")["name"] == "gw"
        with pytest.raises(ControlError, match="no name for a daemon"):
            with ControlServer(root=odd, name="a/b"):
                pass


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="root is a TaskThread, not 7"):
        ControlServer(root=7)  # type: ignore[arg-type]
    assert ControlServer().path is None
