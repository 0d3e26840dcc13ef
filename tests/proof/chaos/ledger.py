"""Books of what was sent to a supervised child and of what its instances were given.

A signal counts as handled when it enters the handler, whatever the handler does with it then: so
the instances of a child write into one ledger, first thing. Each sender keeps its own list of what
was accepted from it. Both are lists that are only appended to, one thread each or atomically.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from task_thread import Handle, InboxStatistics, TaskThread
from task_thread.signals import Request, Signal


@dataclass(frozen=True)
class Load(Signal):
    """The `number`-th signal of `sender`."""

    sender: str
    number: int


@dataclass(frozen=True, eq=False)
class Question(Request[int]):
    """The same as a request; the reply is its number."""

    sender: str
    number: int


@dataclass(frozen=True)
class Kill(Signal):
    """The handler ends the child, in that way. Takes part in the sums, but in no row."""

    way: str


@dataclass(frozen=True)
class Row:
    """What one sender has sent. Written by that sender alone.

    :ivar accepted: the numbers for which a send has returned.
    :ivar unsure: those for which ``ask`` failed: handled when it ended, or never.
    """

    sender: str
    accepted: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)


class Ledger:
    """What the instances of one child were given, in order. Written by any thread.

    :ivar given: (sender, number) of each signal that entered a handler.
    :ivar kills: how many :class:`Kill` did.
    """

    def __init__(self) -> None:
        self.given: list[tuple[str, int]] = []
        self.kills: list[str] = []

    def note(self, signal: Signal) -> None:
        """A handler was given `signal`."""
        if isinstance(signal, Load | Question):
            self.given.append((signal.sender, signal.number))
        elif isinstance(signal, Kill):
            self.kills.append(signal.way)

    def handled(self) -> int:
        """How many signals were given in all."""
        return len(self.given) + len(self.kills)

    def by_sender(self) -> dict[str, list[int]]:
        """The numbers that were given, in order, for each sender."""
        rows: dict[str, list[int]] = defaultdict(list)
        for sender, number in list(self.given):
            rows[sender].append(number)
        return rows

    def check(self, rows: Iterable[Row], *, dead: int, kills: int) -> None:
        """All that was accepted from `rows` was given once and in order, but for `dead` of them.

        :param kills: how many :class:`Kill` were accepted besides.
        """
        given = self.by_sender()
        accepted, unheard = kills, 0
        for row in rows:
            mine = given.pop(row.sender, [])
            assert mine == sorted(set(mine)), f"{row.sender}: twice or out of order: {mine}"
            stray = set(mine) - set(row.accepted) - set(row.unsure)
            assert not stray, f"{row.sender}: handled, though its send has failed: {stray}"
            accepted += len(row.accepted) + len(set(row.unsure) & set(mine))
            unheard += len(set(row.unsure) - set(mine))
        assert not given, f"from nobody: {given}"
        # A question that failed and was given to nobody was refused, or accepted and died waiting.
        missing = self.handled() + dead - accepted
        assert 0 <= missing <= min(unheard, dead), (
            f"accepted {accepted} (and up to {unheard}), handled {self.handled()}, dead {dead}: "
            f"{self.lost(rows)}"
        )

    def lost(self, rows: Iterable[Row]) -> dict[str, list[int]]:
        """What was accepted and not given, for people."""
        given = self.by_sender()
        return {row.sender: sorted(set(row.accepted) - set(given[row.sender])) for row in rows}


def inbox_of(child: Handle[TaskThread] | TaskThread) -> InboxStatistics:
    """Its inbox, the sums of which agree at every moment."""
    inbox = child.statistics().inbox
    assert inbox.accepted == inbox.handled + inbox.dead + inbox.depth, inbox
    assert inbox.depth >= 0, inbox
    return inbox
