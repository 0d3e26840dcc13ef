"""What the system says of this process: resident memory, and which threads woke up."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from ..model import UnmeasurableError

STATM = Path("/proc/self/statm")
TASKS = Path("/proc/self/task")
SWITCHES = "voluntary_ctxt_switches:"


def resident_kib() -> float:
    """Resident memory of this process now, garbage collected, in KiB.

    :raises UnmeasurableError: where the system has no /proc.
    """
    if not STATM.exists():
        raise UnmeasurableError("needs Linux's /proc")
    gc.collect()
    pages = int(STATM.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def wake_ups() -> dict[int, int]:
    """How often each thread but the main one has waited so far (voluntary context switches).

    :raises UnmeasurableError: where the system has no /proc.
    """
    if not TASKS.exists():
        raise UnmeasurableError("needs Linux's /proc")
    main = os.getpid()
    return {
        int(entry.name): _waits(entry / "status")
        for entry in TASKS.iterdir()
        if int(entry.name) != main
    }


def _waits(status: Path) -> int:
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith(SWITCHES):
            return int(line.removeprefix(SWITCHES))
    raise UnmeasurableError(f"no {SWITCHES} in {status}")
