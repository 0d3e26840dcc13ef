"""app.apply: one call of any function, awaited."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from task_thread.app import Pool, RunStatus, TaskApp
from task_thread.errors import NotRunning, RunCancelled, ThreadEnded, TimeLimitReached, WorkerDied
from task_thread.testing import StartThread
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    add,
    counting,
    die,
    ended_counts,
    fail,
    opened_at_last,
    pid,
    settled,
    tell_and_hang,
)


def apply(app: TaskApp, *args: Any, **kwargs: Any) -> Any:
    async def main() -> Any:
        return await asyncio.wait_for(app.apply(*args, **kwargs), WITHIN)

    return asyncio.run(main())


@pytest.mark.parametrize("executor", [None, "thread", "process"])
def test_the_arguments_are_given_one_by_one_unlike_atasker(
    start_thread: StartThread, executor: Any
) -> None:
    app = start_thread(TaskApp("t", processes=1))
    assert apply(app, add, 1, 2, 3, times=2, executor=executor) == 12


def keyword_fn(fn: int, self: int = 0) -> int:
    return fn + self


def test_keywords_may_have_any_name(start_thread: StartThread) -> None:
    assert apply(start_thread(TaskApp("t")), keyword_fn, fn=3, self=4) == 7


def test_a_coroutine_function_on_the_loop(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    async def where(x: int) -> tuple[int, str]:
        return x, threading.current_thread().name

    assert apply(app, where, 5) == (5, app._taskthread.name())


def test_a_process_is_another_one(start_thread: StartThread) -> None:
    import os

    app = start_thread(TaskApp("t", processes=1))
    first = apply(app, pid, executor="process")
    assert first != os.getpid()
    assert apply(app, pid, executor="process") == first  # it is used again


def test_a_task_and_a_generator(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(add, decode=str)
    assert apply(app, task, 1, 2) == "3"
    assert apply(app, task, 1, 2, max_time=5) == "3"
    assert apply(app, counting, 3) == [0, 1, 2]
    assert [each.id for each in app.tasks_by_id] == ["add"]


def test_what_it_raises_is_raised(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", processes=1))
    for executor in ("thread", "process"):
        with pytest.raises(LookupError, match="gone"):
            apply(app, fail, "gone", executor=executor)


def test_a_raising_process_target_completes_and_leaks_no_slot_unlike_atasker(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t", processes=Pool(1, 0, 0)))
    for _ in range(3):
        with pytest.raises(LookupError):
            apply(app, fail, "gone", executor="process")
    assert apply(app, add, 1, 2, executor="process") == 3
    assert app.app_statistics().lanes[2].running == 0


def test_a_raising_coroutine_does_not_hang_the_waiter_unlike_atasker(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))

    async def raises() -> None:
        raise LookupError("at once")

    async def raises_later() -> None:
        await asyncio.sleep(0)
        raise LookupError("later")

    for fn in (raises, raises_later):
        with pytest.raises(LookupError):
            apply(app, fn)


def test_a_process_that_dies_fails_that_call_alone(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t", processes=2))
    with pytest.raises(WorkerDied, match="exit code 7"):
        apply(app, die, 7, executor="process")
    assert apply(app, add, 1, executor="process") == 1


def test_a_cancel_cancels_the_run(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()

    async def main() -> None:
        call = asyncio.create_task(app.apply(gate.hold_async))
        await asyncio.to_thread(gate.arrived)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with opened_at_last(gate):
        asyncio.run(main())
        settled(app)
        assert ended_counts(app)[RunStatus.CANCELLED] == 1
        assert gate.passed == 0


def test_a_timeout_around_it_kills_the_process(start_thread: StartThread, tmp_path: Path) -> None:
    app = start_thread(TaskApp("t", processes=Pool(1, 0, 0)))
    apply(app, pid, executor="process")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                app.apply(tell_and_hang, str(tmp_path / "pid"), executor="process"), 0.3
            )

    asyncio.run(main())
    assert apply(app, add, 1, executor="process") == 1


def test_max_time(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    with opened_at_last(gate), pytest.raises(TimeLimitReached):
        apply(app, gate.hold, max_time=0.05)


def test_priority(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t", threads=Pool(1, 0, 0))), Gate()
    with opened_at_last(gate):
        app.task(gate.hold).add_task()
        gate.arrived()
        assert apply(app, add, 1, priority=0) == 1


def test_a_run_that_is_cancelled_by_others_is_no_cancel_of_the_waiter(
    start_thread: StartThread,
) -> None:
    app = start_thread(TaskApp("t"))

    async def gives_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RunCancelled):
        apply(app, gives_up)


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((5,), {}), (("add",), {}), ((add,), {}), ((add, 1, 2), {"nothing": 1}),
        ((add, 1), {"executor": "moon"}), ((add, 1), {"executor": "loop"}),
        ((add, 1), {"max_time": -1}), ((add, 1), {"max_time": "x"}),
        ((lambda: None,), {"executor": "process"}),
        ((add, 1), {"priority": "x"}),
        ((add, 1), {"priority": 1.5}),
        ((add, 1), {"priority": True}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_the_caller(
    start_thread: StartThread, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    app = TaskApp("t")
    app.stop_timeout = 1.0
    start_thread(app, crashes=True)
    with pytest.raises((TypeError, ValueError)):
        apply(app, *args, **options)
    assert app.app_statistics().ended == {}


def test_before_the_start_and_after_the_end(start_thread: StartThread) -> None:
    app = TaskApp("t")
    with pytest.raises(NotRunning):
        apply(app, add, 1)
    start_thread(app)
    start_thread.stop(app)
    with pytest.raises(ThreadEnded):
        apply(app, add, 1)


def test_equal_callables_are_not_mixed_up(start_thread: StartThread) -> None:
    """What is remembered of one must not be taken for another that only claims to be equal."""

    class Same:
        def __init__(self, value: int) -> None:
            self.value = value

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Same)

        def __hash__(self) -> int:
            return 1

        def __call__(self) -> int:
            return self.value

    app = start_thread(TaskApp("t"))
    assert [apply(app, Same(number)) for number in range(3)] == [0, 1, 2]
