"""The ingest in this process: what it takes, and where that goes."""

from __future__ import annotations

import os
import queue
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from examples.ingest import Ingest
from examples.ingest import ingest as ingest_module
from examples.ingest.__main__ import parser
from examples.ingest.places import Changed, Places, mark_of, move
from task_thread import errors
from task_thread.flows import FlowChanged, FlowInfo, FlowState

from .processes import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = 20.0


@contextmanager
def ingest(home: Path, sweep: float = 300.0) -> Iterator[Watched]:
    with Watched(home, sweep) as app:
        yield app


class Watched(Ingest):
    """Tells of its flows."""

    def initVars__(self) -> None:
        super().initVars__()
        self.seen: queue.SimpleQueue[FlowInfo] = queue.SimpleQueue()

    async def enter__(self) -> None:
        self.subscribe(FlowChanged, callback=self._note)
        await super().enter__()

    def _note(self, event: FlowChanged) -> None:
        self.seen.put(event.info)

    def next(self, *states: FlowState) -> FlowInfo:
        """The next flow that comes to one of these states."""
        while True:
            info = self.seen.get(timeout=TIMEOUT)
            if info.state in states:
                return info

    def waiting(self) -> FlowInfo:
        return self.next(FlowState.WAIT)

    def look_now(self) -> None:
        self._look.add_task().wait(timeout=TIMEOUT)


def put(home: Path, name: str, content: bytes = b"content") -> Path:
    """A file comes in whole: a look that meets it half written would take that as well."""
    path = Places(home).incoming / name
    unfinished = path.with_name(f"{name}.part")
    unfinished.write_bytes(content)
    return unfinished.replace(path)


def rows(home: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(Places(home).index)) as database:
        return database.execute("SELECT name, state, place FROM files ORDER BY name").fetchall()


def test_a_file_that_is_written_is_taken_when_it_is_closed(tmp_path: Path) -> None:
    with ingest(tmp_path) as app:
        app.look_now()
        path = app.places.incoming / "clip.mp4"
        with path.open("wb") as file:
            file.write(b"half")
            file.flush()
            assert app.list() == []
            file.write(b" and half")
        info = app.waiting()
        assert info.reason == "is clip.mp4 the right one? 13 bytes"
        app.resume(info.id, confirmed=True)
        assert app.wait(info.id, TIMEOUT) == {"place": f"archive/{info.id}-clip.mp4"}
    assert rows(tmp_path) == [("clip.mp4", "archived", f"archive/{info.id}-clip.mp4")]


def test_a_file_that_is_moved_in_is_taken(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"moved")
    with ingest(tmp_path) as app:
        os.replace(tmp_path / "elsewhere", app.places.incoming / "moved.txt")
        assert "moved.txt" in app.waiting().reason


def test_what_is_there_at_the_start_is_taken(tmp_path: Path) -> None:
    Places(tmp_path).make()
    put(tmp_path, "early.txt")
    with ingest(tmp_path) as app:
        assert "early.txt" in app.waiting().reason


def test_what_no_event_tells_of_is_found_by_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"linked")
    with ingest(tmp_path, sweep=0.05) as app:
        app.look_now()
        os.link(tmp_path / "elsewhere", app.places.incoming / "linked.txt")
        assert "linked.txt" in app.waiting().reason


def test_without_events_the_sweep_finds_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "watch", lambda folder, found: None)
    with ingest(tmp_path, sweep=0.05) as app:
        put(tmp_path, "clip.mp4")
        assert "clip.mp4" in app.waiting().reason


def test_what_is_no_complete_file_is_left_alone(tmp_path: Path) -> None:
    Places(tmp_path).make()
    for name in (".hidden", "clip.part", "clip.tmp", "clip~"):
        put(tmp_path, name)
    (tmp_path / "incoming" / "folder").mkdir()
    (tmp_path / "incoming" / "link").symlink_to(put(tmp_path, "clip.mp4"))
    with ingest(tmp_path) as app:
        app.look_now()
        app.take(tmp_path / "incoming" / "gone")
        assert "clip.mp4" in app.waiting().reason
        assert len(app.list()) == 1


def test_a_file_that_is_found_again_has_one_flow(tmp_path: Path) -> None:
    with ingest(tmp_path) as app:
        put(tmp_path, "clip.mp4")
        first = app.waiting()
        app.look_now()
        assert [info.id for info in app.list()] == [first.id]
    with ingest(tmp_path) as app:
        app.look_now()
        assert [info.id for info in app.list()] == [first.id]
        app.resume(first.id, confirmed=True)
        app.wait(first.id, TIMEOUT)
    with ingest(tmp_path) as app:  # it has ended: it is not begun anew
        app.look_now()
        assert app.list() == []


def test_the_same_content_under_the_same_name_later_is_another_file(tmp_path: Path) -> None:
    places = set()
    with ingest(tmp_path) as app:
        for _ in range(2):
            put(tmp_path, "clip.mp4")
            info = app.waiting()
            app.resume(info.id, confirmed=True)
            places.add(app.wait(info.id, TIMEOUT)["place"])
    assert len(places) == len(os.listdir(tmp_path / "archive")) == len(rows(tmp_path)) == 2


def test_only_a_yes_is_a_yes(tmp_path: Path) -> None:
    with ingest(tmp_path) as app:
        put(tmp_path, "clip.mp4")
        info = app.waiting()
        for answer in ({}, {"confirmed": False}, {"confirmed": "no"}):
            app.resume(info.id, **answer)
            assert app.waiting().reason == info.reason
        with pytest.raises(TypeError, match="'confirm'"):
            app.resume(info.id, confirm=True)


def test_rejected_goes_another_way(tmp_path: Path) -> None:
    with ingest(tmp_path) as app:
        put(tmp_path, "clip.mp4", b"blurred")
        info = app.waiting()
        app.resume(info.id, rejected="blurred")
        spawned = app.next(FlowState.SPAWN)
        assert (spawned.reason, spawned.child != "") == ("rejected: blurred", True)
        place = f"rejected/{info.id}-clip.mp4"
        assert app.wait(info.id, TIMEOUT) == {"rejected": "blurred", "place": place}
    assert (tmp_path / place).read_bytes() == b"blurred"
    assert rows(tmp_path) == [("clip.mp4", "rejected: blurred", place)]


def test_a_file_that_changes_while_it_waits_fails_and_has_a_new_flow(tmp_path: Path) -> None:
    with ingest(tmp_path) as app:
        path = put(tmp_path, "clip.mp4")
        old = app.waiting()
        with path.open("ab") as file:
            file.write(b" and more")
        new = app.waiting()
        assert new.id != old.id
        app.resume(old.id, confirmed=True)
        with pytest.raises(errors.FlowFailed, match="was written to, after it was found"):
            app.wait(old.id, TIMEOUT)
        app.cancel(old.id, "its file has changed")
        app.resume(new.id, confirmed=True)
        app.wait(new.id, TIMEOUT)
    assert [path.read_bytes() for path in Places(tmp_path).archive.iterdir()] == [
        b"content and more"
    ]


def test_a_move_is_made_once(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"one")
    mark = mark_of(source.lstat())
    move(source, target, mark)
    move(source, target, mark)
    source.write_bytes(b"another")
    move(source, target, mark)
    assert (source.read_bytes(), target.read_bytes()) == (b"another", b"one")
    target.unlink()
    with pytest.raises(Changed):
        move(source, target, mark)
    source.unlink()
    with pytest.raises(FileNotFoundError):
        move(source, target, mark)


def test_help_teaches() -> None:
    done = run(["-m", "examples.ingest", "--help"])
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("HOME/incoming", "confirmed=true", "kill -9", "--sweep S"):
        assert word in done.stdout


@pytest.mark.parametrize("wrong", [[], ["home", "--sweep", "0"], ["home", "--dashboard", "x"]])
def test_wrong_arguments_are_told(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(wrong)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err
