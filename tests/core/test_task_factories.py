"""Loops whose task factory is not asyncio's own."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from task_thread import State, TaskThread, VirtualThread, reCreate, reSchedule, run
from task_thread.signals import Signal

PLAIN = "plain"
EAGER = "eager"


def factory_called(kind: str) -> Any:
    if kind == EAGER:
        return asyncio.eager_task_factory  # type: ignore[attr-defined, unused-ignore]

    def plain(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=loop, **kwargs)

    return plain


class Child(VirtualThread):
    """Ends when it is spoken to."""

    async def signalHandler__(self, signal: Signal) -> bool:
        return False


class Root(TaskThread):
    """Sets the factory first, then does a bit of everything."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.ticks = 0
        self.seen: list[str] = []
        super().__init__()

    async def enter__(self) -> None:
        asyncio.get_running_loop().set_task_factory(factory_called(self.kind))
        child = Child(self)
        await child.run()
        self.seen.append(child.state.value)
        await child.insertSignal(Signal())
        await child.join()
        self.seen.append(child.state.value)
        self.tasks.tick = await reCreate(None, self.tick)

    async def tick(self) -> None:
        self.ticks += 1
        task = asyncio.current_task()
        assert task is not None
        self.seen.append(task.get_name().rpartition("/")[2])
        if self.ticks == 3:
            await self.stop()
            return
        self.tasks.tick = await reSchedule(self.tick)

    async def exit__(self) -> None:
        self.seen.append("exit")


@pytest.mark.parametrize(
    "kind",
    [
        PLAIN,
        pytest.param(
            EAGER,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 12), reason="asyncio has eager tasks from Python 3.12 on"
            ),
        ),
    ],
)
def test_a_task_factory_of_the_users(kind: str) -> None:
    root = Root(kind)
    assert run(root) == 0
    assert root.state is State.STOPPED
    assert root.seen == ["running", "stopped", "tick", "tick", "tick", "exit"]
