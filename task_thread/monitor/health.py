"""Whether a tree is alive, and whether it is ready: what /healthz and /readyz say.

Alive: every loop turns and answers. That is asked anew at most once a second, however many ask.
Ready: the root runs, and no supervised child is down. Read from a snapshot; nothing is asked.

Everything here belongs to the loop of the dashboard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from task_thread.core.lifecycle import FINAL, State
from task_thread.monitor.snapshot import Node
from task_thread.monitor.watch import Blocked

__all__ = ["Health", "not_ready", "to_json"]

_FRESH: Final = 1.0  # seconds for which an answer holds


class Health:
    """Remembers for a second which loops did not answer.

    :param check: asks all loops; returns those that are held up.
    """

    def __init__(self, check: Callable[[], Awaitable[list[Blocked]]]) -> None:
        self._check = check
        self._one_at_a_time = asyncio.Lock()
        self._stuck: list[Blocked] = []
        self._valid_until = 0.0

    async def stuck(self) -> list[Blocked]:
        """The loops that did not answer when they were asked last, within the last second."""
        now = asyncio.get_running_loop().time
        async with self._one_at_a_time:
            if now() >= self._valid_until:
                self._stuck = await self._check()
                self._valid_until = now() + _FRESH
            return self._stuck


def to_json(stuck: list[Blocked], *, stacks: bool) -> dict[str, Any]:
    """Which loops are held up, for how many seconds, and where if `stacks` are wanted."""
    rows: list[dict[str, Any]] = []
    for each in stuck:
        row: dict[str, Any] = {"path": each.path, "since": round(each.since, 3)}
        rows.append({**row, "stack": each.stack} if stacks else row)
    return {"ok": not stuck, "stuck": rows}


def not_ready(root: Node) -> list[str]:
    """The paths of what is missing: the root itself while it does not run, and each supervised
    child that is down: about to be restarted, being restarted, or permanent and ended all the same.
    One that starts for the first time is not missed: nobody has relied on it yet."""
    missing = [] if root.statistics.state is State.RUNNING else [root.path]
    for node in root.walk():
        seen = node.statistics
        comes_back = node.restarting or (seen.generation > 1 and seen.state is State.STARTING)
        if comes_back or (seen.restart_type == "permanent" and seen.state in FINAL):
            missing.append(node.path)
    return missing
