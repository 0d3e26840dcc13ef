"""Users' objects that misbehave: nothing dies silently, nothing hangs, nothing leaks."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import weakref
from dataclasses import dataclass, field
from typing import Any

import pytest

from task_thread import Backoff, ExitReason, State, TaskThread, reCreate
from task_thread.errors import AskTimeout, ThreadEnded
from task_thread.signals import Request, Signal
from tests.support.journal import Journal
from tests.support.threads import Held, Place, Plain, Recorder, forever, message

SOON = 2.0
"""Seconds after which something is taken to hang."""


class Weird(BaseException):
    """Neither an Exception nor one that asyncio knows."""


class Unspeakable(Exception):
    """Can't even be turned into text."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Brief(TaskThread):
    """A root that gives up soon on what hangs."""

    stop_timeout = 1.0


class Raises(TaskThread):
    """Raises one error in one hook."""

    stop_timeout = 1.0

    def __init__(self, hook: str, error: BaseException, parent: TaskThread) -> None:
        self.hook = hook
        self.error = error
        super().__init__(parent=parent)

    def maybe(self, hook: str) -> None:
        if hook == self.hook:
            raise self.error

    async def enter__(self) -> None:
        self.maybe("enter__")
        self.tasks.work = await reCreate(None, self.work)

    async def work(self) -> None:
        self.maybe("task")

    async def signalHandler__(self, signal: Signal) -> None:
        self.maybe("signalHandler__")

    async def stopping__(self) -> None:
        self.maybe("stopping__")

    async def exit__(self) -> None:
        self.maybe("exit__")


ERRORS = [Weird("weird"), Unspeakable(), GeneratorExit()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", ["enter__", "task", "signalHandler__", "stopping__", "exit__"])
async def test_whatever_a_hook_raises_its_thread_crashes_and_the_others_go_on(
    place: Place, hook: str, error: BaseException
) -> None:
    async with Brief() as root:
        child = place(Raises)(hook, error, root)
        if hook == "enter__":
            with pytest.raises(BaseException):  # noqa: B017, PT011
                await asyncio.wait_for(child.run(), SOON)
        else:
            await child.run()
        if hook == "signalHandler__":
            await child.insertSignal(message(1))
        if hook in {"stopping__", "exit__"}:
            await child.terminate()
        reason = await asyncio.wait_for(child.join(), SOON)
        assert reason.kind == "crash"
        assert root.state is State.RUNNING


@pytest.mark.parametrize("hook", ["task", "signalHandler__", "stopping__", "exit__"])
async def test_keyboard_interrupt_raised_in_an_os_thread_is_a_crash_of_it(hook: str) -> None:
    async with Brief() as root:
        child = Raises(hook, KeyboardInterrupt(), root)
        await child.run()
        if hook == "signalHandler__":
            await child.insertSignal(message(1))
        if hook in {"stopping__", "exit__"}:
            await child.terminate()
        reason = await asyncio.wait_for(child.join(), SOON)
        assert reason.kind == "crash"


@pytest.mark.parametrize("hook", ["stopping__", "exit__"])
async def test_cancelled_error_out_of_a_stopping_hook_is_a_crash(place: Place, hook: str) -> None:
    async with Brief() as root:
        child = place(Raises)(hook, asyncio.CancelledError(), root)
        await child.run()
        await child.stop()
        assert child.exit_reason is not None
        assert child.exit_reason.kind == "crash"


async def test_signal_that_cannot_be_shown(place: Place) -> None:
    class Mute(Signal):
        def __repr__(self) -> str:
            raise ValueError("no text")

    async with Brief() as root:
        child = place(Raises)("signalHandler__", ValueError("in the handler"), root)
        await child.run()
        await child.insertSignal(Mute())
        reason = await asyncio.wait_for(child.join(), SOON)
        assert reason.kind == "crash"
        assert str(reason.exception) == "in the handler"


class Broken:
    """A logger with a bug in it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no log")


@pytest.mark.parametrize("hook", ["task", "signalHandler__", "exit__"])
async def test_logger_that_raises_cannot_hold_a_crash_back(place: Place, hook: str) -> None:
    class Child(Raises):
        def initVars__(self) -> None:
            self.logger = Broken()  # type: ignore[assignment]

    async with Brief() as root:
        child = place(Child)(hook, ValueError("broken"), root)
        await child.run()
        if hook == "signalHandler__":
            await child.insertSignal(message(1))
        if hook == "exit__":
            await child.terminate()
        reason = await asyncio.wait_for(child.join(), SOON)
        assert reason.kind == "crash"


async def test_wrong_word_for_on_task_error_on_an_instance_is_no_silence(place: Place) -> None:
    class Child(Raises):
        def initVars__(self) -> None:
            self.on_task_error = "ignore"  # type: ignore[assignment]

    async with Brief() as root:
        child = place(Child)("task", ValueError("broken"), root)
        await child.run()
        reason = await asyncio.wait_for(child.join(), SOON)
        assert reason.kind == "crash"


async def test_children_are_known_by_identity(home: Place, place: Place) -> None:
    class AllEqual(TaskThread):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, AllEqual)

        __hash__ = None  # type: ignore[assignment]

    async with home(Plain)() as root:
        children = [place(AllEqual)(parent=root) for _ in range(3)]
        for child in children:
            await child.run()
        assert len(root.children) == 3
        await root.delChild(children[1])
        assert [child.state for child in children] == [
            State.RUNNING,
            State.STOPPED,
            State.RUNNING,
        ]
    assert [child.state for child in children] == [State.STOPPED] * 3


@dataclass
class Plan(Request[int]):
    """Compares by value, and can't be hashed."""

    steps: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Same(Request[int]):
    """Two of them are equal."""

    number: int = 0


async def test_requests_are_known_by_identity(place: Place, journal: Journal) -> None:
    class Answers(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            assert isinstance(signal, Plan)
            signal.reply(len(signal.steps))

    async with place(Answers)() as thread:
        assert await thread.ask(Plan(["a", "b"])) == 2

    async with Brief() as root:
        keeps = place(Held)(journal, parent=root)
        await keeps.run()
        keeps.gate.open()
        patient = asyncio.create_task(keeps.ask(Same(), timeout=None))
        await journal.seen(("thread", "handling"))
        with pytest.raises(AskTimeout):
            await keeps.ask(Same(), timeout=0.01)
        await keeps.stop()
        with pytest.raises(ThreadEnded):
            await asyncio.wait_for(patient, SOON)


@pytest.mark.parametrize("timeout", [0, -1, 0.0])
async def test_stop_without_any_time_returns_at_once(place: Place, timeout: float) -> None:
    root = Plain()
    await root.__aenter__()
    child = place(Plain)(parent=root)
    await child.run()
    await asyncio.wait_for(child.stop(timeout=timeout), 1)
    assert child.exit_reason is not None
    await root.stop()


async def test_stop_with_all_the_time_in_the_world(home: Place, place: Place) -> None:
    class Patient(Plain):
        stop_timeout = math.inf

    async with home(Patient)() as root:
        child = place(Patient)(parent=root)
        await child.run()
        await child.stop()
        other = place(Patient)(parent=root)
        await other.run()
    assert child.exit_reason == other.exit_reason == ExitReason("shutdown")


@pytest.mark.parametrize("crash", [False, True])
async def test_a_thread_that_has_ended_is_forgotten(
    home: Place, place: Place, journal: Journal, crash: bool, caplog: pytest.LogCaptureFixture
) -> None:
    # What pytest keeps of the log holds tracebacks, and those their frames.
    caplog.set_level(logging.CRITICAL + 1, logger="Raises")
    async with home(Recorder)(journal, "root") as root:
        child = place(Raises)("signalHandler__" if crash else "", ValueError("x"), root)
        await child.run()
        await child.insertSignal(message(1))
        if not crash:
            await child.stop()
        reason = await child.join()
        await journal.seen(("root", ("childExited__", str(child), reason.kind)))
        await root.insertSignal(message("next"))  # the listener has let go of the child
        await journal.seen(("root", "next"))
        gone = weakref.ref(child)
        del child, reason
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
        assert gone() is None


async def test_hundred_starts_and_stops_leave_nothing_behind(place: Place) -> None:
    async with Brief() as root:
        for _ in range(100):
            child = place(Recorder)(Journal(), parent=root)
            await child.run()
            child.post(message(1))
            await child.stop()
        assert root.children == []
        assert len(root.statistics().tasks) == 0


async def test_restart_goes_on_after_an_error_that_cannot_be_shown(
    place: Place, journal: Journal
) -> None:
    class Child(TaskThread):
        on_task_error = "restart"
        task_backoff = Backoff(initial=0.001)
        raised = False

        async def enter__(self) -> None:
            self.tasks.work = await reCreate(None, self.work)

        async def work(self) -> None:
            if not self.raised:
                self.raised = True
                raise Unspeakable
            journal("again")
            await forever()

    async with place(Child)():
        await journal.seen("again")
