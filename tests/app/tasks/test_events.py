"""Events: to a parent, in signals, and to callbacks; which kinds; no more after unsubscribe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from task_thread import TaskThread
from task_thread.app import (
    AppEvent,
    Date,
    Interval,
    RunEnded,
    RunEvent,
    RunMissed,
    RunRetrying,
    RunSkipped,
    RunStarted,
    RunStatus,
    TaskAdded,
    TaskApp,
    TaskDeleted,
    TaskEvent,
    TaskPaused,
    TaskResumed,
    TaskUpdated,
)
from task_thread.signals import Signal
from task_thread.testing import SignalProbe, StartThread
from tests.app.tasks.hands import WITHIN, Notes, add, fail, nothing, outcome, settled

MakeProbe = Callable[..., SignalProbe]


def kinds_of(notes: Notes) -> list[str]:
    return [type(event).__name__ for event in notes.all]


def test_a_parent_is_told_in_its_childsignalhandler(
    start_thread: StartThread, signal_probe: MakeProbe
) -> None:
    probe = signal_probe()
    app = start_thread(TaskApp("t", parent=probe, events=[RunStarted, RunEnded]))
    run = app.task(add).add_task(1, 2)
    started = probe.wait_for(RunStarted)
    ended = probe.wait_for(RunEnded)
    assert isinstance(started, RunStarted)
    assert isinstance(ended, RunEnded)
    assert (started.app, started.run.id, started.run.status) == ("t", run.id, RunStatus.RUNNING)
    assert (ended.run.id, ended.run.status, ended.run.result) == (run.id, RunStatus.SUCCEEDED, 3)
    assert {type(each) for each in probe.signals} == {RunStarted, RunEnded}
    assert all(each.sender is app for each in probe.received)


def test_a_parent_that_did_not_subscribe_is_told_nothing(
    start_thread: StartThread, signal_probe: MakeProbe
) -> None:
    probe = signal_probe()
    app = start_thread(TaskApp("t", parent=probe))
    app.task(add).add_task(1).wait(WITHIN)
    start_thread.stop(app)
    assert probe.signals == []


def test_a_parent_may_subscribe_later_and_again_not(
    start_thread: StartThread, signal_probe: MakeProbe
) -> None:
    probe = signal_probe()
    app = start_thread(TaskApp("t", parent=probe))
    task = app.task(add)
    app.subscribe(RunEnded)
    first = task.add_task(1)
    probe.wait_for(RunEnded)
    app.unsubscribe(RunEnded)
    task.add_task(2).wait(WITHIN)
    app.subscribe(RunEnded)
    third = task.add_task(3)
    probe.wait_for(lambda signal: isinstance(signal, RunEnded) and signal.run.id == third.id)
    ids = [signal.run.id for signal in probe.signals if isinstance(signal, RunEnded)]
    assert ids == [first.id, third.id]


def test_the_parent_gets_them_in_order_and_all_before_the_app_has_ended(
    start_thread: StartThread,
) -> None:
    class Parent(TaskThread):
        max_qsize = 3  # events wait for room

        def initVars__(self) -> None:
            self.heard: list[str] = []

        async def signalHandler__(self, signal: Signal) -> bool:
            return True

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            await asyncio.sleep(0)
            assert isinstance(signal, RunEnded)
            self.heard.append(signal.run.id)

    parent = start_thread(Parent())
    app = start_thread(TaskApp("t", parent=parent, events=[RunEnded]))
    runs = [app.task(nothing, id="it", replace=True).add_task() for _ in range(100)]
    for run in runs:
        run.wait(WITHIN)
    start_thread.stop(app)
    start_thread.stop(parent)
    assert parent.heard == [run.id for run in runs]


def test_a_callback_is_told_of_its_kinds_and_their_subclasses(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    everything, runs, tasks, ended = Notes(), Notes(), Notes(), Notes()
    app.subscribe(callback=everything.add)
    app.subscribe(RunEvent, callback=runs.add)
    app.subscribe(TaskEvent, callback=tasks.add)
    app.subscribe(RunEnded, RunRetrying, callback=ended.add)
    outcome(app.task(fail, retry=1, backoff=0).add_task("gone"))
    settled_kinds = ["TaskAdded", "RunStarted", "RunRetrying", "RunStarted", "RunEnded"]
    everything.wait_for(5)
    assert kinds_of(everything) == settled_kinds
    assert kinds_of(runs) == settled_kinds[1:]
    assert kinds_of(tasks) == ["TaskAdded"]
    assert kinds_of(ended) == ["RunRetrying", "RunEnded"]
    assert all(isinstance(event, AppEvent) and event.app == "t" for event in everything.all)


def test_async_callbacks_are_awaited(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    async def told(event: RunEnded) -> None:
        await asyncio.sleep(0)
        notes.add(event.run.result)

    app.subscribe(RunEnded, callback=told)
    app.task(add).add_task(5)
    assert notes.wait_for(1) == [5]


def test_one_that_subscribes_twice_is_told_once(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    for _ in range(2):
        app.subscribe(RunEnded, callback=notes.add)
    app.subscribe(RunEvent, callback=notes.add)
    app.unsubscribe(RunEvent, callback=notes.add)
    app.task(add).add_task(1).wait(WITHIN)
    settled(app)
    assert [event.run.task for event in notes.all if event.run.task == "add"] == ["add"]


def test_unsubscribe_from_one_kind_or_from_all(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.subscribe(RunStarted, RunEnded, callback=notes.add)
    app.unsubscribe(RunStarted, callback=notes.add)
    app.task(add).add_task(1).wait(WITHIN)
    settled(app)
    app.unsubscribe(callback=notes.add)
    before = len(notes)
    assert set(kinds_of(notes)) == {"RunEnded"}
    app.tasks_by_id["add"].add_task(1).wait(WITHIN)
    settled(app)
    assert len(notes) == before


@pytest.mark.parametrize("kind", [5, int, "RunEnded", RunEvent.__name__])
def test_a_kind_is_a_class_of_events(kind: Any) -> None:
    with pytest.raises(TypeError, match="class of events"):
        TaskApp("t").subscribe(kind)


def test_a_callback_is_something_that_can_be_called() -> None:
    bad: Any = 5
    with pytest.raises(TypeError, match="callback"):
        TaskApp("t").subscribe(RunEnded, callback=bad)


def test_the_life_of_a_task(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.subscribe(TaskEvent, callback=notes.add)
    task = app.schedule(add, Interval(hours=1), id="a", args=(1,))
    task.update(priority=3)
    task.reschedule("interval", hours=2)
    task.pause()
    task.pause()
    task.resume()
    task.delete()
    notes.wait_for(6)
    settled(app)
    events = [event for event in notes.all if event.task == "a"]
    assert [type(event) for event in events] == [
        TaskAdded, TaskUpdated, TaskUpdated, TaskPaused, TaskResumed, TaskDeleted,
    ]  # fmt: skip


def test_tasks_that_were_there_before_are_told_at_the_start(start_thread: StartThread) -> None:
    app, notes = TaskApp("t"), Notes()
    app.task(add)
    app.subscribe(TaskAdded, callback=notes.add)
    start_thread(app)
    assert [event.task for event in notes.wait_for(1)] == ["add"]
    settled(app)
    assert [event.task for event in notes.all].count("add") == 1


def test_missed_and_skipped_have_events_of_their_own(start_thread: StartThread) -> None:
    from datetime import UTC, datetime, timedelta

    app, notes = start_thread(TaskApp("t")), Notes()
    app.subscribe(RunMissed, RunSkipped, RunEnded, callback=notes.add)
    soon = datetime.now(UTC) + timedelta(seconds=0.02)
    task = app.schedule(nothing, Date(soon), id="a", misfire_grace_time=0.001)
    task.pause()
    app.task(nothing).add_task(delay=0.06).wait(WITHIN)
    task.resume()
    notes.wait_for(2)
    missed = [event for event in notes.all if event.run.task == "a"]
    assert [type(event) for event in missed] == [RunMissed]
    assert missed[0].run.status is RunStatus.MISSED


def test_a_failing_subscriber_does_not_keep_the_others_from_it(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def raises(event: AppEvent) -> None:
        raise LookupError("mine")

    app.subscribe(RunEnded, callback=raises)
    app.subscribe(RunEnded, callback=notes.add)
    assert app.task(add).add_task(1).wait(WITHIN) == 1
    notes.wait_for(1)
