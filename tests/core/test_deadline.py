"""One absolute deadline for a stop: what hangs is cut off, or given up by name."""

from __future__ import annotations

import asyncio
import logging
import threading
from time import monotonic

import pytest

from task_thread import ExitReason, State, TaskThread, reCreate
from task_thread.errors import StopTimeout, ThreadEnded
from task_thread.signals import Signal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import (
    Place,
    Plain,
    Recorder,
    forever,
    message,
    on_parents_loop,
    overdue,
)

SOON = 5.0  # seconds; where the deadline is missed it takes a minute, or for ever


async def test_one_deadline_for_the_whole_tree(home: Place, place: Place, journal: Journal) -> None:
    class Hangs(Recorder):
        stop_timeout = 60.0  # a child's own is not what counts

        async def exit__(self) -> None:
            await forever()

    class Root(Recorder):
        stop_timeout = 1.5

    async with overdue(home(Root)(journal, "root"), "0: exit__") as root:
        children = [place(Hangs)(journal, str(number), parent=root) for number in range(3)]
        for child in children:
            await child.run()
        begun = monotonic()
        await root.stop()
        took = monotonic() - begun
    assert took < 2 * Root.stop_timeout  # one after the other they would take it three times
    assert [child.exit_reason and child.exit_reason.kind for child in children] == ["timeout"] * 3
    assert ("root", "exit__") in journal.entries  # time was kept for the parent's own exit__


async def test_stop_timeout_argument_is_the_deadline(place: Place) -> None:
    class Hangs(Plain):
        async def exit__(self) -> None:
            await forever()

    async with overdue(Plain(), "exit__") as root:
        child = place(Hangs)(parent=root)
        await child.run()
        begun = monotonic()
        await child.stop(timeout=0.3)
        assert monotonic() - begun < SOON
        assert child.exit_reason is not None
        assert child.exit_reason.kind == "timeout"


async def test_an_earlier_deadline_hurries_a_stop_that_goes_on(
    place: Place, journal: Journal
) -> None:
    class Hangs(Recorder):
        async def exit__(self) -> None:
            await super().exit__()
            await forever()

    async with overdue(Plain(), "exit__") as root:
        child = place(Hangs)(journal, parent=root)
        await child.run()
        slow = asyncio.create_task(child.stop(timeout=60))
        await journal.seen(("thread", "exit__"))
        begun = monotonic()
        await child.stop(timeout=0.3)
        await slow
        assert monotonic() - begun < SOON


async def test_what_swallows_its_cancel_is_named_and_the_rest_goes_on(
    home: Place, place: Place, journal: Journal
) -> None:
    class Stubborn(Recorder):
        stop_timeout = 1.5

        async def exit__(self) -> None:
            self.note("exit__")
            while True:
                try:
                    await forever()
                except asyncio.CancelledError:
                    self.note("swallowed")

    async with overdue(home(Recorder)(journal, "root"), "stubborn: exit__") as root:
        child = place(Stubborn)(journal, "stubborn", parent=root)
        await child.run()
        begun = monotonic()
        await child.stop()
        assert monotonic() - begun < SOON
        assert child.exit_reason is not None
        assert child.exit_reason.kind in {"timeout", "abandoned"}
        assert "exit__" in child.exit_reason.detail
    assert ("stubborn", "swallowed") in journal.entries


async def test_a_blocked_loop_is_abandoned_by_name_with_its_stack(
    home: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def blocking_call() -> None:
        journal("blocked")
        release.wait(PATIENCE)

    class Blocked(TaskThread):
        stop_timeout = 0.3

        async def signalHandler__(self, signal: Signal) -> None:
            blocking_call()

        def getId(self) -> str:
            return "the blocked one"

    said = r"the blocked one was abandoned(.|\n)*in blocking_call"
    async with overdue(home(Recorder)(journal, "root"), said) as root:
        child = Blocked(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen("blocked")
        begun = monotonic()
        await child.stop()
        assert monotonic() - begun < SOON
        assert child.state is State.ABANDONED
        assert child.exit_reason is not None
        assert child.exit_reason.kind == "abandoned"
        assert "in blocking_call" in child.exit_reason.detail
        await journal.seen(("root", ("childExited__", "the blocked one", "abandoned")))
    critical = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "in blocking_call" in critical[0].getMessage()
    release.set()


async def test_an_abandoned_thread_that_comes_back_changes_nothing(journal: Journal) -> None:
    release = threading.Event()

    class Blocked(Recorder):
        stop_timeout = 0.3

        async def signalHandler__(self, signal: Signal) -> None:
            self.note("blocked")
            release.wait(PATIENCE)

    async with overdue(Recorder(journal, "root"), "child was abandoned") as root:
        child = Blocked(journal, "child", parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen(("child", "blocked"))
        await child.stop()
        reason = child.exit_reason
        release.set()
        await journal.seen(("child", "exit__"))  # it cleans up after itself
        with pytest.raises(ThreadEnded):
            await child.insertSignal(message(2))
        assert child.state is State.ABANDONED
        assert child.exit_reason is reason
    assert journal.count(("root", ("childExited__", "child", "abandoned"))) == 1


async def test_root_run_raises_stop_timeout_past_the_deadline(place: Place) -> None:
    class Root(TaskThread):
        stop_timeout = 0.3

        async def enter__(self) -> None:
            self.tasks.end = await reCreate(None, self.terminate)

        async def exit__(self) -> None:
            await forever()

    root = place(Root)()
    with pytest.raises(StopTimeout, match=str(root)):
        await root.run()
    assert root.exit_reason is not None
    assert root.exit_reason.kind == "timeout"


class HoldsOut(TaskThread):
    """Its loop stands still in exit__ until the gate opens."""

    def __init__(self, journal: Journal, parent: TaskThread | None = None) -> None:
        self.journal, self.gate = journal, threading.Event()
        super().__init__(parent)

    async def exit__(self) -> None:
        self.journal("exit__")
        self.gate.wait(PATIENCE)

    async def stand_still_in_stop_of(self, thread: TaskThread) -> None:
        """Stop `thread`, and hold up this loop as well, past the deadline: as if the process were
        held. The gate opens a little after that."""
        stopping = asyncio.create_task(thread.stop(timeout=0.3))
        await self.journal.seen("exit__")
        threading.Event().wait(0.5)
        threading.Timer(0.1, self.gate.set).start()
        await stopping


async def test_what_stood_still_with_its_judge_is_not_given_up(journal: Journal) -> None:
    async with Plain() as root:
        child = HoldsOut(journal, parent=root)
        await child.run()
        await child.stand_still_in_stop_of(child)
        assert child.exit_reason == ExitReason("shutdown")


async def test_what_stood_still_with_its_parent_is_not_given_up(journal: Journal) -> None:
    """Nor is its sibling, whose turn to be stopped had not come."""
    async with overdue(on_parents_loop(Plain)(), "its signal handler was cut off") as root:
        sibling = Plain(parent=root)
        await sibling.run()
        child = HoldsOut(journal, parent=root)
        await child.run()
        await child.stand_still_in_stop_of(root)
        assert child.exit_reason == ExitReason("shutdown")
        assert sibling.state is not State.ABANDONED


async def test_who_does_not_go_on_after_a_standstill_is_given_up(journal: Journal) -> None:
    async with overdue(Plain(), "HoldsOut.* was abandoned") as root:
        child = HoldsOut(journal, parent=root)
        await child.run()
        stopping = asyncio.create_task(child.stop(timeout=0.3))
        await journal.seen("exit__")
        threading.Event().wait(0.5)
        await stopping
        assert child.state is State.ABANDONED
        child.gate.set()
