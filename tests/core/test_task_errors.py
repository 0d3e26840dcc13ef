"""What is done about a task that raises, or that goes on in spite of its cancel."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic

import pytest

from task_thread import (
    Backoff,
    State,
    TaskThread,
    on_error,
    reCreate,
    reSchedule,
)
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, forever, message, overdue
from tests.support.workers import Worker


class Failing(Worker):
    """Its task raises as often as told, then waits."""

    task_backoff = Backoff(initial=0.001, jitter=0)
    failures = 3
    attempts = 0

    async def fails(self) -> None:
        self.attempts += 1
        if self.attempts <= self.failures:
            journal_entry = ("failed", self.attempts)
            self.journal(journal_entry)
            raise ValueError(f"attempt {self.attempts}")
        self.journal("well")
        await forever()

    async def enter__(self) -> None:
        self.tasks.work = await reCreate(None, self.fails)


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(r.exc_info[1]) for r in caplog.records if r.exc_info and r.exc_info[1]]


async def test_on_task_error_is_crash_by_default(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    assert TaskThread.on_task_error == "crash"
    async with Plain() as root:
        child = place(Failing)(journal, parent=root)
        await child.run()
        reason = await child.join()
        assert reason.kind == "crash"
        assert "work" in reason.detail
        assert str(reason.exception) == "attempt 1"
    assert tracebacks(caplog) == ["attempt 1"]


async def test_on_task_error_restart(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Restarts(Failing):
        on_task_error = "restart"

    async with place(Restarts)(journal) as thread:
        await journal.seen("well")
        (task,) = thread.statistics().tasks
        assert (task.name, task.restarts, task.running) == ("work", 3, True)
        assert task.last_error == "ValueError: attempt 3"
        assert not thread.tasks.work.done()
        assert thread.state is State.RUNNING
    assert tracebacks(caplog) == ["attempt 1", "attempt 2", "attempt 3"]


async def test_on_task_error_log(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Logs(Failing):
        on_task_error = "log"

        async def signalHandler__(self, signal: Signal) -> None:
            journal(("done", self.tasks.work.done()))

    async with place(Logs)(journal) as thread:
        await journal.seen(("failed", 1))
        await thread.insertSignal(message(1))
        await journal.seen(("done", True))
        assert thread.state is State.RUNNING
        assert thread.statistics().tasks == ()
    assert tracebacks(caplog) == ["attempt 1"]
    assert journal.count(("failed", 2)) == 0


async def test_on_task_error_is_one_of_three_words() -> None:
    with pytest.raises(ValueError, match="crash, restart, log"):
        type("Wrong", (TaskThread,), {"on_task_error": "ignore"})
    with pytest.raises(ValueError, match="crash, restart, log"):
        on_error("ignore")  # type: ignore[arg-type]


async def test_on_error_counts_for_one_task_alone(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Mixed(Failing):
        @on_error("restart", backoff=Backoff(initial=0.002, factor=1, jitter=0))
        async def fails(self) -> None:
            await Failing.fails(self)

        async def crashes(self) -> None:
            raise KeyError("the other one")

    async with Plain() as root:
        child = place(Mixed)(journal, parent=root)
        await child.run()
        await journal.seen("well")
        assert child.state is State.RUNNING

    async def steps(self: Worker) -> None:
        assert isinstance(self, Mixed)
        self.tasks.other = await reCreate(None, self.crashes)

    class Crashing(Mixed):
        async def enter__(self) -> None:
            await steps(self)

    async with Plain() as root:
        child = place(Crashing)(journal, parent=root)
        await child.run()
        assert (await child.join()).kind == "crash"


async def test_on_error_overrides_what_the_class_says(place: Place, journal: Journal) -> None:
    class Mixed(Failing):
        on_task_error = "restart"

        @on_error("log")
        async def fails(self) -> None:
            await Failing.fails(self)

        async def signalHandler__(self, signal: Signal) -> None:
            journal(("done", self.tasks.work.done()))

    async with place(Mixed)(journal) as thread:
        await journal.seen(("failed", 1))
        await thread.insertSignal(message(1))
        await journal.seen(("done", True))


async def test_restart_waits_longer_each_time(place: Place, journal: Journal) -> None:
    times: list[float] = []

    class Slower(Failing):
        on_task_error = "restart"
        task_backoff = Backoff(initial=0.02, factor=3, maximum=0.1, jitter=0)
        failures = 4

        async def fails(self) -> None:
            times.append(monotonic())
            await super().fails()

    async with place(Slower)(journal):
        await journal.seen("well")
    pauses = [after - before for before, after in pairwise(times)]
    for pause, least in zip(pauses, [0.02, 0.06, 0.1, 0.1], strict=True):
        assert least * 0.99 <= pause < least + 0.1


async def test_stop_does_not_wait_for_a_backoff(place: Place, journal: Journal) -> None:
    class Patient(Failing):
        on_task_error = "restart"
        task_backoff = Backoff(initial=60, maximum=60)

    async with place(Patient)(journal) as thread:
        await journal.seen(("failed", 1))
        begun = monotonic()
        await thread.stop()
        assert monotonic() - begun < 1


async def test_restart_runs_with_the_arguments_of_the_run_that_raised(
    place: Place, journal: Journal
) -> None:
    class Thread(Worker):
        on_task_error = "restart"
        task_backoff = Backoff(initial=0.001, jitter=0)
        raised = False

        async def step(self, number: int, *, unit: str) -> None:
            journal((number, unit))
            if number == 2 and not self.raised:
                self.raised = True
                raise ValueError
            if number < 3:
                self.tasks.work = await reSchedule(self.step, number + 1, unit=unit)

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.step, 1, unit="s")

    async with place(Thread)(journal, steps):
        await journal.seen((3, "s"))
    assert journal.entries == [(1, "s"), (2, "s"), (2, "s"), (3, "s")]


async def test_raise_after_reschedule_drops_the_next_run(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        on_task_error = "log"

        async def step(self) -> None:
            self.tasks.work = await reSchedule(self.step)
            journal("step")
            raise ValueError

        async def signalHandler__(self, signal: Signal) -> None:
            journal(("done", self.tasks.work.done()))

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.work = await reCreate(None, self.step)

    async with place(Thread)(journal, steps) as thread:
        await journal.seen("step")
        await thread.insertSignal(message(1))
        await journal.seen(("done", True))
    assert journal.count("step") == 1


async def test_task_that_hangs_past_the_stop_is_named(place: Place, journal: Journal) -> None:
    class Thread(Worker):
        stop_timeout = 1.0

        async def swallows(self) -> None:
            while True:
                try:
                    journal("waiting")
                    await forever()
                except asyncio.CancelledError:
                    continue

    async def steps(self: Worker) -> None:
        assert isinstance(self, Thread)
        self.tasks.stubborn = await reCreate(None, self.swallows)
        await journal.seen("waiting")

    async with overdue(place(Thread)(journal, steps), "stubborn") as thread:
        pass
    assert thread.exit_reason is not None
    assert thread.exit_reason.kind == "timeout"
    assert "stubborn" in thread.exit_reason.detail
