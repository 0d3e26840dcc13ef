"""The rules against an independent, naive model, under any sequence of what may happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from task_thread import Backoff, ExitReason
from task_thread.core.plan import (
    Action,
    Forget,
    GiveUp,
    Phase,
    Plan,
    Shut,
    Start,
    Stop,
    Wait,
)
from task_thread.core.strategy import (
    ChildRule,
)
from tests.supervision.parts import RESTART_TYPES, STRATEGIES, RestartType, Strategy

Kind = Literal["normal", "shutdown", "crash", "timeout", "abandoned"]
KINDS: tuple[Kind, ...] = ("normal", "shutdown", "crash", "timeout", "abandoned")
FAILED = ("crash", "timeout", "abandoned")
Told = tuple[str, int]


# ---- the model: one thing happens, and all that follows from it happens at once -----------


class Over(Exception):
    """The parent gives up, or ends with a significant child."""


@dataclass
class Child:
    restart: RestartType
    significant: bool
    state: str = "down"  # or up, done (it ended for good), held (it was stopped by hand)


@dataclass
class Model:
    """What supervision is, told as simply as one can.

    :ivar fails: whether the next start fails.
    """

    strategy: Strategy
    limit: int
    window: float
    auto: str
    fails: Callable[[], bool]
    now: float = 0.0
    children: dict[int, Child] = field(default_factory=dict)
    restarts: list[float] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def add(self, key: int, child: Child) -> None:
        self.told.append(("start", key))
        if self.fails():
            self.told.append(("forget", key))
            return
        child.state = "up"
        self.children[key] = child

    def end(self, key: int, kind: Kind) -> None:
        child = self.children[key]
        if child.restart == "temporary" or (child.restart == "transient" and kind not in FAILED):
            self.leave(key, "done")
            if child.significant and self.auto != "never":
                left = [each for each in self.children.values() if each.significant]
                if self.auto == "any_significant" or all(
                    each.state in ("done", "held") for each in left
                ):
                    self.told.append(("shut", key))
                    raise Over
            return
        self.restart_group(key)

    def restart_group(self, key: int) -> None:
        self.restarts.append(self.now)
        if sum(time >= self.now - self.window for time in self.restarts) > self.limit:
            self.told.append(("give up", key))
            raise Over
        self.children[key].state = "down"
        keys = list(self.children)
        if self.strategy == "one_for_one":
            keys = [key]
        elif self.strategy == "rest_for_one":
            keys = keys[keys.index(key) :]
        for each in reversed(keys):
            if self.children[each].state == "up":
                self.told.append(("stop", each))
                self.leave(each, "down")
            elif self.children[each].state == "done":
                self.children[each].state = "down"
        self.start_those_down()

    def start_those_down(self) -> None:
        for key, child in list(self.children.items()):
            if child.state == "down":
                self.told.append(("start", key))
                if self.fails():
                    self.restart_group(key)
                    return
                child.state = "up"

    def leave(self, key: int, state: str) -> None:
        self.children[key].state = state
        if self.children[key].restart == "temporary":
            self.told.append(("forget", key))
            del self.children[key]

    def stop(self, key: int) -> None:
        if self.children[key].state == "up":
            self.told.append(("stop", key))
        self.leave(key, "held")

    def bring_back(self, key: int) -> None:
        if self.children[key].state == "up":
            self.told.append(("stop", key))
        self.told.append(("start", key))
        if self.fails():
            self.leave(key, "done")
        else:
            self.children[key].state = "up"

    def remove(self, key: int) -> None:
        self.stop(key)
        if key in self.children:
            self.told.append(("forget", key))
            del self.children[key]


# ---- the plan, driven in the same way -----------------------------------------------------


class Driven:
    """A plan, and a driver that does what it says at once."""

    def __init__(self, plan: Plan[int], fails: Callable[[], bool]) -> None:
        self.plan = plan
        self.fails = fails
        self.told: list[Told] = []
        self.now = 0.0

    def follow(self, actions: list[Action[int]]) -> None:
        due = list(actions)
        while due:
            action = due.pop(0)
            assert not isinstance(action, Wait)
            name = {Start: "start", Stop: "stop", Forget: "forget", GiveUp: "give up", Shut: "shut"}
            self.told.append((name[type(action)], action.key))
            if isinstance(action, Start):
                if self.fails():
                    due += self.plan.ended(action.key, ExitReason("crash"), self.now)
                else:
                    due += self.plan.started(action.key, self.now)
            elif isinstance(action, Stop):
                due += self.plan.ended(action.key, ExitReason("shutdown"), self.now)

    def remove(self, key: int) -> None:
        self.follow(self.plan.stop(key, self.now))
        if key in self.plan:
            self.follow(self.plan.remove(key))


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """What happens, in order: (what, which child as a number, more)."""
    one = st.one_of(
        st.tuples(
            st.just("add"),
            st.sampled_from([(restart, sure) for restart in RESTART_TYPES for sure in (0, 1)]),
        ),
        st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from(KINDS)),
        st.tuples(st.just("end"), st.integers(0, 9), st.just("crash")),
        st.tuples(st.sampled_from(["stop", "bring back", "remove"]), st.integers(0, 9)),
        st.tuples(st.just("time"), st.floats(0, 3)),
    )
    beginning: list[tuple[Any, ...]] = [("add", ("permanent", 0))] * draw(st.integers(1, 3))
    return beginning + draw(st.lists(one, max_size=30))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(STRATEGIES),
    st.integers(0, 4),
    st.floats(0.5, 5),
    st.sampled_from(["any_significant", "all_significant", "never"]),
    st.lists(st.integers(0, 5).map(lambda number: number == 0), max_size=30),
    happenings(),
)
def test_the_plan_does_what_the_model_says(
    strategy: Strategy,
    limit: int,
    window: float,
    auto: Any,
    failures: list[bool],
    events: list[tuple[Any, ...]],
) -> None:
    def fails_of() -> Callable[[], bool]:
        row = iter(failures)
        return lambda: next(row, False)

    model = Model(strategy, limit, window, auto, fails_of())
    driven = Driven(Plan(strategy, limit, window, auto), fails_of())
    plan = driven.plan
    keys = iter(range(100))
    for what, *more in events:
        over = False
        if what == "time":
            model.now += more[0]
            driven.now += more[0]
            continue
        if what == "add":
            restart, sure = more[0]
            significant = bool(sure) and restart != "permanent"
            key = next(keys)
            model.add(key, Child(restart, significant))
            driven.follow(plan.add(key, ChildRule(restart, significant), driven.now))
        elif model.children:
            key = list(model.children)[more[0] % len(model.children)]
            if what == "end":
                if model.children[key].state != "up":
                    continue
                try:
                    model.end(key, more[1])
                except Over:
                    over = True
                driven.follow(plan.ended(key, ExitReason(more[1]), driven.now))
            elif what == "stop":
                model.stop(key)
                driven.follow(plan.stop(key, driven.now))
            elif what == "bring back":
                model.bring_back(key)
                driven.follow(plan.restart(key, driven.now))
            else:
                model.remove(key)
                driven.remove(key)
        assert driven.told == model.told, what
        assert plan.closed is over
        if over:
            return
        assert plan.keys() == list(model.children)
        for key, child in model.children.items():
            assert (plan.phase(key) is Phase.UP) is (child.state == "up")
            assert (plan.phase(key) is Phase.GONE) is (child.state in ("done", "held"))


# ---- everything in any order: what must hold at every moment ------------------------------

PAUSES = st.sampled_from([None, Backoff(initial=1, maximum=4, jitter=0.5, healthy=2)])


class AnyOrder(RuleBasedStateMachine):
    """Instances take their time to start and to end, and whatever may happen happens meanwhile.

    The world knows which instances live; the plan is only told.
    """

    @initialize(
        strategy=st.sampled_from(STRATEGIES),
        limit=st.integers(2, 12),
        auto=st.sampled_from(["any_significant", "all_significant", "never"]),
    )
    def begin(self, strategy: Strategy, limit: int, auto: Any) -> None:
        self.strategy = strategy
        self.plan: Plan[int] = Plan(strategy, limit, 3.0, auto)
        self.now = 0.0
        self.next = 0
        self.agreed: dict[int, ChildRule] = {}
        self.world: dict[int, str] = {}  # absent, starting, up, stopping
        self.held: set[int] = set()
        self.touched: set[int] = set()  # by hand, ever
        self.over = False

    def follow(self, actions: list[Action[int]]) -> None:
        for action in actions:
            if isinstance(action, Wait):
                assert action.until > self.now
                continue
            key = action.key
            if isinstance(action, Start):
                assert not self.over
                assert self.world[key] == "absent"
                assert key not in self.held
                self.check_turn(key)
                self.world[key] = "starting"
            elif isinstance(action, Stop):
                assert self.world[key] in ("starting", "up")
                if self.strategy != "one_for_one":
                    assert "stopping" not in self.world.values()
                self.world[key] = "stopping"
            elif isinstance(action, Forget):
                assert self.world.pop(key) == "absent"
                del self.agreed[key]
                self.held.discard(key)
            else:
                assert isinstance(action, GiveUp | Shut)
                assert self.plan.closed
                self.over = True

    def check_turn(self, key: int) -> None:
        """In a group one starts after the other, in the order of the spawn."""
        if self.strategy == "one_for_one":
            return
        assert not {"starting", "stopping"} & set(self.world.values())
        for other in self.world:
            if other == key:
                return
            assert self.world[other] == "up" or self.plan.phase(other) is Phase.GONE

    def some(self, *states: str) -> list[int]:
        return [key for key, state in self.world.items() if state in states]

    @precondition(lambda self: not self.over and len(self.world) < 6)
    @rule(
        restart=st.sampled_from(RESTART_TYPES),
        significant=st.booleans(),
        backoff=PAUSES,
    )
    def spawn(self, restart: RestartType, significant: bool, backoff: Backoff | None) -> None:
        key = self.next
        self.next += 1
        wanted = significant and restart != "permanent"
        self.agreed[key] = ChildRule(restart, wanted, backoff)
        self.world[key] = "absent"
        self.follow(self.plan.add(key, self.agreed[key], self.now))

    @precondition(lambda self: self.some("starting"))
    @rule(data=st.data())
    def entered(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.some("starting")))
        self.world[key] = "up"
        self.follow(self.plan.started(key, self.now))

    @precondition(lambda self: self.some("starting", "up", "stopping"))
    @rule(data=st.data(), kind=st.sampled_from(KINDS), luck=st.floats(0, 1))
    def ends(self, data: st.DataObject, kind: Kind, luck: float) -> None:
        key = data.draw(st.sampled_from(self.some("starting", "up", "stopping")))
        self.world[key] = "absent"
        self.follow(self.plan.ended(key, ExitReason(kind), self.now, luck))

    @precondition(lambda self: self.world)
    @rule(data=st.data())
    def stop_by_hand(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(list(self.world)))
        self.held.add(key)
        self.follow(self.plan.stop(key, self.now))
        if key in self.plan:
            assert not self.plan.is_coming(key)

    @precondition(lambda self: not self.over and self.world)
    @rule(data=st.data())
    def restart_by_hand(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(list(self.world)))
        self.held.discard(key)
        self.touched.add(key)
        self.follow(self.plan.restart(key, self.now))

    @precondition(lambda self: any(self.plan.phase(key) is Phase.GONE for key in self.world))
    @rule()
    def remove(self) -> None:
        key = next(key for key in self.world if self.plan.phase(key) is Phase.GONE)
        self.follow(self.plan.remove(key))

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.follow(self.plan.tick(self.now))

    @invariant()
    def the_plan_knows_the_world(self) -> None:
        if not hasattr(self, "plan"):
            return
        assert self.plan.keys() == list(self.world)
        says = {Phase.STARTING: "starting", Phase.UP: "up", Phase.STOPPING: "stopping"}
        for key, state in self.world.items():
            assert says.get(self.plan.phase(key), "absent") == state
            if self.over:
                assert not self.plan.is_coming(key)

    def teardown(self) -> None:
        """Let all that is under way go well: then everybody who is to be there is there."""
        if not hasattr(self, "plan"):
            return
        for _ in range(200):
            self.now += 10
            self.follow(self.plan.tick(self.now))
            if self.some("stopping"):
                key = self.some("stopping")[0]
                self.world[key] = "absent"
                self.follow(self.plan.ended(key, ExitReason("shutdown"), self.now))
            elif self.some("starting"):
                key = self.some("starting")[0]
                self.world[key] = "up"
                self.follow(self.plan.started(key, self.now))
            else:
                break
        else:
            raise AssertionError("it never comes to rest")
        if self.over:
            return
        for key in self.world:
            up = self.world[key] == "up"
            assert up or self.plan.phase(key) is Phase.GONE
            assert not (up and key in self.held)
            if self.agreed[key].restart == "permanent" and key not in self.held | self.touched:
                assert up  # nothing but a hand keeps a permanent one down


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
