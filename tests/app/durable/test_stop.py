"""The end of a durable app, and of those who wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest

from task_thread.app import Interval, Pool, Run, RunEnded, RunStatus, TaskApp
from task_thread.errors import NotRunning, StoreFailed, ThreadEnded
from tests.app.durable.hands import WITHIN, File, flush
from tests.app.tasks.hands import Gate, Notes, opened_at_last


def waiting_for(run: Run[Any]) -> tuple[threading.Thread, list[BaseException]]:
    """An OS thread that waits for the run, and what that raises."""
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            run.wait(WITHIN)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, raised


def program(file: File, gate: Gate, begun: Notes, **options: Any) -> tuple[TaskApp, Any]:
    app = TaskApp("mail", store=file.url, threads=Pool(1, 0, 0))

    @app.task(echo=True, **options)
    async def work(run: Run[Any], name: str) -> str:
        begun.add((name, run.attempt, run.starts))
        return await gate.hold_async()

    return app, work


def test_what_runs_is_given_time(file: File) -> None:
    gate, begun = Gate(), Notes()
    app, work = program(file, gate, begun)
    with opened_at_last(gate):
        with app:
            run = work.add_task("a")
            gate.arrived()
            opener = threading.Timer(0.2, gate.open)
            opener.start()
        assert run.wait(0) == "held"
    assert file.only()["status"] == "succeeded"


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_runs_longer_runs_again_and_is_not_held_against_it(
    file: File, is_on_disk: bool
) -> None:
    gate, begun = Gate(), Notes()
    with opened_at_last(gate):
        app, work = program(file, gate, begun, retry=1, backoff=0.0)
        with app:
            run = work.add_task("a")
            thread, raised = waiting_for(run)
            gate.arrived()
            if is_on_disk:
                flush(app)
            asyncio.run(app.stop(timeout=2.0))
        assert app.exit_reason is not None
        assert app.exit_reason.kind == "shutdown"
        thread.join(WITHIN)
        (error,) = raised
        assert isinstance(error, ThreadEnded)
        assert "it is kept" in str(error)
        assert run.ended
        assert not run.status.is_final
        record = file.only()
        assert record["error"] == ""
    second = Gate()
    second.open()
    app, _ = program(file, second, begun, retry=1, backoff=0.0)
    with app:
        begun.wait_for(2)
    assert begun.all == [("a", 1, 1), ("a", 1, 2)]
    assert file.only()["status"] == "succeeded"


def test_one_that_begins_as_the_stop_comes_is_not_held_against_it(file: File) -> None:
    """It is not known to be on disk that it has begun."""
    gate, begun = Gate(), Notes()
    with opened_at_last(gate):
        app, work = program(file, gate, begun)

        stops: list[asyncio.Future[None]] = []

        @app.task(durable=False)
        async def stop() -> None:
            work.add_task("a")
            stops.append(asyncio.ensure_future(app.stop(timeout=0.3)))

        with app:
            stop.add_task()
            gate.arrived()
    record = file.only()
    attempt = record["attempt"] - (record["status"] == "running")
    assert attempt == 0, record


def test_what_has_not_begun_is_kept(file: File) -> None:
    """In a queue, in a delay, or accepted in the same moment: each waits for the next life."""
    gate, begun = Gate(), Notes()

    def program(gate: Gate) -> tuple[TaskApp, Any]:
        app = TaskApp("mail", store=file.url, threads=Pool(1, 0, 0))

        @app.task
        def work(name: str) -> None:
            begun.add(name)
            gate.hold()

        return app, work

    with opened_at_last(gate):
        app, work = program(gate)
        with app:
            runs = [work.add_task("begun")]
            gate.arrived()
            runs += [work.add_task("queued"), work.add_task("delayed", delay=0.5)]
            waiting = [waiting_for(run) for run in runs]
            asyncio.run(app.requestTerminate())
            gate.open()
        for thread, _ in waiting:
            thread.join(WITHIN)
        assert [len(raised) for _, raised in waiting] == [0, 1, 1]
        for _, raised in waiting[1:]:
            assert isinstance(raised[0], ThreadEnded)
        with pytest.raises(ThreadEnded):
            work.add_task("late")
    statuses = [record["status"] for record in file.records().values()]
    assert statuses == ["succeeded", "queued", "delayed"]
    gate = Gate()
    gate.open()
    app, _ = program(gate)
    with app:
        begun.wait_for(3)
    assert begun.all == ["begun", "queued", "delayed"]


def test_a_retry_that_would_come_later_is_kept_with_its_error(file: File) -> None:
    failed = Notes()
    app = TaskApp("mail", store=file.url)

    @app.task(retry=5, backoff=3600.0)
    async def work() -> None:
        failed.add("failed")
        raise LookupError("no such address")

    with app:
        run = work.add_task()
        failed.wait_for(1)
    with pytest.raises(ThreadEnded, match="kept"):
        run.wait(0)
    record = file.only()
    assert (record["status"], record["attempt"]) == ("retrying", 1)
    assert record["error"] == "LookupError: no such address"
    assert "raise LookupError" in record["traceback"]
    assert record["not_before"] - time.time() > 3000


def test_what_ends_in_the_last_moment_is_told_to_everyone(file: File) -> None:
    """Its end is on disk only when the app lets go of its store: callbacks are called all the
    same, and awaited."""
    told, gate = Notes(), Gate()
    app = TaskApp("mail", store=file.url)

    @app.task
    async def work() -> int:
        await gate.hold_async()
        return 1

    async def callback(run: Run[int]) -> None:
        await asyncio.sleep(0)
        told.add(("callback", run.status))

    async def subscriber(event: RunEnded) -> None:
        await asyncio.sleep(0)
        told.add(("event", event.run.status))

    app.subscribe(RunEnded, callback=subscriber)
    with opened_at_last(gate), app:
        run = work.add_task()
        run.add_callback(callback)
        gate.arrived()
        asyncio.run(app.requestTerminate())
        gate.open()
    assert run.wait(0) == 1
    assert sorted(told.all) == [
        ("callback", RunStatus.SUCCEEDED),
        ("event", RunStatus.SUCCEEDED),
    ]


def test_ticks_that_queue_at_the_stop_are_kept(file: File) -> None:
    gate, begun = Gate(), Notes()

    def program(gate: Gate) -> TaskApp:
        app = TaskApp("mail", store=file.url)

        @app.task(trigger=Interval(seconds=0.01), coalesce=False, on_overlap="queue")
        async def sweep() -> None:
            begun.add("begun")
            await gate.hold_async()

        return app

    with opened_at_last(gate), program(gate) as app:
        gate.arrived()
        while len(file.records()) < 5:
            flush(app)
        asyncio.run(app.requestTerminate())
        gate.open()
    runs = file.records().values()
    assert [run["status"] for run in runs] == ["succeeded"] + ["queued"] * (len(runs) - 1)
    gate = Gate()
    gate.open()
    kept = len(runs) - 1
    with program(gate):
        begun.wait_for(1 + kept)
    left = [
        run for run in list(file.records().values())[: 1 + kept] if run["status"] != "succeeded"
    ]
    assert not left


# ---- flush --------------------------------------------------------------------------------------


def test_flush_from_several_loops(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work(number: int) -> None: ...

        @app.task(durable=False)
        async def flush_here() -> None:
            work.add_task(-1, delay=3600)
            await app.flush()

        missing = Notes()

        def one(number: int) -> None:
            async def call() -> None:
                for each in range(20):
                    id = work.add_task(each, delay=3600).id
                    await app.flush()
                    if id not in file.records():
                        missing.add(id)

            asyncio.run(call())

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        flush_here.add_task().wait(WITHIN)
        for thread in threads:
            thread.join()
        assert missing.all == []
    assert len(file.records()) == 81


def test_flush_before_the_start_and_after_the_end(file: File) -> None:
    app = TaskApp("mail", store=file.url)
    with pytest.raises(NotRunning):
        flush(app)
    with app:
        flush(app)
    with pytest.raises(ThreadEnded):
        flush(app)
    memory = TaskApp("mail")
    with memory:
        flush(memory)


def test_flush_of_a_schedule(file: File) -> None:
    from tests.app.durable import functions

    with TaskApp("mail", store=file.url) as app:
        made = app.schedule(functions.note, Interval(hours=1), id="x")
        flush(app)
        assert list(file.records("schedule")) == ["x"]
        made.pause()
        flush(app)
        assert file.only("schedule")["paused"]
        made.delete()
        flush(app)
        assert file.records("schedule") == {}


def test_a_flush_that_is_cancelled_disturbs_nobody(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> int:
            return 1

        async def main() -> None:
            for _ in range(20):
                run = work.add_task()
                flushes = [asyncio.ensure_future(app.flush()) for _ in range(3)]
                await asyncio.sleep(0)
                flushes[0].cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await flushes[0]
                await asyncio.gather(*flushes[1:])
                assert await run.result(WITHIN) == 1

        asyncio.run(main())


def test_the_store_is_closed_after_the_end(file: File) -> None:
    with TaskApp("mail", store=file.url) as app:

        @app.task
        async def work() -> int:
            return 1

        run = work.add_task()
        run.wait(WITHIN)
    assert asyncio.run(app.stored_run_info(run.id)).result == 1  # still in memory
    with pytest.raises((StoreFailed, ThreadEnded)):
        asyncio.run(app.stored_run_info("another"))
    assert not file.path.with_name(file.path.name + "-wal").exists()
