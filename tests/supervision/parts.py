"""Children that do what they are told, and parents that supervise them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from task_thread import Handle, TaskThread
from task_thread.signals import Request, Signal
from tests.support.journal import Journal
from tests.support.threads import Gate, Place, Recorder, forever, message, payload

RestartType = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]

RESTART_TYPES: Final[tuple[RestartType, ...]] = ("permanent", "transient", "temporary")
STRATEGIES: Final[tuple[Strategy, ...]] = ("one_for_one", "one_for_all", "rest_for_one")
LONG: Final = 3600.0
"""Seconds that no test waits for."""


class Planned(Exception):
    """What the children raise, told to. Nothing else should come out."""


class Who(Request["Part"]):
    """Is answered by the instance that handles it."""


class Script:
    """What the instances of one child do when they start, a word for each in turn: ``"well"``,
    ``"unmade"`` (the constructor raises), ``"fails"`` (enter__ does), ``"ends"`` (it ends itself in
    enter__), ``"held"`` (enter__ waits at the gate), ``"deaf"`` (exit__ never returns).

    :param then: what all further ones do.
    """

    def __init__(self, *words: str, then: str = "well") -> None:
        self.gate = Gate()
        self._lock = threading.Lock()
        self._words = iter(words)
        self._then = then

    def next(self) -> str:
        """The next one's word. From any thread."""
        with self._lock:
            return next(self._words, self._then)

    def from_now_on(self, then: str) -> None:
        """What all further instances do. From any thread."""
        with self._lock:
            self._words, self._then = iter(()), then


class Part(Recorder):
    """A Recorder that ends as it is told: by ``message("crash")`` it raises, by ``"end"`` it ends
    itself, by ``"hold"`` its handler waits at the script's gate."""

    def __init__(
        self,
        journal: Journal,
        name: str = "part",
        script: Script | None = None,
        parent: TaskThread | None = None,
    ) -> None:
        self.script = Script() if script is None else script
        self.word = self.script.next()
        journal((name, "constructed"))
        if self.word == "unmade":
            raise Planned(f"{name} can't be made")
        super().__init__(journal, name, parent=parent)

    async def enter__(self) -> None:
        self.note("begins")
        if self.word == "fails":
            raise Planned(f"{self.name} can't start")
        if self.word == "held":
            await self.script.gate.passed()
        if self.word == "ends":
            await self.requestTerminate()
            await forever()
        await super().enter__()

    async def exit__(self) -> None:
        await super().exit__()
        if self.word == "deaf":
            await forever()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Who):
            signal.reply(self)
            return None
        what = payload(signal)
        if what == "crash":
            raise Planned(f"{self.name} was told to crash")
        if what == "end":
            return False
        if what == "hold":
            self.note("holds")
            await self.script.gate.passed()
            return None
        return await super().signalHandler__(signal)


class Parent(Recorder):
    """Supervises what a test spawns in it."""


def parent_class(home: Place, **settings: Any) -> type[Parent]:
    """A class of parents in that place, with these attributes: strategy, max_restarts, ..."""
    made: type[Parent] = type("Parent", (home(Parent),), settings)
    return made


@asynccontextmanager
async def supervisor(home: Place, journal: Journal, **settings: Any) -> AsyncIterator[Parent]:
    """A parent that runs below a root which outlives it, as "sup" below "top"."""
    async with home(Recorder)(journal, "top") as top:
        parent = parent_class(home, **settings)(journal, "sup", parent=top)
        await parent.run()
        yield parent


async def spawn_all(
    parent: TaskThread, cls: type[Part], journal: Journal, names: Iterable[str], **options: Any
) -> list[Handle[Part]]:
    """Spawn one after the other, each with a script that all its instances follow."""
    return [
        await parent.spawn(cls, journal, name, **{"script": Script(), **options}) for name in names
    ]


async def instance(handle: Handle[Part]) -> Part:
    """The instance that handles signals now, or, while it is down, the next one to do so."""
    return await handle.ask(Who(), timeout=10.0)


async def crash(handle: Handle[Part]) -> Part:
    """Crash the child.

    :returns: the instance that came instead.
    """
    handle.post(message("crash"))
    return await instance(handle)


async def crash_for_good(handle: Handle[Part]) -> None:
    """Crash a child that does not come back."""
    handle.post(message("crash"))
    reason = await handle.join()
    assert reason.kind == "crash"


def hooks(journal: Journal, *wanted: str, of: Iterable[str] = "abcdefgh") -> list[tuple[str, str]]:
    """Which of the `wanted` hooks ran, as (name, hook), in order."""
    names = set(of)
    return [
        entry
        for entry in journal.entries
        if entry[0] in names and isinstance(entry[1], str) and entry[1] in wanted
    ]


def lives(journal: Journal, since: int = 0, of: Iterable[str] = "abcdefgh") -> str:
    """The starts and ends of children, in order: ``"+a +b -b"``.

    :param since: how many of them to leave out.
    """
    sign = {"enter__": "+", "exit__": "-"}
    told = [f"{sign[hook]}{name}" for name, hook in hooks(journal, *sign, of=of)]
    return " ".join(told[since:])


def exits(journal: Journal, of: str = "sup") -> list[tuple[str, str]]:
    """What the parent was told in childExited__: (child, kind), in order."""
    return [
        (what[1], what[2])
        for name, what in journal.entries
        if name == of and isinstance(what, tuple) and what[0] == "childExited__"
    ]
