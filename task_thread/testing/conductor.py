"""Who among the event loops under a manual clock is given the next turn, and when time moves.

The rules:

- One loop runs at a time: the one that has the turn (seats.py). So nothing that threads do to each
  other depends on which of them the system happens to run first.
- Turns are given in the order in which the loops came to want one: because an event came for them
  (the kernel keeps that order, in an epoll or kqueue of all the loops' own), because they have
  callbacks ready, or because they are to be born.
- Time moves only when all are *quiet*: no loop wants a turn, none is being born or ends, no call
  runs in an executor of theirs. Then it moves to the next moment that a loop has asked for, and
  that loop alone gets a turn; of several the one that was born first. How far it may move at all
  is not decided here (hands.py).
- A call that a turn has begun in an executor belongs to the turn: nobody else has the next one
  before it has ended.
- A loop that keeps its turn for a second of real time, since something blocks it, or since such a
  call takes so long, holds nobody up: the others go on beside it. It may wait for one of them.
- Released, the loops run as any others do, each by itself, and time goes on in real seconds.

Ownership: everything belongs to ``lock``, the seats and the hands too, but for the clock's reading.
The conductor is an OS thread of its own, which waits in a selector or on a condition.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from math import inf
from typing import Final

from task_thread.testing.hands import Hands, Patience
from task_thread.testing.seats import At, Call, Seat

__all__ = ["Conductor"]

_BLOCKED_AFTER: Final = 1.0  # real seconds after which one that does not go on holds nobody up
_TOLERANCE: Final = 1e-6  # seconds: sums of floats that should meet a moment miss it by less


class Conductor:
    """Gives turns and moves time."""

    def __init__(self) -> None:
        # Reentrant: a Birth may be collected as garbage while its thread holds the lock.
        self.lock = threading.RLock()
        self.queue: deque[Seat] = deque()
        self.doors = selectors.DefaultSelector()
        self.released = False
        self._hands = Hands(self.lock)
        self._numbers = 0
        self._running: Seat | None = None
        self._last: Seat | None = None  # who had the last turn
        self._seats: set[Seat] = set()
        self._look = threading.Condition(self.lock)  # for the conductor
        self._asleep = False  # in the selector: must be rung
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        self.doors.register(self._bell, selectors.EVENT_READ)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._conduct, name="manual-clock", daemon=True)
        self._thread.start()

    # ---- from any thread ------------------------------------------------------------------

    def now(self) -> float:
        """The clock's reading, in seconds."""
        return self._hands.now()

    def run_until_quiet(self, seconds: float, patience: float) -> None:
        """Let time move on by `seconds`, and wait until all is quiet then.

        :param patience: real seconds that the threads may take at any one moment of the clock.
        :raises TimeoutError: they took longer.
        :raises RuntimeError: another thread does that already, or time is real again.
        """
        with self.lock:
            if self.released:
                raise RuntimeError("this clock's test has ended: time is real again")
            self.look()
            if not self._hands.advance(seconds, patience):
                raise TimeoutError(self._why_not(patience))
            if self._failure is not None:
                raise RuntimeError("the manual clock has failed") from self._failure

    def _why_not(self, patience: float) -> str:
        lines = [f"the threads were not quiet within {patience:g} s, at {self.now():g} s:"]
        for seat in sorted(self._seats, key=lambda seat: seat.number):
            lines += seat.why()
        return "\n".join(lines)

    def release(self) -> None:
        """Let time be real from now on, and every loop run by itself. Once."""
        with self.lock:
            if self.released:
                return
            self.released = True
            self._hands.set_free()
            for seat in self._seats:
                seat.go()
            self.look()

    def close(self) -> None:
        """End the conductor's thread; release() comes first. Once."""
        self._thread.join()
        with self.lock:
            self._asleep = False  # nobody rings any more: the descriptor may be another's soon
        self.doors.close()
        os.close(self._bell)
        os.close(self._ring)

    def expect(self) -> Seat:
        """A loop will come, in some OS thread that is about to start."""
        with self.lock:
            self._numbers += 1
            seat = Seat(self, self._numbers)
            self._seats.add(seat)
            self.queue.append(seat)
            self.look()
            return seat

    def expect_no_more(self, seat: Seat) -> None:
        """It won't."""
        with self.lock:
            seat.at = At.GONE
            self._seats.discard(seat)
            self.look()

    def wait_for(self, patience: Patience) -> None:
        """Let time move by itself for `patience`, until it is over or forgotten."""
        with self.lock:
            self._hands.wait_for(patience)
            self.look()

    def forget(self, patience: Patience) -> None:
        """`patience` waits no more."""
        with self.lock:
            self._hands.forget(patience)

    def call_done(self, call: Call) -> None:
        """A call in an executor has ended, and its loop was rung."""
        with self.lock:
            call.done = True
            self.look()

    # ---- under the lock, for seats --------------------------------------------------------

    def look(self) -> None:
        """Something has changed: have the conductor look."""
        self._look.notify_all()
        if self._asleep:
            self._asleep = False
            os.write(self._ring, b"!")

    def turn_ended(self, seat: Seat) -> None:
        """`seat` has no turn any more."""
        if self._running is seat:
            self._running = None
        elif seat.at is At.WANTING:
            self.queue.append(seat)  # it had been away
        self.look()

    def left(self, seat: Seat) -> None:
        """The loop of `seat` closes; if it has the turn, that lasts until its OS thread ends."""
        self._seats.discard(seat)
        self.look()

    # ---- the conductor's own thread -------------------------------------------------------

    def _conduct(self) -> None:
        try:
            while not self.released:
                self._await_turn_end()
                self._await_calls()
                self._next()
        except BaseException as error:  # noqa: BLE001  everyone would wait for ever
            self._failure = error
            self.release()

    def _await_turn_end(self) -> None:
        """Until nobody has the turn; whoever keeps it for too long has lost it."""
        with self.lock:
            seat = self._running
            self._look.wait_for(
                lambda: self._running is None or self.released or self._running.at is At.LEAVING,
                _BLOCKED_AFTER,
            )
            if self._running is None or self.released:
                return
            seat = self._running
            if seat.at is not At.LEAVING:
                seat.lose_turn()
                self._running = None
                return
        # What its OS thread still does, it tells others that it has ended, belongs to the turn.
        assert seat.thread is not None
        seat.thread.join(_BLOCKED_AFTER)
        with self.lock:
            seat.at = At.GONE
            self._running = None

    def _await_calls(self) -> None:
        """Until the calls that the last turn has begun have ended; not of those that are slow."""
        with self.lock:
            seat = self._last
            calls = [] if seat is None else [each for each in seat.calls if not each.slow]
            self._look.wait_for(
                lambda: self.released or all(each.done for each in calls), _BLOCKED_AFTER
            )
            for call in calls:
                call.slow = not call.done

    def _next(self) -> None:
        """Give somebody a turn, or move the time, or wait for something to happen."""
        with self.lock:
            asked = self._hands.asked
        doors = self._open_doors(0)
        with self.lock:
            self._line_up(doors)
            if self.released or self._give_turn():
                return
            busy = [seat for seat in self._seats if seat.busy]
            helpers = [each.helper for seat in busy for each in seat.closing if each.returned]
            if not busy:
                if asked != self._hands.asked or self._move():
                    return
                self._hands.answer(asked)
            self._asleep = True
        helper = next((each for each in helpers if each is not None), None)
        if helper is not None:
            helper.join(_BLOCKED_AFTER)
            return
        self._open_doors(None)
        with self.lock:
            self._asleep = False

    def _line_up(self, doors: list[Seat]) -> None:
        """Put those who want a turn into the queue. Who had the last one comes last: whether a call
        of his ended a little before that turn did, or a little after, is chance."""
        last, self._last = self._last, None
        ready = [seat for seat in doors if seat.at is At.WAITING and seat is not last]
        if last is not None and (
            last.at is At.WANTING or (last in doors and last.at is At.WAITING)
        ):
            ready.append(last)
        for seat in ready:
            seat.at = At.WANTING
            self.queue.append(seat)

    def _open_doors(self, timeout: float | None) -> list[Seat]:
        """Whose loop has events, in the order in which they came."""
        seats: list[Seat] = []
        for key, _ in self.doors.select(timeout):
            if key.data is None:
                os.read(self._bell, 4096)
            else:
                seats.append(key.data)
        return seats

    def _give_turn(self) -> bool:
        """Whether somebody wanted it."""
        while self.queue:
            seat = self.queue.popleft()
            if seat.at is At.COMING and seat.thread is None:
                self._await_arrival(seat)
            if self.released:
                return True
            if seat.at in (At.COMING, At.WANTING) and seat.thread is not None:
                self._running = self._last = seat
                seat.go()
                return True
        return False

    def _await_arrival(self, seat: Seat) -> None:
        """Until its OS thread has reached its loop: who was asked for first runs first."""
        self._look.wait_for(
            lambda: seat.thread is not None or seat.at is At.GONE or self.released, _BLOCKED_AFTER
        )

    def _move(self) -> bool:
        """Move the time as far as somebody has asked for that: to the next moment that a loop wants
        (it is the next in the queue then), or else to where it shall be. Whether to look again."""
        goal, patience = self._hands.goal()
        first = min(self._seats, key=lambda seat: (seat.due, seat.number), default=None)
        if first is not None and first.due <= goal + _TOLERANCE:
            self._hands.move(first.due)
            first.at = At.WANTING
            self.queue.append(first)
            return True
        self._hands.move(goal)
        if patience is None or goal == -inf:
            return False
        self._hands.end(patience)
        return True
