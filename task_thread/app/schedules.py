"""The ticks of an app's tasks: entries of the scheduler, and what is stored of them."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from task_thread.app.agenda import Entry
from task_thread.app.options import TaskOptions, changed
from task_thread.app.records import ScheduleRecord, moment, stamp, to_bytes
from task_thread.app.schedule import Due
from task_thread.app.scheduler import Scheduler
from task_thread.app.task import Task
from task_thread.app.triggers import Date, from_json
from task_thread.errors import NotStorable, UnknownTask

if TYPE_CHECKING:
    from task_thread.app.office import Office

__all__ = ["Schedules", "function_of", "reference_to"]

_STORED_OPTIONS: Final = (
    "name", "description", "tags", "executor", "priority", "max_time", "retry", "echo", "coalesce",
    "misfire_grace_time", "max_instances", "on_overlap",
)  # fmt: skip
_DECLARED_OPTIONS: Final = (
    "retry_on_exc", "backoff", "decode", "middlewares", "generate_handler", "extra",
)  # fmt: skip
"""What can't be stored: a schedule has them from its task, which the program declares."""
_DEFAULTS: Final = TaskOptions(name="default")


class Schedules:
    """Which tasks have ticks, and when.

    Ownership: the scheduler guards itself; ``known`` is read before the app runs and on its loop.

    :param office: whose tasks they are.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self.scheduler = Scheduler(_wall_clock, self._fire, self._failed, tick=self._tick)
        self.begun = False  # the app runs, or has run
        self.known: dict[str, ScheduleRecord] = {}  # from the store, by the tasks' ids

    # ---- from any thread ------------------------------------------------------------------

    def put(self, task: Task[..., Any], *, fresh: bool) -> None:
        """Have `task` ticked by its trigger, if it has one. One that is not `fresh` goes on where
        the store, or the app before this one, was.

        :raises TriggerNeverAgrees: its trigger finds no time.
        """
        options = task.options
        if options.trigger is None:
            self.drop(task)
            return
        trigger, until, paused = options.trigger, None, task.is_paused
        if not fresh:
            trigger, until, paused = self._where_it_was(task)
        entry = Entry(
            task.id, trigger, task, after=until, coalesce=options.coalesce,
            grace=options.misfire_grace_time, paused=paused,
        )  # fmt: skip
        if self.scheduler.replace(entry) is None and fresh:
            self._office.log("warning", "scheduled for a time that has passed: no tick", task)
        if self.begun:
            task.seat = entry
        self.write(task)

    def _where_it_was(self, task: Task[..., Any]) -> tuple[Any, datetime | None, bool]:
        options = task.options
        record = self.known.pop(task.id, None) if self._is_stored(task) else None
        if record is not None and _is_that(task.declared_trigger, record["declared"]):
            return self._as_stored(task, record)
        if task.seat is not None:  # of an app before this one, in the same process
            return task.seat.trigger, task.seat.after, task.is_paused
        # Ticks begin with the app, and not where its program was imported: but a date is a date.
        early = self.scheduler.get(task.id)
        after = early.after if early is not None and isinstance(options.trigger, Date) else None
        return options.trigger, after, task.is_paused

    def _as_stored(
        self, task: Task[..., Any], record: ScheduleRecord
    ) -> tuple[Any, datetime | None, bool]:
        try:
            trigger, said = from_json(record["trigger"]), from_json(record["said"])
        except (TypeError, ValueError, KeyError) as error:
            self._office.log(
                "error", "its stored trigger is damaged: it begins anew", task, reason=f"{error}"
            )
            return task.options.trigger, None, task.is_paused
        if record["paused"]:
            task.home.mark_paused(task)
        if said != task.options.trigger:  # with the lock of the task set
            task.options = changed(task.options, {"trigger": said})
        return trigger, moment(record["until"]), task.is_paused

    def drop(self, task: Task[..., Any]) -> None:
        """No ticks any more."""
        if self.scheduler.remove(task.id) is not None:
            task.seat = None
            self._put_record(task.id, None)

    def adjust(self, task: Task[..., Any]) -> None:
        """Its options are others, its trigger is not."""
        if task.options.trigger is not None:
            options = task.options
            with contextlib.suppress(UnknownTask):  # its ticks have ended
                self.scheduler.adjust(
                    task.id, coalesce=options.coalesce, grace=options.misfire_grace_time
                )
                self.write(task)

    def pause(self, task: Task[..., Any], paused: bool) -> None:
        """No ticks, or ticks again."""
        with contextlib.suppress(UnknownTask):  # it has no trigger, or no more
            if paused:
                self.scheduler.pause(task.id)
            else:
                self.scheduler.resume(task.id)
            self.write(task)

    def next_of(self, task: Task[..., Any]) -> datetime | None:
        """When it is due next."""
        try:
            return self.scheduler.next_of(task.id)
        except UnknownTask:  # it has no trigger, or no more
            return None

    # ---- on the loop ----------------------------------------------------------------------

    def _fire(self, entry: Entry, due: Due) -> None:
        task: Task[..., Any] = entry.payload
        self._office.dispatcher.ticks.fire(task, due)
        if self._office.ledger is not None:
            self.write(task)

    def _tick(self, entry: Entry, at: datetime) -> None:
        task: Task[..., Any] = entry.payload
        self._office.dispatcher.ticks.tick(task, at)
        if self._office.ledger is not None:
            self.write(task)

    def _failed(self, entry: Entry, error: Exception) -> None:
        self._office.log("error", "a trigger failed: no more ticks", entry.payload, exc_info=error)

    # ---- what is stored -------------------------------------------------------------------

    def write(self, task: Task[..., Any]) -> None:
        """Store where the task's ticks are, if it is durable. From any thread."""
        entry = self.scheduler.get(task.id)
        if entry is None:
            return
        if self._is_stored(task):
            try:
                record = to_bytes(self._record(task, entry), task)
            except NotStorable as error:  # its ticks have changed its arguments
                self._office.log(
                    "error", "its schedule is not stored any more", task, reason=f"{error}"
                )
            else:
                self._put_record(task.id, record)
        elif self.known.pop(task.id, None) is not None:  # it was, in an earlier life of the process
            self._put_record(task.id, None)

    def _is_stored(self, task: Task[..., Any]) -> bool:
        return self._office.is_durable(task) and not task.is_life_cycle

    def _put_record(self, key: str, record: bytes | None) -> None:
        self._office.put_schedule(key, record)

    def _record(self, task: Task[..., Any], entry: Entry) -> ScheduleRecord:
        return ScheduleRecord(
            v=1,
            base=self._base_of(task),
            fn=None if task.declared else reference_to(task.fn),
            args=[] if task.declared else list(task.args),
            kwargs={} if task.declared else task.kwargs,
            declared=_json_of(task.declared_trigger),
            said=_json_of(task.options.trigger),
            trigger=_json_of(entry.trigger),
            until=stamp(entry.after),
            paused=entry.paused,
            options={} if task.declared else {
                name: getattr(task.options, name) for name in _STORED_OPTIONS
            },
        )  # fmt: skip

    def _base_of(self, task: Task[..., Any]) -> str | None:
        """The declared task of this app that has the function of `task`."""
        base = task.base
        if base is None or base.fn is not task.fn or not base.declared:
            return None
        return base.id if base.home is self._office.tasks else None

    def check(self, task: Task[..., Any]) -> None:
        """:raises NotStorable: it is durable, and could not be had back from the store."""
        if task.options.trigger is None:
            return
        for trigger in (task.options.trigger, task.declared_trigger):
            try:
                _json_of(trigger)
            except TypeError as error:
                raise NotStorable(f"{task!r}: {error}: say durable=False") from None
        if not task.declared:
            self._check_scheduled(task)

    def _check_scheduled(self, task: Task[..., Any]) -> None:
        base = self._base_of(task)
        if base is None:
            found = function_of(reference_to(task.fn))
            if found != task.fn:  # == for class methods, which are made anew each time
                raise _not_stored(f"{task.fn!r} can't be had back")
        model = _DEFAULTS if task.base is None or base is None else task.base.options
        for name in _DECLARED_OPTIONS:
            if getattr(task.options, name) != getattr(model, name):
                raise NotStorable(
                    f"{task!r}: its {name} can't be stored: declare a task of the app with it, "
                    "and schedule that; or say durable=False"
                )


def reference_to(fn: Callable[..., Any]) -> str | None:
    """``module:name``, by which it is found again; None where it has no name of its own."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    return f"{module}:{name}" if module and name else None


def function_of(reference: str | None) -> Callable[..., Any]:
    """The function of that name.

    :raises NotStorable: there is none; the message says what to do.
    """
    from task_thread.app.task import Task

    found: Any = None
    module, _, name = (reference or "").partition(":")
    if reference is not None and "<" not in name:
        try:
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            found = None
    if isinstance(found, Task):
        found = found.fn
    if not callable(found):
        raise _not_stored(f"{reference or 'a function without a name'} can't be imported")
    return found  # type: ignore[no-any-return]


def _not_stored(why: str) -> NotStorable:
    return NotStorable(
        f"{why} by its name, so its schedule can't be stored: schedule a task of the app or a "
        "function of a module, or say durable=False"
    )


def _json_of(trigger: Any) -> Any:
    return None if trigger is None else trigger.to_json()


def _is_that(trigger: Any, record: Any) -> bool:
    """Whether the record says the same as the trigger: 60 minutes are an hour."""
    if record == _json_of(trigger):
        return True
    try:
        return trigger is not None and trigger == from_json(record)
    except (TypeError, ValueError, KeyError):
        return False


def _wall_clock() -> datetime:
    return _now()  # looked up each time: the test kit puts a clock of its own there


def _now() -> datetime:
    return datetime.now(UTC)
