"""Life-cycle tasks: set up once, True with each tick, False at the stop, cleaned up once."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from task_thread.app import Interval, RunEnded, RunStatus, TaskApp
from task_thread.testing import StartThread, ThreadLogs
from tests.app.tasks.hands import (
    WITHIN,
    Gate,
    Notes,
    add,
    let_pass,
    nothing,
    opened_at_last,
    settled,
)

TICK = Interval(seconds=0.02)


def sync(notes: Notes, name: str = "") -> Generator[str, bool, None]:
    notes.add(name + "up")
    try:
        while (word := (yield "ticked")) is True:
            notes.add(name + "tick")
        notes.add(f"{name}{word}")
    finally:
        notes.add(name + "down")


async def asynchronous(notes: Notes, name: str = "") -> AsyncGenerator[str, bool]:
    notes.add(name + "up")
    try:
        while (word := (yield "ticked")) is True:
            await asyncio.sleep(0)
            notes.add(name + "tick")
        notes.add(f"{name}{word}")
    finally:
        await asyncio.sleep(0)
        notes.add(name + "down")


BOTH = pytest.mark.parametrize("fn", [sync, asynchronous])


@BOTH
def test_set_up_once_true_each_tick_false_at_the_stop_clean_up_once(
    start_thread: StartThread, fn: Any
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.schedule(fn, TICK, args=(notes,))
    notes.wait_for(4)
    start_thread.stop(app)
    told = notes.all
    assert told[0] == "up"
    assert told[1:-2] == ["tick"] * (len(told) - 3)
    assert told[-2:] == ["False", "down"]


@BOTH
def test_what_is_yielded_is_the_result_of_the_tick(start_thread: StartThread, fn: Any) -> None:
    app, notes, events = start_thread(TaskApp("t")), Notes(), Notes()
    app.subscribe(RunEnded, callback=events.add)
    app.schedule(fn, TICK, args=(notes,))
    assert [event.run.result for event in events.wait_for(3)[:3]] == ["ticked"] * 3


@BOTH
def test_delete_ends_it(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(fn, TICK, args=(notes,))
    notes.wait_for(2)
    task.delete()
    while "down" not in notes.all:
        notes.wait_for(len(notes) + 1)
    let_pass(app, 0.06)
    start_thread.stop(app)
    assert notes.all[-2:] == ["False", "down"]
    assert notes.all.count("up") == notes.all.count("down") == 1


@BOTH
def test_a_tick_that_waits_while_it_is_deleted_sets_nothing_up_again(
    start_thread: StartThread, fn: Any
) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    def slow() -> Generator[None, bool, None]:
        notes.add("up")
        gate.hold()
        while (yield):
            pass
        notes.add("down")

    async def slow_async() -> AsyncGenerator[None, bool]:
        notes.add("up")
        await gate.hold_async()
        while (yield):
            pass
        notes.add("down")

    with opened_at_last(gate):
        task = app.schedule(
            slow if fn is sync else slow_async, TICK, id="a", on_overlap="queue", coalesce=False,
            max_instances=2,
        )  # fmt: skip
        gate.arrived()
        let_pass(app, 0.1)
        task.delete()
        settled(app)
    notes.wait_for(2)
    let_pass(app, 0.06)
    start_thread.stop(app)
    assert notes.all == ["up", "down"]


@BOTH
def test_a_pause_leaves_it_where_it_stands(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(fn, TICK, args=(notes,))
    notes.wait_for(2)
    task.pause()
    settled(app)
    let_pass(app, 0.03)
    before = len(notes)
    let_pass(app, 0.06)
    assert len(notes) == before
    task.resume()
    notes.wait_for(before + 2)
    start_thread.stop(app)
    assert notes.all.count("up") == notes.all.count("down") == 1


@BOTH
@pytest.mark.parametrize("how", ["replace", "fn", "args"])
def test_another_one_in_its_place_ends_the_first(
    start_thread: StartThread, fn: Any, how: str
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(fn, TICK, id="a", args=(notes, "a "))
    notes.wait_for(2)
    if how == "replace":
        app.schedule(fn, TICK, id="a", args=(notes, "b "), replace=True)
    elif how == "args":
        task.update(args=(notes, "b "))
    else:

        def other(notes: Notes, name: str) -> Generator[str, bool, None]:
            yield from sync(notes, "b ")

        async def other_async(notes: Notes, name: str) -> AsyncGenerator[str, bool]:
            notes.add("b up")
            while (yield ""):
                notes.add("b tick")
            notes.add("b False")
            notes.add("b down")

        task.update(fn=other if fn is sync else other_async)
    while "b tick" not in notes.all:
        notes.wait_for(len(notes) + 1)
    start_thread.stop(app)
    mine = [each for each in notes.all if each.startswith("a")]
    theirs = [each for each in notes.all if each.startswith("b")]
    for told in (mine, theirs):
        steps = [each.split()[1] for each in told]
        assert (steps[0], steps[-2:]) == ("up", ["False", "down"])
        assert steps.count("up") == steps.count("down") == 1


@BOTH
def test_without_a_trigger_it_is_ended(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(fn, TICK, args=(notes,))
    notes.wait_for(2)
    task.update(trigger=None)
    while "down" not in notes.all:
        notes.wait_for(len(notes) + 1, within=3)


@BOTH
def test_a_new_trigger_goes_on_with_the_same_generator(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(fn, TICK, args=(notes,))
    notes.wait_for(2)
    task.reschedule("interval", seconds=0.01)
    task.update(priority=5)
    notes.wait_for(len(notes) + 4)
    start_thread.stop(app)
    assert notes.all.count("up") == notes.all.count("down") == 1


@BOTH
def test_one_that_returns_by_itself_has_no_more_ticks(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def ends() -> Generator[int, bool, str]:
        notes.add("up")
        yield 1
        notes.add("end")
        return "over"

    async def ends_async() -> AsyncGenerator[int, bool]:
        notes.add("up")
        yield 1
        notes.add("end")

    task = app.schedule(ends if fn is sync else ends_async, TICK, id="a")
    assert notes.wait_for(2) == ["up", "end"]
    let_pass(app, 0.08)
    assert notes.all == ["up", "end"]
    assert task.next_run_time is None


@BOTH
def test_one_that_has_ended_can_be_updated_and_rescheduled(
    start_thread: StartThread, fn: Any
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def once() -> Generator[int, bool, None]:
        notes.add("up")
        yield 1

    async def once_async() -> AsyncGenerator[int, bool]:
        notes.add("up")
        yield 1

    task = app.schedule(once if fn is sync else once_async, TICK, id="a")
    while task.next_run_time is not None:
        let_pass(app, 0.01)
    task.update(priority=3)
    task.pause()
    task.resume()
    assert task.options.priority == 3
    assert notes.all == ["up"]
    task.reschedule("interval", seconds=0.01)
    notes.wait_for(2)


class Odd:
    """Can't be compared, as arrays can't."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("which of its elements?")


@BOTH
def test_arguments_that_cannot_be_compared(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def odd(what: Odd, name: str) -> Generator[str, bool, None]:
        yield from sync(notes, name)

    async def odd_async(what: Odd, name: str) -> AsyncGenerator[str, bool]:
        notes.add(name + "up")
        while (yield ""):
            notes.add(name + "tick")
        notes.add(name + "down")

    task = app.schedule(odd if fn is sync else odd_async, TICK, id="a", args=(Odd(), "a "))
    notes.wait_for(2)
    task.update(args=(Odd(), "b "))
    while "b tick" not in notes.all:
        notes.wait_for(len(notes) + 1, within=2)
    assert "a down" in notes.all


def test_a_sync_step_that_is_cut_short_again_and_again(start_thread: StartThread) -> None:
    """Its next tick waits for the step in its thread, and shares its context."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    luck = random.Random(seed)
    app, failed, ups, pause = start_thread(TaskApp("t")), Notes(), Notes(), threading.Event()
    standing = 0

    def works() -> Generator[None, bool, None]:
        nonlocal standing
        ups.add(1)
        standing += 1
        assert standing == 1  # never two of them at once
        try:
            pause.wait(luck.uniform(0, 0.002))
            while (yield):
                pause.wait(luck.uniform(0, 0.002))
        finally:
            standing -= 1

    def ended(event: RunEnded) -> None:
        if event.run.status is RunStatus.FAILED:
            failed.add(event.run.traceback)

    app.subscribe(RunEnded, callback=ended)
    app.schedule(works, Interval(seconds=0.001), id="a")
    while len(ups) < 150:
        for run in list(app._app.dispatcher.running.values()):
            if run.task.id == "a":
                pause.wait(luck.uniform(0, 0.002))
                run.cancel()
        let_pass(app, 0.0005)
    start_thread.stop(app)
    assert failed.all == []
    assert standing == 0


@BOTH
def test_one_that_raises_fails_that_tick_and_the_next_sets_up_afresh(
    start_thread: StartThread, fn: Any
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def breaks() -> Generator[int, bool, None]:
        notes.add("up")
        yield 1
        raise LookupError

    async def breaks_async() -> AsyncGenerator[int, bool]:
        notes.add("up")
        yield 1
        raise LookupError

    app.schedule(breaks if fn is sync else breaks_async, TICK, id="a")
    assert notes.wait_for(3) == ["up"] * 3


@BOTH
def test_a_call_of_it_is_a_plain_generator_run(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    task = app.schedule(fn, Interval(hours=1), args=(notes,))
    assert task.add_task(notes).wait(WITHIN) == ["ticked"]
    assert notes.all == ["up", "None", "down"]


number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


@BOTH
def test_its_context_lasts_from_tick_to_tick(start_thread: StartThread, fn: Any) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def sets() -> Generator[int, bool, None]:
        token = number.set(7)
        while (yield number.get()):
            notes.add(number.get())
        number.reset(token)
        notes.add("reset")

    async def sets_async() -> AsyncGenerator[int, bool]:
        token = number.set(7)
        while (yield number.get()):
            notes.add(number.get())
        number.reset(token)
        notes.add("reset")

    app.schedule(sets if fn is sync else sets_async, TICK, id="a")
    notes.wait_for(2)
    start_thread.stop(app)
    assert set(notes.all[:-1]) == {7}
    assert notes.all[-1] == "reset"


@pytest.mark.parametrize("options", [{"echo": True}, {"executor": "process"}])
def test_what_it_cannot_have_is_refused_when_it_is_declared(options: dict[str, Any]) -> None:
    app = TaskApp("t")
    with pytest.raises((TypeError, ValueError)):
        app.schedule(sync, TICK, args=(1,), **options)
    assert len(app.tasks_by_id) == 0


@BOTH
def test_the_stop_waits_for_a_tick_and_then_ends_it(start_thread: StartThread, fn: Any) -> None:
    app, notes, gate = start_thread(TaskApp("t")), Notes(), Gate()

    def slow() -> Generator[None, bool, None]:
        while (yield):
            gate.hold()
        notes.add("down")

    async def slow_async() -> AsyncGenerator[None, bool]:
        while (yield):
            await gate.hold_async()
        notes.add("down")

    app.schedule(slow if fn is sync else slow_async, TICK, id="a")
    with opened_at_last(gate):
        gate.arrived()
        start_thread.wait(app.terminate())
    start_thread.stop(app)
    assert notes.all == ["down"]


def test_one_that_yields_after_false_is_closed_with_a_warning(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def deaf() -> Generator[None, bool, None]:
        try:
            while True:
                yield
                notes.add("tick")
        finally:
            notes.add("closed")

    app.schedule(deaf, TICK, id="a")
    notes.wait_for(1)
    start_thread.stop(app)
    assert notes.all[-1] == "closed"
    assert len(thread_logs.filter(level="warning", event="told False")) == 1


def test_one_that_raises_at_its_end_does_not_keep_the_others_from_theirs(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()

    def raises() -> Generator[None, bool, None]:
        notes.add("up")
        while (yield):
            pass
        raise LookupError("at the end")

    app.schedule(raises, TICK, id="a")
    app.schedule(asynchronous, TICK, id="b", args=(notes,))
    while {"up", "tick"} - set(notes.all) or notes.all.count("up") < 2:
        notes.wait_for(len(notes) + 1)
    start_thread.stop(app)
    assert notes.all[-1] == "down"
    (entry,) = thread_logs.filter(level="error")
    assert isinstance(entry.exc_info, LookupError)


def test_other_tasks_go_on_beside_it(start_thread: StartThread) -> None:
    app, notes = start_thread(TaskApp("t")), Notes()
    app.schedule(asynchronous, TICK, args=(notes,))
    task, idle = app.task(add), app.task(nothing)
    for each in range(20):
        assert task.add_task(each).wait(WITHIN) == each
        assert idle.add_task().wait(WITHIN) is None
