"""A supervised child as its parent holds it: a handle that outlives the instances behind it.

Signals go to the instance of the moment. The inbox goes from each instance to the next one, so
what is sent while a child is being restarted is accepted as at any other time, and handled by the
next instance; who finds it full waits for room, as always.

Ownership: all of it is written by the parent's loop and may be read from any thread; ``_news``
tells those who wait for a change to look again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from task_thread.core import spare
from task_thread.core.exchange import here
from task_thread.core.lifecycle import ExitReason, State
from task_thread.core.questions import no_signal
from task_thread.core.strategy import ChildRule, Restart
from task_thread.errors import Deadlock, InboxFull, SendTimeout, ThreadEnded
from task_thread.latch import Latch
from task_thread.signals import Request, Signal

if TYPE_CHECKING:
    from task_thread.core.life import Life
    from task_thread.core.recipe import Recipe
    from task_thread.core.statistics import ThreadStatistics
    from task_thread.core.supervisor import Supervisor
    from task_thread.core.thread import TaskThread

__all__ = ["Handle"]

R = TypeVar("R")
T_co = TypeVar("T_co", bound="TaskThread", covariant=True)


def _is_control(signal: object) -> bool:
    """Whether it asks to end; whatever is no signal is refused by the thread itself."""
    return isinstance(signal, Signal) and signal._control


class Handle(Generic[T_co]):
    """A supervised child, over all its instances: what ``spawn`` returns.

    All of it may be used from any thread, and what is awaited from any loop.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        key: int,
        recipe: Recipe[Any],
        rule: ChildRule,
        context: Context,
    ) -> None:
        self.key: Final = key
        self.rule: Final = rule
        self.context: Final = context
        self._recipe = recipe
        self._supervisor = supervisor
        self._thread: Any = None
        self._name: Any = recipe.name
        self._generation = self._restarts = 0
        self._last_exit: ExitReason | None = None
        self._dying: Life | None = None  # the instance before, while its OS thread ends
        self._over = False
        self._up = False
        self._news: Latch[None] = Latch()
        self.rank = 0  # its place among the parent's children

    # ---- seeing ---------------------------------------------------------------------------

    @property
    def name(self) -> Any:
        """The child's id, which all its instances have."""
        return self._name

    @property
    def thread(self) -> T_co:
        """The latest instance: the one that lives, or the last one that did."""
        return self._thread  # type: ignore[no-any-return]

    @property
    def generation(self) -> int:
        """Which instance that is; 1 is the first."""
        return self._generation

    @property
    def restarts(self) -> int:
        """How often it was restarted because it had ended, or with a sibling that had."""
        return self._restarts

    @property
    def restart_type(self) -> Restart:
        """``"permanent"``, ``"transient"`` or ``"temporary"``."""
        return self.rule.restart

    @property
    def significant(self) -> bool:
        """Whether its parent ends when it has ended for good."""
        return self.rule.significant

    @property
    def stop_timeout(self) -> float | None:
        """Seconds that a stop of it may take, where that was agreed; else None."""
        return self._recipe.stop_timeout

    @property
    def state(self) -> State:
        """The state of the latest instance."""
        return self.thread.state

    @property
    def restarting(self) -> bool:
        """Whether it is down, and a next instance will come."""
        if self._over or self._supervisor.is_coming(self.key):
            return not self._over
        # Its end may be known here before its keeper has heard of it.
        reason = self.thread.exit_reason
        entered = self.thread._taskthread.life.entered
        return reason is not None and self.expects_next(reason, entered=entered)

    @property
    def last_exit(self) -> ExitReason | None:
        """Why the last instance that ended did so; None while none has."""
        return self._last_exit

    def statistics(self) -> ThreadStatistics:
        """A snapshot of the latest instance; see :meth:`TaskThread.statistics`."""
        return self.thread.statistics()

    def __str__(self) -> str:
        try:
            return str(self._name)
        except Exception:
            return self._recipe.cls.__name__

    def __repr__(self) -> str:
        state = "restarting" if self.restarting else self.state.value
        return f"<Handle {self} {self._recipe.cls.__name__} #{self._generation} {state}>"

    # ---- signals --------------------------------------------------------------------------

    async def insertSignal(self, signal: Signal) -> None:
        """Send `signal` to the child; while it is being restarted, to its next instance.

        ``TerminateSignal`` lets it end and stay down.

        :raises TypeError: `signal` is no Signal.
        :raises ThreadEnded: it has ended, and no next instance comes.
        :raises SendTimeout: there was no room within ``send_timeout``. It was not sent.
        :raises Deadlock: as :meth:`TaskThread.insertSignal`.
        """
        # The beginning of TaskThread.insertSignal() once more: in a burst a coroutine more is a
        # fifth of the way.
        sender = here.exchange
        if not isinstance(signal, Signal):
            raise no_signal(signal)
        if sender is not None and not signal._control:
            lane = sender.lanes.get(self._thread._taskthread.inbox)
            if lane is not None and len(lane) < lane.limit:
                lane.append(signal)
                return
        if signal._control:
            self._supervisor.order_stop(self, None)
            return
        while True:
            thread = self._thread
            try:
                await thread.insertSignal(signal)
                return
            except ThreadEnded:
                if not await self._next_after(thread):
                    raise

    def post(self, signal: Signal) -> None:
        """Send `signal` at once, without waiting. From any OS thread.

        :raises TypeError: `signal` is no Signal.
        :raises InboxFull: there is no room just now. It was not sent.
        :raises ThreadEnded: the child has ended, and no next instance comes.
        """
        if _is_control(signal):
            self._supervisor.order_stop(self, None)
            return
        thread = self._thread
        try:
            thread.post(signal)
        except ThreadEnded:
            if self._over:
                raise
            raise InboxFull(f"{self} is between two instances: try again soon") from None

    async def ask(self, request: Request[R], timeout: float | None = 30.0) -> R:
        """Send `request` and return the reply, which may be the next instance's if the present one
        ends before it was given the request.

        :param timeout: seconds to wait for room and reply together; None for no limit.
        :raises ThreadEnded: the child ended while it had the request, or for good.
        :raises TypeError: `request` is no Request.
        :raises ValueError: it was asked before.
        :raises AskTimeout: no reply in time.
        :raises Deadlock: asked from the child's own handler, which could never reply.
        :raises BaseException: what the handler gave to ``request.fail(error)``.
        """
        if not isinstance(request, Request):
            raise TypeError(f"{request!r} is no Request: subclass task_thread.signals.Request")
        self._thread._taskthread.claim(request)
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            thread = self._thread
            left = None if deadline is None else max(0.0, deadline - monotonic())
            try:
                reply: R = await thread._taskthread.ask(request, left)
                return reply
            except ThreadEnded:
                # Answered: it was accepted once, and nobody shall handle it a second time.
                if request.answered or not await self._next_after(thread):
                    raise

    async def _next_after(self, thread: TaskThread) -> bool:
        """Wait for the instance after `thread`. Whether one has come."""
        limit = thread.send_timeout
        if not await self._until(lambda: self._thread is not thread or self._over, limit):
            raise SendTimeout(f"no next instance of {self} has come within {limit:g} s")
        return self._thread is not thread

    # ---- its life -------------------------------------------------------------------------

    async def stop(self, timeout: float | None = None) -> None:
        """End the child and wait for that. It stays down, until :meth:`restart`.

        Asked from within the child it does not wait.

        :param timeout: seconds that it may take; by default what was agreed when it was spawned,
            or its ``stop_timeout``.
        """
        self._supervisor.order_stop(self, timeout)
        if not self._thread._taskthread.inside():
            await self._until(lambda: self._over)

    async def restart(self) -> None:
        """Start a new instance, and return when its ``enter__`` has returned. One that lives is
        stopped first. It does not count as a restart. Asked from within the child it does not wait.

        :raises ThreadEnded: the parent takes no children any more, or gave up meanwhile.
        """
        await self._supervisor.restart(self)

    async def join(self) -> ExitReason:
        """Wait until it has ended and no next instance will come, and return why.

        :raises Deadlock: called from within the child.
        """
        if self._thread._taskthread.inside():
            raise Deadlock(f"{self} can't wait for its own end")
        await self._until(lambda: self._over)
        return self._last_exit if self._last_exit is not None else ExitReason("shutdown")

    async def _until(self, happened: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until `happened`, which looks at this handle. Whether it did in time."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            seen = self._news.pokes
            if happened():
                return True
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            await self._news.wait_once(left, seen)

    # ---- for the supervisor, on the parent's loop -----------------------------------------

    def make(self) -> TaskThread:
        """The next instance, which does not run yet."""
        thread: TaskThread = self._recipe.make()
        engine = thread._taskthread
        engine.handle = self
        if self._generation or self._recipe.name is not None:
            engine.default_id = self._name
        return thread

    def count_restart(self) -> None:
        """It is being restarted, not by hand."""
        self._restarts += 1

    def take(self, thread: TaskThread) -> None:
        """`thread` is the instance from now on, and gets what the one before has left."""
        before = self._thread
        engine = thread._taskthread
        if before is None:
            self.rank = engine.rank
            if self._name is None:
                self._name = engine.id()
        else:
            engine.inherit(before._taskthread)
            self._dying = before._taskthread.life
        self._thread = thread
        self._generation += 1
        self._over = self._up = False
        self._news.poke()

    @property
    def is_over(self) -> bool:
        """Whether it has ended and no next instance comes."""
        return self._over

    async def wait_forgotten(self) -> None:
        """Wait until the parent has no place for it any more. From any loop."""
        await self._until(lambda: not self._supervisor.holds(self))

    async def wait_up(self, before: int) -> bool:
        """Wait until an instance after the generation `before` is up. False: none will be."""
        await self._until(lambda: self._over or (self._up and self._generation > before))
        return not self._over

    def reap_before(self) -> None:
        """Wait for the OS thread of the instance before, which is about to end, now that this one
        runs: to wait for it first would take as long as a start."""
        dying, self._dying = self._dying, None
        if dying is not None:
            dying.reap()

    def expects_next(self, reason: ExitReason, *, entered: bool) -> bool:
        """Whether a next instance may come after an end for `reason`. From any thread.

        :param entered: whether the instance has entered, which its keeper may not know yet.
        """
        return not self._over and self._supervisor.expects_next(self.key, reason, entered=entered)

    def set_up(self, up: bool) -> None:
        """Whether an instance has entered and not ended."""
        self._up = up
        self._news.poke()

    def set_exit(self, reason: ExitReason) -> None:
        """The instance has ended."""
        self._last_exit = reason
        self.set_up(False)

    def revive(self) -> None:
        """It was over, and is no longer."""
        self._over = False

    def conclude(self) -> None:
        """No next instance comes, and the last one has ended: nobody will handle what is in the
        inbox. From any thread."""
        self._over = True
        if self._thread is not None:
            self._thread._taskthread.end_inbox()
            spare.dismiss(self._thread, self)
        self._news.poke()
