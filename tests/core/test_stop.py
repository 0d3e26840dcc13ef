"""Stopping: in order, once, from everywhere."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from task_thread import ExitReason, State, TaskThread, reCreate
from task_thread.errors import StartCancelled, ThreadEnded
from task_thread.signals import Signal, TerminateSignal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Gate, Held, Place, Plain, Recorder, forever, message


class Ordered(Recorder):
    """Has a child, a task, and an inbox that is held up until a gate opens."""

    def __init__(self, journal: Journal, child_place: Place) -> None:
        self.gate = Gate()
        self.child_place = child_place
        super().__init__(journal, "parent")

    async def enter__(self) -> None:
        await super().enter__()
        for name in ("first", "second", "third"):
            await self.child_place(Recorder)(self.journal, name, parent=self).run()
        self.tasks.work = await reCreate(None, self.work)

    async def work(self) -> None:
        try:
            await forever()
        finally:
            self.note("task ended")


async def test_order_of_a_stop(home: Place, place: Place, journal: Journal) -> None:
    async with home(Ordered)(journal, place):
        pass
    names = ["first", "second", "third"]
    hooks: list[Any] = [(name, "enter__") for name in ["parent", *names]]
    hooks += [("parent", "stopping__")]
    for name in reversed(names):
        hooks += [(name, "stopping__"), (name, "exit__")]
    hooks += [("parent", ("childExited__", name, "shutdown")) for name in reversed(names)]
    hooks += [("parent", "exit__"), ("parent", "task ended")]
    # childExited__ comes as the children end: anywhere between their end and exit__.
    told = [entry for entry in journal.entries if entry[1][0] == "childExited__"]
    assert told == [hook for hook in hooks if hook[1][0] == "childExited__"]
    assert [entry for entry in journal.entries if entry not in told] == [
        hook for hook in hooks if hook not in told
    ]
    assert journal.index(told[-1]) < journal.index(("parent", "exit__"))


async def test_last_signals_of_children_are_handled(
    home: Place, place: Place, journal: Journal
) -> None:
    class Child(Recorder):
        async def stopping__(self) -> None:
            await self.sigFromChildToParent__(message("stopping"))

        async def exit__(self) -> None:
            await self.sigFromChildToParent__(message("bye"))

    async with home(Recorder)(journal, "parent") as parent:
        await place(Child)(journal, "child", parent=parent).run()
    told = [entry[1] for entry in journal.entries if entry[0] == "parent"]
    assert told == [
        "enter__",
        "stopping__",
        ("child", "stopping"),
        ("child", "bye"),
        ("childExited__", "child", "shutdown"),
        "exit__",
    ]


async def test_inbox_is_drained_before_exit(place: Place, journal: Journal) -> None:
    thread = place(Held)(journal)
    async with thread:
        for number in range(20):
            await thread.insertSignal(message(number))
        await journal.seen(("thread", "handling"))
        await thread.terminate()
        thread.gate.open()
    what = [entry[1] for entry in journal.entries if entry[1] != "handling"]
    assert sorted(what[1:-1], key=str) == sorted([*range(20), "stopping__"], key=str)
    assert [each for each in what if isinstance(each, int)] == list(range(20))
    assert what[-1] == "exit__"
    inbox = thread.statistics().inbox
    assert (inbox.accepted, inbox.handled, inbox.dead) == (20, 20, 0)


async def test_tasks_run_until_after_exit(place: Place, journal: Journal) -> None:
    class Thread(TaskThread):
        async def enter__(self) -> None:
            self.question: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()
            self.tasks.answer = await reCreate(None, self.answer)

        async def answer(self) -> None:
            (await self.question.get()).set_result("still here")

        async def exit__(self) -> None:
            asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self.question.put_nowait(asked)
            journal(await asked)

    async with place(Thread)():
        pass
    assert journal.entries == ["still here"]


async def test_loop_is_closed_at_the_end() -> None:
    class Thread(TaskThread):
        async def enter__(self) -> None:
            self.loop = asyncio.get_running_loop()

    async with Thread() as thread:
        assert not thread.loop.is_closed()
    assert thread.loop.is_closed()


async def test_stray_asyncio_tasks_end_with_an_own_loop(journal: Journal) -> None:
    class Thread(TaskThread):
        async def enter__(self) -> None:
            self.stray = asyncio.create_task(self.wander())
            await journal.seen("wandering")

        async def wander(self) -> None:
            try:
                journal("wandering")
                await forever()
            finally:
                journal("ended")

    async with Thread() as thread:
        pass
    assert journal.entries == ["wandering", "ended"]
    assert thread.stray.cancelled()


async def test_no_child_is_taken_once_stopping_begins(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(Plain):
        async def stopping__(self) -> None:
            with pytest.raises(ThreadEnded, match="no new children"):
                await place(Plain)(parent=self).run()
            with pytest.raises(ThreadEnded, match="no new children"):
                await self.addChild(place(Plain)())
            journal("refused")

    async with home(Parent)():
        pass
    assert journal.entries == ["refused"]


async def test_stop_is_idempotent(home: Place, place: Place, journal: Journal) -> None:
    async with home(Plain)() as root:
        child = place(Recorder)(journal, "child", parent=root)
        await child.run()
        await asyncio.gather(*(child.stop() for _ in range(5)))
        reason = child.exit_reason
        await child.stop()
        await child.terminate()
        await child.requestTerminate()
        assert child.exit_reason is reason
    assert journal.count(("child", "stopping__")) == 1
    assert journal.count(("child", "exit__")) == 1


async def test_stop_has_the_end_behind_it(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.run()
        await child.stop()
        assert child.state is State.STOPPED
        assert child.exit_reason == ExitReason("shutdown")


async def test_terminate_asks_only(place: Place, journal: Journal) -> None:
    async with Plain() as root:
        child = place(Held)(journal, parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen(("thread", "handling"))
        await child.terminate()
        assert child.exit_reason is None
        child.gate.open()
        assert (await child.join()).kind == "shutdown"


@pytest.mark.parametrize("way", ["stop", "terminate", "requestTerminate"])
@pytest.mark.parametrize("within", ["task", "signalHandler__", "childsignalHandler__", "enter__"])
async def test_stopped_from_within(
    home: Place, place: Place, journal: Journal, way: str, within: str
) -> None:
    class Child(Recorder):
        async def end(self) -> None:
            await getattr(self, way)()
            self.note("went on")

        async def enter__(self) -> None:
            if within == "enter__":
                await self.end()
            if within == "task":
                self.tasks.work = await reCreate(None, self.end)
            if within == "childsignalHandler__":
                await place(Grandchild)(self.journal, "grandchild", parent=self).run()

        async def signalHandler__(self, signal: Signal) -> None:
            await self.end()

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            await self.end()

    class Grandchild(Recorder):
        async def enter__(self) -> None:
            await self.sigFromChildToParent__(message(1))

    async with home(Recorder)(journal, "root") as root:
        child = place(Child)(journal, "child", parent=root)
        try:
            await child.run()
        except StartCancelled:
            assert within == "enter__"
        if within == "signalHandler__":
            await child.insertSignal(message(1))
        reason = await child.join()
        assert reason.kind == "normal"
        assert root.children == []
    assert journal.count(("child", "went on")) == 1


async def test_a_child_may_stop_its_parent_and_does_not_wait(
    home: Place, place: Place, journal: Journal
) -> None:
    class Child(Recorder):
        async def signalHandler__(self, signal: Signal) -> None:
            assert self.parent is not None
            await self.parent.stop()
            self.note("went on")

    async with home(Plain)() as root:
        child = place(Child)(journal, "child", parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await root.join()
        assert ("child", "went on") in journal.entries
        assert ("child", "exit__") in journal.entries


async def test_stopped_from_another_loop(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.run()
        await asyncio.to_thread(lambda: asyncio.run(child.stop()))
        assert child.state is State.STOPPED


async def test_stopped_from_a_siblings_thread(place: Place, journal: Journal) -> None:
    class Killer(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            await victim.stop()
            journal(victim.state)

    async with Plain() as root:
        victim = place(Plain)(parent=root)
        killer = place(Killer)(parent=root)
        await victim.run()
        await killer.run()
        await killer.insertSignal(message(1))
        await journal.seen(State.STOPPED)


async def test_stop_before_the_start_is_not_lost(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.stop()
        with pytest.raises((StartCancelled, ThreadEnded)):
            await child.run()
        assert child.state is State.STOPPED
        assert child.exit_reason == ExitReason("shutdown")


async def test_root_stopped_before_its_start_ends_at_once(place: Place, journal: Journal) -> None:
    root = place(Recorder)(journal)
    await root.terminate()
    await root.run()
    assert root.state is State.STOPPED
    assert journal.entries == []


async def test_stop_right_after_run_is_not_lost(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        for _ in range(20):
            child = place(Plain)(parent=root)
            await child.run()
            await child.terminate()
            assert (await child.join()).kind == "shutdown"


async def test_stop_during_the_start_ends_tasks_and_children_of_enter(
    home: Place, place: Place, journal: Journal
) -> None:
    class Child(Recorder):
        async def enter__(self) -> None:
            self.tasks.work = await reCreate(None, self.work)
            await place(Recorder)(self.journal, "grandchild", parent=self).run()
            await self.journal.seen("working")
            self.note("entering")
            await forever()

        async def work(self) -> None:
            try:
                self.journal("working")
                await forever()
            finally:
                self.note("task ended")

    async with home(Plain)() as root:
        child = place(Child)(journal, "child", parent=root)
        running = asyncio.create_task(child.run())
        await journal.seen(("child", "entering"))
        await child.stop()
        with pytest.raises(StartCancelled):
            await running
    assert ("grandchild", "exit__") in journal.entries
    assert ("child", "task ended") in journal.entries
    assert ("child", "exit__") not in journal.entries
    assert ("child", "stopping__") not in journal.entries


async def test_stop_cancelled_by_its_caller_still_stops(place: Place, journal: Journal) -> None:
    async with Plain() as root:
        child = place(Held)(journal, parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen(("thread", "handling"))
        stopping = asyncio.create_task(child.stop())
        await journal.seen(("thread", "stopping__"))
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        child.gate.open()
        assert (await child.join()).kind == "shutdown"


async def test_a_child_that_had_ended_before_leaves_no_os_thread_behind(journal: Journal) -> None:
    """It was told of already, and its OS thread is still at its last words."""

    class LastWords(asyncio.SelectorEventLoop):
        def close(self) -> None:
            journal("closing")
            may_close.wait(PATIENCE)
            super().close()

    class Child(TaskThread):
        loop_factory = LastWords

    may_close = threading.Event()
    async with Plain() as root:
        child = Child(parent=root)
        await child.run()
        (os_thread,) = (each for each in threading.enumerate() if each.name == str(child))
        child.post(TerminateSignal())
        await journal.seen("closing")
        assert child.exit_reason == ExitReason("shutdown")
        threading.Timer(0.05, may_close.set).start()
    assert not os_thread.is_alive()


async def test_the_os_thread_of_an_ended_child_is_not_kept() -> None:
    async with Plain() as root:
        child = Plain(parent=root)
        await child.run()
        await child.stop()
        assert not root._taskthread.family._parting
