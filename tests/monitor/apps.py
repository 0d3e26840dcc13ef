"""A TaskApp to look into: its runs say how far they are, and wait."""

from __future__ import annotations

import threading
from typing import Any

from task_thread.app import Run, TaskSet
from tests.support.journal import Journal

__all__ = ["Mail"]

_HELD = 300.0  # seconds: longer than any test; a daemon that tests share is not looked at longer


class Mail:
    """The tasks of an app, and what holds their runs.

    :ivar there: a run of ``send`` that has said how far it is: its note.
    """

    def __init__(self) -> None:
        self.there = Journal()
        self.tasks = TaskSet()
        self._gate = threading.Event()
        self.send = self.tasks.task(id="send", name="send mail", echo=True)(self._send)
        self.fail = self.tasks.task(id="fail")(self._fail)
        self.note = self.tasks.task(id="note")(self._note)

    def _send(self, run: Run[Any], note: Any = "", done: Any = 3, total: Any = 10) -> None:
        run.progress(done, total, note)
        self.there(note)
        assert self._gate.wait(_HELD)

    def _fail(self) -> None:
        raise ValueError("on purpose")

    async def _note(self) -> str:
        return "noted"

    def let_go(self) -> None:
        """Let all runs end, also those to come."""
        self._gate.set()

    def under_way(self, *notes: Any, **progress: Any) -> list[Run[Any]]:
        """Begin a run for each of the notes, and wait until all have said how far they are."""
        runs: list[Run[Any]] = []
        for note in notes:
            runs.append(self.send.add_task(note, **progress))
            self.there.wait(note)
        return runs
