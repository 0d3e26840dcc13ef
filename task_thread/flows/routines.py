"""The routines and task rows of an app, by their names and keys: what a program declares."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from task_thread.errors import DuplicateRoutine, DuplicateTask, UnknownRoutine
from task_thread.flows.flowtask import FlowTask
from task_thread.flows.forms import check_line
from task_thread.flows.importing import class_of, close_to
from task_thread.flows.kinds import check_class
from task_thread.flows.spec import (
    Routine,
    TaskRow,
    TaskSpec,
    listed,
    placed,
    row_of,
    rows_of,
)

__all__ = ["RoutineHost", "RoutineSet", "create_script", "create_task"]


def create_task(spec: TaskSpec) -> TaskRow:
    """A task row that belongs to no set, for one that is given it: ``create_task(("key",
    "media.Download"))``. Nothing is imported. From any thread.

    :param spec: any of the forms that a routine takes.
    :raises TypeError, ValueError: it is none of them; the message says why.
    :raises NotImportable: a class that no import string leads to.
    """
    return row_of(spec, {})


def create_script(key: str, script: str | type[FlowTask], name: str = "") -> TaskRow:
    """A task row that belongs to no set: ``create_script("key", "media.Download", "friendly
    name")``. Nothing is imported. From any thread.

    :param name: for people; by default the key.
    :raises TypeError, ValueError: one of them can't be.
    :raises NotImportable: a class that no import string leads to.
    """
    return row_of((key, script, name), {})


class RoutineHost(Protocol):
    """What a set of routines tells the apps that have it. From any thread, while the set is locked:
    note it and return; raise nothing."""

    def task_declared(self, row: TaskRow) -> None:
        """A task row is declared, or another one has its key."""
        ...

    def routine_declared(self, routine: Routine) -> None:
        """A routine is declared, or another one has its name. Its rows were told before it."""
        ...


class RoutineSet:
    """Routines, declared apart from the app that runs flows of them: share one between a module
    that declares, a program that runs, and the instances of an app that is restarted::

        routines = RoutineSet()
        routines.routine("ingest", ["media.Download", ("notify", "media.Notify", "tell people")])

        flows = FlowApp("media", routines=routines)

    An app without `routines` has a set of its own, and several apps may have the same one. What a
    store knows from an earlier life of the process is added when its app starts; a declaration
    takes its place, whether it comes before or after. Everything may be called from any thread.

    Ownership: the routines, the rows, which of them were declared in this life, and the hosts
    belong to ``_lock``. It is held while the hosts are told, so that what they hear has the order
    in which it happened, and never during an import, which may wait for another thread that
    declares something.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[str, TaskRow] = {}
        self._routines: dict[str, Routine] = {}
        self._declared_rows: set[str] = set()
        self._declared_routines: set[str] = set()
        self._hosts: list[RoutineHost] = []
        self._changes = 0  # how many: whether somebody was here in the meantime

    # ---- declaring ------------------------------------------------------------------------

    def create_task(self, spec: TaskSpec, *, replace: bool = False) -> TaskRow:
        """Declare a task row: routines can name it by its key. The class is imported.

        :param spec: any of the forms that a routine takes.
        :param replace: whether another row with that key gives way; else it is an error.
        :raises TypeError, ValueError: it is none of the forms, or an option of its class makes no
            sense; the message says why.
        :raises NotImportable: there is no such class.
        :raises DuplicateTask: another script or name was declared with that key.
        """
        while True:
            known, changes = self._snapshot()
            row = row_of(spec, known)
            _check_class(row)
            with self._lock:
                if changes == self._changes:
                    self._check_row(row, replace)
                    self._add_row(row)
                    return self._rows[row.key]

    def create_script(
        self, key: str, script: str | type[FlowTask], name: str = "", *, replace: bool = False
    ) -> TaskRow:
        """The same, with all that a row has.

        :param name: for people; by default the key.
        :raises TypeError, ValueError, NotImportable, DuplicateTask: as :meth:`create_task`.
        """
        return self.create_task((key, script, name), replace=replace)

    def routine(self, name: str, specs: Iterable[TaskSpec], *, replace: bool = False) -> Routine:
        """Declare a routine, and its task rows with it. The classes are imported. The same name and
        tasks once more give the same routine. After an error nothing has changed.

        :param specs: its tasks, in their order; each in any of the forms.
        :param replace: whether another routine of that name, and other rows with those keys, give
            way; else it is an error. Flows that have begun keep theirs.
        :raises TypeError, ValueError: a task is none of the forms, an option of its class makes no
            sense, or two have the same key; the message says which and why.
        :raises NotImportable: there is no such class.
        :raises DuplicateRoutine: other tasks were declared under that name.
        :raises DuplicateTask: another script or name was declared with the key of a task.
        """
        name = check_line("a routine's name", name)
        given = specs if isinstance(specs, tuple) else listed(specs)  # an iterator only once
        while True:
            known, changes = self._snapshot()
            routine = Routine(name, rows_of(given, known))
            for index, row in enumerate(routine):
                with placed(index):
                    _check_class(row)
            with self._lock:
                if changes == self._changes:
                    return self._add_routine(routine, replace)

    def _snapshot(self) -> tuple[dict[str, TaskRow], int]:
        """The rows that can be meant by their keys, and when that was. A row of an earlier life
        can be, unless its key is an import string too: that stands for itself in a program,
        whatever a store knows."""
        with self._lock:
            rows = {
                key: row for key, row in self._rows.items()
                if "." not in key or key in self._declared_rows
            }  # fmt: skip
            return rows, self._changes

    # ---- seeing ---------------------------------------------------------------------------

    @property
    def tasks(self) -> Mapping[str, TaskRow]:
        """The task rows by their keys, as they are at this moment."""
        with self._lock:
            return MappingProxyType(dict(self._rows))

    def get(self, name: str) -> Routine | None:
        """The routine of that name, None: there is none."""
        with self._lock:
            return self._routines.get(name)

    def __getitem__(self, name: str) -> Routine:
        with self._lock:
            routine = self._routines.get(name)
            names = () if routine is not None else tuple(self._routines)
        if routine is None:
            raise UnknownRoutine(f"there is no routine {name!r}.{close_to(str(name), names)}")
        return routine

    def __contains__(self, name: object) -> bool:
        with self._lock:
            return name in self._routines

    def __len__(self) -> int:
        with self._lock:
            return len(self._routines)

    def __iter__(self) -> Iterator[Routine]:
        with self._lock:
            return iter(list(self._routines.values()))

    # ---- what apps ask --------------------------------------------------------------------

    def attach(self, host: RoutineHost) -> None:
        """Tell `host` of what is declared from now on, in the thread that declares it; and, before
        this returns, of what was declared already. Once more has no effect."""
        with self._lock:
            if any(each is host for each in self._hosts):
                return
            self._hosts.append(host)
            for key, row in list(self._rows.items()):
                if key in self._declared_rows:
                    host.task_declared(row)
            for name, routine in list(self._routines.items()):
                if name in self._declared_routines:
                    host.routine_declared(routine)

    def detach(self, host: RoutineHost) -> None:
        """Tell `host` nothing any more. No effect if it is not told anything."""
        with self._lock:
            self._hosts = [each for each in self._hosts if each is not host]

    def restore_task(self, row: TaskRow) -> None:
        """A store knows that row from an earlier life. It counts until one with its key is
        declared; the class may be gone, and nobody is told."""
        with self._lock:
            if row.key not in self._declared_rows:
                self._rows[row.key] = row
                self._changes += 1

    def restore_routine(self, routine: Routine) -> None:
        """A store knows that routine from an earlier life. It counts until one of its name is
        declared, and so do rows of it that are not known otherwise; the classes may be gone, and
        nobody is told."""
        with self._lock:
            if routine.name in self._declared_routines:
                return
            self._routines[routine.name] = routine
            for row in routine:
                self._rows.setdefault(row.key, row)
            self._changes += 1

    # ---- under the lock -------------------------------------------------------------------

    def _check_row(self, row: TaskRow, replace: bool) -> None:
        earlier = self._rows.get(row.key)
        if earlier is None or earlier == row or replace or row.key not in self._declared_rows:
            return
        raise DuplicateTask(
            f"there is a task {row.key!r} already, {_said(earlier)}, and this is {_said(row)}: "
            "give another key, or replace=True"
        )

    def _add_row(self, row: TaskRow) -> None:
        if row.key in self._declared_rows and self._rows[row.key] == row:
            return
        self._rows[row.key] = row
        self._declared_rows.add(row.key)
        self._changes += 1
        for host in self._hosts:
            host.task_declared(row)

    def _add_routine(self, routine: Routine, replace: bool) -> Routine:
        earlier = self._routines.get(routine.name)
        if earlier is not None and routine.name in self._declared_routines:
            if earlier.tasks == routine.tasks:
                return earlier
            if not replace:
                raise DuplicateRoutine(
                    f"there is a routine {routine.name!r} already, and {_said_of(earlier, routine)}"
                    ": give another name, or replace=True"
                )
        for row in routine:
            self._check_row(row, replace)
        for row in routine:
            self._add_row(row)
        self._routines[routine.name] = routine
        self._declared_routines.add(routine.name)
        self._changes += 1
        for host in self._hosts:
            host.routine_declared(routine)
        return routine


def _check_class(row: TaskRow) -> None:
    """See that flows can have that task: that its class is there, as it is now, and fits."""
    class_of(row.script, fresh=True)
    check_class(row.script)


def _said(row: TaskRow) -> str:
    return f"({row.key!r}, {row.script!r}, {row.name!r})"


def _said_of(earlier: Routine, routine: Routine) -> str:
    """How they differ, for people."""
    for index, (old, new) in enumerate(zip(earlier, routine, strict=False)):
        if old != new:
            return f"its tasks[{index}] is {_said(old)}, and not {_said(new)}"
    return f"it has {len(earlier)} tasks, and not {len(routine)}"
