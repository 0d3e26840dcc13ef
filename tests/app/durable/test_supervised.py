"""A durable app as a child: it crashes, its supervisor restarts it, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

from task_thread import Backoff, TaskThread
from task_thread.app import Interval, Run, RunEnded, TaskApp, TaskSet
from task_thread.errors import LifeError, RunError
from task_thread.signals import Request, Signal
from tests.app.durable.hands import WITHIN, File


class Crash(Signal):
    """Has the app crash."""


class Up(Request[None]):
    """Answered by an app that is up."""


class CrashesWhenTold(TaskThread):
    """A thread that does."""

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Up):
            signal.reply(None)
        if isinstance(signal, Crash):
            raise LookupError("broken")


class Fragile(CrashesWhenTold, TaskApp):
    """An app that crashes when it is told to."""


class Root(TaskThread):
    """Its supervisor."""

    max_restarts = 1000

    def initVars__(self) -> None:
        self.ended: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()

    async def childsignalHandler__(self, signal: Signal, child: Any) -> None:
        if isinstance(signal, RunEnded) and signal.run.due is None:
            self.ended[signal.run.id] += 1
            self.statuses[signal.run.status] += 1


def test_nothing_is_lost_and_nothing_ends_twice(file: File) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    luck = random.Random(seed)
    jobs = TaskSet()
    begun: Counter[int] = Counter()
    ticks: list[int] = []

    @jobs.task
    async def quick(number: int) -> int:
        begun[number] += 1
        return number

    @jobs.task
    async def slow(number: int) -> int:
        begun[number] += 1
        await asyncio.sleep(0.002)
        return number

    @jobs.task
    def in_thread(number: int) -> int:
        begun[number] += 1
        return number

    @jobs.task(trigger=Interval(seconds=0.01))
    async def tick() -> None:
        ticks.append(1)

    async def main() -> tuple[list[int], Root]:
        accepted: list[int] = []
        async with Root() as root:
            handle = await root.spawn(
                Fragile, "mail", store=file.url, tasks=jobs, events=[RunEnded], retention=3600,
                backoff=Backoff(initial=0.0, jitter=0.0),
            )  # fmt: skip
            number = 0
            for _ in range(15):
                runs: list[Run[Any]] = []
                for _ in range(luck.randrange(5, 40)):
                    number += 1
                    task = (quick, slow, in_thread)[number % 3]
                    with contextlib.suppress(LifeError):
                        runs.append(task.add_task(number))
                        accepted.append(number)
                if luck.random() < 0.5:
                    with contextlib.suppress(LifeError):
                        await asyncio.sleep(0)
                await handle.insertSignal(Crash())
                for run in runs:
                    with contextlib.suppress(RunError, LifeError):
                        await run.result(WITHIN)
                    assert run.ended
                await handle.ask(Up(), timeout=WITHIN)
            app = handle.thread
            await app.flush()
            for run in list(app._app.dispatcher.runs.values()):
                with contextlib.suppress(RunError):
                    await run.result(WITHIN)
        return accepted, root

    accepted, root = asyncio.run(main())
    records = file.records()
    done = {record["args"][0]: record for record in records.values() if record["args"]}
    assert sorted(done) == accepted
    assert {record["status"] for record in done.values()} == {"succeeded"}
    assert all(record["result"] == number for number, record in done.items())
    assert max(root.ended.values()) == 1
    assert ticks
    assert set(begun) == set(accepted)
