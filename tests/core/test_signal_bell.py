"""An OS signal is heard whichever OS thread it comes in at."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from task_thread.core.signalbell import SignalBell

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, signal, sys, threading
from task_thread import TaskThread, reCreate, run

class Root(TaskThread):
    stop_timeout = 5.0

    async def enter__(self):
        self.tasks.kill = await reCreate(None, self.kill)

    async def kill(self):
        # The system may give a signal to any OS thread. From a moment on at which the main
        # thread waits for events, and nothing else will ever wake it.
        await asyncio.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.Signals[sys.argv[1]])
        await asyncio.Event().wait()

    async def exit__(self):
        print("closed")

sys.exit(run(Root()))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_another_os_thread_gets_stops_the_tree(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr


def test_it_leaves_everything_as_it_was() -> None:
    async def main() -> None:
        before = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(before)
        bell = SignalBell(asyncio.get_running_loop())
        bell.close()
        after = signal.set_wakeup_fd(-1)
        assert after == before == -1

    asyncio.run(main())


def test_what_somebody_else_has_arranged_stays() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, lambda: None)
        theirs = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(theirs)
        assert theirs != -1
        bell = SignalBell(loop)
        assert signal.set_wakeup_fd(theirs) == theirs
        bell.close()
        assert signal.set_wakeup_fd(theirs) == theirs
        loop.remove_signal_handler(signal.SIGUSR2)

    asyncio.run(main())


def test_what_somebody_arranges_meanwhile_stays_too() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        bell = SignalBell(loop)
        loop.add_signal_handler(signal.SIGUSR2, lambda: None)
        theirs = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(theirs)
        bell.close()
        assert signal.set_wakeup_fd(theirs) == theirs
        loop.remove_signal_handler(signal.SIGUSR2)

    asyncio.run(main())
