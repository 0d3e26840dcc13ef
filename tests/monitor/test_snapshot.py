"""A tree at one moment, as data and as JSON."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from time import process_time
from typing import Any

import pytest

from task_thread import (
    Backoff,
    ExitReason,
    State,
    TaskThread,
    VirtualThread,
    reCreate,
    reSchedule,
)
from task_thread.core.turns import TurnSelector
from task_thread.monitor import Node, snapshot
from task_thread.monitor.snapshot import root_of, to_json
from task_thread.monitor.tree import find, places
from tests.support.journal import Journal
from tests.support.threads import Plain, Recorder, forever, message


class Failing(VirtualThread):
    """Crashes with its first signal."""

    async def signalHandler__(self, signal: object) -> None:
        raise ValueError("on purpose")


class Family(Recorder):
    """Two supervised children, and two that are not, started in between."""

    async def enter__(self) -> None:
        await Plain(parent=self).run()
        self.failing = await self.spawn(
            Failing, name="failing", backoff=Backoff(initial=60.0, maximum=60.0)
        )
        await Recorder(self.journal, "a/b", parent=self).run()
        await self.spawn(Plain, name="steady")
        self.tasks.wait = await reCreate(None, forever)


def paths(node: Node) -> list[str]:
    return [each.path for each in node.walk()]


async def test_supervised_children_first_and_parents_before_children(journal: Journal) -> None:
    async with Family(journal, "root") as root:
        plain = str(root.findChild(_class=Plain))
        seen = snapshot(root)
        assert paths(seen) == [
            "root",
            "root/failing",
            "root/steady",
            f"root/{plain}",
            "root/a/b",
        ]
        assert seen.statistics.tasks[0].name == "wait"
        assert [each.path for each in places(root)] == paths(seen)


async def test_one_that_is_down_keeps_its_place(journal: Journal) -> None:
    async with Family(journal, "root") as root:
        before = paths(snapshot(root))
        root.failing.post(message("crash"))
        await journal.seen(("root", ("childExited__", "failing", "crash")))
        while not root.failing.restarting:  # it is told before its supervisor has decided
            await root.failing._news.wait_once(0.01)
        seen = snapshot(root)
        assert paths(seen) == before
        (down,) = [node for node in seen.walk() if node.restarting]
        assert down.path == "root/failing"
        assert down.statistics.state is State.CRASHED
        assert down.statistics.last_error is not None
        data = to_json(down)
        assert (data["state"], data["restarting"]) == ("crashed", True)
        assert data["exit_reason"].startswith("crash, ValueError: on purpose")
        error = data["last_error"]
        assert error["summary"] == "ValueError: on purpose"
        assert error["where"].startswith("signalHandler__ of")
        assert 'raise ValueError("on purpose")' in error["traceback"]
        assert datetime.fromisoformat(error["at"]).utcoffset() is not None


async def test_json_has_the_agreed_shape(journal: Journal) -> None:
    async with Family(journal, "root") as root:
        data = json.loads(json.dumps(to_json(snapshot(root)), allow_nan=False))
    assert list(data) == [
        "id", "path", "class", "state", "restarting", "virtual", "generation", "restarts",
        "restart_type", "uptime", "loop_lag", "exit_reason", "last_error", "inbox", "tasks",
        "children",
    ]  # fmt: skip
    assert list(data["inbox"]) == [
        "depth", "capacity", "high_water", "accepted", "handled", "dead",
    ]  # fmt: skip
    assert list(data["tasks"][0]) == [
        "name", "running", "runs", "rate", "restarts", "last_error",
    ]  # fmt: skip
    child = data["children"][0]
    assert (child["id"], child["virtual"], child["generation"]) == ("failing", True, 1)
    assert (child["restart_type"], child["restarts"]) == ("permanent", 0)
    assert data["restart_type"] is None
    assert len(data["children"]) == 4


async def test_ids_may_be_anything(journal: Journal) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise ValueError("no text")

    class Root(Plain):
        def getId(self) -> Any:
            return Unspeakable()

    async with Root() as root:
        seen = snapshot(root)
        assert to_json(seen)["id"] == "<Unspeakable>"
        assert seen.path.startswith("Root-")


async def test_find_by_path_then_by_id(journal: Journal) -> None:
    async with Family(journal, "root") as root:
        same = Recorder(journal, "steady", parent=root)
        await same.run()
        assert [p.path for p in places(root)].count("root/steady") == 2
        for wanted, path in [
            ("root", "root"),
            ("root/a/b", "root/a/b"),
            ("a/b", "root/a/b"),
            ("steady", "root/steady"),
        ]:
            found = find(root, wanted)
            assert found is not None
            assert found.path == path
        found = find(root, "root/steady")
        assert found is not None
        assert found.thread is not same
        assert find(root, "root/nobody") is None
        assert root_of(same) is root
        assert root_of(root) is root


def test_before_and_after_its_life() -> None:
    root = Plain()
    assert snapshot(root).statistics.state is State.NEW
    with root:
        pass
    seen = snapshot(root)
    assert seen.statistics.exit_reason == ExitReason("shutdown")
    assert to_json(seen)["exit_reason"] == "shutdown"


def test_only_trees_have_snapshots() -> None:
    with pytest.raises(TypeError, match=r"snapshot\(\) takes a TaskThread, not 7"):
        snapshot(7)  # type: ignore[arg-type]


def test_deep_trees_need_no_deep_stack() -> None:
    """Deeper than Python's stack; chained by hand, since stopping it is not what this is about."""
    threads = [Plain() for _ in range(5_000)]
    for parent, child in pairwise(threads):
        parent._taskthread.family._members[id(child)] = child
    seen = snapshot(threads[0])
    assert sum(1 for _ in seen.walk()) == len(threads)
    data = to_json(seen)
    depth = 1
    while data["children"]:
        (data,) = data["children"]
        depth += 1
    assert depth == len(threads)


class Ticking(VirtualThread):
    async def enter__(self) -> None:
        self.tasks.wait = await reCreate(None, forever)


class Thousand(TaskThread):
    """With all that is below it a thousand threads, on eleven loops."""

    async def enter__(self) -> None:
        for _ in range(10):
            await Hundred(parent=self).run()


class Hundred(TaskThread):
    async def enter__(self) -> None:
        for _ in range(99):
            await Ticking(parent=self).run()


def turns(root: TaskThread) -> list[int]:
    counts: list[int] = []
    for each in (root, *root.children):
        loop = each._taskthread.life.loop
        selector = getattr(loop, "_selector", None)
        assert isinstance(selector, TurnSelector)
        counts.append(selector.turn)
    return counts


def test_a_thousand_threads_in_50_ms_and_no_loop_runs_for_it() -> None:
    with Thousand() as root:
        snapshot(root)
        # All have lain down: odd is waiting, and an idle tree has nothing to wake up for.
        while any(turn % 2 == 0 for turn in turns(root)):
            pass
        before = turns(root)
        seconds: list[float] = []
        for _ in range(5):
            begun = process_time()  # of this process: others may keep the machine busy
            seen = snapshot(root)
            seconds.append(process_time() - begun)
        assert turns(root) == before
        assert len(list(seen.walk())) == 1 + 10 + 990
    assert min(seconds) < 0.05


async def test_a_snapshot_of_a_tree_that_changes(journal: Journal) -> None:
    """From another thread than the tree's, while children come and go."""

    class Root(TaskThread):
        changes = 0

        async def enter__(self) -> None:
            self.tasks.change = await reCreate(None, self.change)

        async def change(self) -> None:
            child = Plain(parent=self) if self.changes % 2 else VirtualThread(parent=self)
            await child.run()
            await child.stop()
            self.changes += 1
            if self.changes == 100:
                journal("changed")
            self.tasks.change = await reSchedule(self.change)

    async with Root() as root:
        while not journal.count("changed"):
            seen = snapshot(root)
            assert len(seen.children) <= 1
            assert to_json(seen)["class"] == "Root"
