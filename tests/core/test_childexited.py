"""childExited__: the parent is told once, after the child's last signal, and goes on."""

from __future__ import annotations

import pytest

from task_thread import ExitReason, State, TaskThread
from task_thread.errors import StartCancelled
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, Recorder, message


class Child(Recorder):
    async def signalHandler__(self, signal: Signal) -> None:
        for number in range(20):
            await self.sigFromChildToParent__(message(number))
        raise ValueError("crash")


async def test_told_behind_all_that_the_child_had_sent(
    home: Place, place: Place, journal: Journal
) -> None:
    async with home(Recorder)(journal, "parent") as parent:
        child = place(Child)(journal, "child", parent=parent)
        await child.run()
        await child.insertSignal(message("go"))
        await journal.seen(("parent", ("childExited__", "child", "crash")))
        assert parent.state is State.RUNNING
    told = [what for name, what in journal.entries if name == "parent"]
    assert told == [
        "enter__",
        *(("child", number) for number in range(20)),
        ("childExited__", "child", "crash"),
        "stopping__",
        "exit__",
    ]


async def test_the_child_has_ended_and_is_no_child_any_more(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(TaskThread):
        async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
            journal((child.state, child.exit_reason is reason, self.children, str(child)))

    async with home(Parent)() as parent:
        child = place(Plain)(parent=parent)
        await child.run()
        await child.stop()
        await journal.seen((State.STOPPED, True, [], str(child)))


async def test_a_parent_may_start_another_one_there(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(TaskThread):
        async def enter__(self) -> None:
            await place(Child)(journal, "1", parent=self).run()

        async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
            again = place(Child)(journal, str(int(str(child)) + 1), parent=self)
            await again.run()
            journal(("restarted", str(again)))

    async with home(Parent)() as parent:
        for number in ("1", "2", "3"):
            child = parent.findChild(number)
            assert child is not None
            await child.insertSignal(message("go"))
            await journal.seen(("restarted", str(int(number) + 1)))
        assert parent.getChildIds() == ["4"]


async def test_raising_there_ends_the_parent_with_its_child(home: Place, place: Place) -> None:
    class Parent(TaskThread):
        async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
            if reason.exception is not None:
                raise reason.exception

    class Bad(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            raise ValueError("bad")

    async with Plain() as root:
        parent = home(Parent)(parent=root)
        await parent.run()
        child = place(Bad)(parent=parent)
        await child.run()
        await child.insertSignal(message(1))
        reason = await parent.join()
        assert reason.kind == "crash"
        assert str(child) in reason.detail
        assert str(reason.exception) == "bad"


async def test_not_told_of_a_child_that_never_entered(
    home: Place, place: Place, journal: Journal
) -> None:
    class Bad(TaskThread):
        async def enter__(self) -> None:
            raise ValueError("bad")

    async with home(Recorder)(journal, "parent") as parent:
        with pytest.raises(ValueError, match="bad"):
            await place(Bad)(parent=parent).run()
        stopped = place(Plain)(parent=parent)
        await stopped.stop()
        with pytest.raises(StartCancelled):
            await stopped.run()
    told = [what for name, what in journal.entries if name == "parent"]
    assert told == ["enter__", "stopping__", "exit__"]
