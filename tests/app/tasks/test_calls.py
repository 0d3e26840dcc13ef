"""Calls: from threads and loops, prepared ones, priorities, delays, and when there is no app."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import Any

import pytest

from task_thread.app import Priority, Run, RunStatus, TaskApp
from task_thread.errors import NotRunning, ThreadEnded, UnknownTask
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Gate, Notes, add, opened_at_last


def test_from_a_thread_a_loop_another_app_and_from_within(start_thread: StartThread) -> None:
    app, other = start_thread(TaskApp("t")), start_thread(TaskApp("u"))
    task = app.task(add)

    @app.task
    async def within() -> int:
        return await task.add_task(1, 1)

    @other.task
    async def from_another() -> int:
        return await task.add_task(2, 2)

    async def loop() -> int:
        return await task.add_task(3, 3)

    assert task.add_task(0, 1).wait(WITHIN) == 1
    assert within.add_task().wait(WITHIN) == 2
    assert from_another.add_task().wait(WITHIN) == 4
    assert asyncio.run(loop()) == 6


def test_before_the_start_not_running() -> None:
    task = TaskApp("t").task(add)
    with pytest.raises(NotRunning, match="run it first"):
        task.add_task(1)


def test_after_the_end_thread_ended(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(add)
    start_thread.stop(app)
    with pytest.raises(ThreadEnded):
        task.add_task(1)


def test_of_an_app_that_ended_before_it_ran_thread_ended(start_thread: StartThread) -> None:
    app = TaskApp("t")
    task = app.task(add)
    start_thread.wait(app.stop())
    with pytest.raises(ThreadEnded):
        task.add_task(1)


def test_a_deleted_task_is_unknown(start_thread: StartThread) -> None:
    task = start_thread(TaskApp("t")).task(add)
    task.delete()
    for act in (lambda: task.add_task(1), task.delete, lambda: task.update(priority=1)):
        with pytest.raises(UnknownTask, match="'add'"):
            act()


def test_a_prepared_call_is_equal_to_the_direct_one(start_thread: StartThread) -> None:
    task = start_thread(TaskApp("t")).task(add, priority=70)
    direct = task.add_task(1, 2, 3, times=2, priority=5)
    prepared = task.prepare(1, 2, 3, times=2, priority=5).add_task()
    for run in (direct, prepared):
        assert run.wait(WITHIN) == 12
        assert (run.args, run.kwargs, run.priority) == ((1, 2, 3), {"times": 2}, 5)
    assert task.prepare(1).add_task().priority == task.add_task(1).priority == 70


def test_a_prepared_call_may_be_made_often_and_before_the_start(start_thread: StartThread) -> None:
    app = TaskApp("t")
    call = app.task(add).prepare(1, 2)
    with pytest.raises(NotRunning):
        call.add_task()
    start_thread(app)
    runs = [call.add_task() for _ in range(5)]
    assert [run.wait(WITHIN) for run in runs] == [3] * 5
    assert len({run.id for run in runs}) == 5


def test_a_prepared_delay_counts_from_the_call(start_thread: StartThread) -> None:
    call = start_thread(TaskApp("t")).task(add).prepare(1, delay=0.05)
    begun = time.monotonic()
    call.add_task().wait(WITHIN)
    assert time.monotonic() - begun >= 0.05


@pytest.mark.parametrize(
    "bad",
    [
        {"delay": -1}, {"delay": "1"}, {"delay": math.nan}, {"delay": math.inf}, {"delay": True},
        {"priority": "high"}, {"priority": 1.5}, {"priority": True},
    ],
)  # fmt: skip
def test_a_bad_delay_or_priority_is_refused_at_the_caller(
    start_thread: StartThread, bad: dict[str, Any]
) -> None:
    task = start_thread(TaskApp("t")).task(add)
    with pytest.raises((TypeError, ValueError), match=next(iter(bad))):
        task.add_task(1, **bad)
    assert task.add_task(1).wait(WITHIN) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"delay": -1},
        {"delay": "1"},
        {"priority": "high"},
    ],
)
def test_a_bad_delay_or_priority_is_refused_when_prepared(bad: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(bad))):
        TaskApp("t").task(add).prepare(1, **bad)


def test_priority_0_is_honoured_unlike_qtasks(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task, critical = app.task(add, id="a", priority=70), app.task(add, id="b", priority=0)
    assert task.add_task(1, priority=0).priority == 0
    assert task.prepare(1, priority=0).add_task().priority == 0
    assert critical.add_task(1).priority == 0
    assert task.add_task(1, priority=Priority.CRITICAL).priority == 0
    assert task.add_task(1, priority=-5).priority == -5
    assert task.add_task(1).priority == 70


def test_who_waits_goes_by_priority_and_then_in_order(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", coroutines=1))
    gate, notes = Gate(), Notes()

    @app.task
    async def note(what: str) -> None:
        notes.add(what)

    with opened_at_last(gate):
        holds = [app.task(gate.hold_async, id=f"hold-{n}") for n in range(3)]
        # Two NORMAL ones and a HIGH one: the place and both reserves are taken.
        held = [task.add_task(priority=50) for task in holds]
        gate.arrived(3)
        runs = [
            note.add_task(f"{priority}-{n}", priority=priority)
            for n in range(3)
            for priority in (200, 100, 60, 51, 250)
        ]
    for run in [*held, *runs]:
        run.wait(WITHIN)
    assert notes.all == [f"{p}-{n}" for p in (51, 60, 100, 200, 250) for n in range(3)]


def test_a_delay_is_kept_and_the_status_says_so(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(add)
    begun = time.monotonic()
    run = task.add_task(1, delay=0.1)
    assert run.status is RunStatus.DELAYED
    assert task.add_task(2).wait(WITHIN) == 2  # others are not held up
    assert run.status is RunStatus.DELAYED
    assert app.app_statistics().delayed == 1
    assert run.time_started is None
    assert run.wait(WITHIN) == 1
    assert time.monotonic() - begun >= 0.1
    assert run.time_started is not None
    assert (run.time_started - run.time_queued).total_seconds() >= 0.1 - 0.002


def test_delays_come_in_their_order(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    @app.task
    async def note(what: int) -> None:
        notes.add(what)

    for number in (5, 1, 4, 2, 3):
        note.add_task(number, delay=number * 0.02)
    note.add_task(0, delay=0)
    assert notes.wait_for(6) == [0, 1, 2, 3, 4, 5]


def test_ids_are_unique_across_threads(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    async def quick() -> None: ...

    runs: list[Run[Any]] = []
    barrier = threading.Barrier(4)

    def give() -> None:
        barrier.wait(WITHIN)
        runs.extend([quick.add_task() for _ in range(200)])

    threads = [threading.Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        run.wait(WITHIN)
    assert len({run.id for run in runs}) == 800
    assert app.app_statistics().ended == {RunStatus.SUCCEEDED: 800}


def test_a_task_that_calls_itself_again_and_again(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    async def countdown(left: int) -> int:
        return 0 if left == 0 else 1 + await countdown.add_task(left - 1)

    assert countdown.add_task(50).wait(WITHIN) == 50


def test_many_short_ones_take_turns_with_others_on_the_loop(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    async def quick(n: int) -> int:
        return n

    runs = [quick.add_task(n) for n in range(5000)]
    assert [run.wait(WITHIN) for run in runs] == list(range(5000))
