"""What crosses between event loops: one exchange for each loop that carries threads.

The rules:

- Signals that one loop's turn sends to one inbox leave together at the end of that turn: one put
  into the receiving loop's janus queue, and one ring for all puts that a loop has not yet seen. A
  put and a wake-up for each signal is twenty times slower (docs/performance.md).
- Between threads on one loop a signal is appended to the inbox, and nothing else.

Ownership: an exchange's ``lanes`` belong to its loop, the queue belongs to janus, and
``_EXCHANGES`` is changed by single operations.

Of janus the synchronous side is used at both ends: its ``async_q.get`` costs a task, a lock and
three turns of the loop for each wake-up, and binds the queue to one loop for good.
"""

from __future__ import annotations

import contextlib
import threading
from asyncio.events import _get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import janus

from task_thread.core.turns import NO_BELL, bell_for

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from task_thread.core.inbox import Inbox
    from task_thread.core.protocols import Bell

__all__ = ["Exchange", "Lane", "exchange_here", "here"]


class _Parcels(janus.Queue[Any]):
    """A janus queue that hands over all that waits at once, and asks for one ring for it.

    What is put is a parcel, a list of three: the inbox, a turn's items for it, and whether the
    sender shall ring, which the queue answers. (A class of its own would cost more than the put.)
    """

    def _init(self, maxsize: int) -> None:
        self._waiting: list[list[Any]] = []

    def _qsize(self) -> int:
        return len(self._waiting)

    def _put(self, item: list[Any]) -> None:
        item[2] = not self._waiting
        self._waiting.append(item)

    def _get(self) -> list[list[Any]]:
        taken, self._waiting = self._waiting, []
        return taken


class Here(threading.local):
    """The exchange of the loop that an OS thread of ours runs, for as long as it runs it."""

    exchange: Exchange | None = None


here: Final = Here()

_EXCHANGES: Final[dict[AbstractEventLoop, Exchange]] = {}
# Changed by Exchange.open and close alone, each for its own loop; a dict's single operations are
# atomic with and without a GIL.


def exchange_here() -> Exchange | None:
    """The open exchange of the running loop, None where no thread lives on it."""
    return here.exchange or _EXCHANGES.get(_get_running_loop())  # type: ignore[arg-type]


class Lane(list[Any]):
    """What one turn of a loop sends to one inbox. Owned by that loop."""

    limit: int = 1  # for how many items in all the inbox has kept room
    # No __init__, which would cost a third of sending a single signal.


class Exchange:
    """What crosses between one loop's threads and the others. One for each loop that carries any.

    Several threads may share it (VirtualThreads on one loop): each opens it and closes it.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._parcels = _Parcels().sync_q
        self._put, self._get = self._parcels.put, self._parcels.get
        self.lanes: dict[Inbox, Lane] = {}
        self._bell: Bell = bell_for(loop, self)
        self._users = 0
        self._measuring = False
        self._rung_at: float | None = None
        self._lag = 0.0

    @classmethod
    def open(cls, loop: AbstractEventLoop, *, own: bool = False) -> Exchange:
        """The exchange of `loop`, made where there is none. In that loop's OS thread only, or
        before it has one.

        :param own: that OS thread is ours and runs this loop to its end. On a loop of somebody
            else's, which may be stopped before its turn ends, nothing waits for that.
        """
        exchange = _EXCHANGES.get(loop)
        if exchange is None:
            exchange = _EXCHANGES[loop] = cls(loop)
        if own:
            here.exchange = exchange
        exchange._users += 1
        return exchange

    def close(self) -> None:
        """Give it back; the last one to do so shuts it. On its loop only."""
        self.flush()
        self._users -= 1
        if self._users:
            return
        _EXCHANGES.pop(self.loop, None)
        if here.exchange is self:
            here.exchange = None
        self._parcels.shutdown()
        self._bell.close()
        self._bell = NO_BELL
        self.drain()

    def lag(self) -> float:
        """Seconds from a ring for this loop until it came: of the one measured last, or of one
        that still waits if that is longer already. From any thread.

        Asking has the next ring measured; a ring that waits unmeasured counts from the first time
        that somebody asked. So nobody pays for it where nobody asks.
        """
        now = monotonic()
        if self._rung_at is None and self._parcels.qsize():
            self._rung_at = now
        self._measuring = True
        rung_at = self._rung_at
        return self._lag if rung_at is None else max(self._lag, now - rung_at)

    def open_lane(self, inbox: Inbox, item: Any) -> None:
        """Let `item`, and what is added to the lane, leave with this turn of the loop. On its
        loop only."""
        if self._bell.asked and not self.lanes:
            self._bell.want_turn_end()
        self.lanes[inbox] = Lane((item,))

    def flush(self) -> None:
        """Send what this turn of the loop has collected. On its loop only."""
        lanes = self.lanes
        if lanes:
            self.lanes = {}
            for inbox, lane in lanes.items():
                if lane.limit > len(lane):
                    inbox.give_back(lane.limit - len(lane))
                inbox.send(lane)

    def receive(self, inbox: Inbox, items: Sequence[Any]) -> None:
        """Take `items` for `inbox`, a thread of this loop. From any thread."""
        parcel = [inbox, items, False]
        try:
            self._put(parcel, False)
        except janus.SyncQueueShutDown:
            inbox.strand(items, self)
            return
        if parcel[2]:
            if self._measuring:
                self._rung_at = monotonic()
            self._bell.ring()

    def take_for(self, inbox: Inbox) -> list[Any]:
        """What is under way to `inbox`, taken out, where this loop hangs and will not drain it.
        From any thread."""
        try:
            parcels: list[list[Any]] = self._get(False)
        except (janus.SyncQueueEmpty, janus.SyncQueueShutDown):
            return []
        taken: list[Any] = []
        for parcel in parcels:
            if parcel[0] is inbox:
                taken.extend(parcel[1])
            else:
                self.receive(parcel[0], parcel[1])
        return taken

    def call(self, callback: Callable[[], object]) -> None:
        """Run `callback` on this loop soon; never, if the loop is closed. From any thread."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback)

    def drain(self) -> None:
        """Hand all that came in to the inboxes that it is for. On its loop only."""
        if self._measuring:
            rung_at, self._rung_at = self._rung_at, None
            if rung_at is not None:
                self._lag, self._measuring = monotonic() - rung_at, False
        try:
            parcels: list[list[Any]] = self._get(False)
        except (janus.SyncQueueEmpty, janus.SyncQueueShutDown):
            return
        for inbox, items, _ in parcels:
            inbox.arrive(items)
