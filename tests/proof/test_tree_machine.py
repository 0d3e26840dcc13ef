"""A machine that adds, sends, stops, crashes and joins in any order, and holds a tree to its
invariants after every step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from task_thread import ExitReason, State, TaskThread, reCreate
from task_thread.core.lifecycle import TRANSITIONS
from task_thread.errors import InboxFull, ThreadEnded
from task_thread.signals import Request, Signal
from tests.proof.conftest import SEED
from tests.proof.trees import FINAL, PATIENCE, Bookkeeper, Numbered, Planned, check_sums, placed

T = TypeVar("T")


class CrashHandler(Signal):
    """The handler raises."""


class CrashTask(Signal):
    """The handler starts a task that raises."""


class Quit(Signal):
    """The handler returns False."""


class Leave(Signal):
    """A task asks for the thread's own end."""


class Where(Request[State]):
    """The thread's state, as its handler sees it."""


def reachable(state: State) -> set[State]:
    """The states that a thread in `state` may be in later, by the table; itself too."""
    found = {state}
    todo = [state]
    while todo:
        for after in TRANSITIONS[todo.pop()].values():
            if after not in found:
                found.add(after)
                todo.append(after)
    return found


LATER: Final = {state: reachable(state) for state in State}


class Node(Bookkeeper):
    """A thread of the tree; notes its state at each hook."""

    stop_timeout = 5.0
    max_qsize = 3

    def __init__(self, parent: TaskThread | None, ends: list[Node]) -> None:
        self.ends = ends  # in the order of their exit__: shared by the whole tree
        self.seen = [State.NEW]
        super().__init__(parent)

    async def enter__(self) -> None:
        self.seen.append(self.state)
        await super().enter__()

    async def stopping__(self) -> None:
        self.seen.append(self.state)
        await super().stopping__()

    async def exit__(self) -> None:
        self.seen.append(self.state)
        self.ends.append(self)
        await super().exit__()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.books.note(signal)
        self.seen.append(self.state)
        if isinstance(signal, CrashHandler):
            raise Planned
        if isinstance(signal, CrashTask):
            self.tasks.crash = await reCreate(None, self.crash)
        elif isinstance(signal, Leave):
            self.tasks.leave = await reCreate(None, self.requestTerminate)
        elif isinstance(signal, Where):
            signal.reply(self.state)
        return not isinstance(signal, Quit)

    async def crash(self) -> None:
        raise Planned


@dataclass
class Expected:
    """What the model knows of one thread."""

    parent: Node | None
    reason: ExitReason | None = None
    """The reason as it was first seen."""
    kinds: tuple[str, ...] = ()
    """What it may be; empty while it lives."""
    sent: int = 0
    told: bool = False
    """Whether its end is told to its parent: if its enter__ had returned."""


class Trees(RuleBasedStateMachine):
    """One root and what hangs below it. All calls are made from a loop that is no thread's."""

    nodes: Bundle[Node] = Bundle("nodes")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.ends: list[Node] = []
        self.model: dict[Node, Expected] = {}
        self.numbers = 0
        self.last_states: dict[Node, State] = {}

    # ---- the tools ------------------------------------------------------------------------

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        async def limited() -> T:
            async with asyncio.timeout(PATIENCE):
                return await coroutine

        return self.runner.run(limited())

    def lives(self, node: Node) -> bool:
        return not self.model[node].kinds

    def below(self, node: Node) -> list[Node]:
        return [
            each for each, expected in self.model.items() if self.is_below(expected.parent, node)
        ]

    def is_below(self, node: Node | None, ancestor: Node) -> bool:
        while node is not None:
            if node is ancestor:
                return True
            node = self.model[node].parent
        return False

    def ended(self, node: Node, *kinds: str) -> None:
        """The model's part of an end: all that is below ends with it."""
        if not self.lives(node):
            return
        for each in self.below(node):
            if self.lives(each):
                self.model[each].kinds = ("shutdown",)
        self.model[node].kinds = kinds

    def number(self, sender: str) -> Numbered:
        self.numbers += 1
        return Numbered(sender, self.numbers)

    def expect_refusal(self, node: Node, send: Callable[[], object]) -> None:
        with pytest.raises(ThreadEnded):
            send()

    # ---- the rules ------------------------------------------------------------------------

    @initialize(target=nodes, virtual=st.booleans())
    def plant(self, virtual: bool) -> Node:
        # A virtual root would live on the runner's loop, which only turns while a call is made.
        root = Node(None, self.ends)
        self.model[root] = Expected(None)
        root.__enter__()
        if not virtual:
            return root
        trunk = placed(Node, "virtual")(root, self.ends)
        self.model[trunk] = Expected(root, told=True)
        self.do(trunk.run())
        return trunk

    @rule(target=nodes, parent=nodes, virtual=st.booleans(), first_add=st.booleans())
    def add(self, parent: Node, virtual: bool, first_add: bool) -> Any:
        child = placed(Node, "virtual" if virtual else "os")(parent, self.ends)
        if not self.lives(parent):
            self.expect_refusal(parent, lambda: self.do(parent.addChild(child)))
            self.expect_refusal(parent, lambda: self.do(child.run()))
            assert child.state is State.NEW
            return multiple()
        if first_add:
            self.do(parent.addChild(child))
            assert child in parent.children
        self.do(child.run())
        assert child.state is State.RUNNING
        self.model[child] = Expected(parent, told=True)
        return child

    @rule(node=nodes, times=st.integers(1, 8))
    def send_down(self, node: Node, times: int) -> None:
        for _ in range(times):
            signal = self.number("down")
            if not self.lives(node):
                self.expect_refusal(node, lambda s=signal: self.do(node.insertSignal(s)))  # type: ignore[misc]
                return
            self.do(node.insertSignal(signal))
            self.model[node].sent += 1

    @rule(node=nodes, times=st.integers(1, 8))
    def send_up(self, node: Node, times: int) -> None:
        parent = self.model[node].parent
        for _ in range(times):
            signal = self.number(f"up from {node}")
            if parent is not None and not self.lives(parent):
                self.expect_refusal(
                    parent,
                    lambda s=signal: self.do(node.sigFromChildToParent__(s)),  # type: ignore[misc]
                )
                return
            self.do(node.sigFromChildToParent__(signal))
            if parent is not None:
                self.model[parent].sent += 1

    @rule(node=nodes, times=st.integers(1, 8))
    def post(self, node: Node, times: int) -> None:
        for _ in range(times):
            signal = self.number("post")
            if not self.lives(node):
                self.expect_refusal(node, lambda s=signal: node.post(s))  # type: ignore[misc]
                return
            try:
                node.post(signal)
            except InboxFull:
                continue
            self.model[node].sent += 1

    @rule(node=nodes)
    def ask(self, node: Node) -> None:
        if not self.lives(node):
            self.expect_refusal(node, lambda: self.do(node.ask(Where(), timeout=PATIENCE)))
            return
        assert self.do(node.ask(Where(), timeout=PATIENCE)) is State.RUNNING
        self.model[node].sent += 1

    @rule(node=nodes)
    def send_to_all_children(self, node: Node) -> None:
        self.do(node.sigFromParentToChild__(self.number("all")))
        for child, expected in self.model.items():
            if expected.parent is node and self.lives(child):
                expected.sent += 1

    @rule(node=nodes, wait=st.booleans())
    def stop(self, node: Node, wait: bool) -> None:
        if wait:
            self.do(node.stop())
        else:
            self.do(node.terminate())
            self.do(node.join())
        self.ended(node, "shutdown")

    @rule(
        node=nodes,
        how=st.sampled_from(
            [(CrashHandler, "crash"), (CrashTask, "crash"), (Quit, "normal"), (Leave, "normal")]
        ),
        followed_by=st.integers(0, 2),
    )
    def end_by_signal(self, node: Node, how: tuple[type[Signal], str], followed_by: int) -> None:
        """A crash or an end of its own, with more signals behind it: handled, dead or refused."""
        signal, kind = how
        if not self.lives(node):
            self.expect_refusal(node, lambda: self.do(node.insertSignal(signal())))
            return
        self.do(node.insertSignal(signal()))
        self.model[node].sent += 1
        for _ in range(followed_by):
            try:
                self.do(node.insertSignal(self.number("down")))
            except ThreadEnded:
                break
            self.model[node].sent += 1
        self.do(node.join())
        self.ended(node, kind)

    @rule(node=nodes)
    def stop_and_crash_at_once(self, node: Node) -> None:
        """Two ends race; one reason comes out."""
        if not self.lives(node):
            return
        poster = threading.Thread(target=self.post_crash, args=(node,))
        poster.start()
        self.do(node.stop())
        poster.join(PATIENCE)
        assert not poster.is_alive()
        self.ended(node, "shutdown", "crash")

    def post_crash(self, node: Node) -> None:
        try:
            node.post(CrashHandler())
        except (ThreadEnded, InboxFull):
            return
        self.model[node].sent += 1

    @rule(node=nodes)
    def join(self, node: Node) -> None:
        if not self.lives(node):
            assert self.do(node.join()) is node.exit_reason

    @rule(node=nodes)
    def remove(self, node: Node) -> None:
        parent = self.model[node].parent
        if parent is not None and self.lives(parent):
            was_there = node in parent.children
            self.do(parent.delChild(node))
            assert was_there or not self.lives(node)
            self.ended(node, "shutdown")

    # ---- what always holds ----------------------------------------------------------------

    @invariant()
    def states_follow_the_table(self) -> None:
        for node in self.model:
            state = node.state
            assert state in LATER[self.last_states.get(node, State.NEW)]
            self.last_states[node] = state
            seen = list(node.seen)
            for earlier, later in pairwise(seen):
                assert later in LATER[earlier], seen
            assert (state in FINAL) is not self.lives(node), (node, state)

    @invariant()
    def one_reason_each(self) -> None:
        for node, expected in self.model.items():
            if not expected.kinds:
                assert node.exit_reason is None
                continue
            assert node.exit_reason is not None
            assert node.exit_reason.kind in expected.kinds, (node, node.exit_reason)
            assert (node.state is State.CRASHED) == (node.exit_reason.kind == "crash")
            if expected.reason is None:
                expected.reason = node.exit_reason
            assert node.exit_reason is expected.reason

    @invariant()
    def children_end_before_their_parent(self) -> None:
        places = {node: place for place, node in enumerate(list(self.ends))}
        assert len(places) == len(self.ends), "exit__ ran twice"
        for node, expected in self.model.items():
            if expected.kinds:
                assert node.books.hooks == ["enter__", "stopping__", "exit__"]
                if expected.parent in places:
                    assert places[node] < places[expected.parent]
            for child in node.children:
                assert not expected.kinds, f"{node} has ended and has {child}"

    @invariant()
    def every_signal_is_accounted_for(self) -> None:
        for node, expected in self.model.items():
            inbox = node.statistics().inbox
            assert inbox.accepted == inbox.handled + inbox.dead + inbox.depth
            assert inbox.accepted == expected.sent, (node, inbox, expected)
            assert inbox.high_water <= Node.max_qsize
            assert node.books.out_of_order == []
            if expected.kinds:
                check_sums(node)

    @invariant()
    def the_family_is_as_it_was_built(self) -> None:
        for node, expected in self.model.items():
            assert node.parent is expected.parent
            living = [
                child
                for child, theirs in self.model.items()
                if theirs.parent is node and not theirs.kinds
            ]
            assert node.children == living

    def teardown(self) -> None:
        try:
            if self.model:
                root = next(iter(self.model))
                self.do(root.stop())
                self.ended(root, "shutdown")
                self.check_what_parents_were_told()
        finally:
            self.runner.close()

    def check_what_parents_were_told(self) -> None:
        """childExited__ once for each, with its reason; a parent that crashed may miss some."""
        for node, expected in self.model.items():
            self.one_reason_each()
            told = list(node.books.exited)
            assert len({child for child, _ in told}) == len(told)
            for child, reason in told:
                assert isinstance(child, TaskThread)
                assert reason is child.exit_reason
            if "crash" not in expected.kinds:
                children = [each for each, theirs in self.model.items() if theirs.parent is node]
                assert {child for child, _ in told} == set(children)


def test_trees() -> None:
    print(f"TASK_THREAD_SEED={SEED}")
    run_state_machine_as_test(
        seed(SEED)(Trees),
        settings=settings(
            max_examples=150,
            stateful_step_count=30,
            deadline=None,
            derandomize=False,
            print_blob=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
