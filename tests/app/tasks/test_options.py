"""Options: each bad value is one clear error at the caller; what is no option is kept."""

from __future__ import annotations

import math
from typing import Any

import pytest

from task_thread.app import Backoff, Interval, Middleware, Pool, Priority, TaskApp
from tests.app.tasks.hands import add, counting


class NeedyMiddleware(Middleware):
    def __init__(self, what: str) -> None: ...


class NoMiddleware:
    pass


BAD: list[tuple[str, Any]] = [
    ("name", 5), ("name", None), ("description", 5), ("tags", [5]),
    ("executor", "moon"), ("executor", None), ("executor", 5), ("executor", []),
    ("priority", "high"), ("priority", 1.5), ("priority", None), ("priority", True),
    ("max_time", 0), ("max_time", -1), ("max_time", "5"), ("max_time", math.nan),
    ("max_time", math.inf), ("max_time", True),
    ("retry", -1), ("retry", 1.0), ("retry", None), ("retry", True), ("retry", "3"),
    ("retry_on_exc", [5]), ("retry_on_exc", [OSError, "x"]),
    ("retry_on_exc", int),
    ("backoff", -1), ("backoff", "x"), ("backoff", None), ("backoff", math.nan),
    ("echo", 1), ("echo", None), ("echo", "yes"),
    ("decode", 5), ("decode", "json"),
    ("middlewares", 5), ("middlewares", [5]), ("middlewares", [NoMiddleware]),
    ("middlewares", [NeedyMiddleware]), ("middlewares", "x"),
    ("durable", 1), ("durable", "no"),
    ("coalesce", 0), ("coalesce", None), ("misfire_grace_time", -1), ("misfire_grace_time", "x"),
    ("max_instances", 0), ("max_instances", 1.5), ("max_instances", None),
    ("on_overlap", "drop"), ("on_overlap", None),
    ("trigger", 5), ("trigger", "never"), ("trigger", Interval),
    ("tags", 5), ("tags", None), ("retry_on_exc", 5), ("retry_on_exc", OSError()), ("extra", 5),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), BAD)
def test_a_bad_value_is_one_clear_error_at_the_caller(option: str, value: Any) -> None:
    app = TaskApp("t")
    word = option.rstrip("s") if option != "on_overlap" else option
    with pytest.raises((TypeError, ValueError), match="(?i)" + word.replace("_", ".")) as caught:
        app.task(add, **{option: value})
    assert "\n" not in str(caught.value)
    assert len(app.tasks_by_id) == 0


@pytest.mark.parametrize(("option", "value"), BAD)
def test_the_same_in_update_which_changes_nothing_then(option: str, value: Any) -> None:
    task = TaskApp("t").task(add, priority=3, tags=["a"])
    before = task.options
    with pytest.raises((TypeError, ValueError)):
        task.update(retry=1, **{option: value}) if option != "retry" else task.update(retry=value)
    assert task.options is before


def test_the_defaults_are_those_that_are_written_down() -> None:
    options = TaskApp("t").task(add).options
    assert (options.executor, options.priority, options.retry, options.max_time) == (
        "thread", Priority.NORMAL, 0, None,
    )  # fmt: skip
    assert (options.coalesce, options.misfire_grace_time, options.max_instances) == (True, None, 1)
    assert (options.on_overlap, options.echo, options.durable) == ("skip", False, None)


def test_misfire_grace_time_has_no_limit_by_default_unlike_asyncz() -> None:
    assert TaskApp("t").task(add).options.misfire_grace_time is None


def test_lists_become_tuples_and_a_single_one_a_tuple_of_one() -> None:
    app = TaskApp("t")
    many = app.task(add, id="many", tags=["a", "b"], retry_on_exc=[OSError, KeyError]).options
    one = app.task(add, id="one", tags="ab", retry_on_exc=OSError, middlewares=Middleware).options
    assert (many.tags, many.retry_on_exc) == (("a", "b"), (OSError, KeyError))
    assert (one.tags, one.retry_on_exc, one.middlewares) == (("ab",), (OSError,), (Middleware,))


def test_zero_is_a_value() -> None:
    options = TaskApp("t").task(add, priority=0, retry=0, backoff=0, misfire_grace_time=0).options
    assert (options.priority, options.retry, options.backoff) == (0, 0, 0)
    assert options.misfire_grace_time == 0


def test_what_is_no_option_is_kept_as_extra_and_survives_updates() -> None:
    task = TaskApp("t").task(add, queue="blue", ttl=5)
    assert dict(task.options.extra) == {"queue": "blue", "ttl": 5}
    task.update(priority=1)
    task.update(ttl=6, extra={"more": 1})
    assert dict(task.options.extra) == {"queue": "blue", "ttl": 6, "more": 1}


def test_options_cannot_be_changed_in_place() -> None:
    options = TaskApp("t").task(add, queue="blue").options
    with pytest.raises(AttributeError):
        options.priority = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        options.extra["queue"] = "red"  # type: ignore[index]


def test_a_backoff_or_seconds() -> None:
    app = TaskApp("t")
    steady = app.task(add, id="steady", backoff=2).options
    growing = app.task(add, id="growing", backoff=Backoff(1, 3, 100, jitter=0)).options
    assert [steady.pause(n, 0.5) for n in (1, 2, 3)] == [2, 2, 2]
    assert [growing.pause(n, 0.5) for n in (1, 2, 3)] == [1, 3, 9]


def test_a_handler_of_what_is_yielded_needs_a_generator() -> None:
    app = TaskApp("t")
    with pytest.raises(TypeError, match="generate_handler"):
        app.task(add, generate_handler=str)
    assert app.task(counting, generate_handler=str).options.generate_handler is str


def test_durable_needs_a_store() -> None:
    with pytest.raises(ValueError, match="store"):
        TaskApp("t").task(add, durable=True)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("threads", 0), ("threads", "8"), ("threads", 1.5), ("threads", None),
        ("processes", 0), ("processes", "2"), ("coroutines", 0), ("coroutines", "x"),
        ("retention", 0), ("retention", -1), ("retention", "x"), ("retention", None),
        ("store", 5), ("store", "redis://here"), ("events", [5]), ("events", 5),
        ("middlewares", [5]), ("middlewares", [NeedyMiddleware]), ("parent", 5),
    ],
)  # fmt: skip
def test_a_bad_argument_of_an_app_is_an_error_too(argument: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        TaskApp("t", **{argument: value})


@pytest.mark.parametrize("name", ["", 5, None])
def test_the_name_of_an_app_is_text(name: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="name"):
        TaskApp(name)


@pytest.mark.parametrize("part", ["size", "reserve_normal", "reserve_high"])
@pytest.mark.parametrize("value", [-1, "x", 1.0, None])
def test_a_pool_is_whole_numbers(part: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=part):
        Pool(**{"size": 1, part: value})
