"""Trees as daemons: processes of their own, under a systemd that the tests hold."""

from __future__ import annotations

import json
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from task_thread.monitor.client import ControlClient
from tests.monitor.support import Daemon, FakeSystemd, keys
from tests.support.journal import PATIENCE

ROOTS = ["Quiet", "QuietVirtual"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="daemon-") as name:
        yield Path(name)


# ---- exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "code", "told"),
    [
        ("EndsItself", 0, ""),
        ("Crashes", 1, "ValueError: crashed on purpose"),
        ("CrashesInStart", 1, "ValueError: crashed on purpose"),
        ("CrashesWhenMade", 1, "ValueError: crashed on purpose"),
        ("Escalates", 1, "RestartLimitReached"),
        ("LeavesACallBehind", 70, "executor"),
    ],
)
def test_exit_code(target: str, code: int, told: str) -> None:
    with Daemon(target) as daemon:
        begun = monotonic()
        assert daemon.end() == code, daemon.log
    assert monotonic() - begun < PATIENCE  # also with a call that hangs in the executor for ever
    assert told in daemon.log
    assert (code == 0) == (daemon.log == "")


def test_arguments_reach_the_root() -> None:
    with Daemon("TakesArguments", "a.db", "7") as daemon:
        daemon.said("a.db 7")
        assert daemon.end() == 0, daemon.log


@pytest.mark.parametrize(
    ("target", "args", "told"),
    [
        ("tests.monitor.programs.trees", [], "is no package.module:Class"),
        ("tests.monitor.programs.nowhere:Root", [], "no module tests.monitor.programs.nowhere"),
        ("tests.monitor.programs.broken:Root", [], "NameError: name 'undefined' is not defined"),
        ("tests.monitor.programs.leaves:Root", [], "SystemExit: 3"),
        ("tests.monitor.programs.trees:Quit", [], "has no Quit; did you mean Quiet"),
        ("tests.monitor.programs.trees:say", [], "is no class but"),
        ("tests.monitor.programs.trees:Broken", [], "is no TaskThread"),
        ("tests.monitor.programs.trees:TakesArguments", [], "missing a required argument: 'path'"),
        ("tests.monitor.programs.trees:Quiet", ["a"], "too many arguments"),
    ],
)
def test_wrong_target_is_one_line(target: str, args: list[str], told: str) -> None:
    with Daemon(target, *args) as daemon:
        assert daemon.end() == 2
    (line,) = daemon.stderr
    assert line.startswith("task-thread: ")
    assert told in line


@pytest.mark.parametrize(
    "options", [{"log_format": "xml"}, {"log_level": "loud"}, {"stop_timeout": -1}]
)
def test_wrong_option_is_one_line(options: dict[str, Any]) -> None:
    with Daemon("Quiet", **options) as daemon:
        assert daemon.end() == 2
    (line,) = daemon.stderr
    assert str(next(iter(options.values()))) in line


# ---- systemd ----------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
def test_ready_then_stopping_then_the_end(fake_systemd: FakeSystemd, root: str) -> None:
    with Daemon(root, systemd=fake_systemd) as daemon:
        (ready,) = fake_systemd.until("READY")
        assert ready == {
            "READY": "1",
            "MAINPID": str(daemon.process.pid),
            "STATUS": "1 thread, 0 restarts",
        }
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log
        told = fake_systemd.until("STATUS", "ended: shutdown")
    assert keys(told) == ["STOPPING", "STATUS"]


def test_ready_is_not_sent_before_enter_has_returned(fake_systemd: FakeSystemd) -> None:
    with Daemon("SlowStart", systemd=fake_systemd) as daemon:
        daemon.said("entering")
        daemon.send(signal.SIGTERM)  # during the start
        assert daemon.end() == 0, daemon.log
        told = fake_systemd.until("STATUS", "ended: shutdown")
    assert keys(told) == ["STOPPING", "STATUS"]


def test_no_ready_from_a_root_that_crashes_in_its_start(fake_systemd: FakeSystemd) -> None:
    with Daemon("CrashesInStart", systemd=fake_systemd) as daemon:
        assert daemon.end() == 1
    told = fake_systemd.until("STOPPING") + fake_systemd.until("STATUS")
    assert "READY" not in keys(told)
    assert told[-1]["STATUS"].startswith("ended: crash, ValueError: crashed on purpose")


@pytest.mark.parametrize(("root", "code"), [("EndsItself", 0), ("Crashes", 1)])
def test_stopping_is_sent_whoever_began_the_end(
    fake_systemd: FakeSystemd, root: str, code: int
) -> None:
    with Daemon(root, systemd=fake_systemd) as daemon:
        assert daemon.end() == code
    assert "STOPPING" in keys(fake_systemd.until("STOPPING"))


def test_stopping_is_sent_before_the_stop(fake_systemd: FakeSystemd) -> None:
    with Daemon("Stops", systemd=fake_systemd) as daemon:
        daemon.said("entered")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log
    told = keys(fake_systemd.until("X_EXIT"))
    assert told.index("STOPPING") < told.index("X_STOPPING") < told.index("X_EXIT")


def test_watchdog_covers_every_loop_of_the_tree(fake_systemd: FakeSystemd) -> None:
    with Daemon("Blocks", systemd=fake_systemd, watchdog=0.1) as daemon:
        for _ in range(3):
            fake_systemd.until("WATCHDOG")
        daemon.send(signal.SIGHUP)  # a child's loop is held up; root and operator turn
        fake_systemd.until("X_BLOCKED")
        # A sign of life may have been on its way already. A second's worth would be twenty.
        assert keys(fake_systemd.until("X_FREE")).count("WATCHDOG") <= 1
        for _ in range(3):
            fake_systemd.until("WATCHDOG")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log


def test_no_watchdog_where_none_is_wanted(fake_systemd: FakeSystemd) -> None:
    with Daemon("Stops", systemd=fake_systemd) as daemon:
        daemon.said("entered")
        daemon.send(signal.SIGTERM)  # it takes 0.3 s to stop
        daemon.end()
    assert "WATCHDOG" not in keys(fake_systemd.until("X_EXIT"))


def test_status_follows_the_tree(fake_systemd: FakeSystemd) -> None:
    with Daemon("InBackoff", systemd=fake_systemd) as daemon:
        daemon.said("child exited")
        found = fake_systemd.until("STATUS", "2 threads, 0 restarts, 1 down")
        assert keys(found)[0] == "READY"
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log


def test_a_blocked_loop_is_in_the_status(fake_systemd: FakeSystemd) -> None:
    with Daemon("BlocksItself", systemd=fake_systemd) as daemon:
        fake_systemd.until("READY")
        daemon.send(signal.SIGHUP)
        daemon.said("blocking")
        fake_systemd.until("STATUS", "reloading, 1 thread, 0 restarts, stuck: BlocksItself-1")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 70, daemon.log


def test_sighup_is_reloading_until_it_was_handled(fake_systemd: FakeSystemd) -> None:
    with Daemon("Reloads", systemd=fake_systemd) as daemon:
        fake_systemd.until("READY")
        daemon.send(signal.SIGHUP)
        told = fake_systemd.until("READY")
        assert keys(told) == ["RELOADING", "X_BEGUN", "X_DONE", "READY"]
        assert abs(int(told[0]["MONOTONIC_USEC"]) / 1e6 - monotonic()) < PATIENCE
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log


def test_a_systemd_that_is_gone_does_no_harm(fake_systemd: FakeSystemd) -> None:
    class Gone:
        address = "/nowhere/notify"

    with Daemon("EndsItself", systemd=Gone()) as daemon:  # type: ignore[arg-type]
        assert daemon.end() == 0
    assert daemon.log.count("systemd can't be told") == 1


# ---- OS signals -------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_it_in_order(root: str, number: signal.Signals) -> None:
    with Daemon(root) as daemon:
        daemon.said("entered")
        daemon.send(number)
        assert daemon.said("closed") == ["stopping", "closed"]
        assert daemon.end() == 0, daemon.log


def test_sigterm_before_there_is_a_root() -> None:
    with Daemon("tests.monitor.programs.slow:Root") as daemon:
        daemon.said("importing")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log
    assert daemon.log == ""


def test_sigterm_in_the_pause_before_a_restart() -> None:
    with Daemon("InBackoff") as daemon:
        daemon.said("child exited")
        daemon.send(signal.SIGTERM)
        begun = monotonic()
        daemon.said("closed")
        assert daemon.end() == 0, daemon.log
    assert monotonic() - begun < PATIENCE


def test_sigterm_in_the_enter_of_a_restart() -> None:
    with Daemon("InRestart") as daemon:
        daemon.said("entering again")
        daemon.send(signal.SIGTERM)
        daemon.said("closed")
        assert daemon.end() == 0, daemon.log


def test_second_sigterm_cuts_the_stop_short() -> None:
    with Daemon("HangsInExit") as daemon:
        daemon.said("entered")
        daemon.send(signal.SIGTERM)
        daemon.said("exiting")
        begun = monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 70
    assert monotonic() - begun < PATIENCE
    assert "exit__" in daemon.log


def test_stop_timeout_of_the_command_line_counts() -> None:
    with Daemon("HangsInExit", stop_timeout=0.3) as daemon:
        daemon.said("entered")
        begun = monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 70
    assert monotonic() - begun < PATIENCE


def test_deadline_of_the_stop_passes() -> None:
    with Daemon("HangsInStop") as daemon:
        daemon.said("entered")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 70
    assert "exit__" in daemon.log


@pytest.mark.parametrize("root", ROOTS)
def test_sighup_reloads(root: str) -> None:
    with Daemon(root) as daemon:
        daemon.said("entered")
        for _ in range(3):
            daemon.send(signal.SIGHUP)
            daemon.said("reloaded")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log


def test_sighup_that_finds_no_room_is_logged(fake_systemd: FakeSystemd) -> None:
    with Daemon("Deaf", systemd=fake_systemd, stop_timeout=1.0) as daemon:
        fake_systemd.until("READY")
        for _ in range(3):  # one is handled, one waits in the inbox; for the third is no room
            daemon.send(signal.SIGHUP)
            fake_systemd.until("RELOADING")
        daemon.logged("SIGHUP is lost")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 70
    assert daemon.log.count("SIGHUP is lost: the inbox of the root is full") == 1


@pytest.mark.parametrize("level", ["info", "error"])
def test_sigusr1_logs_the_tree_and_every_stack(level: str) -> None:
    with Daemon("InBackoff", log_format="json", log_level=level) as daemon:
        daemon.said("child exited")
        daemon.send(signal.SIGUSR1)
        daemon.logged("the tree and every stack")
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0
    (report,) = [line for line in map(json.loads, daemon.stderr) if line["logger"] == "Operator"]
    first, second = report["tree"].splitlines()
    assert first.startswith("InBackoff-1 InBackoff running")
    assert second.startswith("  InBackoff-1/Failing-1 Failing restarting")
    assert "ValueError: crashed on purpose" in second
    assert "task InBackoff-1/signals:" in report["stacks"]


# In the main thread a third signal breaks into the call, which is a crash.
@pytest.mark.parametrize(
    ("root", "told", "code"),
    [("BlocksItself", "asked by a signal", 70), ("BlocksItselfVirtual", "KeyboardInterrupt", 1)],
)
def test_sigusr1_shows_where_a_blocked_root_hangs(root: str, told: str, code: int) -> None:
    with Daemon(root) as daemon:
        daemon.said("entered")
        daemon.send(signal.SIGHUP)
        daemon.said("blocking")
        daemon.send(signal.SIGUSR1)
        daemon.logged("# the blocking line")
        daemon.insist(signal.SIGTERM, told)
        assert daemon.end() == code
    assert f"{root}-1 (running)" in daemon.log


# ---- the operator -----------------------------------------------------------------------------


def test_control_socket_answers_until_the_root_has_ended(folder: Path) -> None:
    path = folder / "run" / "quiet.sock"
    with Daemon("Quiet", control=str(path), name="quiet") as daemon:
        daemon.said("entered")
        with ControlClient(path) as client:
            hello = client.call("hello")
        assert (hello["name"], hello["pid"]) == ("quiet", daemon.process.pid)
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log
    assert not path.exists()


def test_control_socket_in_use_is_one_line(folder: Path) -> None:
    path = folder / "run" / "quiet.sock"
    with Daemon("Quiet", control=str(path)) as first:
        first.said("entered")
        with Daemon("Quiet", control=str(path)) as second:
            assert second.end() == 2
        first.send(signal.SIGTERM)
        assert first.end() == 0, first.log
    (line,) = second.stderr
    assert f"{path} is in use" in line


def test_dashboard_address_in_use_is_one_line() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Daemon("Quiet", dashboard=taken.getsockname()) as daemon,
    ):
        assert daemon.end() == 2
    (line,) = daemon.stderr
    assert "address already in use" in line.lower()


def test_dashboard_is_served() -> None:
    with Daemon("Quiet", dashboard=("127.0.0.1", 0)) as daemon:
        daemon.said("entered")
        assert "dashboard on http://127.0.0.1:" in daemon.log
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0, daemon.log
