"""Plain functions in OS threads: called without a coroutine that waits for each, and yet ended,
cancelled and limited as any other run."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from task_thread.app import Middleware, Run, RunStarted, RunStatus, TaskApp
from task_thread.errors import RunCancelled, TimeLimitReached
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Gate, Notes, add, opened_at_last, outcome, settled

FEW = 5


async def asyncio_tasks() -> int:
    return len(asyncio.all_tasks())


def test_what_is_under_way_there_takes_no_asyncio_task(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=FEW)), Gate()
    counted = app.task(asyncio_tasks)
    before = counted.add_task().wait(WITHIN)
    with opened_at_last(gate):
        runs = [app.task(gate.hold, id=f"hold{number}").add_task() for number in range(FEW)]
        gate.arrived(FEW)
        assert counted.add_task().wait(WITHIN) == before
    assert [run.wait(WITHIN) for run in runs] == ["held"] * FEW


class Around(Middleware):
    """Sees what comes and goes."""

    def __init__(self) -> None:
        self.seen = Notes()

    async def before(self, run: Run[Any]) -> None:
        self.seen.add("before")

    async def after(self, run: Run[Any]) -> None:
        self.seen.add("after")


@pytest.mark.parametrize("of_the_app", [True, False])
def test_with_a_middleware_around_it_all_is_as_before(
    start_thread: StartThread, of_the_app: bool
) -> None:
    around = Around()
    app = start_thread(TaskApp("t", middlewares=[around] if of_the_app else ()))
    task = app.task(add, executor="thread", middlewares=() if of_the_app else [around])
    assert task.add_task(1, 2).wait(WITHIN) == 3
    assert around.seen.all == ["before", "after"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("v"), RunStatus.FAILED),
        (SystemExit(3), RunStatus.FAILED),
        (KeyboardInterrupt(), RunStatus.FAILED),
        (GeneratorExit("g"), RunStatus.FAILED),
        (asyncio.CancelledError("c"), RunStatus.CANCELLED),
    ],
)
def test_whatever_it_raises_is_the_runs_alone(
    start_thread: StartThread, error: BaseException, status: RunStatus
) -> None:
    app = start_thread(TaskApp("t", threads=1))

    def raises() -> None:
        raise error

    run = app.task(raises).add_task()
    outcome(run)
    assert (run.exception, run.status) == (error, status)
    assert app.task(add, executor="thread").add_task(1, 2).wait(WITHIN) == 3


def test_a_stop_iteration_is_the_cause_of_a_runtime_error(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    error = StopIteration(7)

    def raises() -> None:
        raise error

    raised = outcome(app.task(raises).add_task())
    assert type(raised) is RuntimeError
    assert "raises" in str(raised)
    assert raised.__cause__ is error


def test_each_has_a_context_of_its_own(start_thread: StartThread) -> None:
    app, colour = start_thread(TaskApp("t", threads=1)), ContextVar("colour", default="none")

    def paint() -> str:
        before = colour.get()
        colour.set("red")
        return before

    task = app.task(paint)
    assert [task.add_task().wait(WITHIN) for _ in range(2)] == ["none", "none"]


def test_what_a_callback_sets_where_one_begins_meets_no_other_run(
    start_thread: StartThread,
) -> None:
    app, colour = start_thread(TaskApp("t", threads=1)), ContextVar("colour", default="none")
    in_thread = app.task(add, executor="thread")

    @app.task
    async def seen() -> str:
        return colour.get()

    def paint(event: RunStarted) -> None:
        if event.run.task == in_thread.id:
            colour.set("red")

    app.subscribe(RunStarted, callback=paint)

    async def both() -> list[Any]:
        runs: list[Run[Any]] = [in_thread.add_task(1, 2), seen.add_task()]  # to one worker
        return [await run for run in runs]

    assert app.task(both).add_task().wait(WITHIN) == [3, "none"]


def test_a_cancel_gives_its_place_to_who_waits(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=1)), Gate()
    with opened_at_last(gate):
        held = app.task(gate.hold).add_task()
        gate.arrived()
        following = app.task(add, executor="thread").add_task(1, 2)
        held.cancel("enough")
        assert following.wait(WITHIN) == 3
        assert isinstance(outcome(held), RunCancelled)
        assert gate.passed == 0
    settled(app)
    assert held.value is None


def test_its_time_limit_gives_its_place_to_who_waits(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=1)), Gate()
    with opened_at_last(gate):
        held = app.task(gate.hold, max_time=0.01).add_task()
        following = app.task(add, executor="thread").add_task(1, 2)
        assert following.wait(WITHIN) == 3
        assert isinstance(outcome(held), TimeLimitReached)


def test_a_cancel_between_its_return_and_the_news_of_it_is_a_cancel(
    start_thread: StartThread,
) -> None:
    app, begun = start_thread(TaskApp("t", threads=1)), threading.Event()
    desk = app._app.dispatcher

    async def cancel_one_that_has_returned() -> Run[None]:
        run = app.task(begun.set).add_task()
        await asyncio.sleep(0)  # taken in,
        await asyncio.sleep(0)  # and begun
        assert begun.wait(WITHIN)
        while desk.threads.busy:
            pass  # the loop's turn is not over: nobody is told meanwhile
        assert run.status is RunStatus.RUNNING
        desk._cancel(run, "too late for it, in time for us")
        return run

    run = app.task(cancel_one_that_has_returned).add_task().wait(WITHIN)
    assert isinstance(outcome(run), RunCancelled)
    assert app.task(add, executor="thread").add_task(1, 2).wait(WITHIN) == 3
    settled(app)
    (lane,) = (lane for lane in app.app_statistics().lanes if lane.executor == "thread")
    assert (lane.running, lane.queued) == (0, 0)


def test_a_thread_that_can_not_be_had_fails_the_run_and_keeps_no_place(
    start_thread: StartThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start_thread(TaskApp("t", threads=1))
    task = app.task(add, executor="thread")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        run = task.add_task(1, 2)
        assert "no thread left" in str(outcome(run))
        assert run.status is RunStatus.FAILED
    assert task.add_task(1, 2).wait(WITHIN) == 3


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("no thread left")
