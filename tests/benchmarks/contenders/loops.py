"""The bare mechanism under everything: an OS thread that runs an asyncio loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from .placement import Place

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

T = TypeVar("T")
PATIENCE = 120.0  # seconds to wait for what must come


class LoopThread:
    """A thread with a loop: started when its loop runs, ended when it is joined.

    :param place: the core that it stays on; None: wherever the system puts it.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self._place = place
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Start it, and return when its loop runs. From any thread."""
        self._thread.start()
        self._running.wait()

    def stop(self) -> None:
        """Ask its loop to stop. From any thread; doesn't wait."""
        self.loop.call_soon_threadsafe(self.loop.stop)

    def join(self) -> None:
        """Wait for its end. From any other thread."""
        self._thread.join()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on its loop. From any thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def __enter__(self) -> LoopThread:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.join()

    def _run(self) -> None:
        if self._place is not None:
            self._place.take()
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._running.set)
        self.loop.run_forever()
        self.loop.close()


def two_threads(cores: int) -> tuple[LoopThread, LoopThread]:
    """Two threads that share one core, or have one each.

    :raises UnmeasurableError: there are fewer cores than that.
    """
    return LoopThread(Place(0, cores)), LoopThread(Place(1, cores))
