"""A fake systemd, daemons as processes, and records of what was logged."""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from tests.support.journal import PATIENCE, Journal
from tests.support.programs import ROOT

Message = dict[str, str]


class FakeSystemd:
    """The end of a notification socket that systemd holds."""

    def __init__(self, *, abstract: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="systemd-")
        path = str(Path(self._folder.name, "notify"))
        self.address = f"@{path}" if abstract else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path}" if abstract else path)
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="systemd")

    def __enter__(self) -> FakeSystemd:
        self._reader.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._reader.join()
        self._socket.close()
        self._folder.cleanup()

    def _read(self) -> None:
        while data := self._socket.recv(65536):
            self._messages.put(dict(line.split("=", 1) for line in data.decode().split("\n")))

    def until(self, key: str, value: str | None = None) -> list[Message]:
        """What comes up to the first message with that key (and value), which is the last one."""
        found: list[Message] = []
        while True:
            try:
                found.append(self._messages.get(timeout=PATIENCE))
            except queue.Empty:
                raise TimeoutError(f"no {key} in {found}") from None
            if key in found[-1] and value in (None, found[-1][key]):
                return found

    def rest(self) -> list[Message]:
        """What has come by now."""
        found: list[Message] = []
        while not self._messages.empty():
            found.append(self._messages.get())
        return found


def keys(messages: list[Message]) -> list[str]:
    """What each message is about: its first key."""
    return [next(iter(message)) for message in messages]


class Daemon:
    """A process that serves a tree of tests/monitor/programs."""

    def __init__(
        self,
        target: str,
        *args: str,
        systemd: FakeSystemd | None = None,
        watchdog: float | None = None,
        **options: Any,
    ) -> None:
        environment = dict(os.environ)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        if systemd is not None:
            environment["NOTIFY_SOCKET"] = systemd.address
        if watchdog is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.monitor.programs.run",
                target if "." in target else f"tests.monitor.programs.trees:{target}",
                json.dumps(args),
                json.dumps(options),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Read all the time: a pipe that is full would hold the daemon up.
        self.stderr: list[str] = []
        self._changed = threading.Condition()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._log)),
        ]

    @staticmethod
    def _read(stream: Any, take: Any) -> None:
        for line in stream:
            take(line.rstrip("\n"))

    def _log(self, line: str) -> None:
        with self._changed:
            self.stderr.append(line)
            self._changed.notify_all()

    def __enter__(self) -> Daemon:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def said(self, line: str) -> list[str]:
        """Wait until `line` is on its stdout; returns all up to it."""
        found: list[str] = []
        while line not in found:
            try:
                found.append(self._lines.get(timeout=PATIENCE))
            except queue.Empty:
                raise TimeoutError(f"{line!r} not in {found}, {self.stderr}") from None
        return found

    def logged(self, text: str) -> None:
        """Wait until `text` is on its stderr."""
        with self._changed:
            if not self._changed.wait_for(lambda: text in "\n".join(self.stderr), PATIENCE):
                raise TimeoutError(f"{text!r} not in {self.log}")

    def send(self, number: signal.Signals) -> None:
        """Send it an OS signal."""
        self.process.send_signal(number)

    def insist(self, number: signal.Signals, text: str) -> None:
        """Send it that OS signal again and again, until `text` is on its stderr: of two that come
        at once it would notice one."""
        limit = monotonic() + PATIENCE
        with self._changed:
            while text not in self.log:
                assert monotonic() < limit, self.log
                self.send(number)
                self._changed.wait(0.1)

    def end(self) -> int:
        """Wait for its end, and for all that it has said; returns the exit code."""
        code = self.process.wait(3 * PATIENCE)
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    @property
    def log(self) -> str:
        """Its stderr."""
        return "\n".join(self.stderr)


class LogJournal(logging.Handler):
    """Writes what a logger is told into a journal, as (level, text before the first pair)."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()
        self.lines: list[tuple[float, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.lines.append((monotonic(), text))
        self.journal((record.levelname, re.split(r" \w+=", text)[0]))


@contextmanager
def logged(name: str) -> Iterator[LogJournal]:
    """What the logger of that name is told meanwhile, from INFO on."""
    logger, handler = logging.getLogger(name), LogJournal()
    earlier = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(earlier)
