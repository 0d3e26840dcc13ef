"""Hooks that raise, at every point: the right reason, exit__ once, nothing left behind."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

import pytest

from task_thread import ExitReason, InboxView, State, TaskThread, reCreate, verbose
from task_thread.errors import ThreadEnded
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, Recorder, forever, message


class Trouble(Exception):
    """What the hooks raise."""


class Raises(Recorder):
    """Has a child and a task, and raises in one hook."""

    max_qsize = 1

    def __init__(
        self, journal: Journal, hook: str, error: BaseException, child_place: Place, parent: Plain
    ) -> None:
        self.hook = hook
        self.error = error
        self.child_place = child_place
        super().__init__(journal, "raises", parent=parent)

    def maybe(self, hook: str) -> None:
        self.note(hook)
        if hook == self.hook:
            raise self.error

    async def enter__(self) -> None:
        self.child = self.child_place(Recorder)(self.journal, "child", parent=self)
        await self.child.run()
        self.tasks.work = await reCreate(None, self.work)
        await self.journal.seen("working")
        self.maybe("enter__")

    async def work(self) -> None:
        try:
            self.journal("working")
            await self.journal.seen("go")
            self.maybe("task")
            await forever()
        finally:
            self.note("task ended")

    async def signalHandler__(self, signal: Signal) -> None:
        self.maybe("signalHandler__")
        if self.hook == "inputOverflowHandler__":
            await self.journal.seen(("raises", "inputOverflowHandler__"))

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.maybe("childsignalHandler__")

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        self.maybe("childExited__")

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        self.maybe("inputOverflowHandler__")

    async def stopping__(self) -> None:
        self.maybe("stopping__")

    async def exit__(self) -> None:
        self.maybe("exit__")


HOOKS = [
    "enter__",
    "task",
    "signalHandler__",
    "childsignalHandler__",
    "childExited__",
    "inputOverflowHandler__",
    "stopping__",
    "exit__",
]


async def provoke(thread: Raises, journal: Journal) -> None:
    """Let the hook that raises be called."""
    if thread.hook == "task":
        journal("go")
    elif thread.hook == "signalHandler__":
        await thread.insertSignal(message(1))
    elif thread.hook == "childsignalHandler__":
        await thread.child.sigFromChildToParent__(message(1))
    elif thread.hook == "childExited__":
        await thread.child.stop()
    elif thread.hook == "inputOverflowHandler__":
        sends = (thread.insertSignal(message(number)) for number in range(4))
        await asyncio.gather(*sends, return_exceptions=True)
    else:
        await thread.terminate()


@pytest.mark.parametrize("hook", HOOKS)
async def test_hook_that_raises_ends_its_thread_in_order(
    home: Place, place: Place, journal: Journal, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = Trouble(hook)
    async with home(Plain)() as root:
        thread = place(Raises)(journal, hook, error, place, root)
        if hook == "enter__":
            with pytest.raises(Trouble):
                await thread.run()
        else:
            await thread.run()
            await provoke(thread, journal)
        reason = await thread.join()
        assert root.state is State.RUNNING
    assert reason.kind == "crash"
    assert reason.exception is error
    assert hook in reason.detail or (hook == "task" and "work" in reason.detail)
    assert thread.state is State.CRASHED
    assert thread.child.state is State.STOPPED
    assert journal.count(("child", "exit__")) == 1
    assert journal.count(("raises", "exit__")) == (0 if hook == "enter__" else 1)
    assert journal.count(("raises", "task ended")) == 1
    logged = [record for record in caplog.records if record.exc_info]
    assert {record.exc_info and record.exc_info[1] for record in logged} == {error}
    assert len(logged) == 1 or hook == "inputOverflowHandler__"  # for each who found it full
    assert logged[0].levelno == logging.ERROR
    assert logged[0].name == "Raises"


@pytest.mark.parametrize("hook", HOOKS)
async def test_system_exit_in_a_hook_is_a_crash_like_others(
    place: Place, journal: Journal, hook: str
) -> None:
    async with Plain() as root:
        thread = place(Raises)(journal, hook, SystemExit(3), place, root)
        if hook == "enter__":
            with pytest.raises((SystemExit, RuntimeError)):
                await thread.run()
        else:
            await thread.run()
            await provoke(thread, journal)
        reason = await thread.join()
        assert reason.kind == "crash"
        assert root.state is State.RUNNING
    assert journal.count(("raises", "exit__")) == (0 if hook == "enter__" else 1)
    assert journal.count(("child", "exit__")) == 1


async def test_output_overflow_hook_raises_where_it_was_awaited(
    place: Place, journal: Journal
) -> None:
    class Parent(Recorder):
        max_qsize = 1

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            await self.journal.seen("raised")

    class Child(TaskThread):
        async def outputOverflowHandler__(self, queue: InboxView) -> None:
            raise Trouble

        async def signalHandler__(self, signal: Signal) -> None:
            with pytest.raises(Trouble):
                for number in range(5):
                    await self.sigFromChildToParent__(message(number))
            journal("raised")

    async with Parent(journal) as parent:
        child = place(Child)(parent=parent)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen("raised")
        assert child.state is State.RUNNING


async def test_cancelled_error_out_of_a_handler_is_a_crash(place: Place) -> None:
    class Child(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            task.cancel()
            await task

    async with Plain() as root:
        child = place(Child)(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        reason = await child.join()
        assert reason.kind == "crash"
        assert isinstance(reason.exception, asyncio.CancelledError)


async def test_get_id_that_raises_breaks_nothing(place: Place) -> None:
    class Child(TaskThread):
        def getId(self) -> str:
            raise Trouble

    async with Plain() as root:
        child = place(Child)(parent=root)
        await child.run()
        assert "Child" in str(child)
        await child.stop()
        assert child.exit_reason == ExitReason("shutdown")


async def test_initvars_that_raises_is_the_constructors_error(place: Place) -> None:
    class Child(TaskThread):
        def initVars__(self) -> None:
            raise Trouble

    with pytest.raises(Trouble):
        place(Child)()


async def test_crash_of_a_child_in_its_stop_holds_up_no_sibling(
    home: Place, place: Place, journal: Journal
) -> None:
    class Bad(Recorder):
        async def exit__(self) -> None:
            raise Trouble

    async with home(Recorder)(journal, "root") as root:
        await place(Recorder)(journal, "first", parent=root).run()
        await place(Bad)(journal, "bad", parent=root).run()
        await place(Recorder)(journal, "last", parent=root).run()
    assert root.exit_reason == ExitReason("shutdown")
    for name in ("first", "last", "root"):
        assert journal.count((name, "exit__")) == 1
    assert ("root", ("childExited__", "bad", "crash")) in journal.entries


async def test_verbose_logs_and_raises_on(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Child(TaskThread):
        @verbose
        async def read(self) -> None:
            raise Trouble("unreadable")

        async def signalHandler__(self, signal: Signal) -> None:
            with pytest.raises(Trouble, match="unreadable"):
                await self.read()
            journal("raised")

    async with Plain() as root:
        child = place(Child)(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen("raised")
        assert child.state is State.RUNNING
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.name == "Child"
    assert "read" in record.getMessage()


async def test_crash_sends_home_who_waits_for_room(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(TaskThread):
        max_qsize = 1
        stop_timeout = 2.0

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            await journal.seen("waits for room")
            raise Trouble

    class Child(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            try:
                for number in range(5):
                    await self.sigFromChildToParent__(message(number))
            except ThreadEnded:
                journal("told")

        async def outputOverflowHandler__(self, queue: InboxView) -> None:
            journal("waits for room")

    async with Plain() as root:
        parent = home(Parent)(parent=root)
        await parent.run()
        child = place(Child)(parent=parent)
        await child.run()
        await child.insertSignal(message("go"))
        begun = monotonic()
        assert (await parent.join()).kind == "crash"
        assert monotonic() - begun < 1
        assert child.exit_reason == ExitReason("shutdown")
    assert "told" in journal.entries
