"""Records that can't be used: damaged, of a later version, of a task that is not there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from typing import Any

import pytest

from task_thread.app import Interval, Task, TaskApp
from task_thread.app.records import VERSION, check_storable, from_bytes
from task_thread.errors import NotStorable, StoreFailed, StoreTooNew
from tests.app.durable import functions
from tests.app.durable.hands import WITHIN, File, flush, settled
from tests.app.durable.test_schedules import HOURLY, hours_away
from tests.app.tasks.hands import Notes


def program(file: File, begun: Notes) -> tuple[TaskApp, Task[..., Any]]:
    app = TaskApp("mail", store=file.url)

    @app.task
    async def work(what: object) -> None:
        begun.add(what)

    return app, work


def with_waiting_runs(file: File, number: int) -> list[str]:
    """Runs that the next life begins at once: their ids."""
    app, work = program(file, Notes())
    with app:
        ids = [work.add_task(each, delay=3600).id for each in range(number)]
    for id in ids:
        file.change("run", id, not_before=0.0)
    return ids


DAMAGED: list[bytes] = [
    b"", b"nothing", b"[]", b"{}", b"null", b'{"v":1}', b'{"v":"1"}', b'{"v":0}', b'{"v":true}',
    b"\xff\xfe", b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["run", "schedule"])
@pytest.mark.parametrize("value", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_record_is_reported_and_left_alone(
    file: File, kind: str, value: bytes, thread_logs: Any
) -> None:
    first, _, third = with_waiting_runs(file, 3)
    begun = Notes()
    file.put(kind, "broken", value)
    app, _ = program(file, begun)
    with app:
        assert sorted(begun.wait_for(3)) == [0, 1, 2]
        flush(app)
        told = [entry for entry in thread_logs.entries if "damaged" in entry.event]
        assert len(told) == 1
        assert "broken" in f"{told[0]}"
        with contextlib.closing(sqlite3.connect(file.path)) as database:
            found = database.execute("SELECT value FROM record WHERE key = 'broken'").fetchall()
        assert found == [(value,)]
    assert first != third


RUN_FIELDS: dict[str, list[Any]] = {
    "task": [1, None], "name": [[]], "executor": ["moon", 1, []], "args": [{}, "x"], "kwargs": [[]],
    "priority": ["x", 1.5, None], "status": ["never", 1], "attempt": [-1, "x", True],
    "starts": [None], "queued": ["x", -1, float("nan"), 1e300], "started": [[]],
    "ended": [float("inf")], "not_before": [float("nan"), "x", 1e18], "due": ["x", 1e17],
    "stands_for": [-1, "x"], "error": [None], "traceback": [1],
}  # fmt: skip


@pytest.mark.parametrize("name", RUN_FIELDS)
def test_each_field_of_a_run_is_looked_at(file: File, name: str, thread_logs: Any) -> None:
    first, _ = with_waiting_runs(file, 2)
    record = file.records()[first]
    for number, value in enumerate(RUN_FIELDS[name]):
        file.put("run", f"broken{number}", {**record, name: value})
    missing = {key: value for key, value in record.items() if key != name}
    file.put("run", "missing", missing)
    begun = Notes()
    app, _ = program(file, begun)
    with app:
        assert sorted(begun.wait_for(2)) == [0, 1]
        settled(app)
        assert len(begun) == 2
        with pytest.raises(StoreFailed, match="missing"):
            asyncio.run(app.stored_run_info("missing"))
    told = [entry for entry in thread_logs.entries if "damaged" in entry.event]
    assert len(told) == len(RUN_FIELDS[name]) + 1


SCHEDULE_FIELDS: dict[str, list[Any]] = {
    "base": [1], "fn": [1, []], "args": [{}], "kwargs": [[]], "declared": [1], "trigger": [1, None],
    "said": [1, None],
    "until": ["x", float("nan"), 1e300], "paused": [1, None], "options": [[], None],
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULE_FIELDS)
def test_each_field_of_a_schedule_is_looked_at(file: File, name: str, thread_logs: Any) -> None:
    with TaskApp("mail", store=file.url) as app:
        app.schedule(functions.note, HOURLY, id="x")
    record = file.only("schedule")
    for number, value in enumerate(SCHEDULE_FIELDS[name]):
        file.put("schedule", f"broken{number}", {**record, name: value})
    with TaskApp("mail", store=file.url) as app:
        assert [task.id for task in app.tasks_by_id] == ["x"]
    told = [entry for entry in thread_logs.entries if "damaged" in entry.event]
    assert len(told) == len(SCHEDULE_FIELDS[name])


BAD_TRIGGERS: list[dict[str, Any]] = [
    {},
    {"trigger": "interval", "version": 1},
    {"trigger": "interval", "version": 1, "seconds": "x"},
    {"trigger": "cron", "version": 1, "expression": "x y"},
    {"trigger": "moon", "version": 1},
    {"trigger": "interval", "version": 99, "hours": 1},
    {"trigger": "any", "version": 1, "triggers": 5},
]
SENSELESS: list[dict[str, Any]] = [
    *({"trigger": each, "said": each} for each in BAD_TRIGGERS),
    {"declared": {}},
    {"fn": "no.such.module:fn"},
    {"fn": "tests.app.durable.functions:gone"},
    {"fn": "tests.app.durable.functions:NOTES"},
    {"fn": "nonsense"},
    {"args": [1], "fn": "tests.app.durable.hands:nothing"},  # it takes none
    {"options": {"executor": "moon"}},
    {"options": {"priority": "x"}},
    {"options": {"max_instances": 0}},
]


@pytest.mark.parametrize("fields", SENSELESS, ids=range(len(SENSELESS)))
def test_a_schedule_that_makes_no_sense_is_kept(
    file: File, fields: dict[str, Any], thread_logs: Any
) -> None:
    with TaskApp("mail", store=file.url) as app:
        app.schedule(functions.note, HOURLY, id="x")
        app.schedule(functions.note, HOURLY, id="y")
    file.change("schedule", "x", **fields)
    record = file.records("schedule")["x"]
    with TaskApp("mail", store=file.url) as app:
        assert "x" not in app.tasks_by_id
        assert "y" in app.tasks_by_id
    assert file.records("schedule")["x"] == record
    told = [e for e in thread_logs.entries if e.level in ("warning", "error") and "'x'" in f"{e}"]
    assert told


@pytest.mark.parametrize("trigger", BAD_TRIGGERS, ids=range(len(BAD_TRIGGERS)))
def test_a_declared_task_whose_stored_trigger_is_damaged_begins_anew(
    file: File, trigger: Any, thread_logs: Any
) -> None:
    for _ in range(2):
        app = TaskApp("mail", store=file.url)
        task = app.task(functions.note, trigger=Interval(hours=1), id="sweep")
        with app:
            assert task.next_run_time is not None
        file.change("schedule", "sweep", trigger=trigger)
    assert "damaged" in f"{thread_logs.entries}"


@pytest.mark.parametrize("kind", ["run", "schedule"])
def test_a_record_of_a_later_version_refuses_the_start(file: File, kind: str) -> None:
    with_waiting_runs(file, 1)
    file.put(kind, "newer", {"v": VERSION + 1, "who": "knows"})
    runs, schedules = file.records(), file.records("schedule")
    before = file.path.read_bytes()
    for _ in range(2):  # the second finds the file free
        app, _ = program(file, Notes())
        with pytest.raises(StoreTooNew, match="newer"), app:
            pass
        assert (file.records(), file.records("schedule")) == (runs, schedules)
        assert file.path.read_bytes() == before


def test_a_start_that_fails_lets_go_of_the_file(file: File) -> None:
    """Whatever it fails of: here of a task set that it can't have."""
    app, _ = program(file, Notes())
    with app:
        pass

    class Broken(TaskApp):
        async def enter__(self) -> None:
            await super().enter__()
            raise LookupError("not today")

    broken = Broken("mail", store=file.url)
    with pytest.raises(LookupError), broken:
        pass
    app, _ = program(file, Notes())
    with app:
        pass


# ---- tasks that are not declared any more ------------------------------------------------------


def test_a_run_without_its_task_is_kept_and_goes_on_when_it_is_there_again(
    file: File, thread_logs: Any
) -> None:
    ids = with_waiting_runs(file, 2)
    for _ in range(2):
        thread_logs.clear()
        with TaskApp("mail", store=file.url) as app:
            flush(app)
        warned = [
            e
            for e in thread_logs.entries
            if e.level == "warning" and "waits for its task" in e.event
        ]
        assert len(warned) == 2
        assert list(file.records()) == ids
    begun = Notes()
    app, _ = program(file, begun)
    with app:
        begun.wait_for(2)
    assert begun.all == [0, 1]


def test_it_goes_on_when_the_task_is_declared_after_the_start(file: File) -> None:
    with_waiting_runs(file, 2)
    begun = Notes()
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(what: object) -> None:
            begun.add(what)

        begun.wait_for(2)
        flush(app)
    assert begun.all == [0, 1]
    assert {run["status"] for run in file.records().values()} == {"succeeded"}


def test_a_schedule_of_a_task_that_is_not_declared_any_more_is_kept(file: File) -> None:
    """Nor is it gone on with as one of the bare function, without the task's options."""

    def program(declare: bool) -> TaskApp:
        app = TaskApp("mail", store=file.url)
        if declare:
            app.task(functions.note, id="base", retry_on_exc=[OSError])
        return app

    with program(True) as app:
        app.schedule(app.tasks_by_id["base"], HOURLY, id="x")
    with program(False) as app:
        assert "x" not in app.tasks_by_id
    with program(True) as app:
        assert app.tasks_by_id["x"].options.retry_on_exc == (OSError,)


def test_a_stored_schedule_of_a_declared_task_is_kept_while_that_is_away(file: File) -> None:
    for declare in (True, False, True):
        app = TaskApp("mail", store=file.url)
        if declare:
            app.task(functions.note, trigger=HOURLY, id="sweep")
        with app:
            pass
        record = file.only("schedule")
        if declare:
            latest = record
        assert record["trigger"] == latest["trigger"]
    assert hours_away(file, "sweep", 1)


# ---- the functions themselves ------------------------------------------------------------------


def test_arguments_of_any_depth_are_looked_at() -> None:
    deep: Any = (1,)
    for _ in range(100):
        deep = [{"a": deep}]
    with pytest.raises(NotStorable):
        check_storable((deep,), {}, "x")


def test_too_deep_arguments_are_refused() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotStorable):
        check_storable((deep,), {}, "x")
    while deep != 1:  # the collector would go as deep
        deep = deep[0]


def test_a_later_version_is_told_from_a_damaged_one() -> None:
    with pytest.raises(StoreTooNew):
        from_bytes("run", "1", json.dumps({"v": VERSION + 1}).encode())
    with pytest.raises(NotStorable):
        from_bytes("run", "1", json.dumps({"v": str(VERSION + 1)}).encode())
    assert WITHIN
