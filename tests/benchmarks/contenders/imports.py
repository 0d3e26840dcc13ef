"""What an import costs: timed inside an interpreter that has imported nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
LAYERS = ("app", "flows", "monitor", "testing", "cli")
TIMED = """\
from time import perf_counter
began = perf_counter()
import {names}
print((perf_counter() - began) * 1e3)
"""
COUNTED = f"""\
import sys
import task_thread
above = [name for name in sys.modules if name.split(".")[:1] == ["task_thread"]]
print(sum(name.split(".")[1] in {LAYERS} for name in above if "." in name))
"""


def ours(_size: int) -> float:
    """Milliseconds to import task_thread."""
    return _answer(TIMED.format(names="task_thread"))


def ingredients(_size: int) -> float:
    """Milliseconds to import what the core stands on."""
    return _answer(TIMED.format(names="asyncio, structlog, janus"))


def layers_loaded(_size: int) -> float:
    """How many modules above the core `import task_thread` has loaded."""
    return _answer(COUNTED)


def _answer(program: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    # The first run sees to it that the bytecode is there, as it is for an installed package.
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
    return float(done.stdout)
