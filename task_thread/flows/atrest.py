"""The flows in the file of a store that no app has open: seen, and changed.

What is done here is what the engine would have done, by the same rules and in the same records: the
next start of the app goes on with it. No class of the user's is imported, so what only those know
is found out then: whether a task takes the arguments, and what a check says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any, cast

from task_thread.app.checks import check_text
from task_thread.app.sqlite_database import Database
from task_thread.app.sqlite_errors import ERRORS, explain, is_of_the_call
from task_thread.app.store import Change, check
from task_thread.errors import (
    FlowStateError,
    NotStorable,
    StoreError,
    UnknownFlow,
    UnknownRoutine,
)
from task_thread.flows import census, history, records
from task_thread.flows.books import Books
from task_thread.flows.desk import id_for_key, same_flow
from task_thread.flows.flow import Flow
from task_thread.flows.flowapp import _LONGEST_KEY
from task_thread.flows.history import Move, Row
from task_thread.flows.importing import close_to
from task_thread.flows.info import FlowInfo
from task_thread.flows.reading import StoreReader
from task_thread.flows.spec import Routine
from task_thread.flows.texts import called_text, digest_of, given_text, plain_text
from task_thread.flows.words import FlowState, check_reason

if TYPE_CHECKING:
    from task_thread.app.journal import Stored
    from task_thread.app.store import Store

__all__ = ["StoreAtRest"]


class StoreAtRest(StoreReader):
    """The flows in a file that nobody has open. A context manager::

        with StoreAtRest("flows.db") as store:
            store.resume(run_id, confirmed=True)

    Inside the block the file is taken, as an app takes it: one that is started meanwhile is refused
    with StoreInUse. Each call is one transaction, on disk when it returns.

    Ownership: the thread that enters it.

    :param path: the file of the store.
    """

    def _open(self) -> Database:
        """Take the file.

        :raises StoreInUse: an app has it, or another of these.
        """
        return Database(self.path)

    # ---- changing -------------------------------------------------------------------------

    def submit(
        self,
        what: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> str:
        """Have a flow begin at the next start of the app.

        :param what: the name of a routine that the store knows; or the run id of a flow that was
            made and not submitted.
        :param args: what its tasks are called with; ``kwargs`` too.
        :param idempotency_key: as of ``FlowApp.submit``.
        :returns: the run id.
        :raises UnknownRoutine: there is no such routine, nor such a flow.
        :raises FlowStateError: that flow was submitted before.
        :raises NotStorable: an argument is no JSON.
        :raises ValueError: another flow was submitted under that key.
        :raises StoreError: it can't be read or written.
        """
        given = given_text(tuple(args), dict(kwargs or {}), "what submit was given")
        called = called_text(args, kwargs or {})
        at = time()
        made = self._row(what)
        if made is not None:
            if idempotency_key is not None:
                raise ValueError("a flow that was made has its run id: it takes no idempotency_key")
            self._move(what, lambda row: history.submitted(row, at, given, called), at)
            return what
        routine = self._routine_now(what)
        id = f"{token_hex(4)}-1"
        row = Row(
            id, records.routine_id(routine), len(routine.tasks), FlowState.INIT, 0, 0, at, at
        )  # fmt: skip
        if idempotency_key is not None:
            check_text("idempotency_key", idempotency_key)
            if len(idempotency_key) > _LONGEST_KEY:
                raise ValueError(f"an idempotency_key has {_LONGEST_KEY} characters at most")
            id = id_for_key(idempotency_key)
            row = row._replace(id=id, key=idempotency_key, digest=digest_of(given))
            known = self._row(id)
            if known is not None:
                return same_flow(known, row)
        move = history.submitted(row, at, given, called)
        flow = Flow(move.row, routine, given)
        self._write([census.Change(flow, None, move.row, move.step)])
        return id

    def resume(self, run_id: str, /, **kwargs: Any) -> FlowInfo:
        """Have a flow go on at the next start of the app: one that waits has its ``check`` asked
        then, with these keywords; of one that failed, what failed is run again.

        :param run_id: the run id, or how it begins; of ``cancel`` too.
        :returns: the flow as it is now.
        :raises UnknownFlow: there is none. :raises FlowError: several begin so.
        :raises FlowStateError: it neither waits nor failed.
        :raises ValueError: it failed, and there are keywords.
        :raises NotStorable: one of them is no JSON.
        :raises StoreError: it can't be read or written.
        """
        id = self.find(run_id)
        given = plain_text(kwargs, "what resume was given")
        asked = json.loads(given)
        at = time()
        return self._move(id, lambda row: history.resumed(row, at, given, asked), at)

    def cancel(self, run_id: str, reason: str = "") -> bool:
        """Cancel a flow, and the one that it spawned.

        :param reason: for the record.
        :returns: False where it had ended before.
        :raises UnknownFlow: there is none. :raises FlowError: several begin so.
        :raises StoreError: it can't be read or written.
        """
        check_reason(reason)
        id = self.find(run_id)
        at = time()
        try:
            self._move(id, lambda row: history.cancelled(row, at, reason), at)
        except FlowStateError:
            return False
        return True

    # ---- inside ---------------------------------------------------------------------------

    def _routine_now(self, name: str) -> Routine:
        version = self._version_now(name)
        routine = self._routine(f"{name}@{version}") if version else None
        if routine is None:
            rows = self._read(lambda database: database.under(records.ROUTINE_NOW, ""))
            names = [key for key, _ in rows]
            there = f"there is {', '.join(names[:_SHOWN])}" if names else "it knows none"
            raise UnknownRoutine(
                f"{self.path} knows no routine {name!a}: {there}.{close_to(name, names)}"
            )
        return routine

    def _family(self, id: str) -> census.Census:
        """The flow and its relatives: whom a move of it may concern."""
        family = census.Census()
        waiting = [id]
        while waiting:
            id = waiting.pop()
            row = None if family.get(id) else self._whole(partial(self._row, id))
            if row is not None:
                family.add(Flow(row, self._routine(row.routine)))
                waiting += [each for each in (row.parent, row.child) if each]
        return family

    def _move(self, id: str, decide: Callable[[Row], Move], at: float) -> FlowInfo:
        """Have the flow make the move that is decided on, and its relatives what follows of it.

        :raises UnknownFlow: there is none of that run id.
        """
        row = self._row(id)  # it raises where it can't be read
        if row is None:
            raise UnknownFlow(f"there is no flow {id!a} in {self.path}")
        move = decide(row)
        family = self._family(id)
        flow = family.get(id)
        assert flow is not None
        self._write(family.move(flow, move, at))
        return self._info(flow.row)

    def _write(self, moves: Sequence[census.Change]) -> None:
        """Write the moves, as the engine does, in one transaction."""
        pen = _Pen()
        books = Books(cast("Store", None), pen, lambda _: None)  # it reads nothing
        for each in moves:
            if each.flow.routine is not None:  # it was read from the store
                books.versions[each.row.routine] = each.flow.routine
            books.put(each, _nobody)
        try:
            self._database.apply(pen.changes)
        except ERRORS as error:
            if is_of_the_call(error):
                raise NotStorable(f"can't be stored in {self.path}: {error}") from error
            raise explain(error, self.path, "can't write to") from error


class _Pen:
    """What Books writes with: here all of it goes into one transaction."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def put(self, change: Change, stored: Stored | None = None) -> None:
        """:raises NotStorable: it can't be stored."""
        check(change)
        self.changes.append(change)

    async def flush(self) -> None:
        """Nothing waits to be written by somebody else."""


def _nobody(error: StoreError | None) -> None:
    """Nobody waits to be told that it is on disk: the call returns then."""


_SHOWN = 10  # names of routines in a message
