"""The words of runs: priorities, statuses, executors."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, Literal

__all__ = ["ExecutorName", "OnOverlap", "Priority", "RunStatus", "band_of"]

ExecutorName = Literal["loop", "thread", "process"]
"""Where a run happens: on the app's loop, in its thread pool, in its process pool."""

OnOverlap = Literal["skip", "queue"]
"""What becomes of a tick while as many runs as ``max_instances`` allows are under way."""


class Priority(IntEnum):
    """What goes first, the lower number before the higher. Any whole number is a priority; these
    four name the bands that the pools' reserves are for, each with all numbers up to it."""

    CRITICAL = 0
    HIGH = 50
    NORMAL = 100
    LOW = 200


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    DELAYED = "delayed"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in _FINAL


_FINAL: Final = frozenset(
    {
        RunStatus.SUCCEEDED,
        RunStatus.FAILED,
        RunStatus.CANCELLED,
        RunStatus.MISSED,
        RunStatus.SKIPPED,
    }
)


def band_of(priority: int) -> Priority:
    """The band of a priority: up to 0 CRITICAL, up to 50 HIGH, up to 100 NORMAL, else LOW."""
    if priority <= Priority.CRITICAL:
        return Priority.CRITICAL
    if priority <= Priority.HIGH:
        return Priority.HIGH
    return Priority.NORMAL if priority <= Priority.NORMAL else Priority.LOW
