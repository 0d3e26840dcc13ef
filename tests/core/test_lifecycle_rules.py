"""The table of a thread's life, and which of two exit reasons counts. Pure."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_thread.core.lifecycle import (
    FINAL,
    TRANSITIONS,
    Event,
    ExitKind,
    ExitReason,
    State,
    advance,
    diagram,
)

KINDS: tuple[ExitKind, ...] = get_args(ExitKind)
events = st.lists(st.sampled_from(list(Event)))
reasons = st.builds(ExitReason, st.sampled_from(KINDS), detail=st.text(max_size=3))


def live(happened: list[Event]) -> list[State]:
    """The states that a thread passes through; what changes nothing is left out."""
    states = [State.NEW]
    for event in happened:
        following = advance(states[-1], event)
        if following is not None:
            states.append(following)
    return states


def test_a_whole_life() -> None:
    assert live([Event.RUN, Event.ENTERED, Event.STOP, Event.ENDED]) == [
        State.NEW,
        State.STARTING,
        State.RUNNING,
        State.STOPPING,
        State.STOPPED,
    ]


def test_every_state_has_its_line_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {State.STOPPED, State.CRASHED, State.ABANDONED} == FINAL


@given(events)
def test_no_state_comes_twice(happened: list[Event]) -> None:
    states = live(happened)
    assert len(states) == len(set(states))


@given(events)
def test_a_final_state_is_the_last(happened: list[Event]) -> None:
    assert not FINAL & set(live(happened)[:-1])


@given(st.sampled_from(list(State)), st.sampled_from(list(Event)))
def test_nothing_leaves_a_final_state(state: State, event: Event) -> None:
    if state in FINAL:
        assert advance(state, event) is None


@given(events)
def test_a_stop_is_never_lost(happened: list[Event]) -> None:
    """Wherever a life stands, a stop followed by an end leads to a final state."""
    assert live([*happened, Event.STOP, Event.ENDED])[-1] in FINAL


@given(events)
def test_running_only_once_entered(happened: list[Event]) -> None:
    states = live(happened)
    if State.RUNNING in states:
        assert states.index(State.STARTING) < states.index(State.RUNNING)


@given(events)
def test_every_way_to_an_orderly_end_passes_through_stopping(happened: list[Event]) -> None:
    states = live(happened)
    if State.RUNNING in states and states[-1] in {State.STOPPED, State.CRASHED}:
        assert State.STOPPING in states


@given(reasons, reasons)
def test_the_graver_reason_counts_and_of_equals_the_first(
    first: ExitReason, second: ExitReason
) -> None:
    worst = first.worst(second)
    assert worst in {first, second}
    if first.kind == second.kind:
        assert worst is first
    else:
        assert first.worst(second) == second.worst(first)


@given(reasons, reasons, reasons)
def test_the_order_in_which_reasons_are_compared_does_not_matter(
    one: ExitReason, two: ExitReason, three: ExitReason
) -> None:
    assert one.worst(two).worst(three).kind == one.worst(two.worst(three)).kind


@given(reasons, reasons)
def test_what_failed_is_never_hidden(first: ExitReason, second: ExitReason) -> None:
    assert first.worst(second).failed == (first.failed or second.failed)


@pytest.mark.parametrize("state", list(State))
def test_the_diagram_shows_every_line_of_the_table(state: State) -> None:
    picture = diagram()
    for event, following in TRANSITIONS[state].items():
        assert f"{state.value} --> {following.value}: {event.value}" in picture
    assert (f"{state.value} --> [*]" in picture) == (state in FINAL)
