"""A flow, as the app holds it in memory: little while it rests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from task_thread.flows.history import Row

if TYPE_CHECKING:
    from task_thread.app.run import Run
    from task_thread.flows.census import Change
    from task_thread.flows.spec import Routine
    from task_thread.latch import Latch

__all__ = ["Flow"]


class Flow:
    """One flow that has not ended, or only just. 10,000 that wait take some megabytes: what their
    tasks take and give is in the store, and read when one goes on.

    Ownership: ``row``, ``latch`` and ``stored`` belong to the lock of the flow's Engine; the rest
    to the app's loop. A row is never changed, only replaced: whoever reads it sees one that was
    true.

    :ivar row: where it is.
    :ivar routine: the version that it started with; None: it is not in the store any more.
    :ivar latch: set when it has ended and that is on disk, for those who wait; None: nobody does.
    :ivar given: what it was submitted with, as JSON text; None: it is in the store.
    :ivar texts: what its tasks gave, by their keys, as JSON text; None: in the store.
    :ivar value: what its last task gave, once it is done.
    :ivar stored: how many rows of its history are known to be on disk, when it last acted.
    :ivar run: the run of its task that is under way.
    :ivar unsure: while nobody knows whether the store has one of its id: what is to be written of
        it once that is known.
    """

    __slots__ = (
        "given", "latch", "routine", "row", "run", "stored", "texts", "unsure",
        "value",
    )  # fmt: skip

    def __init__(self, row: Row, routine: Routine | None, given: str | None = None) -> None:
        self.row = row
        self.routine = routine
        self.latch: Latch[None] | None = None
        self.given = given
        self.texts: dict[str, str] | None = None if given is None else {}
        self.value: str | None = None
        self.stored = row.steps
        self.run: Run[Any] | None = None
        self.unsure: list[Change] | None = None

    @property
    def id(self) -> str:
        """Its run id."""
        return self.row.id

    def rest(self) -> None:
        """It may take long until it goes on: let go of all that the store has."""
        self.given = self.texts = None

    @property
    def is_loaded(self) -> bool:
        """Whether what its tasks take is in memory."""
        return self.given is not None and self.texts is not None

    def load(self, given: str, texts: Mapping[str, str]) -> None:
        """What its tasks take was read from the store."""
        self.given, self.texts = given, dict(texts)
