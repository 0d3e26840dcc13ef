"""Races, some hundred times each: whatever is first, a run ends once, with one status."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from task_thread.app import (
    Middleware,
    Pool,
    Priority,
    Run,
    RunEnded,
    RunEvent,
    RunRetrying,
    RunStarted,
    RunStatus,
    Task,
    TaskApp,
)
from task_thread.errors import RunCancelled, RunError, ThreadEnded, TimeLimitReached
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Notes, nothing, outcome, settled

FINAL = {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}


@pytest.fixture
def luck() -> random.Random:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    return random.Random(seed)


class Watch:
    """Counts what each run is said to have come to, by events, callbacks and statistics."""

    def __init__(self, app: TaskApp) -> None:
        self.app = app
        self.events = Notes()
        self.called: Counter[str] = Counter()
        self.runs: list[Run[Any]] = []
        self._before = app._app.dispatcher._number
        app.subscribe(RunEvent, callback=self._event)

    def _event(self, event: RunEvent) -> None:
        self.events.add((type(event), event.run.id, event.run.status))

    def _ended(self, run: Run[Any]) -> None:
        self.called[run.id] += 1  # on the app's loop alone

    def add(self, run: Run[Any]) -> Run[Any]:
        self.runs.append(run)
        run.add_callback(self._ended)
        return run

    def _under_way(self) -> int:
        statistics = self.app.app_statistics()
        return sum(lane.queued + lane.running for lane in statistics.lanes) + statistics.delayed

    def check(self) -> Counter[RunStatus]:
        """All have ended, each once; the counts add up."""
        for run in self.runs:
            outcome(run)
        if self.app.state.value == "running":
            settled(self.app)
        ends: dict[str, list[RunStatus]] = {}
        order: dict[str, list[Any]] = {}
        for kind, id, status in self.events.all:
            order.setdefault(id, []).append(kind)
            if kind is RunEnded:
                ends.setdefault(id, []).append(status)
        statuses: Counter[RunStatus] = Counter()
        for run in self.runs:
            assert run.ended
            assert run.status in FINAL
            assert ends[run.id] == [run.status], run
            assert order[run.id][-1] is RunEnded
            assert self.called[run.id] == 1, run
            assert (run.exception is None) == (run.status is RunStatus.SUCCEEDED), run
            if run.status is not RunStatus.SUCCEEDED:
                assert run.value is None, run
            begun = order[run.id].count(RunStarted)
            assert begun == run.attempt == run.starts
            assert order[run.id].count(RunRetrying) in (begun - 1, begun)
            statuses[run.status] += 1
        # What was cancelled holds its place until its coroutine has seen that.
        for _ in range(100):
            if self._under_way() == 0 or self.app.state.value != "running":
                break
            settled(self.app)
        assert self._under_way() == 0
        statistics = self.app.app_statistics()
        assert sum(statistics.ended.values()) == self.app._app.dispatcher._number
        return statuses


def spin(number: int) -> None:
    for _ in range(number):
        pass


async def turns(number: int) -> int:
    for _ in range(number):
        await asyncio.sleep(0)
    return number


def spins(number: int) -> int:
    spin(number)
    return number


def yields(number: int) -> Iterator[int]:
    yield from range(number % 4)


async def yields_async(number: int) -> Any:
    for each in range(number % 4):
        await asyncio.sleep(0)
        yield each


@pytest.mark.parametrize("fn", [turns, spins, yields, yields_async])
@pytest.mark.parametrize("middlewares", [(), (Middleware,)])
def test_cancel_and_completion(
    start_thread: StartThread, luck: random.Random, fn: Any, middlewares: Any
) -> None:
    app = start_thread(TaskApp("t", middlewares=middlewares))
    watch, task = Watch(app), app.task(fn)
    for _ in range(300):
        run = watch.add(task.add_task(luck.randrange(5 if fn is turns else 2000)))
        spin(luck.randrange(3000))
        run.cancel()
    statuses = watch.check()
    assert set(statuses) <= {RunStatus.SUCCEEDED, RunStatus.CANCELLED}


def test_cancel_from_several_threads(start_thread: StartThread, luck: random.Random) -> None:
    app = start_thread(TaskApp("t"))
    watch, task = Watch(app), app.task(turns)
    for _ in range(150):
        run = watch.add(task.add_task(luck.randrange(6)))
        barrier = threading.Barrier(3)

        def cancels(number: int, run: Run[Any] = run, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(WITHIN)
            spin(number)
            run.cancel(str(number))

        threads = [threading.Thread(target=cancels, args=(luck.randrange(2000),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    watch.check()


@pytest.mark.parametrize("kind", ["loop", "thread"])
@pytest.mark.parametrize("retry", [0, 2])
def test_time_limit_and_completion(
    start_thread: StartThread, luck: random.Random, kind: str, retry: int
) -> None:
    app = start_thread(TaskApp("t", threads=4))
    watch = Watch(app)

    async def waits(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    pause = threading.Event()

    def blocks(seconds: float) -> float:
        pause.wait(seconds)
        return seconds

    limit = 0.004
    task = app.task(waits if kind == "loop" else blocks, max_time=limit, retry=retry, backoff=0)
    for _ in range(300):
        watch.add(task.add_task(limit * luck.uniform(0.7, 1.2)))
    watch.check()
    for run in watch.runs:
        error = run.exception
        assert error is None or isinstance(error, TimeLimitReached)
        assert run.status is not RunStatus.CANCELLED
        assert run.attempt <= retry + 1


def test_time_limit_cancel_and_completion(start_thread: StartThread, luck: random.Random) -> None:
    app = start_thread(TaskApp("t"))
    watch = Watch(app)

    async def waits(seconds: float) -> float:
        await asyncio.sleep(seconds)
        if seconds < 0.002:
            raise LookupError
        return seconds

    task = app.task(waits, max_time=0.004, retry=2, backoff=0.001)
    runs = [watch.add(task.add_task(luck.uniform(0, 0.006))) for _ in range(300)]
    luck.shuffle(runs)
    for run in runs:
        spin(luck.randrange(2000))
        if luck.random() < 0.5:
            run.cancel()
    watch.check()


@pytest.mark.parametrize("number", range(25))
def test_stop_and_completion(start_thread: StartThread, luck: random.Random, number: int) -> None:
    app = start_thread(TaskApp("t", threads=2, coroutines=3))
    watch = Watch(app)
    tasks = [app.task(turns, retry=1), app.task(spins), app.task(yields), app.task(yields_async)]
    for _ in range(40):
        delay = luck.choice([None, 0.001, 0.003])
        watch.add(luck.choice(tasks).add_task(luck.randrange(10), delay=delay))
    threading.Event().wait(luck.uniform(0, 0.004))
    start_thread.stop(app)
    statuses = watch.check()
    assert set(statuses) <= {RunStatus.SUCCEEDED, RunStatus.CANCELLED}


def test_the_end_of_a_run_and_who_begins_to_wait_just_then(
    start_thread: StartThread, luck: random.Random
) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(turns)

    async def on_loop(run: Run[Any]) -> Any:
        return await run.result(WITHIN)

    for _ in range(200):
        number = luck.randrange(6)
        run = task.add_task(number)
        spin(luck.randrange(3000))
        assert run.wait(WITHIN) == number
    with asyncio.Runner() as runner:
        for _ in range(200):
            number = luck.randrange(6)
            run = task.add_task(number)
            spin(luck.randrange(3000))
            assert runner.run(on_loop(run)) == number


def test_everything_at_once_from_many_threads(
    start_thread: StartThread, luck: random.Random
) -> None:
    """Calls of all kinds, cancels, waits, updates and snapshots, and the counts add up."""
    app = start_thread(TaskApp("t", threads=Pool(2, 1, 1), coroutines=4))
    watch = Watch(app)

    async def fails(number: int) -> None:
        await turns(number % 3)
        raise LookupError(number)

    tasks: list[Task[..., Any]] = [
        app.task(turns), app.task(spins), app.task(yields), app.task(yields_async),
        app.task(fails, retry=1, backoff=0.001),
        app.task(turns, id="limited", max_time=0.001, retry=1, backoff=0),
    ]  # fmt: skip
    errors = Notes()
    barrier = threading.Barrier(4)

    def works(seed: int) -> None:
        mine = random.Random(seed)
        barrier.wait(WITHIN)
        try:
            for _ in range(150):
                priority = mine.choice([None, *Priority])
                delay = mine.choice([None, None, 0.001])
                run = mine.choice(tasks).add_task(
                    mine.randrange(20), priority=priority, delay=delay
                )
                watch.add(run)
                dice = mine.random()
                if dice < 0.3:
                    run.cancel()
                elif dice < 0.4:
                    outcome(run)
                elif dice < 0.5:
                    mine.choice(tasks).update(priority=mine.randrange(200))
                elif dice < 0.6:
                    app.app_statistics()
                    assert app.run_info(run.id).id == run.id
        except BaseException as error:
            errors.add(error)

    threads = [threading.Thread(target=works, args=(luck.randrange(1 << 30),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors.all == []
    assert len(watch.runs) == 600
    watch.check()


def test_a_place_is_never_lost(start_thread: StartThread, luck: random.Random) -> None:
    """After many runs that were cancelled, out of time or failed, all places are there still."""
    app = start_thread(TaskApp("t", threads=Pool(2, 0, 0), coroutines=2))
    watch = Watch(app)

    def raises(number: int) -> None:
        raise LookupError(number)

    tasks = [
        app.task(turns, max_time=0.001), app.task(spins, max_time=0.001), app.task(raises),
        app.task(yields),
    ]  # fmt: skip
    for _ in range(300):
        run = watch.add(luck.choice(tasks).add_task(luck.randrange(2000)))
        if luck.random() < 0.5:
            run.cancel()
    watch.check()
    meeting = threading.Barrier(2)

    def meets() -> int:
        return meeting.wait(WITHIN)

    together = app.task(meets)
    runs = [together.add_task() for _ in range(2)]
    assert sorted(run.wait(WITHIN) for run in runs) == [0, 1]


def test_retry_and_cancel(start_thread: StartThread, luck: random.Random) -> None:
    app = start_thread(TaskApp("t"))
    watch = Watch(app)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    task = app.task(fails, retry=3, backoff=0.0005)
    for _ in range(200):
        run = watch.add(task.add_task())
        spin(luck.randrange(20000))
        run.cancel()
    watch.check()


def test_many_apps_in_turn(start_thread: StartThread, luck: random.Random) -> None:
    for number in range(20):
        app = TaskApp(f"t{number}", threads=2)
        runs: list[Run[Any]] = []
        with app:
            task = app.task(nothing)
            for _ in range(luck.randrange(30)):
                runs.append(task.add_task(delay=luck.choice([None, 0.001, 60])))
        for run in runs:
            assert run.ended
            assert isinstance(outcome(run), RunCancelled | None)
        with pytest.raises(ThreadEnded):
            task.add_task()


def test_errors_of_runs_are_run_errors() -> None:
    assert issubclass(RunCancelled, RunError)
    assert issubclass(TimeLimitReached, RunError)
