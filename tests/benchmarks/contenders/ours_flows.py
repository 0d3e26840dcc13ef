"""Durable flows, through the public API."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from threading import Event
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING, Any

from task_thread.app import TaskApp
from task_thread.flows import FlowApp, FlowChanged, FlowState, FlowTask, wait

from .disk import database
from .loops import PATIENCE
from .ours_runs import results
from .runs import rate_of_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TASKS = 10  # of a flow
WATCHED = 2.0  # seconds for which a resting app's CPU is watched
STOP = 2.0  # seconds that an app has to end with tasks under way

_begun: list[float] = []


class Step(FlowTask):
    """Gives a number."""

    async def perform(self, number: int) -> int:
        return number


class Rest(FlowTask):
    """Waits for somebody."""

    async def perform(self, number: int) -> Any:
        return wait("for somebody")


class Begin(FlowTask):
    """Says when it began."""

    async def perform(self, number: int) -> None:
        _begun.append(perf_counter())


class Endless(FlowTask):
    """Is under way until its app stops."""

    async def perform(self, number: int) -> None:
        await asyncio.Event().wait()


async def same(number: int) -> int:
    """What a Step does, as a task of a TaskApp."""
    return number


def steps(flows: int) -> float:
    """Steps per second of so many flows, from the first one submitted to the end of the last."""
    with database() as path:
        app = _app(path)
        app.routine("steps", [(f"step {place}", Step) for place in range(TASKS)])
        with app:
            _all(app, "steps", flows // 10)
            began = perf_counter()
            _all(app, "steps", flows)
            return flows * TASKS / (perf_counter() - began)


def runs(flows: int) -> float:
    """Durable runs per second of a TaskApp, as many as those flows have steps."""
    with database() as path:
        app = TaskApp("bench", store=f"sqlite:///{path}")
        task = app.task(same)
        with app:
            return rate_of_calls(task.add_task, results, flows * TASKS, flows)


def one_by_one(tasks: int) -> float:
    """Steps per second of one flow of so many tasks: each is on disk before the next begins."""
    with database() as path:
        app = _app(path)
        app.routine("long", [(f"step {place}", Step) for place in range(tasks)])
        with app:
            _all(app, "long", 1)
            began = perf_counter()
            _all(app, "long", 1)
            return tasks / (perf_counter() - began)


def waiting_memory(flows: int) -> float:
    """KiB of Python's memory that each of so many flows takes which wait."""
    with database() as path:
        app = _app(path, retention=0.1)
        app.routine("rest", [Rest, Begin])
        with app:
            _rest(app, 100)
            gc.collect()
            tracemalloc.start()
            _rest(app, flows)
            gc.collect()
            now, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return now / flows / 1024


def waiting_cpu(flows: int) -> float:
    """Milliseconds of CPU that an app takes in a second while so many flows wait."""
    with database() as path:
        app = _app(path)
        app.routine("rest", [Rest, Begin])
        with app:
            _rest(app, flows)
            began = process_time()
            sleep(WATCHED)
            return (process_time() - began) / WATCHED * 1e3


def waiting_one(size: int, flows: int) -> float:
    """The same with a number of flows of its own."""
    return waiting_cpu(flows)


def resume(times: int) -> float:
    """Milliseconds from resume() to the first line of the next task: 99 of 100 are quicker. 10,000
    others wait meanwhile."""
    with database() as path:
        app = _app(path)
        app.routine("rest", [Rest, Begin])
        with app:
            _rest(app, 10_000)
            took: list[float] = []
            for run_id in [info.id for info in app.list()][:times]:
                began = perf_counter()
                app.resume(run_id)
                app.wait(run_id, PATIENCE)
                took.append((_begun.pop() - began) * 1e3)
    return sorted(took)[int(len(took) * 0.99) - 1]


def restart(flows: int) -> float:
    """Seconds until an app is ready whose store has so many flows, half of them waiting and half
    of them under way."""
    with database() as path:
        app = _app(path, coroutines=flows)  # those under way shall not keep the others waiting
        _declare(app)
        with app:
            for number in range(flows // 2):
                app.submit("endless", number)
            _rest(app, flows // 2)
        app = _app(path)
        _declare(app)
        began = perf_counter()
        with app:
            took = perf_counter() - began
            assert len(app.list()) == flows
    return took


def _declare(app: FlowApp) -> None:
    app.routine("rest", [Rest, Begin])
    app.routine("endless", [Endless])


class _Bench(FlowApp):
    stop_timeout = STOP


def _app(path: Path, **options: Any) -> FlowApp:
    return _Bench("bench", store=f"sqlite:///{path}", **options)


def _all(app: FlowApp, routine: str, flows: int) -> None:
    """Submit so many, and wait until the last one is done."""
    asyncio.run(_results(app, [app.submit(routine, number) for number in range(flows)]))


async def _results(app: FlowApp, run_ids: list[str]) -> None:
    for run_id in run_ids:
        await app.result(run_id, PATIENCE)


def _rest(app: FlowApp, flows: int) -> None:
    """Submit so many that wait, and return when all do."""
    before = app.flow_statistics().states.get(FlowState.WAIT, 0)
    ready = Event()

    def look(changed: FlowChanged) -> None:
        if app.flow_statistics().states.get(FlowState.WAIT, 0) >= before + flows:
            ready.set()

    _watch(app, look, lambda: [app.submit("rest", number) for number in range(flows)], ready)
    asyncio.run(app.flush())


def _watch(
    app: FlowApp, look: Callable[[FlowChanged], None], begin: Callable[[], object], ready: Event
) -> None:
    app.subscribe(FlowChanged, callback=look)
    begin()
    assert ready.wait(PATIENCE)
    app.unsubscribe(FlowChanged, callback=look)
