"""The processor: checks frames, puts snapshots together, keeps the book on refused ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from task_thread import errors

from .messages import ConnectionOver, Frames, Latest, Refuse, Rows
from .part import Part
from .readings import Assembly, PayloadError, Row, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from task_thread import TaskThread
    from task_thread.signals import Signal

    from .database import Database
    from .server import ClientConnection
    from .viewers import Viewers

__all__ = ["Processor"]


class Client:
    """What the processor knows of one connection."""

    def __init__(self) -> None:
        self.assembly = Assembly()
        self.refused = False


class Processor(Part):
    """Turns frames into rows, and passes these on to the database and to the viewers."""

    max_qsize = 16  # batches; each may hold some thousand frames
    stop_timeout = 20.0

    def __init__(
        self, database: Database, viewers: Viewers, *, parent: TaskThread | None = None
    ) -> None:
        self.database = database
        self.viewers = viewers
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        super().initVars__()
        self.clients: dict[ClientConnection, Client] = {}

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, Frames):
            if rows := self._check(signal.origin, signal.payloads):
                self.counts["passed"] += len(rows)
                await self.database.insertSignal(Rows(rows))
                latest = {row[0]: row for row in rows}
                await self.viewers.insertSignal(Latest(latest, len(rows)))
        elif isinstance(signal, ConnectionOver):
            self._conclude(signal)
        return await super().signalHandler__(signal)

    def _check(self, origin: ClientConnection, payloads: Sequence[bytes]) -> list[Row]:
        client = self.clients.setdefault(origin, Client())
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
        client = self.clients.pop(signal.origin, Client())
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
