"""A tree under any sequence of starts, signals, stops and crashes keeps its invariants."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from task_thread import State, TaskThread
from task_thread.core.lifecycle import FINAL
from task_thread.errors import ThreadEnded
from task_thread.signals import Signal
from tests.support.threads import Place, message, on_parents_loop, own_thread, payload

LIVE = (State.RUNNING,)


class Node(TaskThread):
    """Counts what it handles, and crashes when told."""

    max_qsize = 3
    handled = 0

    async def signalHandler__(self, signal: Signal) -> None:
        self.handled += 1
        if payload(signal) == "crash":
            raise ValueError("told to")

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.handled += 1

    async def inputOverflowHandler__(self, queue: Any) -> None:
        pass

    async def outputOverflowHandler__(self, queue: Any) -> None:
        pass


class Tree(RuleBasedStateMachine):
    """The model: who should live, who was stopped or told to crash, how much was sent."""

    nodes = Bundle("nodes")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.root = Node()
        self.runner.run(self.root.__aenter__())
        self.all: list[Node] = [self.root]
        self.ended: set[Node] = set()
        self.crashed: set[Node] = set()
        self.sent = 0

    def end(self, node: Node) -> None:
        """In the model: `node` and all below it have ended."""
        self.ended |= {each for each in self.all if each is node or self.below(each, node)}

    @staticmethod
    def below(node: TaskThread, ancestor: TaskThread) -> bool:
        parent = node.parent
        return parent is not None and (parent is ancestor or Tree.below(parent, ancestor))

    def parent_for(self, wanted: Node) -> Node:
        return self.root if wanted in self.ended else wanted

    @rule(target=nodes, place=st.sampled_from([own_thread, on_parents_loop]))
    def grow_from_the_root(self, place: Place) -> Node:
        return self.grown(self.root, place)

    @rule(target=nodes, parent=nodes, place=st.sampled_from([own_thread, on_parents_loop]))
    def grow(self, parent: Node, place: Place) -> Node:
        return self.grown(self.parent_for(parent), place)

    def grown(self, parent: Node, place: Place) -> Node:
        node = place(Node)(parent=parent)
        self.runner.run(node.run())
        self.all.append(node)
        assert node in parent.children
        return node

    @rule(node=nodes, number=st.integers(min_value=1, max_value=8))
    def send(self, node: Node, number: int) -> None:
        for _ in range(number):
            try:
                self.runner.run(node.insertSignal(message(1)))
                assert node not in self.ended
                self.sent += 1
            except ThreadEnded:
                assert node in self.ended

    @rule(node=nodes)
    def send_up(self, node: Node) -> None:
        if node not in self.ended:
            self.runner.run(node.sigFromChildToParent__(message(1)))
            self.sent += 1

    @rule(node=consumes(nodes))
    def stop(self, node: Node) -> None:
        self.runner.run(node.stop())
        self.end(node)

    @rule(node=consumes(nodes))
    def crash(self, node: Node) -> None:
        if node in self.ended:
            return
        self.runner.run(node.insertSignal(message("crash")))
        self.sent += 1
        reason = self.runner.run(node.join())
        assert reason.kind == "crash"
        self.crashed.add(node)
        self.end(node)

    @invariant()
    def states_are_as_the_model_says(self) -> None:
        for node in self.all:
            if node in self.ended:
                assert node.state in FINAL
                assert node.exit_reason is not None
                assert node.exit_reason.failed == (node in self.crashed)
                assert node.children == []
            else:
                assert node.state in LIVE
                assert node.exit_reason is None
                assert node.parent is None or node in node.parent.children

    @invariant()
    def nothing_is_lost(self) -> None:
        counts = [node.statistics().inbox for node in self.all]
        for inbox in counts:
            assert inbox.accepted == inbox.handled + inbox.dead + inbox.depth
            assert inbox.high_water <= 3
        assert sum(inbox.accepted for inbox in counts) == self.sent

    def teardown(self) -> None:
        self.runner.run(self.root.__aexit__(None, None, None))
        self.end(self.root)
        self.states_are_as_the_model_says()
        self.nothing_is_lost()
        for node in self.all:
            inbox = node.statistics().inbox
            assert inbox.depth == 0
            assert inbox.handled == node.handled
        self.runner.close()


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
