"""A set of tasks that outlives its app: one that crashes and is started anew, and two in turn."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest

from task_thread import TaskThread
from task_thread.app import Interval, RunEnded, TaskApp, TaskSet
from task_thread.errors import RegistryError, RunCancelled, ThreadEnded
from task_thread.signals import MessageSignal, Signal
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Notes, add, let_pass, nothing, outcome, settled


class Fragile(TaskApp):
    """Crashes when it is told to."""

    async def signalHandler__(self, signal: Signal) -> bool:
        raise LookupError("told to crash")


class Parent(TaskThread):
    """Keeps one app running."""

    max_restarts = 100

    def __init__(self, jobs: TaskSet) -> None:
        self.jobs = jobs
        self.heard = Notes()
        super().__init__()

    async def enter__(self) -> None:
        await self.spawn(Fragile, "mail", tasks=self.jobs, events=[RunEnded])

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.heard.add(signal)

    @property
    def app(self) -> TaskApp:
        app = self.handles[0].thread
        assert isinstance(app, TaskApp)
        return app


def crash(parent: Parent) -> None:
    """Crash the app, and wait until another one has taken its place."""
    before = parent.app
    before.post(MessageSignal("test", 1))
    ended = threading.Event()
    while not (
        parent.app is not before
        and parent.app.state.value == "running"
        and parent.jobs._host is parent.app._app
    ):
        ended.wait(0.005)


def call(parent: Parent, task: Any, *args: Any) -> Any:
    return task.add_task(*args).wait(WITHIN)


def test_tasks_work_after_a_crash_and_ticks_go_on(start_thread: StartThread) -> None:
    jobs, ticks = TaskSet(), Notes()
    task = jobs.task(add)
    scheduled = jobs.schedule(ticks.add, Interval(seconds=0.02), args=("tick",))
    parent = start_thread(Parent(jobs))
    assert call(parent, task, 1, 2) == 3
    ticks.wait_for(2)
    for _ in range(3):
        crash(parent)
        assert call(parent, task, 1, 2) == 3
        ticks.wait_for(len(ticks) + 3)
        assert scheduled.next_run_time is not None
        scheduled.update(priority=5)
    assert parent.heard.wait_for(4)


def test_what_was_paused_stays_paused_and_the_ticks_keep_their_grid(
    start_thread: StartThread,
) -> None:
    jobs, ticks, due = TaskSet(), Notes(), Notes()
    paused = jobs.schedule(ticks.add, Interval(seconds=0.01), id="paused", args=(1,))

    async def note(run: Any) -> None:
        due.add(run.due)

    jobs.schedule(note, Interval(seconds=0.03), id="grid", echo=True)
    parent = start_thread(Parent(jobs))
    paused.pause()
    let_pass(parent.app, 0.02)
    before = len(ticks)
    due.wait_for(1)
    crash(parent)
    due.wait_for(len(due) + 2)
    assert len(ticks) == before
    assert paused.is_paused
    times = due.all
    assert len(set(times)) == len(times)  # none twice
    for one, next_one in pairwise(times):
        steps = (next_one - one).total_seconds() / 0.03
        assert abs(steps - round(steps)) < 1e-3
        assert steps > 0.5
    paused.resume()
    ticks.wait_for(before + 2)


def test_runs_of_the_app_that_crashed_are_ended(start_thread: StartThread) -> None:
    jobs = TaskSet()
    task = jobs.task(nothing)
    parent = start_thread(Parent(jobs))
    delayed = task.add_task(delay=60)
    settled(parent.app)
    crash(parent)
    assert isinstance(outcome(delayed), RunCancelled)
    assert call(parent, task) is None


def test_calls_during_the_crash_are_taken_or_refused_but_not_lost(
    start_thread: StartThread,
) -> None:
    jobs, runs, errors = TaskSet(), Notes(), Notes()
    task = jobs.task(nothing)
    parent = start_thread(Parent(jobs))
    over = threading.Event()

    def calls() -> None:
        while not over.is_set():
            try:
                runs.add(task.add_task())
            except ThreadEnded:
                over.wait(0.001)
            except BaseException as error:
                errors.add(error)
                return

    threads = [threading.Thread(target=calls) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        runs.wait_for(len(runs) + 5)
        crash(parent)
    over.set()
    for thread in threads:
        thread.join()
    assert errors.all == []
    for run in runs.all:
        assert outcome(run) is None or isinstance(run.exception, RunCancelled)


def test_tasks_that_are_declared_later_are_there_after_the_crash(
    start_thread: StartThread,
) -> None:
    jobs = TaskSet()
    parent = start_thread(Parent(jobs))
    task = parent.app.task(add, id="later")
    ticks = Notes()
    parent.app.schedule(ticks.add, Interval(seconds=0.02), args=(1,))
    crash(parent)
    assert call(parent, task, 5) == 5
    ticks.wait_for(len(ticks) + 2)


def test_one_that_was_deleted_is_not_back(start_thread: StartThread) -> None:
    jobs, ticks = TaskSet(), Notes()
    task = jobs.schedule(ticks.add, Interval(seconds=0.01), args=(1,))
    parent = start_thread(Parent(jobs))
    ticks.wait_for(1)
    task.delete()
    settled(parent.app)
    crash(parent)
    before = len(ticks)
    let_pass(parent.app, 0.05)
    assert len(ticks) == before


def test_a_life_cycle_task_is_ended_with_the_crash_and_set_up_again(
    start_thread: StartThread,
) -> None:
    jobs, notes = TaskSet(), Notes()

    async def polls() -> Any:
        notes.add("up")
        while (yield):
            pass
        notes.add("down")

    jobs.schedule(polls, Interval(seconds=0.01), id="a")
    parent = start_thread(Parent(jobs))
    notes.wait_for(1)
    crash(parent)
    assert notes.wait_for(3) == ["up", "down", "up"]


def test_the_second_app_takes_over_when_it_runs(start_thread: StartThread) -> None:
    jobs, ticks = TaskSet(), Notes()
    task = jobs.task(add)
    jobs.schedule(ticks.add, Interval(seconds=0.02), args=(1,))
    first = start_thread(TaskApp("a", tasks=jobs))
    ticks.wait_for(1)
    start_thread.stop(first)
    with pytest.raises(ThreadEnded):
        task.add_task(1)
    second = start_thread(TaskApp("b", tasks=jobs))
    assert task.add_task(1).wait(WITHIN) == 1
    ticks.wait_for(len(ticks) + 2)
    assert second.app_statistics().scheduled == 1


def test_two_apps_at_once_are_refused_and_the_first_goes_on(start_thread: StartThread) -> None:
    jobs, names = TaskSet(), Notes()
    task = jobs.schedule(
        lambda: names.add(threading.current_thread().name), Interval(seconds=0.02), id="a"
    )
    first = start_thread(TaskApp("first", tasks=jobs))
    names.wait_for(2)
    with pytest.raises(RegistryError, match="one at a time"):
        start_thread(TaskApp("second", tasks=jobs))
    names.wait_for(len(names) + 2)
    task.add_task().wait(WITHIN)
    start_thread.stop(first)
    before = len(names)
    start_thread(TaskApp("third", tasks=jobs))
    names.wait_for(before + 2)
    assert {name.partition("-")[0] for name in names.all[:before]} == {"first"}
    assert {name.partition("-")[0] for name in names.all[before:]} == {"third"}


def test_of_two_that_begin_at_once_one_is_refused(start_thread: StartThread) -> None:
    for number in range(8):
        jobs, outcomes = TaskSet(), Notes()
        task = jobs.task(add)
        barrier = threading.Barrier(2)

        def begins(
            name: str,
            jobs: TaskSet = jobs,
            outcomes: Notes = outcomes,
            barrier: threading.Barrier = barrier,
        ) -> None:
            app = TaskApp(name, tasks=jobs)
            barrier.wait(WITHIN)
            try:
                with app:
                    barrier.wait(0.2)
            except RegistryError:
                outcomes.add("refused")
            except threading.BrokenBarrierError:
                outcomes.add("ran")

        threads = [threading.Thread(target=begins, args=(f"{n}-{number}",)) for n in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.all) == ["ran", "refused"]
        app = TaskApp("last", tasks=jobs)
        with app:
            assert task.add_task(number).wait(WITHIN) == number
