"""The work of the benchmarks with CPU-bound handlers, and the interpreter they need."""

from __future__ import annotations

import sys

from ..model import UnmeasurableError

STEPS = 10_000  # of one piece of work: about half a millisecond


def work() -> int:
    """Do one piece of work, all of it in the interpreter."""
    total = 0
    for step in range(STEPS):
        total += step & 7
    return total


def require_no_gil() -> None:
    """See to it that threads really run beside each other.

    :raises UnmeasurableError: where the interpreter has its GIL on.
    """
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    if enabled():
        raise UnmeasurableError("the interpreter has its GIL on")
