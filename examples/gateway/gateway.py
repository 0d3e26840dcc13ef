"""The root of the tree: composes the parts, and keeps the totals."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from task_thread import ExitReason, TaskThread, errors, reCreate, reSchedule

from .database import Database
from .load import Load
from .messages import Counts
from .part import Part
from .processor import Processor
from .sampler import Sampler
from .server import Server
from .store import count_rows
from .totals import Summary, Totals, add_up
from .viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Gateway", "Options"]

ANSWER_SECONDS = 5.0
"""So long a part may take to tell what it has counted."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a gateway is to be.

    :ivar database: the SQLite file; made if there is none.
    :ivar seconds: how long to run; 0: until it is stopped.
    :ivar port: the TCP port for frames; 0: any free one.
    :ivar http_port: the port for the page; 0: any free one.
    :ivar sample: whether to send this machine's own metrics.
    :ivar clients: how many load clients; 0: no load at all.
    :ivar viewers: how many WebSocket viewers the load has.
    :ivar rate: frames a second from each load client; 0: as many as the gateway takes.
    """

    database: Path
    seconds: float = 0.0
    port: int = 0
    http_port: int = 0
    sample: bool = True
    clients: int = 0
    viewers: int = 2
    rate: float = 0.0


class Gateway(TaskThread):
    """The gateway as a tree. While it runs, its server and its viewers have an ``address``.

    :ivar started: when it was constructed, on the clock of ``time.monotonic()``.
    """

    stop_timeout = 20.0

    def __init__(
        self,
        options: Options,
        *,
        on_start: Callable[[Gateway], None] | None = None,
        on_progress: Callable[[Totals, float], None] | None = None,
        progress_seconds: float = 1.0,
    ) -> None:
        """
        :param on_start: called once, on the gateway's thread, when everything runs.
        :param on_progress: called on the gateway's thread with the totals and the seconds since
            the start, every `progress_seconds`.
        """
        self.options = options
        self.on_start = on_start
        self.on_progress = on_progress
        self.progress_seconds = progress_seconds
        super().__init__()

    def getId(self) -> str:
        return "gateway"

    def initVars__(self) -> None:
        self.tasks.progress = None
        self.tasks.timer = None
        self.started = time.monotonic()
        self.stop_began: float | None = None
        self.failures: list[str] = []
        self.rows_before = count_rows(self.options.database)
        self.database = Database(self.options.database, parent=self)
        self.viewers = Viewers(port=self.options.http_port, parent=self)
        self.processor = Processor(self.database, self.viewers, parent=self)
        self.server = Server(self.processor, port=self.options.port, parent=self)
        self.parts: list[Part] = []

    async def enter__(self) -> None:
        # Whoever is fed starts before its feeders, and so stops after them.
        for part in (self.database, self.viewers, self.processor, self.server):
            await self._run_part(part)
        if self.options.sample:
            await self._run_part(Sampler(self.server.address, parent=self))
        if self.options.clients:
            await self._run_part(self._load())
        if self.on_start is not None:
            self.on_start(self)
        if self.on_progress is not None:
            self.tasks.progress = await reCreate(self.tasks.progress, self.progress)
        if self.options.seconds > 0:
            self.tasks.timer = await reCreate(self.tasks.timer, self.timer)

    async def _run_part(self, part: Part) -> None:
        self.parts.append(part)
        await part.run()

    def _load(self) -> Load:
        return Load(
            self.server.address,
            "ws://{}:{}/live".format(*self.viewers.address),
            clients=self.options.clients,
            viewers=self.options.viewers,
            rate=self.options.rate,
            parent=self,
        )

    async def timer(self) -> None:
        """Task: stop when the time is over."""
        await asyncio.sleep(self.options.seconds)
        await self.stop()

    async def progress(self) -> None:
        """Task: show how far it is."""
        await asyncio.sleep(self.progress_seconds)
        try:
            # Consumers first: so nothing is seen to be written before it was seen to come in.
            counts = [await part.ask(Counts(), timeout=ANSWER_SECONDS) for part in self.parts]
        except errors.ThreadEnded:
            return  # the end has begun: the summary tells the rest
        except errors.AskTimeout as error:
            self.logger.info("no progress to show: %s", error)
        else:
            if self.on_progress is not None:
                self.on_progress(add_up(counts), time.monotonic() - self.started)
        self.tasks.progress = await reSchedule(self.progress)

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        if reason.failed:
            # Without one of its parts the gateway would lose readings: better stop in order.
            self.failures.append(f"{child.getId()}: {reason}")
            await self.stop()

    async def stopping__(self) -> None:
        self.stop_began = time.monotonic()

    def summary(self) -> Summary:
        """How the run ended. From any thread, after the end."""
        now = time.monotonic()
        totals = add_up(part.counts for part in self.parts)
        failures = list(self.failures)
        if self.exit_reason is not None and self.exit_reason.failed:
            failures.append(f"{self.getId()}: {self.exit_reason}")
        dead = sum(thread.statistics().inbox.dead for thread in (self, *self.parts))
        return Summary(
            totals=totals,
            rows=count_rows(self.options.database) - self.rows_before,
            dead_letters=dead + totals.dead_letters,
            seconds=now - self.started,
            stop_seconds=now - (self.stop_began if self.stop_began is not None else now),
            failures=tuple(failures),
        )
