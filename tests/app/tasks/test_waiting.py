"""To wait for a run: from OS threads, from several loops, with a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from typing import Any

import pytest

from task_thread.app import Run, RunStatus, TaskApp
from task_thread.errors import RunError, WaitTimeout, WrongLoop
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Gate, Notes, add, fail, opened_at_last


def test_many_threads_and_loops_wait_for_one_run(start_thread: StartThread) -> None:
    app, gate, got = start_thread(TaskApp("t")), Gate(), Notes()
    other = start_thread(TaskApp("u"))
    run = app.task(gate.hold).add_task()

    @app.task
    async def on_its_own_loop() -> Any:
        return await run

    @other.task
    async def on_another_apps_loop() -> Any:
        return await run.result(WITHIN)

    async def loop() -> Any:
        first, second = await asyncio.gather(run.result(), run.result(WITHIN))
        assert first == second == await run
        return first

    waiters = [threading.Thread(target=lambda: got.add(run.wait(WITHIN))) for _ in range(5)]
    waiters += [threading.Thread(target=lambda: got.add(asyncio.run(loop()))) for _ in range(3)]
    with opened_at_last(gate):
        for waiter in waiters:
            waiter.start()
        inside = [on_its_own_loop.add_task(), on_another_apps_loop.add_task()]
        gate.arrived()
        assert len(got) == 0
        gate.open()
    assert got.wait_for(8) == ["held"] * 8
    assert [each.wait(WITHIN) for each in inside] == ["held"] * 2
    for waiter in waiters:
        waiter.join()


def test_waiting_that_times_out_raises_and_the_run_goes_on_unlike_qtasks(
    start_thread: StartThread,
) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    run = app.task(gate.hold_async).add_task()
    with opened_at_last(gate):
        gate.arrived()
        for timeout in (0.02, 0):
            begun = time.monotonic()
            with pytest.raises(WaitTimeout, match="goes on"):
                run.wait(timeout)
            assert time.monotonic() - begun < 5
            with pytest.raises(WaitTimeout, match="goes on"):
                asyncio.run(run.result(timeout))
        assert run.status is RunStatus.RUNNING
    assert run.wait(WITHIN) == "held"


def test_a_wait_timeout_is_a_timeout_error_and_a_run_error() -> None:
    assert issubclass(WaitTimeout, TimeoutError)
    assert issubclass(WaitTimeout, RunError)


def test_after_the_end_it_does_not_wait(start_thread: StartThread) -> None:
    run = start_thread(TaskApp("t")).task(add).add_task(1)
    run.wait(WITHIN)
    assert run.wait(0) == 1
    assert asyncio.run(run.result(0)) == 1


def test_wait_on_a_loop_is_refused(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    run = app.task(gate.hold).add_task()

    @app.task
    async def on_its_loop() -> None:
        run.wait(5)

    async def elsewhere() -> None:
        with pytest.raises(WrongLoop, match="await"):
            run.wait(5)

    with opened_at_last(gate):
        asyncio.run(elsewhere())
        with pytest.raises(WrongLoop):
            on_its_loop.add_task().wait(WITHIN)


def test_await_run_is_await_its_result(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    task = app.task(add)

    async def main() -> tuple[int, int]:
        run: Run[int] = task.add_task(1)
        return await run, await run.result()

    assert asyncio.run(main()) == (1, 1)


def test_what_the_task_raised_is_raised_as_it_is(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))
    run = app.task(fail).add_task("gone")
    with pytest.raises(LookupError, match=r"^gone$") as caught:
        run.wait(WITHIN)
    assert caught.value is run.exception
    assert run.status is RunStatus.FAILED
    with pytest.raises(LookupError):
        asyncio.run(run.result())


def test_the_traceback_is_that_of_the_task_however_many_wait(start_thread: StartThread) -> None:
    run = start_thread(TaskApp("t")).task(fail).add_task("gone")
    with pytest.raises(LookupError):
        run.wait(WITHIN)
    before = run.traceback
    for _ in range(20):
        with pytest.raises(LookupError):
            run.wait(WITHIN)
    assert run.traceback == before
    assert "in fail" in before
    assert "_give" not in before


def test_the_error_of_a_run_keeps_no_waiters_alive_but_the_last(start_thread: StartThread) -> None:
    class Big:
        pass

    run = start_thread(TaskApp("t")).task(fail).add_task("gone")

    def waits() -> weakref.ref[Big]:
        big = Big()
        with contextlib.suppress(LookupError):
            run.wait(WITHIN)
        return weakref.ref(big)

    references = [waits() for _ in range(5)]
    gc.collect()
    assert [reference() for reference in references[:-1]] == [None] * 4


def test_a_timeout_of_the_waiter_leaves_nothing_behind(start_thread: StartThread) -> None:
    app, gate = start_thread(TaskApp("t")), Gate()
    run = app.task(gate.hold).add_task()
    with opened_at_last(gate):
        for _ in range(100):
            with pytest.raises(WaitTimeout):
                run.wait(0)
        latch = run._latch
        assert latch is not None
        assert not latch._waiters


def test_who_waits_when_the_app_ends_is_told(start_thread: StartThread) -> None:
    app, told = start_thread(TaskApp("t")), Notes()
    run = app.task(add).add_task(1, delay=60)

    def waits() -> None:
        try:
            told.add(run.wait(WITHIN))
        except BaseException as error:
            told.add(error)

    waiter = threading.Thread(target=waits)
    waiter.start()
    start_thread.stop(app)
    waiter.join(WITHIN)
    (error,) = told.wait_for(1)
    assert isinstance(error, RunError)
    assert not isinstance(error, WaitTimeout)
