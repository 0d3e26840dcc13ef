"""What was acknowledged is there after a kill -9 at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import selectors
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.app.store.helpers import ROOT, opened
from tests.app.store.writer import PARTS, is_sealed

ROUNDS = int(os.environ.get("TASK_THREAD_KILLS", "50"))
SEED = 20
LONGEST = 0.15  # seconds that a writer lives after its first word


class Lines:
    """The lines of a pipe, as far as they have come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest = descriptor, b""
        os.set_blocking(descriptor, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, selectors.EVENT_READ)

    def until(self, deadline: float, last: str | None = None) -> list[str]:
        """Those that come until `deadline`, or until that one has."""
        lines: list[str] = []
        while (left := deadline - time.monotonic()) > 0:
            if not self._selector.select(left):
                break
            data = os.read(self._descriptor, 65536)
            assert data != b"", "the writer has ended"
            *whole, self._rest = (self._rest + data).split(b"\n")
            lines += [line.decode() for line in whole]
            if last is not None and last in lines:
                break
        return lines

    def close(self) -> None:
        self._selector.close()


def kill_one(process: subprocess.Popen[bytes], lines: Lines, seed: int, life: float) -> list[str]:
    """One round: what a writer has acknowledged before it was killed."""
    assert process.stdin is not None
    process.stdin.write(b"%d\n" % seed)
    process.stdin.flush()
    said: list[str] = []
    deadline = time.monotonic() + 20
    while not any(line.startswith("pid ") for line in said):
        said += lines.until(min(deadline, time.monotonic() + 0.01))
        assert time.monotonic() < deadline
    pid = int(next(line for line in said if line.startswith("pid ")).split()[1])
    said += lines.until(time.monotonic() + life)
    os.kill(pid, signal.SIGKILL)
    said += lines.until(deadline, "dead")
    assert said[-1] == "dead"
    return [line for line in said if line != "dead" and not line.startswith("pid ")]


async def check(path: Path, acknowledged: set[str]) -> None:
    async with opened(path) as store:
        there: dict[str, list[int]] = {}
        for key, value in await store.live("run"):
            name, _, part = key.partition("/")
            there.setdefault(name, []).append(int(part))
            assert is_sealed(value), f"{key} is not what was written"
            assert value[32:].startswith(name.encode())
        for name, parts in there.items():
            assert parts == list(range(PARTS)), f"of {name} there is but {parts}"
    counts: dict[str, set[int]] = {}
    for name in there:
        writer, _, count = name.rpartition("-")
        counts.setdefault(writer, set()).add(int(count))
    for name in acknowledged:
        writer, _, count = name.rpartition("-")
        assert max(counts.get(writer, {-1})) >= int(count), f"{name} was acknowledged, and is lost"
    for writer, found in counts.items():
        last = max(found)
        expected = set(range(last + 1))
        if not writer.endswith("j"):  # each from the seventh on has deleted the fifth before it
            expected -= set(range(1, last - 4))
        assert found == expected, f"{writer} wrote one after the other, up to {last}"


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    path = tmp_path / "mail.db"
    acknowledged: set[str] = set()
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("writer.py")), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        lines = Lines(process.stdout.fileno())
        try:
            for round_ in range(ROUNDS):
                said = kill_one(process, lines, round_, dice.random() * LONGEST)
                assert [line for line in said if line.startswith("!")] == []
                acknowledged.update(said)
                if round_ % 5 == 4 or round_ == ROUNDS - 1:
                    asyncio.run(check(path, acknowledged))
        finally:
            process.kill()
            lines.close()
    assert len(acknowledged) > 5 * ROUNDS, "the writers were to get somewhere"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
