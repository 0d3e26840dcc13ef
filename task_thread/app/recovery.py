"""Taking in what a store has kept: runs and schedules of earlier lives of the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from task_thread.app.ledger import restore
from task_thread.app.run import Run
from task_thread.app.runinfo import error_line
from task_thread.app.schedules import function_of
from task_thread.app.task import Task
from task_thread.errors import NotStorable, UnknownTask
from task_thread.log import log_safely

if TYPE_CHECKING:
    from task_thread.app.office import Office

__all__ = ["Recovery"]


class Recovery:
    """Gives each record to the task that it is of. What has no task any more is kept, and goes on
    when the task is there again. On the app's loop, but for :meth:`waits_for`."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._strays: dict[str, list[tuple[str, Any]]] = {}  # runs, by the task that is missing
        self._stray_schedules: dict[str, list[tuple[str, Any]]] = {}

    def waits_for(self, task: Task[..., Any]) -> bool:
        """Whether something is kept for it. From any thread."""
        return task.id in self._strays or task.id in self._stray_schedules

    def schedule(self, key: str, record: Any) -> None:
        """What app.schedule() made in an earlier life of the process, and nobody has made again."""
        base = record["base"]
        if key in self._office.tasks or record["fn"] is None:
            return
        if base is not None and base not in self._office.tasks:
            self._stray_schedules.setdefault(base, []).append((key, record))
            self._miss("a stored schedule waits for its task", schedule=key, task=base)
            return
        try:
            self._office.tasks.restore(
                key, function_of(record["fn"]) if base is None else self._office.tasks[base], record
            )
        except (UnknownTask, NotStorable, TypeError, ValueError) as error:
            self._miss("a stored schedule can't go on", schedule=key, reason=error_line(error))

    def _miss(self, event: str, **values: Any) -> None:
        log_safely(self._office.app.logger, "warning", f"{event}; it is kept", **values)

    def run(self, key: str, record: Any) -> None:
        """A run that had not ended: it goes on."""
        if isinstance(record, NotStorable):
            self.complain(record)
            return
        name = record["task"]
        if name not in self._office.tasks:
            self._strays.setdefault(name, []).append((key, record))
            self._miss("a stored run waits for its task", run=key, task=name)
            return
        office = self._office
        task = office.tasks[name]
        args, kwargs = tuple(record["args"]), record["kwargs"]
        run: Run[Any] = Run(
            office.dispatcher, key, task, args, kwargs, record["priority"], durable=True
        )
        office.dispatcher.readmit(run, restore(run, record))

    def take_in(self, id: str) -> None:
        """A task is there again that stored runs have waited for."""
        for key, record in self._stray_schedules.pop(id, ()):
            self.schedule(key, record)
        for key, record in self._strays.pop(id, ()):
            self.run(key, record)

    def complain(self, error: NotStorable) -> None:
        """A record can't be read."""
        log_safely(
            self._office.app.logger, "error", "a record is damaged, and left alone", exc_info=error
        )
