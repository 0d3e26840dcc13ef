"""The scheduler: lets what is due come up on a loop.

One timer waits for the earliest of all entries, however many there are. It is never set further
ahead than ``LOOK_AGAIN`` seconds: a loop's timers go by the monotonic clock, and nothing tells a
program that the wall clock was set meanwhile, or that the machine slept. So it looks again now
and then, while there is anything to wait for, and notices that by itself.

A clock that goes forward makes everything due that lies in between; the grace decides what is run
of it. One that goes back makes nothing due again: an entry waits until the clock has come to where
its next time is.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio.events import _get_running_loop
from collections.abc import Callable
from datetime import datetime
from typing import Final

from task_thread.app.agenda import NEVER, Agenda, Entry, check_grace
from task_thread.app.judgement import Beginning, Verdict, begin, judge, on_time
from task_thread.app.schedule import Due, DueRun
from task_thread.app.triggers.base import Trigger
from task_thread.errors import DuplicateTask, UnknownTask

__all__ = ["GATHER", "LOOK_AGAIN", "SLICE", "Due", "Entry", "Scheduler"]

LOOK_AGAIN: Final = 60.0
"""Seconds until it looks at the clock again, at the latest."""

SLICE: Final = 0.001
"""Seconds for which it fires in one go, before others on the loop have their turn."""

GATHER: Final = 0.004
"""Seconds for which it waits at least once all that was due is fired. What comes up meanwhile is
fired together: a wake-up of the loop costs several times what a fire does, so with a thousand fires
a second it is they that count."""

_NO_TIMER_NEEDED: Final = -NEVER  # it is about to look anyway


class Scheduler:
    """Entries, each with a trigger, and what happens when they are due.

    Ownership: the agenda, its entries, ``_loop`` and ``_awake_at`` are shared, and guarded by
    ``_lock``; ``_timer`` belongs to the loop, on which alone ``_loop`` is written. A trigger is
    asked without the lock being held, and so are `fire`, `failed` and `tick` called.

    :param now: the wall clock: an aware datetime in UTC. Called from any thread.
    :param fire: called on the loop with an entry and what is due of it: runs, missed times, or
        both. What it raises goes to the loop's exception handler; the others go on.
    :param failed: called on the loop with an entry whose trigger failed to give a next time, and
        the error, after what was still due of it was fired. It is not due any more, until it is
        rescheduled.
    :param gather: see ``GATHER``.
    :param tick: called instead of `fire` with an entry and the time at which it was due, where that
        is to be run and there is nothing else to tell: mostly. None: `fire` is told of that too.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        fire: Callable[[Entry, Due], None],
        failed: Callable[[Entry, Exception], None],
        gather: float = GATHER,
        tick: Callable[[Entry, datetime], None] | None = None,
    ) -> None:
        self._now = now
        self._gather = gather
        self._fire = fire
        self._failed = failed
        self._tick = self._fire_one if tick is None else tick
        self._lock = threading.Lock()
        self._agenda = Agenda()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awake_at = NEVER  # the stamp at which the loop looks by itself

    # ---- from any thread ------------------------------------------------------------------

    def add(self, entry: Entry) -> datetime | None:
        """Enter `entry`; times after ``entry.after`` count, of which some may have passed.
        Returns when it is due first; None: never.

        :raises DuplicateTask: there is one of that key. Nothing was changed.
        :raises TriggerNeverAgrees: its trigger found no time.
        :raises ValueError: its trigger gave what can't be its next time, or can't be anchored.
        """
        return self._enter(entry, replace=False)

    def replace(self, entry: Entry) -> datetime | None:
        """The same, in the place of the one of that key, if there is one. What was due of that
        one, and has not been fired yet, is dropped. Returns when it is due first; None: never.

        :raises TriggerNeverAgrees: its trigger found no time. Nothing was changed.
        :raises ValueError: its trigger gave what can't be its next time, or can't be anchored.
        """
        return self._enter(entry, replace=True)

    def remove(self, key: str) -> Entry | None:
        """Take an entry out. None: there was none.

        On the loop: it is not fired any more. From another thread: one that was being fired at
        this very moment may still come.
        """
        with self._lock:
            entry = self._agenda.entries.pop(key, None)
            if entry is not None:
                self._agenda.withdraw(entry)
        return entry

    def pause(self, key: str) -> None:
        """Leave an entry alone until it is resumed.

        :raises UnknownTask: there is none of that key.
        """
        with self._lock:
            entry = self._known(key)
            entry.paused = True
            self._agenda.withdraw(entry)

    def resume(self, key: str) -> None:
        """Go on with an entry that was paused. What was due meanwhile is due now, and late.

        :raises UnknownTask: there is none of that key.
        """
        now = self._now()
        with self._lock:
            entry = self._known(key)
            if not entry.paused:
                return
            entry.paused = False
            self._agenda.plan(entry, entry.stamp)
            ring = self._must_ring(entry.stamp, now)
        self._ring(ring)

    def reschedule(self, key: str, trigger: Trigger) -> datetime | None:
        """Give an entry another trigger, which counts from now on. What was due by the old one,
        and has not been fired yet, is dropped. A paused one stays paused.

        :returns: when it is due first, paused or not; None: never.
        :raises UnknownTask: there is none of that key.
        :raises TriggerNeverAgrees: the trigger found no time. Nothing was changed.
        :raises ValueError: the trigger gave what can't be its next time, or can't be anchored.
        """
        now = self._now()
        beginning = begin(key, trigger, now)
        with self._lock:
            entry = self._known(key)
            self._plan(entry, beginning)
            ring = self._must_ring(entry.stamp, now)
        self._ring(ring)
        return beginning.next

    def adjust(self, key: str, *, coalesce: bool, grace: float | None) -> None:
        """Change how an entry is judged, and nothing else.

        :raises UnknownTask: there is none of that key.
        :raises ValueError: `grace` is negative or not a number.
        """
        check_grace(grace)
        with self._lock:
            entry = self._known(key)
            entry.coalesce, entry.grace = coalesce, grace

    def next_of(self, key: str) -> datetime | None:
        """When an entry is due next, in its trigger's zone. None: never, or it is paused.

        :raises UnknownTask: there is none of that key.
        """
        with self._lock:
            entry = self._known(key)
            return None if entry.paused else entry.next

    def get(self, key: str) -> Entry | None:
        """The entry of that key, None if there is none."""
        with self._lock:
            return self._agenda.entries.get(key)

    def __len__(self) -> int:
        """How many entries there are, those included that are paused, or due no more."""
        with self._lock:
            return len(self._agenda.entries)

    # ---- on the loop ----------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fire what is due from now on, on `loop`, which is the running one.

        :raises RuntimeError: it was started, and not stopped since.
        """
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("this scheduler has been started: stop it first")
            self._loop = loop
            self._awake_at = _NO_TIMER_NEEDED
        loop.call_soon(self._turn, loop)

    def stop(self) -> None:
        """Fire nothing any more. The entries stay, and it may be started again, on any loop."""
        with self._lock:
            self._loop = None
            self._awake_at = NEVER
        self._disarm()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fire what is due, and set the timer for the rest."""
        if self._loop is not loop:
            return
        self._disarm()
        with self._lock:
            self._awake_at = _NO_TIMER_NEEDED
        try:
            self._fire_for_a_while(loop)
        finally:  # whatever `fire` raises
            if self._loop is loop:
                self._arm(loop)

    def _fire_for_a_while(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fire what is due; what it has no time for is due at once when the timer is set."""
        now = self._now()
        stamp = now.timestamp()
        end = loop.time() + SLICE
        while self._loop is loop:
            if not self._fire_on_time(now, stamp) and not self._fire_as_judged(now, stamp):
                return
            if loop.time() >= end:
                return

    def _fire_on_time(self, now: datetime, stamp: float) -> bool:
        """Fire the first one, if its trigger need not be asked for that. Returns whether it did."""
        with self._lock:
            entry = self._agenda.first(stamp)
            if entry is None:
                return False
            coming = on_time(entry, now, stamp)
            if coming is None:
                return False
            time, entry.after, entry.next = entry.next, now, coming
            self._agenda.postpone(entry, coming.timestamp())
        assert time is not None  # it has come up
        self._tick(entry, time)
        return True

    def _fire_one(self, entry: Entry, time: datetime) -> None:
        assert entry.after is not None  # it was judged
        self._fire(entry, Due((DueRun(time),), (), 0, True, entry.after, entry.next))

    def _fire_as_judged(self, now: datetime, stamp: float) -> bool:
        """Fire the first one, or whatever it comes to. Returns whether there was one."""
        with self._lock:
            entry = self._agenda.take(stamp)
            if entry is None:
                return False
            ticket, time, after = entry.ticket, entry.next, entry.after
        assert time is not None  # what has no next time
        assert after is not None  # or was not entered, does not come up
        verdict = judge(entry, time, after, now, stamp)
        if self._settle(entry, ticket, verdict, stamp):
            self._tell(entry, verdict)
        return True

    def _settle(self, entry: Entry, ticket: int, verdict: Verdict, stamp: float) -> bool:
        """Write the verdict down. False: it is void, the entry was changed meanwhile."""
        with self._lock:
            if entry.ticket != ticket:
                return False
            entry.after, entry.next = verdict.due.until, verdict.due.next
            # One with more to come takes its place behind all that are due.
            self._agenda.plan(entry, max(verdict.stamp, stamp))
            return True

    def _tell(self, entry: Entry, verdict: Verdict) -> None:
        try:
            if verdict.due.runs or verdict.due.missed_count:
                self._fire(entry, verdict.due)
        finally:
            if verdict.error is not None:
                self._failed(entry, verdict.error)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer for the earliest entry."""
        stamp = self._now().timestamp()
        with self._lock:
            earliest = self._agenda.earliest()
            if earliest == NEVER:
                self._awake_at = NEVER
                return
            self._awake_at = min(earliest, stamp + LOOK_AGAIN)
            # What is due already was left for another turn.
            delay = 0.0 if self._awake_at <= stamp else max(self._gather, self._awake_at - stamp)
        self._timer = loop.call_at(loop.time() + delay, self._rung, loop)

    def _rung(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None  # it has gone off
        self._turn(loop)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- within ---------------------------------------------------------------------------

    def _enter(self, entry: Entry, *, replace: bool) -> datetime | None:
        now = self._now()
        beginning = begin(entry.key, entry.trigger, now if entry.after is None else entry.after)
        with self._lock:
            before = self._agenda.entries.get(entry.key)
            if before is not None:
                if not replace:
                    raise DuplicateTask(f"{entry.key!r} has been scheduled already")
                self._agenda.withdraw(before)
            self._agenda.entries[entry.key] = entry
            self._plan(entry, beginning)
            ring = self._must_ring(entry.stamp, now)
        self._ring(ring)
        return beginning.next

    def _plan(self, entry: Entry, beginning: Beginning) -> None:
        entry.trigger, entry.luck, entry.stride, entry.after, entry.next, stamp = beginning
        self._agenda.plan(entry, stamp)

    def _known(self, key: str) -> Entry:
        entry = self._agenda.entries.get(key)
        if entry is None:
            raise UnknownTask(f"{key!r} has not been scheduled")
        return entry

    def _must_ring(self, stamp: float, now: datetime) -> asyncio.AbstractEventLoop | None:
        """With the lock: the loop, if it would look too late; once, until it has looked."""
        if self._loop is None or self._awake_at == _NO_TIMER_NEEDED:
            return None
        # A timer that should have gone off knows nothing of a clock that was set.
        if stamp >= self._awake_at and self._awake_at >= now.timestamp():
            return None
        self._awake_at = _NO_TIMER_NEEDED
        return self._loop

    def _ring(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Without the lock: wake that loop."""
        if loop is None:
            return
        if _get_running_loop() is loop:
            loop.call_soon(self._turn, loop)
            return
        with contextlib.suppress(RuntimeError):  # closed: nothing is fired there any more
            loop.call_soon_threadsafe(self._turn, loop)
