"""kill -9 at random moments: nothing accepted is lost, and what has ended does not run again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.app.durable.things import ROUND

ROOT = Path(__file__).parents[3]
LONGEST = 0.12  # seconds from a life's first word to its end


def live(store: Path, life: int, seconds: float | None) -> list[str]:
    """One life of the victim: all that it said."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.app.durable.victim", str(store), str(life)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            word = line.decode().strip()
            if word == "B" and seconds is not None:
                killer = threading.Timer(seconds, process.kill)
                killer.start()
            said.append(word)
            if word.startswith("Z"):
                break
    finally:
        if seconds is None:
            said += process.stdout.read().decode().split("\n")
            assert process.wait(timeout=30) == 0
        else:
            killer.join()
            process.wait(timeout=30)
        process.stdout.close()
    return said


def on_disk(store: Path) -> dict[str, set[str]]:
    """The statuses of all runs of a name: a tick whose run is on disk, and its schedule's going on
    not yet, comes once more after a kill, and may find the first one under way."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        records = database.execute("SELECT value FROM record WHERE kind = 'run'").fetchall()
    runs = [json.loads(value) for (value,) in records]
    statuses: dict[str, set[str]] = {}
    for run in runs:
        if run["args"]:
            statuses.setdefault(run["args"][0], set()).add(run["status"])
    return statuses


def numbers(said: list[str], word: str) -> list[str]:
    return [line[2:] for line in said if line.startswith(f"{word} ")]


_OF_A_TICK = {"succeeded", "skipped"}


@pytest.mark.timeout(300)
def test_nothing_accepted_is_lost_and_what_has_ended_does_not_run_again(tmp_path: Path) -> None:
    seed = int(os.environ.get("TASK_THREAD_SEED", random.randrange(10**6)))
    print("seed", seed)
    luck = random.Random(seed)
    store = tmp_path / "victim.db"
    accepted: set[str] = set()
    ended: set[str] = set()
    attempts: Counter[str] = Counter()
    reminders: set[str] = set()
    reminded: set[str] = set()
    ticks = 0
    for life in range(ROUND):
        said = live(store, life, luck.uniform(0.0, LONGEST))
        again = set(numbers(said, "X")) & ended
        assert not again, f"ran again though its end was on disk: {sorted(again)[:5]}"
        accepted.update(numbers(said, "A"))
        ended.update(numbers(said, "E"))
        attempts.update(numbers(said, "X"))
        reminders.update(numbers(said, "R"))
        reminded.update(numbers(said, "Y"))
        ticks += said.count("T")
    said = live(store, ROUND, None)
    assert not set(numbers(said, "X")) & ended
    attempts.update(numbers(said, "X"))
    ended.update(numbers(said, "E"))
    reminded.update(numbers(said, "Y"))
    assert [line for line in said if line.startswith("Z")] == ["Z 0"]
    assert len(accepted) > ROUND, "the lives were too short to show anything"
    statuses = on_disk(store)
    lost = {name for name in accepted if statuses.get(name) != {"succeeded"}}
    assert not lost, f"lost: {sorted(lost)[:5]}"
    assert ended <= set(statuses)
    assert set(attempts) >= accepted
    assert ticks, "no tick came"
    assert reminders
    assert reminders <= reminded, f"not reminded: {sorted(reminders - reminded)[:5]}"
    assert all("succeeded" in statuses[name] <= _OF_A_TICK for name in reminders)
    # What ran more often than it needed was under way, unfinished on disk, when its life ended:
    # not more of them than there were lives, times what can be under way between two commits.
    needed = {name: 2 if int(name.partition("/")[2]) % 4 == 3 else 1 for name in attempts}
    surplus = sum(attempts[name] - needed[name] for name in attempts)
    assert surplus >= 0, "an attempt is missing"
    print(f"{len(accepted)} accepted, {sum(attempts.values())} attempts, {surplus} repeats")
