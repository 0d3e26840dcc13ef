"""The bounded inbox of a thread, and the line of those who wait for room in it.

The rules:

- A signal is *accepted* when it is counted, under the inbox's lock; from then on it is handled
  once or counted dead. What is not accepted is the sender's again.
- Who waits for room waits in a line, and holds his signal in his hand: when room comes the
  receiver takes it from him. So nobody overtakes, neither another task of the same thread nor
  what he himself had sent before.
- A turn's later signals keep room for each other in advance, under one lock for many; what is
  kept and not used is given back when the turn ends.

Ownership: ``queue`` belongs to the thread's loop (before the thread runs an item may be appended
from anywhere); ``_accepted``, ``_dead``, ``line`` and ``_refusing`` belong to the lock; ``taken``
and ``_arrived`` are written by the loop alone and read by all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio.events import _get_running_loop
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.exchange import Exchange, exchange_here, here
from task_thread.errors import SendTimeout, ThreadEnded, WrongLoop
from task_thread.log import show

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Inbox", "InboxView", "Notice"]

_LANE_GROWTH: Final = 256  # signals that a lane keeps room for at the most before it has them


class Notice:
    """An item that takes no room and is no signal: the family's own messages."""

    __slots__ = ()


class _InLine:
    """One who waits for room, with his item in his hand."""

    __slots__ = ("accepted", "future", "item", "loop")

    def __init__(self, item: Any, loop: AbstractEventLoop) -> None:
        self.accepted = False  # belongs to the inbox's lock
        self.item = item
        self.loop = loop
        self.future: asyncio.Future[bool] = loop.create_future()

    def settle(self, accepted: bool) -> None:
        """Tell him, from any thread."""
        with contextlib.suppress(RuntimeError):  # his loop was closed: he has gone home
            self.loop.call_soon_threadsafe(self._settle, accepted)

    def _settle(self, accepted: bool) -> None:
        if not self.future.done():
            self.future.set_result(accepted)


class Inbox:
    """The bounded inbox of one thread.

    :param owner: whose it is, for errors to say.
    :param name: how people call him.
    :param capacity: how many signals may wait in it; 0 for no limit.
    :param report: called with the signals that were counted dead, in the thread that finds them.
    """

    __slots__ = (
        "_accepted",
        "_announced",
        "_arrived",
        "_dead",
        "_high_water",
        "home",
        "line",
        "_lock",
        "_name",
        "_noticed",
        "_owner",
        "_refusing",
        "_report",
        "_sleeper",
        "taken",
        "capacity",
        "queue",
        "sealed",
    )

    def __init__(
        self,
        owner: object,
        name: Callable[[], str],
        capacity: int,
        report: Callable[[list[Any]], None],
    ) -> None:
        self._owner = owner
        self._name = name
        self.capacity = capacity
        self._report = report
        self._lock = threading.Lock()
        self.queue: deque[Any] = deque()
        self.home: Any = None  # its Exchange, once there is one
        self._announced = self._noticed = 0
        self._accepted = self._arrived = self.taken = self._dead = self._high_water = 0
        self.line: deque[_InLine] | None = None  # who waits for room; None or empty: nobody
        self._refusing = False  # takes no more, what it has may still be handled
        self.sealed = False  # nothing is handled any more
        self._sleeper: Any = None  # the future that the owner awaits, when it sleeps

    # ---- for senders, from any thread -----------------------------------------------------

    def offer(self, item: Any) -> bool:
        """Accept `item` if there is room and nobody waits in line before it.

        :returns: whether it was accepted.
        :raises ThreadEnded: the owner takes no signals any more.
        """
        sender = here.exchange
        if sender is not None:
            lane = sender.lanes.get(self)
            if lane is not None:
                if len(lane) == lane.limit:
                    more = self._keep_room(item, min(len(lane), _LANE_GROWTH))
                    if not more:
                        return False
                    lane.limit += more
                lane.append(item)
                return True
        if not self._keep_room(item, 1):
            return False
        home = self.home
        if home is None:
            self._keep(item)
        elif sender is None:
            if exchange_here() is home:
                self.arrive((item,))
            else:
                home.receive(self, (item,))
        elif sender is home:
            self.arrive((item,))
        else:
            sender.open_lane(self, item)
        return True

    def _keep(self, item: Any) -> None:
        """Keep `item` for an owner that does not run yet."""
        with self._lock:
            if self.home is None:
                self.queue.append(item)
                return
        self.home.receive(self, (item,))  # it began to run this moment

    def _keep_room(self, item: Any, wanted: int) -> int:
        """Count up to `wanted` signals as accepted, and return how many."""
        with self._lock:
            if self._refusing:
                raise self._no_more(item)
            if self.line:
                return 0
            depth = self._accepted - self.taken - self._dead
            if self.capacity:
                wanted = max(0, min(wanted, self.capacity - depth))
            if wanted:
                self._accepted += wanted
                if depth + wanted > self._high_water:
                    self._high_water = depth + wanted
            return wanted

    def give_back(self, unused: int) -> None:
        """A lane has kept room for more than it sends."""
        with self._lock:
            self._accepted -= unused
            waiting, refusing = bool(self.line), self._refusing
        if waiting:
            self.home.call(self.admit)
        if refusing:  # its owner waits for what is under way, which is less than it thought
            self.home.call(self.wake)

    async def put(self, item: Any, timeout: float | None) -> None:
        """Wait on the running loop until `item` is accepted.

        :param timeout: seconds to wait at the most; None for no limit.
        :raises ThreadEnded: the owner takes no signals any more.
        :raises SendTimeout: there was no room in time; `item` was not accepted.
        """
        loop = asyncio.get_running_loop()
        sender = exchange_here()
        if sender is not None:
            sender.flush()  # what he sent before must be there when his turn in line comes
        mine = _InLine(item, loop)
        if not self._line_up(mine):
            raise self._no_more(item)
        timer = None if timeout is None else loop.call_later(timeout, mine._settle, False)
        try:
            accepted = await mine.future
        except asyncio.CancelledError:
            self._leave_line(mine)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if accepted or self._leave_line(mine):
            return
        if self._refusing:
            raise self._no_more(item)
        raise SendTimeout(
            f"the inbox of {self._name()} (max_qsize {self.capacity}) was full for {timeout:g} s: "
            f"{show(item)} was not sent"
        )

    def announce(self) -> None:
        """A notice will come. From any thread.

        A child first announces that it will tell of its end, then leaves its family, then tells:
        so a parent that finds no children left to stop still waits for what they have to tell.
        """
        with self._lock:
            self._announced += 1

    def unannounce(self) -> None:
        """It won't. From any thread."""
        with self._lock:
            self._announced -= 1
        home = self.home
        if home is not None:
            home.call(self.wake)

    def notify(self, notice: Notice) -> None:
        """Deliver a notice, whatever room there is. From any thread."""
        home = self.home
        if home is None:
            self._keep(notice)
        elif exchange_here() is home:
            self.arrive((notice,))
        else:
            home.receive(self, (notice,))

    def _no_more(self, item: Any) -> ThreadEnded:
        return ThreadEnded(
            f"{self._name()} has ended or is about to, and takes no more signals: "
            f"{show(item)} was not sent",
            self._owner,
        )

    def _line_up(self, mine: _InLine) -> bool:
        with self._lock:
            if self._refusing:
                return False
            if self.line is None:
                self.line = deque()
            self.line.append(mine)
            home = self.home
        # Read after lining up: either the receiver sees the line, or this sees the room it made.
        if home is not None and self.depth() < self.capacity:
            home.call(self.admit)
        return True

    def _leave_line(self, mine: _InLine) -> bool:
        """Stop waiting. Whether the item was accepted all the same, just before."""
        with self._lock:
            if self.line and mine in self.line:
                self.line.remove(mine)
            return mine.accepted

    # ---- for the owner, on its loop -------------------------------------------------------

    def settle_in(self, home: Exchange) -> None:
        """From now on the inbox's items belong to the loop of `home`."""
        with self._lock:
            self.home = home
            self._noticed = sum(isinstance(item, Notice) for item in self.queue)
            self._arrived = len(self.queue) - self._noticed

    def arrive(self, items: Sequence[Any]) -> None:
        """Put what was accepted into the queue and wake the owner."""
        if self.sealed:
            self.bury(items)
            return
        self.queue.extend(items)
        if isinstance(items[0], Notice):  # it comes alone
            self._noticed += 1
        else:
            self._arrived += len(items)
        sleeper = self._sleeper
        if sleeper is not None and not sleeper.done():
            sleeper.set_result(None)

    async def await_all(self) -> None:
        """Wait until nothing is under way any more; for an owner whose listener has ended."""
        while not self.all_arrived():
            self._sleeper = self.home.loop.create_future()
            await self._sleeper

    def all_arrived(self) -> bool:
        """Whether nothing that was accepted or announced is still under way."""
        return self._arrived >= self._accepted and self._noticed >= self._announced

    # The listener, which takes signals out of the queue, counts each in `taken` itself and calls
    # admit() where somebody stands in `line`: a call for each signal would cost a tenth.

    def admit(self) -> None:
        """Accept from those who wait in line as many as there is room for."""
        with self._lock:
            first = list(self.line or ())
        if not first or self.home is None:
            return
        # All of them had flushed before they lined up: what they sent earlier goes first.
        self.home.drain()
        accepted: list[_InLine] = []
        with self._lock:
            line = self.line
            for mine in first:
                if not line or not self._has_room():
                    break
                if line[0] is mine:  # else he has left the line meanwhile
                    line.popleft()
                    mine.accepted = True
                    self._accepted += 1
                    self._high_water = max(
                        self._high_water, self._accepted - self.taken - self._dead
                    )
                    accepted.append(mine)
        if accepted:
            self.arrive([mine.item for mine in accepted])
        for mine in accepted:
            mine.settle(True)

    def sleeper(self) -> asyncio.Future[None]:
        """What to await until something is in the queue, or :meth:`wake` is called."""
        if self.line:
            self.admit()
        future: asyncio.Future[None] = self.home.loop.create_future()
        if self.queue:
            future.set_result(None)
        else:
            self._sleeper = future
        return future

    def wake(self) -> None:
        """Let the one who sleeps go on."""
        sleeper = self._sleeper
        if sleeper is not None and not sleeper.done():
            sleeper.set_result(None)

    # ---- the end, from any thread ---------------------------------------------------------

    def refuse(self) -> None:
        """Accept nothing any more; who waits in line is sent home."""
        with self._lock:
            self._refusing = True
            line, self.line = self.line, None
        for mine in line or ():
            mine.settle(False)

    def seal(self) -> None:
        """Nothing is handled any more: what is left, and what is still under way, is dead."""
        self.refuse()
        self.sealed = True
        left: list[Any] = []
        # One by one: the owner of an abandoned thread may still be taking from the other end.
        with contextlib.suppress(IndexError):
            while True:
                left.append(self.queue.popleft())
        self.bury(left)

    def bury(self, items: Iterable[Any]) -> None:
        """Count accepted `items` that nobody will handle, and report them."""
        dead = [item for item in items if not isinstance(item, Notice)]
        if dead:
            with self._lock:
                self._dead += len(dead)
            self._report(dead)

    # ---- looking in, from any thread ------------------------------------------------------

    def depth(self) -> int:
        """How many signals were accepted and wait."""
        return self._accepted - self.taken - self._dead

    def _has_room(self) -> bool:
        return not 0 < self.capacity <= self.depth()

    def count(self) -> tuple[int, int, int, int, int, int]:
        """Depth, capacity, high water, accepted, handled and dead, read together."""
        with self._lock:
            accepted, taken, dead = self._accepted, self.taken, self._dead
            return accepted - taken - dead, self.capacity, self._high_water, accepted, taken, dead


class InboxView:
    """What the overflow hooks are given: a look into an inbox, in asyncio.Queue's words."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    @property
    def maxsize(self) -> int:
        """How many signals may wait; 0 for no limit."""
        return self._inbox.capacity

    def qsize(self) -> int:
        """How many signals wait. From any thread."""
        return self._inbox.depth()

    def empty(self) -> bool:
        """Whether none waits. From any thread."""
        return self.qsize() <= 0

    def full(self) -> bool:
        """Whether there is no room. From any thread."""
        return 0 < self.maxsize <= self.qsize()

    def get_nowait(self) -> Any:
        """Take the oldest signal out; it counts as dead. On the owner's own loop only.

        A signal that a child had sent comes as the pair (child, signal).

        :raises asyncio.QueueEmpty: none waits, or what waits is still under way.
        :raises WrongLoop: called from elsewhere: only the owner may drop its signals.
        """
        inbox = self._inbox
        home = inbox.home
        if home is None or _get_running_loop() is not home.loop:
            raise WrongLoop(f"only {inbox._name()} itself may take signals out of its inbox")
        home.drain()
        for index, item in enumerate(inbox.queue):
            if not isinstance(item, Notice):
                del inbox.queue[index]
                inbox.bury((item,))
                inbox.admit()
                return item
        raise asyncio.QueueEmpty
