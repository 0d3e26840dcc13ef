"""``task-thread flows`` against daemons, and files that nobody or somebody else has.

The daemons are processes; so is the command where a test says ``outside``, and else a call of it:
it takes half a second to start.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from typer.testing import CliRunner

from task_thread.cli.app import app
from task_thread.flows.reading import StoreReader
from tests.cli.daemons import COMMAND, Daemon
from tests.support.programs import PATIENCE, ROOT


class Place:
    """A folder with a store and sockets, and the command in it."""

    outside = False
    said = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "flows.db"
        self.notes = folder / "notes"
        self.environment = {**os.environ, "TASK_THREAD_RUN_DIR": str(folder)}

    def daemon(self, name: str = "media", cls: str = "Media", *options: str) -> Daemon:
        """A daemon that has the store, when its block begins."""
        target = f"tests.cli.flowing:{cls}"
        return Daemon(name, self.folder, str(self.store), *options, target=target)

    @contextmanager
    def killed(self) -> Iterator[Daemon]:
        """A daemon that is killed at the end of the block. Its socket stays behind."""
        daemon = self.daemon().__enter__()
        try:
            yield daemon
        finally:
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.communicate(timeout=PATIENCE)
        assert daemon.path.exists()

    def run(self, *args: object, code: int = 0) -> str:
        """Run `task-thread flows`; stdout, or stderr where it is to fail."""
        words = ["flows", *map(str, args)]
        if self.outside:
            done = subprocess.run(
                [*COMMAND, *words], cwd=ROOT, env={**self.environment, "COLUMNS": "200"},
                capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False,
            )  # fmt: skip
            found = done.returncode, done.stdout, done.stderr
        else:
            result = CliRunner().invoke(app, words, prog_name="task-thread", env={"COLUMNS": "200"})
            found = result.exit_code, result.stdout, result.stderr
        self.code, out, self.said = found
        assert self.code == code, found
        assert "Traceback" not in self.said
        assert "\x1b" not in out
        return out if code == 0 else self.said

    def json(self, *args: object) -> Any:
        """The same, with --json."""
        return json.loads(self.run(*args, "--json"))

    def until(self, where: object, run_id: str, state: str) -> dict[str, Any]:
        """What `show` says, asked until the flow is in that state."""
        limit = monotonic() + PATIENCE
        while True:
            found: dict[str, Any] = self.json("show", where, run_id)
            if found["flow"]["state"] == state:
                return found
            assert monotonic() < limit, found


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A folder of the test's own. Not tmp_path, which may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="tt-") as made:
        monkeypatch.setenv("FLOWING_NOTES", f"{made}/notes")
        monkeypatch.setenv("TASK_THREAD_RUN_DIR", made)
        yield Place(Path(made))


# ---- a daemon -------------------------------------------------------------------------------


def test_a_flow_of_a_daemon_from_its_begin_to_its_end(place: Place) -> None:
    place.outside = True
    with place.daemon():
        id = place.run("submit", "media", "ingest", "clip.mp4", "3", "tags=[1, null]").strip()
        place.until("media", id, "WAIT")
        listed = place.run("ls")
        assert id in listed
        assert "2/3 confirm" in listed
        assert r"is it the right \x1b[31mone?" in listed
        assert listed.endswith("Not ended for good: 1 WAIT\n")
        shown = place.run("show", "media", id)
        assert ">  2  confirm" in shown
        assert "fetch the file" in shown
        assert 'submitted "clip.mp4" 3 tags=[1, null]' in shown
        assert f"{id} is in" in place.run("resume", "media", id, "note=all good", "confirmed=no")
        place.until("media", id, "WAIT")
        place.run("resume", "media", id, "confirmed=true", "note=all good")
        found = place.until("media", id, "DONE")
        assert [row["state"] for row in found["history"]] == [
            "RUNNING", "RUNNING", "WAIT", "CHECK", "WAIT", "CHECK", "RUNNING", "DONE",
        ]  # fmt: skip
        assert found["history"][3]["arguments"] == {"note": "all good", "confirmed": "no"}
        assert found["history"][6]["result"] == {"confirmed": True, "note": "all good"}
        assert place.run("ls", "media") == ""
        assert id in place.run("ls", "media", "--ended")
        assert id in place.run("ls", "media", "--state", "done", "--routine", "ingest")
        assert "is in DONE" in place.run("resume", "media", id, code=1)
        assert "had ended before: it is in DONE" in place.run("cancel", "media", id, code=1)


def test_a_flow_that_failed_and_one_with_a_child(place: Place) -> None:
    (place.folder / "notes.fail").touch()
    with place.daemon():
        id = place.run("submit", "media", "open").strip()
        place.until("media", id, "FAIL")
        assert "OSError: the disk is gone" in place.run("ls", "media")
        assert "a traceback of" in place.run("show", "media", id)
        assert 'raise OSError("the disk is gone")' in place.run("show", "media", id, "--traceback")
        (place.folder / "notes.fail").unlink()
        assert "without keywords" in place.run("resume", "media", id, "x=1", code=1)
        place.run("resume", "media", id)
        assert place.until("media", id, "DONE")["history"][-1]["result"] == "opened"

        parent = place.run("submit", "media", "apart", "--key", "k").strip()
        assert place.run("submit", "media", "apart", "--key", "k").strip() == parent
        child = place.until("media", parent, "SPAWN")["flow"]["child"]
        assert place.until("media", child, "WAIT")["flow"]["parent"] == parent
        said = place.run("cancel", "media", parent[:9], "--reason", "enough")
        assert said == f"{parent} is in CANCELLED\n"
        assert place.until("media", child, "CANCELLED")["flow"]["reason"].endswith("was cancelled")


def test_a_store_that_a_daemon_has_is_asked_for_there(place: Place) -> None:
    with place.daemon():
        id = place.run("submit", place.store, "ingest", "a").strip()
        assert place.until(f"sqlite:///{place.store}", id, "WAIT")
        assert place.json("ls", place.store)["app"] == "media"  # it answers itself
        place.run("resume", place.store, id, "confirmed=true")
        place.until("media", id, "DONE")


def test_what_is_refused_is_one_line(place: Place) -> None:
    with place.daemon():
        refused = {
            ("show", "media", "nobody"): "there is no flow 'nobody'",
            ("show", "media", ""): "there is no flow ''",
            ("submit", "media", "sing"): "there is no routine 'sing'",
            ("resume", "media", "nobody", "a=1"): "there is no flow 'nobody'",
            ("ls", "nowhere"): "no daemon 'nowhere': there is media; nor is there a store",
            ("ls", "/no/where.db"): "no such socket; nor is there a store of that name",
            ("ls", "media", "--state", "SLEEP"): "there is no state 'SLEEP'",
            ("ls", "media", "--app", "mail"): "no FlowApp 'mail' in this tree",
            ("submit", "media", "ingest", "x" * 70_000): "a line has at most 65536 bytes",
            ("ls", "sqlite:////no/where.db"): "there is no store /no/where.db",
            ("resume", "sqlite:////no/where.db", "x"): "there is no store /no/where.db",
        }
        for args, says in refused.items():
            told = place.run(*args, code=1)
            assert says in told
            assert told.startswith("task-thread: ")
            assert told.count("\n") == 1
        for args, says in {
            ("ls", "sqlite://flows.db"): "three slashes",
            ("ls", "media", "--limit", "0"): "--limit",
            ("resume", "media", "x", "nothing"): "is no NAME=VALUE",
            ("resume", "media", "x", "a=1", "a=2"): "a is given twice",
            ("show", "media"): "Missing argument",
            ("drop", "media"): "No such command",
        }.items():
            assert says in place.run(*args, code=2)


def test_with_two_apps_one_is_named(place: Place) -> None:
    with place.daemon("both", "Both"):
        told = place.run("ls", "both", code=1)
        assert "several apps have flows, say which app: " in told
        id = place.run("submit", "both", "fetch", "--app", "two").strip()
        place.until(f"{place.store}.two", id, "DONE")
        assert place.json("ls", "both", "--ended", "--app", "two")["flows"][0]["id"] == id
        assert place.json("ls", "both", "--ended", "--app", "one")["flows"] == []


def test_a_daemon_without_flows(place: Place) -> None:
    with Daemon("plain", place.folder) as daemon:
        told = daemon.command("flows", "ls", "plain")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == "task-thread: there is no FlowApp in this tree\n"


# ---- a file at rest -------------------------------------------------------------------------


def rested(place: Place) -> tuple[str, str]:
    """A store whose daemon was stopped: one flow waits there, another has failed."""
    (place.folder / "notes.fail").touch()
    with place.daemon():
        waiting = place.run("submit", "media", "ingest", "a").strip()
        failed = place.run("submit", "media", "open").strip()
        place.until("media", waiting, "WAIT")
        place.until("media", failed, "FAIL")
    (place.folder / "notes.fail").unlink()
    return waiting, failed


def test_a_file_at_rest_is_seen_and_changed_and_the_app_goes_on(place: Place) -> None:
    waiting, failed = rested(place)
    listed = place.json("ls", place.store)
    assert [flow["id"] for flow in listed["flows"]] == [waiting, failed]
    assert listed["counts"] == {"FAIL": 1, "WAIT": 1}
    assert 'raise OSError("the disk is gone")' in place.run(
        "show", place.store, failed, "--traceback"
    )
    place.run("resume", place.store, waiting, "confirmed=true")
    place.run("resume", place.store, failed)
    begun = place.run("submit", f"sqlite:///{place.store}", "ingest", "b", "n=1").strip()
    gone = place.run("submit", place.store, "ingest", "--key", "k").strip()
    assert place.run("cancel", place.store, gone) == f"{gone} is in CANCELLED\n"
    assert place.json("ls", place.store)["counts"] == {"CHECK": 1, "RUNNING": 2}
    notes = place.notes.read_text()
    with place.daemon():
        assert place.until("media", waiting, "DONE")["history"][3]["state"] == "CHECK"
        place.until("media", failed, "DONE")
        found = place.until("media", begun, "WAIT")
        assert found["history"][1]["result"] == {"args": ["b"], "kwargs": {"n": 1}}
        assert place.until("media", gone, "CANCELLED")["flow"]["steps"] == 2
    # Nothing that was committed has run again.
    after = place.notes.read_text()[len(notes) :].splitlines()
    assert sorted(after) == sorted(
        [
            f"perform archive {waiting}", f"perform open {failed}", f"perform fetch {begun}",
            f"perform confirm {begun}",
        ]
    )  # fmt: skip


def test_what_is_refused_at_rest_changes_nothing(place: Place) -> None:
    waiting, failed = rested(place)
    before = place.json("ls", place.store)
    refused = {
        ("resume", failed, "x=1"): "without keywords",
        ("resume", "nobody"): "there is no flow 'nobody'",
        ("resume", ""): "there is no flow ''",
        ("submit", "sing"): "knows no routine 'sing': there is apart, ingest, open",
        ("submit", waiting): "was submitted before",
        ("cancel", "nobody"): "there is no flow",
    }
    for (word, *rest), says in refused.items():
        assert says in place.run(word, place.store, *rest, code=1)
    assert "leave --app out" in place.run("ls", place.store, "--app", "media", code=2)
    assert place.json("ls", place.store) == before


def test_the_file_of_a_daemon_that_was_killed(place: Place) -> None:
    place.outside = True
    with place.killed():
        id = place.run("submit", "media", "ingest", "a").strip()
        place.until("media", id, "WAIT")
    assert place.json("show", place.store, id)["flow"]["state"] == "WAIT"
    assert "1 WAIT" in place.run("ls", place.store)
    place.run("resume", place.store, id, "confirmed=true")
    (place.folder / "media.sock").unlink()
    with place.daemon():
        place.until("media", id, "DONE")
    assert place.notes.read_text().split().count("confirm") == 1


def test_a_file_whose_program_can_not_be_asked_is_read_and_not_changed(place: Place) -> None:
    with place.daemon("media", "Media", "--control", "none") as daemon:
        listed = place.json("ls", place.store)
        assert (listed["app"], listed["flows"]) == (None, [])
        for args in (("resume", "x"), ("cancel", "x"), ("submit", "ingest")):
            told = place.run(args[0], place.store, *args[1:], code=1)
            assert f"is in use by process {daemon.process.pid}" in told
            assert "control socket" in told
            assert told.count("\n") == 1


def test_reading_leaves_the_file_free_for_a_daemon(place: Place) -> None:
    waiting, _ = rested(place)
    with StoreReader(str(place.store)) as store, place.daemon():
        place.run("cancel", "media", waiting)
        assert store.view(waiting).info.state == "CANCELLED"


def test_files_that_are_no_stores(place: Place) -> None:
    for name, content in {"empty.db": b"", "text.db": b"some text\n" * 100}.items():
        file = place.folder / name
        file.write_bytes(content)
        for word in ("ls", "cancel"):
            args = (file,) if word == "ls" else (file, "x")
            told = place.run(word, *args, code=1)
            assert "it is empty" in told or "damaged, or no database" in told
        assert file.read_bytes() == content
    other = place.folder / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    assert "database of another program" in place.run("ls", other, code=1)
    waiting, failed = rested(place)
    connection = sqlite3.connect(place.store)
    connection.execute("UPDATE record SET value = x'ff' WHERE kind = 'flow' AND key = ?", (failed,))
    connection.commit()
    connection.close()
    listed = place.run("ls", place.store)
    assert (waiting in listed, failed in listed) == (True, False)
    assert f"flow {failed} can't be read" in place.said
    assert "can't be read" in place.run("show", place.store, failed, code=1)
    assert "can't be read" in place.run("cancel", place.store, failed, code=1)


# ---- run --actions --------------------------------------------------------------------------


def test_actions_without_a_dashboard_are_wrong_usage(place: Place) -> None:
    words = ["run", "tests.cli.flowing:Media", str(place.store), "--actions"]
    result = CliRunner().invoke(app, words, prog_name="task-thread")
    assert result.exit_code == 2
    assert "--actions" in result.stderr
