"""The gateway of the examples: its tree as it stands, only its store keeps a tally."""

from __future__ import annotations

import tempfile
from pathlib import Path

from examples.gateway.database import Database
from examples.gateway.gateway import Gateway, Options

from .gateway_load import CONNECTIONS, Load
from .gateway_rows import TalliedStore, Tally
from .loops import PATIENCE


class TalliedDatabase(Database):
    """The gateway's database thread, with a store that keeps a tally."""

    tally: Tally

    async def enter__(self) -> None:
        """Open the other store in place of the usual one."""
        await super().enter__()
        self.store.close()
        self.store = TalliedStore(self.file, self.tally)


class TalliedGateway(Gateway):
    """The gateway, with that database."""

    database_class = TalliedDatabase


def tree(frames: int) -> float:
    """Frames per second from the first byte sent to the last full batch written."""
    tally = TalliedDatabase.tally = Tally(frames // CONNECTIONS * CONNECTIONS)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(database=Path(folder) / "rows.db", sample=False)
        with TalliedGateway(options) as gateway:
            load = Load(gateway.address, frames)
            rate = tally.rate(load.go(), PATIENCE)
            load.join()
    return rate
