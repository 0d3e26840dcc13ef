"""Roots that say on stdout what happens to them, and do what SIGHUP asks of them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings

from task_thread import Backoff, ExitReason, TaskThread, VirtualThread, reCreate
from task_thread.monitor.systemd import notify
from task_thread.signals import ReloadSignal, Signal


def say(word: str) -> None:
    print(word, flush=True)


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


class Quiet(TaskThread):
    """Says its hooks, and "reloaded" for each SIGHUP."""

    async def enter__(self) -> None:
        say("entered")

    async def stopping__(self) -> None:
        say("stopping")

    async def exit__(self) -> None:
        say("closed")

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, ReloadSignal):
            say("reloaded")


class QuietVirtual(Quiet, VirtualThread):
    """The same on the main thread's loop."""


class SlowStart(Quiet):
    """Never gets to the end of its enter__."""

    async def enter__(self) -> None:
        say("entering")
        await forever()


class EndsItself(Quiet):
    async def enter__(self) -> None:
        await super().enter__()
        self.tasks.end = await reCreate(None, self.end)

    async def end(self) -> None:
        await self.requestTerminate()


class Crashes(EndsItself):
    async def end(self) -> None:
        raise ValueError("crashed on purpose")


class CrashesInStart(TaskThread):
    async def enter__(self) -> None:
        raise ValueError("crashed on purpose")


class CrashesWhenMade(TaskThread):
    def __init__(self) -> None:
        raise ValueError("crashed on purpose")


class TakesArguments(TaskThread):
    def __init__(self, path: str, number: str = "1", parent: TaskThread | None = None) -> None:
        say(f"{path} {number}")
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        await self.requestTerminate()


class HangsInExit(Quiet):
    """Its stop takes a minute, unless a second signal comes."""

    stop_timeout = 60.0

    async def exit__(self) -> None:
        say("exiting")
        await forever()


class HangsInStop(Quiet):
    """Its stop passes the deadline."""

    stop_timeout = 0.3

    async def exit__(self) -> None:
        await forever()


class LeavesACallBehind(EndsItself):
    """A call hangs in a thread of the loop's pool."""

    stop_timeout = 0.3

    async def end(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
        await self.requestTerminate()


class Failing(TaskThread):
    """Crashes when it has started."""

    async def enter__(self) -> None:
        self.tasks.fail = await reCreate(None, self.fail)

    async def fail(self) -> None:
        raise ValueError("crashed on purpose")


class InBackoff(Quiet):
    """Its child is down, and restarted in a minute."""

    async def enter__(self) -> None:
        await self.spawn(Failing, backoff=Backoff(initial=60.0, maximum=60.0))
        await super().enter__()

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        say("child exited")


class StartsOnce(Failing):
    """The second instance never gets to the end of its enter__."""

    instances = 0

    async def enter__(self) -> None:
        StartsOnce.instances += 1
        if StartsOnce.instances > 1:
            say("entering again")
            await forever()
        await super().enter__()


class InRestart(Quiet):
    """Its child is being restarted."""

    async def enter__(self) -> None:
        await self.spawn(StartsOnce)
        await super().enter__()


class Escalates(Quiet):
    """Its child crashes too often."""

    max_restarts = 2

    async def enter__(self) -> None:
        await super().enter__()
        await self.spawn(Failing)


class BlockedChild(TaskThread):
    """Holds its loop up for a second with each signal, and tells systemd so."""

    lag_limit = 0.3

    async def signalHandler__(self, signal: Signal) -> None:
        notify(X_BLOCKED=1)
        time.sleep(1.0)  # noqa: ASYNC251  # the blocking line
        notify(X_FREE=1)


class Blocks(Quiet):
    """A SIGHUP holds its child up; the root itself answers all the time."""

    async def enter__(self) -> None:
        self.child = await self.spawn(BlockedChild)
        await super().enter__()

    async def signalHandler__(self, signal: Signal) -> None:
        self.child.post(signal)


class Reloads(Quiet):
    """Takes a while over a SIGHUP, and tells systemd of its begin and end."""

    async def signalHandler__(self, signal: Signal) -> None:
        notify(X_BEGUN=1)
        await asyncio.sleep(0.05)
        notify(X_DONE=1)


class BlocksItself(Quiet):
    """A SIGHUP holds its own loop up, until it is ended by force."""

    stop_timeout = 0.5

    async def signalHandler__(self, signal: Signal) -> None:
        say("blocking")
        threading.Event().wait()  # the blocking line


class BlocksItselfVirtual(BlocksItself, VirtualThread):
    """The same on the main thread's loop."""

    async def signalHandler__(self, signal: Signal) -> None:
        say("blocking")
        time.sleep(60.0)  # noqa: ASYNC251  # the blocking line


class Deaf(Quiet):
    """Has room for one signal, and handles none."""

    max_qsize = 1

    async def signalHandler__(self, signal: Signal) -> None:
        say("handling")
        await forever()


class Stops(Quiet):
    """Tells systemd of the hooks of its stop."""

    async def stopping__(self) -> None:
        # By then systemd has heard of it: the operator's loop needs a moment of its own.
        await asyncio.sleep(0.3)
        notify(X_STOPPING=1)

    async def exit__(self) -> None:
        notify(X_EXIT=1)


class Broken:
    """Something that can't be shown."""

    def __repr__(self) -> str:
        raise ValueError("no repr")


class Talks(TaskThread):
    """Logs whatever may be hard to put on one line."""

    async def enter__(self) -> None:
        self.logger.info("two\nlines", text="a\nb", quoted='"', percent="100 %")
        self.logger.info("%s of %d", "one", 2)
        self.logger.info("numbers", nan=float("nan"), inf=float("inf"), half=0.5, none=None)
        self.logger.info("things", thing=Broken(), keys={(1, 2): 3}, path=[1, {2}])
        self.logger.info("ours", time="noon", level=3, logger="mine")
        self.logger.debug("not to be seen")
        logging.getLogger("plain").warning("100 %", extra={"port": 80})
        try:
            raise ValueError("on purpose")
        except ValueError:
            self.logger.exception("caught", port=1)
            logging.getLogger("plain").exception("caught too")
        warnings.warn("a warning", UserWarning, stacklevel=1)
        thread = threading.Thread(target=self.uncaught, name="stray")
        thread.start()
        thread.join()
        await self.requestTerminate()

    def uncaught(self) -> None:
        raise ValueError("uncaught")
