"""The bounded inbox of a thread, and the line of those who wait for room in it.

The rules:

- A signal is *accepted* when it is counted, under the inbox's lock; from then on it is handled
  once or counted dead. What is not accepted is the sender's again.
- Who waits for room waits in a line, and holds his signal in his hand: when room comes the
  receiver takes it from him. So nobody overtakes, neither another task of the same thread nor
  what he himself had sent before.
- A turn's later signals keep room for each other in advance, under one lock for many; what is
  kept and not used is given back when the turn ends.
- An inbox may outlive its owner: the next instance of a supervised thread takes it over, with all
  that was accepted and not yet handled, and with those who wait in line. Between the two it has no
  home, and still accepts. Only from an owner that hangs, whose loop can't be asked for what is
  under way, is everything moved to an inbox of the next one's own.

Ownership: ``queue`` belongs to the thread's loop (before the thread runs an item may be appended
from anywhere); ``_accepted``, ``_dead``, ``line`` and ``_refusing`` belong to the lock; ``taken``
and ``_arrived`` are written by the loop alone and read by all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from task_thread.core.exchange import Exchange, exchange_here, here
from task_thread.errors import SendTimeout, ThreadEnded
from task_thread.log import show

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Sequence

    from task_thread.core.questions import Questions

__all__ = ["Inbox", "Notice"]

_handing_over: Final = threading.RLock()  # from inboxes of threads that hang: one for all will do
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
        "questions",
        "sealed",
        "_heir",
        "_only_outsiders",
        "_stranded",
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
        self.questions: Questions | None = None  # None: never asked any
        self._heir: Inbox | None = None  # who has got all that was left
        self._stranded: list[Any] = []  # sent to a loop that had just closed
        self._only_outsiders = False  # takes no more from the owner's children
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
            self.send((item,))
        elif sender is None:
            if exchange_here() is home:
                self.arrive((item,))
            else:
                home.receive(self, (item,))
                if self._heir is not None:
                    self._rescue(home)
        elif sender is home:
            self.arrive((item,))
        else:
            sender.open_lane(self, item)
        return True

    def _keep_here(self, items: Iterable[Any]) -> bool:
        """Keep what was accepted while there is no owner that runs. Whether that is so."""
        with self._lock:
            if self.home is not None:
                return False
            sealed = self.sealed
            if not sealed:
                self.queue.extend(items)
        if sealed:
            self.bury(items)
        return True

    def send(self, items: Sequence[Any]) -> None:
        """What a turn of some loop has accepted sets out. From that loop."""
        while True:
            home = self.home
            if self.sealed:
                self.bury(items)
                return
            if home is not None:
                home.receive(self, items)
                if self._heir is not None:
                    self._rescue(home)
                return
            if self._keep_here(items):
                return

    def _rescue(self, home: Exchange) -> None:
        """What was sent had set out for a loop that hangs just when all was passed on to an heir:
        it goes there too, before its sender sends anything else."""
        with _handing_over:
            self.bury(home.take_for(self))

    def strand(self, items: Sequence[Any], home: Exchange) -> None:
        """The loop to which `items` were sent has closed. From any thread."""
        with self._lock:
            sealed, moved = self.sealed, self.home is not home
            if not sealed and not moved:
                self._stranded.extend(items)  # behind what is still on its way there
        if sealed:
            self.bury(items)
        elif moved:
            self.send(items)

    def _keep_room(self, item: Any, wanted: int) -> int:
        """Count up to `wanted` signals as accepted, and return how many."""
        with self._lock:
            if self._refusing or (self._only_outsiders and item.__class__ is tuple):
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
            waiting, refusing, home = bool(self.line), self._refusing, self.home
        if home is None:  # between two owners: the next one will look
            return
        if waiting:
            home.call(self.admit)
        if refusing:  # its owner waits for what is under way, which is less than it thought
            home.call(self.wake)

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
        if self._refusing or (self._only_outsiders and item.__class__ is tuple):
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
            self.send((notice,))
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
            if self._refusing or (self._only_outsiders and mine.item.__class__ is tuple):
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
            # What an earlier owner handled, or let go, had arrived before.
            self._arrived = self.taken + self._dead + len(self.queue) - self._noticed

    # ---- from one owner to the next -------------------------------------------------------

    def leave_home(self) -> None:
        """The owner's loop has closed, and all that had come there is in the queue. From that
        loop's OS thread."""
        with self._lock:
            self.home = None
            stranded, self._stranded = self._stranded, []
            if not self.sealed:
                self.queue.extend(stranded)
                stranded = []
        if stranded:
            self.bury(stranded)

    def take_over(self, owner: object, successor: Inbox) -> None:
        """Belong to `owner`, in place of his own inbox, which is `successor` and is dropped with
        all that it had accepted handed over. While neither he nor the one before runs."""
        with self._lock:
            # Notices are about children of the one before; he has ended, and they with him.
            kept = [item for item in self.queue if not isinstance(item, Notice)]
            self.queue.clear()
            self.queue.extend(kept)
            self._announced = 0
            self._owner, self._name = owner, successor._name
            self._report, self.capacity = successor._report, successor.capacity
            self._sleeper = None
            self._refusing = self._only_outsiders = False
        self.inherit(successor.queue)

    def remains(self) -> Inbox:
        """What the one before keeps of an inbox that was taken over: the counts, as they are."""
        remains = Inbox(self._owner, self._name, self.capacity, self._report)
        remains._refusing = remains.sealed = True
        with self._lock:
            remains.taken, remains._dead = self.taken, self._dead
            remains._accepted = remains._arrived = self.taken + self._dead
            remains._high_water = self._high_water
        return remains

    def pass_on(self, heir: Inbox) -> None:
        """The owner hangs: `heir` gets what is here and what is still to come. Who stands in line
        is sent home. From any thread."""
        self.refuse()
        with _handing_over:  # in order: who finds the heir there comes after this
            with self._lock:
                self.sealed, self._heir = True, heir
                stranded, self._stranded = self._stranded, []
                heir.questions = self.questions
            heir.count_on(self)
            self.bury(self._take_all() + stranded + self._under_way())

    def _under_way(self) -> list[Any]:
        """What a loop that hangs has not yet taken in."""
        home: Exchange | None = self.home
        return [] if home is None else home.take_for(self)

    def end_hanging(self) -> None:
        """The owner hangs, and there is no heir. From any thread."""
        self.seal()
        self.bury(self._under_way())

    def count_on(self, before: Inbox) -> None:
        """Go on counting where the inbox `before` has ended. Before the owner runs."""
        with before._lock:
            taken, dead, high_water = before.taken, before._dead, before._high_water
        with self._lock:
            self.taken, self._dead = self.taken + taken, self._dead + dead
            self._accepted += taken + dead
            self._high_water = max(self._high_water, high_water)

    def inherit(self, items: Iterable[Any]) -> None:
        """Accept signals that another inbox had accepted before, whatever room there is."""
        signals = [item for item in items if not isinstance(item, Notice)]
        if not signals:
            return
        with self._lock:
            self._accepted += len(signals)
            self._high_water = max(self._high_water, self.depth())
        self.send(signals)

    def fail_questions(self, *, taken_only: bool) -> None:
        """Tell who waits for a reply that none will come; see :meth:`Questions.fail`."""
        questions = self.questions
        if questions is not None:
            questions.fail(self._name(), taken_only=taken_only)

    # ---- for the owner, on its loop -------------------------------------------------------

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
            first, home = list(self.line or ()), self.home
        if not first or home is None:
            return
        # All of them had flushed before they lined up: what they sent earlier goes first.
        home.drain()
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

    def refuse_children(self) -> None:
        """Keep accepting for a next owner, but not from the children of this one, who are to end
        with him: they would wait for room that nobody makes before they have ended."""
        with self._lock:
            self._only_outsiders = True
            children = [mine for mine in self.line or () if mine.item.__class__ is tuple]
            for mine in children:
                assert self.line is not None
                self.line.remove(mine)
        for mine in children:
            mine.settle(False)

    def seal(self) -> None:
        """Nothing is handled any more: what is left, and what is still under way, is dead."""
        self.refuse()
        with self._lock:
            self.sealed = True
        self.bury(self._take_all())

    def _take_all(self) -> list[Any]:
        left: list[Any] = []
        # One by one: the owner of an abandoned thread may still be taking from the other end.
        with contextlib.suppress(IndexError):
            while True:
                left.append(self.queue.popleft())
        return left

    def bury(self, items: Iterable[Any]) -> None:
        """Count accepted `items` that nobody will handle, and report them."""
        dead = [item for item in items if not isinstance(item, Notice)]
        if dead and self._heir is not None:
            with self._lock:
                self._accepted -= len(dead)
            self._heir.inherit(dead)
        elif dead:
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
