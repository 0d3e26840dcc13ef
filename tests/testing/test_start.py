"""start_thread: the start, the waits and the end, from plain tests and from coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from task_thread import State, TaskThread, VirtualThread
from task_thread.errors import AlreadyStarted, ThreadEnded
from task_thread.testing import SignalProbe, StartThread
from tests.testing.threads import Count, Counter, Note, VirtualCounter

flavour: ContextVar[str] = ContextVar("flavour")


class Broken(TaskThread):
    async def enter__(self) -> None:
        raise LookupError("no file")


class Slow(TaskThread):
    def initVars__(self) -> None:
        self.may_enter = threading.Event()

    async def enter__(self) -> None:
        await asyncio.to_thread(self.may_enter.wait)


def test_returns_the_thread_when_it_has_entered(start_thread: StartThread) -> None:
    counter = Counter()
    assert start_thread(counter) is counter
    assert counter.state is State.RUNNING


def test_a_virtual_root_gets_a_loop_of_the_kit(start_thread: StartThread) -> None:
    counter = start_thread(VirtualCounter())
    counter.post(Note(1))
    assert start_thread.wait(counter.ask(Count())) == 1


def test_a_child_of_what_was_started(start_thread: StartThread) -> None:
    parent = start_thread(Counter())
    child = start_thread(VirtualCounter(parent=parent))
    assert parent.children == [child]


def test_raises_what_enter_raised(start_thread: StartThread) -> None:
    with pytest.raises(LookupError, match="no file"):
        start_thread(Broken())


def test_enter_that_raises_a_timeout_error_is_no_slow_start(start_thread: StartThread) -> None:
    class TimesOut(TaskThread):
        async def enter__(self) -> None:
            raise TimeoutError("the server did not answer")

    with pytest.raises(TimeoutError, match="the server did not answer"):
        start_thread(TimesOut())


def test_says_whose_enter_does_not_return(start_thread: StartThread) -> None:
    slow = Slow()
    with pytest.raises(TimeoutError, match=r"enter__ of Slow-\d+ has not returned within 0.05 s"):
        start_thread(slow, timeout=0.05)
    slow.may_enter.set()


def test_need_not_wait(start_thread: StartThread) -> None:
    slow = start_thread(Slow(), wait=False)
    assert slow.state is State.STARTING
    slow.may_enter.set()
    slow.post(Note(1))
    assert start_thread.stop(slow).kind == "shutdown"


def test_refuses_what_is_no_thread(start_thread: StartThread) -> None:
    with pytest.raises(TypeError, match="takes a TaskThread, an instance"):
        start_thread(Counter)  # type: ignore[type-var]


def test_refuses_what_was_started(start_thread: StartThread) -> None:
    counter = start_thread(Counter())
    with pytest.raises(AlreadyStarted):
        start_thread(counter)


def test_the_context_of_the_test_reaches_the_thread(start_thread: StartThread) -> None:
    class Tasting(TaskThread):
        async def enter__(self) -> None:
            self.taste = flavour.get()

    flavour.set("salt")
    assert start_thread(Tasting()).taste == "salt"


def test_wait_raises_what_was_raised(start_thread: StartThread) -> None:
    counter = start_thread(Counter())
    start_thread.stop(counter)
    with pytest.raises(ThreadEnded):
        start_thread.wait(counter.insertSignal(Note(1)))


def test_wait_gives_up(start_thread: StartThread) -> None:
    counter = start_thread(Counter())
    with pytest.raises(TimeoutError):
        start_thread.wait(counter.join(), timeout=0.05)


@pytest.mark.task_thread
async def test_in_a_coroutine_it_needs_no_loop_of_the_test(start_thread: StartThread) -> None:
    counter = start_thread(Counter())
    virtual = start_thread(VirtualCounter())
    await counter.insertSignal(Note(1))
    assert await counter.ask(Count(), timeout=5.0) == 1
    assert await virtual.ask(Count(), timeout=5.0) == 0


@pytest.mark.task_thread
async def test_a_parent_on_the_tests_own_loop_is_refused(start_thread: StartThread) -> None:
    async with VirtualThread() as parent:
        child = Counter(parent=parent)
        with pytest.raises(RuntimeError, match="lives on this test's own loop"):
            start_thread(child)
        await child.run()


def test_probe_as_a_parent(
    start_thread: StartThread, signal_probe: Callable[..., SignalProbe]
) -> None:
    probe = signal_probe()
    counter = start_thread(Counter(parent=probe))
    counter.post(Note(1))
    counter.post(Note(2))
    assert probe.wait_for(Note, times=2) == Note(2)
    assert [(each.signal, each.sender) for each in probe.received] == [
        (Note(1), counter),
        (Note(2), counter),
    ]
    start_thread.stop(counter)
    assert probe.wait_for_exit(counter).kind == "shutdown"
    assert [each.child for each in probe.exits] == [counter]


def test_probe_as_a_child(
    start_thread: StartThread, signal_probe: Callable[..., SignalProbe]
) -> None:
    counter = start_thread(Counter())
    probe = signal_probe(parent=counter)
    start_thread.wait(counter.sigFromParentToChild__(Note("down"), probe))
    assert probe.wait_for(lambda signal: signal == Note("down")) == Note("down")
    assert probe.signals == [Note("down")]
    assert probe.received[0].sender is None


def test_probe_lists_what_came_instead(
    start_thread: StartThread, signal_probe: Callable[..., SignalProbe]
) -> None:
    probe = signal_probe()
    counter = start_thread(Counter(parent=probe))
    counter.post(Note("else"))
    probe.wait_for(Note)
    start_thread.stop(counter)
    probe.wait_for_exit()
    with pytest.raises(TimeoutError) as caught:
        probe.wait_for(lambda signal: signal.what == "this", timeout=0.02)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{probe} did not see ")
    assert "within 0.02 s; what came:" in str(caught.value)
    assert lines[-2:] == [
        f"  Note(what='else') of {counter}",
        f"  {counter} ended (shutdown)",
    ]
    with pytest.raises(TimeoutError, match="did not see Count, 2 times, within"):
        probe.wait_for(Count, timeout=0.02, times=2)
    with pytest.raises(TimeoutError, match=f"did not see the end of {probe}"):
        probe.wait_for_exit(probe, timeout=0.02)


def test_a_predicate_that_raises_fails_the_test_alone(
    signal_probe: Callable[..., SignalProbe],
) -> None:
    probe = signal_probe()
    probe.post(Note(1))
    with pytest.raises(AttributeError, match="colour"):
        probe.wait_for(lambda signal: signal.colour)
    assert probe.state is State.RUNNING


def test_waits_for_at_least_one(signal_probe: Callable[..., SignalProbe]) -> None:
    with pytest.raises(ValueError, match="times=0"):
        signal_probe().wait_for(Note, times=0)


@pytest.mark.task_thread
async def test_probe_is_awaited_in_a_coroutine(
    start_thread: StartThread, signal_probe: Callable[..., SignalProbe]
) -> None:
    probe = signal_probe()
    counter = start_thread(Counter(parent=probe))
    waiting = asyncio.create_task(probe.seen(Note))
    await asyncio.sleep(0)  # it waits by now
    counter.post(Note(1))
    assert await waiting == Note(1)
    assert await probe.seen(Note) == Note(1)  # came before
    with pytest.raises(TimeoutError, match="did not see Count within"):
        await probe.seen(Count, timeout=0.02)
    await counter.terminate()
    assert (await probe.exit_seen(counter)).kind == "shutdown"
    with pytest.raises(TimeoutError, match="did not see the end of"):
        await probe.exit_seen(probe, timeout=0.02)
