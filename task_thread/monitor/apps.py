"""The app part of a snapshot: what a TaskApp in the tree does, as data and as JSON.

The rules:

- Nothing of ``task_thread.app`` is imported here. Where a tree has a TaskApp the program has
  loaded it already; where it has none, nothing is loaded and nothing is looked for.
- A thread without an app has no app part: its JSON is what it is without this module.
- What a run says of its progress is the user's, and may be anything: what is no finite number is
  left out, and notes are cut. So a picture can always be made.

From any thread; no loop runs for it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.app.app import TaskApp
    from task_thread.app.runinfo import RunInfo
    from task_thread.app.statistics import AppStatistics, LaneStatistics
    from task_thread.core.thread import TaskThread

__all__ = ["ENDINGS", "NOTE_LIMIT", "app_to_json", "reader", "text_of"]

ENDINGS: Final = ("succeeded", "failed", "cancelled", "missed", "skipped")
"""The ways in which a run ends. All of them are told always, also those with a count of 0."""
NOTE_LIMIT: Final = 200
"""How many characters of a progress note are told."""

_WHOLE: Final = 2**53  # up to here a float is a whole number, and so it is to every reader of JSON


def reader() -> Callable[[TaskThread], AppStatistics | None] | None:
    """What reads a thread's app part, which is None where it is no TaskApp. None where the program
    has no apps, so that nobody need be asked."""
    # Half imported, by another thread just now, it has no class yet, and so nobody has an app.
    loaded = getattr(sys.modules.get("task_thread.app.app"), "TaskApp", None)
    if loaded is None:
        return None
    task_app: type[TaskApp] = loaded

    def read(thread: TaskThread) -> AppStatistics | None:
        return thread.app_statistics() if isinstance(thread, task_app) else None

    return read


def app_to_json(seen: AppStatistics) -> dict[str, Any]:
    """An app part as JSON-able data; docs/reference/control-protocol.md says what is in it."""
    ended: dict[str, int] = {status.value: count for status, count in seen.ended.items()}
    return {
        "name": text_of(seen.name),
        "durable": seen.durable,
        "tasks": seen.tasks,
        "scheduled": seen.scheduled,
        "delayed": seen.delayed,
        "lanes": [_lane(lane) for lane in seen.lanes],
        "ended": {ending: ended.get(ending, 0) for ending in ENDINGS},
        "runs": [_run(run, seen.at) for run in seen.runs],
    }


def _lane(lane: LaneStatistics) -> dict[str, Any]:
    return {
        "executor": lane.executor,
        "size": lane.size,
        "most": lane.most,
        "running": lane.running,
        "queued": lane.queued,
        "abandoned": lane.abandoned,
    }


def _run(run: RunInfo, at: datetime) -> dict[str, Any]:
    done, total = _number(run.progress.done), _number(run.progress.total)
    share = None
    if done is not None and total is not None and total > 0:
        share = min(1.0, max(0.0, done / total))
    begun = run.time_started
    return {
        "id": run.id,
        "task": text_of(run.task),
        "name": text_of(run.name),
        "executor": run.executor,
        "attempt": run.attempt,
        # Not below 0: both times are wall-clock times, and that clock may be set back.
        "seconds": 0.0 if begun is None else max(0.0, (at - begun).total_seconds()),
        "done": done,
        "total": total,
        "share": share,
        "note": text_of(run.progress.note)[:NOTE_LIMIT],
    }


def _number(value: Any) -> float | None:
    """`value` as a finite number; None where it is none."""
    try:
        number = float(value)
    except Exception:  # noqa: BLE001  # it is the user's, and so is its __float__
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= _WHOLE else number


def text_of(thing: object) -> str:
    """`thing` as text, whatever it is: ids and notes are the user's."""
    try:
        return str(thing)
    except Exception:  # noqa: BLE001  # and so is their __str__
        return f"<{type(thing).__name__}>"
