"""The signals of the gateway. What they carry is not changed after they were sent.

Those that carry many readings have no ``repr`` of their own: the log would be full of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from task_thread.signals import Request, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .frames import FrameError
    from .readings import Row
    from .server import ClientConnection

__all__ = [
    "ConnectionOver",
    "Counts",
    "Crash",
    "Frames",
    "Latest",
    "Nudge",
    "Recovered",
    "Refuse",
    "Rows",
]


@dataclass(frozen=True, eq=False, repr=False)
class Frames(Signal):
    """Connection to processor: the payloads that one read completed.

    One signal for all of them, since a signal costs more than the check of a small frame.
    """

    origin: ClientConnection
    payloads: Sequence[bytes]


@dataclass(frozen=True, eq=False)
class ConnectionOver(Signal):
    """Connection to processor: no more frames will come from it.

    :ivar error: what broke its framing, or None.
    """

    origin: ClientConnection
    error: FrameError | None


@dataclass(frozen=True, eq=False)
class Refuse(Signal):
    """Processor to connection: one of its frames was bad; it is to close."""


@dataclass(frozen=True, eq=False, repr=False)
class Rows(Signal):
    """Processor to database: checked readings, to be written."""

    rows: Sequence[Row]


@dataclass(frozen=True, eq=False, repr=False)
class Latest(Signal):
    """Processor to viewers: the newest reading of each sensor among `count` rows."""

    rows: Mapping[str, Row]
    count: int


class Counts(Request["Mapping[str, int]"]):
    """Gateway to any part: what have you counted since your start?"""


class Crash(Signal):
    """Gateway to any part: crash, on purpose, when it hurts the most."""


class Nudge(Signal):
    """Gateway to a part that has crashed: something to handle, should it have nothing else."""


@dataclass(eq=False)
class Recovered(Signal):
    """Part to gateway: the next instance after a crash on purpose has handled its first signal.

    :ivar when: at what point of its work it crashed.
    :ivar waiting: how many signals waited in its inbox then.
    :ivar in_hand: how many rows it had in its hands then.
    :ivar crashed_at: that moment, on the clock of ``time.monotonic()``.
    :ivar seconds: how long it took from then on until a signal was handled.
    """

    when: str
    waiting: int
    in_hand: int
    crashed_at: float
    seconds: float = 0.0
