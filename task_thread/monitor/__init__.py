"""Looking into a tree of threads, and running one as a daemon.

Nothing in here changes what it looks at: it reads statistics, and looks at stacks from outside.
``import task_thread`` loads none of it. The snapshot and the stacks need the core alone; the
threads that a tree may spawn to be looked into are loaded when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

# At once, not on first use: these two functions are called like their modules, and whoever
# imported such a module first would leave the module under the name.
from task_thread.monitor.snapshot import Node, snapshot
from task_thread.monitor.stacks import stacks

if TYPE_CHECKING:
    from task_thread.monitor.control import ControlServer
    from task_thread.monitor.dashboard import Dashboard
    from task_thread.monitor.watch import Watch

__all__ = ["ControlServer", "Dashboard", "Node", "Watch", "snapshot", "stacks"]

_ON_FIRST_USE: Final = {"ControlServer": "control", "Dashboard": "dashboard", "Watch": "watch"}


def __getattr__(name: str) -> Any:
    home = _ON_FIRST_USE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
