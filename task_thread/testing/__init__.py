"""The test kit: what a test of threads needs, with pytest and without.

::

    plugin                       the fixtures and the marker: all that pytest sees
      ├── bench ── desk          what one test has started; a loop for waiting in real time
      ├── probe, logs ── record  what threads have said, to wait for
      ├── clock ── loops ── conductor ── seats, hands    time that passes when the test says so
      ├── coroutines             tests that are coroutines
      └── leaks                  what a test has left behind

Everything here loads on first use: pytest imports the plugin in every run, whether a test uses it
or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.testing.bench import StartThread as StartThread
    from task_thread.testing.clock import ThreadClock as ThreadClock
    from task_thread.testing.leaks import LeakError as LeakError
    from task_thread.testing.leaks import no_leaks as no_leaks
    from task_thread.testing.logs import LogEntry as LogEntry
    from task_thread.testing.logs import ThreadLogs as ThreadLogs
    from task_thread.testing.probe import Exit as Exit
    from task_thread.testing.probe import Received as Received
    from task_thread.testing.probe import SignalProbe as SignalProbe

__all__ = [
    "Exit",
    "LeakError",
    "LogEntry",
    "Received",
    "SignalProbe",
    "StartThread",
    "ThreadClock",
    "ThreadLogs",
    "no_leaks",
]

_HOMES: Final = {
    "Exit": "probe",
    "LeakError": "leaks",
    "LogEntry": "logs",
    "Received": "probe",
    "SignalProbe": "probe",
    "StartThread": "bench",
    "ThreadClock": "clock",
    "ThreadLogs": "logs",
    "no_leaks": "leaks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
