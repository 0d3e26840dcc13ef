"""What a daemon tells systemd, by the datagrams that ``sd_notify(3)`` describes.

- ``READY=1`` when the root's ``enter__`` has returned, and not before.
- ``STATUS=``, one line for ``systemctl status``: sent again when it has changed.
- ``WATCHDOG=1`` at half of ``WATCHDOG_USEC``, each time only after every loop of the tree has
  turned and answered. While one does not, nothing is sent, and it is asked again.
- ``RELOADING=1`` when a SIGHUP comes, ``READY=1`` when its signal was handled.
- ``STOPPING=1`` when the stop begins, whoever began it.

Without ``NOTIFY_SOCKET`` in the environment nothing of it happens.

All of it belongs to the notifier's own loop; of the tree it waits for latches and reads what any
thread may read.
"""

from __future__ import annotations

import asyncio
import os
import socket
from time import monotonic, monotonic_ns
from typing import Final

from task_thread.core.tasks import reCreate, reSchedule
from task_thread.core.thread import TaskThread
from task_thread.monitor.tree import places
from task_thread.monitor.watch import Watch
from task_thread.signals import Request, Signal

__all__ = ["Notifier", "Reloaded", "Reloading", "is_there", "notify", "watchdog_seconds"]

_SEND_TIMEOUT: Final = 1.0  # seconds that a full socket of systemd's may hold us up
_STATUS_PERIOD: Final = 2.0  # seconds between two looks at the tree
_STATUS_LENGTH: Final = 200


def is_there() -> bool:
    """Whether somebody listens: systemd, or a container manager that speaks like it."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(**fields: object) -> bool:
    """Send ``NAME=value`` for each of `fields` in one datagram. From any thread.

    :returns: whether it was sent; False without ``NOTIFY_SOCKET``.
    :raises OSError: the socket that it names takes nothing.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    lines = [f"{name}={' '.join(str(value).split())}" for name, value in fields.items()]
    if address.startswith("@"):  # in the abstract namespace, which has no files
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_SEND_TIMEOUT)
        sock.sendto("\n".join(lines).encode(errors="replace"), address)
    return True


def watchdog_seconds() -> float | None:
    """Seconds within which systemd wants to hear of this process again and again; None: never."""
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", ""))
        meant = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and meant == os.getpid() else None


class Reloading(Request[None]):
    """To a notifier: the root is about to be sent a ReloadSignal. Answered when systemd knows."""


class Reloaded(Signal):
    """To a notifier: the root has handled it, or could not be sent it."""


class Notifier(TaskThread):
    """The thread that tells systemd about a tree, beside that.

    :param root: the tree. It need not have been started.
    :param watch: asks its loops.
    """

    on_task_error = "restart"

    def __init__(self, root: TaskThread, watch: Watch, parent: TaskThread | None = None) -> None:
        self.root = root
        self.watch = watch
        self._status = ""  # as it was sent last
        self._is_ready = self._is_stopping = self._is_deaf = False
        self._reloads = 0  # SIGHUPs that are being handled
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        """One task for each thing to tell."""
        self.tasks.ready = None
        self.tasks.stopping = None
        self.tasks.status = None
        self.tasks.watchdog = None

    async def enter__(self) -> None:
        """Begin to listen to the tree."""
        self.tasks.ready = await reCreate(None, self._wait_ready)
        self.tasks.stopping = await reCreate(None, self._wait_stopping)

    async def exit__(self) -> None:
        """The tree has ended: say how, for ``systemctl status`` to show."""
        reason = self.root.exit_reason
        if reason is not None:
            self._tell_stopping()
            self._tell(STATUS=f"ended: {reason}"[:_STATUS_LENGTH])

    async def signalHandler__(self, signal: Signal) -> None:
        """Of reloads, which begin and end: READY again when all that have begun have ended."""
        if isinstance(signal, Reloading):
            self._reloads += 1
            if self._is_ready and not self._is_stopping:
                now = monotonic_ns() // 1000
                self._tell(RELOADING=1, MONOTONIC_USEC=now, STATUS=self.status())
            signal.reply(None)
        elif isinstance(signal, Reloaded):
            self._reloads -= 1
            if self._is_ready and not self._is_stopping and not self._reloads:
                self._status = self.status()
                self._tell(READY=1, STATUS=self._status)

    def status(self) -> str:
        """The tree in one line. From any thread; no loop runs for it."""
        threads = restarts = down = 0
        for place in places(self.root):
            threads += 1
            restarts += 0 if place.handle is None else place.handle.restarts
            down += place.restarting
        words = ["reloading"] if self._reloads else []
        words += [_count(threads, "thread"), _count(restarts, "restart")]
        if down:
            words.append(f"{down} down")
        words += [f"stuck: {blocked.path}" for blocked in self.watch.stuck()]
        return ", ".join(words)[:_STATUS_LENGTH]

    # ---- tasks ----------------------------------------------------------------------------

    async def _wait_ready(self) -> None:
        started = self.root._taskthread.life.started
        await started.wait()
        if started.get() is not None or self._is_stopping:
            return
        self._is_ready = True
        self._status = self.status()
        self._tell(READY=1, MAINPID=os.getpid(), STATUS=self._status)
        self.tasks.status = await reCreate(None, self._follow)
        if watchdog_seconds() is not None:
            self.tasks.watchdog = await reCreate(None, self._guard)

    async def _wait_stopping(self) -> None:
        await self.root._taskthread.life.wait_ordered()
        self._tell_stopping()

    async def _follow(self) -> None:
        """Send the status line again when it has changed."""
        await asyncio.sleep(_STATUS_PERIOD)
        status = self.status()
        if status != self._status and not self._is_stopping:
            self._status = status
            self._tell(STATUS=status)
        self.tasks.status = await reSchedule(self._follow)

    async def _guard(self) -> None:
        """One sign of life, once all loops have given theirs."""
        seconds = watchdog_seconds()
        assert seconds is not None
        begun = monotonic()
        if not await self.watch.check():
            self._tell(WATCHDOG=1)
            await asyncio.sleep(max(0.0, begun + seconds / 2 - monotonic()))
        # Else one was waited for in vain, for as long as its limit: ask again at once. Then the
        # sign is late by as much as the loop was, and not by half a period more.
        self.tasks.watchdog = await reSchedule(self._guard)

    # ---- telling --------------------------------------------------------------------------

    def _tell_stopping(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._tell(STOPPING=1, STATUS="stopping")

    def _tell(self, **fields: object) -> None:
        try:
            notify(**fields)
        except OSError as error:
            if not self._is_deaf:  # once: it is no news the second time
                self._is_deaf = True
                self.logger.warning("systemd can't be told", error=str(error))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
