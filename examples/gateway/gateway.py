"""The root of the tree: spawns the parts, looks after them, and keeps what outlives them."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from task_thread import Backoff, ExitReason, Handle, State, TaskThread, errors, reCreate, reSchedule

from .database import Database, Unwritten
from .load import Load
from .messages import Counts, Crash, Nudge, Recovered
from .panel import Panel, Port
from .part import Kept, Part
from .processor import Desk, Processor
from .sampler import Sampler
from .server import Lobby, Server
from .store import count_rows, file_now
from .totals import CrashReport, Summary, Totals, add_up
from .viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from task_thread.signals import Signal

__all__ = ["PARTS", "Gateway", "Options"]

PARTS = ("dashboard", "database", "viewers", "processor", "server", "sampler", "load")
"""The names of the parts, in the order of their start."""
ANSWER_SECONDS = 5.0
"""So long a part may take to tell what it has counted."""
RECOVERY_SECONDS = 10.0
"""So long a part that was crashed on purpose is waited for."""
DISK_PAUSES = Backoff(initial=0.1, factor=4.0, maximum=10.0, healthy=30.0)
"""A disk that is full, or a file that is locked, may be better in a while: with the limit of the
gateway's restarts these pauses give it some 20 seconds. What crashes for another reason does so
again at once, or not again."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a gateway is to be.

    :ivar database: the SQLite file, see :class:`Database`.
    :ivar seconds: how long to run; 0: until it is stopped.
    :ivar port: the TCP port for frames; 0: any free one.
    :ivar http_port: the port for the page; 0: any free one.
    :ivar dashboard_port: the port for the dashboard; 0: any free one; None: no dashboard.
    :ivar sample: whether to send this machine's own metrics.
    :ivar clients: how many load clients; 0: no load at all.
    :ivar viewers: how many WebSocket viewers the load has.
    :ivar rate: frames a second from each load client; 0: as many as the gateway takes.
    :ivar crash: the part to crash on purpose; None: none.
    :ivar crash_after: seconds after the start.
    :ivar crashes: how often.
    """

    database: Path
    seconds: float = 0.0
    port: int = 0
    http_port: int = 0
    dashboard_port: int | None = None
    sample: bool = True
    clients: int = 0
    viewers: int = 2
    rate: float = 0.0
    crash: str | None = None
    crash_after: float = 5.0
    crashes: int = 1


class Gateway(TaskThread):
    """The gateway as a tree.

    Its parts know each other by handles alone, and what must outlive them is kept here: so each
    can be restarted without the others. Where one could not go on without another's memory the
    strategy would be ``"rest_for_one"``.

    :ivar started: when it was constructed, on the clock of ``time.monotonic()``.
    :ivar parts: the handles of the parts, by name, in the order of their start.
    :ivar kept: what outlives the instances of each part, by name.
    """

    strategy = "one_for_one"
    max_restarts = 5
    restart_window = 30.0
    stop_timeout = 20.0

    # For those who want a part to be different.
    database_class = Database
    processor_class = Processor

    def __init__(
        self,
        options: Options,
        *,
        on_start: Callable[[Gateway], None] | None = None,
        on_progress: Callable[[Totals, float], None] | None = None,
        on_event: Callable[[str, float], None] | None = None,
        progress_seconds: float = 1.0,
    ) -> None:
        """
        :param on_start: called once, on the gateway's thread, when everything runs.
        :param on_progress: called on the gateway's thread with the totals and the seconds since
            the start, every `progress_seconds`.
        :param on_event: called on the gateway's thread with a line about a crash on purpose, and
            the seconds since the start.
        """
        self.options = options
        self.on_start = on_start
        self.on_progress = on_progress
        self.on_event = on_event
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
        self.crashes_ordered = 0
        self.crashes: list[CrashReport] = []
        self.parts: dict[str, Handle[Part]] = {}
        self.kept: dict[str, Kept] = {}
        self.pauses: dict[str, Backoff] = {}

    async def enter__(self) -> None:
        self.recovered = asyncio.Event()
        self.doors: list[socket.socket] = []
        try:
            # The listening sockets stay here: a part that is restarted finds its clients waiting.
            frames, pages = self._open(self.options.port), self._open(self.options.http_port)
            self.address: tuple[str, int] = frames.getsockname()
            self.page: tuple[str, int] = pages.getsockname()
            await self._spawn_parts(frames, pages)
        except BaseException:
            self._close_doors()
            raise
        if self.on_start is not None:
            self.on_start(self)
        if self.on_progress is not None:
            self.tasks.progress = await reCreate(self.tasks.progress, self.progress)
        if self.options.seconds > 0 or self.options.crash is not None:
            self.tasks.timer = await reCreate(self.tasks.timer, self.timer)

    async def _spawn_parts(self, frames: socket.socket, pages: socket.socket) -> None:
        # Whoever is fed starts before its feeders, and so stops after them.
        options = self.options
        if options.dashboard_port is not None:
            panel = await self._part("dashboard", Panel, kept=Port(options.dashboard_port))
            self.dashboard_url: str = panel.thread.url
        unwritten, desk, self.lobby = Unwritten(), Desk(), Lobby()
        self.database = await self._part(
            "database",
            self.database_class,
            options.database,
            kept=unwritten,
            backoff=DISK_PAUSES,
            stop_timeout=10.0,
        )
        viewers = await self._part("viewers", Viewers, pages, stop_timeout=3.0)
        processor = await self._part(
            "processor", self.processor_class, self.database, viewers, kept=desk, stop_timeout=10.0
        )
        await self._part("server", Server, processor, frames, kept=self.lobby, stop_timeout=5.0)
        if options.sample:
            await self._part("sampler", Sampler, self.address, backoff=Backoff(initial=0.5))
        if options.clients:
            await self._part(
                "load",
                Load,
                self.address,
                "ws://{}:{}/live".format(*self.page),
                restart="transient",
                clients=options.clients,
                viewers=options.viewers,
                rate=options.rate,
            )

    async def _part(
        self,
        name: str,
        cls: type[Part],
        *args: Any,
        kept: Kept | None = None,
        backoff: Backoff | None = None,
        **how: Any,
    ) -> Handle[Any]:
        self.kept[name] = kept = Kept() if kept is None else kept
        if backoff is not None:
            self.pauses[name] = backoff
        handle = await self.spawn(cls, *args, kept, name=name, backoff=backoff, **how)
        self.parts[name] = handle
        return handle

    def _open(self, port: int) -> socket.socket:
        door = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.doors.append(door)
        return door

    def _close_doors(self) -> None:
        for door in self.doors:
            door.close()

    # ---- tasks ----------------------------------------------------------------------------

    async def timer(self) -> None:
        """Task: crash a part when its time has come, and stop when the time is over."""
        options = self.options
        if options.crash is not None:
            await asyncio.sleep(options.crash_after)
            for _ in range(options.crashes):
                await self._crash(self.parts[options.crash])
        if options.seconds > 0:
            await asyncio.sleep(self.started + options.seconds - time.monotonic())
            await self.stop()

    async def _crash(self, part: Handle[Part]) -> None:
        """Let it crash, and wait until it is back."""
        self.crashes_ordered += 1
        self.recovered.clear()
        self._tell(f"{part}: crashing it on purpose")
        await part.insertSignal(Crash())
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                await self.recovered.wait()
        except TimeoutError:
            self.failures.append(f"{part} did not come back within {RECOVERY_SECONDS:g} s")

    async def progress(self) -> None:
        """Task: show how far it is."""
        await asyncio.sleep(self.progress_seconds)
        try:
            # Consumers first: so nothing is seen to be written before it was seen to come in.
            counts = [
                await part.ask(Counts(), timeout=ANSWER_SECONDS) for part in self.parts.values()
            ]
        except errors.ThreadEnded:
            pass  # it crashed just as it had the question; or the end has begun
        except errors.AskTimeout as error:
            self.logger.info("no progress to show: %s", error)
        else:
            if self.on_progress is not None:
                self.on_progress(add_up(counts), time.monotonic() - self.started)
        self.tasks.progress = await reSchedule(self.progress)

    # ---- what the parts tell --------------------------------------------------------------

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        if not reason.failed:
            return
        if self.stop_began is not None:  # too late to be restarted
            self.failures.append(f"{child.getId()}: {reason}")
            return
        try:
            self.parts[child.getId()].post(Nudge())
        except errors.InboxFull:
            pass  # then it has enough to handle
        except errors.ThreadEnded:
            self.failures.append(f"{child.getId()}: {reason}")

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        if isinstance(signal, Recovered):
            name = child.getId()
            report = CrashReport(
                part=name,
                at=signal.crashed_at - self.started,
                when=signal.when,
                generation=self.parts[name].generation,
                seconds=signal.seconds,
                signals=signal.waiting,
                rows=signal.in_hand,
                pause=self.pauses[name].initial if name in self.pauses else 0.0,
            )
            self.crashes.append(report)
            self._tell(f"{name}: back after {report.took}, kept {report.kept}")
            self.recovered.set()

    def _tell(self, text: str) -> None:
        if self.on_event is not None:
            self.on_event(text, time.monotonic() - self.started)

    # ---- the end --------------------------------------------------------------------------

    async def stopping__(self) -> None:
        self.stop_began = time.monotonic()
        # Parts that live have copies, and close them in their turn. Where one is down nobody will
        # come any more to serve those who wait, and they shall not wait for that.
        self._close_doors()
        if self.parts["server"].state is not State.RUNNING:
            self.lobby.close()

    async def exit__(self) -> None:
        self.lobby.close()

    def summary(self, rows_before: int = 0) -> Summary:
        """How the run ended. From any thread, after the end.

        :param rows_before: how many rows were in the file before.
        """
        now = time.monotonic()
        totals = add_up(kept.counts for kept in self.kept.values())
        failures = list(self.failures)
        if self.exit_reason is not None and self.exit_reason.failed:
            failures.append(f"{self.getId()}: {self.exit_reason}")
        dead = self.statistics().inbox.dead
        dead += sum(part.statistics().inbox.dead for part in self.parts.values())
        return Summary(
            totals=totals,
            rows=count_rows(file_now(self.options.database)) - rows_before,
            dead_letters=dead + totals.dead_letters,
            seconds=now - self.started,
            stop_seconds=now - (self.stop_began if self.stop_began is not None else now),
            failures=tuple(failures),
            restarts={name: part.restarts for name, part in self.parts.items() if part.restarts},
            crashes=tuple(self.crashes),
            crashes_ordered=self.crashes_ordered,
        )
