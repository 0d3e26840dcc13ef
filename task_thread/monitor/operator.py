"""The tree beside the tree: what serves a daemon's user and its service manager.

An operator starts before the root and ends after it. It lives in OS threads of its own, so that it
answers while the root's loops are blocked; and it supervises its children, whose troubles are not
the root's: neither a crash nor a stop of the operator touches the tree.

Ownership: ``reload`` and ``report`` are asked for by calls on the operator's loop; what they do to
the root is to send it a signal, and to look at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from task_thread.core.handle import Handle
from task_thread.core.questions import Asked
from task_thread.core.tasks import reSchedule
from task_thread.core.thread import TaskThread
from task_thread.errors import SignalError, ThreadEnded
from task_thread.latch import Latch
from task_thread.monitor import systemd
from task_thread.monitor.snapshot import Node, snapshot
from task_thread.monitor.stacks import render, stacks
from task_thread.monitor.watch import Watch
from task_thread.signals import ReloadSignal, Signal

if TYPE_CHECKING:
    from task_thread.monitor.systemd import Notifier

__all__ = ["Operator", "Reload", "Report", "picture"]

_TELL_TIMEOUT: Final = 2.0  # seconds that a reload waits for systemd to take the news


class Reload(Signal):
    """To an operator: a SIGHUP has come."""


class Report(Signal):
    """To an operator: a SIGUSR1 has come."""


class Operator(TaskThread):
    """Watches `root`, tells systemd about it, and serves whoever looks into it.

    :param root: the tree. It need not have been started.
    :param name: what the daemon is called.
    :param control: the control socket; None for none.
    :param dashboard: where to serve the dashboard; None for nowhere.
    :param actions: whether flows can be resumed and cancelled there.
    """

    stop_timeout = 2.0  # the daemon has ended when this begins: nobody shall wait for long
    lag_limit = 10.0  # a picture of a large tree takes its time

    def __init__(
        self,
        root: TaskThread,
        name: str,
        control: Path | None = None,
        dashboard: tuple[str, int] | None = None,
        *,
        actions: bool = False,
    ) -> None:
        self.root = root
        self.name = name
        self._control = control
        self._dashboard = dashboard
        self._actions = actions
        self._notifier: Handle[Notifier] | None = None
        super().__init__()

    async def enter__(self) -> None:
        """Spawn what was asked for.

        :raises ControlError: the control socket can't be had.
        :raises OSError: the dashboard's address can't be bound.
        :raises ModuleNotFoundError: the dashboard is not installed.
        """
        watch = (await self.spawn(Watch, self.root)).thread
        if systemd.is_there():
            self._notifier = await self.spawn(systemd.Notifier, self.root, watch)
        if self._control is not None:
            from task_thread.monitor.control import ControlServer

            await self.spawn(ControlServer, root=self.root, path=self._control, name=self.name)
        if self._dashboard is not None:
            from task_thread.monitor.dashboard import Dashboard

            host, port = self._dashboard
            await self.spawn(
                Dashboard,
                host,
                port,
                root=self.root,
                title=self.name,
                watch=watch,
                actions=self._actions,
            )

    async def signalHandler__(self, signal: Signal) -> None:
        """Do what an OS signal has asked for."""
        if isinstance(signal, Reload):
            # Beside this: the root may take long over it, and the next SIGUSR1 shall say where.
            await reSchedule(self._reload)
        elif isinstance(signal, Report):
            self._report()

    async def _reload(self) -> None:
        """Hand the root a ReloadSignal; tell systemd of it until it was handled."""
        if self._notifier is not None:
            with contextlib.suppress(SignalError, ThreadEnded):
                await self._notifier.ask(systemd.Reloading(), timeout=_TELL_TIMEOUT)
        life = self.root._taskthread.life
        handled: Latch[None] = Latch()
        try:
            if self.root._taskthread.inbox.offer(Asked(ReloadSignal(), handled)):
                waits = [asyncio.ensure_future(each.wait()) for each in (handled, life.ended)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
            else:
                self.logger.warning("SIGHUP is lost: the inbox of the root is full")
        except ThreadEnded:
            self.logger.info("SIGHUP comes too late: the root is ending")
        if self._notifier is not None:
            with contextlib.suppress(SignalError, ThreadEnded):
                await self._notifier.insertSignal(systemd.Reloaded())

    def _report(self) -> None:
        begun = time.perf_counter()
        tree, where = picture(snapshot(self.root)), render(stacks(self.root))
        self.logger.info(
            "the tree and every stack",
            seconds=round(time.perf_counter() - begun, 3),
            tree=tree,
            stacks=where,
        )


def picture(root: Node) -> str:
    """A tree as text, one thread a line, for logs."""
    lines: list[str] = []
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        lines.append("  " * depth + _describe(node))
        waiting.extend((child, depth + 1) for child in reversed(node.children))
    return "\n".join(lines)


def _describe(node: Node) -> str:
    seen = node.statistics
    words = [
        f"{node.path} {seen.class_name} {'restarting' if node.restarting else seen.state.value}",
        f"inbox {seen.inbox.depth}",
        f"lag {seen.loop_lag:.3f} s",
    ]
    if seen.restarts:
        words.append(f"restarts {seen.restarts}")
    if node.app is not None:
        running = sum(lane.running for lane in node.app.lanes)
        queued = sum(lane.queued for lane in node.app.lanes)
        words.append(f"runs {running}, queued {queued}, delayed {node.app.delayed}")
    if seen.last_error is not None:
        words.append(f"last error {seen.last_error.summary} in {seen.last_error.where}")
    return ", ".join(words)
