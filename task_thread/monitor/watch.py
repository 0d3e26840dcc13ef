"""Finds loops that one call holds up, from outside.

The rules:

- A loop that counts its turns (the core's own) is looked at and never woken: it is held up while
  its count stands still at an even number. Another one (uvloop) is probed: it is asked to answer,
  and is held up while it does not.
- Looks are a sixth of the smallest ``lag_limit`` apart. What is seen to stand still for two thirds
  of its limit is reported, once for each blockage, with the stack of the call: by then it has been
  held up for five sixths of the limit at the most.
- The carrier of a loop gives the limit for it, and the name: VirtualThreads share theirs.
- Time is counted look by look, never more than two for one: a process that stood still as a whole
  (stopped, or a machine asleep) accuses nobody of it.

A call that holds the interpreter lock (C code that never lets go of it) holds the watch up too; it
is systemd's watchdog that notices then.

Ownership: ``_looks`` belongs to the watch's loop; ``_stuck`` is changed there by single operations
and read from any thread. Of the watched threads, attributes are read and nothing is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import AbstractEventLoop
from asyncio.events import _get_running_loop
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Final

from task_thread.core.lifecycle import FINAL
from task_thread.core.tasks import delete, reCreate, reSchedule
from task_thread.core.thread import TaskThread
from task_thread.core.turns import TurnSelector
from task_thread.latch import Latch
from task_thread.monitor.stacks import os_stack
from task_thread.monitor.tree import places

__all__ = ["Blocked", "Watch", "loops"]

_LOOKS: Final = 6  # in the time of the smallest limit
_REPORT_AT: Final = 0.64  # of its limit: a little less than four sixths, since timers are not exact
_SHORTEST: Final = 0.01  # seconds between two looks, however small a limit is
_LONGEST: Final = 1 / _LOOKS  # ... and however large: a thread with a small one may come any time
_OVER: Final = tuple(FINAL)  # looking through three is faster than hashing one


@dataclass(frozen=True, slots=True)
class Blocked:
    """A loop that does not turn.

    :ivar path: who carries it, as a path in the tree.
    :ivar since: seconds that it has been so, as far as was seen.
    :ivar stack: the stack of its OS thread, the call that holds it up last.
    """

    path: str
    since: float
    stack: str


def loops(root: TaskThread) -> Iterator[tuple[TaskThread, AbstractEventLoop]]:
    """Every loop of the tree once, with the thread that carries it. From any thread."""
    seen: set[AbstractEventLoop] = set()
    waiting = [root]
    while waiting:  # parents come before their children, so a loop's carrier before its guests
        thread = waiting.pop()
        engine = thread._taskthread
        if engine.family._members:  # most have none, and the watch comes by often
            waiting.extend(engine.family.members())
        life = engine.life
        loop = life.loop
        if loop is not None and loop not in seen and life.state not in _OVER:
            seen.add(loop)
            yield thread, loop


class _Look:
    """What the watch knows of one loop.

    :ivar held: seconds for which it was seen to stand still.
    :ivar since: when that began, as far as was seen, in seconds of time.monotonic().
    """

    __slots__ = ("_answered", "_loop", "_selector", "_turn", "held", "since")

    def __init__(self, loop: AbstractEventLoop) -> None:
        selector = getattr(loop, "_selector", None)
        self._selector = selector if isinstance(selector, TurnSelector) else None
        self._loop = loop
        self._turn = 0
        self._answered = True
        self.held = self.since = 0.0

    def again(self, elapsed: float, now: float) -> float:
        """Look at it, `elapsed` seconds after the last time: for how long it has been held up."""
        selector = self._selector
        if selector is None:
            if not self._answered:
                self.held += elapsed
                return self.held
            self._ask()
        else:
            turn = selector.turn
            if turn == self._turn:
                if turn % 2:
                    return 0.0
                self.held += elapsed
                return self.held
            self._turn = turn
        self.held, self.since = 0.0, now
        return 0.0

    def moved(self) -> bool:
        """Whether it has turned since it was looked at."""
        return self._answered if self._selector is None else self._selector.turn != self._turn

    def _ask(self) -> None:
        self._answered = False
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # closed: its thread is about to leave the tree
            self._answered = True

    def _answer(self) -> None:
        self._answered = True


class Watch(TaskThread):
    """A thread that looks at every loop of a tree, and logs those that one call holds up.

    Run it beside the tree, or spawn it in there: its own loop it does not look at. A warning says
    which loop it is and where it hangs, and one more line when it turns again.

    :param root: the tree to look at: this thread and all below it.
    :param parent: whose child the watch shall be.
    :raises TypeError: `root` is no TaskThread.
    """

    on_task_error = "restart"  # a watch that has stumbled over a thread goes on watching the others

    def __init__(self, root: TaskThread, parent: TaskThread | None = None) -> None:
        if not isinstance(root, TaskThread):
            raise TypeError(f"Watch() takes the root of a tree, a TaskThread, not {root!r}")
        self.root = root
        self._looks: dict[AbstractEventLoop, _Look] = {}
        self._stuck: dict[AbstractEventLoop, tuple[TaskThread, Blocked, float]] = {}
        self._period = _LONGEST
        self._looked_at = monotonic()
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        """The one task that looks."""
        self.tasks.look = None

    async def enter__(self) -> None:
        """Begin to look."""
        self._looked_at = monotonic()
        self.tasks.look = await reCreate(None, self._look)

    async def exit__(self) -> None:
        """Look no more, and let go of the loops: who still holds the watch shall not hold them."""
        self.tasks.look = await delete(self.tasks.look)  # it would look again before it is ended
        self._looks.clear()
        self._stuck.clear()

    # ---- asked from outside ---------------------------------------------------------------

    def stuck(self) -> list[Blocked]:
        """The loops that are held up now, as was reported. From any thread."""
        now = monotonic()
        return [
            Blocked(blocked.path, now - since, blocked.stack)
            for _, blocked, since in list(self._stuck.values())
        ]

    async def check(self, timeout: float | None = None) -> list[Blocked]:
        """Ask every loop of the tree to turn and answer, and wait for that. From any loop.

        Those that may block at will (``lag_limit`` of ``math.inf``) are not asked.

        :param timeout: seconds for all of them; None: for each its thread's ``lag_limit``.
        :returns: those that did not answer in time.
        """
        asked: list[tuple[TaskThread, AbstractEventLoop, Latch[None]]] = []
        here = _get_running_loop()  # which turns, or this would not run
        for thread, loop in loops(self.root):
            if loop is here or thread.lag_limit == inf:
                continue
            answer: Latch[None] = Latch()
            with contextlib.suppress(RuntimeError):  # closed: its thread has ended
                loop.call_soon_threadsafe(answer.set, None)
                asked.append((thread, loop, answer))
        begun = monotonic()
        silent: list[Blocked] = []
        for thread, loop, answer in asked:
            limit = thread.lag_limit if timeout is None else timeout
            if await answer.wait(max(0.0, begun + limit - monotonic())) or answer.is_set():
                continue
            if thread.state not in FINAL and not loop.is_closed():
                silent.append(self._describe(thread, monotonic() - begun))
        return silent

    def _describe(self, thread: TaskThread, since: float) -> Blocked:
        paths = (place.path for place in places(self.root) if place.thread is thread)
        return Blocked(next(paths, str(thread)), since, os_stack(thread))

    # ---- the looking, on its own loop -----------------------------------------------------

    async def _look(self) -> None:
        await asyncio.sleep(self._period)
        now = monotonic()
        elapsed = min(now - self._looked_at, 2 * self._period)
        self._looked_at = now
        self._look_around(elapsed, now)
        self.tasks.look = await reSchedule(self._look)

    def _look_around(self, elapsed: float, now: float) -> None:
        looks, mine = self._looks, _get_running_loop()
        shortest, count = inf, 0
        for thread, loop in loops(self.root):
            limit = thread.lag_limit
            if loop is mine or limit == inf:
                continue
            count += 1
            if limit < shortest:
                shortest = limit
            look = looks.get(loop)
            if look is None:
                look = looks[loop] = _Look(loop)
            held = look.again(elapsed, now)
            if held and held >= limit * _REPORT_AT and loop not in self._stuck:
                self._report(thread, loop, look)
        for loop in list(self._stuck):
            self._clear(loop, now)
        if count < len(looks):
            kept = {loop for _, loop in loops(self.root)}
            self._looks = {loop: look for loop, look in looks.items() if loop in kept}
        self._period = min(_LONGEST, max(_SHORTEST, shortest / _LOOKS))

    def _report(self, thread: TaskThread, loop: AbstractEventLoop, look: _Look) -> None:
        blocked = self._describe(thread, monotonic() - look.since)
        if look.moved():  # it went on just now: the stack shows something else
            return
        self._stuck[loop] = thread, blocked, look.since
        self.logger.warning(
            "a loop is held up by one call",
            path=blocked.path,
            seconds=round(blocked.since, 3),
            stack=blocked.stack,
        )

    def _clear(self, loop: AbstractEventLoop, now: float) -> None:
        """Forget a blockage that is over: its loop turns, or has gone."""
        thread, blocked, since = self._stuck[loop]
        look, ended = self._looks.get(loop), thread.state in FINAL
        if look is not None and look.held and not ended and thread.lag_limit != inf:
            return
        del self._stuck[loop]
        event = "a loop that was held up ended" if ended else "a loop that was held up turns again"
        self.logger.info(event, path=blocked.path, seconds=round(now - since, 3))
