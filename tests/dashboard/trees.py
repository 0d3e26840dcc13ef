"""Trees with a dashboard, for tests: still unless a test moves them."""

from __future__ import annotations

import threading
from typing import Any

from task_thread import TaskThread, ThreadStatistics, VirtualThread
from task_thread.app import TaskApp
from task_thread.core.handle import Handle
from task_thread.monitor import Dashboard
from task_thread.monitor.http_limits import HttpLimits
from task_thread.signals import Signal
from tests.monitor.apps import Mail
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import message, payload

__all__ = ["Clerk", "Counter", "Guests", "Post", "Shop"]


class Counter(TaskThread):
    """Has an id that a test chooses, and does what the message says."""

    def __init__(self, name: Any, journal: Journal, parent: TaskThread | None = None) -> None:
        self.name = name
        self.journal = journal
        super().__init__(parent=parent)

    def getId(self) -> Any:
        return self.name

    async def enter__(self) -> None:
        self.journal((self.name, "enter__"))

    async def signalHandler__(self, signal: Signal) -> bool | None:
        what = payload(signal)
        if isinstance(what, Exception):
            raise what
        self.journal((self.name, what))
        return None


class Clerk(Counter, VirtualThread):
    """The same on its parent's loop."""


class Guests(dict[Any, Any]):
    """The connections of a web server, whose number a test can wait for. Put it in place while
    there are none."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def __setitem__(self, key: Any, value: Any) -> None:
        with self._changed:
            super().__setitem__(key, value)
            self._changed.notify_all()

    def pop(self, key: Any, *default: Any) -> Any:
        with self._changed:
            value = super().pop(key, *default)
            self._changed.notify_all()
        return value

    def become(self, number: int) -> bool:
        """Wait until there are so many. From any thread but the server's."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self) == number, PATIENCE)


class Shop(TaskThread):
    """A root with supervised children and a dashboard.

    :param names: the ids of its children.
    :param dashboard: arguments of the Dashboard.
    """

    max_restarts = 1000

    def __init__(
        self,
        *names: Any,
        limits: HttpLimits | None = None,
        kind: type[Counter] = Clerk,
        **dashboard: Any,
    ) -> None:
        self.names = names or ("till", "cellar")
        self.limits = limits
        self.kind = kind
        self.arguments = dashboard
        self.journal = Journal()
        super().__init__()

    def getId(self) -> str:
        return "shop"

    async def enter__(self) -> None:
        self.counters: list[Handle[Counter]] = [
            await self.spawn(self.kind, name, self.journal) for name in self.names
        ]
        self.handle = await self.spawn(Dashboard, limits=self.limits, **self.arguments)
        self.guests = self.dashboard._web._open = Guests()
        self.refused = self.dashboard._web._refused = Guests()

    @property
    def dashboard(self) -> Dashboard:
        """The dashboard that runs now. From any thread."""
        return self.handle.thread

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.dashboard.address

    def all_have_left(self) -> bool:
        """Wait until the server has no connection any more. From any thread but the server's."""
        return self.guests.become(0) and self.refused.become(0)

    def tell(self, number: int, what: Any) -> None:
        """Send a message to a child and wait until it was handled; an exception is raised there,
        and its next instance waited for."""
        handle, name = self.counters[number], self.names[number]
        entry = (name, "enter__" if isinstance(what, Exception) else what)
        times = self.journal.count(entry) + 1
        handle.post(message(what))
        self.journal.wait(entry, times)

    def counts(self) -> list[tuple[Any, ...]]:
        """What the tree itself counts, without the dashboard."""
        own: list[ThreadStatistics] = [self.statistics()]
        own += [handle.statistics() for handle in self.counters]
        return [
            (s.id, s.state, s.inbox, s.tasks, s.generation, s.restarts, s.last_error) for s in own
        ]


class Post(Shop):
    """A shop with TaskApps of those names, whose runs wait until it stops.

    :ivar mails: the tasks of each.
    """

    def __init__(self, *apps: str, **dashboard: Any) -> None:
        self.apps = apps or ("mail",)
        self.mails = [Mail() for _ in self.apps]
        super().__init__("till", **dashboard)

    async def enter__(self) -> None:
        self.offices: list[Handle[TaskApp]] = [
            await self.spawn(TaskApp, name, threads=2, processes=1, tasks=mail.tasks, name=name)
            for name, mail in zip(self.apps, self.mails, strict=True)
        ]
        await super().enter__()

    async def stopping__(self) -> None:
        for mail in self.mails:
            mail.let_go()

    @property
    def mail(self) -> Mail:
        """The tasks of the first one."""
        return self.mails[0]
