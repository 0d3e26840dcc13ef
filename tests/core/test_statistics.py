"""statistics(): a frozen snapshot, from any thread, that disturbs nothing."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import FrozenInstanceError
from time import monotonic

import pytest

from task_thread import (
    ExitReason,
    InboxView,
    State,
    TaskThread,
    ThreadStatistics,
    reCreate,
    reSchedule,
)
from task_thread.signals import Signal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Gate, Held, Place, Plain, forever, message


class Counting(TaskThread):
    """Has a task of fifty runs, and one that waits."""

    def __init__(self, journal: Journal, parent: TaskThread | None = None) -> None:
        self.journal = journal
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        self.tasks.count = await reCreate(None, self.count, 1)
        self.tasks.wait = await reCreate(None, forever)

    async def count(self, number: int) -> None:
        if number < 50:
            self.tasks.count = await reSchedule(self.count, number + 1)
            return
        self.journal("counted")
        await forever()


def test_snapshot_of_a_thread_that_was_never_run(place: Place) -> None:
    seen = place(Plain)().statistics()
    assert seen.state is State.NEW
    assert seen.uptime == 0.0
    assert seen.loop_lag == 0.0
    assert seen.tasks == seen.children == ()
    assert seen.exit_reason is None
    assert seen.inbox.capacity == 100


async def test_snapshot_is_frozen(place: Place) -> None:
    async with place(Plain)() as thread:
        seen = thread.statistics()
        assert isinstance(seen, ThreadStatistics)
        with pytest.raises(FrozenInstanceError):
            seen.uptime = 1.0  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            seen.inbox.depth = 1  # type: ignore[misc]


async def test_identity_state_uptime_children_and_reason(home: Place, place: Place) -> None:
    begun = monotonic()
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.run()
        seen = root.statistics()
        assert seen.id == str(root)
        assert seen.class_name == "Plain"
        assert seen.state is State.RUNNING
        assert 0 < seen.uptime <= monotonic() - begun
        assert seen.children == (str(child),)
        assert seen.exit_reason is None
        await child.stop()
        assert root.statistics().children == ()
        ended = child.statistics()
        assert ended.state is State.STOPPED
        assert ended.exit_reason == ExitReason("shutdown")
        assert child.statistics().uptime == ended.uptime  # it stands still after the end


async def test_tasks_by_name_with_runs_and_rate(place: Place, journal: Journal) -> None:
    async with place(Counting)(journal) as thread:
        await journal.seen("counted")
        count, wait = thread.statistics().tasks
    assert (count.name, wait.name) == ("count", "wait")
    assert count.runs == 49  # runs that have ended: the fiftieth goes on
    assert count.running
    assert count.rate > 0
    assert (wait.runs, wait.rate, wait.restarts, wait.last_error) == (0, 0.0, 0, None)


async def test_inbox_counts(place: Place, journal: Journal) -> None:
    class Tight(Held):
        max_qsize = 4

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    async with place(Tight)(journal) as thread:
        await thread.insertSignal(message(0))
        await journal.seen(("thread", "handling"))
        for number in range(3):
            await thread.insertSignal(message(number))
        seen = thread.statistics().inbox
        assert (seen.depth, seen.capacity, seen.high_water) == (3, 4, 3)
        assert (seen.accepted, seen.handled, seen.dead) == (4, 1, 0)
        thread.gate.open()
        await journal.seen(("thread", "handling"), 4)
        seen = thread.statistics().inbox
        assert (seen.depth, seen.high_water, seen.handled) == (0, 3, 4)


async def test_from_any_thread_without_waking_the_thread(journal: Journal) -> None:
    release = threading.Event()

    class Blocked(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            journal("blocked")
            release.wait(PATIENCE)

    async with Blocked() as thread:
        await thread.insertSignal(message(1))
        await journal.seen("blocked")
        seen = await asyncio.to_thread(thread.statistics)
        assert seen.state is State.RUNNING  # told although its loop is blocked
        release.set()


async def test_loop_lag_shows_a_blocked_loop_by_now_and_afterwards(journal: Journal) -> None:
    release = threading.Event()

    class Blocked(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            journal("handling")
            if not release.is_set():
                release.wait(PATIENCE)
            else:
                journal("quick")

    async with Blocked() as thread:
        await thread.insertSignal(message(1))
        await journal.seen("handling")
        begun = monotonic()
        thread.statistics()  # who looks regularly sees the lag grow
        await thread.insertSignal(message(2))  # rings a loop that doesn't answer
        gate = Gate()
        timer = threading.Timer(0.2, gate.open)
        timer.start()
        await gate.passed()
        assert 0.15 < thread.statistics().loop_lag <= monotonic() - begun
        release.set()
        await journal.seen("quick")
        assert 0.15 < thread.statistics().loop_lag <= monotonic() - begun
        timer.join()


async def test_ids_that_are_no_text_stay_what_they_are(place: Place) -> None:
    class Numbered(TaskThread):
        def getId(self) -> int:
            return 7

    async with Plain() as root:
        child = place(Numbered)(parent=root)
        await child.run()
        assert root.getChildIds() == [7]
        assert child.statistics().id == 7
        assert root.statistics().children == (7,)
