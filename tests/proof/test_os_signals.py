"""SIGTERM and SIGINT to a real process under load: it ends in order, and its sums agree."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.proof.trees import PATIENCE

ROOT = Path(__file__).parents[2]
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@contextmanager
def flooding(mode: str, sums: Path) -> Iterator[subprocess.Popen[str]]:
    """The program, killed where it has not ended by itself."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.proof.programs.flood", mode, str(sums)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said.strip() == line:
            return
    pytest.fail(f"it ended before it said {line!r}: {process.communicate()}")


def send_after(process: subprocess.Popen[str], seconds: float, number: signal.Signals) -> None:
    threading.Timer(seconds, process.send_signal, (number,)).start()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and what it said on stderr."""
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said


def check_sums(sums: dict[str, Any]) -> None:
    up = sums["up"]
    assert up["sent"] == up["accepted"] == up["handled"] == up["got"], up
    assert up["dead"] == 0
    for down in sums["down"]:
        assert down["sent"] == down["accepted"] == down["handled"] + down["dead"], down
        assert down["handled"] == down["got"], down
        assert down["reason"] == "shutdown"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("repetition", range(4))
def test_ends_in_order_under_load(
    rng: random.Random, tmp_path: Path, number: signal.Signals, repetition: int
) -> None:
    rng.seed(f"{rng.random()} {number} {repetition}")
    sums = tmp_path / "sums"
    with flooding("few", sums) as process:
        wait_for_line(process, "ready")
        send_after(process, rng.uniform(0, 0.3), number)
        code, said = ended(process)
    assert code == 0, said
    assert "Traceback" not in said
    written = json.loads(sums.read_text(encoding="utf-8"))
    assert len(written["down"]) == 4
    check_sums(written)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("repetition", range(4))
def test_during_start(
    rng: random.Random, tmp_path: Path, number: signal.Signals, repetition: int
) -> None:
    """Children are being started; some run already, others never will."""
    rng.seed(f"{rng.random()} {number} {repetition}")
    sums = tmp_path / "sums"
    with flooding("many", sums) as process:
        wait_for_line(process, "entering")
        send_after(process, rng.uniform(0, 0.05), number)
        code, said = ended(process)
    assert code == 0, said
    assert "Traceback" not in said
    if sums.exists():  # its enter__ had returned: so exit__ was owed
        check_sums(json.loads(sums.read_text(encoding="utf-8")))


@pytest.mark.parametrize("number", SIGNALS)
def test_while_enter_waits(tmp_path: Path, number: signal.Signals) -> None:
    sums = tmp_path / "sums"
    with flooding("hang-in-enter", sums) as process:
        wait_for_line(process, "entering")
        begun = monotonic()
        process.send_signal(number)
        code, said = ended(process)
    assert code == 0, said
    assert monotonic() - begun < 2.0
    assert "Traceback" not in said
    assert not sums.exists()


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_one_cuts_short(
    tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    sums = tmp_path / "sums"
    with flooding("hang-in-stop", sums) as process:
        wait_for_line(process, "ready")
        process.send_signal(first)
        wait_for_line(process, "stopping")
        begun = monotonic()
        process.send_signal(second)
        code, said = ended(process)
    assert monotonic() - begun < 2.0
    assert code == 70, said
    assert "stopping__ was cut off" in said
    # Cut short is not cut off: the floods were counted to the end all the same.
    check_sums(json.loads(sums.read_text(encoding="utf-8")))


def test_a_storm_of_signals(rng: random.Random, tmp_path: Path) -> None:
    """Someone leans on Ctrl-C: it ends as after the second one."""
    for _ in range(3):
        sums = tmp_path / "sums"
        with flooding("hang-in-stop", sums) as process:
            wait_for_line(process, "ready")
            begun = monotonic()
            for _ in range(20):
                send_after(process, rng.uniform(0, 0.3), rng.choice(SIGNALS))
            code, said = ended(process)
        assert monotonic() - begun < 2.0
        assert code == 70, said
        assert "Traceback" not in said
        check_sums(json.loads(sums.read_text(encoding="utf-8")))
