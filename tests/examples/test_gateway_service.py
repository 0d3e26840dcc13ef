"""The gateway as a daemon: what the environment says, and what a reload does."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from examples.gateway.gateway import Options
from examples.gateway.service import Service, options_from
from task_thread.signals import ReloadSignal, Request, Signal

from .processes import PATIENCE, ROOT
from .test_gateway_crashes import finish, good

TIMEOUT = 10.0


def test_without_variables() -> None:
    assert options_from({}) == Options(
        database=Path("readings.db"), port=9000, http_port=9001, dashboard_port=9002
    )


def test_with_variables() -> None:
    assert options_from(
        {
            "GATEWAY_DATABASE": "/var/lib/gateway/%Y.db",
            "GATEWAY_PORT": "0",
            "GATEWAY_HTTP_PORT": "80",
            "GATEWAY_DASHBOARD_PORT": "65535",
            "GATEWAY_SAMPLE": "0",
        }
    ) == Options(
        database=Path("/var/lib/gateway/%Y.db"),
        port=0,
        http_port=80,
        dashboard_port=65535,
        sample=False,
    )


@pytest.mark.parametrize("text", ["", "x", "-1", "65536", "8e3", "٨٠"])
def test_what_is_no_port(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HTTP_PORT", text)
    with pytest.raises(SystemExit) as caught:
        Service()
    assert caught.value.code == f"GATEWAY_HTTP_PORT is a port from 0 to 65535, not {text!r}"


def test_what_is_no_answer_to_whether_to_sample() -> None:
    with pytest.raises(ValueError, match="GATEWAY_SAMPLE is 0 or 1, not 'yes'"):
        options_from({"GATEWAY_SAMPLE": "yes"})


class Done(Request[None]):
    """Asked behind another signal: is that one handled?"""


class Answering(Service):
    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Done):
            signal.reply(None)
        return await super().signalHandler__(signal)


def test_a_reload_begins_another_file_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE", str(tmp_path / "readings-%f.db"))
    monkeypatch.setenv("GATEWAY_SAMPLE", "0")
    for name in ("GATEWAY_PORT", "GATEWAY_HTTP_PORT", "GATEWAY_DASHBOARD_PORT"):
        monkeypatch.setenv(name, "0")
    with Answering() as service:
        before = service.database.thread.file
        send(service, 1)
        asyncio.run(reload(service))
        after = service.database.thread.file
        send(service, 2)
    assert before != after
    # The first row was read before the reload, and may still have been on its way.
    assert values_in(before) + values_in(after) == [1, 2]
    assert values_in(after)[-1] == 2
    assert (service.database.generation, service.database.restarts) == (2, 0)


def values_in(database: Path) -> list[float]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT value FROM readings ORDER BY id").fetchall()
    return [value for (value,) in rows]


def send(service: Service, value: float) -> None:
    send_to(service.address, value)


def send_to(address: tuple[str, int], value: float) -> None:
    with socket.create_connection(address, TIMEOUT) as connection:
        connection.sendall(good(value))
        finish(connection)


async def reload(service: Service) -> None:
    await service.insertSignal(ReloadSignal())
    await service.ask(Done(), TIMEOUT)


def test_as_a_daemon(tmp_path: Path) -> None:
    """``task-thread run``, a reload by SIGHUP and an end by SIGTERM."""
    pytest.importorskip("typer")
    command = ["-m", "task_thread.cli", "run", "--control", "none"]
    ports = ("GATEWAY_PORT", "GATEWAY_HTTP_PORT", "GATEWAY_DASHBOARD_PORT")
    environment = {
        **os.environ,
        **dict.fromkeys(ports, "0"),
        "GATEWAY_SAMPLE": "0",
        "GATEWAY_DATABASE": str(tmp_path / "readings-%f.db"),
    }
    with subprocess.Popen(
        [sys.executable, *command, "examples.gateway.service:Service"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"Server: listening on (127\.0\.0\.1):(\d+)", line):
                    address = found[1], int(found[2])
                    send_to(address, 1)
                    process.send_signal(signal.SIGHUP)
                elif "writing to" in line:
                    send_to(address, 2)
                    process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()  # where it did not end by itself: else nobody here would either
    files = sorted(tmp_path.glob("readings-*.db"))
    assert len(files) == 2
    assert sorted(value for path in files for value in values_in(path)) == [1, 2]
