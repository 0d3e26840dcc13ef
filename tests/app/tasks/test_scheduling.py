"""schedule, update, reschedule, pause, resume, delete, next_run_time."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from task_thread.app import AllOf, Cron, Date, Interval, TaskApp, TaskSet
from task_thread.errors import (
    DuplicateTask,
    TriggerNeverAgrees,
    UnknownTask,
)
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Notes, add, counting, let_pass, nothing, settled

NEVER = AllOf(Cron("0 0 1 1 *"), Cron("0 0 2 1 *"))


def test_a_function_and_a_task_on_a_trigger(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    noted = app.task(notes.add, id="noted", retry=3)
    app.schedule(notes.add, Interval(seconds=0.02), id="of function", args=("function",))
    mine = app.schedule(noted, Interval(seconds=0.02), args=("task",), priority=5)
    while {"function", "task"} - set(notes.all):
        notes.wait_for(len(notes) + 1)
    assert mine is not noted
    assert (mine.options.retry, mine.options.priority, mine.args) == (3, 5, ("task",))
    assert noted.trigger is None


def test_the_decorator_takes_a_trigger(start_thread: StartThread) -> None:
    app, notes = TaskApp("t"), Notes()

    @app.task(trigger=Interval(seconds=0.01), coalesce=True, misfire_grace_time=30)
    async def sweep() -> None:
        notes.add(1)

    assert sweep.next_run_time is not None
    start_thread(app)
    notes.wait_for(3)


def test_an_alias_with_its_options(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(notes.add, "interval", seconds=0.02, args=(1,), priority=5)
    assert isinstance(task.trigger, Interval)
    assert task.options.priority == 5
    notes.wait_for(2)
    daily = app.schedule(nothing, "cron", expression="0 6 * * *")
    assert isinstance(daily.trigger, Cron)
    at = datetime.now(UTC) + timedelta(hours=1)
    assert app.schedule(nothing, "date", at=at, id="once").next_run_time == at


@pytest.mark.parametrize(
    ("trigger", "options"),
    [
        ("never", {}), ("interval", {}), ("interval", {"seconds": -1}), ("cron", {}), (5, {}),
        ("cron", {"expression": "x"}), (None, {}), (Interval, {}), ("date", {"at": 5}),
    ],
)  # fmt: skip
def test_a_trigger_that_makes_no_sense_is_refused(trigger: Any, options: dict[str, Any]) -> None:
    app = TaskApp("t")
    with pytest.raises((TypeError, ValueError)):
        app.schedule(nothing, trigger, **options)
    assert len(app.tasks_by_id) == 0


def test_a_duplicate_id_is_an_error_before_the_start_too_unlike_asyncz() -> None:
    app = TaskApp("t")
    first = app.schedule(nothing, Interval(hours=1), id="a")
    due = first.next_run_time
    with pytest.raises(DuplicateTask):
        app.schedule(nothing, Interval(hours=2), id="a")
    assert app.tasks_by_id["a"] is first
    assert first.next_run_time == due
    second = app.schedule(nothing, Interval(hours=2), id="a", replace=True)
    assert app.tasks_by_id["a"] is second
    assert app.app_statistics().scheduled == 1


def test_an_unknown_executor_is_refused_at_once_unlike_asyncz() -> None:
    app = TaskApp("t")
    with pytest.raises(ValueError, match="executor"):
        app.schedule(nothing, Interval(hours=1), executor="moon")
    assert len(app.tasks_by_id) == 0


def test_update_changes_all_that_is_named(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(add, Interval(hours=1), id="a", args=(1,))
    before = task.next_run_time
    task.update(fn=notes.add, args=("x",), kwargs={}, priority=3, tags=["new"], name="A")
    assert (task.options.priority, task.options.tags, task.name) == (3, ("new",), "A")
    assert task.next_run_time == before
    task.update(trigger=Interval(seconds=0.01))
    assert notes.wait_for(2)[:2] == ["x", "x"]
    task.update(trigger=None)
    assert task.next_run_time is None


@pytest.mark.parametrize(
    "changes",
    [
        {"retry": -1}, {"fn": 5}, {"args": (1, 2, 3)}, {"kwargs": {"no": 1}}, {"trigger": "never"},
        {"executor": "process", "fn": lambda: None}, {"durable": True}, {"echo": True},
        {"fn": add}, {"executor": "thread"}, {"generate_handler": str}, {"trigger": NEVER},
    ],
)  # fmt: skip
def test_update_is_all_or_nothing(start_thread: StartThread, changes: dict[str, Any]) -> None:
    app = start_thread(TaskApp("t"))
    task = app.schedule(nothing, Interval(hours=1), id="a")

    def state() -> Any:
        return (
            task.fn, task.args, task.kwargs, task.options, task.shape, task.is_plain,
            task.next_run_time,
        )  # fmt: skip

    before = state()
    with pytest.raises((TypeError, ValueError)):
        task.update(priority=7, **changes)
    assert state() == before
    assert task.add_task().wait(WITHIN) is None


def test_a_refused_update_leaves_the_calls_as_they_were(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    async def echoes(run: Any) -> str:
        return str(run.id)

    with pytest.raises(ValueError, match="store"):
        echoes.update(echo=False, durable=True)
    run = echoes.add_task()
    assert run.wait(WITHIN) == run.id


def test_a_declaration_whose_trigger_never_agrees_leaves_nothing() -> None:
    app = TaskApp("t")
    with pytest.raises(TriggerNeverAgrees):
        app.task(nothing, id="a", trigger=NEVER)
    assert "a" not in app.tasks_by_id
    old = app.task(nothing, id="a", trigger=Interval(hours=1))
    due = old.next_run_time
    with pytest.raises(TriggerNeverAgrees):
        app.task(nothing, id="a", trigger=NEVER, replace=True)
    assert app.tasks_by_id["a"] is old
    assert old.next_run_time == due
    old.update(priority=1)


def test_the_id_is_never_changed() -> None:
    task = TaskApp("t").task(nothing, id="a", priority=3)
    with pytest.raises(ValueError, match="'a'"):
        task.update(id="b", priority=4)
    assert (task.id, task.options.priority) == ("a", 3)


def test_reschedule_changes_the_trigger_only(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(
        notes.add, Interval(hours=1), id="a", args=("x",), priority=3, retry=2, tags="a", ttl=5
    )
    before = task.options
    task.reschedule("interval", seconds=7)
    assert task.trigger == Interval(seconds=7)
    for name in before.__slots__:
        if name != "trigger":
            assert getattr(task.options, name) == getattr(before, name), name
    assert task.args == ("x",)
    due = task.next_run_time
    assert due is not None
    assert timedelta(seconds=6) < due - datetime.now(UTC) <= timedelta(seconds=7)
    task.reschedule(Interval(seconds=0.01))
    notes.wait_for(2)


@pytest.mark.parametrize(
    ("trigger", "options"),
    [("interval", {}), ("moon", {}), (Interval(hours=1), {"seconds": 7}), (NEVER, {})],
)
def test_a_bad_reschedule_changes_nothing(trigger: Any, options: dict[str, Any]) -> None:
    task = TaskApp("t").schedule(nothing, Interval(hours=1), id="a")
    before, due = task.options, task.next_run_time
    with pytest.raises((TypeError, ValueError)):
        task.reschedule(trigger, **options)
    assert task.options is before
    assert task.next_run_time == due


def test_a_paused_task_has_no_ticks_but_takes_calls(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(notes.add, Interval(seconds=0.01), id="a", args=("tick",))
    notes.wait_for(1)
    task.pause()
    settled(app)
    let_pass(app, 0.02)
    before = len(notes)
    assert task.is_paused
    assert task.next_run_time is None
    let_pass(app, 0.08)
    assert len(notes) == before
    task.add_task("call").wait(WITHIN)
    assert notes.all[-1] == "call"
    task.resume()
    assert not task.is_paused
    assert task.next_run_time is not None
    notes.wait_for(before + 3)


def test_pause_before_the_start_lasts(start_thread: StartThread) -> None:
    app, notes = TaskApp("t"), Notes()
    task = app.schedule(notes.add, Interval(seconds=0.01), id="a", args=(1,))
    task.pause()
    start_thread(app)
    let_pass(app, 0.06)
    assert len(notes) == 0
    task.reschedule("interval", seconds=0.02)
    let_pass(app, 0.06)
    assert len(notes) == 0
    task.resume()
    notes.wait_for(1)


def test_what_was_due_meanwhile_is_one_run_that_says_for_how_many_it_stands(
    start_thread: StartThread,
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def note(run: Any) -> None:
        notes.add(run.stands_for)

    task = app.schedule(note, Interval(seconds=0.02), id="a", echo=True)
    task.pause()
    let_pass(app, 0.15)
    task.resume()
    assert notes.wait_for(1)[0] >= 5


def test_one_that_replaces_a_paused_one_is_not_paused(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.schedule(nothing, Interval(hours=1), id="a").pause()
    task = app.schedule(notes.add, Interval(seconds=0.01), id="a", args=(1,), replace=True)
    assert not task.is_paused
    assert task.next_run_time is not None
    notes.wait_for(2, within=2)


def test_delete(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(notes.add, Interval(seconds=0.01), id="a", args=(1,))
    notes.wait_for(1)
    task.delete()
    settled(app)
    let_pass(app, 0.02)
    before = len(notes)
    let_pass(app, 0.06)
    assert len(notes) == before
    assert "a" not in app.tasks_by_id
    assert task.next_run_time is None
    for act in (task.delete, task.pause, task.resume, lambda: task.update(priority=1)):
        with pytest.raises(UnknownTask):
            act()
    again = app.schedule(notes.add, Interval(hours=1), id="a", args=(2,))
    assert again.next_run_time is not None


def test_runs_that_were_accepted_survive_their_tasks_delete(start_thread: StartThread) -> None:
    task = start_thread(TaskApp("t")).task(add)
    run = task.add_task(1, delay=0.03)
    task.delete()
    assert run.wait(WITHIN) == 1


def test_next_run_time_goes_on_with_the_ticks(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(notes.add, Interval(seconds=0.05), id="a", args=(1,))
    first = task.next_run_time
    notes.wait_for(2)
    second = task.next_run_time
    assert first is not None
    assert second is not None
    assert second > first
    assert second.tzinfo is not None


def test_a_date_is_due_once(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    at = datetime.now(UTC) + timedelta(seconds=0.03)
    task = app.schedule(notes.add, Date(at), id="a", args=(1,))
    assert task.next_run_time == at
    notes.wait_for(1)
    let_pass(app, 0.05)
    assert len(notes) == 1
    assert task.next_run_time is None
    assert datetime.now(UTC) >= at


def test_updates_from_two_threads_lose_nothing() -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    luck = random.Random(seed)
    app = TaskApp("t")
    for number in range(300):
        task = app.task(nothing, id=f"{number}")
        barrier = threading.Barrier(2)
        spins = [luck.randrange(100) for _ in range(2)]

        def change(
            option: str, spin: int, task: Any = task, barrier: threading.Barrier = barrier
        ) -> None:
            barrier.wait(WITHIN)
            for _ in range(spin):
                pass
            task.update(**{option: 5})

        threads = [
            threading.Thread(target=change, args=each)
            for each in zip(("priority", "retry"), spins, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (task.options.priority, task.options.retry) == (5, 5), number


def test_schedules_from_many_threads_get_ids_of_their_own() -> None:
    app = TaskApp("t")
    base = app.task(nothing)
    errors = Notes()
    barrier = threading.Barrier(4)

    def schedules() -> None:
        barrier.wait(WITHIN)
        for _ in range(50):
            try:
                app.schedule(base, Interval(hours=1))
                app.schedule(add, Interval(hours=1), args=(1,))
            except DuplicateTask as error:
                errors.add(error)

    threads = [threading.Thread(target=schedules) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors.all == []
    assert len(app.tasks_by_id) == 401


def test_a_task_set_schedules_before_there_is_an_app(start_thread: StartThread) -> None:
    jobs, notes = TaskSet(), Notes()
    task = jobs.schedule(notes.add, Interval(seconds=0.02), args=(1,))
    assert task.next_run_time is None
    start_thread(TaskApp("t", tasks=jobs))
    assert task.next_run_time is not None
    notes.wait_for(2)


def test_a_generator_task_with_a_handler_and_a_trigger_is_no_life_cycle(
    start_thread: StartThread,
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.schedule(counting, Interval(seconds=0.02), id="a", args=(2,), generate_handler=notes.add)
    assert notes.wait_for(4)[:4] == [0, 1, 0, 1]


def test_the_ticks_are_counted_from_the_start_of_the_interval_and_do_not_drift(
    start_thread: StartThread,
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    async def note(run: Any) -> None:
        notes.add(run.due)

    app.schedule(note, Interval(seconds=0.03), id="a", echo=True, coalesce=False, max_instances=9)
    due = notes.wait_for(5)[:5]
    assert {b - a for a, b in pairwise(due)} == {timedelta(seconds=0.03)}
    assert all(each.tzinfo is UTC for each in due)


def test_sunday_is_sunday_unlike_asyncz() -> None:
    task = TaskApp("t").schedule(nothing, Cron("0 0 * * 0"))
    due = task.next_run_time
    assert due is not None
    assert due.strftime("%A") == "Sunday"
