"""Runs in a store: what is written of them, and how they go on in the next life of the process."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from task_thread.app import Pool, Run, RunStatus, TaskApp
from task_thread.errors import NotStorable, RunCancelled, UnknownRun
from tests.app.durable.hands import WITHIN, File, flush, in_store
from tests.app.tasks.hands import Gate, Notes, opened_at_last


def test_a_result_is_there_after_the_end_of_the_app(file: File) -> None:
    value = {"a": [1, 2.5, None, True, "ü\ud800"]}
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(number: int, *, word: str) -> Any:
            return value

        run = work.add_task(1, word="x")
        assert run.wait(WITHIN) == value
    with TaskApp("mail", store=file.url) as app:
        info = asyncio.run(app.stored_run_info(run.id))
    assert info == run.info()
    assert (info.status, info.result, info.attempt) == (RunStatus.SUCCEEDED, value, 1)


def test_what_has_ended_is_not_begun_again(file: File) -> None:
    begun = Notes()
    for _ in range(3):
        with TaskApp("mail", store=file.url) as app:

            @app.task
            async def work() -> None:
                begun.add("begun")

            if not len(begun):
                work.add_task().wait(WITHIN)
            flush(app)
    assert begun.all == ["begun"]


def test_what_a_run_raised_is_there_as_text(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> None:
            raise LookupError("no such address")

        run = work.add_task()
        with pytest.raises(LookupError, match="no such address"):
            run.wait(WITHIN)
    with TaskApp("mail", store=file.url) as app:
        info = asyncio.run(app.stored_run_info(run.id))
    assert (info.status, info.error) == (RunStatus.FAILED, "LookupError: no such address")
    assert info.traceback.startswith("Traceback")
    assert 'raise LookupError("no such address")' in info.traceback


def test_an_endless_error_is_cut(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> None:
            raise LookupError("no" * 10_000_000)

        run = work.add_task()
        with pytest.raises(LookupError):
            run.wait(WITHIN)
    record = file.only()
    assert record["status"] == "failed"
    assert len(record["error"]) == len(record["traceback"]) == 100_000
    assert record["error"].startswith("LookupError: nono")


def test_what_was_under_way_begins_again_and_is_not_held_against_it(file: File) -> None:
    gate = Gate()

    def program(file: File) -> tuple[TaskApp, Any]:
        app = TaskApp("mail", store=file.url)

        @app.task(retry=1, backoff=0.0, echo=True)
        def work(run: Run[Any], word: str) -> str:
            if run.starts == 1:
                gate.hold()
            elif run.attempt == 1:
                raise LookupError("once more")
            return f"{word} {run.attempt} {run.starts}"

        return app, work

    app, work = program(file)
    with opened_at_last(gate), app:
        run = work.add_task("done")
        gate.arrived()
        flush(app)
        killed = file.as_killed_now()
        gate.open()
        assert run.wait(WITHIN) == "done 1 1"
    app, _ = program(killed)
    with app:
        asyncio.run(until_ended(app, run.id))
    assert killed.only()["result"] == "done 2 3"


def test_a_retry_comes_when_it_would_have_come(file: File) -> None:
    """Its pause goes on; so does the count of its attempts, and what it raised."""
    ended = Notes()

    def program(file: File, pause: float) -> tuple[TaskApp, Any]:
        app = TaskApp("mail", store=file.url)

        @app.task(retry=2, backoff=pause, echo=True)
        async def work(run: Run[Any]) -> int:
            if run.attempt == 1:
                ended.add("failed")
                raise LookupError("at first")
            return run.attempt

        return app, work

    app, work = program(file, 3600.0)
    with app:
        run = work.add_task()
        ended.wait_for(1)
        asyncio.run(until(app, run, RunStatus.RETRYING))
        flush(app)
        record = file.only()
        assert 3590 < record["not_before"] - time.time() <= 3600
        killed = file.as_killed_now()
    assert record["error"] == "LookupError: at first"
    app, _ = program(killed, 3600.0)
    with app:
        info = app.run_info(run.id)
        assert (info.status, info.attempt) == (RunStatus.RETRYING, 1)
        assert "at first" in info.error
        assert 'raise LookupError("at first")' in info.traceback
    assert killed.only()["error"] == "LookupError: at first"
    killed.change("run", run.id, not_before=time.time() - 1.0)
    app, _ = program(killed, 3600.0)
    with app:
        asyncio.run(until_ended(app, run.id))
    record = killed.only()
    assert (record["status"], record["result"], record["error"]) == ("succeeded", 2, "")
    assert record["traceback"] == ""


def test_the_error_is_that_of_the_last_attempt(file: File) -> None:
    words = iter(["in the first life", "in the second life"])

    def program() -> tuple[TaskApp, Any]:
        app = TaskApp("mail", store=file.url)

        @app.task(retry=1, backoff=3600.0)
        async def work() -> None:
            raise LookupError(next(words))

        return app, work

    app, work = program()
    with app:
        run = work.add_task()
        asyncio.run(until(app, run, RunStatus.RETRYING))
    file.change("run", run.id, not_before=0.0)
    app, _ = program()
    with app:
        asyncio.run(until_ended(app, run.id))
        info = app.run_info(run.id)
    assert info.error == "LookupError: in the second life"
    assert "in the second life" in info.traceback
    assert "in the first life" not in info.traceback
    assert file.only()["traceback"] == info.traceback


def test_a_delay_goes_on(file: File) -> None:
    begun = Notes()

    def program(file: File) -> tuple[TaskApp, Any]:
        app = TaskApp("mail", store=file.url)

        @app.task
        async def work() -> None:
            begun.add(time.time())

        return app, work

    app, work = program(file)
    with app:
        run = work.add_task(delay=3600)
        assert run.info().status is RunStatus.DELAYED
        flush(app)
        assert 3590 < file.only()["not_before"] - time.time() <= 3600
    assert file.only()["status"] == "delayed"
    again = time.time() + 0.3
    file.change("run", run.id, not_before=again)
    app, _ = program(file)
    with app:
        assert app.run_info(run.id).status is RunStatus.DELAYED
        (at,) = begun.wait_for(1)
    assert at >= again - 0.01


def test_runs_go_on_by_their_priority_and_then_in_their_order(file: File) -> None:
    begun = Notes()
    gate = Gate()

    def program(file: File) -> tuple[TaskApp, Any, Any]:
        app = TaskApp("mail", store=file.url, threads=Pool(1, 0, 0))

        @app.task
        def work(number: int) -> None:
            begun.add(number)

        @app.task(durable=False)
        def blocks() -> None:
            gate.hold()

        return app, work, blocks

    app, work, blocks = program(file)
    with opened_at_last(gate), app:
        blocks.add_task()
        gate.arrived()
        for number, priority in enumerate([100, 7, 100, 200, 1, 7]):
            work.add_task(number, priority=priority)
        flush(app)
        killed = file.as_killed_now()
        gate.open()
        begun.wait_for(6)
    first = begun.all
    app, _, _ = program(killed)
    with app:
        begun.wait_for(12)
    assert begun.all[6:] == first == [4, 1, 5, 0, 2, 3]


def test_a_cancelled_run_stays_cancelled(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> None: ...

        run = work.add_task(delay=3600)
        run.cancel("changed my mind")
        with pytest.raises(RunCancelled, match="changed my mind"):
            run.wait(WITHIN)
        assert file.only()["status"] == "cancelled"
        assert in_store(app, lambda database: database.live("run")) == []


def test_a_single_run_takes_one_commit(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> None: ...

        work.add_task().wait(WITHIN)
        flush(app)
        seen: list[str] = []
        in_store(app, lambda database: database._connection.set_trace_callback(seen.append))
        work.add_task().wait(WITHIN)
        assert seen.count("COMMIT") == 1


def test_retention(file: File) -> None:
    """A run that has ended is kept for so long in memory, and in the store; then both forget it."""
    with TaskApp("mail", store=file.url, retention=0.05) as app:

        @app.task
        async def work() -> None: ...

        first = work.add_task()
        first.wait(WITHIN)
        latest = work.add_task(delay=0.2)
        latest.wait(WITHIN)
        flush(app)
        with pytest.raises(UnknownRun):
            app.run_info(first.id)
        with pytest.raises(UnknownRun, match="retention"):
            asyncio.run(app.stored_run_info(first.id))
        assert asyncio.run(app.stored_run_info(latest.id)).status is RunStatus.SUCCEEDED


def test_an_unknown_run(file: File) -> None:
    with TaskApp("mail", store=file.url) as app, pytest.raises(UnknownRun):
        asyncio.run(app.stored_run_info("never"))


def test_beside_durable_runs_others_stay_in_memory(file: File) -> None:
    begun = Notes()

    def program() -> tuple[TaskApp, Any, Any]:
        app = TaskApp("mail", store=file.url)

        @app.task
        async def kept() -> None:
            begun.add("kept")

        @app.task(durable=False)
        async def dropped(what: object) -> object:
            begun.add("dropped")
            return what

        return app, kept, dropped

    app, kept, dropped = program()
    thing = object()
    with app:
        first, second = kept.add_task(delay=3600), dropped.add_task(thing, delay=3600)
        assert dropped.add_task(thing).wait(WITHIN) is thing
        assert begun.all == ["dropped"]
    with pytest.raises(RunCancelled):
        second.wait(0)
    assert list(file.records()) == [first.id]
    file.change("run", first.id, not_before=0.0)
    app, _, _ = program()
    with app:
        begun.wait_for(2)
    assert begun.all == ["dropped", "kept"]


def test_durable_without_a_store_is_refused() -> None:
    app = TaskApp("mail")
    with pytest.raises(ValueError, match=r"store='sqlite:///"):

        @app.task(durable=True)
        async def work() -> None: ...

    assert "work" not in app.tasks_by_id
    with app:

        @app.task
        async def other() -> int:
            return 1

        assert other.add_task().wait(WITHIN) == 1


# ---- what can't be stored ---------------------------------------------------------------------


class Text(str):
    """No plain text."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: 2}, {"a": (1,)}, object(), b"x", {1}, Text("x"), [{"a": object()}], 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_an_argument_that_would_not_come_back_is_refused(file: File, value: Any) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(*args: Any, **kwargs: Any) -> int:
            return 1

        for args, kwargs in (((value,), {}), ((), {"a": value})):
            with pytest.raises(NotStorable, match="work"):
                work.add_task(*args, **kwargs)
        assert work.add_task([1], a={"b": None}).wait(WITHIN) == 1
        assert app.app_statistics().ended[RunStatus.SUCCEEDED] == 1
    assert len(file.records()) == 1


def test_too_large_an_argument_is_refused(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(what: str) -> int:
            return len(what)

        with pytest.raises(NotStorable, match="bytes"):
            work.add_task("x" * 40_000_000)
        assert work.add_task("x").wait(WITHIN) == 1


def test_a_circle_is_refused(file: File) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(what: Any) -> None: ...

        with pytest.raises(NotStorable):
            work.add_task(circle)


class Nasty(dict[str, int]):
    """Raises when it is looked at."""

    def items(self) -> Any:
        raise SystemError("don't look")

    __iter__ = items


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", {(1, 2): 3}, Nasty(a=1), "x" * 70_000_000],
    ids=["object", "set", "bytes", "key", "nasty", "large"],
)  # fmt: skip
def test_a_result_that_is_no_json_makes_the_run_a_failed_one(file: File, value: Any) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> Any:
            return value

        @app.task
        async def other() -> int:
            return 1

        run = work.add_task()
        with pytest.raises(NotStorable, match="the result of"):
            run.wait(WITHIN)
        assert run.status is RunStatus.FAILED
        assert run.info().result is None
        assert other.add_task().wait(WITHIN) == 1
    first, second = file.records().values()
    assert (first["status"], first["result"]) == ("failed", None)
    assert first["error"].startswith("task_thread.errors.NotStorable: the result of")
    assert second["status"] == "succeeded"


def test_a_failure_of_a_result_is_logged(file: File, thread_logs: Any) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> Any:
            return object()

        with pytest.raises(NotStorable):
            work.add_task().wait(WITHIN)
    assert "run failed" in [entry.event for entry in thread_logs.entries]


def test_a_run_that_changes_its_arguments_is_called_with_the_old_ones_again(file: File) -> None:
    seen = Notes()

    def program(file: File) -> tuple[TaskApp, Any]:
        app = TaskApp("mail", store=file.url)

        @app.task(retry=1, backoff=3600.0)
        async def work(things: list[Any]) -> None:
            seen.add(list(things))
            things.append(object())
            raise LookupError("again")

        return app, work

    app, work = program(file)
    with app:
        run = work.add_task([1])
        asyncio.run(until(app, run, RunStatus.RETRYING))
        flush(app)
        killed = file.as_killed_now()
    killed.change("run", run.id, not_before=0.0)
    app, _ = program(killed)
    with app:
        asyncio.run(until_ended(app, run.id))
    assert seen.all == [[1], [1]]
    assert killed.only()["args"] == [[1]]


# ---- waiting ----------------------------------------------------------------------------------


async def until(app: TaskApp, run: Run[Any], status: RunStatus) -> None:
    """Wait until `run`, of which an attempt is under way, is in that status."""
    while run.status is not status:
        await app.flush()


async def until_ended(app: TaskApp, id: str) -> None:
    """Wait for the end of a run of an earlier life."""
    run = app._app.dispatcher.runs[id]
    await asyncio.wait([asyncio.ensure_future(run.result(WITHIN))])
    assert run.ended


def test_the_wait_is_for_the_disk(file: File) -> None:
    """A run has ended when its end is on disk."""
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> int:
            return 1

        inside, go_on = threading.Event(), threading.Event()

        def hold(_: object) -> None:
            inside.set()
            go_on.wait(WITHIN)

        holder = threading.Thread(target=in_store, args=(app, hold))
        holder.start()
        assert inside.wait(WITHIN)
        run = work.add_task()
        with pytest.raises(TimeoutError):
            run.wait(0.2)
        assert not run.ended
        go_on.set()
        assert run.wait(WITHIN) == 1
        holder.join()
