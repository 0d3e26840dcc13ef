"""app.apply on the app's own loop, into a process: who waits makes the call himself."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from task_thread.app import Middleware, Pool, Run, RunEvent, RunStatus, TaskApp
from task_thread.errors import RunCancelled, TimeLimitReached
from task_thread.testing import StartThread
from tests.app.pools.targets import raise_it
from tests.app.tasks.hands import (
    WITHIN,
    add,
    come_and_hang,
    ended_counts,
    fail_once,
    is_alive,
    pid,
    settled,
)

T = TypeVar("T")

SOON = 0.2  # seconds; when a process has been started, mostly it is in its call by then
ROUNDS = 100  # about a third of them end their process


@pytest.fixture
def app(start_thread: StartThread) -> TaskApp:
    """One with one process."""
    return start_thread(TaskApp("t", processes=Pool(1, 0, 0)))


def on_its_loop(app: TaskApp, fn: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine gives, which may be cancelled as often as it likes: a task of its own."""

    async def apart() -> T:
        return await asyncio.create_task(fn())

    value: T = app.task(apart, id=f"main-{len(app.tasks_by_id)}").add_task().wait(WITHIN * 3)
    settled(app)
    lane = app.app_statistics().lanes[2]
    assert (lane.executor, lane.running, lane.queued) == ("process", 0, 0)
    return value


def the_run(app: TaskApp) -> Run[Any]:
    """The one that is under way in a process."""
    (run,) = (run for run in app._app.dispatcher.running.values() if run.executor == "process")
    return run


def assert_nobody_cancels_me() -> None:
    me = asyncio.current_task()
    assert me is not None
    assert me.cancelling() == 0


class Hanging:
    """A call that hangs in its process, until it is ended."""

    def __init__(self, app: TaskApp, path: Path) -> None:
        self._app = app
        self._path = path / f"pipe-{len(list(path.iterdir()))}"
        os.mkfifo(self._path)
        self.pid = 0

    async def call(self) -> None:
        await self._app.apply(come_and_hang, str(self._path), executor="process")

    async def began(self) -> None:
        """Wait until it hangs."""
        self.pid = int(await asyncio.to_thread(self._path.read_text))


def test_it_takes_no_asyncio_task_but_the_callers(app: TaskApp) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await app.apply(add, 1, 2, executor="process") == 3
        await asyncio.sleep(0)
        before, meanwhile = asyncio.all_tasks(), list[set[asyncio.Task[Any]]]()
        loop.call_soon(lambda: meanwhile.append(asyncio.all_tasks()))
        loop.call_soon(loop.call_soon, lambda: meanwhile.append(asyncio.all_tasks()))
        assert await app.apply(add, 1, 2, executor="process") == 3
        assert meanwhile == [before, before]

    on_its_loop(app, main)


@pytest.mark.parametrize(
    "error", [LookupError("gone"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]
)
def test_what_it_raises_is_raised_and_the_place_is_free(app: TaskApp, error: BaseException) -> None:
    async def main() -> None:
        with pytest.raises(type(error)):
            await app.apply(raise_it, error, executor="process")
        assert await app.apply(add, 1, 2, executor="process") == 3

    on_its_loop(app, main)
    assert ended_counts(app)[RunStatus.FAILED] == 1


def test_a_function_that_raises_cancelled_error_does_not_cancel_the_caller(app: TaskApp) -> None:
    async def main() -> None:
        with pytest.raises(RunCancelled, match="from within"):
            await app.apply(raise_it, asyncio.CancelledError("own"), executor="process")
        assert_nobody_cancels_me()

    on_its_loop(app, main)
    assert ended_counts(app)[RunStatus.CANCELLED] == 1


def test_it_is_tried_again(app: TaskApp, tmp_path: Path) -> None:
    task = app.task(fail_once, executor="process", retry=1, backoff=0)

    async def main() -> str:
        return str(await app.apply(task, str(tmp_path / "there")))

    assert on_its_loop(app, main) == "well"


def test_a_middleware_runs_where_middlewares_run(start_thread: StartThread) -> None:
    seen = list[bool]()

    class Looks(Middleware):
        """Whether it runs in the caller's asyncio task."""

        async def before(self, run: Run[Any]) -> None:
            seen.append(asyncio.current_task() is caller)

    app, caller = start_thread(TaskApp("t", processes=1)), None
    task = app.task(add, executor="process", middlewares=Looks)

    async def main() -> None:
        nonlocal caller
        caller = asyncio.current_task()
        assert await app.apply(task, 1, 2) == 3

    on_its_loop(app, main)
    assert seen == [False]


def test_what_callbacks_set_is_not_the_callers(app: TaskApp) -> None:
    colour = ContextVar("colour", default="none")

    def paint(event: RunEvent) -> None:
        if event.run.executor == "process":
            colour.set("red")

    app.subscribe(RunEvent, callback=paint)

    async def main() -> str:
        assert await app.apply(add, 1, 2, executor="process") == 3
        return colour.get()

    assert on_its_loop(app, main) == "none"


def test_where_no_place_is_free_it_waits_for_its_turn(app: TaskApp, tmp_path: Path) -> None:
    hanging = Hanging(app, tmp_path)

    async def main() -> None:
        first = asyncio.create_task(hanging.call())
        await hanging.began()
        others = [
            asyncio.create_task(app.apply(add, number, executor="process")) for number in range(3)
        ]
        await asyncio.sleep(0)
        assert app.app_statistics().lanes[2].queued == 3
        first.cancel()
        assert await asyncio.gather(*others) == [0, 1, 2]
        assert first.cancelled()

    on_its_loop(app, main)


def test_a_cancel_of_the_run_is_none_of_the_caller(app: TaskApp, tmp_path: Path) -> None:
    hanging = Hanging(app, tmp_path)

    async def main() -> None:
        async def cancel() -> None:
            await hanging.began()
            the_run(app).cancel("enough")

        other = asyncio.create_task(cancel())
        with pytest.raises(RunCancelled, match="enough"):
            await hanging.call()
        assert_nobody_cancels_me()
        await other

    on_its_loop(app, main)
    assert not is_alive(hanging.pid)


def test_a_cancel_of_the_caller_cancels_the_run(app: TaskApp, tmp_path: Path) -> None:
    hanging = Hanging(app, tmp_path)

    async def main() -> Run[Any]:
        call = asyncio.create_task(hanging.call())
        await hanging.began()
        run = the_run(app)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return run

    run = on_its_loop(app, main)
    assert run.status is RunStatus.CANCELLED
    assert "nobody waits" in str(run.exception)
    assert not is_alive(hanging.pid)


def test_a_cancel_of_both_reaches_both(app: TaskApp, tmp_path: Path) -> None:
    async def main() -> None:
        for caller_first in (True, False):
            hanging = Hanging(app, tmp_path)
            call = asyncio.create_task(hanging.call())
            await hanging.began()
            run = the_run(app)
            if caller_first:
                call.cancel()
            app._app.dispatcher._cancel(run, "as well")
            if not caller_first:
                call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert call.cancelling() == 1
            assert run.status is RunStatus.CANCELLED

    on_its_loop(app, main)


def test_its_time_limit_is_none_of_the_caller(app: TaskApp) -> None:
    async def main() -> None:
        first = await app.apply(pid, executor="process")
        with pytest.raises(TimeLimitReached):
            await app.apply(time.sleep, 60, executor="process", max_time=SOON)
        assert_nobody_cancels_me()
        assert await app.apply(pid, executor="process") != first

    on_its_loop(app, main)


def test_a_timeout_of_the_caller_is_a_timeout(app: TaskApp) -> None:
    async def main() -> None:
        first = await app.apply(pid, executor="process")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await app.apply(time.sleep, 60, executor="process")
        assert_nobody_cancels_me()
        second = await app.apply(pid, executor="process")
        with anyio.move_on_after(SOON) as scope:
            await app.apply(time.sleep, 60, executor="process")
        assert scope.cancelled_caught
        assert_nobody_cancels_me()
        assert len({first, second, await app.apply(pid, executor="process")}) == 3

    on_its_loop(app, main)
    assert ended_counts(app)[RunStatus.CANCELLED] == 2


def test_the_stop_ends_it(start_thread: StartThread, tmp_path: Path) -> None:
    app, heard = start_thread(TaskApp("t", processes=1)), list[BaseException]()
    app.stop_timeout = 1.0
    hanging = Hanging(app, tmp_path)

    async def main() -> None:
        try:
            await hanging.call()
        except BaseException as error:
            heard.append(error)
            raise

    async def begin() -> None:
        app.task(main, id="caller").add_task()
        await hanging.began()

    app.task(begin).add_task().wait(WITHIN)
    start_thread.stop(app)
    assert not is_alive(hanging.pid)
    (error,) = heard
    assert isinstance(error, asyncio.CancelledError | RunCancelled)
    assert ended_counts(app)[RunStatus.CANCELLED] == 2


def test_however_ends_race_each_ends_once_and_no_place_is_lost(app: TaskApp) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    luck = random.Random(seed)
    ends = dict.fromkeys(("value", "run cancelled", "cancelled", "limit"), 0)

    async def once(number: int) -> str:
        limit = luck.uniform(1e-5, 2e-3) if luck.random() < 0.2 else None
        try:
            value = await app.apply(add, number, 1, executor="process", max_time=limit)
        except RunCancelled:
            return "run cancelled"
        except TimeLimitReached:
            return "limit"
        finally:
            cancels = calls[number].cancelling()
        assert (value, cancels) == (number + 1, 0)
        return "value"

    calls = list[asyncio.Task[str]]()

    async def main() -> None:
        loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
        for number in range(ROUNDS):
            call = loop.create_task(once(number))
            calls.append(call)
            after = luck.choice((0.0, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2)) * luck.random()
            if luck.random() < 0.3:
                timers.append(loop.call_later(after, call.cancel))
            if luck.random() < 0.3:
                timers.append(loop.call_later(after, cancel_what_runs))
            await asyncio.wait([call])
            if call.cancelled():
                ends["cancelled"] += 1
            else:
                assert call.cancelling() in (0, 1)  # after its end it counts as well
                ends[call.result()] += 1
        for timer in timers:  # what comes too late for one round meets the next, but not the last
            timer.cancel()
        assert await app.apply(add, 1, 2, executor="process") == 3

    def cancel_what_runs() -> None:
        for run in list(app._app.dispatcher.running.values()):
            if run.executor == "process":
                run.cancel("by chance")

    on_its_loop(app, main)
    print(ends)
    assert sum(ends.values()) == ROUNDS
    assert len(app._app.dispatcher.processes.pids()) <= 1
    assert all(run.ended or run.executor == "loop" for run in app._app.dispatcher.runs.values())
