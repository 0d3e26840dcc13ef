"""The ingest is killed with kill -9 and started again at every step: all is done, and done once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import pytest

from examples.ingest.places import Places
from examples.ingest.watching import watch

from .processes import PATIENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIRMED = {"confirmed": True}
REJECTED = {"rejected": "blurred"}

# Every step of a flow: what is written to the store, with the place of a task that gave its result.
WHEN = ("before", "after")
TO_THE_END = ["RUNNING", "RUNNING0", "RUNNING1", "WAIT", "CHECK", "RUNNING2", "DONE3"]
REJECTED_FROM_THERE = ["CHECK", "SPAWN", "DONE0", "DONE3"]

INSIDE = ["sha256", "note", "wait", "move", "replace", "tell_place"]
INSIDE_REJECTED = ["spawn", "move", "replace", "tell_place"]


class Row(NamedTuple):
    """What the index says of a file."""

    flow: str
    name: str
    size: int
    sha256: str
    state: str
    place: str


@pytest.fixture
def home(tmp_path: Path) -> Places:
    places = Places(tmp_path / "home")
    places.make()
    return places


def put(home: Places, *names: str) -> dict[str, bytes]:
    """Files come in, and what is in them."""
    contents = {name: f"{name} ".encode() * random.randrange(1, 300_000) for name in names}
    for name, content in contents.items():
        (home.incoming / f"{name}.part").write_bytes(content)
        os.replace(home.incoming / f"{name}.part", home.incoming / name)
    return contents


def arguments(home: Places, point: str, answer: Mapping[str, object] | None) -> list[str]:
    module = "tests.examples.ingest_victim"
    return [sys.executable, "-W", "error", "-m", module, str(home.home), point, json.dumps(answer)]


def live(home: Places, point: str, answer: Mapping[str, object] | None) -> str:
    """One life of the process.

    :returns: the point at which it was killed; "" where it has ended by itself, and well.
    """
    done = subprocess.run(
        arguments(home, point, answer),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    died = done.stdout.strip()
    assert done.returncode == (-signal.SIGKILL if died else 0), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return died


def check(home: Places, contents: dict[str, bytes], *, rejected: bool = False) -> None:
    """Each file is in its folder once, whole, and in the index once, with its checksum."""
    with closing(sqlite3.connect(home.index)) as database:
        rows = [Row(*row) for row in database.execute("SELECT * FROM files ORDER BY name")]
    assert [row.name for row in rows] == sorted(contents)
    folder, state = (home.rejected, "rejected: blurred") if rejected else (home.archive, "archived")
    for row in rows:
        content = contents[row.name]
        assert (row.size, row.sha256) == (len(content), sha256(content).hexdigest())
        assert row.state == state
        assert home.home / row.place == folder / f"{row.flow}-{row.name}"
        assert (home.home / row.place).read_bytes() == content
    assert len(os.listdir(home.archive)) + len(os.listdir(home.rejected)) == len(contents)
    assert os.listdir(home.incoming) == []


def test_killed_before_and_after_each_commit(home: Places) -> None:
    contents = put(home, "clip.mp4")
    died = []
    for _ in TO_THE_END:
        died += [live(home, "before", CONFIRMED), live(home, "after", CONFIRMED)]
    assert died == [f"{when} {step}" for step in TO_THE_END for when in WHEN]
    assert live(home, "never", CONFIRMED) == ""
    check(home, contents)


def test_rejected_and_killed_before_and_after_each_commit(home: Places) -> None:
    contents = put(home, "clip.mp4")
    assert live(home, "after WAIT", None) == "after WAIT"
    died = []
    for _ in REJECTED_FROM_THERE:
        died += [live(home, "before", REJECTED), live(home, "after", REJECTED)]
    assert died == [f"{when} {step}" for step in REJECTED_FROM_THERE for when in WHEN]
    assert live(home, "never", REJECTED) == ""
    check(home, contents, rejected=True)


@pytest.mark.parametrize("answer", [CONFIRMED, REJECTED], ids=["confirmed", "rejected"])
def test_killed_inside_the_steps(home: Places, answer: Mapping[str, object]) -> None:
    contents = put(home, "clip.mp4")
    calls = INSIDE if answer is CONFIRMED else INSIDE_REJECTED
    for name in calls:
        for when in WHEN:
            if (when, name) not in (("after", "move"), ("after", "replace")):  # they have a test
                assert live(home, f"{when} {name}", answer) == f"{when} {name}"
    assert live(home, "never", answer) == ""
    check(home, contents, rejected=answer is REJECTED)


def test_killed_when_the_file_was_moved_and_nobody_knows(home: Places) -> None:
    contents = put(home, "clip.mp4")
    assert live(home, "after replace", CONFIRMED) == "after replace"
    assert os.listdir(home.incoming) == []
    # Another file of that name comes now. The step that runs again leaves it alone: it has a flow
    # of its own, which waits.
    later = put(home, "clip.mp4")["clip.mp4"]
    assert live(home, "after WAIT", None) == "after WAIT"
    assert [path.read_bytes() for path in home.archive.iterdir()] == [contents["clip.mp4"]]
    assert (home.incoming / "clip.mp4").read_bytes() == later
    assert live(home, "never", CONFIRMED) == ""
    archived = sorted(path.read_bytes() for path in home.archive.iterdir())
    assert archived == sorted([later, contents["clip.mp4"]])


def command(*arguments: str) -> str:
    """What ``task-thread`` says."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "task_thread.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the test needs events of a folder")
def test_confirmed_while_it_does_not_run(home: Places, tmp_path: Path) -> None:
    contents = put(home, "clip.mp4")
    assert live(home, "after WAIT", None) == "after WAIT"
    (flow,) = json.loads(command("flows", "ls", str(home.flows), "--json"))["flows"]
    assert (flow["state"], flow["key"]) == ("WAIT", "confirm")
    command("flows", "resume", str(home.flows), flow["id"], "confirmed=true")
    archived = threading.Event()
    watching = watch(home.archive, lambda path: archived.set())
    assert watching is not None
    program = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "examples.ingest", str(home.home)],
        cwd=ROOT,
        env={**os.environ, "TASK_THREAD_RUN_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert archived.wait(PATIENCE)
        program.terminate()
        _, said = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        watching.stop()
    assert (program.returncode, "Traceback" in said) == (0, False), said
    check(home, contents)


def test_killed_at_any_time_with_many_files(home: Places) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    contents: dict[str, bytes] = {}
    for life in range(8):
        process = subprocess.Popen(
            arguments(home, "never", CONFIRMED), cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        with process:
            try:
                contents |= put(home, *(f"{life}-{number}.bin" for number in range(4)))
                process.wait(chance.uniform(0.3, 0.9))
            except subprocess.TimeoutExpired:
                pass
            finally:
                process.kill()
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
    assert live(home, "never", CONFIRMED) == ""
    check(home, contents)
