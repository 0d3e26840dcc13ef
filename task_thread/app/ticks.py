"""What becomes of a task's ticks: runs, missed ones, skipped ones, ones that queue."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from task_thread.app.run import Run
from task_thread.app.schedule import Due
from task_thread.app.task import Task
from task_thread.app.words import ExecutorName, RunStatus

__all__ = ["Ticks"]

MakeRun = Callable[[Task[..., Any]], Run[Any]]
Begin = Callable[[Run[Any]], None]


class Ticks:
    """Keeps each task's runs from ticks within its ``max_instances``. On the app's loop.

    :param make: a new run of a task, with the task's own arguments.
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
            run = self._tick(task, due.missed[-1], due.missed_count)
            run._outcome = RunStatus.MISSED
            self._settle(run)
        for each in due.runs:
            self._start(self._tick(task, each.at, each.stands_for))

    def _tick(self, task: Task[..., Any], at: datetime, stands_for: int) -> Run[Any]:
        run = self._make(task)
        run.due = at.astimezone(UTC)
        run.stands_for = stands_for
        return run

    def _start(self, run: Run[Any]) -> None:
        task = run.task
        if self._under_way.get(task.id, 0) < task.options.max_instances:
            self._count(task.id, 1)
            self._begin(run)
        elif task.options.on_overlap == "queue":
            self._enqueue(run)
        else:
            run._outcome = RunStatus.SKIPPED
            self._settle(run)

    def resume(self, run: Run[Any]) -> bool:
        """A run from a tick of an earlier life of the process: whether it may begin at once, else
        it queues."""
        task = run.task
        if self._under_way.get(task.id, 0) < task.options.max_instances:
            self._count(task.id, 1)
            return True
        self._enqueue(run)
        return False

    def _enqueue(self, run: Run[Any]) -> None:
        self._queues.setdefault(run.task.id, deque()).append(run)
        self.queued[run.executor] += 1

    def ended(self, run: Run[Any]) -> None:
        """A run from a tick has ended, however; the next of its task may begin."""
        key = run.task.id
        queue = self._queues.get(key)
        if queue is not None and run in queue:  # cancelled before it had begun
            queue.remove(run)
            self.queued[run.executor] -= 1
        elif run._outcome not in (RunStatus.MISSED, RunStatus.SKIPPED):
            self._count(key, -1)
            if queue:
                self._count(key, 1)
                following = queue.popleft()
                self.queued[following.executor] -= 1
                self._begin(following)
        if queue is not None and not queue:
            self._queues.pop(key, None)

    def has(self, task: Task[..., Any]) -> bool:
        """Whether runs from its ticks are under way, or queue."""
        return task.id in self._under_way or task.id in self._queues

    def waiting(self) -> list[Run[Any]]:
        """Those that queue behind others of their task."""
        return [run for queue in self._queues.values() for run in queue]

    def _count(self, key: str, change: int) -> None:
        number = self._under_way.get(key, 0) + change
        if number:
            self._under_way[key] = number
        else:
            self._under_way.pop(key, None)
