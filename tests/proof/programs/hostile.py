"""A tree with something hostile in it, that is asked to end at once: ``hostile.py MODE``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from time import monotonic

from task_thread import TaskThread, VirtualThread, reCreate, run
from task_thread.signals import Signal


class Planned(Exception):
    """What is raised on purpose."""


MODE = sys.argv[1]


async def swallow_here() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def hang_here() -> None:
    await asyncio.get_running_loop().create_future()


async def block_here() -> None:
    blocked.set()
    threading.Event().wait()


blocked = threading.Event()


class Child(TaskThread):
    """Does in a task what it was made for."""

    async def enter__(self) -> None:
        if MODE in ("block-child", "block-virtual", "block-two"):
            self.tasks.block = await reCreate(None, block_here)
        elif MODE == "swallow":
            self.tasks.swallow = await reCreate(None, swallow_here)
        elif MODE == "crash-in-child":
            raise Planned

    async def exit__(self) -> None:
        if MODE == "hang-in-exit":
            await hang_here()


class VirtualChild(Child, VirtualThread):
    """The same on the root's loop."""


class Go(Signal):
    """The root's handler ends it, by the way that the mode says."""


class Root(TaskThread):
    """Ends itself as soon as all runs."""

    stop_timeout = 1.0

    async def enter__(self) -> None:
        if MODE == "crash-in-enter":
            raise Planned
        child = (VirtualChild if MODE == "block-virtual" else Child)(self)
        try:
            await child.run()
        except Planned:
            self.logger.exception("as planned")
        if MODE == "block-two":
            await Child(self).run()
        if MODE == "crash-in-task":
            self.tasks.crash = await reCreate(None, self.crash)
        self.post(Go())

    async def crash(self) -> None:
        raise Planned

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if MODE == "exit-in-handler":
            sys.exit(5)
        if MODE == "block-root":
            await self.requestTerminate()
            await block_here()
        return False

    async def exit__(self) -> None:
        if MODE == "crash-in-exit":
            raise Planned


def terminate_when_blocked() -> None:
    blocked.wait()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    if MODE == "block-virtual":  # the root can't end itself, its own loop is blocked
        threading.Thread(target=terminate_when_blocked, daemon=True).start()
    begun = monotonic()
    code = run(Root())
    print(f"took {monotonic() - begun:.3f}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
