"""The rules of supervision, one by one: no thread, no loop, and the time as an argument."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    affected,
    check_settings,
    is_restarted,
)
from tests.supervision.parts import RESTART_TYPES, STRATEGIES, RestartType, Strategy

CRASH = ExitReason("crash", ValueError("told to"))
NORMAL = ExitReason("normal")
SHUTDOWN = ExitReason("shutdown")
KINDS: tuple[Literal["normal", "shutdown", "crash", "timeout", "abandoned"], ...] = (
    "normal",
    "shutdown",
    "crash",
    "timeout",
    "abandoned",
)


def plan_of(
    names: str, strategy: Strategy = "one_for_one", limit: int = 10, window: float = 5.0,
    rule: ChildRule | None = None, auto: Any = "any_significant",
) -> Plan[str]:  # fmt: skip
    """A plan whose children are all up."""
    plan: Plan[str] = Plan(strategy, limit, window, auto)
    for name in names:
        assert plan.add(name, rule or ChildRule(), 0.0) == [Start(name)]
        assert plan.started(name, 0.0) == []
    return plan


def settle(plan: Plan[str], actions: Sequence[Action[str]], now: float) -> list[Action[str]]:
    """Do what the plan says, all of it with success, until there is nothing more to do."""
    done: list[Action[str]] = []
    due = list(actions)
    while due:
        action = due.pop(0)
        done.append(action)
        if isinstance(action, Start):
            due += plan.started(action.key, now)
        elif isinstance(action, Stop):
            due += plan.ended(action.key, SHUTDOWN, now)
    return done


# ---- who, and after what ------------------------------------------------------------------


@pytest.mark.parametrize("restart", RESTART_TYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_who_is_restarted(restart: RestartType, kind: Any) -> None:
    failed = kind in ("crash", "timeout", "abandoned")
    expected = {"permanent": True, "transient": failed, "temporary": False}[restart]
    assert is_restarted(restart, ExitReason(kind)) is expected


@given(st.lists(st.integers(), unique=True, min_size=1), st.data())
def test_whom_it_concerns(order: list[int], data: st.DataObject) -> None:
    failed = data.draw(st.sampled_from(order))
    assert affected("one_for_one", order, failed) == [failed]
    assert affected("one_for_all", order, failed) == order
    rest = affected("rest_for_one", order, failed)
    assert rest[0] == failed
    assert [*order[: order.index(failed)], *rest] == order


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (("none_for_one", 3, 5.0, "never"), ValueError),
        (("one_for_one", -1, 5.0, "never"), ValueError),
        (("one_for_one", 3.5, 5.0, "never"), TypeError),
        (("one_for_one", "3", 5.0, "never"), TypeError),
        (("one_for_one", 3, 0.0, "never"), ValueError),
        (("one_for_one", 3, -1.0, "never"), ValueError),
        (("one_for_one", 3, math.nan, "never"), ValueError),
        (("one_for_one", 3, "5", "never"), TypeError),
        (("one_for_one", 3, 5.0, "sometimes"), ValueError),
    ],
)
def test_settings_that_make_no_sense(wrong: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_settings(*wrong)
    with pytest.raises(error):
        Plan(*wrong)
    plan = plan_of("a")
    with pytest.raises(error):
        plan.configure(*wrong)
    assert plan.ended("a", CRASH, 0.0) == [Start("a")]  # as before


def test_settings_that_do() -> None:
    check_settings("rest_for_one", 0, 1, "all_significant")
    check_settings("one_for_one", 10**6, math.inf, "never")


def test_rules_that_make_no_sense() -> None:
    wrong: Any = "sometimes"
    with pytest.raises(ValueError, match="permanent, transient, temporary"):
        ChildRule(wrong)
    with pytest.raises(ValueError, match="significant"):
        ChildRule("permanent", significant=True)
    with pytest.raises(TypeError, match="Backoff"):
        ChildRule("permanent", backoff=wrong)


# ---- the order ----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("failed", "abcd")
def test_the_order_of_a_restart(strategy: Strategy, failed: str) -> None:
    plan = plan_of("abcd", strategy)
    group = "".join(affected(strategy, "abcd", failed))
    done = settle(plan, plan.ended(failed, CRASH, 1.0), 1.0)
    assert done == [
        *(Stop(name) for name in reversed(group) if name != failed),
        *(Start(name) for name in group),
    ]
    assert {plan.phase(name) for name in "abcd"} == {Phase.UP}


def test_one_at_a_time_in_a_group() -> None:
    plan = plan_of("abc", "one_for_all")
    assert plan.ended("b", CRASH, 1.0) == [Stop("c")]
    assert plan.tick(1.0) == []  # c has not ended yet
    assert plan.ended("c", SHUTDOWN, 1.0) == [Stop("a")]
    assert plan.ended("a", SHUTDOWN, 1.0) == [Start("a")]
    assert plan.tick(1.0) == []  # a has not entered yet
    assert plan.started("a", 1.0) == [Start("b")]
    assert plan.started("b", 1.0) == [Start("c")]
    assert plan.started("c", 1.0) == []


def test_all_at_once_where_each_is_for_itself() -> None:
    plan = plan_of("abc")
    assert plan.ended("b", CRASH, 1.0) == [Start("b")]
    assert plan.ended("a", CRASH, 1.0) == [Start("a")]
    assert plan.started("a", 1.0) == []
    assert plan.phase("b") is Phase.STARTING


def test_one_for_all_begins_once_more_when_a_start_fails() -> None:
    plan = plan_of("abc", "one_for_all")
    settle_until = plan.ended("a", CRASH, 1.0)
    assert settle_until == [Stop("c")]
    plan.ended("c", SHUTDOWN, 1.0)
    assert plan.ended("b", SHUTDOWN, 1.0) == [Start("a")]
    assert plan.started("a", 1.0) == [Start("b")]
    assert plan.ended("b", CRASH, 1.0) == [Stop("a")]
    assert settle(plan, plan.ended("a", SHUTDOWN, 1.0), 1.0) == [
        Start("a"),
        Start("b"),
        Start("c"),
    ]


def test_rest_for_one_goes_on_where_a_start_failed() -> None:
    plan = plan_of("abc", "rest_for_one")
    assert plan.ended("a", CRASH, 1.0) == [Stop("c")]
    plan.ended("c", SHUTDOWN, 1.0)
    plan.ended("b", SHUTDOWN, 1.0)
    assert plan.started("a", 1.0) == [Start("b")]
    assert settle(plan, plan.ended("b", CRASH, 1.0), 1.0) == [Start("b"), Start("c")]


def test_what_ends_before_its_turn_to_be_stopped_ends_with_its_group() -> None:
    plan = plan_of("abc", "one_for_all", limit=1)
    assert plan.ended("a", CRASH, 1.0) == [Stop("c")]
    assert plan.ended("b", CRASH, 1.0) == []  # it counts nothing
    assert settle(plan, plan.ended("c", SHUTDOWN, 1.0), 1.0) == [
        Start("a"),
        Start("b"),
        Start("c"),
    ]


# ---- by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_stopped_by_hand_it_stays_down(strategy: Strategy) -> None:
    plan = plan_of("abc", strategy)
    assert plan.stop("b", 1.0) == [Stop("b")]
    assert plan.stop("b", 1.0) == []
    assert plan.ended("b", SHUTDOWN, 1.0) == []
    assert plan.phase("b") is Phase.GONE
    assert plan.stop("b", 1.0) == []
    assert Start("b") not in settle(plan, plan.ended("a", CRASH, 2.0), 2.0)
    assert settle(plan, plan.restart("b", 3.0), 3.0) == [Start("b")]
    assert plan.tick(4.0) == []  # no stop was left over
    assert plan.phase("b") is Phase.UP


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stop_by_hand_wins_over_the_groups_restart(strategy: Strategy) -> None:
    plan = plan_of("abc", strategy)
    plan.ended("a", CRASH, 1.0)
    plan.stop("b", 1.0)
    plan.ended("b", CRASH, 1.0)  # by itself, this moment
    if strategy != "one_for_one":
        settle(plan, plan.ended("c", SHUTDOWN, 1.0), 1.0)
    assert plan.phase("b") is Phase.GONE
    assert plan.is_coming("b") is False


def test_restarts_by_hand_never_count() -> None:
    plan = plan_of("a", limit=0)
    for number in range(20):
        done = settle(plan, plan.restart("a", float(number) / 100), float(number) / 100)
        assert done == [Stop("a"), Start("a")]
    assert plan.ended("a", CRASH, 1.0) == [GiveUp("a")]


def test_a_restart_by_hand_that_fails_is_not_tried_again() -> None:
    plan = plan_of("a")
    assert plan.restart("a", 1.0) == [Stop("a")]
    assert plan.ended("a", SHUTDOWN, 1.0) == [Start("a")]
    assert plan.was_by_hand("a")
    assert plan.ended("a", CRASH, 1.0) == []
    assert plan.phase("a") is Phase.GONE
    assert settle(plan, plan.restart("a", 1.0), 1.0) == [Start("a")]
    assert not plan.was_by_hand("a")


def test_a_group_brings_back_what_had_ended_well_and_not_what_was_stopped() -> None:
    plan = plan_of("abc", "one_for_all", rule=ChildRule("transient"))
    assert plan.ended("b", NORMAL, 1.0) == []
    settle(plan, plan.stop("c", 1.0), 1.0)
    done = settle(plan, plan.ended("a", CRASH, 1.0), 1.0)
    assert done == [Start("a"), Start("b")]


def test_removed_it_is_no_longer_there() -> None:
    plan = plan_of("ab", "one_for_all")
    settle(plan, plan.stop("a", 1.0), 1.0)
    assert plan.remove("a") == [Forget("a")]
    assert "a" not in plan
    assert plan.keys() == ["b"]
    assert settle(plan, plan.ended("b", CRASH, 1.0), 1.0) == [Start("b")]


# ---- the first start ----------------------------------------------------------------------


@pytest.mark.parametrize("restart", RESTART_TYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_first_start_that_fails_is_forgotten(restart: RestartType, kind: Any) -> None:
    plan: Plan[str] = Plan("one_for_one", 0, 5.0)
    assert plan.add("a", ChildRule(restart), 0.0) == [Start("a")]
    assert plan.ended("a", ExitReason(kind), 0.0) == [Forget("a")]
    assert plan.keys() == []
    assert not plan.closed


# ---- temporary ones, significant ones -----------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_temporary_one_is_forgotten_at_its_end(kind: Any) -> None:
    plan = plan_of("a", rule=ChildRule("temporary"))
    assert plan.ended("a", ExitReason(kind), 1.0) == [Forget("a")]
    assert plan.keys() == []


def test_a_temporary_one_is_stopped_with_the_group_and_not_restarted() -> None:
    plan = plan_of("a", "one_for_all", limit=1)
    settle(plan, plan.add("b", ChildRule("temporary"), 0.0), 0.0)
    done = settle(plan, plan.ended("a", CRASH, 1.0), 1.0)
    assert done == [Stop("b"), Forget("b"), Start("a")]


def test_any_significant_one() -> None:
    plan = plan_of("ab", rule=ChildRule("transient", significant=True))
    assert plan.ended("a", CRASH, 1.0) == [Start("a")]
    plan.started("a", 1.0)
    assert plan.ended("a", NORMAL, 1.0) == [Shut("a")]
    assert plan.closed


def test_all_significant_ones() -> None:
    plan = plan_of("ab", rule=ChildRule("transient", significant=True), auto="all_significant")
    settle(plan, plan.add("c", ChildRule(), 0.0), 0.0)
    assert plan.ended("a", NORMAL, 1.0) == []
    assert plan.ended("b", SHUTDOWN, 1.0) == [Shut("b")]


def test_a_temporary_significant_one_is_forgotten_and_ends_its_parent() -> None:
    plan = plan_of("a", rule=ChildRule("temporary", significant=True))
    assert sorted(plan.ended("a", CRASH, 1.0), key=repr) == [Forget("a"), Shut("a")]


def test_never_means_never() -> None:
    plan = plan_of("a", rule=ChildRule("transient", significant=True), auto="never")
    assert plan.ended("a", NORMAL, 1.0) == []
    assert not plan.closed


@pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
def test_an_end_by_hand_or_with_the_group_is_nobodys_end(auto: Any) -> None:
    rule = ChildRule("transient", significant=True)
    plan = plan_of("ab", "one_for_all", rule=rule, auto=auto)
    settle(plan, plan.add("c", ChildRule(), 0.0), 0.0)
    settle(plan, plan.ended("c", CRASH, 1.0), 1.0)
    settle(plan, plan.stop("a", 2.0), 2.0)
    settle(plan, plan.stop("b", 2.0), 2.0)
    assert not plan.closed


# ---- how often ----------------------------------------------------------------------------

# In quarters, so that restarts fall on the window's edge; mostly short, so that there are many.
quarters = st.integers(0, 12).map(lambda number: number / 4)
steps = st.lists(quarters | st.floats(min_value=0, max_value=10), min_size=1, max_size=40)


def test_the_window_slides() -> None:
    plan = plan_of("a", limit=2, window=1.0)
    for now in (0.0, 0.6, 1.2):  # at 1.2 the first one has fallen out, and no other
        assert plan.ended("a", CRASH, now) == [Start("a")]
        plan.started("a", now)
    assert plan.ended("a", CRASH, 1.5) == [GiveUp("a")]


def test_a_restart_on_the_edge_of_the_window_counts() -> None:
    for now, gives_up in ((5.0, True), (math.nextafter(5.0, 6.0), False)):
        plan = plan_of("a", limit=1, window=5.0)
        plan.ended("a", CRASH, 0.0)
        plan.started("a", 0.0)
        assert (plan.ended("a", CRASH, now) == [GiveUp("a")]) is gives_up


@given(steps, st.integers(0, 5), quarters.filter(bool) | st.floats(min_value=0.001, max_value=20))
def test_it_gives_up_exactly_when_there_were_too_many_in_the_window(
    pauses: list[float], limit: int, window: float
) -> None:
    plan = plan_of("a", limit=limit, window=window)
    times: list[float] = []
    now = 0.0
    for pause in pauses:
        now += pause
        times.append(now)
        recent = [time for time in times if time >= now - window]
        actions = plan.ended("a", CRASH, now)
        if len(recent) > limit:
            assert actions == [GiveUp("a")]
            assert plan.closed
            return
        assert actions == [Start("a")]
        plan.started("a", now)


@given(steps, st.integers(0, 5), st.sampled_from(STRATEGIES), st.randoms(use_true_random=False))
def test_it_counts_groups_once_and_children_together(
    pauses: list[float], limit: int, strategy: Strategy, chance: Any
) -> None:
    plan = plan_of("abc", strategy, limit=limit, window=math.inf)
    now = 0.0
    for number, pause in enumerate(pauses, 1):
        now += pause
        actions = plan.ended(chance.choice("abc"), CRASH, now)
        if number > limit:
            assert [type(action) for action in actions] == [GiveUp]
            return
        settle(plan, actions, now)


def test_starts_that_fail_count_too() -> None:
    plan = plan_of("a", limit=3, window=1.0)
    assert plan.ended("a", CRASH, 1.0) == [Start("a")]
    assert plan.ended("a", CRASH, 1.1) == [Start("a")]
    assert plan.ended("a", CRASH, 1.2) == [Start("a")]
    assert plan.ended("a", CRASH, 1.3) == [GiveUp("a")]


def test_nothing_is_started_once_it_has_given_up() -> None:
    plan = plan_of("abc", "one_for_all", limit=0)
    assert plan.ended("b", CRASH, 1.0) == [GiveUp("b")]
    assert plan.ended("c", SHUTDOWN, 1.0) == []
    assert plan.ended("a", CRASH, 1.0) == []
    assert plan.tick(9.0) == []
    assert not any(plan.is_coming(name) for name in "abc")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_is_started_once_the_parent_ends(strategy: Strategy) -> None:
    plan = plan_of("abc", strategy, limit=0)
    plan.close()
    for name in "abc":
        assert plan.ended(name, CRASH, 1.0) == []
    assert plan.tick(2.0) == []


# ---- how soon -----------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1), st.booleans()), max_size=20),
    st.floats(0, 50),
)
def test_a_pause_is_what_the_backoff_says(
    lives: list[tuple[float, float, bool]], healthy: float
) -> None:
    """Each life: how long it lasted, the luck of its pause, whether its start failed."""
    backoff = Backoff(initial=0.5, factor=2, maximum=30, jitter=0.5, healthy=healthy)
    plan = plan_of("a", limit=1000, window=0.001, rule=ChildRule(backoff=backoff))
    now, failures, up = 0.0, 0, True
    for lasted, luck, fails in lives:
        since = now
        now += lasted if up else 0.0
        good_for = now - since
        actions = plan.ended("a", CRASH, now, luck)
        failures = 1 if good_for >= healthy else failures + 1
        due = now + backoff.delay(failures, luck)
        assert actions == [Wait(due)]
        assert plan.is_coming("a")
        assert plan.tick(math.nextafter(due, 0)) == [Wait(due)]
        assert plan.tick(due) == [Start("a")]
        now = due
        up = not fails
        if up:
            assert plan.started("a", now) == []


def test_a_pause_ends_by_hand() -> None:
    pause = ChildRule(backoff=Backoff(initial=10, jitter=0))
    plan = plan_of("a", rule=pause)
    assert plan.ended("a", CRASH, 1.0) == [Wait(11.0)]
    assert plan.restart("a", 2.0) == [Start("a")]
    plan.started("a", 2.0)
    assert plan.ended("a", CRASH, 3.0) == [Wait(23.0)]  # it was not healthy for long
    assert plan.stop("a", 4.0) == []
    assert plan.phase("a") is Phase.GONE
    assert plan.tick(100.0) == []


def test_in_a_group_those_behind_wait_too() -> None:
    plan = plan_of("a", "one_for_all")
    settle(plan, plan.add("b", ChildRule(backoff=Backoff(initial=10, jitter=0)), 0.0), 0.0)
    settle(plan, plan.add("c", ChildRule(), 0.0), 0.0)
    done = settle(plan, plan.ended("b", CRASH, 1.0), 1.0)
    assert done == [Stop("c"), Stop("a"), Start("a"), Wait(11.0)]
    assert plan.add("d", ChildRule(), 2.0) == [Wait(11.0)]
    assert settle(plan, plan.tick(11.0), 11.0) == [Start("b"), Start("c"), Start("d")]


def test_where_each_is_for_itself_the_earliest_pause_is_told() -> None:
    rules = [ChildRule(backoff=Backoff(initial=wait, jitter=0)) for wait in (10, 3)]
    plan: Plan[str] = Plan("one_for_one", 10, 5.0)
    for name, rule in zip("ab", rules, strict=True):
        settle(plan, plan.add(name, rule, 0.0), 0.0)
    first = plan.ended("a", CRASH, 1.0)
    assert first == [Wait(11.0)]
    assert min(each.until for each in plan.ended("b", CRASH, 1.0) if isinstance(each, Wait)) == 4.0
    actions = plan.tick(4.0)
    assert Start("b") in actions
    assert Wait(11.0) in actions
