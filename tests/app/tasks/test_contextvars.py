"""Context variables: what one run sets no other one sees."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from task_thread.app import Middleware, Run, TaskApp
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN

number: contextvars.ContextVar[Any] = contextvars.ContextVar("number", default="unset")


def sets_in_a_thread(value: Any) -> Any:
    before = number.get()
    number.set(value)
    return before


async def sets_at_once(value: Any) -> Any:
    return sets_in_a_thread(value)


async def sets_and_waits(value: Any) -> Any:
    before = number.get()
    number.set(value)
    await asyncio.sleep(0)
    assert number.get() == value
    return before


@pytest.mark.parametrize("fn", [sets_in_a_thread, sets_at_once, sets_and_waits])
@pytest.mark.parametrize("plain", [True, False])
def test_what_one_run_sets_the_next_does_not_see(
    start_thread: StartThread, fn: Any, plain: bool
) -> None:
    app = start_thread(TaskApp("t", middlewares=() if plain else [Middleware]))
    task = app.task(fn)
    runs = [task.add_task(each) for each in range(200)]
    assert {run.wait(WITHIN) for run in runs} == {"unset"}


@pytest.mark.parametrize("fn", [sets_in_a_thread, sets_at_once, sets_and_waits])
def test_what_was_set_around_the_app_when_it_began_is_seen(
    start_thread: StartThread, fn: Any
) -> None:
    app = TaskApp("t")

    def begin() -> None:
        number.set("from the start")
        app.__enter__()

    contextvars.Context().run(begin)
    try:
        task = app.task(fn)
        assert [task.add_task(each).wait(WITHIN) for each in range(3)] == ["from the start"] * 3
    finally:
        app.__exit__(None, None, None)


class Odd:
    """Can't be compared, as arrays can't."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("which of its elements?")


def test_values_that_cannot_be_compared(start_thread: StartThread) -> None:
    app = TaskApp("t")
    app.stop_timeout = 2.0

    def begin() -> None:
        number.set(Odd())
        app.__enter__()

    contextvars.Context().run(begin)
    try:
        task = app.task(sets_at_once)
        for _ in range(3):
            assert isinstance(task.add_task(Odd()).wait(3.0), Odd)
    finally:
        app.__exit__(None, None, None)


def test_an_equal_value_is_another_one_all_the_same(start_thread: StartThread) -> None:
    first: list[int] = []
    app = TaskApp("t")

    def begin() -> None:
        number.set(first)
        app.__enter__()

    contextvars.Context().run(begin)
    try:
        task = app.task(sets_at_once)
        assert task.add_task([]).wait(WITHIN) is first
        assert task.add_task([]).wait(WITHIN) is first
    finally:
        app.__exit__(None, None, None)


def test_a_middleware_and_its_function_share_one(start_thread: StartThread) -> None:
    class Sets(Middleware):
        def before(self, run: Run[Any]) -> None:
            number.set(run.id)

        def after(self, run: Run[Any]) -> None:
            assert number.get() == run.id

    app = start_thread(TaskApp("t", middlewares=[Sets]))

    @app.task
    async def reads() -> Any:
        return number.get()

    runs = [reads.add_task() for _ in range(20)]
    assert [run.wait(WITHIN) for run in runs] == [run.id for run in runs]


def test_a_function_in_a_thread_sees_what_its_middleware_has_set(start_thread: StartThread) -> None:
    class Sets(Middleware):
        def before(self, run: Run[Any]) -> None:
            number.set(run.id)

    app = start_thread(TaskApp("t", middlewares=[Sets]))

    @app.task
    def reads() -> Any:
        return number.get()

    run = reads.add_task()
    assert run.wait(WITHIN) == run.id


def test_callbacks_do_not_see_them(start_thread: StartThread) -> None:
    from tests.app.tasks.hands import Notes

    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.task(sets_at_once)
    for each in range(5):
        run = task.add_task(each)
        run.wait(WITHIN)
        run.add_callback(lambda run: notes.add(number.get()))
    assert notes.wait_for(5) == ["unset"] * 5
