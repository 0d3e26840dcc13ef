"""The far end of both gateways: a store that notes when its rows were written."""

from __future__ import annotations

from concurrent.futures import Future
from time import perf_counter
from typing import TYPE_CHECKING

from examples.gateway.database import BATCH_ROWS
from examples.gateway.store import RowStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from examples.gateway.readings import Row


class Tally:
    """Counts rows as they are written.

    The last rows may have waited for others to be written with. So that this wait isn't
    measured, a rate ends with the last batch that was full.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._written = 0
        self._mark = (0, 0.0)
        self.complete: Future[tuple[int, float]] = Future()

    def add(self, rows: int) -> None:
        """Count a batch that was written just now. On the writing thread."""
        self._written += rows
        if rows >= BATCH_ROWS:
            self._mark = (self._written, perf_counter())
        if self._written == self._expected:
            self.complete.set_result(self._mark)

    def rate(self, began: float, patience: float) -> float:
        """Rows per second since then, once all are written. From another thread."""
        written, moment = self.complete.result(patience)
        return written / (moment - began)


class TalliedStore(RowStore):
    """The gateway's own store, and a tally of what it has written."""

    def __init__(self, path: Path, tally: Tally) -> None:
        super().__init__(path)
        self._tally = tally

    def write(self, rows: Sequence[Row]) -> None:
        """Write a batch, then count it."""
        super().write(rows)
        self._tally.add(len(rows))
