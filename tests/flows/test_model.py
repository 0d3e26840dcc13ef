"""Random flows, driven by random hands through random restarts and kills, beside a model.

The app writes to a store that remembers each group of writes. A kill is a next life on the first
so many of them: what a kill -9 there would have left. Then the model says what must come of it:
the same histories in the end, and calls of tasks for exactly those rows that were not on disk.

``TASK_THREAD_MODEL=2000`` for that many examples, and twice as many steps in each.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from task_thread.errors import FlowCancelled, FlowFailed, FlowStateError, UnknownFlow
from task_thread.flows.info import FlowStep
from tests.flows.acts import CLASSES, RECORD, Deed
from tests.flows.conftest import SEED
from tests.flows.hands import WITHIN, Paper, Watched, app_of, outcome
from tests.flows.model import FINAL, NOTHING, Flow, Row, World
from tests.flows.plans import letters, plan, routines_of

LUCK = st.integers(0, 2**32).map(Random)
EXAMPLES = int(os.environ.get("TASK_THREAD_MODEL", "0"))


@dataclass
class Asked:
    """What was asked at once.

    :ivar groups: how many groups were written before it.
    :ivar world: before it.
    :ivar order: the families that it was asked of, in order.
    """

    groups: int
    world: World
    order: list[int] = field(default_factory=list)


class Flows(RuleBasedStateMachine):
    """One app after the other on the same store, and the world that should be in it.

    :ivar ids: run ids by the model's numbers.
    :ivar known: the run ids that the app has in memory.
    :ivar done: how many rows of each flow's history were made by calls that were looked at.
    :ivar past: what was asked in this life.
    :ivar compared: how many rows each flow had when it was last compared in this life.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.ids: dict[int, str] = {}
        self.known: set[str] = set()
        self.done: Counter[str] = Counter()
        self.hurried = False
        self.compared: dict[int, int] = {}
        self.past: list[Asked] = []
        self.keys = 0
        self.stack = ExitStack()

    # ---- lives ----------------------------------------------------------------------------

    @initialize(on_disk=st.integers(0, 4).map(lambda number: number == 0))
    def begin(self, on_disk: bool) -> None:
        """The first life, on a file or in memory."""
        self.folder = None
        if on_disk:
            self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        RECORD.take()
        self.live(Paper(self.folder))

    def live(self, paper: Paper) -> None:
        """Begin a life."""
        self.paper = paper
        RECORD.rows = paper.rows
        RECORD.put_up(self.world.flags)
        self.flows = Watched(app_of(paper, retention=3600.0))
        self.flows.__enter__()
        self.known = {info.id for info in self.flows.app.list()}
        self.compared.clear()

    def end(self) -> None:
        """End it, in order."""
        self.flows.__exit__(None, None, None)

    def teardown(self) -> None:
        try:
            if hasattr(self, "flows"):
                self.end()
        finally:
            self.stack.close()

    # ---- what is asked --------------------------------------------------------------------

    @rule(luck=LUCK)
    def ask(self, luck: Random) -> None:
        """Things are asked, some at once, and then some more."""
        for _ in range(luck.randint(1, 5)):
            self.ask_at_once(luck)

    def ask_at_once(self, luck: Random) -> None:
        """Some flows are submitted, resumed, cancelled, one right after the other; each of another
        family. In a hurry the app is stopped while they go on, and started again."""
        now = Asked(len(self.paper.groups), self.world.copy())
        self.past.append(now)
        asked: set[int] = set()
        for _ in range(luck.randint(1, 4)):
            flows = self.world.flows.values()
            free = [flow for flow in flows if self.world.root(flow).number not in asked]
            flow = self.ask_one(luck, free)
            now.order.append(self.world.root(flow).number)
            asked.add(now.order[-1])
        if luck.random() < 0.1:
            self.hurry()
        self.compare()

    def ask_one(self, luck: Random, free: list[Flow]) -> Flow:
        """Something, of one of these flows or a new one."""
        keyed = [flow for flow in free if flow.key and flow.state in FINAL]
        if keyed and luck.random() < 0.2:
            return self.submit_again(luck.choice(keyed))
        if free and luck.random() < 0.7:
            return self.touch(luck, free)
        return self.submit(luck)

    def submit(self, luck: Random) -> Flow:
        """A new flow; or one that is only made."""
        name = letters(luck, 6)
        if luck.random() < 0.1:
            self.declare({name})
            flow = self.world.made(name, name)
            run_id = self.flows.app.flow(name).id
        else:
            do = plan(luck, len(name))
            self.declare({name} | routines_of(do))
            flow = self.world.make(name, name)
            if luck.random() < 0.3:
                self.keys += 1
                flow.key = f"key {self.keys}"
            run_id = self.flows.app.submit(name, do, idempotency_key=flow.key or None)
            self.world.submit(flow, do)
        self.ids[flow.number] = run_id
        self.known.add(run_id)
        return flow

    def declare(self, names: set[str]) -> None:
        """Declare routines: of one of these names, if there are several."""
        for name in sorted(names):
            specs = [(f"{each}{index}", CLASSES[each]) for index, each in enumerate(name)]
            self.flows.app.routine(name, specs)

    def touch(self, luck: Random, free: list[Flow]) -> Flow:
        """Do something to a flow that is there, mostly to one that rests."""
        resting = [flow for flow in free if flow.state not in FINAL]
        flow = luck.choice(free if luck.random() < 0.2 or not resting else resting)
        run_id = self.ids[flow.number]
        what = luck.random()
        if what < 0.1:
            self.cancel(flow)
        elif what < 0.2:
            self.ask_wrongly(flow)
        elif flow.state == "INIT":
            do = plan(luck, len(flow.letters))
            self.declare(routines_of(do))
            assert self.flows.app.submit(run_id, do) == run_id
            self.world.submit(flow, do)
        elif flow.state == "WAIT":
            number = luck.choice([0, 0, 1] if flow.polls else [-1, 0, 1, 2, 3, 3, 3])
            self.flows.app.resume(run_id, number=number)
            self.world.resume(flow, number)
        elif flow.state == "FAIL":
            self.flows.app.resume(run_id)
            self.world.resume(flow, None)
        elif flow.key:
            self.submit_again(flow)
        return flow

    def cancel(self, flow: Flow) -> None:
        run_id = self.ids[flow.number]
        if run_id not in self.known:
            assert isinstance(outcome(lambda: self.flows.app.cancel(run_id)), UnknownFlow)
            return
        assert self.flows.app.cancel(run_id, "no need") is (flow.state not in FINAL)
        if flow.state not in FINAL:
            self.world.cancel(flow, "no need")

    def submit_again(self, flow: Flow) -> Flow:
        """Nothing comes of it."""
        run_id = self.flows.app.submit(flow.routine, flow.plan, idempotency_key=flow.key)
        assert run_id == self.ids[flow.number]
        self.known.add(run_id)
        return flow

    def ask_wrongly(self, flow: Flow) -> None:
        """Each is an error, here and now, and the flow is as it was."""
        app, run_id = self.flows.app, self.ids[flow.number]
        if run_id not in self.known:
            for wrong in (lambda: app.resume(run_id), lambda: app.status(run_id)):
                assert isinstance(outcome(wrong), UnknownFlow)
            return
        if flow.state != "INIT":
            error = outcome(lambda: app.submit(run_id, flow.plan))
            assert isinstance(error, FlowStateError)
            assert error.state == flow.state
        if flow.state == "WAIT":
            assert isinstance(outcome(lambda: app.resume(run_id, nonsense=1)), TypeError)
        elif flow.state == "FAIL":
            assert isinstance(outcome(lambda: app.resume(run_id, number=1)), ValueError)
        else:
            error = outcome(lambda: app.resume(run_id))
            assert isinstance(error, FlowStateError)
            assert error.state == flow.state

    @rule(luck=LUCK)
    def put_up_flags(self, luck: Random) -> None:
        """What is broken is mended; what is polled for is there."""
        for _ in range(luck.randint(1, 3)):
            self.put_one_up(luck)

    def put_one_up(self, luck: Random) -> None:
        """For one flow that rests for want of it."""
        flags = [
            flow.flag for flow in self.world.resting()
            if flow.plan is not None and ({"poll", "mend"} & {*flow.do} or flow.asked is not None)
        ]  # fmt: skip
        if flags:
            self.past.append(Asked(len(self.paper.groups), self.world.copy()))
            self.world.flags |= {luck.choice(flags)}
            RECORD.put_up(self.world.flags)
            self.compare()

    # ---- ends -----------------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        """The app is stopped, and started again."""
        self.end()
        self.live(self.paper)
        self.past.clear()
        self.compare()

    def hurry(self) -> None:
        """The same, while flows go on."""
        self.hurried = True
        self.end()
        self.live(self.paper)
        self.past.clear()

    @rule(luck=LUCK)
    def kill(self, luck: Random) -> None:
        """Things are asked; and the process was killed, after any group of writes since then."""
        for _ in range(luck.randint(1, 3)):
            self.ask_at_once(luck)
        if not self.past:
            return
        self.end()
        groups = luck.randint(self.past[0].groups, len(self.paper.groups))
        paper = self.paper.as_killed(groups)
        which = max(n for n, asked in enumerate(self.past) if asked.groups <= groups)
        asked = self.past[which]
        if asked.groups == groups:
            self.world = asked.world
        else:
            if which + 1 < len(self.past):
                self.world = self.past[which + 1].world
            self.take_back(paper, asked)
        self.forget(paper)
        RECORD.take()
        self.live(paper)
        self.past.clear()
        self.compare()

    def take_back(self, paper: Paper, asked: Asked) -> None:
        """What was asked then, and is not on disk, was never asked."""
        then = asked.world.flows
        roots = [flow.number for flow in self.world.flows.values() if flow.parent < 0]
        lost, kept = [], {}
        for root in roots:
            changed = on_disk = False
            for flow in self.world.family(root):
                before = len(then[flow.number].rows) if flow.number in then else 0
                rows = paper.rows(self.ids[flow.number])
                assert rows >= before, "what was on disk is gone"
                changed |= len(flow.rows) > before
                on_disk |= rows > before
            if changed and not on_disk:
                lost.append(root)
            if changed and not (self.world.flows[root].key and root not in then):
                kept[root] = on_disk  # one with a new key waits for the store to be asked
        order = [kept[root] for root in asked.order if root in kept]
        assert order == sorted(order, reverse=True), "what was asked later is there, and not this"
        for root in lost:
            for flow in self.world.family(root):
                del self.world.flows[flow.number]
        self.world.flows |= {
            number: flow for number, flow in then.items() if asked.world.root(flow).number in lost
        }

    def forget(self, paper: Paper) -> None:
        """Children that are not on disk will get other run ids."""
        self.ids = {
            number: run_id for number, run_id in self.ids.items()
            if number in self.world.flows and paper.rows(run_id)
        }  # fmt: skip
        self.done = Counter({run_id: paper.rows(run_id) for run_id in self.ids.values()})

    # ---- comparing ------------------------------------------------------------------------

    def compare(self) -> None:
        """Wait until all flows rest, and hold them to the model."""
        self.world.settle()
        self.flows.flush()  # what was submitted under a known key turns into what it was
        self.flows.settled(self.has_come, self.difference)
        self.flows.flush()
        news = [
            flow for flow in self.world.flows.values()
            if self.compared.get(flow.number) != len(flow.rows)
        ]  # fmt: skip
        histories = self.flows.histories([self.ids[flow.number] for flow in news])
        for flow in news:
            self.compare_history(flow, histories[self.ids[flow.number]])
            self.compare_state(flow)
            self.compared[flow.number] = len(flow.rows)
        self.compare_calls()
        self.compare_lists()

    def has_come(self) -> bool:
        """Whether all that was to happen has."""
        there = {info.id: info for info in self.flows.app.list()}
        for flow in self.world.flows.values():  # children come after their parents
            run_id = self.ids.get(flow.number)
            if run_id is None:
                return False
            self.name_children(flow)
            info = there.get(run_id)
            if info is not None:
                self.known.add(run_id)
            if run_id not in self.known:
                continue
            if info is None or (info.state, info.steps) != (flow.state, len(flow.rows)):
                return False
        return True

    def difference(self) -> str:
        """How what has come differs from the model, for people."""
        there = {info.id: info for info in self.flows.app.list()}
        lines = []
        for flow in self.world.flows.values():
            info = there.get(self.ids.get(flow.number, ""))
            rows = [(row.state, row.position) for row in flow.rows]
            if info is None or (info.state, info.steps) != (flow.state, len(rows)):
                steps = () if info is None else self.flows.history(info.id)
                found = [(str(step.state), step.position) for step in steps]
                lines.append(f"{flow}\n  is {info}\n  with {found}\n  not {rows}")
        return "\n".join(lines)

    def name_children(self, flow: Flow) -> None:
        """Learn the run ids of the flows that it has spawned."""
        children = [row.child for row in flow.rows if row.state == "SPAWN"]
        if all(child in self.ids for child in children):
            return
        steps = outcome(lambda: self.flows.history(self.ids[flow.number]))
        if not isinstance(steps, UnknownFlow):  # else it is not on disk yet
            found = [step.child for step in steps if step.state == "SPAWN"]
            self.ids |= dict(zip(children, found, strict=False))

    def compare_history(self, flow: Flow, steps: Sequence[FlowStep]) -> None:
        assert [(step.state, step.position) for step in steps] == [
            (row.state, row.position) for row in flow.rows
        ]
        for number, (step, row) in enumerate(zip(steps, flow.rows, strict=True)):
            assert step.number == number
            assert step.key == flow.key_at(row.position)
            self.compare_row(step, row)

    def compare_row(self, step: FlowStep, row: Row) -> None:
        assert step.has_result is (row.result is not NOTHING)
        if step.has_result:
            assert step.result == row.result
        assert step.arguments == ({} if row.given is NOTHING else row.given)
        if row.state in ("WAIT", "SPAWN", "CHECK"):
            assert step.reason == row.reason
        elif row.state == "CANCELLED":
            assert step.reason.startswith(row.reason)
        elif row.state == "FAIL":
            assert row.error in step.error
        if row.child >= 0:
            assert step.child == self.ids[row.child]
        if row.state == "FAIL" and row.child >= 0:
            assert self.ids[row.child] in step.error

    def compare_state(self, flow: Flow) -> None:
        run_id = self.ids[flow.number]
        if run_id not in self.known:
            assert isinstance(outcome(lambda: self.flows.app.status(run_id)), UnknownFlow)
            info = self.flows.stored_status(run_id)
        else:
            info = self.flows.app.status(run_id)
        assert (info.state, info.position, info.length) == (
            flow.state, flow.position, len(flow.letters),
        )  # fmt: skip
        assert info.routine == flow.routine
        assert info.idempotency_key == flow.key
        assert info.parent == ("" if flow.parent < 0 else self.ids[flow.parent])
        if flow.state in ("DONE", "FAIL", "CANCELLED"):
            given = outcome(lambda: self.flows.app.wait(run_id, WITHIN))
            if flow.state == "DONE":
                assert given == flow.results[flow.key_at(flow.position - 1)]
            else:
                assert isinstance(given, FlowFailed if flow.state == "FAIL" else FlowCancelled)

    def compare_calls(self) -> None:
        """For each row that came: the calls that lead to it, each after the row before it was on
        disk, with the results that there were."""
        deeds: dict[str, list[Deed]] = {}
        for deed in RECORD.take():
            deeds.setdefault(deed.run_id, []).append(deed)
        for flow in self.world.flows.values():
            run_id = self.ids[flow.number]
            expected = [
                (number, row.calls[0], row.position, row.calls[1])
                for number, row in enumerate(flow.rows)
                if number >= self.done[run_id] and row.calls[1]
            ]
            made = deeds.pop(run_id, [])
            calls = [
                (*what, len(list(group)))
                for what, group in groupby(made, lambda deed: (deed.rows, deed.word, deed.index))
            ]
            for deed in made:
                assert deed.results == flow.results_at(deed.rows)
            if self.hurried:  # the attempts of a step that was stopped are made anew
                assert [call[:3] for call in calls] == [call[:3] for call in expected]
                assert all(c[3] >= e[3] for c, e in zip(calls, expected, strict=True))
            else:
                assert calls == expected
            self.done[run_id] = len(flow.rows)
        assert not deeds
        self.hurried = False

    def compare_lists(self) -> None:
        app = self.flows.app
        in_memory = [
            flow for flow in self.world.flows.values() if self.ids[flow.number] in self.known
        ]
        assert {info.id for info in app.list()} == {self.ids[flow.number] for flow in in_memory}
        states = Counter(flow.state for flow in in_memory)
        assert app.flow_statistics().states == states
        ended = {
            self.ids[flow.number] for flow in self.world.flows.values()
            if flow.state in ("DONE", "FAIL", "CANCELLED")
        }  # fmt: skip
        assert {info.id for info in self.flows.ended()} == ended


@pytest.mark.usefixtures("quiet_logs")
@pytest.mark.timeout(180 + EXAMPLES * 6)
def test_random_flows_do_what_the_model_says() -> None:
    print(f"TASK_THREAD_SEED={SEED}")
    run_state_machine_as_test(
        seed(SEED)(Flows),
        settings=settings(
            max_examples=EXAMPLES or 40,
            stateful_step_count=30 if EXAMPLES else 15,
            deadline=None,
            derandomize=False,
            print_blob=True,
            report_multiple_bugs=False,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
