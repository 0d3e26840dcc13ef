"""The driver of one thread's life: its start, the orders to end it, its end. Rules: lifecycle.py.

A thread that runs is one asyncio task: it awaits ``enter__`` and then handles signals. What ends
it (an order from outside, its own wish, something that raised) begins its winding down
(winding.py). A call that blocks the loop itself holds everything up; then whoever waits for the
end gives the thread up, from outside (judge.py).

Ownership: ``state``, ``_reason``, ``limit`` and ``loop`` are changed under ``lock``; everything
else belongs to the thread's own loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.core import judge, lifecycle, spare
from task_thread.core.carrier import Carrier, stack_of
from task_thread.core.ending import is_forced_close, new_task, where_it_hangs
from task_thread.core.exchange import Exchange, exchange_here
from task_thread.core.family import CHILD_SHARE, ChildEnded, is_within
from task_thread.core.lifecycle import Event, ExitKind, ExitReason, State
from task_thread.core.listener import listen
from task_thread.core.streams import check_streams, explain_wrong_loop
from task_thread.core.taskref import current_crew, current_ref
from task_thread.core.turns import tasks_of
from task_thread.core.winding import Winding, is_empty
from task_thread.errors import AlreadyStarted, NotRunning, StartCancelled, ThreadEnded
from task_thread.latch import Latch
from task_thread.log import ensure_visible

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Life"]

_OVERDUE_KEPT: Final = 20  # threads cut off or given up that are remembered by name


class Life:
    """One thread's life."""

    __slots__ = (
        "_asked_at", "_carrier", "_context", "_ended_at", "_final", "_ident", "_ordered", "_reason",
        "_started_at", "_winding", "aside", "draining", "ended", "entered", "exchange",
        "_halting", "limit", "lock", "loop", "main", "overdue", "started", "state", "thread",
    )  # fmt: skip

    def __init__(self, thread: TaskThread) -> None:
        self.thread = thread
        self.lock = threading.Lock()
        self.state = State.NEW
        self.limit = inf  # when it must have ended, in seconds of time.monotonic()
        self.started: Latch[BaseException | None] = Latch()
        self.ended: Latch[ExitReason] = Latch()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.entered = False  # enter__ has returned
        self.draining = False  # the listener ends when the inbox is empty
        self._halting = False  # the listener ends now, and leaves the rest to a next instance
        self.overdue: list[str] = []
        self._ordered: ExitKind | None = None
        self._reason: ExitReason | None = None  # as far as is known by now
        self._final: ExitReason | None = None
        self._started_at = self._ended_at = self._asked_at = 0.0
        self.aside: set[asyncio.Task[Any]] = set()
        self._ident: int | None = None
        self._carrier: Carrier | None = None
        self.exchange: Exchange | None = None
        self.main: asyncio.Task[None] | None = None  # awaits enter__, then handles signals
        self._winding: Winding | None = None
        self._context: Context | None = None

    def after_limit(self, share: float) -> float:
        """The moment after the limit at which the share of what the judge keeps has passed: a
        thread's limit comes before the end of the time that whoever stopped it has."""
        limit = self.limit
        if limit == inf:
            return inf
        return limit + max(0.02, (limit - self._asked_at) * (1 / CHILD_SHARE - 1) * share)

    def create_task(
        self, coroutine: Coroutine[Any, Any, Any], name: str, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """Run `coroutine` beside everything else, in the thread's own context unless another one
        is given. On the thread's loop only."""
        assert self.loop is not None
        if context is None:
            context = self._context
        task = new_task(self.loop, coroutine, name=f"{self.thread}/{name}", context=context)
        # The loop itself keeps only a weak reference.
        self.aside.add(task)
        task.add_done_callback(self.aside.discard)
        return task

    # ---- asked from any thread ------------------------------------------------------------

    @property
    def reason(self) -> ExitReason | None:
        """Why it ended; None while it has not."""
        return self._final

    @property
    def uptime(self) -> float:
        """Seconds since it was run, until its end."""
        if not self._started_at:
            return 0.0
        return (self._ended_at or monotonic()) - self._started_at

    @property
    def own_loop(self) -> bool:
        """Whether the loop is the thread's alone."""
        return self._carrier is not None

    @property
    def is_ordered(self) -> bool:
        """Whether its end was ordered, by whomever. From any thread."""
        return self._ordered is not None

    @property
    def winding_down(self) -> bool:
        """Whether its end has begun."""
        return self._winding is not None

    @property
    def knows_its_limit(self) -> bool:
        """Whether its own loop has been told of its limit as it stands. From any thread."""
        winding = self._winding
        return winding is not None and winding.limit == self.limit

    @property
    def lag(self) -> float:
        """See :meth:`Exchange.lag`."""
        return 0.0 if self.exchange is None else self.exchange.lag()

    def keeps_inbox(self) -> bool:
        """Whether a next instance may come for what is in the inbox, as far as is known by now."""
        handle = self.thread._taskthread.handle
        if handle is None:
            return False
        ordered = ExitReason(self._ordered or "normal")
        reason = self._reason
        if reason is not None:
            ordered = ordered.worst(reason)
        return handle.expects_next(ordered, entered=self.entered)

    def halt(self) -> None:
        """Let the listener end with what it handles just now. On its own loop."""
        self._halting = True
        self.thread._taskthread.inbox.wake()

    def is_halting(self) -> bool:
        """Whether it does. A call, since each look may see another answer."""
        return self._halting

    async def wait_ordered(self) -> None:
        """Wait until an end was ordered, for whatever cause. From any loop."""
        while True:
            seen = self.ended.pokes
            if self._ordered is not None or self.ended.is_set():
                return
            await self.ended.wait_once(seen=seen)

    def share(self, of: float) -> float:
        """The moment at which the share `of` the time that is left will have passed."""
        now = monotonic()
        return now + max(0.0, self.limit - now) * of

    def agreed_limit(self) -> float:
        """When it must have ended if it is stopped now, by what was agreed when it was spawned."""
        handle = self.thread._taskthread.handle
        if handle is None or handle.stop_timeout is None:
            return inf
        return monotonic() + handle.stop_timeout

    def check_not_ended(self) -> None:
        """:raises ThreadEnded: it has ended."""
        if self.state in lifecycle.FINAL:
            raise ThreadEnded(
                f"{self.thread} has ended ({self.reason}); construct another", self.thread
            )

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """While inside, the thread does not begin to stop.

        :raises NotRunning: it was not started yet.
        :raises ThreadEnded: it is stopping or has ended.
        """
        with self.lock:
            if self.state is State.NEW:
                raise NotRunning(
                    f"{self.thread} does not run yet: run it first, and its children in its enter__"
                )
            if self.state not in (State.STARTING, State.RUNNING):
                raise ThreadEnded(
                    f"{self.thread} is {self.state.value}: no new children", self.thread
                )
            yield

    def order_end(self, kind: ExitKind, timeout: float | None = None) -> None:
        """Let the thread end within `timeout` seconds (``stop_timeout`` by default), of which a
        tenth is left to whoever waits for it. From any thread."""
        if timeout is None:
            timeout = self.thread.stop_timeout
        self.order_stop(kind, monotonic() + timeout * CHILD_SHARE)

    def order_stop(self, kind: ExitKind, limit: float) -> None:
        """Let the thread end until `limit` (seconds of time.monotonic()). From any thread.

        The first order's kind counts, and the earliest limit.
        """
        exchange = exchange_here()
        if exchange is not None:
            exchange.flush()  # what was sent before the order arrives before it
        with self.lock:
            if self.state in lifecycle.FINAL:
                return
            if limit < self.limit:
                self.limit, self._asked_at = limit, monotonic()
            if self._ordered is None:
                self._ordered = kind
            fresh = self.state is State.NEW
            if fresh:
                self.state = State.STOPPED
            loop = self.loop
        if fresh:
            self._never_ran(ExitReason(kind))
        elif loop is not None and exchange is not None and exchange.loop is loop:
            self.begin_stop()
            if self._is_alone():
                return
        elif loop is not None:
            with contextlib.suppress(RuntimeError):  # closed this very moment: it has ended
                loop.call_soon_threadsafe(self.begin_stop)
        self.ended.poke()
        self.started.poke()

    def _is_alone(self) -> bool:
        """Whether nothing is left that could hold its loop up while it ends: it needs no judge
        then, and is not worth a wake-up of his loop. On its own loop."""
        thread = self.thread
        return (
            self._carrier is not None
            and not thread._taskthread.crew.refs
            and not self.aside
            and not thread.children
            and is_empty(thread.stopping__)
            and is_empty(thread.exit__)
            and len(tasks_of(asyncio.get_running_loop())) <= 2  # its main one, and this end
        )

    def give_up(self) -> bool:
        """It hangs past its deadline, and has ended for everyone else. From any thread.

        :returns: False where it had ended, or was given up, before.
        """
        with self.lock:
            state = lifecycle.advance(self.state, Event.GIVEN_UP)
            if state is None:
                return False
            self.state = state
            self._ended_at = monotonic()
            return True

    def where(self) -> str:
        """Where it hangs: the call that blocks its loop, or the line in which its step waits."""
        if self._ident != threading.get_ident():
            return stack_of(self._ident)
        task = self.main
        if (task is None or task.done()) and self._winding is not None:
            task = self._winding.task
        return "" if task is None else where_it_hangs(task)

    def reap(self) -> None:
        """After the end: wait for the OS thread to be gone. From another OS thread."""
        own, parent = self.parting, self.thread.parent
        if own is None:
            return
        assert self._carrier is not None
        self._carrier.reap()
        if parent is not None:
            parent._taskthread.family.part(own)

    @property
    def parting(self) -> threading.Thread | None:
        """The OS thread that ends after it; None where there is none, or where it hangs."""
        if self._carrier is None or self.state is State.ABANDONED:
            return None
        return self._carrier.os_thread

    # ---- the start ------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it, and return when ``enter__`` has returned. From any loop.

        :raises AlreadyStarted: it was started before.
        :raises StartCancelled: it was stopped before ``enter__`` had returned.
        :raises BaseException: what ``enter__`` raised.
        """
        self.begin()
        await self.wait_started()

    def begin(self) -> None:
        """Start it, and do not wait. From any loop.

        :raises AlreadyStarted: it was started before.
        :raises WrongLoop: it holds streams of another loop; it was not started.
        """
        thread = self.thread
        ensure_visible(type(thread).__name__)
        thread._taskthread.bind_logger()
        if thread.own_loop:
            check_streams(thread)
        with self.lock:
            if self.state is State.NEW:
                self.state = State.STARTING
            elif not (self.state is State.STOPPED and not self._started_at):
                raise AlreadyStarted(f"{thread} was run before: construct another one")
        if self.state is State.STARTING:
            self._started_at = monotonic()
            self._context = copy_context()
            self._context.run(current_crew.set, thread._taskthread.crew)
            self._context.run(current_ref.set, None)
            self._place()

    async def wait_started(self) -> None:
        """Wait until ``enter__`` has returned; if that wait is cancelled the thread is stopped.
        From any loop but its own. It raises what :meth:`start` does."""
        try:
            await judge.wait(self, self.started)
        except asyncio.CancelledError:
            self.order_end("shutdown")
            raise
        error = self.started.get()
        if error is not None:
            self.reap()
            raise error

    def _place(self) -> None:
        thread = self.thread
        assert self._context is not None
        if thread.own_loop:
            self._carrier = spare.take(thread) or Carrier(type(thread).loop_factory)
            try:
                self._carrier.start(self, thread._taskthread.name(), self._context.copy())
            except RuntimeError as error:
                self._carrier = None
                self.off_loop(error)
            return
        here = asyncio.get_running_loop()
        home = here if thread.parent is None else thread.parent._taskthread.life.loop
        assert home is not None  # a parent that accepts children has a loop
        if home is here:
            self.on_loop(Exchange.open(here))
        else:
            try:
                home.call_soon_threadsafe(lambda: self.on_loop(Exchange.open(home)))
            except RuntimeError:  # closed this very moment
                self.off_loop(ThreadEnded(f"{thread.parent} has ended: no new children"))

    def on_loop(self, exchange: Exchange) -> None:
        """The thread's loop is there: begin to live on it."""
        self.exchange = exchange
        self._ident = threading.get_ident()
        thread = self.thread
        thread._taskthread.crew.loop = exchange.loop
        thread._taskthread.inbox.settle_in(exchange)
        self.main = new_task(
            exchange.loop, self._live(), name=f"{thread}/signals", context=self._context
        )
        with self.lock:
            self.loop = exchange.loop
            ordered = self._ordered
        if ordered is not None:
            self.begin_stop()

    async def _live(self) -> None:
        thread = self.thread
        try:
            await thread.enter__()
        except asyncio.CancelledError as error:
            if self._ordered is None:
                self.fail(error, "enter__")
            return
        except BaseException as error:
            if self.winding_down and is_forced_close(error):
                raise
            self.fail(error, "enter__")
            return
        with self.lock:
            state = lifecycle.advance(self.state, Event.ENTERED)
            if state is not None:
                self.state = state
        self.entered = True
        if state is not None:
            thread._taskthread.log("debug", "running")
            # Now, and not in the next turn, though the signals that wait would be handled sooner:
            # a task of its own may hold the loop up for ever by then.
            self.started.set(None)
        await listen(thread)

    # ---- the end, on the thread's own loop ------------------------------------------------

    def fail(self, error: BaseException, where: str) -> bool:
        """Something in the thread raised `error`: it crashes, unless that is a consequence of an
        end that has begun already. On its own loop.

        :returns: whether it crashes.
        """
        thread = self.thread
        if self._is_refusal(error):
            thread._taskthread.log("info", "%s ended with the stop: %s", where, error)
            self.order_end("shutdown")
            return False
        explain_wrong_loop(error, thread)
        thread._taskthread.note_failure(error, where)
        error.add_note(f"in {thread}, {where}")
        self.worsen(ExitReason("crash", error, where))
        self.order_end("normal")
        thread._taskthread.log("error", "crashed in %s", where, exc_info=error)
        return True

    def _is_refusal(self, error: BaseException) -> bool:
        """Whether this is how a thread that stops, this one or one above it, says no to what is
        still at work below."""
        if not isinstance(error, ThreadEnded | StartCancelled):
            return False
        about: Any = error.thread
        if about is self.thread or getattr(about, "parent", None) is self.thread:
            return self._ordered is not None
        return about is not None and is_within(self.thread, about)

    def begin_stop(self) -> None:
        """Begin to wind down; or hurry, where that was begun already."""
        if self.loop is None:
            return
        if self._winding is not None:
            self._winding.hurry()
            return
        with self.lock:
            state = lifecycle.advance(self.state, Event.STOP)
            if state is not None:
                self.state = state
            elif self.state is State.ABANDONED:  # it came back: let it clean up after itself
                self.limit = monotonic() + self.thread.stop_timeout
                self.halt()  # what it had left to handle is in other hands
            else:
                return
        if not self.entered and self.main is not None:
            # At once: a step later enter__ might meet the stop in another shape, as an error.
            self.main.cancel()
        self._winding = Winding(self.thread, self.loop, self._context)

    def worsen(self, reason: ExitReason) -> None:
        """Of several reasons the gravest counts. On its own loop."""
        with self.lock:
            self._reason = reason if self._reason is None else self._reason.worst(reason)

    def conclude(self) -> None:
        """All is wound down: say why, and leave the loop."""
        ordered = ExitReason(self._ordered or "normal")
        with self.lock:
            reason = ordered if self._reason is None else ordered.worst(self._reason)
            event = Event.FAILED if reason.failed else Event.ENDED
            state = lifecycle.advance(self.state, event)
            if state is not None:
                self.state = state
                self._reason = reason
                self._ended_at = monotonic()
        if state is not None:
            self.thread._taskthread.log("debug", "ended: %s", reason)
        if self._carrier is not None:
            assert self.loop is not None
            self.loop.stop()  # off_loop tells, when nothing runs on it any more
            return
        if self.exchange is not None:
            self.exchange.close()
        if state is not None:
            self.tell(reason)

    def loop_stopped(self, error: BaseException | None) -> bool:
        """The carrier's loop has stopped: because all has ended, or out of turn."""
        assert self.loop is not None
        if self._winding is not None and self._winding.task.done():
            return True
        if self.loop.is_closed():
            self.worsen(ExitReason("crash", error, "its loop was closed by hand"))
            if not self.keeps_inbox():
                self.thread._taskthread.end_inbox()
            with self.lock:
                self.state = lifecycle.advance(self.state, Event.STOP) or self.state
                self.state = lifecycle.advance(self.state, Event.FAILED) or self.state
            return True
        if error is not None:
            self.fail(error, "a callback of its loop")
        elif self._winding is None:
            self.thread._taskthread.log("warning", "its loop was stopped by hand: the thread ends")
            self.order_end("normal")
        return False

    def off_loop(self, error: BaseException | None) -> bool:
        """The loop has stopped for good; or, with an error, it never came to be. Whether a next
        instance is about to be started."""
        self.thread._taskthread.inbox.leave_home()
        if error is not None:
            self.thread._taskthread.log("error", "could not start", exc_info=error)
            with self.lock:
                self.state = lifecycle.advance(self.state, Event.FAILED) or self.state
            self._never_ran(ExitReason("crash", error, "start"))
            return False
        if self.state is State.ABANDONED or self._reason is None:
            return False
        replaced = self.keeps_inbox()
        self.tell(self._reason)
        return replaced

    def _never_ran(self, reason: ExitReason) -> None:
        """It ends without having lived."""
        self.thread._taskthread.crew.closed = True
        if not self.keeps_inbox():
            self.thread._taskthread.end_inbox()
        self.tell(reason)

    def tell(self, reason: ExitReason) -> None:
        """Tell everyone: the parent, who awaits run(), and who awaits the end. Once."""
        thread = self.thread
        parent = thread.parent
        self._final = reason  # first: whoever is told shall find it
        thread._taskthread.errands.close()
        spare.dismiss(thread)
        if parent is not None:
            for line in self.overdue if self._is_news(parent) else ():
                parent._taskthread.life.note_overdue(line)
            parent._taskthread.inbox.announce()  # before it leaves: see Inbox.announce
            parent._taskthread.family.leave(thread)
            if self.started.is_set():
                parent._taskthread.inbox.notify(ChildEnded(thread, reason))
            else:  # whoever is in run() is told there
                parent._taskthread.inbox.unannounce()
        self.ended.set(reason)
        if not self.started.is_set():
            self.started.set(
                reason.exception
                if reason.exception is not None
                else StartCancelled(f"{thread} was stopped while it started ({reason})", thread)
            )

    def _is_news(self, parent: TaskThread) -> bool:
        """Whether the root shall tell in the end what hung here: not what a supervisor has healed,
        nor what was agreed."""
        if self.thread._taskthread.handle is None:
            return True
        return parent._taskthread.life.is_ordered and not self.is_cut_off_as_agreed

    @property
    def is_cut_off_as_agreed(self) -> bool:
        """Whether it was spawned to be stopped without any delay."""
        handle = self.thread._taskthread.handle
        return handle is not None and handle.stop_timeout == 0

    def note_overdue(self, line: str) -> None:
        """Remember what hung past the deadline, for the root to say. From any thread."""
        if len(self.overdue) < _OVERDUE_KEPT:
            self.overdue.append(line)
