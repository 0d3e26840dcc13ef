"""One way to a child that is supervised, and to one that is not."""

from __future__ import annotations

from concurrent.futures import Future

from task_thread import TaskThread, reCreate
from task_thread.signals import Signal

from .bursts import Counter, rate_of_awaited
from .loops import PATIENCE
from .ours_one_way import RoomyReceiver
from .placement import Place

UNSUPERVISED, SPAWNED, HANDLE = range(3)


class Sender(TaskThread):
    """Sends bursts from a task of its own, in one of three ways."""

    def __init__(self, way: int, size: int, burst: int, cores: int) -> None:
        self.way, self.size, self.burst = way, size, burst
        self.place, self.receiver_place = Place(0, cores), Place(1, cores)
        self.rate: Future[float] = Future()
        super().__init__()

    def initVars__(self) -> None:
        """Declare the task's slot."""
        self.tasks.sending = None

    async def enter__(self) -> None:
        """Start the receiver, then the sending."""
        self.place.take()
        counter = Counter()
        if self.way == UNSUPERVISED:
            receiver = RoomyReceiver(counter, self.receiver_place, self)
            await receiver.run()
            send = receiver.insertSignal
        else:
            handle = await self.spawn(RoomyReceiver, counter, self.receiver_place)
            send = handle.insertSignal if self.way == HANDLE else handle.thread.insertSignal
        self.tasks.sending = await reCreate(self.tasks.sending, self.send_all, send, counter)

    async def send_all(self, send: object, counter: Counter) -> None:
        """Task: send, once."""
        signals = [Signal() for _ in range(self.size)]
        rate = await rate_of_awaited(send, counter, signals, self.burst)  # type: ignore[arg-type]
        self.rate.set_result(rate)


def unsupervised(size: int, burst: int, cores: int) -> float:
    """Signals per second to a child that was run by hand."""
    return _rate(UNSUPERVISED, size, burst, cores)


def spawned(size: int, burst: int, cores: int) -> float:
    """Signals per second to the instance of a spawned child."""
    return _rate(SPAWNED, size, burst, cores)


def through_handle(size: int, burst: int, cores: int) -> float:
    """Signals per second through the handle of a spawned child."""
    return _rate(HANDLE, size, burst, cores)


def _rate(way: int, size: int, burst: int, cores: int) -> float:
    with Sender(way, size, burst, cores) as sender:
        return sender.rate.result(PATIENCE)
