"""How a flow goes from state to state: the rules, apart from whatever applies them.

Pure: no thread, loop or clock. A :class:`Row` is what is known of a flow, small and immutable. Each
function here takes one and says what it becomes, and what is written into its history: a
:class:`Move`. The same rules serve the engine, and the tools that work on a file at rest.

::

             submit                    the last task's value
    INIT ------------> RUNNING -----------------------------------> DONE
                        |  ^ ^ \\
        wait(...)       |  | |  \\ raised, from CHECK, WAIT, SPAWN too
             v----------+  | |   +-----------------------> FAIL --> where it failed
           WAIT            | |
     resume |  ^ not yet   | +-- the child is done -- SPAWN <-- spawn(...)
            v  |           |
           CHECK ----------+ passed                   CANCELLED <-- from all but DONE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from task_thread.errors import FlowStateError
from task_thread.flows.words import FlowState

__all__ = [
    "MOVES",
    "Move",
    "Row",
    "Step",
    "cancelled",
    "child_failed",
    "child_resumed",
    "failed",
    "made",
    "performed",
    "rests_on",
    "resumed",
    "spawned",
    "submitted",
    "waits",
]

_INIT, _RUNNING, _CHECK = FlowState.INIT, FlowState.RUNNING, FlowState.CHECK
_WAIT, _SPAWN, _DONE = FlowState.WAIT, FlowState.SPAWN, FlowState.DONE
_FAIL, _CANCELLED = FlowState.FAIL, FlowState.CANCELLED

MOVES: Final[Mapping[FlowState, frozenset[FlowState]]] = {
    _INIT: frozenset({_RUNNING, _CANCELLED}),
    _RUNNING: frozenset({_RUNNING, _WAIT, _SPAWN, _DONE, _FAIL, _CANCELLED}),
    # A check that is asked by itself leads out of WAIT without a CHECK in between.
    _WAIT: frozenset({_CHECK, _RUNNING, _WAIT, _SPAWN, _DONE, _FAIL, _CANCELLED}),
    _CHECK: frozenset({_RUNNING, _WAIT, _SPAWN, _DONE, _FAIL, _CANCELLED}),
    _SPAWN: frozenset({_RUNNING, _DONE, _FAIL, _CANCELLED}),
    _FAIL: frozenset({_RUNNING, _CHECK, _SPAWN, _CANCELLED}),
    _DONE: frozenset(),
    _CANCELLED: frozenset(),
}
"""Which state may follow on which. Made moves are checked against it."""


class Row(NamedTuple):
    """What is known of a flow, but for what its tasks take and give.

    :ivar id: its run id.
    :ivar routine: name and version of the routine that it started with, ``ingest@1f0c...``.
    :ivar length: how many tasks that has.
    :ivar position: the task that it is at, counted from 0; `length` when it is done.
    :ivar steps: how many rows its history has.
    :ivar made: seconds since 1970, UTC; ``changed`` too.
    :ivar reason: why it waits or spawned; or was cancelled.
    :ivar check: the trigger on which a check is asked by itself, as JSON; None: on none.
    :ivar asked: the keywords of the resume whose check is asked, or has failed.
    :ivar parent: the flow that spawned it; "" for none.
    :ivar child: the flow that it spawned last, while it rests on it or failed with it.
    :ivar called: how it was submitted: how many positional arguments, and which keywords, as JSON
        text; "" before.
    :ivar key: its idempotency key; "" for none.
    :ivar digest: of what it was submitted with, where it has such a key.
    :ivar error: one line of what it failed with.
    """

    id: str
    routine: str
    length: int
    state: FlowState
    position: int
    steps: int
    made: float
    changed: float
    reason: str = ""
    check: Mapping[str, Any] | None = None
    asked: Mapping[str, Any] | None = None
    parent: str = ""
    child: str = ""
    called: str = ""
    key: str = ""
    digest: str = ""
    error: str = ""


class Step(NamedTuple):
    """One row of a flow's history: a transition.

    :ivar number: from 0.
    :ivar time: seconds since 1970, UTC.
    :ivar state: what the flow's state became.
    :ivar position: the task that it is about.
    :ivar result: what that task gave, as JSON text; None: it gave nothing yet.
    :ivar given: what came with it, as JSON text: ``{"args": [...], "kwargs": {...}}`` of a submit,
        the keywords of a resume.
    """

    number: int
    time: float
    state: FlowState
    position: int
    reason: str = ""
    result: str | None = None
    given: str | None = None
    child: str = ""
    error: str = ""
    traceback: str = ""


class Move(NamedTuple):
    """A transition: what the flow is now, and the row of its history."""

    row: Row
    step: Step


def made(row: Row) -> Move:
    """A flow, to be submitted later. `row` is in INIT, with no steps yet."""
    return Move(row._replace(steps=1), Step(0, row.made, _INIT, 0))


def submitted(row: Row, at: float, given: str, called: str) -> Move:
    """It begins, with the arguments `given`.

    :param called: how many there are, and which keywords: see Row.

    :raises FlowStateError: it has begun before.
    """
    if row.state is not _INIT:
        raise FlowStateError(f"flow {row.id} was submitted before: it is in {row.state}", row.state)
    row = row._replace(called=called)
    if row.steps == 0:  # made and submitted in one go: one row
        row = row._replace(state=_RUNNING, steps=1, changed=at)
        return Move(row, Step(0, at, _RUNNING, 0, given=given))
    return _move(row, at, _RUNNING, given=given)


def performed(row: Row, at: float, result: str) -> Move:
    """The task that it is at gave `result`, or its child did, or its check has passed, asked with
    these keywords: on to the next one."""
    position = row.position + 1
    state = _DONE if position == row.length else _RUNNING
    number = row.steps
    _check(row.state, state)
    after = Row(
        row.id, row.routine, row.length, state, position, number + 1, row.made, at,
        "", None, None, row.parent, "", row.called, row.key, row.digest, "",
    )  # fmt: skip
    return Move(after, Step(number, at, state, row.position, result=result))


def waits(row: Row, at: float, reason: str, check: Mapping[str, Any] | None) -> Move:
    """The task rests, for `reason`, until it is resumed or, where `check` is a trigger, one of its
    ticks finds that it may go on."""
    return _move(row, at, _WAIT, reason, check=check, asked=None)


def rests_on(row: Row, at: float) -> Move:
    """The check says: not yet."""
    return _move(row, at, _WAIT, row.reason, check=row.check, asked=None)


def spawned(row: Row, at: float, reason: str, child: str) -> Move:
    """The task rests until `child` is done."""
    return _move(row, at, _SPAWN, reason, child=child, asked=None)


def failed(
    row: Row, at: float, error: str, traceback: str, asked: Mapping[str, Any] | None
) -> Move:
    """The task raised; or its check, `asked` with those keywords."""
    after, step = _move(row, at, _FAIL, row.reason, check=row.check, asked=asked, error=error)
    return Move(after, step._replace(error=error, traceback=traceback))


def child_failed(row: Row, at: float, child: str, error: str) -> Move:
    """The flow that it spawned has failed, or was cancelled."""
    after, step = _move(row, at, _FAIL, row.reason, child=child, error=error)
    return Move(after, step._replace(error=error))


def child_resumed(row: Row, at: float) -> Move:
    """The flow that it failed with goes on: it rests on it again."""
    return _move(row, at, _SPAWN, row.reason, child=row.child)


def resumed(row: Row, at: float, given: str, asked: Mapping[str, Any]) -> Move:
    """Somebody resumes it: its check is asked; or what failed is run again.

    :param given: `asked`, the keywords, as JSON text.
    :raises FlowStateError: it neither waits nor failed.
    :raises ValueError: it failed, and there are keywords.
    """
    if row.state is _WAIT:
        return _move(row, at, _CHECK, row.reason, check=row.check, asked=asked, given=given)
    if row.state is not _FAIL:
        raise FlowStateError(
            f"flow {row.id} is in {row.state}: only one that waits or failed is resumed", row.state
        )
    if asked:
        raise ValueError(
            f"flow {row.id} failed: what failed is run again with what it was given before, so "
            "resume it without keywords"
        )
    if row.asked is None:
        return _move(row, at, _RUNNING, given=given)
    return _move(row, at, _CHECK, row.reason, check=row.check, asked=row.asked, given=given)


def cancelled(row: Row, at: float, reason: str) -> Move:
    """Somebody cancels it.

    :raises FlowStateError: nothing comes after the state in which it is.
    """
    if row.state.is_final:
        raise FlowStateError(f"flow {row.id} has ended: it is in {row.state}", row.state)
    after, step = _move(row, at, _CANCELLED, reason, child=row.child)
    return Move(after, step)


def _move(
    row: Row,
    at: float,
    state: FlowState,
    reason: str = "",
    *,
    check: Mapping[str, Any] | None = None,
    asked: Mapping[str, Any] | None = None,
    child: str = "",
    error: str = "",
    given: str | None = None,
) -> Move:
    """To `state`, at the same task."""
    _check(row.state, state)
    number = row.steps
    after = Row(
        row.id, row.routine, row.length, state, row.position, number + 1, row.made, at,
        reason, check, asked, row.parent, child, row.called, row.key, row.digest, error,
    )  # fmt: skip
    return Move(after, Step(number, at, state, row.position, reason, given=given, child=child))


def _check(before: FlowState, after: FlowState) -> None:
    if after not in MOVES[before]:
        raise AssertionError(f"a flow never goes from {before} to {after}")
