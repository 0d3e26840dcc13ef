"""Each thread ends with exactly one exit reason, on itself and told to its parent."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError

import pytest

from task_thread import ExitReason, State, TaskThread, reCreate
from task_thread.signals import CloseSignal, Signal, TerminateSignal
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, Recorder, forever, message, overdue


class Ends(TaskThread):
    """Ends in the way that the signal says."""

    async def signalHandler__(self, signal: Signal) -> bool | None:
        how = str(signal)
        if how == "False":
            return False
        if how == "raise":
            raise ValueError("broken")
        if how == "stop":
            await self.stop()
        elif how == "requestTerminate":
            await self.requestTerminate()
        elif how == "task":
            self.tasks.work = await reCreate(None, self.work)
        elif how == "CloseSignal":
            await self.sigFromChildToParent__(CloseSignal())
        return None

    async def work(self) -> None:
        raise ValueError("broken")


class How(Signal):
    def __init__(self, how: str) -> None:
        self.how = how

    def __str__(self) -> str:
        return self.how


REASONS = [
    ("False", "normal"),
    ("stop", "normal"),
    ("requestTerminate", "normal"),
    ("CloseSignal", "normal"),
    ("raise", "crash"),
    ("task", "crash"),
]


@pytest.mark.parametrize(("how", "kind"), REASONS)
async def test_reason_of_a_thread_that_ends_itself(
    home: Place, place: Place, journal: Journal, how: str, kind: str
) -> None:
    async with home(Recorder)(journal, "root") as root:
        child = place(Ends)(parent=root)
        await child.run()
        await child.insertSignal(How(how))
        reason = await child.join()
        await journal.seen(("root", ("childExited__", str(child), kind)))
        assert reason.kind == kind
        assert child.exit_reason is reason
        assert child.state is (State.CRASHED if kind == "crash" else State.STOPPED)
        assert isinstance(reason.exception, ValueError) == (kind == "crash")
        assert root.state is State.RUNNING
    told = [entry for entry in journal.entries if entry[1][0] == "childExited__"]
    assert len(told) == 1


async def ask_by_stop(child: TaskThread) -> None:
    await child.stop()


async def ask_by_terminate(child: TaskThread) -> None:
    await child.terminate()


async def ask_by_signal(child: TaskThread) -> None:
    await child.insertSignal(TerminateSignal())


async def ask_by_parent(child: TaskThread) -> None:
    assert child.parent is not None
    await child.parent.sigFromParentToChild__(TerminateSignal())


async def ask_by_post(child: TaskThread) -> None:
    child.post(TerminateSignal())


async def ask_by_delete(child: TaskThread) -> None:
    assert child.parent is not None
    await child.parent.delChild(child)


@pytest.mark.parametrize(
    "ask",
    [ask_by_stop, ask_by_terminate, ask_by_signal, ask_by_parent, ask_by_post, ask_by_delete],
)
async def test_reason_of_a_thread_that_is_asked_to_end(
    home: Place, place: Place, journal: Journal, ask: object
) -> None:
    assert callable(ask)
    async with home(Recorder)(journal, "root") as root:
        child = place(Ends)(parent=root)
        await child.run()
        await ask(child)
        assert await child.join() == ExitReason("shutdown")
        await journal.seen(("root", ("childExited__", str(child), "shutdown")))


async def test_reason_of_a_stopped_tree(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.run()
    assert root.exit_reason == child.exit_reason == ExitReason("shutdown")


async def test_reason_timeout_says_where(place: Place) -> None:
    class Hangs(TaskThread):
        async def exit__(self) -> None:
            await forever()

    async with overdue(Plain(), "Hangs") as root:
        child = place(Hangs)(parent=root)
        await child.run()
        await child.stop(timeout=1.0)
        reason = child.exit_reason
    assert reason is not None
    assert reason.kind == "timeout"
    assert reason.exception is None
    assert "exit__" in reason.detail
    assert "threads.py" in reason.detail  # the line in which it hangs


async def test_crash_after_an_order_to_stop_counts(place: Place) -> None:
    class Child(TaskThread):
        async def exit__(self) -> None:
            raise ValueError("at the end")

    async with Plain() as root:
        child = place(Child)(parent=root)
        await child.run()
        await child.stop()
        assert child.exit_reason is not None
        assert child.exit_reason.kind == "crash"
        assert child.exit_reason.detail == "exit__"


async def test_first_crash_is_the_reason(place: Place) -> None:
    class Child(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            raise ValueError("first")

        async def exit__(self) -> None:
            raise ValueError("second")

    async with Plain() as root:
        child = place(Child)(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        assert str((await child.join()).exception) == "first"


async def test_reason_of_a_loop_that_could_not_be_made() -> None:
    class Child(TaskThread):
        @staticmethod
        def loop_factory() -> asyncio.AbstractEventLoop:
            raise OSError("no descriptor left")

    async with Plain() as root:
        child = Child(parent=root)
        with pytest.raises(OSError, match="no descriptor left"):
            await child.run()
        assert child.state is State.CRASHED
        assert root.children == []


def test_reason_is_frozen() -> None:
    reason = ExitReason("crash", ValueError("x"), "enter__")
    with pytest.raises(FrozenInstanceError):
        reason.kind = "normal"  # type: ignore[misc]
    assert str(reason) == "crash, ValueError: x, enter__"
    assert str(ExitReason("normal")) == "normal"


@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        ("normal", False),
        ("shutdown", False),
        ("crash", True),
        ("timeout", True),
        ("abandoned", True),
    ],
)
def test_reason_failed(kind: str, failed: bool) -> None:
    assert ExitReason(kind).failed is failed  # type: ignore[arg-type]
