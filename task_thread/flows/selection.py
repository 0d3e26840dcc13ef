"""Which flows somebody wants to see, and which one he means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from task_thread.errors import FlowError, UnknownFlow
from task_thread.flows.history import Row
from task_thread.flows.words import FlowState
from task_thread.log import show

__all__ = ["LOOKED_THROUGH", "Selection", "one_of", "selection"]

LOOKED_THROUGH: Final = 2000
"""How many of the flows that have ended are looked through for those that are wanted."""

_DONE, _CANCELLED = FlowState.DONE, FlowState.CANCELLED
_FINAL: Final = frozenset({_DONE, _CANCELLED})
_SHOWN: Final = 5


class Selection(NamedTuple):
    """Which flows are wanted.

    :ivar states: in one of these states; empty: whichever.
    :ivar routine: of the routine of that name; "": of whichever.
    :ivar ended: those that have ended, or failed, the latest first, and no others.
    """

    states: frozenset[FlowState] = frozenset()
    routine: str = ""
    ended: bool = False

    @property
    def among_ended(self) -> bool:
        """Whether it has to be looked among those that have ended."""
        return self.ended or bool(self.states & _FINAL)

    @property
    def among_others(self) -> bool:
        """Whether it has to be looked among those that have not ended for good."""
        return not self.ended and (not self.states or bool(self.states - _FINAL))

    @property
    def takes_all(self) -> bool:
        """Whether each that has ended is wanted: nobody need be looked at in vain."""
        return self.ended and not self.states and not self.routine

    def counts(self, row: Row) -> bool:
        """Whether it belongs to those whose states are counted."""
        state = row.state  # of 10,000 flows that are listed: each turn counts
        return state is not _DONE and state is not _CANCELLED and self._is_of(row)

    def takes(self, row: Row) -> bool:
        """Whether it is wanted."""
        return (not self.states or row.state in self.states) and self._is_of(row)

    def takes_ended(self, row: Row) -> bool:
        """Whether it is, found among those that have ended. One that failed is under way as well,
        and is not told twice."""
        return self.takes(row) and (self.ended or row.state.is_final)

    def _is_of(self, row: Row) -> bool:
        return not self.routine or row.routine.rpartition("@")[0] == self.routine


def selection(
    states: Iterable[str] = (), routine: str | None = None, ended: bool = False
) -> Selection:
    """What is wanted, from words.

    :raises ValueError: there is no such state; the message says which there are.
    """
    found: set[FlowState] = set()
    for word in states:
        try:
            found.add(FlowState(word.upper()))
        except ValueError:
            known = ", ".join(FlowState)
            raise ValueError(f"there is no state {show(word)}: there is {known}") from None
    return Selection(frozenset(found), "" if routine is None else routine, ended)


def one_of(begin: str, found: Sequence[str]) -> str:
    """The run id that is meant by how it begins.

    :param found: the run ids that begin so, one more than are shown at most.
    :raises UnknownFlow: there is none. :raises FlowError: there are several.
    """
    if begin in found:
        return begin
    if len(found) > 1:
        more = ", ..." if len(found) > _SHOWN else ""
        raise FlowError(
            f"several run ids begin with {begin!a}, give more of it: "
            f"{', '.join(sorted(found)[:_SHOWN])}{more}"
        )
    if not found or not begin:
        raise UnknownFlow(f"there is no flow {begin!a}, or it was dropped: its retention is over")
    return found[0]
