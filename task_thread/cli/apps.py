"""The app part of a thread in a snapshot, as it came from a daemon. Pure.

What is missing or of another kind raises, for :func:`task_thread.cli.threads.rows` to tell of; all
text is fit for a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from task_thread.cli.text import one_line

__all__ = ["App", "Lane", "UnderWay", "app_of"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One of the places where runs happen: loop, thread, process.

    :ivar size: how many LOW runs may be under way there; those of others may be some more.
    :ivar queued: how many wait for a place.
    :ivar abandoned: calls in OS threads that nobody waits for any more.
    """

    executor: str
    size: int
    running: int
    queued: int
    abandoned: int


@dataclass(frozen=True, slots=True)
class UnderWay:
    """One run that is under way.

    :ivar task: the name of its task.
    :ivar seconds: since its attempt began.
    :ivar done: what it says itself that it has done; None: it has said nothing of use.
    :ivar total: of how much; None: nobody knows.
    :ivar share: from 0 to 1; None: nobody knows.
    """

    task: str
    attempt: int
    seconds: float
    done: float | None
    total: float | None
    share: float | None
    note: str


@dataclass(frozen=True, slots=True)
class App:
    """What a TaskApp does.

    :ivar scheduled: tasks that have ticks.
    :ivar delayed: runs that wait for their time.
    :ivar ended: runs that have ended, by how they did.
    :ivar runs: some of those under way, the oldest first.
    """

    lanes: tuple[Lane, ...]
    scheduled: int
    delayed: int
    ended: Mapping[str, int]
    runs: tuple[UnderWay, ...]

    @property
    def running(self) -> int:
        """How many runs are under way."""
        return sum(lane.running for lane in self.lanes)

    @property
    def queued(self) -> int:
        """How many wait for a place."""
        return sum(lane.queued for lane in self.lanes)

    @property
    def abandoned(self) -> int:
        """How many calls nobody waits for any more."""
        return sum(lane.abandoned for lane in self.lanes)

    @property
    def all_ended(self) -> int:
        """How many have ended, in whatever way."""
        return sum(self.ended.values())


def app_of(part: Any) -> App | None:
    """The app part of a thread; None where it has none.

    :raises KeyError, TypeError, ValueError, AttributeError, OverflowError: it is of another form.
    """
    if part is None:
        return None
    return App(
        lanes=tuple(_lane(lane) for lane in part["lanes"]),
        scheduled=int(part["scheduled"]),
        delayed=int(part["delayed"]),
        ended={one_line(status): int(count) for status, count in part["ended"].items()},
        runs=tuple(_under_way(run) for run in part["runs"]),
    )


def _lane(lane: Any) -> Lane:
    return Lane(
        executor=one_line(lane["executor"]),
        size=int(lane["size"]),
        running=int(lane["running"]),
        queued=int(lane["queued"]),
        abandoned=int(lane["abandoned"]),
    )


def _under_way(run: Any) -> UnderWay:
    share = _number(run["share"])
    return UnderWay(
        task=one_line(run["name"]),
        attempt=int(run["attempt"]),
        seconds=float(run["seconds"]),
        done=_number(run["done"]),
        total=_number(run["total"]),
        share=None if share is None else min(1.0, max(0.0, share)),
        note=one_line(run["note"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
