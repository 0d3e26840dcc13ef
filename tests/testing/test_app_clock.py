"""A TaskApp lives by the manual clock, as other threads do."""

from __future__ import annotations

from task_thread.app import Interval, TaskApp
from task_thread.testing import StartThread, ThreadClock


def test_ticks_follow_it(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    app = TaskApp("clocked")
    ticks: list[int] = []

    @app.task(trigger=Interval(minutes=1))
    async def tick() -> None:
        ticks.append(1)

    start_thread(app)
    manual_clock.advance(600)
    assert len(ticks) == 10


def test_delays_and_pauses_follow_it(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    app = start_thread(TaskApp("clocked"))
    attempts: list[int] = []

    @app.task(retry=2, backoff=30.0)
    async def fails() -> None:
        attempts.append(1)
        raise OSError

    run = fails.add_task(delay=100)
    manual_clock.advance(99)
    assert attempts == []
    manual_clock.advance(2)
    assert len(attempts) == 1
    manual_clock.advance(60)
    assert len(attempts) == 3
    assert run.ended
