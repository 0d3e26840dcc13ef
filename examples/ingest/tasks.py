"""The tasks of the flows. A kill may come at any line: each may run twice, and it shows nowhere.

All are called with what the flow was submitted with: the file's name, the home of the ingest, and
the file's mark.
"""

from __future__ import annotations

import os
import sqlite3
from hashlib import sha256
from typing import Any

from task_thread.flows import FlowTask, Spawn, Wait, spawn, wait

from . import index
from .places import Changed, Places, mark_of, move

__all__ = ["Archive", "Checksum", "Confirm", "Index", "SetAside"]

CHUNK = 1 << 20


class Checksum(FlowTask):
    """Read the file, and sum it up."""

    def perform(self, name: str, *, home: str, mark: str) -> dict[str, Any]:
        digest, size = sha256(), 0
        with open(Places(home).incoming / name, "rb") as file:
            total = os.fstat(file.fileno()).st_size
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                self.progress(size, total)  # in top and on the page; it ends here when cancelled
            if mark_of(os.fstat(file.fileno())) != mark:
                raise Changed(f"{name} was written to, after it was found")
        return {"sha256": digest.hexdigest(), "size": size}


class Index(FlowTask):
    """Note the file in the index."""

    retry = 3
    retry_on_exc = (sqlite3.OperationalError,)
    backoff = 1.0

    def perform(self, name: str, *, home: str, mark: str) -> None:
        summed = self.results["checksum"]
        index.note(Places(home).index, self.run_id, name, summed["size"], summed["sha256"])


class Confirm(FlowTask):
    """Wait until somebody has looked at the file: ``confirmed=true``, or ``rejected=WHY``."""

    async def perform(self, name: str, *, home: str, mark: str) -> Wait:
        return wait(f"is {name} the right one? {self.results['checksum']['size']:,} bytes")

    async def check(
        self, name: str, *, home: str, mark: str, confirmed: bool = False, rejected: str = ""
    ) -> Spawn | bool:
        if not rejected:
            return confirmed is True  # whatever else was said: it rests
        return spawn(
            routine="set aside",
            args=(name,),
            kwargs={"home": home, "mark": mark, "flow": self.run_id, "why": rejected},
            reason=f"rejected: {rejected}",
        )


class Archive(FlowTask):
    """Move the file into the archive, if it was not rejected."""

    retry = 3
    retry_on_exc = (sqlite3.OperationalError,)
    backoff = 1.0

    def perform(self, name: str, *, home: str, mark: str) -> dict[str, str]:
        answer: dict[str, str] = self.results["confirm"]
        if "rejected" in answer:  # what the flow gave that check() has spawned
            return answer
        places = Places(home)
        target = places.archive / f"{self.run_id}-{name}"  # a name that no other flow uses
        move(places.incoming / name, target, mark)
        place = f"archive/{target.name}"
        index.tell_place(places.index, self.run_id, "archived", place)
        return {"place": place}


class SetAside(FlowTask):
    """Move a file that was rejected out of the way, and say so in the index."""

    retry = 3
    retry_on_exc = (sqlite3.OperationalError,)
    backoff = 1.0

    def perform(self, name: str, *, home: str, mark: str, flow: str, why: str) -> dict[str, str]:
        places = Places(home)
        target = places.rejected / f"{flow}-{name}"
        move(places.incoming / name, target, mark)
        place = f"rejected/{target.name}"
        index.tell_place(places.index, flow, f"rejected: {why}", place)
        return {"place": place, "rejected": why}
