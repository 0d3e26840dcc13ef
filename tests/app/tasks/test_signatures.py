"""Arguments are checked against the signature when they are given, at the caller."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from task_thread.app import Interval, Run, TaskApp
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, add


def plain(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> tuple[int, ...]:
    return a, b, c, d


def endless(a: int, *rest: int, **named: int) -> tuple[Any, ...]:
    return a, rest, named


def needs_keyword(*, key: int) -> int:
    return key


class Holder:
    def method(self, x: int) -> int:
        return x


GOOD: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (plain, (1,), {}), (plain, (1, 2, 3), {}), (plain, (1,), {"c": 5, "d": 6}),
    (endless, (1, 2, 3), {"x": 1}), (needs_keyword, (), {"key": 1}), (Holder().method, (1,), {}),
    (functools.partial(plain, 1), (), {}), (functools.partial(plain, d=9), (1,), {}),
    (functools.partial(needs_keyword, key=3), (), {}), (len, ("abc",), {}), (max, (1, 2), {}),
    (dict, (), {"a": 1}),
]  # fmt: skip

BAD: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (plain, (), {}), (plain, (1, 2, 3, 4), {}), (plain, (1,), {"b": 5}), (plain, (1,), {"e": 5}),
    (endless, (), {}), (endless, (1,), {"a": 2}), (needs_keyword, (1,), {}),
    (needs_keyword, (), {}),
    (Holder().method, (), {}), (Holder().method, (1, 2), {}), (Holder.method, (1,), {}),
    (functools.partial(plain, 1, 2, 3), (4,), {}), (len, (), {}), (len, ("a", "b"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("fn", "args", "kwargs"), GOOD)
def test_what_fits_is_run(
    start_thread: StartThread, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    task = start_thread(TaskApp("t")).task(fn, id="it")
    expected = fn(*args, **kwargs)
    assert task.add_task(*args, **kwargs).wait(WITHIN) == expected
    assert task.prepare(*args, **kwargs).add_task().wait(WITHIN) == expected


@pytest.mark.parametrize(("fn", "args", "kwargs"), BAD)
def test_what_does_not_fit_is_refused_at_the_caller(
    start_thread: StartThread, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(fn, id="it")
    for give in (task.add_task, task.prepare):
        with pytest.raises(TypeError):
            give(*args, **kwargs)
    assert sum(app.app_statistics().ended.values()) == 0


def test_the_error_says_which_argument() -> None:
    task = TaskApp("t").task(plain)
    with pytest.raises(TypeError, match=r"plain.*'e'"):
        task.add_task(1, e=5)


def test_the_ticks_arguments_are_checked_when_they_are_scheduled() -> None:
    app = TaskApp("t")
    with pytest.raises(TypeError):
        app.schedule(plain, Interval(hours=1))
    with pytest.raises(TypeError):
        app.schedule(plain, Interval(hours=1), args=(1,), kwargs={"e": 1})
    with pytest.raises(TypeError):
        app.task(plain, trigger=Interval(hours=1))
    assert len(app.tasks_by_id) == 0


def test_with_echo_the_first_is_the_run(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    @app.task(echo=True)
    def thread(run: Run[Any], x: int) -> tuple[str, int]:
        return run.id, x

    @app.task(echo=True)
    async def loop(run: Run[Any], x: int, y: int = 0) -> tuple[str, int, int]:
        return run.id, x, y

    first, second = thread.add_task(1), loop.add_task(1, y=2)
    assert first.wait(WITHIN) == (first.id, 1)
    assert second.wait(WITHIN) == (second.id, 1, 2)
    for bad in ((), (1, 2)):
        with pytest.raises(TypeError):
            thread.add_task(*bad)
    with pytest.raises(TypeError):
        thread.add_task(1, run=2)


@pytest.mark.parametrize(
    "fn",
    [
        lambda: None,
        lambda *, x: x,
        lambda *, x=1: x,
    ],
)
def test_echo_needs_a_first_argument(fn: Any) -> None:
    with pytest.raises(TypeError, match="echo"):
        TaskApp("t").task(fn, echo=True)


def test_keywords_that_add_task_keeps_cannot_be_the_functions() -> None:
    app = TaskApp("t")
    for fn in (lambda *, priority: 0, lambda *, delay=1: 0):
        with pytest.raises(TypeError, match="add_task"):
            app.task(fn)


def test_a_plain_argument_of_such_a_name_is_given_by_place(start_thread: StartThread) -> None:
    task = start_thread(TaskApp("t")).task(lambda priority, delay: (priority, delay), id="it")
    assert task.add_task(1, 2).wait(WITHIN) == (1, 2)


@pytest.mark.parametrize(
    "name",
    [
        "fn",
        "self",
        "args", "kwargs", "task", "run", "context",
    ],
)  # fmt: skip
def test_keywords_may_have_any_other_name(start_thread: StartThread, name: str) -> None:
    app = start_thread(TaskApp("t"))

    async def on_loop(**named: int) -> dict[str, int]:
        return named

    for fn in (endless, on_loop):
        task = app.task(fn, echo=False)
        args: tuple[int, ...] = (1,) if fn is endless else ()
        expected = (1, (), {name: 2}) if fn is endless else {name: 2}
        assert task.add_task(*args, **{name: 2}).wait(WITHIN) == expected
        assert task.prepare(*args, **{name: 2}).add_task().wait(WITHIN) == expected


def test_what_was_accepted_keeps_its_arguments(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(endless)
    named = {"x": 1}
    held = task.prepare(1, **named)
    named["x"] = 2
    assert held.add_task().wait(WITHIN) == (1, (), {"x": 1})
    assert held.add_task().wait(WITHIN) == (1, (), {"x": 1})


def test_another_function_is_checked_by_its_own_signature(start_thread: StartThread) -> None:
    task = start_thread(TaskApp("t")).task(add, id="it")
    task.update(fn=needs_keyword)
    with pytest.raises(TypeError):
        task.add_task(1)
    assert task.add_task(key=4).wait(WITHIN) == 4
