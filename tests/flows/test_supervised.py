"""A FlowApp as a child: it crashes, its supervisor restarts it, and its flows go on."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import pytest

from task_thread import Backoff, TaskThread
from task_thread.errors import FlowStateError, LifeError
from task_thread.flows import FlowApp, FlowChanged, RoutineSet
from task_thread.flows.words import FlowState, spawn, wait
from task_thread.signals import Signal
from tests.app.durable.hands import File
from tests.app.durable.test_supervised import Crash, CrashesWhenTold, Up
from tests.flows.hands import WITHIN
from tests.flows.stage import Does, Loops, Stage

pytestmark = pytest.mark.usefixtures("quiet_logs")


class Fragile(CrashesWhenTold, FlowApp):
    """An app that crashes when it is told to."""


class Root(TaskThread):
    """Its supervisor."""

    max_restarts = 1000

    def initVars__(self) -> None:
        self.done: Counter[str] = Counter()

    async def childsignalHandler__(self, signal: Signal, child: Any) -> None:
        if not isinstance(signal, FlowChanged):
            return
        if signal.info.state is FlowState.DONE:
            self.done[signal.info.id] += 1
        elif signal.info.state is FlowState.WAIT:
            with contextlib.suppress(LifeError, FlowStateError):
                child.resume(signal.info.id, go=True)


def test_flows_outlive_their_app(file: File, stage: Stage, rng: random.Random) -> None:
    routines = RoutineSet()
    routines.routine("r", [("z", Does), ("a", Loops), ("p", Loops), ("b", Does)])
    stage.performs(
        a=lambda task, number: wait(), p=lambda task, number: spawn(("c", Does), args=(number,))
    )

    async def main() -> tuple[list[str], Root]:
        accepted: list[str] = []
        async with Root() as root:
            handle = await root.spawn(
                Fragile, "media", routines=routines, store=file.url, events=[FlowChanged],
                backoff=Backoff(initial=0.0, jitter=0.0),
            )  # fmt: skip
            for life in range(12):
                app: Any = handle.thread
                accepted += [app.submit("r", life) for _ in range(rng.randrange(5, 15))]
                await asyncio.sleep(rng.choice([0, 0.002, 0.01]))
                await handle.insertSignal(Crash())
                await handle.ask(Up(), timeout=WITHIN)
            app = handle.thread
            for info in app.list("WAIT"):  # since an earlier life
                with contextlib.suppress(FlowStateError):
                    app.resume(info.id, go=True)
            for run_id in accepted:
                assert await app.result(run_id, WITHIN) == "b"
        return accepted, root

    accepted, root = asyncio.run(main())
    on_disk = file.records("flow")
    assert set(accepted) <= set(on_disk)
    assert {flow["state"] for flow in on_disk.values()} == {"DONE"}
    assert len(on_disk) == 2 * len(accepted), "a child for each"
    assert all(root.done[run_id] <= 1 for run_id in accepted)
