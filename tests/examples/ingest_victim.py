"""The ingest as a process that is killed, with kill -9, at the point that it is told.

``python -m tests.examples.ingest_victim HOME POINT ANSWER``. POINT is one of

* ``before STATE`` and ``after STATE``: around the first write to the store that has a step to that
  state in it; ``before`` and ``after`` alone: any step
* ``before NAME`` and ``after NAME``: around that call of the tasks, ``os.replace`` for example
* ``never``

ANSWER is JSON: the keywords with which each flow that waits is resumed; ``null``: none is. It
prints the point at which it dies. It ends with 0 when all files in its folder have been dealt with.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from examples.ingest import Ingest, index, tasks
from task_thread import run
from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import Change
from task_thread.flows import FlowChanged, FlowState

CALLS = {
    "sha256": (tasks, "sha256"),
    "note": (index, "note"),
    "tell_place": (index, "tell_place"),
    "move": (tasks, "move"),
    "replace": (os, "replace"),
    "spawn": (tasks, "spawn"),
    "wait": (tasks, "wait"),
}


def die(point: str) -> None:
    """Say where, and go."""
    os.write(1, f"{point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def die_around_write(when: str, state: str) -> None:
    real = SqliteStore.write

    async def write(self: SqliteStore, changes: Any) -> None:
        states = [state_of(change) for change in changes if change.kind == "flow-step"]
        meant = [each for each in states if state in ("", each)]
        if meant and when == "before":
            die(f"before {meant[0]}")
        await real(self, changes)
        if meant:
            die(f"after {meant[0]}")

    SqliteStore.write = write  # type: ignore[method-assign]


def state_of(change: Change) -> str:
    """The state to which a step goes; of one that has a result, the place of its task as well."""
    if change.value is None:
        return ""
    record = json.loads(change.value)
    gave = "result" in record
    return f"{record['state']}{record['position'] if gave else ''}"


def die_around_call(when: str, name: str) -> None:
    module, attribute = CALLS[name]
    real: Callable[..., Any] = getattr(module, attribute)

    def call(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die(f"before {name}")
        value = real(*args, **kwargs)
        die(f"after {name}")
        return value

    setattr(module, attribute, call)


class Victim(Ingest):
    """Answers for the people, and ends when there is nothing left to do."""

    answer: dict[str, Any] | None

    async def enter__(self) -> None:
        self.subscribe(FlowChanged, callback=self.changed)
        await super().enter__()
        for info in self.list(FlowState.WAIT):
            self.reply(info.id)
        await self.look_whether_done()

    def reply(self, id: str) -> None:
        if self.answer is not None:
            self.resume(id, **self.answer)

    async def changed(self, event: FlowChanged) -> None:
        if event.info.state is FlowState.WAIT:
            self.reply(event.info.id)
        elif event.info.state.has_ended:
            await self.look_whether_done()

    async def look_whether_done(self) -> None:
        if not os.listdir(self.places.incoming) and all(
            info.state.has_ended for info in self.list()
        ):
            asyncio.get_running_loop().create_task(self.terminate())


def main(home: str, point: str, answer: str) -> int:
    when, _, name = point.partition(" ")
    if name in CALLS:
        die_around_call(when, name)
    elif when != "never":
        die_around_write(when, name)
    victim = Victim(home)
    victim.answer = json.loads(answer)
    return run(victim)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
