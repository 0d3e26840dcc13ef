"""The driver of one thread's life: starts it, winds it down, gives it up. Rules: lifecycle.py.

A thread that runs is one asyncio task: it awaits ``enter__`` and then handles signals. What ends
it (an order from outside, its own wish, something that raised) starts a second task that winds
everything down under one absolute deadline::

    stopping__ -> children -> what is left in the inbox -> exit__ -> tasks -> the loop

Whatever hangs in one of these steps is cancelled when most of the time that is left has passed,
closed by force when that does not help, and the next step goes on: no step can stop the others.
Only a call that blocks the loop itself holds everything up; then whoever waits for the end gives
the thread up, from outside, with :meth:`Life.abandon`.

Ownership: ``state``, ``_reason``, ``limit`` and ``loop`` are changed under ``lock``; everything
else belongs to the thread's own loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from task_thread.core import lifecycle
from task_thread.core.carrier import Carrier, close_helpers, stack_of
from task_thread.core.family import CHILD_SHARE, ChildEnded
from task_thread.core.inbox import Exchange, exchange_here
from task_thread.core.lifecycle import Event, ExitKind, ExitReason, State
from task_thread.core.listener import listen
from task_thread.core.streams import check_streams, explain_wrong_loop
from task_thread.core.tasks import close_by_force, current_crew, current_ref, end_tasks
from task_thread.errors import AlreadyStarted, NotRunning, StartCancelled, ThreadEnded
from task_thread.latch import Latch
from task_thread.log import ensure_visible

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Life"]

_STEP_SHARE: Final = 0.8  # of the time left: when a step that hangs is cancelled
_FORCE_SHARE: Final = 0.5  # of the time left then: when it is closed by force
_OVERDUE_KEPT: Final = 20  # threads cut off or given up that are remembered by name


class Life:
    """One thread's life."""

    __slots__ = (
        "_aside", "_asked_at", "_carrier", "_context", "_ended_at", "_exchange", "_hurry", "_ident",
        "_main", "_ordered", "_reason", "_started_at", "_thread", "_winder", "draining", "ended",
        "entered", "limit", "lock", "loop", "overdue", "started", "state",
    )  # fmt: skip

    def __init__(self, thread: TaskThread) -> None:
        self._thread = thread
        self.lock = threading.Lock()
        self.state = State.NEW
        self.limit = inf  # when it must have ended, in seconds of time.monotonic()
        self.started: Latch[BaseException | None] = Latch()
        self.ended: Latch[ExitReason] = Latch()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.entered = False  # enter__ has returned
        self.draining = False  # the listener ends when the inbox is empty
        self.overdue: list[str] = []
        self._ordered: ExitKind | None = None
        self._reason: ExitReason | None = None
        self._started_at = self._ended_at = self._asked_at = 0.0
        self._aside: set[asyncio.Task[Any]] = set()
        self._ident: int | None = None
        self._carrier: Carrier | None = None
        self._exchange: Exchange | None = None
        self._main: asyncio.Task[None] | None = None
        self._winder: asyncio.Task[None] | None = None
        self._hurry: asyncio.Future[None] | None = None
        self._context: Context | None = None

    @property
    def main(self) -> asyncio.Task[None] | None:
        """The task that awaits ``enter__`` and then handles signals."""
        return self._main

    @property
    def give_up_at(self) -> float:
        """When whoever waits for the end gives it up: a little after its own limit."""
        limit, asked = self.limit, self._asked_at
        return inf if limit == inf else limit + max(0.05, (limit - asked) * (1 - CHILD_SHARE))

    def create_task(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run `coroutine` beside everything else. On the thread's loop only."""
        assert self.loop is not None
        task = self.loop.create_task(
            coroutine, name=f"{self._thread}/{name}", context=self._context
        )
        # The loop itself keeps only a weak reference.
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    # ---- asked from any thread ------------------------------------------------------------

    @property
    def reason(self) -> ExitReason | None:
        """Why it ended; None while it has not."""
        return self.ended.get() if self.ended.is_set() else None

    @property
    def uptime(self) -> float:
        """Seconds since it was run, until its end."""
        if not self._started_at:
            return 0.0
        return (self._ended_at or monotonic()) - self._started_at

    @property
    def lag(self) -> float:
        """See :meth:`Exchange.lag`."""
        return 0.0 if self._exchange is None else self._exchange.lag()

    def share(self, of: float) -> float:
        """The moment at which the share `of` the time that is left will have passed."""
        now = monotonic()
        return now + max(0.0, self.limit - now) * of

    def check_not_ended(self) -> None:
        """:raises ThreadEnded: it has ended."""
        if self.state in lifecycle.FINAL:
            raise ThreadEnded(f"{self._thread} has ended ({self.reason}); construct another")

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """While inside, the thread does not begin to stop.

        :raises NotRunning: it was not started yet.
        :raises ThreadEnded: it is stopping or has ended.
        """
        with self.lock:
            if self.state is State.NEW:
                raise NotRunning(
                    f"{self._thread} does not run yet: run it first, and its children in "
                    "its enter__"
                )
            if self.state not in (State.STARTING, State.RUNNING):
                raise ThreadEnded(f"{self._thread} is {self.state.value}: no new children")
            yield

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
        elif loop is not None:
            with contextlib.suppress(RuntimeError):  # closed this very moment: it has ended
                loop.call_soon_threadsafe(self.begin_stop)
        self.ended.poke()

    async def abandon(self, limit: float) -> None:
        """Give the thread up: it hangs in a call that cannot be interrupted. From any other loop.

        Its children are stopped until `limit`, since it no longer can.
        """
        thread = self._thread
        where = self._stack()
        reason = ExitReason("abandoned", detail=where)
        with self.lock:
            state = lifecycle.advance(self.state, Event.GIVEN_UP)
            if state is None:
                return
            self.state = state
            self._ended_at = monotonic()
        thread.logger.critical("abandoned: it hangs past its deadline\n%s", where)
        self._note_overdue(f"{thread} was abandoned, it hangs in:\n{where}")
        for child in reversed(thread.children):
            child._taskthread.life.order_stop("shutdown", limit)
            while not child._taskthread.life.ended.is_set() and monotonic() < limit:
                await child._taskthread.life.ended.wait_once(limit - monotonic())
            if not child._taskthread.life.ended.is_set():
                await child._taskthread.life.abandon(limit)
        thread._taskthread.inbox.seal()
        self._tell(reason)

    def _stack(self) -> str:
        """Where it hangs: the call that blocks its loop, or the line in which its step waits."""
        if self._ident != threading.get_ident():
            return stack_of(self._ident)
        task = self._winder if self._main is None or self._main.done() else self._main
        return "" if task is None else _where(task)

    def reap(self) -> None:
        """After the end: wait for the OS thread to be gone. From another OS thread."""
        if self._carrier is not None and self.state is not State.ABANDONED:
            self._carrier.reap()

    # ---- the start ------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it, and return when ``enter__`` has returned. From any loop.

        :raises AlreadyStarted: it was started before.
        :raises StartCancelled: it was stopped before ``enter__`` had returned.
        :raises BaseException: what ``enter__`` raised.
        """
        thread = self._thread
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
        try:
            await self.started.wait()
        except asyncio.CancelledError:
            self.order_stop("shutdown", monotonic() + thread.stop_timeout * CHILD_SHARE)
            raise
        error = self.started.get()
        if error is not None:
            raise error

    def _place(self) -> None:
        thread = self._thread
        assert self._context is not None
        if thread.own_loop:
            self._carrier = Carrier(
                self,
                str(thread._taskthread.name()),
                type(thread).loop_factory,
                self._context.copy(),
            )
            try:
                self._carrier.start()
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
            home.call_soon_threadsafe(lambda: self.on_loop(Exchange.open(home)))

    def on_loop(self, exchange: Exchange) -> None:
        """The thread's loop is there: begin to live on it."""
        self._exchange = exchange
        self._ident = threading.get_ident()
        thread = self._thread
        thread._taskthread.crew.loop = exchange.loop
        thread._taskthread.inbox.settle_in(exchange)
        self._main = exchange.loop.create_task(
            self._live(), name=f"{thread}/signals", context=self._context
        )
        with self.lock:
            self.loop = exchange.loop
            ordered = self._ordered
        if ordered is not None:
            self.begin_stop()

    async def _live(self) -> None:
        thread = self._thread
        try:
            await thread.enter__()
        except asyncio.CancelledError as error:
            if self._ordered is None:
                self.fail(error, "enter__")
            return
        except (Exception, SystemExit) as error:
            self.fail(error, "enter__")
            return
        with self.lock:
            state = lifecycle.advance(self.state, Event.ENTERED)
            if state is not None:
                self.state = state
        self.entered = True
        if state is not None:
            thread.logger.debug("running")
            self.started.set(None)
        await listen(thread)

    # ---- the end, on the thread's own loop ------------------------------------------------

    def fail(self, error: BaseException, where: str) -> None:
        """Something in the thread raised `error`: it crashes. On its own loop."""
        thread = self._thread
        explain_wrong_loop(error, thread)
        error.add_note(f"in {thread}, {where}")
        thread.logger.error("crashed in %s", where, exc_info=error)
        self._worsen(ExitReason("crash", error, where))
        self.order_stop("normal", monotonic() + thread.stop_timeout * CHILD_SHARE)

    def begin_stop(self) -> None:
        """Begin to wind down; or hurry, where that was begun already."""
        if self.loop is None:
            return
        if self._winder is not None:
            if self._hurry is not None and not self._hurry.done():
                self._hurry.set_result(None)
            self._thread._taskthread.family.hurry()
            return
        with self.lock:
            state = lifecycle.advance(self.state, Event.STOP)
            if state is not None:
                self.state = state
            elif self.state is State.ABANDONED:  # it came back: let it clean up after itself
                self.limit = monotonic() + self._thread.stop_timeout
            else:
                return
        self._winder = self.loop.create_task(
            self._wind_down(), name=f"{self._thread}/stop", context=self._context
        )

    async def _wind_down(self) -> None:
        thread = self._thread
        try:
            if not self.entered:
                await self._cancel(self._main, "enter__")
            else:
                await self._step(thread.stopping__, "stopping__")
            await thread._taskthread.family.stop_all()
            await self._drain()
            if self.entered:
                await self._step(thread.exit__, "exit__")
            await self._end_tasks()
        except BaseException as error:  # a bug in here must not leave everyone waiting
            thread.logger.critical("winding down failed", exc_info=error)
            self._worsen(ExitReason("crash", error, "winding down"))
            thread._taskthread.inbox.seal()
        finally:
            self._conclude()

    async def _drain(self) -> None:
        """Let the listener handle what is left, unless it has crashed; bury the rest."""
        thread = self._thread
        assert self._exchange is not None
        thread._taskthread.inbox.refuse()
        self._exchange.drain()
        main = self._main
        if main is not None and not main.done():
            self.draining = True
            thread._taskthread.inbox.wake()
            if not await self._until(main, _STEP_SHARE):
                await self._cancel(main, "its signal handler")
        thread._taskthread.inbox.seal()
        thread._taskthread.fail_requests()

    async def _end_tasks(self) -> None:
        thread = self._thread
        assert self.loop is not None
        thread._taskthread.crew.closed = True
        refs = [
            ref for ref in thread._taskthread.crew.refs if ref.task is not asyncio.current_task()
        ]
        for ref in refs:
            ref.cancel()
        for aside in self._aside:
            aside.cancel()
        tasks: set[asyncio.Task[Any]] = {ref.task for ref in refs}
        tasks |= self._aside
        if self._carrier is not None:
            others = asyncio.all_tasks(self.loop) - tasks - {asyncio.current_task()}
            for task in others:
                task.cancel()
            tasks |= others
        for task in await end_tasks(tasks, self.share(_STEP_SHARE)):
            self._cut_off(task.get_name(), "ignored its cancel")
        if self._carrier is not None and not await close_helpers(
            self.loop, max(0.01, self.share(_FORCE_SHARE) - monotonic())
        ):
            self._cut_off("the loop's executor", "was left behind with a call still running")

    async def _step(self, hook: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        """Await a hook; cancel it when it takes too long, close it when that does not help."""
        assert self.loop is not None
        task = self.loop.create_task(
            _run_hook(hook), name=f"{self._thread}/{name}", context=self._context
        )
        if not await self._until(task, _STEP_SHARE):
            await self._cancel(task, name)
        if task.done() and not task.cancelled():
            error = task.exception()
            if error is not None:
                self.fail(error, name)

    async def _cancel(self, task: asyncio.Task[Any] | None, name: str) -> None:
        if task is None or task.done():
            return
        if self.entered:
            self._cut_off(name, _where(task))
        task.cancel()
        if await self._until(task, _FORCE_SHARE):
            return
        if not self.entered:
            self._cut_off(name, _where(task))
        close_by_force(task)

    async def _until(self, task: asyncio.Task[Any], share: float) -> bool:
        """Wait for `task`, at most that share of the time left, which may shrink meanwhile."""
        assert self.loop is not None
        begun = monotonic()
        while not task.done():
            left = begun + max(0.0, self.limit - begun) * share - monotonic()
            if left <= 0:
                return False
            self._hurry = self.loop.create_future()
            await asyncio.wait(
                (task, self._hurry), timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
        return True

    def _cut_off(self, name: str, how: str) -> None:
        self._thread.logger.error("%s was cut off past the deadline: %s", name, how)
        self._worsen(ExitReason("timeout", detail=f"{name}: {how}"))
        self._note_overdue(f"{self._thread}: {name} was cut off, {how}")

    def _worsen(self, reason: ExitReason) -> None:
        with self.lock:
            self._reason = reason if self._reason is None else self._reason.worst(reason)

    def _conclude(self) -> None:
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
            self._thread.logger.debug("ended: %s", reason)
        if self._carrier is not None:
            assert self.loop is not None
            self.loop.stop()  # off_loop tells, when the loop is closed
            return
        if self._exchange is not None:
            self._exchange.close()
        if state is not None:
            self._tell(reason)

    def loop_stopped(self, error: BaseException | None) -> bool:
        """The carrier's loop has stopped: because all has ended, or out of turn."""
        assert self.loop is not None
        if self._winder is not None and self._winder.done():
            return True
        if self.loop.is_closed():
            self._worsen(ExitReason("crash", error, "its loop was closed by hand"))
            self._thread._taskthread.inbox.seal()
            with self.lock:
                self.state = lifecycle.advance(self.state, Event.STOP) or self.state
                self.state = lifecycle.advance(self.state, Event.FAILED) or self.state
            return True
        if error is not None:
            self.fail(error, "a callback of its loop")
        elif self._winder is None:
            self._thread.logger.warning("its loop was stopped by hand: the thread ends")
            self.order_stop("normal", monotonic() + self._thread.stop_timeout * CHILD_SHARE)
        return False

    def off_loop(self, error: BaseException | None) -> None:
        """The loop is closed; or, with an error, it never came to be."""
        if error is not None:
            self._thread.logger.error("could not start", exc_info=error)
            with self.lock:
                self.state = lifecycle.advance(self.state, Event.FAILED) or self.state
            self._never_ran(ExitReason("crash", error, "start"))
            return
        if self.state is not State.ABANDONED and self._reason is not None:
            self._tell(self._reason)

    def _never_ran(self, reason: ExitReason) -> None:
        """It ends without having lived."""
        self._thread._taskthread.crew.closed = True
        self._thread._taskthread.inbox.seal()
        self._thread._taskthread.fail_requests()
        self._tell(reason)

    def _tell(self, reason: ExitReason) -> None:
        """Tell everyone: the parent, who awaits run(), and who awaits the end. Once."""
        thread = self._thread
        parent = thread.parent
        if parent is not None:
            for line in self.overdue:
                parent._taskthread.life._note_overdue(line)
            parent._taskthread.family.leave(thread)
            if self.started.is_set():
                # Who was in run() is told there, and by an exception.
                parent._taskthread.inbox.notify(ChildEnded(thread, reason))
        if not self.started.is_set():
            self.started.set(
                reason.exception
                if reason.exception is not None
                else StartCancelled(f"{thread} was stopped while it started ({reason})")
            )
        self.ended.set(reason)

    def _note_overdue(self, line: str) -> None:
        if len(self.overdue) < _OVERDUE_KEPT:
            self.overdue.append(line)


async def _run_hook(hook: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """A task ends with a SystemExit by ending the loop with it: a hook's is an error like others.

    :raises Exception: what the hook raised.
    """
    try:
        await hook()
    except SystemExit as error:
        raise RuntimeError(f"sys.exit({error.code!r}) in a hook") from error


def _where(task: asyncio.Task[Any]) -> str:
    """In which line a suspended task hangs."""
    frames = task.get_stack()
    awaited: Any = task.get_coro()
    while getattr(awaited, "cr_await", None) is not None:
        awaited = awaited.cr_await
        frame = getattr(awaited, "cr_frame", None)
        if frame is not None:
            frames = [frame]
    if not frames:
        return "it hangs"
    frame = frames[-1]
    return f"it hangs in {frame.f_code.co_qualname}, {frame.f_code.co_filename}:{frame.f_lineno}"
