"""Parents that are children: what they restart themselves, and what goes up to the root."""

from __future__ import annotations

from typing import Any

import pytest

from task_thread import State, TaskThread
from task_thread.errors import RestartLimitReached
from tests.supervision.parts import (
    LONG,
    Parent,
    Part,
    Script,
    crash,
    exits,
    instance,
    lives,
    parent_class,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.programs import run_program
from tests.support.threads import Place, message


def house(home: Place, place: Place, journal: Journal, names: str, **settings: Any) -> type[Parent]:
    """A class of parents with children of these names from their start on."""

    class House(parent_class(home, **settings)):  # type: ignore[misc]
        async def enter__(self) -> None:
            for name in names:
                await self.spawn(place(Part), journal, name, name=name)
            await super().enter__()

    return House


def part(parent: TaskThread, name: str) -> Any:
    """The handle of that name below `parent`."""
    (found,) = [handle for handle in parent.handles if handle.name == name]
    return found


async def test_each_level_restarts_its_own(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, strategy="one_for_all", max_restarts=0) as sup:
        left = await sup.spawn(house(home, place, journal, "ab"), journal, "left")
        right = await sup.spawn(house(home, place, journal, "cd"), journal, "right")
        before = left.thread, right.thread, part(left.thread, "a").thread
        await crash(part(right.thread, "d"))
        assert (left.thread, right.thread, part(left.thread, "a").thread) == before
        assert part(right.thread, "d").generation == 2
        assert part(right.thread, "c").generation == 1


async def test_a_tree_restarts_with_what_its_enter_spawns_and_not_with_later_ones(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, strategy="one_for_all", max_restarts=4) as sup:
        static = await sup.spawn(
            house(home, place, journal, "ab", max_restarts=1), journal, "static"
        )
        dynamic = await sup.spawn(parent_class(home, max_restarts=1), journal, "dynamic")
        resting = await sup.spawn(parent_class(home), journal, "resting", restart="transient")
        await resting.stop()
        c = await dynamic.thread.spawn(place(Part), journal, "c")
        d = await dynamic.thread.spawn(place(Part), journal, "d", Script("well", then="fails"))
        await crash(c)  # that is the one that dynamic puts up with
        d.post(message("crash"))  # that goes up, and one_for_all is done there
        await journal.seen(("dynamic", "enter__"), 2)
        await journal.seen(("static", "enter__"), 2)
        assert static.generation == dynamic.generation == 2
        assert [handle.name for handle in static.thread.handles] == ["a", "b"]
        assert dynamic.thread.handles == []
        assert resting.state is State.STOPPED
        assert sup.handles == [static, dynamic, resting]
        assert sup.state is State.RUNNING
    assert exits(journal)[:2] == [("resting", "shutdown"), ("dynamic", "crash")]


async def test_up_through_three_levels(home: Place, place: Place, journal: Journal) -> None:
    """Each level tries what it may, and the root is left with what no level could mend."""
    limits = {"max_restarts": 1, "restart_window": LONG}
    lowest = house(home, place, journal, "a", **limits)

    class Middle(parent_class(home, **limits)):  # type: ignore[misc]
        async def enter__(self) -> None:
            await self.spawn(lowest, journal, "low", name="low")
            await super().enter__()

    async with supervisor(home, journal, **limits) as sup:
        middle = await sup.spawn(Middle, journal, "mid")
        for number in range(1, 8):
            part(part(middle.thread, "low").thread, "a").post(message("crash"))
            await journal.seen(("a", "enter__"), 1 + number)
            await journal.seen(("low", "enter__"), 1 + number // 2)
            await journal.seen(("mid", "enter__"), 1 + number // 4)
        a = part(part(middle.thread, "low").thread, "a")
        a.post(message("crash"))
        reason = await sup.join()
        causes = [reason.exception]
        while causes[-1] is not None:
            causes.append(causes[-1].__cause__)
        assert [type(error).__name__ for error in causes[:-1]] == [
            *["RestartLimitReached"] * 3,
            "Planned",
        ]
    # Two lives of a in each low, two lives of low in each mid, two lives of mid.
    assert journal.count(("a", "enter__")) == 8
    assert journal.count(("low", "enter__")) == 4
    assert journal.count(("mid", "enter__")) == 2


async def test_a_parent_that_is_killed_comes_back_with_its_children(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, strategy="one_for_all", max_restarts=3) as sup:
        middle = await sup.spawn(house(home, place, journal, "a"), journal, "mid")
        worker = part(middle.thread, "a")
        first = middle.thread, worker.thread
        await middle.thread.stop()  # by somebody else than its supervisor
        await journal.seen(("mid", "enter__"), 2)
        assert sup.findChild("mid") is middle.thread
        assert middle.thread is not first[0]
        again = part(middle.thread, "a")
        assert middle.thread.findChild("a") is again.thread
        assert again is not worker
        assert again.state is State.RUNNING
        assert worker.state is State.STOPPED


@pytest.mark.parametrize("how", ["crash", "end", "by hand"])
async def test_a_worker_below_comes_back_in_its_place(
    home: Place, place: Place, journal: Journal, how: str
) -> None:
    async with supervisor(home, journal, strategy="one_for_all", max_restarts=3) as sup:
        middle = await sup.spawn(house(home, place, journal, "a"), journal, "mid")
        worker = part(middle.thread, "a")
        first = middle.thread, worker.thread
        if how == "by hand":
            await worker.stop()
            await worker.restart()
        else:
            worker.post(message(how))
            await journal.seen(("a", "enter__"), 2)
        second = await instance(worker)
        assert second is not first[1]
        assert middle.thread is first[0]
        assert middle.thread.findChild("a") is second
        assert sup.handles == [middle]


async def test_a_transient_parent_that_ends_normally_stays_down(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        middle = await sup.spawn(
            house(home, place, journal, "a"), journal, "mid", restart="transient"
        )
        await middle.thread.requestTerminate()
        assert (await middle.join()).kind == "normal"
        assert sup.handles == [middle]
    assert lives(journal) == "+a -a"


async def test_at_the_root_it_comes_out_of_run(home: Place, place: Place, journal: Journal) -> None:
    class Root(parent_class(home, max_restarts=0)):  # type: ignore[misc]
        async def enter__(self) -> None:
            a, _ = await spawn_all(self, place(Part), journal, "ab")
            a.post(message("crash"))

    root = Root(journal, "root")
    with pytest.raises(RestartLimitReached) as caught:
        await root.run()
    assert str(caught.value.__cause__) == "a was told to crash"
    assert lives(journal) == "+a +b -a -b"


PROGRAM = """
import asyncio, threading
from task_thread import TaskThread, VirtualThread, reCreate, run
from task_thread.signals import Signal

all_up = threading.Event()

class Bad({base}):
    async def enter__(self):
        self.tasks.work = await reCreate(None, self.work)

    async def work(self):
        await asyncio.to_thread(all_up.wait)
        raise ValueError("told to")

class Middle({base}):
    max_restarts = 1

    async def enter__(self):
        await self.spawn(Bad)

class Root(TaskThread):
    max_restarts = 1

    async def enter__(self):
        await self.spawn(Middle)
        self.post(Signal())  # is handled when this has returned

    async def signalHandler__(self, signal):
        all_up.set()

    async def exit__(self):
        print("the root has closed its files")

raise SystemExit(run(Root()))
"""


@pytest.mark.parametrize("base", ["TaskThread", "VirtualThread"])
def test_at_the_root_it_ends_the_process_with_a_code(base: str) -> None:
    done = run_program(PROGRAM.format(base=base))
    assert done.returncode == 1
    assert done.stdout == "the root has closed its files\n"
    assert "RestartLimitReached" in done.stderr
    assert "ValueError: told to" in done.stderr
