"""How many flows are where, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from task_thread.flows.census import Place
from task_thread.flows.spec import Routine
from task_thread.flows.words import FlowState

__all__ = ["FlowStatistics", "RoutineStatistics", "statistics_of"]


@dataclass(frozen=True, slots=True)
class RoutineStatistics:
    """How many flows of one version of a routine are where.

    :ivar routine: that version.
    :ivar is_current: whether a new flow of that name takes it.
    :ivar places: how many flows are at a task (its place, counted from 0; the number of tasks for
        those that are done) in a state; those that have ended a while ago are not counted.
    """

    routine: Routine
    is_current: bool
    places: Mapping[tuple[int, FlowState], int]


@dataclass(frozen=True, slots=True)
class FlowStatistics:
    """How many flows of an app are where.

    :ivar name: the app's name.
    :ivar routines: those of today, and those that flows under way have started with.
    :ivar states: how many flows are in each state in which there is one; those that have ended a
        while ago are not counted.
    """

    name: str
    routines: tuple[RoutineStatistics, ...]
    states: Mapping[FlowState, int]


def statistics_of(
    name: str,
    current: Mapping[str, Routine],
    versions: Mapping[str, Routine],
    places: Mapping[Place, int],
) -> FlowStatistics:
    """Put together what is known.

    :param current: the routines of today, by name and version.
    :param versions: all that flows have started with, by name and version.
    :param places: how many flows are at a task of a version, in a state.
    """
    of: dict[str, dict[tuple[int, FlowState], int]] = {id: {} for id in current}
    states: dict[FlowState, int] = {}
    for (id, position, state), number in places.items():
        of.setdefault(id, {})[position, state] = number
        states[state] = states.get(state, 0) + number
    routines = [
        RoutineStatistics(routine, id in current, of[id])
        for id in sorted(of)
        if (routine := current.get(id) or versions.get(id)) is not None
    ]
    return FlowStatistics(name, tuple(routines), states)
