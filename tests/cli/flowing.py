"""A FlowApp as a root, to be run as a daemon. It says "ready" on stdout when its flows go on.

Its tasks wait, fail and spawn; each call is a line in ``$FLOWING_NOTES``.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from task_thread import TaskThread
from task_thread.flows import FlowApp, FlowTask, spawn, wait
from task_thread.flows.words import Spawn, Wait

HERE = __name__


def note(task: FlowTask, word: str) -> None:
    with open(os.environ["FLOWING_NOTES"], "a", encoding="utf-8") as file:
        file.write(f"{word} {task.key} {task.run_id}\n")


class Fetch(FlowTask):
    """Gives what it was called with."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        note(self, "perform")
        return {"args": list(args), "kwargs": kwargs}


class Confirm(FlowTask):
    """Waits until it is confirmed."""

    def perform(self, *args: Any, **kwargs: Any) -> Wait:
        note(self, "perform")
        return wait("is it the right \x1b[31mone?")

    def check(self, *args: Any, confirmed: bool = False, note: str = "", **kwargs: Any) -> Any:
        return confirmed is True


class Open(FlowTask):
    """Fails while ``$FLOWING_NOTES.fail`` is there."""

    def perform(self, *args: Any, **kwargs: Any) -> str:
        note(self, "perform")
        if os.path.exists(os.environ["FLOWING_NOTES"] + ".fail"):
            raise OSError("the disk is gone")
        return "opened"


class Apart(FlowTask):
    """Has a flow of "ingest" do it."""

    def perform(self, *args: Any, **kwargs: Any) -> Spawn:
        note(self, "perform")
        return spawn(routine="ingest", args=args, reason="apart")


class Media(FlowApp):
    """The root."""

    def __init__(self, store: str) -> None:
        super().__init__("media", store=f"sqlite:///{store}", threads=2)
        self.routine(
            "ingest",
            [
                ("fetch", f"{HERE}.Fetch", "fetch the file"),
                ("confirm", f"{HERE}.Confirm"),
                ("archive", f"{HERE}.Fetch"),
            ],
        )
        self.routine("open", [("open", f"{HERE}.Open")])
        self.routine("apart", [("apart", f"{HERE}.Apart"), ("after", f"{HERE}.Fetch")])

    async def enter__(self) -> None:
        await super().enter__()
        sys.stdout.write("ready\n")
        sys.stdout.flush()


class Both(TaskThread):
    """A root with two apps."""

    def __init__(self, store: str) -> None:
        self._store = store
        super().__init__()

    async def enter__(self) -> None:
        for name in ("one", "two"):
            app = FlowApp(name, store=f"sqlite:///{self._store}.{name}", parent=self)
            app.routine("fetch", [("fetch", f"{HERE}.Fetch")])
            await app.run()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
