"""The tasks of the victim's flows: each says when it begins."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

from task_thread.flows import FlowTask, Spawn, Wait, spawn, wait

HERE = __name__


def say(*words: object) -> None:
    """One write, so that a kill can't cut it in two."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Saying(FlowTask):
    """Says which flow it is, which of its tasks, and which method."""

    def begin(self, word: str) -> None:
        """It begins."""
        say("X", self.run_id, self.key, word)


class First(Saying):
    """Ends within the turn in which it begins."""

    async def perform(self, name: str) -> list[Any]:
        self.begin("perform")
        return [name, len(self.results)]


class InThread(Saying):
    """In a thread."""

    def perform(self, name: str) -> int:
        self.begin("perform")
        return len(self.results)


class Pauses(Saying):
    """Is under way for a while."""

    async def perform(self, name: str) -> int:
        self.begin("perform")
        await asyncio.sleep(0.003)
        return len(self.results)


class Fails(Saying):
    """Needs two attempts."""

    retry = 3
    backoff = 0.001

    async def perform(self, name: str) -> int:
        self.begin("perform")
        assert self.run is not None
        if self.run.attempt < 2:
            raise OSError("not yet")
        return len(self.results)


class Asks(Saying):
    """Waits for a number that three does not divide."""

    async def perform(self, name: str) -> Wait:
        self.begin("perform")
        return wait("for a number")

    async def check(self, name: str, number: int = 0) -> bool:
        self.begin("check")
        return number % 3 != 0


class Polls(Saying):
    """Looks by itself, until it is lucky."""

    async def perform(self, name: str) -> Wait:
        self.begin("perform")
        return wait("for luck", check_every=0.004)

    async def check(self, name: str) -> bool:
        self.begin("check")
        return random.random() < 0.4


class Spawns(Saying):
    """Has another flow do it."""

    async def perform(self, name: str) -> Spawn:
        self.begin("perform")
        return spawn(routine="child", args=(f"{name}/child",))


class Last(Saying):
    """Gives all that was given before."""

    async def perform(self, name: str) -> dict[str, Any]:
        self.begin("perform")
        return {"name": name, "results": dict(self.results)}


ROUTINES = {
    "plain": (First, InThread, Fails, Pauses, Last),
    "asks": (First, Asks, InThread, Last),
    "polls": (Polls, Last),
    "child": (Pauses, Asks, Last),
    "spawns": (InThread, Spawns, First, Last),
}
"""The tasks of each routine; their keys are ``0-First``, ``1-InThread`` and so on."""


def key_of(index: int, cls: type[FlowTask]) -> str:
    """The key of a task, which stands for one class in all routines."""
    return f"{index}-{cls.__name__}"
