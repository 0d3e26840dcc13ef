"""Where each thread is, read from outside."""

from __future__ import annotations

import asyncio
import sys
import threading
from time import monotonic

import pytest

from task_thread import State, TaskThread, VirtualThread, reCreate
from task_thread.monitor import stacks
from task_thread.monitor.stacks import ThreadStack, render
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Plain, forever, message

MODULE = sys.modules[render.__module__]  # whose name in its package is the function's


class Guest(VirtualThread):
    async def enter__(self) -> None:
        self.tasks.wait = await reCreate(None, self.wait)

    async def wait(self) -> None:
        await forever()  # where the guest hangs


class House(TaskThread):
    """A blocked child, an idle one, a guest on its own loop, and a plain asyncio task."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.gate = threading.Event()
        super().__init__()

    async def enter__(self) -> None:
        await Guest(parent=self).run()
        self.idle = Plain(parent=self)
        await self.idle.run()
        self.blocked = Blocked(self)
        await self.blocked.run()
        self.stray = asyncio.create_task(forever(), name="stray")

    async def exit__(self) -> None:
        self.gate.set()


class Blocked(TaskThread):
    def __init__(self, house: House) -> None:
        self.house = house
        super().__init__(parent=house)

    async def signalHandler__(self, signal: object) -> None:
        self.house.journal("blocking")
        self.house.gate.wait(PATIENCE)  # where the blocked one hangs


def by_class(found: list[ThreadStack]) -> dict[str, ThreadStack]:
    return {each.path.rpartition("/")[2].partition("-")[0]: each for each in found}


def settled(root: TaskThread, *wanted: str) -> list[ThreadStack]:
    """The stacks, once each thread is where it shall be: a loop that has just told of something
    needs a moment to lie down."""
    limit = monotonic() + PATIENCE
    while True:
        found = stacks(root)
        if [each.where for each in found] == list(wanted):
            return found
        assert monotonic() < limit, found


@pytest.fixture(params=["lock", "no lock"])
def lock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With Python's interpreter lock, and as if there were none."""
    if request.param == "lock" and not MODULE._has_lock():
        pytest.skip("this interpreter has no lock")
    if request.param == "no lock":
        monkeypatch.setattr(MODULE, "_has_lock", lambda: False)
    return bool(request.param == "lock")


async def test_what_runs_and_what_waits(journal: Journal, lock: bool) -> None:
    async with House(journal) as house:
        house.blocked.post(message("block"))
        await journal.seen("blocking")
        begun = monotonic()
        stacks(house)
        assert monotonic() - begun < 1.0  # whoever does not answer is not waited for
        found = by_class(settled(house, "idle", "virtual", "idle", "running"))
        assert list(found) == ["House", "Guest", "Plain", "Blocked"]
        assert found["Blocked"].lines.startswith("OS thread:\n")
        assert "# where the blocked one hangs" in found["Blocked"].lines
        assert "# where the guest hangs" in found["Guest"].lines
        assert "/wait:" in found["Guest"].lines
        assert "# where the guest hangs" not in found["House"].lines
        assert "task stray:" in found["House"].lines
        assert "OS thread:" not in found["Guest"].lines
        # Without a lock a loop that does not answer can't be asked for its tasks.
        assert ("/signals:" in found["Blocked"].lines) == lock
        house.gate.set()


async def test_frames_outside_of_the_loop_are_left_out(journal: Journal) -> None:
    async with House(journal) as house:
        lines = by_class(settled(house, "idle", "virtual", "idle", "idle"))["Plain"].lines
        assert "carrier.py" not in lines
        assert "run_forever" in lines


async def test_from_within_the_tree(lock: bool) -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            (self.seen,) = stacks(self)  # where it asks

    async with Root() as root:
        assert root.seen.where == "running"
        assert root.seen.lines.count("# where it asks") >= 1


async def test_no_task_no_thread_no_loop(journal: Journal) -> None:
    root = Plain()
    (seen,) = stacks(root)
    assert (seen.where, seen.lines) == ("idle", "its loop is not there yet")
    async with root:
        pass
    assert root.state is State.STOPPED
    assert stacks(root) == []


async def test_uvloop_idle_and_running(journal: Journal) -> None:
    uvloop = pytest.importorskip("uvloop")

    class OnUvloop(House):
        loop_factory = staticmethod(uvloop.new_event_loop)

        async def enter__(self) -> None:
            self.gate.clear()

        async def signalHandler__(self, signal: object) -> None:
            self.journal("blocking")
            self.gate.wait(PATIENCE)

    async with OnUvloop(journal) as root:
        settled(root, "idle")
        root.post(message("block"))
        await journal.seen("blocking")
        assert [each.where for each in stacks(root)] == ["running"]
        root.gate.set()


async def test_render_is_for_people(journal: Journal) -> None:
    async with House(journal) as house:
        text = render(settled(house, "idle", "virtual", "idle", "idle"))
    assert text.startswith(f"{house} (idle)\n  OS thread:\n")
    assert f"\n\n{house}/{house.idle} (idle)\n" in text


def test_only_trees_have_stacks() -> None:
    with pytest.raises(TypeError, match=r"stacks\(\) takes a TaskThread, not None"):
        stacks(None)  # type: ignore[arg-type]
