"""Tasks on a trigger: so far the triggers, and the rule that says what is due.

``triggers`` says when: :class:`~task_thread.app.triggers.Date`, ``Interval``, ``Cron``, and
``AnyOf`` and ``AllOf`` of these. ``schedule`` says what a task that woke up at some moment has to
run, and what it has missed. Both are pure: they know no loop, no thread and no clock.

``import task_thread`` loads none of it, and what is named here is loaded when it is first used.
It comes with ``pip install 'task-thread[app]'``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from task_thread.app.triggers import (
        AllOf,
        AnyOf,
        Cron,
        Date,
        Interval,
        Trigger,
        TriggerNeverAgrees,
        make_trigger,
    )

__all__ = [
    "AllOf",
    "AnyOf",
    "Cron",
    "Date",
    "Interval",
    "Trigger",
    "TriggerNeverAgrees",
    "make_trigger",
]

_ON_FIRST_USE: Final = dict.fromkeys(__all__, "triggers")


def __getattr__(name: str) -> Any:
    home = _ON_FIRST_USE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
