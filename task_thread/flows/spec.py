"""What a routine is made of, in all the ways in which that can be said. Pure: no loop, no thread.

A task is said as

* ``"media.Download"``, its import string, or ``("media.Download",)``
* ``("key", "media.Download")``
* ``("key", "media.Download", "friendly name")``
* ``{"key": ..., "script": ..., "name": ...}``, the script or the key at least
* ``Download``, the class, alone or in the place of an import string
* ``"key"``, alone or as ``("key",)``: a task row that was created
* a :class:`TaskRow`

A script that is missing is the key, a key that is missing is the script, and a name the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias, cast

from task_thread.errors import NotImportable
from task_thread.flows.flowtask import FlowTask
from task_thread.flows.forms import check_line, said, shown
from task_thread.flows.importing import close_to, normal_script

__all__ = ["Routine", "TaskRow", "TaskSpec", "listed", "placed", "row_of", "rows_of"]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task of routines: which class it is, and what it is called.

    :ivar key: under which its result is stored; in a routine no other task has it.
    :ivar script: the import string of its class. A colon in it becomes a dot.
    :ivar name: for people; "" becomes the key.
    :raises TypeError, ValueError: one of them can't be.
    """

    key: str
    script: str
    name: str = ""

    def __post_init__(self) -> None:
        key = check_line("a task's key", self.key)
        name: object = self.name
        unnamed = isinstance(name, str) and not name
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "script", normal_script(self.script))
        object.__setattr__(self, "name", key if unnamed else check_line("a task's name", name))


@dataclass(frozen=True, slots=True)
class Routine:
    """Tasks in their order, under a name. Data alone: it belongs to no app.

    :ivar name: what it is called; of one name there may be several versions in the course of time.
    :ivar tasks: its task rows, at least one; all keys differ.
    :ivar version: 12 characters that stand for the content; "" has them made.
    :raises TypeError, ValueError: one of them can't be.
    """

    name: str
    tasks: tuple[TaskRow, ...]
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_line("a routine's name", self.name))
        tasks: tuple[Any, ...] = tuple(self.tasks)
        for each in tasks:
            if not isinstance(each, TaskRow):
                raise TypeError(f"a routine has TaskRows, not {shown(each)}")
        _check_rows(tasks)
        object.__setattr__(self, "tasks", tasks)
        version: object = self.version
        if not isinstance(version, str):
            raise TypeError(f"a version is text, not {shown(version)}")
        if not version:
            object.__setattr__(self, "version", _digest(self.name, tasks))

    def task_at(self, index: int) -> TaskRow:
        """Its task at that place: 0 is the first, -1 the last.

        :raises IndexError: there is none.
        """
        if not -len(self.tasks) <= index < len(self.tasks):
            raise IndexError(
                f"routine {self.name!r} has {len(self.tasks)} tasks, from 0 to "
                f"{len(self.tasks) - 1}, and none at {index}"
            )
        return self.tasks[index]

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[TaskRow]:
        return iter(self.tasks)


TaskSpec: TypeAlias = (
    str
    | tuple[str | type[FlowTask], ...]
    | Mapping[str, str]
    | Mapping[str, str | type[FlowTask]]
    | type[FlowTask]
    | TaskRow
)
"""The ways in which a task can be said."""


def row_of(spec: TaskSpec, known: Mapping[str, TaskRow]) -> TaskRow:
    """The task row that somebody means. Nothing is imported.

    :param known: rows that may be meant by their keys. One that is named and nothing else is said
        of it is returned itself: by a key without a dot, or by a key that is its import string too.
    :raises TypeError, ValueError: it is none of the forms; the message says why.
    :raises NotImportable: a class that no import string leads to.
    """
    if isinstance(spec, TaskRow):
        return spec
    key, script, name = said(spec)
    key = check_line("a task's key", script if key is None else key)
    if script is None or script == key:  # a row that was created, or a script that is its own key
        row = known.get(key)
        if "." not in key and row is not None:
            return row if name is None else TaskRow(key, row.script, name)
        if "." not in key and ":" not in key:
            raise ValueError(_unknown_key(key, known))
        key = script = normal_script(key)
        row = known.get(key)
        if name is None and row is not None and row.script == script:
            return row
    return TaskRow(key, _script(script), "" if name is None else name)


def rows_of(specs: Iterable[TaskSpec], known: Mapping[str, TaskRow]) -> tuple[TaskRow, ...]:
    """The task rows of a routine, in their order.

    :raises TypeError, ValueError, NotImportable: as :func:`row_of`, and the message begins with
        the place in the list.
    :raises ValueError: there is none, or two have the same key.
    """
    rows: list[TaskRow] = []
    given = listed(specs)
    for index, spec in enumerate(given):
        try:
            with placed(index):
                rows.append(row_of(spec, known))
        except ValueError as error:
            if index == 0 and _looks_like_one(specs):
                raise ValueError(f"{error} (A routine of one task is [{shown(specs)}].)") from None
            raise
    _check_rows(rows)
    return tuple(rows)


def listed(specs: Iterable[TaskSpec]) -> list[TaskSpec]:
    """The specs of a routine, as a list.

    :raises TypeError: it is none, but one task perhaps, or has no order.
    """
    given: object = specs
    if isinstance(given, str | bytes | Mapping | type | TaskRow | FlowTask):
        raise TypeError(
            f"a routine takes a list of tasks, also for one: [{shown(cast(object, given))}]"
        )
    if isinstance(given, AbstractSet) or not isinstance(given, Iterable):
        raise TypeError(f"a routine takes a list of tasks in their order, not {shown(given)}")
    return list(specs)


@contextmanager
def placed(index: int) -> Iterator[None]:
    """Let errors begin with the place in the list."""
    try:
        yield
    except NotImportable as error:
        raise NotImportable(f"tasks[{index}]: {error}") from error.__cause__
    except TypeError as error:
        raise TypeError(f"tasks[{index}]: {error}") from None
    except ValueError as error:
        raise ValueError(f"tasks[{index}]: {error}") from None


def _check_rows(rows: Iterable[TaskRow]) -> None:
    """:raises ValueError: there is none, or two have the same key."""
    places: dict[str, int] = {}
    for index, row in enumerate(rows):
        first = places.setdefault(row.key, index)
        if first != index:
            raise ValueError(
                f"tasks[{index}] has the key {row.key!r}, as tasks[{first}] has: give it a key of "
                f"its own, such as ({row.key + '-2'!r}, {row.script!r})"
            )
    if not places:
        raise ValueError("a routine has one task at least")


def _digest(name: str, tasks: Iterable[TaskRow]) -> str:
    content = [name, [[row.key, row.script, row.name] for row in tasks]]
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:12]


def _script(script: str) -> str:
    try:
        return normal_script(script)
    except ValueError as error:
        hint = "" if "." in script else " A task that was created is named by its key alone."
        raise ValueError(f"{error}.{hint}") from None


def _looks_like_one(specs: object) -> bool:
    """Whether it is perhaps ``("key", "media.Download")``, and not a list of tasks."""
    if not isinstance(specs, tuple):
        return False
    parts = cast("tuple[object, ...]", specs)
    return 1 < len(parts) < 4 and all(isinstance(each, str) for each in parts)


def _unknown_key(key: str, known: Mapping[str, TaskRow]) -> str:
    return (
        f"{key!r} is no import string, such as 'media.Download', and no task was created with "
        f"that key.{close_to(key, known)}"
    )
