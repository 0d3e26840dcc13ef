"""A signal from parent to child and back, handler to handler."""

from __future__ import annotations

from concurrent.futures import Future
from time import perf_counter

from task_thread import TaskThread
from task_thread.signals import Signal

from .loops import PATIENCE
from .placement import Place

WARM_UP = 500  # round trips ahead of the measured ones


class Echo(TaskThread):
    """Sends every signal back to its parent."""

    def __init__(self, place: Place, parent: TaskThread) -> None:
        self.place = place
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        """Take one's place."""
        self.place.take()

    async def signalHandler__(self, signal: Signal) -> None:
        """Return one signal."""
        await self.sigFromChildToParent__(signal)


class Player(TaskThread):
    """Sends a signal to its child each time one comes back."""

    def __init__(self, size: int, cores: int) -> None:
        self.size = size
        self.left = size + WARM_UP
        self.began = 0.0
        self.place, self.child_place = Place(0, cores), Place(1, cores)
        self.figure: Future[float] = Future()
        super().__init__()

    async def enter__(self) -> None:
        """Start the child and send the first signal."""
        self.place.take()
        child = Echo(self.child_place, self)
        await child.run()
        await self.sigFromParentToChild__(Signal(), child)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        """Send it over again, until all trips are done."""
        self.left -= 1
        if self.left == self.size:
            self.began = perf_counter()
        if self.left == 0:
            self.figure.set_result((perf_counter() - self.began) / self.size * 1e6)
        else:
            await self.sigFromParentToChild__(signal, child)


def parent_and_child(size: int, cores: int) -> float:
    """Microseconds for a round trip."""
    with Player(size, cores) as player:
        return player.figure.result(PATIENCE)
