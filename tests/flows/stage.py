"""Task classes whose doings a test gives by their keys, and who notes each call of them."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from task_thread.flows.flowtask import FlowTask
from task_thread.flows.words import spawn, wait

Doing = Callable[..., Any]
"""Called with the task, and what it was called with."""


@dataclass(frozen=True)
class Call:
    """One call of a task."""

    word: str
    """perform or check."""
    key: str
    run_id: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: Mapping[str, Any]


class Stage:
    """What is performed, and was called. From any thread; one lock guards all of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._doings: dict[tuple[str, str], Doing] = {}

    def performs(self, **doings: Doing) -> None:
        """What the tasks of these keys perform. Without it a task gives its key."""
        with self._lock:
            self._doings |= {("perform", key): doing for key, doing in doings.items()}

    def checks(self, **doings: Doing) -> None:
        """What their checks do. Without it a check passes where it is given ``go=True``."""
        with self._lock:
            self._doings |= {("check", key): doing for key, doing in doings.items()}

    def calls(self, run_id: str | None = None) -> list[Call]:
        """All calls so far, or those for one flow."""
        with self._lock:
            return [each for each in self._calls if run_id in (None, each.run_id)]

    def order(self, run_id: str | None = None) -> list[str]:
        """The same, a word each: ``perform a``."""
        return [f"{each.word} {each.key}" for each in self.calls(run_id)]

    def enter(
        self, word: str, task: FlowTask, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Doing | None:
        """Note a call; and what is to be done."""
        call = Call(word, task.key, task.run_id, args, kwargs, dict(task.results))
        with self._lock:
            self._calls.append(call)
            return self._doings.get((word, task.key))


STAGE = [Stage()]
"""The stage of the test that runs; a fixture changes it."""


class Does(FlowTask):
    """Does, in a thread, what its test says."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        doing = STAGE[0].enter("perform", self, args, kwargs)
        return self.key if doing is None else doing(self, *args, **kwargs)

    def check(self, *args: Any, **kwargs: Any) -> Any:
        doing = STAGE[0].enter("check", self, args, kwargs)
        return kwargs.get("go", False) if doing is None else doing(self, *args, **kwargs)


class Loops(FlowTask):
    """The same, on the loop."""

    async def perform(self, *args: Any, **kwargs: Any) -> Any:
        doing = STAGE[0].enter("perform", self, args, kwargs)
        value = self.key if doing is None else doing(self, *args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    async def check(self, *args: Any, **kwargs: Any) -> Any:
        doing = STAGE[0].enter("check", self, args, kwargs)
        value = kwargs.get("go", False) if doing is None else doing(self, *args, **kwargs)
        return await value if inspect.isawaitable(value) else value


class Tries(Loops):
    """The same, with two more attempts at once."""

    retry = 2
    backoff = 0.0


class Strict(FlowTask):
    """Takes what it says, and no more."""

    async def perform(self, path: str, *, size: int = 0) -> list[Any]:
        return [path, size]


class Unasked(Loops):
    """Its check is that of FlowTask."""

    check = FlowTask.check


class Abroad(FlowTask):
    """In a process, where there is no stage: it waits, and then spawns."""

    executor = "process"

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        self.progress(1, 2)
        return wait(f"{self.key} {self.run_id} {dict(self.results)} {args}")

    def check(self, *args: Any, **kwargs: Any) -> Any:
        return spawn(f"{__name__}.Loops", args=(os.getpid(),))


class Limited(Loops):
    """Has 20 milliseconds."""

    max_time = 0.02
    retry = 1
    backoff = 0.0
