"""Where jitter comes from: a number for each moment, the same whenever it is asked for.

Luck that were drawn anew each time would have to be remembered: a task that asks again, or a
program that starts again, would find another time for a tick that it had already planned, or
already run. A function of the moment needs no memory, and two tasks of different names still
differ.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

__all__ = ["Luck", "luck_of"]

Luck = Callable[[datetime], float]
"""From 0 to 1 for the moment of a tick; always the same number for the same moment."""

_BITS: Final = 53  # what a float holds exactly


def luck_of(name: str) -> Luck:
    """The luck that goes with a name, in every process and on every machine the same.

    :param name: what shall have a luck of its own: the id of a task.
    """
    key = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=32).digest()

    def luck(moment: datetime) -> float:
        text = moment.astimezone(UTC).isoformat().encode()
        drawn = int.from_bytes(blake2b(text, key=key, digest_size=8).digest())
        return (drawn >> (64 - _BITS)) / (1 << _BITS)

    return luck
