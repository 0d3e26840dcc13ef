"""The app: it watches the folder, and begins a flow for each file that comes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from task_thread import errors
from task_thread.app import Interval
from task_thread.flows import FlowApp, RoutineSet

from .places import Places, mark_of
from .watching import Watching, watch

__all__ = ["Ingest", "routines"]

routines = RoutineSet()
routines.routine(
    "ingest",
    [
        ("checksum", "examples.ingest.tasks.Checksum"),
        ("index", "examples.ingest.tasks.Index"),
        ("confirm", "examples.ingest.tasks.Confirm", "wait for somebody's word"),
        ("archive", "examples.ingest.tasks.Archive"),
    ],
)
routines.routine("set aside", [("set aside", "examples.ingest.tasks.SetAside")])

UNFINISHED = (".part", ".tmp", ".crdownload", "~")
"""How names end that files have while somebody writes them; names that begin with a dot, too."""


class Ingest(FlowApp):
    """Watches ``HOME/incoming``. A program that writes there should move its files in when they are
    complete, or have such a name until then: else one that was being written while nobody watched
    is taken as it is, and its flow fails as soon as that shows.

    :param home: the folder for everything; made if it is missing.
    :param sweep: seconds between two looks at the whole folder, for what no event has told of: a
        queue of the kernel's that ran over, a file system that has no events.
    """

    def __init__(self, home: str | Path, sweep: float | str = 300.0) -> None:
        self.places = Places(home)
        self.places.make()
        super().__init__(
            "ingest", routines=routines, store=f"sqlite:///{self.places.flows}", threads=4
        )
        self._look = self.task(self.look, trigger=Interval(seconds=float(sweep)), durable=False)
        self._watching: Watching | None = None

    async def enter__(self) -> None:
        """Watch first, look then: so nothing comes in between unseen. What is found twice has one
        flow all the same."""
        await super().enter__()
        self._watching = watch(self.places.incoming, self.take)
        self._look.add_task()

    async def stopping__(self) -> None:
        if self._watching is not None:
            self._watching.stop()
        await super().stopping__()

    async def exit__(self) -> None:
        await super().exit__()
        if self._watching is not None:
            self._watching.join()

    def look(self) -> None:
        """Take each file that is there. In a thread of the pool."""
        for path in sorted(self.places.incoming.iterdir()):
            self.take(path)

    def take(self, path: Path) -> None:
        """Begin the flow of a file, unless it has one. From any thread."""
        if path.name.startswith(".") or path.name.endswith(UNFINISHED):
            return
        try:
            status = path.lstat()
        except FileNotFoundError:  # it was moved away meanwhile, by its flow perhaps
            return
        if not stat.S_ISREG(status.st_mode):
            return
        mark = mark_of(status)
        # The key makes it one flow for each content, however often the file is found: by an event,
        # by a look, in this life of the program and in later ones.
        key = f"{os.fsdecode(path.name)} {mark}"
        try:
            self.submit(
                "ingest", path.name, home=str(self.places.home), mark=mark, idempotency_key=key
            )
        except (errors.NotRunning, errors.ThreadEnded):  # the next start finds it
            return
