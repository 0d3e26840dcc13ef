"""A visit: one call of a task's ``perform`` or ``check``, for one flow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from task_thread.app.run import Run
from task_thread.flows.importing import class_of
from task_thread.flows.texts import Results

__all__ = ["Visit", "in_process", "in_thread", "on_loop"]


class Visit:
    """What a task is called with, and as whom. It can be pickled, for tasks in processes.

    Ownership: whoever makes it, until it is handed to the run; then the run's alone.

    :param script: the task's class, by its import string.
    :param key: the task's key.
    :param run_id: the flow.
    :param routine: the routine's name.
    :param texts: the results so far, as JSON. Not changed by anybody any more.
    :param given: what the flow was submitted with, as JSON.
    :param asked: the keywords with which ``check`` is asked; None: it is ``perform``.

    :ivar run: the run that makes it; None in a process.
    """

    __slots__ = ("asked", "given", "key", "routine", "run", "run_id", "script", "texts")

    def __init__(
        self,
        script: str,
        key: str,
        run_id: str,
        routine: str,
        texts: Mapping[str, str],
        given: str,
        asked: Mapping[str, Any] | None,
    ) -> None:
        self.script = script
        self.key = key
        self.run_id = run_id
        self.routine = routine
        self.texts = texts
        self.given = given
        self.asked = asked
        self.run: Run[Any] | None = None

    def call(self) -> Any:
        """Make the task, and call it. What it returns may be a coroutine."""
        task = class_of(self.script)()
        task.results = Results(self.texts)
        task.run_id = self.run_id
        task.routine = self.routine
        task.key = self.key
        task.run = self.run
        given = json.loads(self.given)
        if self.asked is None:
            return task.perform(*given["args"], **given["kwargs"])
        # A copy of its own, as what was submitted is.
        asked: dict[str, Any] = json.loads(json.dumps(self.asked))
        return task.check(*given["args"], **{**given["kwargs"], **asked})

    def __reduce__(self) -> tuple[Any, ...]:
        return Visit, (
            self.script, self.key, self.run_id, self.routine, dict(self.texts), self.given,
            self.asked,
        )  # fmt: skip


async def on_loop(visit: Visit) -> Any:
    """For ``async def perform``."""
    return await visit.call()


def in_thread(run: Run[Any], visit: Visit) -> Any:
    """For ``def perform``: called with echo, so that its progress knows when it is over."""
    visit.run = run
    return visit.call()


def in_process(visit: Visit) -> Any:
    """For ``executor = "process"``."""
    return visit.call()
