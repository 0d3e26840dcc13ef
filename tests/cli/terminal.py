"""A terminal for a program to run in: its keys, its picture, its modes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from time import monotonic
from types import TracebackType
from typing import Any

from tests.support.programs import PATIENCE, ROOT

HOME, CONTROL = "\x1b[H", re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ALTERNATE, ORDINARY, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


class Terminal:
    """A pseudo-terminal in which a program runs as the leader of a session of its own."""

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], *, width: int, height: int
    ) -> None:
        self._master, slave = pty.openpty()
        self._output = ""
        self.resize(width, height)
        self._slave = slave
        self.before = termios.tcgetattr(slave)
        take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        self.process = subprocess.Popen(
            # The terminal has to become that of the session; then the program takes over.
            [sys.executable, "-c", take + "os.execv(sys.argv[1], sys.argv[1:])", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._slave)
        os.close(self._master)

    def resize(self, width: int, height: int) -> None:
        """Make it another size. The program is told if it is there."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._master, keys.encode())

    def modes(self) -> list[Any]:
        """The terminal's modes now."""
        return termios.tcgetattr(self._slave)

    @property
    def output(self) -> str:
        """All that was written until now."""
        self._read(0)
        return self._output

    @property
    def picture(self) -> list[str]:
        """The lines of the last whole picture; none where there is none."""
        pictures = self.output.split(HOME)
        if len(pictures) < 3:
            return []
        return [line.rstrip() for line in CONTROL.sub("", pictures[-2]).split("\r\n")]

    def shows(self, what: Callable[[list[str]], bool]) -> list[str]:
        """Wait until it shows a picture of which that is true, and return the picture.

        :raises AssertionError: it does not, within the tests' patience.
        """
        end = monotonic() + PATIENCE
        while not what(self.picture):
            assert self._read(end - monotonic()), (
                f"it shows: {self.picture}, {self._output[-500:]!r}"
            )
        return self.picture

    def writes(self, what: str) -> None:
        """Wait until it has written `what`.

        :raises AssertionError: it does not, within the tests' patience.
        """
        end = monotonic() + PATIENCE
        while what not in self._output:
            assert self._read(end - monotonic()), f"{what!r} is not in {self._output[-500:]!r}"

    def ended(self) -> int:
        """Wait for the program's end, and return its exit code."""
        code = self.process.wait(PATIENCE)
        while self._read(0):
            pass
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send an OS signal to the program."""
        self.process.send_signal(number)

    def _read(self, timeout: float) -> bool:
        """Take in what comes next; whether something did."""
        if not select.select([self._master], [], [], max(0.0, timeout))[0]:
            return False
        with contextlib.suppress(OSError):
            self._output += os.read(self._master, 65536).decode("utf-8", "replace")
        return True
