"""Daemons in processes of their own, and the command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.programs import PATIENCE, ROOT

COMMAND = [sys.executable, "-m", "task_thread.cli"]


class Daemon:
    """`task-thread run` of tests.cli.program, ready when the block begins, ended after it.

    :param target: another class to run, which says "ready" too.
    """

    def __init__(
        self, name: str, folder: Path, *args: str, target: str = "tests.cli.program:Tree"
    ) -> None:
        self.name = name
        self.folder = folder
        self.path = folder / f"{name}.sock"
        self.environment = {**os.environ, "TASK_THREAD_RUN_DIR": str(folder)}
        self._arguments = [*COMMAND, "run", target, *args, "--name", name]

    def __enter__(self) -> Daemon:
        self.process = subprocess.Popen(
            self._arguments,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", line + self.process.communicate(timeout=PATIENCE)[1]
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=PATIENCE)
        assert not self.path.exists()

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode

    def command(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `task-thread` to its end, where this daemon can be found."""
        return subprocess.run(
            [*COMMAND, *args],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
