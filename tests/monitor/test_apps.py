"""The TaskApps of a tree in its snapshot; and a tree without any, which pays nothing for it."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from task_thread import TaskThread
from task_thread.app import AppStatistics, Interval, RunStatus, TaskApp
from task_thread.core.handle import Handle
from task_thread.monitor import apps, snapshot
from task_thread.monitor.apps import ENDINGS, NOTE_LIMIT, app_to_json
from task_thread.monitor.operator import picture
from task_thread.monitor.snapshot import to_json
from tests.monitor.apps import Mail
from tests.support.journal import PATIENCE
from tests.support.programs import ROOT
from tests.support.threads import Plain


class Post(TaskThread):
    """A root with an app that is supervised, and a child that is none."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        super().__init__()

    def getId(self) -> str:
        return "post"

    async def enter__(self) -> None:
        self.app: Handle[TaskApp] = await self.spawn(
            TaskApp, "mail", threads=2, processes=1, tasks=self.mail.tasks, name="mail"
        )
        await self.spawn(Plain, name="plain")

    async def stopping__(self) -> None:
        self.mail.let_go()


def part(root: TaskThread) -> dict[str, Any]:
    """The app part of the first child."""
    whole = json.loads(json.dumps(to_json(snapshot(root)), allow_nan=False))
    found: dict[str, Any] = whole["children"][0]["app"]
    return found


def lane(app: dict[str, Any], executor: str) -> dict[str, Any]:
    lanes: dict[str, dict[str, Any]] = {each["executor"]: each for each in app["lanes"]}
    return lanes[executor]


def test_queues_and_runs_under_way() -> None:
    mail = Mail()
    with Post(mail) as post:
        mail.under_way("to ann", "to bob", "to cy")
        for _ in range(2):
            mail.send.add_task("later", priority=200)  # LOW: never in the reserves
        mail.note.add_task(delay=3600)
        mail.note.add_task().wait(PATIENCE)  # behind them in the intake: they are in their queue
        app = part(post)
        assert app["name"] == "mail"
        assert (app["tasks"], app["scheduled"], app["delayed"]) == (3, 0, 1)
        assert app["durable"] is False
        assert [each["executor"] for each in app["lanes"]] == ["loop", "thread", "process"]
        assert lane(app, "thread") == {
            "executor": "thread", "size": 2, "most": 4, "running": 3, "queued": 2, "abandoned": 0,
        }  # fmt: skip
        assert lane(app, "process")["running"] == lane(app, "process")["queued"] == 0
        assert app["ended"] == dict.fromkeys(ENDINGS, 0) | {"succeeded": 1}
        assert [run["note"] for run in app["runs"]] == ["to ann", "to bob", "to cy"]
        first = app["runs"][0]
        assert 0 <= first.pop("seconds") < PATIENCE
        assert first.pop("id")
        assert first == {
            "task": "send", "name": "send mail", "executor": "thread", "attempt": 1,
            "done": 3, "total": 10, "share": 0.3, "note": "to ann",
        }  # fmt: skip
        assert "runs 3, queued 2, delayed 1" in picture(snapshot(post))
        mail.let_go()


def test_how_runs_ended() -> None:
    mail = Mail()
    with Post(mail) as post:
        for _ in range(2):
            with pytest.raises(ValueError, match="on purpose"):
                mail.fail.add_task().wait(PATIENCE)
        (run,) = mail.under_way("to ann")
        run.cancel()
        with pytest.raises(Exception, match="was cancelled"):
            run.wait(PATIENCE)
        mail.note.add_task().wait(PATIENCE)  # the loop has turned: its thread was let go of
        app = part(post)
        ended = {"failed": 2, "cancelled": 1, "succeeded": 1}
        assert app["ended"] == dict.fromkeys(ENDINGS, 0) | ended
        assert app["runs"] == []
        # Its call goes on in its thread, and nobody waits for it.
        assert lane(app, "thread")["abandoned"] == 1
        mail.let_go()


def test_scheduled_tasks_are_counted() -> None:
    mail = Mail()
    mail.note.reschedule(Interval(seconds=3600))
    with Post(mail) as post:
        assert part(post)["scheduled"] == 1


def test_every_ending_there_is_is_told() -> None:
    assert set(ENDINGS) == {status.value for status in RunStatus if status.is_final}


def test_only_apps_have_the_key() -> None:
    mail = Mail()
    with Post(mail) as post:
        whole = snapshot(post)
        assert [node.app is not None for node in whole.walk()] == [False, True, False]
        assert ["app" in each for each in _flat(to_json(whole))] == [False, True, False]
        assert isinstance(whole.children[0].app, AppStatistics)


def _flat(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [data, *(each for child in data["children"] for each in _flat(child))]


def test_an_app_before_and_after_its_life() -> None:
    app = TaskApp("mail", threads=2)
    before = to_json(snapshot(app))["app"]
    with app:
        pass
    after = to_json(snapshot(app))["app"]
    assert before["runs"] == after["runs"] == []
    assert [each["running"] for each in after["lanes"]] == [0, 0, 0]


def test_a_restarted_app_counts_anew() -> None:
    mail = Mail()
    with Post(mail) as post:
        mail.note.add_task().wait(PATIENCE)
        assert part(post)["ended"]["succeeded"] == 1
        asyncio.run(post.app.restart())
        assert part(post)["ended"]["succeeded"] == 0
        assert snapshot(post).children[0].statistics.generation == 2


class Rude:
    """Is no number, and has no text."""

    def __float__(self) -> float:
        raise LookupError("no number")

    def __str__(self) -> str:
        raise LookupError("no text")


@pytest.mark.parametrize(
    ("done", "total", "told"),
    [
        (0, None, (0, None, None)),
        (2.5, 10, (2.5, 10, 0.25)),
        (12, 10, (12, 10, 1.0)),
        (-1, 10, (-1, 10, 0.0)),
        (3, 0, (3, 0, None)),
        (math.nan, 10, (None, 10, None)),
        (3, math.inf, (3, None, None)),
        (10**400, 10, (None, 10, None)),
        (Decimal("1.5"), 3, (1.5, 3, 0.5)),
        ("three", 10, (None, 10, None)),
        (Rude(), Rude(), (None, None, None)),
        (1e308, 1e-308, (1e308, 1e-308, 1.0)),
    ],
)
def test_progress_may_be_anything(done: Any, total: Any, told: tuple[Any, Any, Any]) -> None:
    mail = Mail()
    with Post(mail) as post:
        mail.under_way("odd", done=done, total=total)
        (run,) = part(post)["runs"]
        assert (run["done"], run["total"], run["share"]) == told
        mail.let_go()


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("x" * 5000, "x" * NOTE_LIMIT),
        ("half a pair \ud800", "half a pair \ud800"),
        (None, "None"),
        (Rude(), "<Rude>"),
    ],
    ids=["long", "surrogate", "none", "rude"],
)
def test_notes_may_be_anything(note: Any, told: str) -> None:
    mail = Mail()
    with Post(mail) as post:
        mail.under_way(note)
        (run,) = part(post)["runs"]
        assert run["note"] == told
        mail.let_go()


def test_a_clock_that_is_set_back_gives_no_negative_seconds() -> None:
    mail = Mail()
    with Post(mail) as post:
        mail.under_way("to ann")
        seen = snapshot(post).children[0].app
        assert seen is not None
        earlier = AppStatistics(
            **{
                **{name: getattr(seen, name) for name in AppStatistics.__slots__},
                "at": datetime(2000, 1, 1, tzinfo=UTC),
            }
        )
        assert app_to_json(earlier)["runs"][0]["seconds"] == 0.0
        mail.let_go()


def test_a_snapshot_of_an_app_at_work() -> None:
    """Runs begin and end all the time while it is looked at, from another thread."""
    mail, stop = Mail(), threading.Event()
    mail.let_go()
    with Post(mail) as post:

        def work() -> None:
            while not stop.is_set():
                mail.send.add_task("x").wait(PATIENCE)
                mail.note.add_task().wait(PATIENCE)

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        try:
            before = 0
            for _ in range(300):
                app = part(post)
                assert sum(app["ended"].values()) >= before
                before = sum(app["ended"].values())
                assert lane(app, "thread")["running"] <= 4
        finally:
            stop.set()
            for worker in workers:
                worker.join()


def test_a_class_that_is_half_imported_is_no_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "task_thread.app.app", type(sys)("task_thread.app.app"))
    assert apps.reader() is None


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith("task_thread.app") or name.split(".")[0] in ("anyio", "cronsim"):
            raise AssertionError(name)

sys.meta_path.insert(0, Refuse())
from task_thread import TaskThread
from task_thread.monitor import Dashboard, apps, snapshot
from task_thread.monitor.metrics import render
from task_thread.monitor.snapshot import to_json

with TaskThread() as root:
    assert apps.reader() is None
    data = to_json(snapshot(root))
    assert list(data)[-1] == "children", list(data)
    assert b"task_thread_app" not in render(snapshot(root))
print("fine")
"""


def test_a_tree_without_apps_loads_nothing_for_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
