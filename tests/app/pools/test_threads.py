"""Threads: what a call gives, what a cancel leaves, how they end."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import weakref
from contextvars import Context, ContextVar, copy_context
from typing import Any

import pytest

from task_thread.app.inthread import Call, Worker
from task_thread.app.threads import Threads
from task_thread.errors import ThreadEnded
from task_thread.testing import no_leaks
from tests.app.pools.rooms import begun, call, in_threads, join_all

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


class Boom(BaseException):
    """Something that is no Exception."""


def raises(error: BaseException) -> None:
    raise error


def held(inside: threading.Event, gate: threading.Event, value: Any = None) -> Any:
    """Say that it runs, and run until the gate opens."""
    inside.set()
    assert gate.wait(10)
    if isinstance(value, BaseException):
        raise value
    return value


# ---- what a call gives ------------------------------------------------------------------------


def test_a_call_gets_its_arguments_and_returns_its_value() -> None:
    def give(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs, threading.current_thread().name

    async def work(threads: Threads) -> None:
        assert await call(threads, give, 1, 2, three=3) == ((1, 2), {"three": 3}, "pool-1")

    in_threads(work)


@pytest.mark.parametrize(
    "error", [ValueError("v"), Boom("b"), asyncio.CancelledError("c"), GeneratorExit("g")]
)
def test_what_it_raises_is_raised_as_it_is(error: BaseException) -> None:
    async def work(threads: Threads) -> None:
        with pytest.raises(type(error)) as raised:
            await call(threads, raises, error)
        assert raised.value is error
        assert threads.busy == threads.abandoned == 0
        assert await call(threads, int, "7") == 7

    in_threads(work)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_an_interpreter_comes_to_the_caller_too(error: BaseException) -> None:
    async def work(threads: Threads) -> None:
        with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
            await call(threads, raises, error)
        assert raised.value is error

    in_threads(work)


def test_a_stop_iteration_is_the_cause_of_a_runtime_error() -> None:
    async def work(threads: Threads) -> None:
        with pytest.raises(RuntimeError) as raised:
            await call(threads, next, iter(()))
        assert isinstance(raised.value.__cause__, StopIteration)

    in_threads(work)


def test_a_call_runs_in_the_context_that_it_was_given() -> None:
    def paint() -> str:
        before = COLOUR.get()
        COLOUR.set("blue")
        return before

    async def work(threads: Threads) -> None:
        context = copy_context()
        context.run(COLOUR.set, "red")
        assert await threads.call(paint, (), {}, context) == "red"
        assert context[COLOUR] == "blue"
        assert COLOUR.get() == "none"
        assert await threads.call(paint, (), {}, Context()) == "none"

    in_threads(work)


def test_a_value_is_kept_by_nobody() -> None:
    class Thing:
        pass

    async def work(threads: Threads) -> None:
        gc.disable()  # nothing may need the collector
        # But without the interpreter lock what another OS thread lets go of is its owner's to free,
        # when he comes to it; or the collector's.
        has_lock = not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()

        def free() -> None:
            if not has_lock:
                gc.collect()

        try:
            thing = Thing()
            seen = weakref.ref(thing)
            assert await call(threads, lambda it: it, thing) is thing
            del thing
            # The worker is idle only when it has let go.
            assert await call(threads, int) == 0
            free()
            assert seen() is None

            thing = Thing()
            seen = weakref.ref(thing)

            def refuse(it: Thing) -> None:
                raise ValueError("no")

            with pytest.raises(ValueError, match="no"):
                await call(threads, refuse, thing)
            del thing
            await call(threads, int)
            free()
            assert seen() is None
        finally:
            gc.enable()

    in_threads(work)


# ---- which threads ----------------------------------------------------------------------------


def test_the_thread_that_was_busy_last_is_used_again() -> None:
    def me() -> str:
        return threading.current_thread().name

    async def work(threads: Threads) -> None:
        assert {await call(threads, me) for _ in range(20)} == {"pool-1"}
        gate, inside = threading.Event(), threading.Event()
        busy = await begun(threads, held, inside, gate)
        assert inside.wait(10)
        assert await call(threads, me) == "pool-2"
        assert (threads.busy, threads.idle_count) == (1, 1)
        gate.set()
        await busy
        assert await call(threads, me) == "pool-1"
        assert (threads.busy, threads.idle_count) == (0, 2)

    in_threads(work)


def test_calls_that_block_all_begin_at_once() -> None:
    async def work(threads: Threads) -> None:
        for count in (6, 6, 3):  # in threads that are new, then in idle ones
            barrier = threading.Barrier(count)
            places = await asyncio.gather(*(call(threads, barrier.wait, 10) for _ in range(count)))
            assert sorted(places) == list(range(count))
        assert threads.idle_count == 6

    in_threads(work)


def test_a_call_that_nobody_has_begun_is_taken_back_by_a_cancel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(threads: Threads) -> None:
        called: list[int] = []
        held_up: list[threading.Thread] = []
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", lambda it: held_up.extend([it]))
            task = await begun(threads, called.append, 1)
        assert threads.busy == 1
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (threads.busy, threads.abandoned) == (0, 0)
        held_up[0].start()
        await call(threads, called.append, 2)
        await threads.close()
        assert called == [2]

    in_threads(work)


@pytest.mark.parametrize("then", ["call", "close"])
def test_an_idle_thread_that_is_just_about_to_end_is_still_there(
    then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed_out, go_on = threading.Event(), threading.Event()
    woken = Worker._woken

    def slow(worker: Worker) -> bool:
        in_time = woken(worker)
        if not in_time:
            timed_out.set()
            go_on.wait(10)
        return in_time

    monkeypatch.setattr(Worker, "_woken", slow)

    async def work(threads: Threads) -> None:
        await call(threads, int)
        timed_out.wait(10)
        if then == "call":
            task = await begun(threads, threading.current_thread)
        else:
            task = asyncio.create_task(threads.close())
            await asyncio.sleep(0)
        go_on.set()
        async with asyncio.timeout(5):
            await task
        assert then == "close" or task.result().name == "pool-1"

    in_threads(work, idle=0.01)


def test_threads_are_daemons() -> None:
    async def work(threads: Threads) -> None:
        assert await call(threads, lambda: threading.current_thread().daemon)

    in_threads(work)


def test_an_idle_thread_ends_after_a_while() -> None:
    async def work(threads: Threads) -> None:
        thread = await call(threads, threading.current_thread)
        thread.join(10)
        assert not thread.is_alive()
        assert threads.idle_count == 0
        assert await call(threads, threading.current_thread) is not thread

    in_threads(work, idle=0.01)


def test_a_thread_that_can_not_be_had_is_an_error_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(threads: Threads) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", lambda _: raises(RuntimeError("no thread")))
            with pytest.raises(RuntimeError, match="no thread"):
                await call(threads, int)
        assert threads.busy == 0
        assert await call(threads, int) == 0

    in_threads(work)


# ---- abandoned --------------------------------------------------------------------------------


def test_a_cancelled_call_goes_on_and_is_abandoned_until_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def work(threads: Threads) -> None:
        gate, inside = threading.Event(), threading.Event()
        task = await begun(threads, held, inside, gate, ValueError("too late"))
        assert inside.wait(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (threads.busy, threads.abandoned) == (0, 1)
        (line,) = threads.left()
        assert line.startswith("pool-1 is in ")
        # Somebody else does the work meanwhile.
        assert await call(threads, lambda: threading.current_thread().name) == "pool-2"
        gate.set()
        await threads.close()
        join_all()
        assert threads.abandoned == 0
        assert threads.left() == []

    in_threads(work)
    assert "held, which nobody waits for any more, raised" in caplog.text
    assert "too late" in caplog.text


def test_a_thread_that_was_abandoned_is_used_again_when_it_has_returned() -> None:
    async def work(threads: Threads) -> None:
        gate, inside, out = threading.Event(), threading.Event(), threading.Event()

        class Last:
            def __del__(self) -> None:
                out.set()

        def hold(_: Last) -> None:
            held(inside, gate)

        task = await begun(threads, hold, Last())
        assert inside.wait(10)
        task.cancel()
        await asyncio.wait([task])
        del task
        gate.set()
        await call(threads, out.wait)  # by pool-2; pool-1 has let go of its call
        barrier = threading.Barrier(2)

        def me() -> str:
            barrier.wait(10)
            return threading.current_thread().name

        names = await asyncio.gather(call(threads, me), call(threads, me))
        assert set(names) == {"pool-1", "pool-2"}

    in_threads(work)


def test_what_is_left_says_the_line_in_which_it_is() -> None:
    async def work(threads: Threads) -> None:
        lock = threading.Lock()
        inside = threading.Event()

        def stuck() -> None:
            inside.set()
            lock.acquire()

        with lock:
            task = await begun(threads, stuck)
            assert inside.wait(10)
            task.cancel()
            await asyncio.wait([task])
            (line,) = threads.left()
            first = stuck.__code__.co_firstlineno
            assert "stuck" in line
            assert __file__ in line
            assert any(f":{first + more})" in line for more in (1, 2))

    in_threads(work)


# ---- the end ----------------------------------------------------------------------------------


def test_close_waits_for_the_calls_under_way() -> None:
    async def work(threads: Threads) -> None:
        gate, inside = threading.Event(), threading.Event()
        task = await begun(threads, held, inside, gate, "value")
        assert inside.wait(10)
        closing = asyncio.create_task(threads.close())
        await asyncio.sleep(0)
        assert not closing.done()
        assert len(threads.left()) == 1
        with pytest.raises(ThreadEnded, match="'pool' are closed"):
            await call(threads, int)
        gate.set()
        await closing
        assert await task == "value"
        assert not [each for each in threading.enumerate() if each.name.startswith("pool-")]

    in_threads(work)


def test_close_does_not_wait_for_the_abandoned() -> None:
    async def work(threads: Threads) -> None:
        gate, inside = threading.Event(), threading.Event()
        task = await begun(threads, held, inside, gate)
        assert inside.wait(10)  # by no thread of the pool: no other one may wake close()
        closing = asyncio.create_task(threads.close())
        await asyncio.sleep(0)
        task.cancel()  # which ends close()'s wait too
        async with asyncio.timeout(5):
            await closing
        assert threads.abandoned == 1
        assert len(threads.left()) == 1
        gate.set()

    in_threads(work)


def test_close_that_is_cancelled_leaves_what_runs_and_names_it() -> None:
    gate, inside = threading.Event(), threading.Event()

    async def main() -> None:
        threads = Threads("pool")
        task = await begun(threads, held, inside, gate)
        assert inside.wait(10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await threads.close()
        assert len(threads.left()) == 1
        task.cancel()
        await asyncio.wait([task])

    with no_leaks():
        asyncio.run(main())
        gate.set()  # its loop is closed by now: it ends all the same


def test_closed_twice_and_closed_unused() -> None:
    async def work(threads: Threads) -> None:
        await threads.close()
        await threads.close()

    in_threads(work)


def test_threads_of_a_loop_that_was_lost_end_by_themselves() -> None:
    async def main() -> None:
        await call(Threads("pool", idle=0.05), int)  # never closed

    with no_leaks():
        asyncio.run(main())


def test_many_that_end_in_one_turn_ring_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(threads: Threads) -> None:
        count = 50
        barrier = threading.Barrier(count + 1)
        tasks = [await begun(threads, barrier.wait) for _ in range(count)]
        await asyncio.sleep(0)
        rung = 0
        settle = threads._settle

        def counted() -> None:
            nonlocal rung
            rung += 1
            settle()

        monkeypatch.setattr(threads, "_settle", counted)
        barrier.wait(10)  # holds the loop up, until all are about to return
        workers = list(threads._workers)
        while any(worker.call is not None for worker in workers):
            pass  # the loop's turn is not over: nobody is told meanwhile
        await asyncio.gather(*tasks)
        assert rung == 1

    in_threads(work)


def test_who_raises_when_told_of_an_end_keeps_nobody_else_from_his() -> None:
    async def work(threads: Threads) -> None:
        loop = asyncio.get_running_loop()
        trouble, told = loop.create_future(), loop.create_future()
        loop.set_exception_handler(lambda _, context: trouble.set_result(context["exception"]))
        error = ValueError("no")
        barrier = threading.Barrier(3)

        def raises(_: Call) -> None:
            raise error

        for then in (raises, told.set_result):
            threads.begin(Call(barrier.wait, (), {}, Context(), then))
        barrier.wait(10)
        assert (await told).value in (0, 1, 2)
        assert await trouble is error

    in_threads(work)


def test_nobody_is_told_of_the_end_of_what_he_has_abandoned() -> None:
    async def work(threads: Threads) -> None:
        told: list[Call] = []
        inside, gate = threading.Event(), threading.Event()
        abandoned = Call(held, (inside, gate), {}, Context(), told.append)
        threads.begin(abandoned)
        assert inside.wait(10)
        threads.abandon(abandoned)
        assert (threads.busy, threads.abandoned) == (0, 1)
        gate.set()
        while threads.abandoned:
            pass
        await call(threads, int)  # by the same thread: the news of the first would have come
        assert told == []

    in_threads(work)
