"""The datagrams for systemd, and the unit file that the documentation shows."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from task_thread.monitor.systemd import is_there, notify, watchdog_seconds
from tests.monitor.support import FakeSystemd
from tests.support.programs import ROOT

UNIT = ROOT / "docs" / "how-to" / "files" / "gateway.service"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_nothing_happens_without_systemd(environment: pytest.MonkeyPatch) -> None:
    assert not is_there()
    assert not notify(READY=1)
    environment.setenv("NOTIFY_SOCKET", "")
    assert not is_there()
    assert not notify(READY=1)


def test_one_datagram_with_a_line_for_each(
    environment: pytest.MonkeyPatch, fake_systemd: FakeSystemd
) -> None:
    environment.setenv("NOTIFY_SOCKET", fake_systemd.address)
    assert is_there()
    assert notify(READY=1, STATUS="two\nlines  are\ud800 one", MAINPID=7)
    (message,) = fake_systemd.until("READY")
    assert message == {"READY": "1", "STATUS": "two lines are? one", "MAINPID": "7"}


def test_a_socket_that_is_not_there(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with pytest.raises(FileNotFoundError):
        notify(READY=1)


def test_no_descriptor_is_left(environment: pytest.MonkeyPatch, fake_systemd: FakeSystemd) -> None:
    environment.setenv("NOTIFY_SOCKET", fake_systemd.address)
    before = os.listdir("/proc/self/fd")
    for _ in range(10):
        notify(WATCHDOG=1)
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(OSError, match="too long"):
        notify(STATUS="x" * 10_000_000)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("3000000", None, 3.0),
        ("500000", str(os.getpid()), 0.5),
        ("3000000", "1", None),  # another process is meant
        ("3000000", "nobody", None),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_watchdog_seconds(
    environment: pytest.MonkeyPatch,
    microseconds: str | None,
    pid: str | None,
    seconds: float | None,
) -> None:
    if microseconds is not None:
        environment.setenv("WATCHDOG_USEC", microseconds)
    if pid is not None:
        environment.setenv("WATCHDOG_PID", pid)
    assert watchdog_seconds() == seconds


# ---- the unit file ----------------------------------------------------------------------------


def settings() -> dict[str, str]:
    lines = UNIT.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_unit_says_what_the_daemon_relies_on() -> None:
    unit = settings()
    assert unit["Type"] == "notify"
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert unit["NotifyAccess"] == "main"
    assert "task-thread run " in unit["ExecStart"]
    assert unit["WatchdogSec"]
    assert unit["Restart"] == "on-failure"
    assert unit["RestartPreventExitStatus"] == "2"


def test_unit_is_verified_by_systemd(tmp_path: Path) -> None:
    """systemd knows every setting, and finds nothing to complain about."""
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("no systemd-analyze here: install systemd to have the unit verified")
    # The program and the user of the file are the reader's; these are there.
    text = UNIT.read_text().replace("/opt/gateway/venv/bin/task-thread", "/bin/true")
    copy = tmp_path / "gateway.service"
    copy.write_text(text)
    done = subprocess.run(
        [verifier, "verify", "--man=no", "--recursive-errors=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "gateway.service" in line]
    assert (done.returncode, complaints) == (0, [])


def test_an_abstract_address_is_no_file(environment: pytest.MonkeyPatch) -> None:
    with FakeSystemd(abstract=True) as systemd:
        environment.setenv("NOTIFY_SOCKET", systemd.address)
        assert not os.path.exists(systemd.address[1:])
        assert notify(X=1)
        systemd.until("X")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), pytest.raises(ConnectionRefusedError):
        notify(X=1)
