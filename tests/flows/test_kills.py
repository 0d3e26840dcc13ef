"""kill -9 at random moments: nothing accepted is lost, no committed step runs again, and in the end
every flow is done, with the right results and a history without a gap."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from task_thread.flows.history import MOVES
from task_thread.flows.words import FlowState
from tests.flows.programs.tasks import ROUTINES, key_of

ROOT = Path(__file__).parents[2]
LIVES = int(os.environ.get("TASK_THREAD_KILLS", "25"))
LONGEST = 0.2  # seconds from a life's first word to its end
STARTING = 0.8  # seconds within which a life that is killed in its start has begun


class Killer:
    """What all lives together have said, held to what can't be."""

    def __init__(self, store: Path, luck: random.Random) -> None:
        self.store = store
        self.luck = luck
        self.accepted: dict[str, str] = {}
        self.by_key: dict[str, str] = {}
        self.resumed: dict[str, set[int]] = defaultdict(set)
        self.steps: Counter[str] = Counter()
        self.last: dict[str, tuple[str, int]] = {}
        self.begun: Counter[tuple[str, str, str]] = Counter()
        self.numbers = 0
        self.is_over = False

    def live(self, life: int) -> None:
        """One life; all but the last end with a kill."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.flows.programs.victim",
             str(self.store), str(life), str(LIVES)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        killer: threading.Timer | None = None
        if life < LIVES and self.luck.random() < 0.2:
            killer = threading.Timer(self.luck.uniform(0.0, STARTING), process.kill)
            killer.start()
        assert process.stdout is not None
        for line in process.stdout:
            words = line.decode().split()
            if words == ["B"] and killer is None and life < LIVES:
                killer = threading.Timer(self.luck.uniform(0.0, LONGEST), process.kill)
                killer.start()
            self.hear(words, process)
        if killer is not None:
            killer.join()
        code = process.wait(timeout=30)
        assert code == (0 if life == LIVES else -9)
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.close()

    def hear(self, words: list[str], process: subprocess.Popen[bytes]) -> None:
        match words:
            case ["A", run_id, key]:
                self.accepted[run_id] = key
                if key != "-":
                    assert self.by_key.setdefault(key, run_id) == run_id
            case ["X", run_id, key, word]:
                self.begins(run_id, key, word)
            case ["C", run_id, state, position, steps]:
                assert int(steps) >= self.steps[run_id], "what was on disk is gone"
                self.steps[run_id] = int(steps)
                self.last[run_id] = state, int(position)
                if state == "WAIT":
                    self.answer(run_id, process)
            case ["R", run_id, number]:
                self.resumed[run_id].add(int(number))
            case ["Z"]:
                self.is_over = True
            case ["B"]:
                pass
            case _:
                raise AssertionError(f"it said {words}")

    def begins(self, run_id: str, key: str, word: str) -> None:
        """A task begins: one that is not behind what is on disk."""
        self.begun[run_id, key, word] += 1
        state, position = self.last.get(run_id, ("RUNNING", 0))
        index = int(key.partition("-")[0])
        what = f"{word} of {key} of {run_id}, which was in {state} at {position}"
        assert index >= position, what
        if index == position:  # that it has come further may be told a moment after it began
            assert state != "SPAWN", what
            assert word == "check" or state not in ("WAIT", "CHECK"), what

    def answer(self, run_id: str, process: subprocess.Popen[bytes]) -> None:
        """Have it resumed. One that polls takes no number, and says so."""
        self.numbers += 1
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{run_id} {self.numbers}\n".encode())
            process.stdin.flush()


class OnDisk:
    """What the file has in the end."""

    def __init__(self, store: Path) -> None:
        with contextlib.closing(sqlite3.connect(store)) as database:
            records = database.execute(
                "SELECT kind, key, value FROM record ORDER BY key"
            ).fetchall()
        self.flows = {key: json.loads(value) for kind, key, value in records if kind == "flow"}
        self.histories: dict[str, list[Any]] = defaultdict(list)
        for kind, key, value in records:
            if kind == "flow-step":
                self.histories[key.partition("/")[0]].append(json.loads(value))

    def children(self, run_id: str) -> list[str]:
        return [key for key, flow in self.flows.items() if flow.get("parent", "") == run_id]


@pytest.mark.timeout(120 + 3 * LIVES)
def test_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("TASK_THREAD_SEED", random.randrange(10**6)))
    print(f"TASK_THREAD_SEED={seed}")
    killer = Killer(tmp_path / "victim.db", random.Random(seed))
    for life in range(LIVES + 1):
        killer.live(life)
    assert killer.is_over
    disk = OnDisk(killer.store)
    assert set(killer.accepted) <= set(disk.flows), "an accepted flow is lost"
    assert len(killer.accepted) > LIVES, "the lives were too short to show anything"
    for run_id in disk.flows:
        check_flow(run_id, disk, killer)
    calls = sum(killer.begun.values())
    needed = sum(needed_by(run_id, disk) for run_id in disk.flows)
    assert calls >= needed
    print(f"{len(disk.flows)} flows, {calls} calls, {calls - needed} of them not needed")


def check_flow(run_id: str, disk: OnDisk, killer: Killer) -> None:
    flow, history = disk.flows[run_id], disk.histories[run_id]
    assert flow["state"] == "DONE"
    assert [step["number"] for step in history] == list(range(flow["steps"]))
    states = [FlowState(step["state"]) for step in history]
    assert all(after in MOVES[before] for before, after in pairwise(states))
    positions = [step["position"] for step in history]
    assert positions == sorted(positions)
    name = flow["routine"].partition("@")[0]
    results = {
        key_of(step["position"], ROUTINES[name][step["position"]]): step["result"]
        for step in history if "result" in step
    }  # fmt: skip
    assert len(results) == len(ROUTINES[name])
    for index, cls in enumerate(ROUTINES[name]):
        key = key_of(index, cls)
        assert killer.begun[run_id, key, "perform"] >= (2 if cls.__name__ == "Fails" else 1)
        check_result(cls.__name__, index, results, results[key])
    spawned = [step["child"] for step in history if step["state"] == "SPAWN"]
    assert disk.children(run_id) == spawned, "a child was spawned that nobody waited for"
    for child, key in zip(spawned, ["1-Spawns"], strict=False):
        assert results[key] == disk.histories[child][-1]["result"]
    given = [step["given"]["number"] for step in history if step["state"] == "CHECK"]
    assert killer.resumed[run_id] <= set(given), "a resume that was accepted is lost"
    assert len(given) == len(set(given))


def check_result(cls: str, index: int, results: dict[str, Any], result: Any) -> None:
    if cls in ("InThread", "Pauses", "Fails"):
        assert result == index
    elif cls == "First":
        assert result[1] == index
    elif cls == "Asks":
        assert result["number"] % 3 != 0
    elif cls == "Polls":
        assert result == {}
    elif cls == "Last":
        before = dict(list(results.items())[:-1])
        assert result["results"] == before


def needed_by(run_id: str, disk: OnDisk) -> int:
    """How many calls its history needs; polls that found nothing are not in it."""
    flow, history = disk.flows[run_id], disk.histories[run_id]
    classes = [cls.__name__ for cls in ROUTINES[flow["routine"].partition("@")[0]]]
    checks = [step["state"] for step in history].count("CHECK")
    return len(classes) + classes.count("Fails") + classes.count("Polls") + checks
