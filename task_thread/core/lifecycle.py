"""The life of a thread, as one table of states and events, and why it ended. Pure.

The rules: a thread is run once. Whatever happens it ends in exactly one of three final states,
with exactly one :class:`ExitReason`. A stop may be asked for in every state and is never lost.
An abandoned thread may come back to its senses later; its late events change nothing any more.

The driver (``thread.py``) asks :func:`advance` before it does anything that changes the state;
the documentation draws its picture with :func:`diagram`, so that neither can drift from the table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "FINAL",
    "TRANSITIONS",
    "Event",
    "ExitKind",
    "ExitReason",
    "State",
    "advance",
    "describe",
    "diagram",
]


class State(enum.Enum):
    """Where a thread is in its life. Its ``value`` is the word shown to people."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"
    ABANDONED = "abandoned"


class Event(enum.Enum):
    """What moves a thread from one state to the next."""

    RUN = "run"
    """``run()`` was called."""
    ENTERED = "entered"
    """``enter__`` has returned."""
    STOP = "stop"
    """A stop was asked for, or the thread failed: it begins to wind down."""
    ENDED = "ended"
    """All is wound down, and nothing had failed."""
    FAILED = "failed"
    """All is wound down, and something had failed on the way; or there was no loop to start on."""
    GIVEN_UP = "given up"
    """Past the deadline it still hangs in a call that cannot be interrupted."""


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.NEW: {Event.RUN: State.STARTING, Event.STOP: State.STOPPED},
    State.STARTING: {
        Event.ENTERED: State.RUNNING,
        Event.STOP: State.STOPPING,
        Event.FAILED: State.CRASHED,
        Event.GIVEN_UP: State.ABANDONED,
    },
    State.RUNNING: {Event.STOP: State.STOPPING, Event.GIVEN_UP: State.ABANDONED},
    State.STOPPING: {
        Event.ENDED: State.STOPPED,
        Event.FAILED: State.CRASHED,
        Event.GIVEN_UP: State.ABANDONED,
    },
    State.STOPPED: {},
    State.CRASHED: {},
    State.ABANDONED: {},
}

FINAL: Final = frozenset(state for state, exits in TRANSITIONS.items() if not exits)
"""The states that a thread never leaves."""


def advance(state: State, event: Event) -> State | None:
    """The state after `event` in `state`, or None where that event changes nothing there."""
    return TRANSITIONS[state].get(event)


ExitKind = Literal["normal", "shutdown", "crash", "timeout", "abandoned"]

# Which word wins where several things happened to one thread on its way out.
_WEIGHT: Final[dict[ExitKind, int]] = {
    "normal": 0,
    "shutdown": 1,
    "timeout": 2,
    "crash": 3,
    "abandoned": 4,
}


@dataclass(frozen=True, slots=True)
class ExitReason:
    """Why a thread ended. Erlang's exit reasons, told as data.

    :ivar kind: ``"normal"``, it ended itself; ``"shutdown"``, it was asked to; ``"crash"``, one of
        its hooks, handlers or tasks raised; ``"timeout"``, something hung past the stop deadline
        and was cut off; ``"abandoned"``, it hangs in a call that cannot be interrupted.
    :ivar exception: what was raised; None unless it crashed.
    :ivar detail: one line (for an abandoned thread its stack) that says where.
    """

    kind: ExitKind
    exception: BaseException | None = None
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether something went wrong: anything but ``normal`` and ``shutdown``."""
        return self.kind not in ("normal", "shutdown")

    def worst(self, other: ExitReason) -> ExitReason:
        """The one of two reasons that counts: the graver, and of two equals the first (self)."""
        return other if _WEIGHT[other.kind] > _WEIGHT[self.kind] else self

    def __str__(self) -> str:
        parts: list[str] = [self.kind]
        if self.exception is not None:
            parts.append(describe(self.exception))
        if self.detail:
            parts.append(self.detail)
        return ", ".join(parts)


def describe(error: BaseException) -> str:
    """Type and text of an exception, which may be one that can't be turned into text."""
    try:
        text = str(error)
    except Exception:
        text = "(no text)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.NEW.value}"]
    for state, exits in TRANSITIONS.items():
        lines += [f"    {state.value} --> {to.value}: {ev.value}" for ev, to in exits.items()]
        if not exits:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines)
