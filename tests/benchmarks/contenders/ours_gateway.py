"""The gateway of the examples: its tree as it stands, only its store keeps a tally."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from examples.gateway.database import Database
from examples.gateway.gateway import Gateway, Options

from .gateway_load import CONNECTIONS, Load
from .gateway_rows import TalliedStore, Tally
from .loops import PATIENCE

if TYPE_CHECKING:
    from task_thread import TaskThread


class TalliedDatabase(Database):
    """The gateway's database thread, with a store that keeps a tally."""

    def __init__(self, path: Path, tally: Tally, parent: TaskThread) -> None:
        self._tally = tally
        super().__init__(path, parent=parent)

    async def enter__(self) -> None:
        """Open the other store in place of the usual one."""
        await super().enter__()
        self.store.close()
        self.store = TalliedStore(self.path, self._tally)


class TalliedGateway(Gateway):
    """The gateway, with that database."""

    def __init__(self, options: Options, tally: Tally) -> None:
        self._tally = tally
        super().__init__(options)

    def initVars__(self) -> None:
        """Put the other database in the usual one's place."""
        super().initVars__()
        self.database = TalliedDatabase(self.options.database, self._tally, self)
        self.processor.database = self.database


def tree(frames: int) -> float:
    """Frames per second from the first byte sent to the last full batch written."""
    tally = Tally(frames // CONNECTIONS * CONNECTIONS)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(database=Path(folder) / "rows.db", sample=False)
        with TalliedGateway(options, tally) as gateway:
            load = Load(gateway.server.address, frames)
            rate = tally.rate(load.go(), PATIENCE)
            load.join()
    return rate
