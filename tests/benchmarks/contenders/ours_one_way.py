"""One way from a parent's task to its child, through the public API."""

from __future__ import annotations

from concurrent.futures import Future

from task_thread import TaskThread, reCreate
from task_thread.signals import Signal

from .bursts import Counter, rate_of_awaited
from .loops import PATIENCE
from .placement import Place


class Receiver(TaskThread):
    """Counts the signals it is sent. As many may wait for it as for any thread by default."""

    def __init__(self, counter: Counter, place: Place, parent: TaskThread) -> None:
        self.counter = counter
        self.place = place
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        """Take one's place."""
        self.place.take()

    async def signalHandler__(self, signal: Signal) -> None:
        """Count one signal."""
        self.counter.take(signal)


class RoomyReceiver(Receiver):
    """Any number of signals may wait for it."""

    max_qsize = 0


class Sender(TaskThread):
    """Sends bursts from a task of its own."""

    def __init__(self, kind: type[Receiver], size: int, burst: int, cores: int) -> None:
        self.kind = kind
        self.size = size
        self.burst = burst
        self.place, self.receiver_place = Place(0, cores), Place(1, cores)
        self.rate: Future[float] = Future()
        super().__init__()

    def initVars__(self) -> None:
        """Declare the task's slot."""
        self.tasks.sending = None

    async def enter__(self) -> None:
        """Start the receiver, then the sending."""
        self.place.take()
        receiver = self.kind(Counter(), self.receiver_place, self)
        await receiver.run()
        self.tasks.sending = await reCreate(self.tasks.sending, self.send_all, receiver)

    async def send_all(self, receiver: Receiver) -> None:
        """Task: send, once."""
        signals = [Signal() for _ in range(self.size)]
        send, counter = receiver.insertSignal, receiver.counter
        self.rate.set_result(await rate_of_awaited(send, counter, signals, self.burst))


def unbounded(size: int, burst: int, cores: int) -> float:
    """Signals per second where any number may wait."""
    return _rate(RoomyReceiver, size, burst, cores)


def bounded(size: int, burst: int, cores: int) -> float:
    """Signals per second where as many may wait as by default."""
    return _rate(Receiver, size, burst, cores)


def _rate(kind: type[Receiver], size: int, burst: int, cores: int) -> float:
    with Sender(kind, size, burst, cores) as sender:
        return sender.rate.result(PATIENCE)
