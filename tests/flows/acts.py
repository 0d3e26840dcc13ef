"""Tasks that do what they were submitted with, and note it outside of their flow.

A plan is ``{"tag": "t1", "do": [action, ...]}``, an action for each task of the routine:

==========================================  ======================================================
``{"give": value}``                         gives it
``{"raise": text}``                         raises, always
``{"tries": n}``                            raises in its first n attempts
``{"mend": 1}``                             raises until its flag is up
``{"bad": name}``                           gives what can't be stored, or spawns nonsense
``{"wait": k, "reason": text}``             waits for a resume with a number of at least k
``{"poll": 1}``                             waits until its flag is up, and looks by itself
``{"spawn": plan, "routine": name or None}``  spawns; with "wait" as well: when its check has passed
==========================================  ======================================================

A check that is given a number below 0 raises until the flag is up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from task_thread.flows.flowtask import FlowTask
from task_thread.flows.words import Spawn, spawn, wait

POLL = 0.002  # seconds

BAD: Mapping[str, Callable[[], Any]] = {
    "object": object,
    "set": lambda: {1, 2},
    "bytes": lambda: b"bytes",
    "no number": lambda: [float("nan")],
    "number as key": lambda: {1: 2},
    "deep number as key": lambda: [{"a": ({None: 1},)}],
    "cycle": lambda: _cycle([]),
    "unknown routine": lambda: spawn(routine="nobody"),
    "unknown class": lambda: spawn("tests.flows.acts.Nobody"),
    "argument": lambda: spawn(f"{__name__}.Act", args=(object(),)),
    "call": lambda: spawn(f"{__name__}.Act"),
}


def _cycle(cycle: list[Any]) -> list[Any]:
    cycle.append(cycle)
    return cycle


@dataclass(frozen=True)
class Deed:
    """One call of a task.

    :ivar rows: how many rows of its flow's history were on disk then.
    """

    run_id: str
    word: str
    index: int
    rows: int
    results: Mapping[str, Any]


class Record:
    """What was done, and the flags. From any thread; one lock guards all of it.

    :ivar rows: says how many rows of a flow's history are on disk.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deeds: list[Deed] = []
        self._flags: frozenset[str] = frozenset()
        self.rows: Callable[[str], int] = lambda run_id: 0

    def is_up(self, flag: str) -> bool:
        """Whether that flag is up."""
        with self._lock:
            return flag in self._flags

    def put_up(self, flags: frozenset[str]) -> None:
        """These flags are up, and no others."""
        with self._lock:
            self._flags = flags

    def note(self, task: FlowTask, word: str, index: int) -> None:
        """A task is called."""
        deed = Deed(task.run_id, word, index, self.rows(task.run_id), dict(task.results))
        with self._lock:
            self._deeds.append(deed)

    def take(self) -> list[Deed]:
        """What was done since this was last asked."""
        with self._lock:
            deeds, self._deeds = self._deeds, []
            return deeds


RECORD = Record()


def perform(task: FlowTask, plan: Any) -> Any:
    """What ``perform`` does by the plan."""
    index, do, flag = _of(task, plan)
    RECORD.note(task, "perform", index)
    if "give" in do:
        return do["give"]
    if "raise" in do:
        raise ValueError(do["raise"])
    if "tries" in do:
        assert task.run is not None
        if task.run.attempt <= do["tries"]:
            raise OSError("not yet")
        return task.run.attempt
    if "mend" in do:
        if not RECORD.is_up(flag):
            raise OSError("broken")
        return "mended"
    if "bad" in do:
        return BAD[do["bad"]]()
    if "wait" in do:
        return wait(do["reason"])
    if "poll" in do:
        return wait("poll", check_every=POLL)
    return _spawn(do)


def check(task: FlowTask, plan: Any, number: int | None) -> Any:
    """What ``check`` does by the plan."""
    index, do, flag = _of(task, plan)
    if "poll" in do:
        is_up = RECORD.is_up(flag)
        if is_up or number is not None:
            RECORD.note(task, "check", index)
        return is_up or bool(number)
    RECORD.note(task, "check", index)
    if number is None or number == 0:
        return False
    if number < 0 and not RECORD.is_up(flag):
        raise LookupError("broken")
    if 0 < number < do["wait"]:
        return wait(f"{do['reason']} {number}")
    return _spawn(do) if "spawn" in do else True


def _of(task: FlowTask, plan: Any) -> tuple[int, Any, str]:
    index = int(task.key[1:])
    return index, plan["do"][index], f"{plan['tag']}/{index}"


def _spawn(do: Mapping[str, Any]) -> Spawn:
    args = (do["spawn"],)
    if do["routine"] is None:
        return spawn(("L0", f"{__name__}.Act"), args=args, reason="apart")
    return spawn(routine=do["routine"], args=args, reason="apart")


class Act(FlowTask):
    """On the loop."""

    async def perform(self, plan: Any) -> Any:
        return perform(self, plan)

    async def check(self, plan: Any, *, number: int | None = None) -> Any:
        return check(self, plan, number)


class ThreadAct(FlowTask):
    """In a thread."""

    def perform(self, plan: Any) -> Any:
        return perform(self, plan)

    def check(self, plan: Any, *, number: int | None = None) -> Any:
        return check(self, plan, number)


class RetryAct(Act):
    """With three more attempts, at once."""

    retry = 3
    backoff = 0.0


CLASSES: Mapping[str, type[FlowTask]] = {"L": Act, "T": ThreadAct, "R": RetryAct}
"""By the letters of which a routine's name is made."""
