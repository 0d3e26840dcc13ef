"""The figures of a run: summed up from what the parts report. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Summary", "Totals", "add_up"]

REJECTED = "rejected "


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What all parts have counted together.

    :ivar sent: frames that the gateway's own good clients have sent.
    :ivar received: frames that were read from clients, bad ones included.
    :ivar rejected: how many of those were refused, by kind.
    :ivar passed: rows that the processor has passed on.
    :ivar written: rows that the database has committed, by its own count.
    :ivar batches: the transactions that it took.
    :ivar connections: TCP clients that were accepted.
    :ivar connections_refused: how many of them were closed because of a bad frame.
    :ivar viewers: viewers that were served over a WebSocket.
    :ivar messages: messages that were sent to them.
    :ivar dead_letters: signals to ended connections or clients that nobody handled.
    :ivar children_failed: connections or clients that ended by an error of the program.
    """

    sent: int = 0
    received: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict[str, int])
    passed: int = 0
    written: int = 0
    batches: int = 0
    connections: int = 0
    connections_refused: int = 0
    viewers: int = 0
    messages: int = 0
    dead_letters: int = 0
    children_failed: int = 0

    @property
    def frames_rejected(self) -> int:
        """All frames that were refused."""
        return sum(self.rejected.values())

    @property
    def frames_in(self) -> int:
        """Frames that were received and not refused: each is to become a row."""
        return self.received - self.frames_rejected


def add_up(reports: Iterable[Mapping[str, int]]) -> Totals:
    """The totals of all `reports`; counts that :class:`Totals` doesn't know are left out."""
    counts: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for report in reports:
        for name, count in report.items():
            if name.startswith(REJECTED):
                kind = name.removeprefix(REJECTED)
                rejected[kind] = rejected.get(kind, 0) + count
            elif name in Totals.__dataclass_fields__:
                counts[name] = counts.get(name, 0) + count
    return Totals(rejected=rejected, **counts)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run has ended.

    :ivar rows: the rows that this run has added to the file, by a SELECT after the stop.
    :ivar dead_letters: signals, in the whole tree, that were accepted and not handled.
    :ivar seconds: how long the gateway ran, its stop included.
    :ivar stop_seconds: how long the stop took.
    :ivar failures: what went wrong: a line for each thread that did not end cleanly.
    """

    totals: Totals
    rows: int
    dead_letters: int
    seconds: float
    stop_seconds: float
    failures: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every frame that came in was written, and nothing else was."""
        return self.totals.frames_in == self.rows

    @property
    def clean(self) -> bool:
        """Whether every thread ended in order and no signal was left over."""
        return not self.failures and self.dead_letters == 0

    def lines(self) -> list[str]:
        """The summary as text."""
        totals = self.totals
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(totals.rejected.items()))
        rate = totals.frames_in / self.seconds if self.seconds > 0 else 0.0
        refused = totals.connections_refused
        verdict = "in = written, nothing lost" if self.complete else "IN AND WRITTEN DIFFER"
        stop = "clean" if self.clean else "NOT CLEAN"
        return [
            f"frames sent           {totals.sent:>12,}  (by the good clients of its own)",
            f"frames received       {totals.received:>12,}",
            f"frames rejected       {totals.frames_rejected:>12,}"
            + (f"  ({kinds})" if kinds else ""),
            f"frames in             {totals.frames_in:>12,}  ({rate:,.0f}/s)",
            f"rows written          {self.rows:>12,}  (by a SELECT; {totals.batches:,} batches)",
            f"                      {verdict}",
            f"connections           {totals.connections:>12,}  ({refused:,} refused)",
            f"viewers served        {totals.viewers:>12,}  ({totals.messages:,} messages)",
            f"dead letters          {self.dead_letters:>12,}",
            f"stop                  {stop:>12}  ({self.stop_seconds:.2f} s)",
            *(f"  {failure}" for failure in self.failures),
        ]
