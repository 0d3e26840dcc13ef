"""What becomes of a task's ticks: runs, missed ones, skipped ones, ones that queue."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from task_thread.app.run import Run
from task_thread.app.schedule import Due
from task_thread.app.task import Task
from task_thread.app.words import ExecutorName, RunStatus

__all__ = ["Ticks"]

MakeRun = Callable[[Task[..., Any], datetime, int], Run[Any]]
Begin = Callable[[Run[Any]], None]

_NOT_BEGUN: Final = (RunStatus.MISSED, RunStatus.SKIPPED)


class Ticks:
    """Keeps each task's runs from ticks within its ``max_instances``. On the app's loop.

    :param make: a new run of a task, with the task's own arguments, for a tick: when that was due,
        in UTC, and for how many ticks it stands.
    :param begin: have it run.
    :param settle: it has ended without being run, with its status set as ``_outcome``.
    """

    def __init__(self, make: MakeRun, begin: Begin, settle: Begin) -> None:
        self._make = make
        self._begin = begin
        self._settle = settle
        self._under_way: dict[str, int] = {}  # runs from ticks, by task
        self._queues: dict[str, deque[Run[Any]]] = {}
        self.queued: Counter[ExecutorName] = Counter()  # how many are in them, by where they run

    def fire(self, task: Task[..., Any], due: Due) -> None:
        """Ticks of `task` are due, or missed."""
        if due.missed_count:
            run = self._make(task, due.missed[-1].astimezone(UTC), due.missed_count)
            run._outcome = RunStatus.MISSED
            self._settle(run)
        for at, stands_for in due.runs:
            self.tick(task, at, stands_for)

    def tick(self, task: Task[..., Any], at: datetime, stands_for: int = 1) -> None:
        """A tick of `task` was due at that time, and is to be run."""
        run = self._make(task, at.astimezone(UTC), stands_for)
        if self._may_begin(task):
            self._begin(run)
        elif task.options.on_overlap == "queue":
            self._enqueue(run)
        else:
            run._outcome = RunStatus.SKIPPED
            self._settle(run)

    def resume(self, run: Run[Any]) -> bool:
        """A run from a tick of an earlier life of the process: whether it may begin at once, else
        it queues."""
        if self._may_begin(run.task):
            return True
        self._enqueue(run)
        return False

    def _may_begin(self, task: Task[..., Any]) -> bool:
        """Whether another run of it may; it is counted then."""
        number = self._under_way.get(task.id, 0)
        if number >= task.options.max_instances:
            return False
        self._under_way[task.id] = number + 1
        return True

    def _enqueue(self, run: Run[Any]) -> None:
        self._queues.setdefault(run.task.id, deque()).append(run)
        self.queued[run.executor] += 1

    def ended(self, run: Run[Any]) -> None:
        """A run from a tick has ended, however; the next of its task may begin."""
        key = run.task.id
        queue = self._queues.get(key)
        if queue is not None:
            self._ended_before(queue, run)
            if not queue:
                self._queues.pop(key, None)
        elif run._outcome not in _NOT_BEGUN:
            number = self._under_way.pop(key) - 1
            if number:
                self._under_way[key] = number

    def _ended_before(self, queue: deque[Run[Any]], run: Run[Any]) -> None:
        """Where others of its task queue, or itself does: its place is the next one's."""
        if run in queue:  # cancelled before it had begun
            queue.remove(run)
            self.queued[run.executor] -= 1
        elif queue and run._outcome not in _NOT_BEGUN:
            following = queue.popleft()
            self.queued[following.executor] -= 1
            self._begin(following)

    def has(self, task: Task[..., Any]) -> bool:
        """Whether runs from its ticks are under way, or queue."""
        return task.id in self._under_way or task.id in self._queues

    def waiting(self) -> list[Run[Any]]:
        """Those that queue behind others of their task."""
        return [run for queue in self._queues.values() for run in queue]
