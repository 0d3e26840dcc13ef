"""The flows in the file of a store, read from outside: beside the daemon that has it, or where none
has it. No loop is needed, and nothing of the user's is imported.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar
from urllib.parse import quote

from task_thread.app.sqlite_database import Database
from task_thread.app.sqlite_errors import ERRORS, explain
from task_thread.app.sqlite_tables import APPLICATION_ID, VERSION
from task_thread.errors import NotStorable, StoreError, StoreFailed, StoreTooNew
from task_thread.flows import records
from task_thread.flows.history import Row, Step
from task_thread.flows.info import FlowInfo
from task_thread.flows.selection import LOOKED_THROUGH, Selection, one_of
from task_thread.flows.spec import Routine
from task_thread.flows.words import FlowState

__all__ = ["FlowList", "FlowView", "StoreReader"]

T = TypeVar("T")

_CANDIDATES: Final = 6  # run ids that begin alike
_PATIENCE: Final = 5.0  # seconds
_MAGIC: Final = b"SQLite format 3\0"


class FlowList(NamedTuple):
    """Flows that were wanted.

    :ivar flows: some of them.
    :ivar total: how many there are; of those that have ended, as far as they were looked through.
    :ivar counts: how many flows there are in each state, ended or not wanted by their state or not;
        those that are done or cancelled are not counted.
    """

    flows: Sequence[FlowInfo]
    total: int
    counts: Mapping[FlowState, int]


class FlowView(NamedTuple):
    """One flow, and what it goes through.

    :ivar routine: the version that it started with; None: it is not in the store.
    :ivar current: which version the routine of that name has today; "": there is none.
    """

    info: FlowInfo
    routine: Routine | None
    current: str


class StoreReader:
    """Reads the flows in a file. A context manager::

        with StoreReader("flows.db") as store:
            for info in store.list().flows:
                print(info.id, info.state)

    The file is opened to be read only, and nobody is kept from it: whoever has it goes on, and may
    be started meanwhile. (SQLite may leave its ``-wal`` and ``-shm`` beside it, empty.)

    Ownership: the thread that enters it.

    :param path: the file of the store.

    :ivar problems: a line for each record that could not be read, and was left out.
    """

    def __init__(self, path: str) -> None:
        self.path: Final = os.path.abspath(path)
        self.problems: list[str] = []
        self._database: Database  # inside the block
        self._routines: dict[str, Routine | None] = {}

    def __enter__(self) -> Self:
        """Open it.

        :raises StoreFailed: there is no such file, or it is no store, or damaged.
        :raises StoreTooNew: a later version of this library has written it.
        """
        if not os.path.isfile(self.path):
            raise StoreFailed(f"there is no store {self.path}: no such file")
        try:
            with open(self.path, "rb") as file:
                begin = file.read(len(_MAGIC))
        except OSError as error:
            raise explain(error, self.path, "can't open") from error
        if begin == b"":
            raise StoreFailed(f"{self.path} is no store: it is empty")
        if begin != _MAGIC:  # before a lock is put beside what is not ours
            foreign = sqlite3.DatabaseError("file is not a database")
            raise explain(foreign, self.path, "can't open")
        self._database = self._open()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def _open(self) -> Database:
        return _Reading(self.path)

    # ---- what there is --------------------------------------------------------------------

    def list(
        self, selection: Selection | None = None, *, limit: int | None = None, skip: int = 0
    ) -> FlowList:
        """The flows that are wanted: in the order in which they were made; then those that have
        ended, the latest first.

        :param selection: which; by default all that have not ended for good.
        :param limit: at most so many. :param skip: and not the first so many.
        :raises StoreError: they can't be read.
        """
        wanted = Selection() if selection is None else selection
        counts: Counter[FlowState] = Counter()
        found: list[Row] = []
        for key, value in self._read(lambda database: database.live(records.FLOW)):
            row = self._whole(partial(records.parse_row, key, value))
            if row is not None and wanted.counts(row):
                counts[row.state] += 1
                if wanted.among_others and wanted.takes(row):
                    found.append(row)
        if wanted.among_ended:
            found += self._ended(wanted)
        shown = found[skip:] if limit is None else found[skip : skip + limit]
        return FlowList([self._info(row) for row in shown], len(found), counts)

    def view(self, run_id: str) -> FlowView:
        """One flow. The history is read by :meth:`steps`.

        :param run_id: its run id, or how that begins where no other one does.
        :raises UnknownFlow: there is none. :raises FlowError: there are several.
        :raises StoreError: it can't be read.
        """
        row = self._row(self.find(run_id))
        assert row is not None  # found just now
        routine = self._routine(row.routine)
        name = row.routine.rpartition("@")[0]
        return FlowView(records.info_of(row, routine), routine, self._version_now(name))

    def steps(self, run_id: str, first: int = 0) -> Iterator[Step]:
        """The history of a flow, from row `first` on, one by one: they may be large.

        :param run_id: the whole run id.
        :raises StoreError: one can't be read.
        """
        number = first
        while True:
            key = records.step_key(run_id, number)
            value = self._get(records.STEP, key)
            if value is None:
                return
            yield records.parse_step(key, value)
            number += 1

    def find(self, begin: str) -> str:
        """The run id that begins so.

        :raises UnknownFlow: there is none. :raises FlowError: there are several.
        """
        if not begin or self._get(records.FLOW, begin) is not None:
            return one_of(begin, [begin] if begin else [])
        rows = self._read(lambda database: database.under(records.FLOW, begin, _CANDIDATES))
        return one_of(begin, [key for key, _ in rows])

    # ---- inside ---------------------------------------------------------------------------

    def _read(self, look: Callable[[Database], T]) -> T:
        try:
            return look(self._database)
        except ERRORS as error:
            raise explain(error, self.path, "can't read") from error

    def _get(self, kind: str, key: str) -> bytes | None:
        return self._read(lambda database: database.get(kind, key))

    def _whole(self, parse: Callable[[], T]) -> T | None:
        """What `parse` reads; None, and a line in ``problems``, where it can't."""
        try:
            return parse()
        except NotStorable as error:
            self.problems.append(str(error))
            return None

    def _row(self, id: str) -> Row | None:
        value = self._get(records.FLOW, id)
        return None if value is None else records.parse_row(id, value)

    def _info(self, row: Row) -> FlowInfo:
        return records.info_of(row, self._routine(row.routine))

    def _ended(self, wanted: Selection) -> Iterator[Row]:
        most = None if wanted.takes_all else LOOKED_THROUGH
        entries = self._read(lambda database: database.under(records.ENDED, "", most, reverse=True))
        for key, value in entries:
            entry = self._whole(partial(records.parse_ended, key, value))
            row = None if entry is None else self._whole(partial(self._row, entry[1]))
            if row is not None and wanted.takes_ended(row):
                yield row

    def _routine(self, id: str) -> Routine | None:
        """That version of a routine; None where it is missing or can't be read."""
        if id not in self._routines:
            value = self._get(records.ROUTINE, id)
            self._routines[id] = (
                None if value is None else self._whole(lambda: records.parse_routine(id, value))
            )
        return self._routines[id]

    def _version_now(self, name: str) -> str:
        value = self._get(records.ROUTINE_NOW, name)
        version = None if value is None else self._whole(lambda: records.parse_now(name, value))
        return "" if version is None else version


class _Reading(Database):
    """An open database without the right to its file: for reading.

    :raises StoreError: as ``Database``.
    """

    def __init__(self, path: str) -> None:  # another way to open it: the file is not taken
        self.path = os.path.realpath(path)
        uri = f"file:{quote(self.path)}?mode=ro"
        try:
            self._connection = sqlite3.connect(
                uri, uri=True, timeout=_PATIENCE, isolation_level=None
            )
        except ERRORS as error:
            raise explain(error, path, "can't open") from error
        try:
            self._look_at()
        except ERRORS as error:
            self._connection.close()
            raise explain(error, path, "can't open") from error
        except StoreError:
            self._connection.close()
            raise

    def _look_at(self) -> None:
        connection = self._connection
        for statement in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
            connection.execute(f"PRAGMA {statement}")
        (whose,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if whose != APPLICATION_ID:
            raise StoreFailed(
                f"can't open {self.path}: it is a database of another program (application_id "
                f"{whose})"
            )
        if version > VERSION:
            raise StoreTooNew(
                f"{self.path} was written by a later version of task_thread (its tables are "
                f"version {version}, this one knows {VERSION}): update task_thread"
            )
        connection.execute("SELECT seq, kind, key, value, live, expires FROM record LIMIT 0")

    def close(self) -> None:
        """Close it. Once."""
        self._connection.close()
