"""An idle tree makes no wake-ups: nothing in the core polls."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from task_thread import TaskThread, VirtualThread
from tests.support.threads import Plain

SECONDS = 0.5


def switches() -> dict[str, int]:
    """Voluntary context switches of each OS thread of this process but the one that asks."""
    counts: dict[str, int] = {}
    for status in Path("/proc/self/task").glob("*/status"):
        if int(status.parent.name) != threading.get_native_id():
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            counts[status.parent.name] = int(lines["voluntary_ctxt_switches"])
    return counts


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_idle_tree_makes_no_wake_ups() -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            for _ in range(10):
                await Plain(parent=self).run()
                await VirtualThread(parent=self).run()

    with Root() as root:
        assert len(root.children) == 20
        time.sleep(SECONDS / 10)  # the last ones to start lie down
        before = switches()
        time.sleep(SECONDS)  # the time that is measured
        assert len(before) >= 11
        assert switches() == before
