"""Programs as processes of their own, as a user would start them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds after which a process is taken to hang."""


def arguments(source: str) -> list[str]:
    """What starts `source` as a program in the project's folder."""
    return [sys.executable, "-c", textwrap.dedent(source)]


def run_program(source: str) -> subprocess.CompletedProcess[str]:
    """Run `source` to its end."""
    return subprocess.run(
        arguments(source), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def start_program(source: str) -> subprocess.Popen[str]:
    """Start `source`; its output is read line by line as it comes."""
    return subprocess.Popen(
        arguments(source), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
