"""An app at one moment: its queues, its pools, what runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from task_thread.app.run import Run
from task_thread.app.runinfo import RunInfo
from task_thread.app.words import ExecutorName, RunStatus

if TYPE_CHECKING:
    from task_thread.app.office import Office

__all__ = ["AppStatistics", "LaneStatistics", "statistics_of"]

LISTED: Final = 20
"""So many of the runs that are under way are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """One of the three places where runs happen.

    :ivar executor: ``"loop"``, ``"thread"`` or ``"process"``.
    :ivar size: how many LOW runs may be under way there at once.
    :ivar most: how many of all but CRITICAL.
    :ivar running: how many are.
    :ivar queued: how many wait for a place.
    :ivar abandoned: OS threads in which a call goes on that nobody waits for any more.
    """

    executor: ExecutorName
    size: int
    most: int
    running: int
    queued: int
    abandoned: int = 0


@dataclass(frozen=True, slots=True)
class AppStatistics:
    """A snapshot of a TaskApp.

    :ivar name: the app's.
    :ivar lanes: its loop, its threads, its processes.
    :ivar tasks: how many tasks it has.
    :ivar scheduled: how many of them have ticks.
    :ivar delayed: runs that wait for their time, before the first attempt or between two.
    :ivar ended: how many runs have ended since the app began, by how they did: only final statuses.
    :ivar runs: the first of those under way, the oldest first, at most ``LISTED``.
    :ivar durable: whether it has a store.
    :ivar at: when it was taken, in UTC.
    """

    name: str
    lanes: tuple[LaneStatistics, ...]
    tasks: int
    scheduled: int
    delayed: int
    ended: dict[RunStatus, int]
    runs: tuple[RunInfo, ...]
    durable: bool
    at: datetime


def statistics_of(office: Office) -> AppStatistics:
    """What the app is doing. From any thread."""
    desk = office.dispatcher
    running: list[Run[Any]] = list(desk.running.values())
    threads = getattr(desk, "threads", None)
    return AppStatistics(
        name=office.name,
        lanes=tuple(
            LaneStatistics(
                executor=executor,
                size=pool.size,
                most=pool.most,
                running=desk.lanes[executor].running,
                queued=len(desk.lanes[executor]) + desk.ticks.queued[executor],
                abandoned=threads.abandoned if threads and executor == "thread" else 0,
            )
            for executor, pool in desk.pools.items()
        ),
        tasks=len(office.tasks),
        scheduled=len(office.schedules.scheduler),
        delayed=len(desk.delays) if hasattr(desk, "delays") else 0,
        # Copied first: the loop counts on. A durable run that its app leaves for some other time
        # is counted too, and has not ended.
        ended={status: n for status, n in dict(desk.counts).items() if status.is_final},
        runs=tuple(run.info() for run in running[:LISTED]),
        durable=office.store is not None,
        at=datetime.now(UTC),
    )
