"""The processor: checks frames, puts snapshots together, keeps the book on refused ones."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from task_thread import errors

from .messages import ConnectionOver, Frames, Latest, Refuse, Rows
from .part import Kept, Part
from .readings import Assembly, PayloadError, Row, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from task_thread import Handle, TaskThread
    from task_thread.signals import Signal

    from .database import Database
    from .server import ClientConnection
    from .viewers import Viewers

__all__ = ["Desk", "Processor"]


class Client:
    """What the processor knows of one connection."""

    def __init__(self) -> None:
        self.assembly = Assembly()
        self.refused = False


class Desk(Kept):
    """What lies on the processor's desk, and is still there for the next instance.

    :ivar clients: the connections that have sent something, with their unfinished snapshots.
    :ivar outgoing: what is to be passed on, and to whom.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[ClientConnection, Client] = {}
        self.outgoing: deque[tuple[Handle[Part], Rows | Latest]] = deque()


class Processor(Part):
    """Turns frames into rows, and passes these on to the database and to the viewers.

    It knows both by their handles, which stay good when one of them is restarted: what is sent
    meanwhile waits for the next instance.

    A signal counts as handled as soon as its handler was called. So what comes of it is laid on
    the desk first, without an ``await`` between, and leaves it when somebody else has it: a crash
    at any point loses nothing.
    """

    max_qsize = 16  # batches; each may hold some thousand frames
    stop_timeout = 20.0
    weak_point = "frames checked, rows not yet passed on"

    def __init__(
        self,
        database: Handle[Database],
        viewers: Handle[Viewers],
        desk: Desk | None = None,
        *,
        parent: TaskThread | None = None,
    ) -> None:
        """:param desk: what the instance before may have left."""
        self.database = database
        self.viewers = viewers
        self.desk = Desk() if desk is None else desk
        super().__init__(self.desk, parent=parent)

    async def enter__(self) -> None:
        await self._pass_on()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Frames):
            if rows := self._check(signal.origin, signal.payloads):
                self.counts["passed"] += len(rows)
                latest = {row[0]: row for row in rows}
                self.desk.outgoing.append((self.database, Rows(rows)))
                self.desk.outgoing.append((self.viewers, Latest(latest, len(rows))))
                self.weak()
                await self._pass_on()
        elif isinstance(signal, ConnectionOver):
            self._conclude(signal)
        return await super().signalHandler__(signal)

    async def exit__(self) -> None:
        await self._pass_on()  # after a crash there may be something left

    def in_hand(self) -> int:
        return sum(len(each.rows) for _, each in self.desk.outgoing if isinstance(each, Rows))

    async def _pass_on(self) -> None:
        outgoing = self.desk.outgoing
        while outgoing:
            receiver, signal = outgoing[0]
            await receiver.insertSignal(signal)
            outgoing.popleft()

    def _check(self, origin: ClientConnection, payloads: Sequence[bytes]) -> list[Row]:
        client = self.desk.clients.setdefault(origin, Client())
        rows: list[Row] = []
        if client.refused:
            self._reject("after a bad frame", len(payloads))
            return rows
        for index, payload in enumerate(payloads):
            try:
                row, place = parse(payload)
                if place is None:
                    rows.append(row)
                else:
                    rows += client.assembly.add(row, place)
            except PayloadError as error:
                self._reject(error.kind)
                self._reject("after a bad frame", len(payloads) - index - 1)
                self._refuse(origin, client, error)
                break
        return rows

    def _conclude(self, signal: ConnectionOver) -> None:
        client = self.desk.clients.pop(signal.origin, Client())
        if signal.error is not None:
            self._reject(signal.error.kind)
            if not client.refused:
                self._refuse(signal.origin, client, signal.error)
        elif client.assembly.waiting:
            error = PayloadError("snapshot", "the connection ended before its snapshot was whole")
            self._refuse(signal.origin, client, error)

    def _refuse(self, origin: ClientConnection, client: Client, error: Exception) -> None:
        self.logger.error("refused %s: %s", origin.getId(), error)
        self.counts["connections_refused"] += 1
        client.refused = True
        self._reject("snapshot", client.assembly.waiting)
        client.assembly = Assembly()
        try:
            origin.post(Refuse())
        except errors.LifeError:
            pass  # it has ended already

    def _reject(self, kind: str, frames: int = 1) -> None:
        if frames:
            self.counts[f"rejected {kind}"] += frames
