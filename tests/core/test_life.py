"""A thread's way from its constructor to its exit reason."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from task_thread import ExitReason, State, TaskThread, VirtualThread, reCreate
from task_thread.errors import (
    AlreadyStarted,
    Deadlock,
    NotRunning,
    StartCancelled,
    ThreadEnded,
)
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Gate, Place, Plain, Recorder, forever, message


class Where(TaskThread):
    """Writes down in which OS thread and on which loop each hook runs."""

    def __init__(self, journal: Journal, parent: TaskThread | None = None) -> None:
        self.journal = journal
        self.places: dict[str, tuple[int, asyncio.AbstractEventLoop | None]] = {}
        super().__init__(parent=parent)

    def here(self, hook: str) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        self.places[hook] = threading.get_ident(), loop
        self.journal(hook)

    def initVars__(self) -> None:
        self.here("initVars__")
        self.tasks.work = None

    async def enter__(self) -> None:
        self.here("enter__")
        self.tasks.work = await reCreate(self.tasks.work, self.work)

    async def work(self) -> None:
        self.here("task")
        await forever()

    async def signalHandler__(self, signal: Signal) -> None:
        self.here("signalHandler__")

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.here("childsignalHandler__")

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        self.here("childExited__")

    async def stopping__(self) -> None:
        self.here("stopping__")

    async def exit__(self) -> None:
        self.here("exit__")


HOOKS = [
    "enter__",
    "task",
    "signalHandler__",
    "childsignalHandler__",
    "childExited__",
    "stopping__",
    "exit__",
]


async def test_every_hook_runs_on_the_threads_own_loop(place: Place, journal: Journal) -> None:
    async with place(Where)(journal) as thread:
        child = Plain(parent=thread)
        await child.run()
        await thread.insertSignal(message(1))
        await child.sigFromChildToParent__(message(2))
        await child.stop()
        for hook in HOOKS[:5]:
            await journal.seen(hook)
    here = threading.get_ident(), asyncio.get_running_loop()
    places = {thread.places[hook] for hook in HOOKS}
    assert len(places) == 1
    assert (places == {here}) == (not thread.own_loop)


def test_constructor_and_initvars_run_where_it_is_constructed_without_a_loop(
    place: Place, journal: Journal
) -> None:
    thread = place(Where)(journal)
    assert thread.places == {"initVars__": (threading.get_ident(), None)}
    assert thread.state is State.NEW
    assert thread.exit_reason is None


async def test_taskthread_holds_an_os_thread_and_is_none() -> None:
    async with Plain() as thread:
        assert not isinstance(thread, threading.Thread)
        assert str(thread) in {each.name for each in threading.enumerate()}
    assert str(thread) not in {each.name for each in threading.enumerate()}


async def test_virtual_threads_start_no_os_thread() -> None:
    before = threading.active_count()
    async with VirtualThread() as root:
        for _ in range(100):
            await VirtualThread(parent=root).run()
        assert threading.active_count() == before


async def test_virtual_child_lives_on_its_parents_loop(journal: Journal) -> None:
    class Virtual(Where, VirtualThread):
        pass

    async with Where(journal) as parent:
        child = Virtual(journal, parent=parent)
        await child.run()  # from another loop than its carrier's
    assert child.places["enter__"] == parent.places["enter__"]
    assert child.places["exit__"] == parent.places["exit__"]


async def test_os_thread_child_of_a_virtual_parent_has_its_own_loop(journal: Journal) -> None:
    async with VirtualThread() as parent:
        child = Where(journal, parent=parent)
        await child.run()
    assert child.places["enter__"][0] != threading.get_ident()
    assert child.exit_reason == ExitReason("shutdown")


async def test_states_of_a_whole_life(home: Place, place: Place) -> None:
    seen: list[State] = []

    class Child(TaskThread):
        async def enter__(self) -> None:
            seen.append(self.state)

        async def signalHandler__(self, signal: Signal) -> None:
            seen.append(self.state)
            handled.open()

        async def stopping__(self) -> None:
            seen.append(self.state)

        async def exit__(self) -> None:
            seen.append(self.state)

    handled = Gate()
    async with home(Plain)() as root:
        child = place(Child)(parent=root)
        seen.append(child.state)
        await child.run()
        await child.insertSignal(message(1))
        await handled.passed()
        await child.stop()
        seen.append(child.state)
    assert [state.value for state in seen] == [
        "new",
        "starting",
        "running",
        "stopping",
        "stopping",
        "stopped",
    ]


async def test_child_run_returns_when_enter_has_returned(home: Place, place: Place) -> None:
    class Child(TaskThread):
        entered = False

        async def enter__(self) -> None:
            await asyncio.sleep(0.01)
            self.entered = True

    async with home(Plain)() as root:
        child = place(Child)(parent=root)
        await child.run()
        assert child.entered
        assert child.state is State.RUNNING
        assert child.exit_reason is None
        assert root.children == [child]
    assert root.children == []


async def test_what_a_childs_enter_raises_is_raised_by_run(home: Place, place: Place) -> None:
    class Child(TaskThread):
        async def enter__(self) -> None:
            raise ValueError("no database")

    async with home(Plain)() as root:
        child = place(Child)(parent=root)
        with pytest.raises(ValueError, match="no database") as caught:
            await child.run()
        reason = await child.join()
        assert reason.kind == "crash"
        assert reason.exception is caught.value
        assert child.state is State.CRASHED
        assert root.children == []
        assert root.state is State.RUNNING


async def test_what_a_roots_enter_raises_is_raised_by_run(place: Place) -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            raise ValueError("no database")

    root = place(Root)()
    with pytest.raises(ValueError, match="no database"):
        await root.run()
    assert root.state is State.CRASHED


async def test_root_run_returns_when_the_whole_tree_has_ended(
    place: Place, home: Place, journal: Journal
) -> None:
    class Root(Recorder):
        async def enter__(self) -> None:
            self.child = place(Recorder)(self.journal, "child", parent=self)
            await self.child.run()
            await self.stop()

    root = home(Root)(journal, "root")
    await root.run()
    assert root.state is State.STOPPED
    assert root.child.state is State.STOPPED
    assert ("child", "exit__") in journal.entries


async def test_root_run_raises_what_crashed_it(place: Place) -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            self.tasks.work = await reCreate(None, self.work)

        async def work(self) -> None:
            raise KeyError("gone")

    root = place(Root)()
    with pytest.raises(KeyError, match="gone"):
        await root.run()
    assert root.exit_reason is not None
    assert root.exit_reason.kind == "crash"


async def test_calling_a_thread_is_run(place: Place) -> None:
    async with Plain() as root:
        child = place(Plain)(parent=root)
        await child()
        assert child.state is State.RUNNING


async def test_a_thread_is_run_once(place: Place) -> None:
    async with Plain() as root:
        child = place(Plain)(parent=root)
        await child.run()
        with pytest.raises(AlreadyStarted, match=str(child)):
            await child.run()
        assert child.state is State.RUNNING
        await child.stop()
        with pytest.raises((AlreadyStarted, ThreadEnded)):
            await child.run()


async def test_two_runs_at_once_start_it_once(place: Place) -> None:
    async with Plain() as root:
        child = place(Plain)(parent=root)
        results = await asyncio.gather(child.run(), child.run(), return_exceptions=True)
        assert results[0] is None
        assert isinstance(results[1], AlreadyStarted)


async def test_parent_that_does_not_run_cannot_start_a_child(home: Place, place: Place) -> None:
    child = place(Plain)(parent=home(Plain)())
    with pytest.raises(NotRunning):
        await child.run()
    assert child.state is State.NEW


async def test_parent_that_has_ended_cannot_start_a_child(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        pass
    with pytest.raises(ThreadEnded):
        await place(Plain)(parent=root).run()


def test_a_parent_is_a_taskthread() -> None:
    wrong: Any = "parent"
    with pytest.raises(TypeError, match="parent"):
        Plain(parent=wrong)


async def test_join_returns_the_reason_to_everyone_on_any_loop(place: Place) -> None:
    async with Plain() as root:
        child = place(Plain)(parent=root)
        await child.run()

        def elsewhere() -> ExitReason:
            return asyncio.run(child.join())

        here = asyncio.create_task(child.join())
        there = asyncio.create_task(asyncio.to_thread(elsewhere))
        await child.stop()
        assert await here is await there is child.exit_reason
        assert await child.join() is child.exit_reason  # after the end too


async def test_a_thread_cannot_join_itself(place: Place, journal: Journal) -> None:
    class Child(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            with pytest.raises(Deadlock, match=str(self)):
                await self.join()
            journal("refused")

    async with Plain() as root:
        child = place(Child)(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await journal.seen("refused")


async def test_cancelled_run_of_a_child_stops_the_child(place: Place, journal: Journal) -> None:
    class Child(TaskThread):
        async def enter__(self) -> None:
            journal("enter__")
            await forever()

    async with Plain() as root:
        child = place(Child)(parent=root)
        running = asyncio.create_task(child.run())
        await journal.seen("enter__")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await child.join()).kind == "shutdown"


async def test_task_of_a_parent_may_run_children_too(home: Place, place: Place) -> None:
    class Parent(TaskThread):
        async def enter__(self) -> None:
            self.tasks.grow = await reCreate(None, self.grow)

        async def grow(self) -> None:
            await place(Plain)(parent=self).run()
            grown.open()

    grown = Gate()
    async with home(Parent)() as parent:
        await grown.passed()
        assert len(parent.children) == 1


async def test_stop_while_enter_runs_is_told_to_who_runs_it(place: Place, journal: Journal) -> None:
    class Child(TaskThread):
        async def enter__(self) -> None:
            journal("enter__")
            await forever()

    async with Plain() as root:
        child = place(Child)(parent=root)
        running = asyncio.create_task(child.run())
        await journal.seen("enter__")
        await child.stop()
        with pytest.raises(StartCancelled, match=str(child)):
            await running


async def test_uninitialised_subclass_vars_name_themselves() -> None:
    with pytest.raises(AttributeError, match="initVars__"):
        Plain().tasks.never_set  # noqa: B018


def test_final_methods_cannot_be_overridden() -> None:
    with pytest.raises(TypeError, match="insertSignal"):
        type("Wrong", (TaskThread,), {"insertSignal": None})


def test_helpers_of_a_subclass_meet_no_private_name_of_ours() -> None:
    private = [name for name in vars(Plain()) | vars(TaskThread) if name.startswith("_")]
    ours = [name for name in private if not name.startswith("__")]
    assert ours == ["_taskthread"]


async def test_a_subclass_may_take_arguments_of_its_own(place: Place) -> None:
    class Child(TaskThread):
        def __init__(self, path: str, *, parent: TaskThread | None = None) -> None:
            self.path = path
            super().__init__(parent=parent)

        def getId(self) -> str:
            return self.path

    async with Plain() as root:
        child = place(Child)("gateway.db", parent=root)
        await child.run()
        assert str(child) == "gateway.db"
        assert root.getChildIds() == ["gateway.db"]
