"""One way to an actor of pykka."""

from __future__ import annotations

import pykka

from .bursts import Counter, Item, rate_of_called
from .loops import PATIENCE, LoopThread
from .placement import Place


class Receiver(pykka.ThreadingActor):
    """An actor that counts what it is told."""

    def __init__(self, counter: Counter, place: Place) -> None:
        super().__init__()
        self._counter = counter
        self._place = place

    def on_start(self) -> None:
        """Take one's place."""
        self._place.take()

    def on_receive(self, message: object) -> None:
        """Count one message."""
        self._counter.take(message)


def tell_each(size: int, burst: int, cores: int) -> float:
    """Items per second: one tell each, from a task on a loop."""
    counter = Counter()
    actor = Receiver.start(counter, Place(1, cores))
    with LoopThread(Place(0, cores)) as sender:
        items = [Item() for _ in range(size)]
        work = rate_of_called(actor.tell, counter, items, burst)
        rate = sender.submit(work).result(PATIENCE)
    actor.stop()
    return rate
