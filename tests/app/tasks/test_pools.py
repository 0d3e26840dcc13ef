"""Priorities and reserves from end to end: who starts in a pool that is full."""

from __future__ import annotations

import pytest

from task_thread.app import Pool, Priority, TaskApp
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Gate, Notes, opened_at_last, settled


def test_critical_starts_though_the_pool_is_full_unlike_atasker(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", threads=2))
    gate, late = Gate(), Gate()
    with opened_at_last(gate, late):
        hold = app.task(gate.hold)
        held = [hold.add_task(priority=Priority.HIGH) for _ in range(4)]
        gate.arrived(4)  # the places and both reserves
        waits = hold.add_task(priority=Priority.HIGH)
        many = [app.task(late.hold, id="late").add_task(priority=0)]
        many += [app.tasks_by_id["late"].add_task(priority=-n) for n in range(5)]
        late.arrived(6)
        lane = app.app_statistics().lanes[1]
        assert (lane.running, lane.queued, lane.most) == (10, 1, 4)
        assert not gate.someone_comes(0.05)
        gate.open()
        late.open()
        for run in [*held, waits, *many]:
            assert run.wait(WITHIN) == "held"


@pytest.mark.parametrize(
    ("priority", "fit"),
    [(Priority.LOW, 2), (101, 2), (Priority.NORMAL, 3), (51, 3), (Priority.HIGH, 5), (1, 5)],
)
def test_each_band_has_its_limit(start_thread: StartThread, priority: int, fit: int) -> None:
    app = start_thread(TaskApp("t", threads=Pool(2, reserve_normal=1, reserve_high=2)))
    gate = Gate()
    with opened_at_last(gate):
        hold = app.task(gate.hold, priority=priority)
        runs = [hold.add_task() for _ in range(fit + 3)]
        gate.arrived(fit)
        settled(app)
        lane = app.app_statistics().lanes[1]
        assert (lane.running, lane.queued) == (fit, 3)
        assert not gate.someone_comes(0.02)
        gate.open()
        for run in runs:
            run.wait(WITHIN)


def test_a_higher_one_takes_the_next_place(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", threads=Pool(1, 0, 0)))
    gate, notes = Gate(), Notes()
    with opened_at_last(gate):
        app.task(gate.hold).add_task()
        gate.arrived()
        note = app.task(notes.add, id="note")
        runs = [note.add_task(p, priority=p) for p in (200, 100, 10, 150)]
        gate.open()
        for run in runs:
            run.wait(WITHIN)
    assert notes.all == [10, 100, 150, 200]


def test_the_loop_goes_on_while_the_threads_are_full(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", threads=Pool(1, 0, 0)))
    gate = Gate()

    @app.task
    async def quick() -> str:
        return "done"

    with opened_at_last(gate):
        hold = app.task(gate.hold)
        hold.add_task()
        waits = [hold.add_task() for _ in range(10)]
        gate.arrived()
        assert quick.add_task(priority=Priority.LOW).wait(WITHIN) == "done"
        gate.open()
        for run in waits:
            run.wait(WITHIN)


def test_coroutines_have_a_limit_too(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", coroutines=2))
    gate = Gate()
    with opened_at_last(gate):
        hold = app.task(gate.hold_async, priority=Priority.LOW)
        runs = [hold.add_task() for _ in range(5)]
        gate.arrived(2)
        assert not gate.someone_comes(0.02)
        lane = app.app_statistics().lanes[0]
        assert (lane.executor, lane.running, lane.queued) == ("loop", 2, 3)
        gate.open()
        for run in runs:
            run.wait(WITHIN)


def test_a_call_in_a_thread_that_is_given_up_frees_its_place(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", threads=Pool(1, 0, 0)))
    gate = Gate()
    with opened_at_last(gate):
        stuck = app.task(gate.hold, id="stuck").add_task()
        gate.arrived()
        next_one = app.task(lambda: "next", id="next").add_task()
        stuck.cancel()
        assert next_one.wait(WITHIN) == "next"
        assert app.app_statistics().lanes[1].abandoned == 1
        gate.open()
