"""The figures of a run: summed up from what the parts report. Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CrashReport", "Summary", "Totals", "add_up"]

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
class CrashReport:
    """A crash that was ordered, and how it was healed.

    :ivar part: who crashed.
    :ivar at: when, in seconds since the gateway's start.
    :ivar when: at what point of its work.
    :ivar generation: the instance that came after it; the first one is 1.
    :ivar seconds: from the crash until that instance had handled a signal.
    :ivar signals: how many waited in the inbox at the crash, and were kept.
    :ivar rows: how many it had in its hands at the crash, and were kept.
    :ivar pause: for how long its supervisor waits before a first restart, in seconds.
    """

    part: str
    at: float
    when: str
    generation: int
    seconds: float
    signals: int
    rows: int
    pause: float = 0.0

    @property
    def took(self) -> str:
        """How long it was away."""
        return f"{self.seconds * 1000:.1f} ms"

    @property
    def kept(self) -> str:
        """What was kept for the next instance."""
        return f"{_number(self.signals, 'signal')} and {_number(self.rows, 'row')}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run has ended.

    :ivar rows: the rows that this run has added to the file, by a SELECT after the stop.
    :ivar dead_letters: signals, in the whole tree, that were accepted and not handled.
    :ivar seconds: how long the gateway ran, its stop included.
    :ivar stop_seconds: how long the stop took.
    :ivar failures: what went wrong: a line for each thread that did not end cleanly.
    :ivar restarts: how often each part was restarted; those that never were are left out.
    :ivar crashes: the crashes that were ordered, as far as they were healed.
    :ivar crashes_ordered: how many were ordered.
    """

    totals: Totals
    rows: int
    dead_letters: int
    seconds: float
    stop_seconds: float
    failures: tuple[str, ...]
    restarts: Mapping[str, int] = field(default_factory=dict[str, int])
    crashes: tuple[CrashReport, ...] = ()
    crashes_ordered: int = 0

    @property
    def complete(self) -> bool:
        """Whether every frame that came in was written, and nothing else was."""
        return self.totals.frames_in == self.rows

    @property
    def clean(self) -> bool:
        """Whether every thread ended in order and no signal was left over."""
        return not self.failures and self.dead_letters == 0 and self.totals.children_failed == 0

    @property
    def healed(self) -> bool:
        """Whether every crash that was ordered did happen, and the part came back."""
        return len(self.crashes) >= self.crashes_ordered

    @property
    def lost(self) -> int:
        """How many frames came in and are not in the file."""
        return max(0, self.totals.frames_in - self.rows)

    @property
    def good(self) -> bool:
        """Whether all is well."""
        return self.complete and self.clean and self.healed

    def lines(self) -> list[str]:
        """The summary as text."""
        totals = self.totals
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(totals.rejected.items()))
        rate = totals.frames_in / self.seconds if self.seconds > 0 else 0.0
        verdict = "in = written, nothing lost" if self.complete else "IN AND WRITTEN DIFFER"
        restarts = ", ".join(f"{part} {count}" for part, count in self.restarts.items())
        return [
            _line("frames sent", totals.sent, "by the good clients of its own"),
            _line("frames received", totals.received),
            _line("frames rejected", totals.frames_rejected),
            *([f"  {kinds}"] if kinds else []),
            _line("frames in", totals.frames_in, f"{rate:,.0f}/s"),
            _line("rows written", self.rows, f"by a SELECT; {totals.batches:,} batches"),
            f"{'':18}{verdict}",
            _line("connections", totals.connections, f"{totals.connections_refused:,} refused"),
            _line("viewers served", totals.viewers, f"{totals.messages:,} messages"),
            _line("dead letters", self.dead_letters),
            _line("restarts", sum(self.restarts.values()), restarts),
            *(line for crash in self.crashes for line in self._crash_lines(crash)),
            *self._unhealed(),
            *(
                [_line("  lost", self.lost, "frames in, less rows written")]
                if self.crashes_ordered
                else []
            ),
            _line("stop", "clean" if self.clean else "NOT CLEAN", f"{self.stop_seconds:.2f} s"),
            *(line for failure in self.failures for line in _wrapped(failure)),
        ]

    def _crash_lines(self, crash: CrashReport) -> list[str]:
        pause = f", {crash.pause * 1000:.0f} ms of them a pause" if crash.pause else ""
        return [
            f"crash on purpose  {crash.part}, at {crash.at:.1f} s: {crash.when}",
            f"  kept            {crash.kept}, that were waiting or in its hands",
            f"  back            after {crash.took}{pause}:",
            f"{'':18}instance {crash.generation} had handled its first signal",
        ]

    def _unhealed(self) -> list[str]:
        if self.healed:
            return []
        return [
            _line(
                "crash on purpose",
                "NOT HEALED",
                f"{len(self.crashes)} of {self.crashes_ordered} that were ordered",
            )
        ]


def _line(name: str, figure: int | str, remark: str = "") -> str:
    text = f"{figure:,}" if isinstance(figure, int) else figure
    return f"{name:18}{text:>11}" + (f"  ({remark})" if remark else "")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 80, initial_indent="  ", subsequent_indent="    ")
