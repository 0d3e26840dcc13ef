"""The rules for tasks that raised: which action, and how long a pause. Pure."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_thread import Backoff, on_error
from task_thread.core.supervision import check_action, policy_of

seconds = st.floats(min_value=0, max_value=1000)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    initial = draw(seconds)
    return Backoff(
        initial=initial,
        factor=draw(st.floats(min_value=1, max_value=100)),
        maximum=initial + draw(seconds),
        jitter=draw(st.floats(min_value=0, max_value=1)),
        healthy=draw(seconds),
    )


failures = st.integers(min_value=1, max_value=10_000)
luck = st.floats(min_value=0, max_value=1)


def test_defaults() -> None:
    assert Backoff() == Backoff(initial=0.1, factor=2.0, maximum=30.0, jitter=0.1, healthy=60.0)


def test_pauses_double_up_to_the_maximum() -> None:
    backoff = Backoff(initial=1, factor=2, maximum=10, jitter=0)
    assert [backoff.delay(number) for number in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_no_failure_no_pause() -> None:
    assert Backoff().delay(0) == 0.0


@given(backoffs(), failures, luck)
def test_a_pause_is_finite_and_within_its_jitter(
    backoff: Backoff, number: int, chance: float
) -> None:
    pause = backoff.delay(number, chance)
    assert math.isfinite(pause)
    middle = backoff.delay(number)
    slack = middle * backoff.jitter + 1e-9
    assert middle - slack <= pause <= middle + slack
    assert 0 <= middle <= backoff.maximum + 1e-9


@given(backoffs(), failures)
def test_pauses_never_get_shorter(backoff: Backoff, number: int) -> None:
    assert backoff.delay(number) <= backoff.delay(number + 1) + 1e-9


@given(backoffs(), st.integers(min_value=0, max_value=1000), seconds)
def test_after_a_healthy_time_the_pauses_start_over(
    backoff: Backoff, before: int, good_for: float
) -> None:
    now = backoff.failures_after(before, good_for)
    assert now == (1 if good_for >= backoff.healthy else before + 1)


WRONG: list[dict[str, float]] = [
    {"initial": -1},
    {"initial": 2, "maximum": 1},
    {"factor": 0.5},
    {"jitter": -0.1},
    {"jitter": 1.1},
    {"healthy": -1},
    {"initial": math.nan},
    {"factor": math.nan},
    {"maximum": math.nan},
    {"jitter": math.nan},
    {"healthy": math.nan},
]


@pytest.mark.parametrize("numbers", WRONG, ids=str)
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="backoff"):
        Backoff(**numbers)


@pytest.mark.parametrize("action", ["crash", "restart", "log"])
def test_the_three_words(action: str) -> None:
    assert check_action(action) == action


@given(st.text())
def test_any_other_word_is_refused_with_those_that_there_are(word: str) -> None:
    if word not in {"crash", "restart", "log"}:
        with pytest.raises(ValueError, match="crash, restart, log"):
            check_action(word)


async def plain() -> None:
    """Not decorated."""


def test_the_class_says_what_holds_for_plain_functions() -> None:
    assert policy_of(plain, "restart", Backoff(initial=1)) == ("restart", Backoff(initial=1))


def test_a_decorated_function_says_it_for_itself() -> None:
    decorated = on_error("log")(plain_copy())
    assert policy_of(decorated, "crash", Backoff(initial=1)) == ("log", Backoff(initial=1))
    other = Backoff(initial=2)
    decorated = on_error("restart", backoff=other)(plain_copy())
    assert policy_of(decorated, "crash", Backoff(initial=1)) == ("restart", other)


def plain_copy() -> Any:
    async def copy() -> None:
        """To be decorated."""

    return copy


def test_decorating_keeps_the_function() -> None:
    function = plain_copy()
    assert on_error("log")(function) is function
