"""Middlewares: the order, what each method's error does, and whose state is whose."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from task_thread.app import Middleware, Run, RunStatus, TaskApp
from task_thread.testing import StartThread, ThreadLogs
from tests.app.tasks.hands import WITHIN, Gate, Notes, add, fail, nothing, outcome, settled


class Named(Middleware):
    """Notes what is called."""

    def __init__(self, name: str, notes: Notes) -> None:
        self.name, self.notes = name, notes

    def before(self, run: Run[Any]) -> None:
        self.notes.add(f"{self.name} before")

    def after(self, run: Run[Any]) -> None:
        self.notes.add(f"{self.name} after {run.value}")

    def on_error(self, run: Run[Any]) -> None:
        self.notes.add(f"{self.name} error {run.exception}")


class NamedAsync(Named):
    """The same, async."""

    async def before(self, run: Run[Any]) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.notes.add(f"{self.name} before")

    async def after(self, run: Run[Any]) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.notes.add(f"{self.name} after {run.value}")

    async def on_error(self, run: Run[Any]) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.notes.add(f"{self.name} error {run.exception}")


async def add_async(a: int, b: int = 0) -> int:
    return a + b


async def fail_async(text: str) -> None:
    raise LookupError(text)


@pytest.mark.parametrize("fn", [add, add_async])
@pytest.mark.parametrize("kinds", [(Named, Named), (NamedAsync, Named), (Named, NamedAsync)])
def test_an_onion_the_apps_around_the_tasks(
    start_thread: StartThread, fn: Any, kinds: tuple[type[Named], type[Named]]
) -> None:
    notes = Notes()
    outer, inner = kinds
    app = start_thread(TaskApp("t", middlewares=[outer("a", notes), inner("b", notes)]))
    task = app.task(fn, middlewares=[outer("c", notes), inner("d", notes)])
    assert task.add_task(1, 2).wait(WITHIN) == 3
    assert notes.all == [
        *(f"{name} before" for name in "abcd"), *(f"{name} after 3" for name in "dcba"),
    ]  # fmt: skip


@pytest.mark.parametrize("fn", [fail, fail_async])
def test_on_error_from_the_inside_out(start_thread: StartThread, fn: Any) -> None:
    notes = Notes()
    app = start_thread(TaskApp("t", middlewares=[Named("a", notes)]))
    task = app.task(fn, middlewares=[NamedAsync("b", notes)])
    assert isinstance(outcome(task.add_task("gone")), LookupError)
    assert notes.all == ["a before", "b before", "b error gone", "a error gone"]


def test_middlewares_do_not_accumulate_1_1_1_calls_for_successive_runs_unlike_qtasks(
    start_thread: StartThread,
) -> None:
    calls = Notes()

    class Counts(Middleware):
        def __init__(self) -> None:
            self.count = 0

        def before(self, run: Run[Any]) -> None:
            self.count += 1
            calls.add((run.id, self.count, id(self)))

    app = start_thread(TaskApp("t", middlewares=[Counts]))
    task = app.task(nothing, middlewares=[Counts])
    ids = []
    for _ in range(3):
        run = task.add_task()
        run.wait(WITHIN)
        ids.append(run.id)
    assert [(id, count) for id, count, _ in calls.all] == [(id, 1) for id in ids for _ in range(2)]


def test_a_class_is_made_anew_for_each_attempt_and_never_leaks(start_thread: StartThread) -> None:
    made, seen = Notes(), Notes()

    class Remembers(Middleware):
        def __init__(self) -> None:
            self.runs: list[str] = []
            made.add(self)

        def before(self, run: Run[Any]) -> None:
            self.runs.append(run.id)

        def on_error(self, run: Run[Any]) -> None:
            seen.add(list(self.runs))

    app = start_thread(TaskApp("t"))
    task = app.task(fail, retry=2, backoff=0, middlewares=[Remembers])
    runs = [task.add_task("gone") for _ in range(4)]
    for run in runs:
        outcome(run)
    assert len(made) == 12
    assert sorted(seen.all) == sorted([run.id] for run in runs for _ in range(3))


def test_an_instance_is_shared_on_purpose(start_thread: StartThread) -> None:
    class Counts(Middleware):
        count = 0

        def before(self, run: Run[Any]) -> None:
            self.count += 1

    counts = Counts()
    task = start_thread(TaskApp("t")).task(nothing, middlewares=counts)
    for _ in range(3):
        task.add_task().wait(WITHIN)
    assert counts.count == 3


def test_before_may_change_the_arguments(start_thread: StartThread) -> None:
    class Doubles(Middleware):
        def before(self, run: Run[Any]) -> None:
            run.args = tuple(2 * each for each in run.args)

    app = start_thread(TaskApp("t"))
    assert app.task(add, middlewares=[Doubles]).add_task(1, 2).wait(WITHIN) == 6


def test_after_may_change_the_value(start_thread: StartThread) -> None:
    class Adds(Middleware):
        def after(self, run: Run[Any]) -> None:
            run.value += 1

    app = start_thread(TaskApp("t"))
    task = app.task(add, middlewares=[Adds, Adds], decode=lambda value: value * 10)
    assert task.add_task(1, 2).wait(WITHIN) == 32


@pytest.mark.parametrize("kind", [Named, NamedAsync])
def test_what_before_raises_is_the_attempts_error_and_the_inner_ones_are_not_entered(
    start_thread: StartThread, kind: type[Named]
) -> None:
    notes = Notes()

    class Refuses(Middleware):
        def before(self, run: Run[Any]) -> None:
            raise PermissionError("no")

        def on_error(self, run: Run[Any]) -> None:
            notes.add("refuses error")

    app = start_thread(TaskApp("t"))
    ran = Notes()
    task = app.task(
        ran.add, id="it", middlewares=[kind("a", notes), Refuses, kind("b", notes)], retry=1,
        backoff=0,
    )  # fmt: skip
    run = task.add_task(1)
    assert isinstance(outcome(run), PermissionError)
    assert len(ran) == 0
    assert run.attempt == 2
    assert notes.all == ["a before", "refuses error", "a error no"] * 2


def test_what_after_raises_makes_it_a_failed_one(start_thread: StartThread) -> None:
    notes = Notes()

    class Complains(Middleware):
        async def after(self, run: Run[Any]) -> None:
            raise ValueError("bad value")

    app = start_thread(TaskApp("t"))
    run = app.task(add, middlewares=[Named("a", notes), Complains]).add_task(1)
    assert isinstance(outcome(run), ValueError)
    assert (run.status, run.value) == (RunStatus.FAILED, None)
    assert notes.all == ["a before", "a error bad value"]


def test_what_on_error_raises_is_logged_and_changes_nothing(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    notes = Notes()

    class Stumbles(Middleware):
        def on_error(self, run: Run[Any]) -> None:
            raise ZeroDivisionError

    app = start_thread(TaskApp("t"))
    run = app.task(fail, middlewares=[Named("a", notes), Stumbles]).add_task("gone")
    assert isinstance(outcome(run), LookupError)
    assert notes.all == ["a before", "a error gone"]
    (entry,) = thread_logs.filter(level="error", event="on_error raised")
    assert isinstance(entry.exc_info, ZeroDivisionError)


def test_a_middleware_that_cannot_be_made_fails_the_run_alone(start_thread: StartThread) -> None:
    class Fragile(Middleware):
        def __init__(self) -> None:
            raise ZeroDivisionError

    app = start_thread(TaskApp("t"))
    run = app.task(add, middlewares=[Fragile]).add_task(1)
    assert isinstance(outcome(run), ZeroDivisionError)
    assert app.task(nothing).add_task().wait(WITHIN) is None


def test_a_cancel_is_no_error_of_the_attempt(start_thread: StartThread) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()
    run = app.task(gate.hold_async, middlewares=[Named("a", notes)]).add_task()
    gate.arrived()
    run.cancel()
    outcome(run)
    settled(app)
    assert notes.all == ["a before"]


def test_what_has_one_of_the_three_methods_is_a_middleware(start_thread: StartThread) -> None:
    notes = Notes()

    class Duck:
        def after(self, run: Any) -> None:
            notes.add(run.value)

    app = start_thread(TaskApp("t"))
    app.task(add, middlewares=[Duck]).add_task(4).wait(WITHIN)
    assert notes.all == [4]


def test_extra_options_are_there_for_middlewares(start_thread: StartThread) -> None:
    notes = Notes()

    class Reads(Middleware):
        def before(self, run: Run[Any]) -> None:
            notes.add(run.task.options.extra["colour"])

    app = start_thread(TaskApp("t", middlewares=[Reads]))
    app.task(add, colour="blue").add_task(1).wait(WITHIN)
    assert notes.all == ["blue"]


def test_an_app_takes_a_single_one_as_a_task_does() -> None:
    single: Any = Middleware
    TaskApp("t", middlewares=single)
