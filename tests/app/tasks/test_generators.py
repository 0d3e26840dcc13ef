"""Generators: what they yield is the result, through a handler if there is one."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from task_thread.app import RunStatus, TaskApp
from task_thread.testing import StartThread
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    counting,
    counting_async,
    nothing,
    opened_at_last,
    outcome,
    settled,
)


def double(value: int) -> int:
    return 2 * value


async def double_async(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


@pytest.mark.parametrize("handler", [None, double, double_async])
@pytest.mark.parametrize("kind", ["sync", "async", "process"])
def test_the_result_is_the_list_of_what_the_handler_gave(
    start_thread: StartThread, kind: str, handler: Any
) -> None:
    app = start_thread(TaskApp("t", processes=1))
    options: dict[str, Any] = {"executor": "process"} if kind == "process" else {}
    fn: Any = counting_async if kind == "async" else counting
    run = app.task(fn, generate_handler=handler, **options).add_task(3)
    assert run.wait(WITHIN) == ([0, 1, 2] if handler is None else [0, 2, 4])
    assert run.return_value == (None if kind == "async" else "counted 3")
    assert app.tasks_by_id[fn.__name__].add_task(0).wait(WITHIN) == []


def test_a_generators_return_value_is_kept_unlike_qtasks(start_thread: StartThread) -> None:
    run = start_thread(TaskApp("t")).task(counting).add_task(2)
    assert run.wait(WITHIN) == [0, 1]
    assert run.return_value == "counted 2"


def test_decode_gets_the_list(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    assert app.task(counting, decode=sum, generate_handler=double).add_task(4).wait(WITHIN) == 12


def test_a_sync_generator_does_not_hold_the_loop_up(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()

    @app.task
    def slow() -> Iterator[str]:
        yield gate.hold()

    with opened_at_last(gate):
        run = slow.add_task()
        gate.arrived()
        assert app.task(nothing).add_task().wait(WITHIN) is None
    assert run.wait(WITHIN) == ["held"]


def test_a_sync_handler_of_a_sync_generator_is_called_in_a_thread(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))
    where = Notes()

    def handler(value: int) -> None:
        where.add(threading.current_thread().name)

    app.task(counting, generate_handler=handler).add_task(2).wait(WITHIN)
    assert app._taskthread.name() not in where.all


@pytest.mark.parametrize("who", ["generator", "handler"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_error_midway_closes_it(start_thread: StartThread, kind: str, who: str) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def sync() -> Iterator[int]:
        try:
            yield 1
            if who == "generator":
                raise LookupError("midway")
            yield 2
            notes.add("went on")
        finally:
            notes.add("closed")

    async def asynchronous() -> AsyncIterator[int]:
        for each in sync():
            yield each

    async def asynchronous_own() -> AsyncIterator[int]:
        try:
            yield 1
            if who == "generator":
                raise LookupError("midway")
            yield 2
            notes.add("went on")
        finally:
            notes.add("closed")

    def handler(value: int) -> int:
        if value == 2:
            raise LookupError("midway")
        return value

    fn: Any = sync if kind == "sync" else asynchronous_own
    run = app.task(fn, generate_handler=handler).add_task()
    error = outcome(run)
    assert isinstance(error, LookupError)
    assert str(error) == "midway"
    assert notes.all == ["closed"]
    assert (run.value, run.return_value) == (None, None)


def test_a_handler_that_raises_stop_iteration_has_failed(start_thread: StartThread) -> None:
    app, closed, some = start_thread(TaskApp("t")), Notes(), iter([1])

    def three() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            closed.add(1)

    run = app.task(three, generate_handler=lambda _: next(some)).add_task()
    assert isinstance(outcome(run), RuntimeError | StopIteration)
    assert run.status is RunStatus.FAILED
    assert len(closed) == 1


def test_an_error_in_a_process_is_the_runs(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", processes=1))
    run = app.task(counting, executor="process").add_task("no number")
    assert isinstance(outcome(run), TypeError)


def test_a_cancel_closes_an_async_one_at_once_and_a_sync_one_at_its_next_yield(
    start_thread: StartThread,
) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    @app.task
    async def asynchronous() -> AsyncIterator[int]:
        try:
            yield 1
            await gate.hold_async()
            yield 2
        finally:
            notes.add("async closed")

    @app.task
    def sync() -> Iterator[int]:
        try:
            yield 1
            gate.hold()
            yield 2
            notes.add("went on")
        finally:
            notes.add("sync closed")

    with opened_at_last(gate):
        runs: list[Any] = [asynchronous.add_task(), sync.add_task()]
        gate.arrived(2)
        for run in runs:
            run.cancel()
            outcome(run)
            assert run.status is RunStatus.CANCELLED
        assert notes.wait_for(1) == ["async closed"]
    assert notes.wait_for(2) == ["async closed", "sync closed"]


def test_a_time_limit_ends_one_midway(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()

    @app.task(max_time=0.05)
    def slow() -> Iterator[int]:
        yield 1
        gate.hold()

    with opened_at_last(gate):
        assert isinstance(outcome(slow.add_task()), TimeoutError)
    settled(app)


number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


def test_a_sync_generator_has_one_context_from_its_beginning_to_its_end(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    def sets() -> Iterator[int]:
        token = number.set(7)
        try:
            yield number.get()
            yield number.get()
        finally:
            number.reset(token)
        yield number.get()

    assert sets.add_task().wait(WITHIN) == [7, 7, 0]
    assert sets.add_task().wait(WITHIN) == [7, 7, 0]


def test_a_decimal_context_lasts_across_yields(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    def thirds() -> Generator[str, Any, None]:
        with decimal.localcontext() as context:
            context.prec = 3
            for _ in range(3):
                yield str(decimal.Decimal(1) / 3)

    assert thirds.add_task().wait(WITHIN) == ["0.333"] * 3


def test_an_async_one_has_one_context_too(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task
    async def sets() -> AsyncIterator[int]:
        token = number.set(7)
        try:
            yield number.get()
            await asyncio.sleep(0)
            yield number.get()
        finally:
            number.reset(token)

    assert sets.add_task().wait(WITHIN) == [7, 7]
