"""What becomes of ticks: coalesced, missed, skipped, queued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_thread.app import (
    AnyOf,
    Date,
    Interval,
    Run,
    RunEnded,
    RunEvent,
    RunMissed,
    RunSkipped,
    RunStatus,
    TaskApp,
)
from task_thread.testing import StartThread, ThreadClock, ThreadLogs
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    ended_counts,
    let_pass,
    nothing,
    opened_at_last,
    settled,
)


def dates(number: int, apart: float = 0.01, first: float = 0.01) -> AnyOf:
    begin = datetime.now(UTC) + timedelta(seconds=first)
    return AnyOf(*(Date(begin + n * timedelta(seconds=apart)) for n in range(number)))


def note_into(notes: Notes) -> Any:
    def note(run: Run[Any]) -> None:
        notes.add((run.due, run.stands_for))

    return note


def late(app: TaskApp, notes: Notes, number: int, **options: Any) -> Any:
    """A task of which so many ticks are due at once."""
    trigger = dates(number)
    task = app.schedule(note_into(notes), trigger, id="late", echo=True, **options)
    task.pause()
    let_pass(app, 0.03 + number * 0.01)
    return task


def test_several_that_are_due_are_one_run_by_default(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = late(app, notes, 5)
    task.resume()
    ((due, stands_for),) = notes.wait_for(1)
    let_pass(app, 0.02)
    assert len(notes) == 1
    assert stands_for == 5
    assert due == max(each.at for each in task.trigger.triggers)


def test_without_coalesce_all_of_them_are_run(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = late(app, notes, 5, coalesce=False, max_instances=10)
    task.resume()
    assert sorted(notes.wait_for(5)) == [(each.at, 1) for each in task.trigger.triggers]


def test_without_coalesce_those_that_queue_run_in_order(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = late(app, notes, 8, coalesce=False, on_overlap="queue")
    task.resume()
    assert notes.wait_for(8) == [(each.at, 1) for each in task.trigger.triggers]


def test_what_is_later_than_the_grace_is_not_run_and_its_status_is_missed(
    start_thread: StartThread,
) -> None:
    app, notes, events = start_thread(TaskApp("t")), Notes(), Notes()
    app.subscribe(RunMissed, callback=events.add)
    late(app, notes, 4, misfire_grace_time=0.001).resume()
    (event,) = events.wait_for(1)
    settled(app)
    assert len(notes) == 0
    assert (event.run.status, event.run.stands_for) == (RunStatus.MISSED, 4)
    assert ended_counts(app)[RunStatus.MISSED] == 1
    assert app.run_info(event.run.id).status == "missed"


def test_within_the_grace_it_is_run(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    late(app, notes, 3, misfire_grace_time=60).resume()
    assert [stands_for for _, stands_for in notes.wait_for(1)] == [3]


def test_some_are_missed_and_the_rest_is_run(start_thread: StartThread) -> None:
    app, notes, events = start_thread(TaskApp("t")), Notes(), Notes()
    app.subscribe(RunMissed, callback=events.add)
    begin = datetime.now(UTC)
    trigger = AnyOf(
        Date(begin + timedelta(seconds=0.01)),
        Date(begin + timedelta(seconds=0.02)),
        Date(begin + timedelta(seconds=3.0)),
    )
    task = app.schedule(
        note_into(notes), trigger, id="a", echo=True, misfire_grace_time=2.0, coalesce=True
    )
    task.pause()
    let_pass(app, 2.5)
    task.resume()
    assert events.wait_for(1)[0].run.stands_for == 2
    assert [stands_for for _, stands_for in notes.wait_for(1)] == [1]


@pytest.mark.parametrize("instances", [1, 3])
def test_beyond_max_instances_they_are_skipped(start_thread: StartThread, instances: int) -> None:
    app, gate, events = start_thread(TaskApp("t", threads=20)), Gate(), Notes()
    app.subscribe(RunSkipped, callback=events.add)
    with opened_at_last(gate):
        task = app.schedule(
            gate.hold, Interval(seconds=0.01), id="a", max_instances=instances, coalesce=False
        )
        gate.arrived(instances)
        events.wait_for(3)
        assert not gate.someone_comes(0.03)
        task.pause()
        assert {event.run.status for event in events.all} == {RunStatus.SKIPPED}
        assert all(event.run.attempt == 0 for event in events.all)


def test_after_it_has_ended_the_next_tick_is_run_again(start_thread: StartThread) -> None:
    app, gate, events = start_thread(TaskApp("t")), Gate(), Notes()
    app.subscribe(RunSkipped, callback=events.add)
    app.schedule(gate.hold, Interval(seconds=0.01), id="a")
    gate.arrived()
    events.wait_for(1)
    gate.open()
    gate.arrived(3)


def test_max_instances_does_not_drop_without_a_choice_they_queue_unlike_asyncz(
    start_thread: StartThread,
) -> None:
    app, gate, due = start_thread(TaskApp("t", threads=20)), Gate(), Notes()
    with opened_at_last(gate):

        def holds(run: Run[Any]) -> None:
            gate.hold()
            due.add(run.due)

        trigger = dates(6)
        app.schedule(
            holds, trigger, id="a", echo=True, on_overlap="queue", coalesce=False, max_instances=2
        )
        gate.arrived(2)
        let_pass(app, 0.1)
        assert not gate.someone_comes(0.02)
    assert sorted(due.wait_for(6)) == [each.at for each in trigger.triggers]  # type: ignore[attr-defined]
    settled(app)
    assert RunStatus.SKIPPED not in ended_counts(app)


def test_calls_are_not_held_up_by_ticks_nor_counted_among_them(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=20)), Gate()
    with opened_at_last(gate):
        task = app.schedule(gate.hold, Interval(seconds=0.02), id="a")
        calls = [task.add_task() for _ in range(3)]
        gate.arrived(4)  # the calls, and a tick nevertheless
    for run in calls:
        assert run.wait(WITHIN) == "held"
        assert run.due is None


def test_a_queued_tick_that_is_cancelled_lets_the_others_go_on(start_thread: StartThread) -> None:
    app, gate, ended = start_thread(TaskApp("t")), Gate(), Notes()
    app.subscribe(RunEvent, callback=lambda event: ended.add((type(event), event.run.id)))
    with opened_at_last(gate):
        task = app.schedule(gate.hold, dates(4), id="a", on_overlap="queue", coalesce=False)
        gate.arrived()
        let_pass(app, 0.08)
        queued = [
            run
            for run in list(app._app.dispatcher.runs.values())
            if run.task is task and run.status is RunStatus.QUEUED
        ]
        assert len(queued) == 3
        queued[1].cancel()
        settled(app)
        assert queued[1].status is RunStatus.CANCELLED
    for run in (queued[0], queued[2]):
        assert run.wait(WITHIN) == "held"
    settled(app)
    ends = [id for kind, id in ended.all if kind is RunEnded]
    assert len(ends) == len(set(ends))
    assert app._app.dispatcher.ticks._under_way == {}


def test_a_cancelled_tick_frees_its_place(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    with opened_at_last(gate):
        app.schedule(gate.hold_async, Interval(seconds=0.02), id="a")
        gate.arrived()
        (run,) = [r for r in list(app._app.dispatcher.running.values()) if r.task.id == "a"]
        run.cancel()
        gate.arrived()


def test_a_retrying_tick_keeps_its_place(start_thread: StartThread) -> None:
    app, notes, skipped = start_thread(TaskApp("t")), Notes(), Notes()
    app.subscribe(RunSkipped, callback=skipped.add)

    def fails() -> None:
        notes.add(1)
        raise OSError

    app.schedule(fails, Interval(seconds=0.02), id="a", retry=1, backoff=30)
    skipped.wait_for(2)
    assert len(notes) == 1


def test_ticks_begin_with_the_app(start_thread: StartThread) -> None:
    """Before the start nothing is run, and an app that was declared long ago has no backlog."""
    app, notes = TaskApp("t"), Notes()
    app.schedule(note_into(notes), Interval(seconds=0.02), id="a", echo=True)
    clock = start_thread(TaskApp("clock"))
    let_pass(clock, 0.2)
    assert len(notes) == 0
    start_thread(app)
    (_, stands_for), *_ = notes.wait_for(1)
    assert stands_for <= 2


def test_a_task_whose_trigger_fails_ends_alone(start_thread: StartThread) -> None:
    from collections.abc import Iterator

    from task_thread.app import Trigger

    class Breaks(Trigger):
        asked = 0

        def times(self, after: datetime, luck: Any = None) -> Iterator[datetime]:
            Breaks.asked += 1
            if Breaks.asked > 2:
                raise ZeroDivisionError
            yield after + timedelta(seconds=0.01)

    app, notes, other = start_thread(TaskApp("t")), Notes(), Notes()
    app.schedule(notes.add, Breaks(), id="a", args=(1,))
    app.schedule(other.add, Interval(seconds=0.01), id="b", args=(1,))
    notes.wait_for(1)
    other.wait_for(5)
    assert app.task(nothing).add_task().wait(WITHIN) is None


def test_the_counts_are_right_though_its_task_runs_elsewhere_by_now(
    start_thread: StartThread,
) -> None:
    app, gate, ended = start_thread(TaskApp("t")), Gate(), Notes()

    def note(event: RunEnded) -> None:
        if event.run.task == "a":
            ended.add(event.run.id)

    app.subscribe(RunEnded, callback=note)
    with opened_at_last(gate):
        task = app.schedule(gate.hold, dates(5), id="a", on_overlap="queue", coalesce=False)
        gate.arrived()
        let_pass(app, 0.1)
        task.update(fn=nothing, executor="loop")
        settled(app)
        assert sum(lane.queued for lane in app.app_statistics().lanes) == 4
    ended.wait_for(5)
    settled(app)
    lanes = app.app_statistics().lanes
    assert [(lane.executor, lane.queued) for lane in lanes] == [
        ("loop", 0), ("thread", 0), ("process", 0),
    ]  # fmt: skip


def test_ticks_follow_the_manual_clock(
    start_thread: StartThread, manual_clock: ThreadClock
) -> None:
    app, notes = TaskApp("t"), Notes()

    async def note() -> None:
        notes.add(1)

    app.schedule(note, Interval(seconds=60), id="a")
    start_thread(app)
    delayed = app.task(nothing).add_task(delay=100)
    manual_clock.advance(600)
    assert delayed.status is RunStatus.SUCCEEDED
    assert len(notes) == 10


def test_a_date_that_has_passed_is_told(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    app = start_thread(TaskApp("t"))
    task = app.schedule(nothing, Date(datetime(2020, 1, 1, tzinfo=UTC)), id="late")
    assert task.next_run_time is None
    assert len(thread_logs.filter(level="warning", event="has passed")) == 1
