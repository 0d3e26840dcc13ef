"""Schedules in a store: they go on where they were, and what was due meanwhile is judged."""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_thread.app import (
    AnyOf,
    Cron,
    Date,
    Interval,
    RunEnded,
    RunMissed,
    RunStatus,
    Task,
    TaskApp,
    Trigger,
    ledger,
)
from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import Change
from task_thread.errors import DuplicateTask, NotStorable
from tests.app.durable import functions
from tests.app.durable.hands import File, flush, settled
from tests.app.tasks.hands import Gate, Notes, opened_at_last

HOURLY = Interval(hours=1)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """What the functions of the module note."""
    notes = Notes()
    monkeypatch.setattr(functions, "NOTES", notes)
    return notes


def ago(**span: float) -> float:
    return time.time() - timedelta(**span).total_seconds()


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def hours_away(file: File, key: str, hours: int) -> float:
    """Have the schedule be one that was last looked at so many hours ago, and is hourly since
    five minutes before that.

    :returns: when its latest tick was due.
    """
    until = ago(hours=hours)
    start = until - 300
    trigger = Interval(hours=1, start=moment(start)).to_json()
    file.change("schedule", key, until=until, trigger=trigger)
    return start + hours * 3600


# ---- app.schedule -----------------------------------------------------------------------------


def test_a_schedule_of_a_function_comes_back_by_itself(file: File, notes: Notes) -> None:
    with TaskApp("mail", store=file.url) as app:
        made = app.schedule(
            functions.note, HOURLY, args=[1], kwargs={"a": [2]}, priority=7, retry=2, tags=["x"],
            max_time=5.0, coalesce=False, misfire_grace_time=9e6, max_instances=3,
            on_overlap="queue", description="A note.", name="noter",
        )  # fmt: skip
        due = made.next_run_time
    with TaskApp("mail", store=file.url) as app:
        again = app.tasks_by_id[made.id]
        assert again.next_run_time == due
        assert (again.fn, again.args, again.kwargs) == (functions.note, (1,), {"a": [2]})
        options = again.options
        assert options.trigger == Interval(hours=1, start=due) or options == made.options
        for name in ("priority", "retry", "tags", "max_time", "coalesce", "misfire_grace_time",
                     "max_instances", "on_overlap", "description", "name", "executor"):  # fmt: skip
            assert getattr(options, name) == getattr(made.options, name), name
        assert not again.declared
    hours_away(file, made.id, 0)
    file.change("schedule", made.id, until=ago(hours=1))
    with TaskApp("mail", store=file.url):
        assert notes.wait_for(1) == [[1, {"a": [2]}]]


def test_a_schedule_of_a_task_has_its_options(file: File, notes: Notes) -> None:
    def program() -> tuple[TaskApp, Task[..., Any]]:
        app = TaskApp("mail", store=file.url)

        @app.task(retry=2, retry_on_exc=[OSError], backoff=1.5, echo=True)
        async def work(run: Any, word: str) -> None:
            notes.add([run.task.id, word])

        return app, work

    app, work = program()
    with app:
        made = app.schedule(work, HOURLY, args=["x"])
    hours_away(file, made.id, 1)
    app, work = program()
    with app:
        again = app.tasks_by_id[made.id]
        assert again.options.retry_on_exc == (OSError,)
        assert again.options.backoff == 1.5
        assert again.base is work
        assert notes.wait_for(1) == [[made.id, "x"]]


def test_echo_and_class_methods_come_back(file: File, notes: Notes) -> None:
    with TaskApp("mail", store=file.url) as app:
        first = app.schedule(functions.with_run, HOURLY, args=["x"], echo=True)
        second = app.schedule(functions.Things.of_class, HOURLY)
    for key in (first.id, second.id):
        hours_away(file, key, 1)
    with TaskApp("mail", store=file.url):
        assert sorted(notes.wait_for(2)) == [["Things"], [first.id, "x"]]


def local_task(app: TaskApp) -> Any:
    async def local() -> None: ...

    return local


@pytest.mark.parametrize(
    "make",
    [
        local_task,
        lambda _: functions.an_object.of_object,
        lambda _: functools.partial(functions.note, 1),
        lambda _: lambda: None,
        lambda _: functions.a_lambda,
    ],
    ids=["local", "method", "partial", "lambda", "named lambda"],
)
def test_what_has_no_name_is_refused(file: File, make: Any) -> None:
    with TaskApp("mail", store=file.url) as app:
        with pytest.raises(NotStorable, match="a task of the app or a function of a module"):
            app.schedule(make(app), HOURLY, id="x")
        assert "x" not in app.tasks_by_id
        kept = app.schedule(make(app), HOURLY, id="x", durable=False)
        assert kept.next_run_time is not None
    assert file.records("schedule") == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("retry_on_exc", [OSError]), ("backoff", 5.0), ("decode", str), ("extra", {"a": 1})],
)
def test_an_option_that_would_not_come_back_is_refused(file: File, name: str, value: Any) -> None:
    with TaskApp("mail", store=file.url) as app:
        with pytest.raises(NotStorable, match=f"its {name} can't be stored"):
            app.schedule(functions.note, HOURLY, id="x", **{name: value})
        assert "x" not in app.tasks_by_id

        @app.task(**{name: value})
        async def work() -> None: ...

        app.schedule(work, HOURLY, id="y")
    assert list(file.records("schedule")) == ["y"]


def test_arguments_that_would_not_come_back_are_refused(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:
        with pytest.raises(NotStorable):
            app.schedule(functions.note, HOURLY, id="x", args=[(1, 2)])
        assert "x" not in app.tasks_by_id
        made = app.schedule(functions.note, HOURLY, id="x")
        with pytest.raises(NotStorable):
            made.update(args=[(1, 2)], priority=7)
        assert (made.args, made.options.priority) == ((), 100)


class Own(Trigger):
    """A trigger that nobody can store."""

    def times(self, after: datetime, luck: Any = None) -> Iterator[datetime]:
        yield after + timedelta(seconds=3600)


def test_a_trigger_of_ones_own_is_refused(file: File) -> None:
    app = TaskApp("mail", store=file.url)
    with pytest.raises(NotStorable, match="durable=False"):
        app.schedule(functions.note, Own(), id="x")
    with pytest.raises(NotStorable, match="durable=False"):
        app.task(functions.note, trigger=AnyOf(Own()), id="x")
    made = app.task(functions.note, trigger=Own(), id="x", durable=False)
    other = app.task(functions.note, trigger=HOURLY, id="y")
    with app:
        assert made.next_run_time is not None
        with pytest.raises(NotStorable):
            other.reschedule(Own())
        assert other.trigger == HOURLY


def test_an_update_stays(file: File, notes: Notes) -> None:
    with TaskApp("mail", store=file.url) as app:
        made = app.schedule(functions.note, HOURLY, id="x")
        made.update(fn=functions.note_other, args=[1], priority=7)
    with TaskApp("mail", store=file.url) as app:
        again = app.tasks_by_id["x"]
        assert (again.fn, again.args) == (functions.note_other, (1,))
        assert again.options.priority == 7


def test_another_function_than_that_of_its_task_stays(file: File) -> None:
    def program() -> tuple[TaskApp, Task[..., Any]]:
        app = TaskApp("mail", store=file.url)
        return app, app.task(functions.note, id="base")

    app, base = program()
    with app:
        made = app.schedule(base, HOURLY, id="x")
        made.update(fn=functions.note_other)
    app, _ = program()
    with app:
        assert app.tasks_by_id["x"].fn is functions.note_other


def test_a_deleted_schedule_is_gone(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:
        app.schedule(functions.note, HOURLY, id="x")
        app.schedule(functions.note, HOURLY, id="y")
    with TaskApp("mail", store=file.url) as app:
        app.tasks_by_id["x"].delete()
    with TaskApp("mail", store=file.url) as app:
        assert "x" not in app.tasks_by_id
        assert "y" in app.tasks_by_id


def test_one_that_the_program_makes_each_time_goes_on(file: File) -> None:
    """Made before the start it goes on; after it, it is there already."""
    app = TaskApp("mail", store=file.url)
    made = app.schedule(functions.note, HOURLY, id="x")
    with app:
        due = made.next_run_time
    app = TaskApp("mail", store=file.url)
    made = app.schedule(functions.note, HOURLY, id="x")
    with app:
        assert made.next_run_time == due
        with pytest.raises(DuplicateTask):
            app.schedule(functions.note, HOURLY, id="x")


# ---- declared tasks ---------------------------------------------------------------------------


def declaring(file: File, trigger: Trigger, **options: Any) -> tuple[TaskApp, Task[..., Any]]:
    app = TaskApp("mail", store=file.url)
    return app, app.task(functions.note, trigger=trigger, id="sweep", **options)


def test_a_declared_schedule_goes_on_where_it_was(file: File) -> None:
    app, task = declaring(file, HOURLY)
    with app:
        due = task.next_run_time
    app, task = declaring(file, HOURLY)
    with app:
        assert task.next_run_time == due


def test_one_that_is_declared_after_the_start_goes_on_where_it_was(file: File) -> None:
    app, task = declaring(file, HOURLY)
    with app:
        due = task.next_run_time
    with TaskApp("mail", store=file.url) as app:
        task = app.task(functions.note, trigger=HOURLY, id="sweep")
        assert task.next_run_time == due


def test_a_trigger_that_was_changed_stays_changed(file: File) -> None:
    app, task = declaring(file, HOURLY)
    with app:
        task.reschedule("cron", expression="7 7 * * *", timezone="Europe/Berlin")
        due = task.next_run_time
    for _ in range(2):
        app, task = declaring(file, Interval(minutes=60))  # says the same
        with app:
            assert task.next_run_time == due
            assert task.trigger == Cron("7 7 * * *", timezone="Europe/Berlin")


def test_a_trigger_that_the_program_changes_wins(file: File) -> None:
    app, task = declaring(file, HOURLY)
    with app:
        task.reschedule("interval", seconds=5000)
    app, task = declaring(file, Interval(hours=2))
    with app:
        assert task.next_run_time is not None
        assert 7190 < task.next_run_time.timestamp() - time.time() <= 7200
    app, task = declaring(file, HOURLY)  # the first one is another change, and wins as well
    with app:
        assert task.next_run_time is not None
        assert 3590 < task.next_run_time.timestamp() - time.time() <= 3600


def test_paused_stays_paused_and_resumed_goes_on(file: File, notes: Notes) -> None:
    app, task = declaring(file, HOURLY)
    with app:
        task.pause()
    hours_away(file, "sweep", 2)
    app, task = declaring(file, HOURLY)
    with app:
        assert task.is_paused
        assert task.next_run_time is None
        settled(app)
        assert len(notes) == 0
        task.resume()
        notes.wait_for(1)
        assert not task.is_paused
    app, task = declaring(file, HOURLY)
    with app:
        assert not task.is_paused
        assert task.next_run_time is not None


def test_paused_schedules_of_functions_stay_paused(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:
        app.schedule(functions.note, HOURLY, id="x").pause()
    with TaskApp("mail", store=file.url) as app:
        assert app.tasks_by_id["x"].is_paused
        app.tasks_by_id["x"].resume()
    with TaskApp("mail", store=file.url) as app:
        assert not app.tasks_by_id["x"].is_paused


def test_one_that_is_not_durable_any_more_begins_anew(file: File, notes: Notes) -> None:
    app, _ = declaring(file, HOURLY)
    with app:
        pass
    hours_away(file, "sweep", 3)
    app, task = declaring(file, HOURLY, durable=False)
    with app:
        assert task.next_run_time is not None
        assert 3590 < task.next_run_time.timestamp() - time.time() <= 3600
        settled(app)
    assert len(notes) == 0
    assert file.records("schedule") == {}


# ---- what was due meanwhile -------------------------------------------------------------------


def test_coalesced_ticks_are_one_run_that_stands_for_all(file: File, notes: Notes) -> None:
    app, _ = declaring(file, HOURLY)
    with app:
        pass
    latest = hours_away(file, "sweep", 5)
    app, _ = declaring(file, HOURLY)
    with app:
        notes.wait_for(1)
        flush(app)
    run = file.only()
    assert (run["stands_for"], run["status"]) == (5, "succeeded")
    assert run["due"] == pytest.approx(latest, abs=1e-3)
    assert file.only("schedule")["until"] > latest
    app, _ = declaring(file, HOURLY)
    with app:  # and not once more
        settled(app)
    assert len(notes) == 1


def test_without_coalescing_each_is_run(file: File, notes: Notes) -> None:
    app, _ = declaring(file, HOURLY, coalesce=False, max_instances=10)
    with app:
        pass
    hours_away(file, "sweep", 5)
    app, _ = declaring(file, HOURLY, coalesce=False, max_instances=10)
    with app:
        notes.wait_for(5)
    assert [run["stands_for"] for run in file.records().values()] == [1] * 5
    dues = [run["due"] for run in file.records().values()]
    assert dues == sorted(dues)


def test_what_is_later_than_the_grace_is_missed(file: File, notes: Notes) -> None:
    options = {"misfire_grace_time": 1800.0, "coalesce": False, "max_instances": 10}
    app, _ = declaring(file, HOURLY, **options)
    with app:
        pass
    hours_away(file, "sweep", 5)
    missed = Notes()
    app, _ = declaring(file, HOURLY, **options)
    app.subscribe(RunMissed, callback=missed.add)
    with app:
        notes.wait_for(1)
        (event,) = missed.wait_for(1)
    assert event.run.stands_for == 4
    assert [(run["status"], run["stands_for"]) for run in file.records().values()] == [
        ("missed", 4),
        ("succeeded", 1),
    ]


def test_runs_from_ticks_keep_to_max_instances_over_a_restart(file: File) -> None:
    begun = Notes()
    gate = Gate()

    def program(file: File) -> TaskApp:
        app = TaskApp("mail", store=file.url)

        @app.task(trigger=Interval(seconds=0.02), max_instances=2, on_overlap="queue",
                  coalesce=False)  # fmt: skip
        async def sweep() -> None:
            begun.add("begun")
            await gate.hold_async()

        return app

    with opened_at_last(gate):
        app = program(file)
        with app:
            begun.wait_for(2)
            task = app.tasks_by_id["sweep"]
            while len(file.records()) < 6:
                flush(app)
            task.pause()
            flush(app)
            killed = file.as_killed_now()
            assert len(begun) == 2
            gate.open()
        first = len(killed.records())
        gate = Gate()
    with opened_at_last(gate):
        app = program(killed)
        before = len(begun)
        with app:
            begun.wait_for(before + 2)
            settled(app)
            assert len(begun) == before + 2
            running = [run for run in app._app.dispatcher.runs.values()
                       if run.status is RunStatus.RUNNING]  # fmt: skip
            assert len(running) == 2
            gate.open()
            begun.wait_for(before + first)
    assert {run["status"] for run in killed.records().values()} == {"succeeded"}


class Watching(SqliteStore):
    """Looks at what is on disk after each group: all that a kill at some moment could leave.

    :ivar records: key and value by kind, as they are on disk.
    :ivar wrong: what was found.
    """

    def __init__(self, path: str, look: Callable[[Watching], object]) -> None:
        super().__init__(path, synchronous="normal")
        self.records: dict[str, dict[str, Any]] = {"run": {}, "schedule": {}}
        self.wrong: list[object] = []
        self.groups = 0
        self._look = look

    async def write(self, changes: Sequence[Change]) -> None:
        await super().write(changes)
        for change in changes:
            if change.value is None:
                self.records[change.kind].pop(change.key, None)
            else:
                record = {**json.loads(change.value), "live": change.live}
                self.records[change.kind][change.key] = record
        self.groups += 1
        found = self._look(self)
        if found:
            self.wrong.append(found)


def ticks_without_a_run(store: Watching) -> object:
    """Those that the schedule has left behind, and of which nobody knows."""
    schedules = store.records["schedule"]
    if "sweep" not in schedules:
        return None
    until = schedules["sweep"]["until"]
    start = datetime.fromisoformat(schedules["sweep"]["trigger"]["start"]).timestamp()
    due = max(0, math.floor((until - start) / 0.002 + 1e-6) + 1)
    known = sum(run["stands_for"] for run in store.records["run"].values() if run["due"])
    return (due, known) if known < due else None


def test_no_tick_is_lost_at_any_moment(file: File) -> None:
    """When a schedule that has gone on is on disk, the runs of its ticks are."""
    store = Watching(str(file.path), ticks_without_a_run)
    app = TaskApp("mail", store=store)
    enough = Notes()

    @app.task(trigger=Interval(seconds=0.002), coalesce=False, max_instances=100)
    async def sweep() -> None:
        enough.add(1)

    @app.task
    async def work() -> None: ...

    with app:
        while len(enough) < 100 or store.groups <= 20:  # under load: not all of it is one group
            for _ in range(250):
                work.add_task()
            flush(app)
    assert store.groups > 20
    assert store.wrong == []


def runs_without_a_schedule(store: Watching) -> object:
    """Those that the next life would find nothing to run for."""
    return [
        run["task"]
        for run in store.records["run"].values()
        if run["live"] and run["task"].startswith("hold-")
        and run["task"] not in store.records["schedule"]
    ]  # fmt: skip


def test_a_schedule_for_one_moment_goes_with_its_run_and_not_before(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(functions, "GATES", [gate])
    monkeypatch.setattr(ledger, "_SLICE", 7)  # no pair is sure to be in one group
    store = Watching(str(file.path), runs_without_a_schedule)
    with opened_at_last(gate), TaskApp("mail", store=store) as app:
        at = datetime.now(UTC) + timedelta(seconds=0.5)
        for _ in range(500):
            app.schedule(functions.hold, Date(at))
        gate.arrived(500)
        flush(app)  # all of them are on disk as running
        ended = Notes()
        app.subscribe(RunEnded, callback=ended.add)
        gate.open()
        ended.wait_for(500)  # not a flush, which makes one group of all
    assert store.wrong == []
    assert store.records["schedule"] == {}
    assert len(store.records["run"]) == 500


def test_the_run_of_a_single_date_is_not_lost_and_not_repeated(file: File, notes: Notes) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    with TaskApp("mail", store=file.url) as app:
        app.schedule(functions.note, Date(at), id="once", args=["now"])
    file.change("schedule", "once", trigger=Date(moment(ago(minutes=1))).to_json(),
                until=ago(hours=1))  # fmt: skip
    for _ in range(2):
        with TaskApp("mail", store=file.url) as app:
            notes.wait_for(1)
            settled(app)
    assert notes.all == [["now"]]


def test_a_tick_that_was_under_way_runs_again(file: File) -> None:
    gate = Gate()

    def program(file: File) -> TaskApp:
        app = TaskApp("mail", store=file.url)

        @app.task(trigger=Interval(hours=1))
        async def sweep() -> None:
            await gate.hold_async()

        return app

    with program(file):
        pass
    hours_away(file, "sweep", 3)
    with opened_at_last(gate), program(file) as app:
        gate.arrived()
        flush(app)
        killed = file.as_killed_now()
        gate.open()
    gate = Gate()
    gate.open()
    with program(killed) as app:
        gate.arrived()
        settled(app)
    record = killed.only()
    assert (record["status"], record["stands_for"], record["starts"]) == ("succeeded", 3, 2)


def test_what_was_deleted_and_made_again_begins_anew(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:
        app.schedule(functions.note, HOURLY, id="x").pause()
        app.task(functions.note, trigger=HOURLY, id="y").pause()
    for key in ("x", "y"):
        hours_away(file, key, 3)
    with TaskApp("mail", store=file.url) as app:
        app.task(functions.note, trigger=HOURLY, id="y")
        for key in ("x", "y"):
            app.tasks_by_id[key].delete()
        again = [app.schedule(functions.note, HOURLY, id="x"),
                 app.task(functions.note, trigger=HOURLY, id="y")]  # fmt: skip
        for task in again:
            assert not task.is_paused
            assert task.next_run_time is not None
            assert 3590 < task.next_run_time.timestamp() - time.time() <= 3600


@pytest.mark.parametrize("is_task", [False, True])
def test_the_run_of_a_single_date_runs_again_if_it_was_under_way(
    file: File, is_task: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when it has ended, nothing is left of its schedule."""
    gate = Gate()
    monkeypatch.setattr(functions, "GATES", [gate])

    def program(file: File) -> TaskApp:
        app = TaskApp("mail", store=file.url)
        app.task(functions.hold, id="holding")
        return app

    with opened_at_last(gate):
        with program(file) as app:
            what: Any = app.tasks_by_id["holding"] if is_task else functions.hold
            app.schedule(what, Date(datetime.now(UTC) + timedelta(seconds=0.05)), id="once")
            gate.arrived()
            flush(app)
            killed = [file.as_killed_now()]
            gate.open()
            flush(app)
        assert file.records("schedule") == {}
        assert file.only()["status"] == "succeeded"
    (copy,) = killed
    gate = Gate()
    gate.open()
    functions.GATES.append(gate)
    with program(copy) as app:
        gate.arrived()
        settled(app)
    record = copy.only()
    assert (record["status"], record["starts"]) == ("succeeded", 2)
    assert copy.records("schedule") == {}


def test_a_single_date_that_was_missed_is_gone(file: File, notes: Notes) -> None:
    with TaskApp("mail", store=file.url) as app:
        app.schedule(
            functions.note, Date(datetime.now(UTC) + timedelta(hours=1)), id="once",
            misfire_grace_time=5.0,
        )  # fmt: skip
    past = Date(moment(ago(hours=1))).to_json()
    file.change("schedule", "once", trigger=past, said=past, until=ago(hours=2))
    with TaskApp("mail", store=file.url) as app:
        settled(app)
        settled(app)
    assert len(notes) == 0
    assert file.only()["status"] == "missed"
    assert file.records("schedule") == {}
