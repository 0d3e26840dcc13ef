"""A ball between two loops with nothing but call_soon_threadsafe."""

from __future__ import annotations

from concurrent.futures import Future
from time import perf_counter

from .loops import PATIENCE, LoopThread, two_threads

WARM_UP = 500  # round trips ahead of the measured ones


class Rally:
    """A ball that goes to the other loop and back until the trips are done."""

    def __init__(self, near: LoopThread, far: LoopThread, trips: int) -> None:
        self._near = near.loop
        self._far = far.loop
        self._left = trips
        self.ended: Future[float] = Future()

    def serve(self) -> None:
        """Send the ball over. On the near loop."""
        self._far.call_soon_threadsafe(self._return)

    def _return(self) -> None:
        self._near.call_soon_threadsafe(self._arrive)

    def _arrive(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.ended.set_result(perf_counter())
        else:
            self.serve()


def call_soon(size: int, cores: int) -> float:
    """Microseconds for a round trip."""
    near, far = two_threads(cores)
    with near, far:
        for trips in (WARM_UP, size):
            rally = Rally(near, far, trips)
            began = perf_counter()
            near.loop.call_soon_threadsafe(rally.serve)
            ended = rally.ended.result(PATIENCE)
    return (ended - began) / size * 1e6
