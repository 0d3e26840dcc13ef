"""What flows should do, as plain data: written from the documentation, apart from the engine.

A world has flows, each with the history that it should have; next to each row of that stands which
calls of tasks lead to it. It does nothing by itself: it is told what is asked of the app, and
``settle()`` lets all flows go on until they rest.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Nothing(Enum):
    """What stands where there is no value; None is one."""

    NOTHING = 0


NOTHING: Final = Nothing.NOTHING
ATTEMPTS: Final = {"L": 1, "T": 1, "R": 4}
FINAL: Final = ("DONE", "CANCELLED")


@dataclass
class Row:
    """One row of a history, as it should be.

    :ivar calls: perform or check, and how often it is called for this row.
    """

    state: str
    position: int
    reason: str = ""
    result: Any = NOTHING
    given: Any = NOTHING
    child: int = -1
    calls: tuple[str, int] = ("", 0)
    error: str = ""


@dataclass
class Flow:
    """One flow, as it should be.

    :ivar number: its name in the model; children get theirs before anybody knows their run ids.
    :ivar letters: the classes of its tasks.
    """

    number: int
    routine: str
    letters: str
    plan: Any = None
    parent: int = -1
    key: str = ""
    state: str = "INIT"
    position: int = 0
    reason: str = ""
    child: int = -1
    asked: Any = None
    results: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def results_at(self, rows: int) -> dict[str, Any]:
        """The results that there were when the history had so many rows."""
        return {
            self.key_at(row.position): row.result
            for row in self.rows[:rows] if row.result is not NOTHING
        }  # fmt: skip

    def __str__(self) -> str:
        return f"flow {self.number} ({self.routine}, child of {self.parent}): {self.plan}"

    def key_at(self, position: int) -> str:
        """The key of a task."""
        return f"{self.letters[position]}{position}"

    @property
    def do(self) -> Any:
        """What its task does."""
        return self.plan["do"][self.position]

    @property
    def flag(self) -> str:
        """Its task's flag."""
        return f"{self.plan['tag']}/{self.position}"

    @property
    def attempts(self) -> int:
        """How often its task is tried."""
        return ATTEMPTS[self.letters[self.position]]

    @property
    def polls(self) -> bool:
        """Whether its check is asked by itself."""
        return self.state == "WAIT" and "poll" in self.do


class World:
    """All flows, by their numbers, and the flags that are up."""

    def __init__(self) -> None:
        self.flows: dict[int, Flow] = {}
        self._numbers = 0
        self.flags: frozenset[str] = frozenset()

    def copy(self) -> World:
        """Another one just like it."""
        return copy.deepcopy(self)

    def root(self, flow: Flow) -> Flow:
        """The flow that nobody has spawned."""
        while flow.parent >= 0:
            flow = self.flows[flow.parent]
        return flow

    def family(self, root: int) -> list[Flow]:
        """That flow, and all that it and they have spawned."""
        return [flow for flow in self.flows.values() if self.root(flow).number == root]

    def resting(self) -> Iterator[Flow]:
        """The flows that have not ended for good."""
        return (flow for flow in self.flows.values() if flow.state not in FINAL)

    # ---- what is asked of the app ---------------------------------------------------------

    def make(self, routine: str, letters: str, parent: int = -1) -> Flow:
        """A flow, not begun."""
        flow = self.flows[self._numbers] = Flow(self._numbers, routine, letters, parent=parent)
        self._numbers += 1
        return flow

    def made(self, routine: str, letters: str) -> Flow:
        """A flow for later."""
        flow = self.make(routine, letters)
        flow.rows.append(Row("INIT", 0))
        return flow

    def submit(self, flow: Flow, plan: Any) -> None:
        """It begins."""
        flow.plan = plan
        self._move(flow, Row("RUNNING", 0, given={"args": [plan], "kwargs": {}}))

    def resume(self, flow: Flow, number: int | None) -> None:
        """It waits, or failed; a number is given where it waits."""
        if flow.state == "WAIT":
            flow.asked = {"number": number}
            self._move(flow, Row("CHECK", flow.position, flow.reason, given=flow.asked))
            return
        again = "RUNNING" if flow.asked is None else "CHECK"
        flow.child = -1
        reason = flow.reason if again == "CHECK" else ""
        self._move(flow, Row(again, flow.position, reason, given={}))

    def cancel(self, flow: Flow, reason: str) -> None:
        """It has not ended."""
        was = flow.state
        self._move(flow, Row("CANCELLED", flow.position, reason, child=flow.child))
        if was == "SPAWN":
            child = self.flows[flow.child]
            if child.state not in FINAL:
                self.cancel(child, "its parent")

    # ---- what goes on by itself -----------------------------------------------------------

    def settle(self) -> None:
        """Let all flows go on until they rest."""
        busy = True
        while busy:
            busy = False
            for flow in list(self.flows.values()):
                if flow.state == "RUNNING":
                    self._perform(flow)
                elif flow.state == "CHECK":
                    self._check(flow)
                elif flow.polls and flow.flag in self.flags:
                    self._done(flow, {}, ("check", 1))
                else:
                    continue
                busy = True

    def _perform(self, flow: Flow) -> None:
        do, tries = flow.do, flow.attempts
        if "give" in do:
            self._done(flow, do["give"], ("perform", 1))
        elif "raise" in do:
            self._fail(flow, ("perform", tries), do["raise"])
        elif "tries" in do:
            if do["tries"] < tries:
                self._done(flow, do["tries"] + 1, ("perform", do["tries"] + 1))
            else:
                self._fail(flow, ("perform", tries), "not yet")
        elif "mend" in do:
            if flow.flag in self.flags:
                self._done(flow, "mended", ("perform", 1))
            else:
                self._fail(flow, ("perform", tries), "broken")
        elif "bad" in do:
            self._fail(flow, ("perform", 1), "")
        elif "wait" in do or "poll" in do:
            flow.reason = do.get("reason", "poll")
            self._move(flow, Row("WAIT", flow.position, flow.reason, calls=("perform", 1)))
        else:
            self._spawn(flow, ("perform", 1))

    def _check(self, flow: Flow) -> None:
        do, number = flow.do, flow.asked["number"]
        if "poll" in do:
            passes = flow.flag in self.flags or number != 0
        else:
            if number < 0 and flow.flag not in self.flags:
                self._fail(flow, ("check", flow.attempts), "broken", asked=flow.asked)
                return
            if 0 < number < do["wait"]:
                flow.reason = f"{do['reason']} {number}"
                number = 0
            passes = number != 0
        if not passes:
            flow.asked = None
            self._move(flow, Row("WAIT", flow.position, flow.reason, calls=("check", 1)))
        elif "spawn" in do:
            self._spawn(flow, ("check", 1))
        else:
            self._done(flow, flow.asked, ("check", 1))

    def _spawn(self, flow: Flow, calls: tuple[str, int]) -> None:
        name = flow.do["routine"]
        letters = "L" if name is None else name
        child = self.make("L0" if name is None else name, letters, flow.number)
        flow.child, flow.reason, flow.asked = child.number, "apart", None
        self._move(flow, Row("SPAWN", flow.position, "apart", child=child.number, calls=calls))
        self.submit(child, flow.do["spawn"])

    def _done(self, flow: Flow, result: Any, calls: tuple[str, int] = ("", 0)) -> None:
        position = flow.position
        flow.results[flow.key_at(position)] = result
        flow.position += 1
        flow.reason, flow.child, flow.asked = "", -1, None
        last = flow.position == len(flow.letters)
        state = "DONE" if last else "RUNNING"
        self._move(flow, Row(state, position, result=result, calls=calls))

    def _fail(
        self, flow: Flow, calls: tuple[str, int], error: str, asked: Any = None, child: int = -1
    ) -> None:
        flow.asked, flow.child = asked, child
        self._move(
            flow, Row("FAIL", flow.position, flow.reason, child=child, calls=calls, error=error)
        )

    def _move(self, flow: Flow, row: Row) -> None:
        """Make it, and let its parent know."""
        before, flow.state = flow.state, row.state
        flow.rows.append(row)
        if flow.parent < 0:
            return
        parent = self.flows[flow.parent]
        if parent.child != flow.number:
            return
        if parent.state == "SPAWN":
            if row.state == "DONE":
                self._done(parent, flow.results[flow.key_at(row.position)])
            elif row.state in ("FAIL", "CANCELLED"):
                self._fail(parent, ("", 0), "its child", child=flow.number)
        elif parent.state == "FAIL" and before == "FAIL" and row.state in ("RUNNING", "CHECK"):
            self._back(parent)

    def _back(self, parent: Flow) -> None:
        """The child that it failed with goes on."""
        self._move(parent, Row("SPAWN", parent.position, "apart", child=parent.child))
        above = self.flows[parent.parent] if parent.parent >= 0 else None
        if above is not None and above.state == "FAIL" and above.child == parent.number:
            self._back(above)
