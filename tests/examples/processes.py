"""Examples as processes of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
"""Seconds after which a process is taken to hang."""
SLOW = re.compile(r"^Executing <.* took [\d.]+ seconds\n", re.MULTILINE)


def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run this Python with `arguments` in the project's folder, to its end.

    Warnings count as errors, as they do in the tests themselves. That a loop was slow is none of
    the program's: it is said where the machine has other things to do.
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    done.stderr = SLOW.sub("", done.stderr)
    return done


def start(arguments: Sequence[str], stderr: IO[str]) -> subprocess.Popen[str]:
    """Start it, and read its output line by line as it comes."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def figure(output: str, name: str) -> int:
    """The whole number that stands behind `name` at the start of a line of `output`."""
    found = re.search(rf"^{re.escape(name)} +([\d,]+)", output, re.MULTILINE)
    assert found, f"no line {name!r} in:\n{output}"
    return int(found[1].replace(",", ""))
