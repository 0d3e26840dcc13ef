"""The decorator in its forms; names, ids, duplicates and replacements; what kind of function."""

from __future__ import annotations

import functools
import operator
import os
from typing import Any

import pytest

from task_thread.app import Interval, Task, TaskApp, TaskSet
from task_thread.errors import DuplicateTask, NotRunning, UnknownTask
from task_thread.testing import StartThread
from tests.app.tasks.hands import JOBS, WITHIN, add, decorated


def test_bare_called_and_on_an_existing_function(start_thread: StartThread) -> None:
    app = TaskApp("t")

    @app.task
    def bare(x: int) -> int:
        return x + 1

    @app.task(priority=7)
    def called(x: int) -> int:
        return x + 2

    @app.task()
    def empty(x: int) -> int:
        return x + 3

    existing = app.task(add, id="existing", retry=2)
    start_thread(app)
    assert [bare.id, called.id, empty.id, existing.id] == ["bare", "called", "empty", "existing"]
    assert [t.add_task(1).wait(WITHIN) for t in (bare, called, empty, existing)] == [2, 3, 4, 1]
    assert called.options.priority == 7
    assert existing.options.retry == 2
    assert existing.fn is add


def test_a_task_is_called_like_its_function() -> None:
    app = TaskApp("t")
    task = app.task(add)
    assert task(1, 2, 3, times=2) == 12


def test_the_name_is_the_functions_and_the_description_its_first_line() -> None:
    app = TaskApp("t")

    @app.task
    def send(to: str) -> None:
        """Send it.

        Details.
        """

    assert (send.id, send.name, send.options.description) == ("send", "send", "Send it.")


def test_an_id_and_a_name_of_ones_own() -> None:
    app = TaskApp("t")
    task = app.task(add, id="a", name="The sum")
    assert (task.id, task.name) == ("a", "The sum")
    assert app.tasks_by_id["a"] is task
    assert "a" in app.tasks_by_id
    assert "The sum" not in app.tasks_by_id


def test_a_name_alone_is_the_id_too() -> None:
    assert TaskApp("t").task(add, name="sum").id == "sum"


def test_a_duplicate_is_an_error_and_changes_nothing() -> None:
    app = TaskApp("t")
    first = app.task(add, id="a", priority=3)
    with pytest.raises(DuplicateTask, match="'a'"):
        app.task(add, id="a", priority=4)
    assert app.tasks_by_id["a"] is first
    assert first.options.priority == 3
    assert len(app.tasks_by_id) == 1


def test_a_duplicate_replaces_where_it_is_told_to(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    first = app.task(add, id="a")
    second = app.task(lambda: "new", id="a", replace=True)
    assert app.tasks_by_id["a"] is second
    assert second.add_task().wait(WITHIN) == "new"
    for act in (functools.partial(first.add_task, 1), first.delete, first.update):
        with pytest.raises(UnknownTask):
            act()
    assert "a" in app.tasks_by_id


def test_a_replacement_without_a_trigger_has_no_ticks() -> None:
    app = TaskApp("t")
    app.task(lambda: None, id="a", trigger=Interval(hours=1))
    assert app.task(lambda: None, id="a", replace=True).next_run_time is None
    assert app.app_statistics().scheduled == 0


def test_an_unknown_task_is_an_error() -> None:
    app = TaskApp("t")
    with pytest.raises(UnknownTask, match="'nobody'"):
        app.tasks_by_id["nobody"]


@pytest.mark.parametrize("id", ["", 7, None.__class__])
def test_an_id_is_text(id: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="id"):
        TaskApp("t").task(add, id=id)


def test_an_empty_name_makes_no_empty_id() -> None:
    try:
        task = TaskApp("t").task(add, name="")
    except ValueError:
        return
    assert task.id


@pytest.mark.parametrize("thing", [5, "send", None.__class__.__name__, object()])
def test_what_cannot_be_called_is_no_task(thing: Any) -> None:
    with pytest.raises(TypeError, match="function"):
        TaskApp("t").task(thing)


class Greeter:
    """Methods and objects that are called."""

    def __init__(self, word: str = "hi") -> None:
        self.word = word

    def greet(self, name: str) -> str:
        return f"{self.word} {name}"

    async def greet_async(self, name: str) -> str:
        return f"{self.word} {name}"

    def __call__(self, name: str) -> str:
        return f"{self.word}, {name}"

    @staticmethod
    def plain(name: str) -> str:
        return name

    @classmethod
    def of_class(cls, name: str) -> str:
        return f"{cls.__name__} {name}"


class AsyncCallable:
    async def __call__(self, name: str) -> str:
        return f"async {name}"


@pytest.mark.parametrize(
    ("fn", "args", "gives", "executor"),
    [
        (Greeter().greet, ("ann",), "hi ann", "thread"),
        (Greeter().greet_async, ("ann",), "hi ann", "loop"),
        (Greeter("yo"), ("ann",), "yo, ann", "thread"),
        (AsyncCallable(), ("ann",), "async ann", "loop"),
        (Greeter.plain, ("ann",), "ann", "thread"),
        (Greeter.of_class, ("ann",), "Greeter ann", "thread"),
        (functools.partial(add, 1, times=2), (4,), 10, "thread"),
        (functools.partial(Greeter().greet_async, "bob"), (), "hi bob", "loop"),
        (functools.partial(functools.partial(add, 1), 2), (), 3, "thread"),
        (len, ([1, 2],), 2, "thread"),
        (operator.add, (1, 2), 3, "thread"),
        (max, (1, 5, 3), 5, "thread"),
        (operator.itemgetter(1), ("abc",), "b", "thread"),
        ("a-b".split, ("-",), ["a", "b"], "thread"),
        (dict, (), {}, "thread"),
        (functools.lru_cache(add), (1, 2), 3, "thread"),
        (lambda x: x, (9,), 9, "thread"),
    ],
)
def test_whatever_can_be_called(
    start_thread: StartThread, fn: Any, args: tuple[Any, ...], gives: Any, executor: str
) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(fn)
    assert task.options.executor == executor
    assert task.id
    assert task.add_task(*args).wait(WITHIN) == gives


def test_on_the_loop_only_what_is_async() -> None:
    app = TaskApp("t")

    async def asynchronous() -> None: ...

    with pytest.raises(ValueError, match="executor='loop'"):
        app.task(add, executor="loop")
    for executor in ("thread", "process"):
        with pytest.raises((ValueError, TypeError), match="async"):
            app.task(asynchronous, executor=executor)
    assert len(app.tasks_by_id) == 0


def test_for_a_process_only_what_it_can_import() -> None:
    app = TaskApp("t")

    def local() -> None: ...

    for fn in (local, lambda: None):
        with pytest.raises(ValueError, match="process"):
            app.task(fn, executor="process")
    with pytest.raises(ValueError, match="echo"):
        app.task(add, executor="process", echo=True)


def test_a_task_set_declares_before_there_is_an_app(start_thread: StartThread) -> None:
    jobs = TaskSet()

    @jobs.task(retry=1)
    def double(x: int) -> int:
        return 2 * x

    with pytest.raises(NotRunning):
        double.add_task(1)
    app = TaskApp("t", tasks=jobs)
    with pytest.raises(NotRunning):
        double.add_task(1)
    start_thread(app)
    assert double.add_task(4).wait(WITHIN) == 8
    assert list(app.tasks_by_id) == [double]


def test_tasks_of_a_task_get_ids_of_their_own() -> None:
    app = TaskApp("t")
    base = app.task(add, id="base", priority=3, retry=2)
    app.task(add, id="base-1")  # whoever chose that name before
    made = [app.schedule(base, Interval(hours=1), args=(1,), retry=5) for _ in range(3)]
    assert len({task.id for task in made}) == 3
    assert all(task.options.priority == 3 and task.options.retry == 5 for task in made)
    assert base.options.retry == 2
    assert base.trigger is None


def test_the_same_function_scheduled_twice_gives_two_tasks() -> None:
    app = TaskApp("t")
    made = [app.schedule(add, Interval(hours=1), args=(each,)) for each in range(2)]
    assert len({task.id for task in made}) == 2


@pytest.mark.parametrize("tasks", [5, [], {}])
def test_a_set_of_tasks_is_a_task_set(tasks: Any) -> None:
    with pytest.raises(TypeError, match="TaskSet"):
        TaskApp("t", tasks=tasks)


def test_the_task_keeps_what_add_task_gave_it_type(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task: Task[..., Any] = app.task(add)
    run = task.add_task(1, 2, 3, 4, times=3)
    assert run.wait(WITHIN) == 30
    assert (run.args, run.kwargs, run.task) == ((1, 2, 3, 4), {"times": 3}, task)


def test_a_decorated_function_runs_in_a_process(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", tasks=JOBS, processes=1))
    assert app.tasks_by_id["decorated"] is decorated
    process, number = decorated.add_task(5).wait(WITHIN)
    assert (process != os.getpid(), number) == (True, 5)
    assert decorated(6) == (os.getpid(), 6)
