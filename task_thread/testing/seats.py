"""What one loop's place among those that take turns is, and what keeps the time from moving on.

The rules:

- A seat is expected before its loop is there: from the moment when somebody starts the thread. It
  is taken in the new OS thread, and left when the loop is closed.
- Its loop runs while it has the turn: from the moment when its selector lets it go until it is back
  there. The conductor gives the turn; the loop gives it back, or has lost it by keeping it for too
  long, and then runs beside the others until it is back.
- Its door, the loop's selector, is watched from its arrival until the loop is closed; but not while
  it runs beside the others: nobody looks for events of a loop that does not either.
- It is busy while something of it goes on beside its turns: calls in executors, executors that shut
  down, an OS thread that hangs or ends. Then time stands still.

Ownership: everything belongs to the conductor's ``lock``, but for `calls` and `closing`: the loop's
own OS thread adds to them and takes calls out, in its turns; the conductor takes out of `closing`
what has ended.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any

from task_thread.core.carrier import stack_of

if TYPE_CHECKING:
    from task_thread.testing.conductor import Conductor

__all__ = ["At", "Birth", "Call", "Closing", "Seat"]


class At(Enum):
    """Where a loop is, in words for people."""

    COMING = "is about to start"  # its OS thread has not reached its loop
    WAITING = "waits for events"
    WANTING = "always has something to do"
    RUNNING = "runs"
    AWAY = "hangs"  # has kept its turn for too long
    LEAVING = "ends"  # its loop is closed, its OS thread about to end
    GONE = "has ended"


class Seat:
    """One loop's place among those that take turns. Made in the starter's OS thread."""

    def __init__(self, conductor: Conductor, number: int) -> None:
        self._conductor = conductor
        self._may_go = threading.Condition(conductor.lock)
        self.number = number
        self.at = At.COMING
        self.due = inf  # when it wants a turn, whatever happens; seconds of the clock
        self.thread: threading.Thread | None = None  # None: it has not come yet
        self.calls: list[Call] = []  # under way in executors
        self.closing: list[Closing] = []  # executors that shut down
        self.door: int | None = None  # its selector's descriptor: readable when there are events

    # ---- on its own loop's OS thread ------------------------------------------------------

    def come(self, door: int) -> None:
        """Take the seat, and wait for the first turn.

        :param door: the descriptor of the loop's selector, readable when events are ready.
        """
        conductor = self._conductor
        with conductor.lock:
            self.thread = threading.current_thread()
            self.door = door
            if self not in conductor.queue:
                conductor.queue.append(self)
            conductor.look()
            self._wait()
            self._open_door()

    def end_turn(self, timeout: float | None, due: float) -> float | None:
        """Give the turn back, and wait for the next one.

        :param timeout: what the loop would wait for events; 0: it has something to do.
        :param due: when it wants a turn at the latest, in seconds of the clock; ``inf``: never.
        :returns: how long to wait for events now.
        """
        conductor = self._conductor
        with conductor.lock:
            if conductor.released:
                return timeout
            if self.at is At.AWAY:
                self._open_door()
            self.due = due
            busy = timeout is not None and timeout <= 0
            self.at = At.WANTING if busy else At.WAITING
            conductor.turn_ended(self)
            self._wait()
        return 0

    def _wait(self) -> None:
        while self.at is not At.RUNNING and not self._conductor.released:
            self._may_go.wait()

    def leave(self) -> None:
        """The loop is about to be closed."""
        conductor = self._conductor
        with conductor.lock:
            if self.at is At.AWAY:
                self.at = At.GONE
            else:
                self.close_door()
                self.at = At.LEAVING
            self.door = None
            conductor.left(self)

    def _open_door(self) -> None:
        if self.door is not None and not self._conductor.released:
            self._conductor.doors.register(self.door, selectors.EVENT_READ, self)

    # ---- under the lock, for the conductor ------------------------------------------------

    def go(self) -> None:
        """Have the turn."""
        self.at = At.RUNNING
        self._may_go.notify_all()

    def lose_turn(self) -> None:
        """Go on beside the others. Nobody looks for events of a loop that does not either."""
        self.at = At.AWAY
        self.close_door()

    def close_door(self) -> None:
        """Its events shall wake nobody."""
        if self.door is not None and not self._conductor.released:
            self._conductor.doors.unregister(self.door)

    @property
    def busy(self) -> bool:
        """Whether something of it goes on beside its turns."""
        # One by one, and not by a new list: the loop may add one at this moment.
        for each in [each for each in self.closing if not each.under_way]:
            self.closing.remove(each)
        return bool(self.calls or self.closing) or self.at in (At.AWAY, At.LEAVING)

    def why(self) -> list[str]:
        """Why it is not quiet, for people."""
        name = "a thread" if self.thread is None else self.thread.name
        lines = [
            f"{name}: {call.name} runs in its executor" for call in self.calls if not call.done
        ]
        if self.closing:
            lines.append(f"{name}: its executor waits for a call that does not return")
        if self.at not in (At.WAITING, At.GONE):
            lines.append(f"{name} {self.at.value}")
            if self.at in (At.AWAY, At.RUNNING) and self.thread is not None:
                lines.append(stack_of(self.thread.ident))
        return lines


class Call:
    """A call in an executor.

    :ivar done: it has ended, and the loop was rung for it.
    :ivar slow: it takes so long that nobody waits for it before the next turn.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = False
        self.slow = False


class Closing:
    """An executor that shuts down, by a helper that rings the loop when that is done, and ends.

    :ivar returned: whether the helper has nothing left to do but that.
    """

    def __init__(self) -> None:
        self.helper: threading.Thread | None = None
        self.returned = False

    @property
    def under_way(self) -> bool:
        """Whether the helper is still to come, or still there."""
        return self.helper is None or self.helper.is_alive()


class Birth:
    """A loop that is expected from now on: what a thread's loop factory is replaced by.

    It is made by the one who starts the thread, under his turn, and called in the new OS thread.
    So the clock does not move between the two. One that is dropped uncalled is expected no more.
    """

    def __init__(self, conductor: Conductor, make: Callable[[Seat], Any]) -> None:
        self._conductor = conductor
        self._make = make
        self._seat: Seat | None = conductor.expect()

    def __call__(self) -> Any:
        """Make the loop, in the OS thread that will run it."""
        seat, self._seat = self._seat, None
        return self._make(self._conductor.expect() if seat is None else seat)

    def __del__(self) -> None:
        seat = self._seat
        if seat is not None:
            self._conductor.expect_no_more(seat)
