"""TaskThread and VirtualThread: what one subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, final

from task_thread.core import root
from task_thread.core.engine import Engine
from task_thread.core.exchange import here
from task_thread.core.handle import Handle
from task_thread.core.hooks import Hooks
from task_thread.core.inboxview import InboxView
from task_thread.core.questions import no_signal
from task_thread.core.recipe import Recipe
from task_thread.core.statistics import InboxStatistics, ThreadStatistics
from task_thread.core.strategy import AutoShutdown, ChildRule, Restart, Strategy, check_settings
from task_thread.core.supervision import Backoff, TaskErrorAction, check_action
from task_thread.core.tasks import Namespace
from task_thread.core.turns import new_event_loop
from task_thread.errors import Deadlock, InboxFull, ThreadEnded
from task_thread.log import class_logger
from task_thread.signals import Request, Signal

if TYPE_CHECKING:
    from types import TracebackType

    import structlog

    from task_thread.core.lifecycle import ExitReason, State
    from task_thread.core.protocols import LoopFactory

__all__ = ["TaskThread", "VirtualThread"]

R = TypeVar("R")
T = TypeVar("T", bound="TaskThread")
Self = TypeVar("Self", bound="TaskThread")


class TaskThread(Hooks):
    """A thread of tasks: an OS thread with an asyncio loop of its own, tasks that re-schedule
    themselves, and signals from and to its parent and children.

    Subclass it, override the hooks (their names end in ``__``), and run it: a root with
    ``run(root)`` or ``await root.run()``, a child with ``await child.run()`` in its parent's
    ``enter__``. The constructor and ``initVars__`` run in the constructing thread, before there is
    a loop; everything else runs on the thread's own loop.

    :param parent: the thread whose child this shall be; None for a root.
    :raises TypeError: `parent` is no TaskThread.
    """

    max_qsize: int = 100
    """How many signals may wait in the inbox; 0 for no limit."""
    send_timeout: float | None = 30.0
    """Seconds that a sender waits for room in this thread's inbox; None for no limit."""
    stop_timeout: float = 10.0
    """Seconds that the stop of this thread and all below it may take."""
    on_task_error: TaskErrorAction = "crash"
    """What an exception in a task does: ``"crash"`` the thread, ``"restart"`` the task after a
    pause, or ``"log"`` and leave it ended. For one task: the decorator ``on_error``."""
    task_backoff: Backoff = Backoff()
    """The pauses before a task is restarted."""
    strategy: Strategy = "one_for_one"
    """Who is restarted with a spawned child: ``"one_for_one"``, nobody else, ``"one_for_all"``, or
    ``"rest_for_one"``, those that were spawned after it."""
    max_restarts: int = 3
    """How many restarts of spawned children there may be within ``restart_window``. One more, and
    this thread crashes itself, with :class:`RestartLimitReached`."""
    restart_window: float = 5.0
    """Seconds, a window that slides with the time."""
    auto_shutdown: AutoShutdown = "any_significant"
    """When this thread ends with its significant children: when ``"any_significant"`` one has ended
    for good, when ``"all_significant"`` ones have, or ``"never"``."""
    lag_limit: float = 1.0
    """Seconds that one call may hold the loop up before a watch says so; ``math.inf`` for a thread
    that may block as long as it likes."""
    loop_factory: ClassVar[LoopFactory] = staticmethod(new_event_loop)
    """Makes the thread's loop: ``staticmethod(uvloop.new_event_loop)``, for example."""

    own_loop: ClassVar[bool] = True
    """Whether instances have an OS thread and loop of their own. Read it, don't set it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check what the class sets.

        :raises TypeError: it overrides what is final: the hooks are what one overrides.
        :raises ValueError: ``on_task_error``, ``strategy``, ``max_restarts``, ``restart_window`` or
            ``auto_shutdown`` make no sense; the message says what would.
        """
        super().__init_subclass__(**kwargs)
        check_action(cls.on_task_error)
        check_settings(cls.strategy, cls.max_restarts, cls.restart_window, cls.auto_shutdown)
        for name in vars(cls):
            if getattr(getattr(TaskThread, name, None), "__final__", False):
                raise TypeError(f"{cls.__name__}.{name} overrides what is final in TaskThread")

    def __init__(self, parent: TaskThread | None = None) -> None:
        if parent is not None and not isinstance(parent, TaskThread):
            raise TypeError(f"a parent is a TaskThread, not {parent!r}")
        self.parent = parent
        self.tasks = Namespace()
        self.locks = Namespace()
        self.logger: structlog.stdlib.BoundLogger = class_logger(type(self).__name__)
        # All that is not the user's is behind this one name, so that no attribute of a subclass
        # can meet one of ours by chance.
        self._taskthread = Engine(self)
        self.initVars__()

    # ---- life -----------------------------------------------------------------------------

    @final
    async def run(self) -> None:
        """Run the thread. Once; from any loop.

        A child: start it, and return when its ``enter__`` has returned. It is added to its
        parent's children. A root: return when the whole tree has ended. Run from the main thread
        a root stops in order on SIGINT and SIGTERM; a second one cuts the stop short.

        :raises BaseException: what ``enter__`` raised; from a root, what crashed it.
        :raises AlreadyStarted: it was run before.
        :raises StartCancelled: a child was stopped before its ``enter__`` had returned.
        :raises NotRunning: the parent was not started yet.
        :raises ThreadEnded: the parent takes no more children.
        :raises StopTimeout: from a root: something in the tree hung past the stop deadline.
        """
        if self.parent is None:
            await root.run_root(self)
        else:
            await self._taskthread.start()

    @final
    async def __call__(self) -> None:
        """The same as :meth:`run`."""
        await self.run()

    @final
    async def stop(self, timeout: float | None = None) -> None:
        """Ask the thread to end, and wait until it and all its children have. From any loop.

        Asked from within (its own tasks and handlers, or its children's) it does not wait, since
        it would wait for itself. Asked again it waits for the same end.

        :param timeout: seconds that the stop may take; ``stop_timeout`` by default. What hangs is
            cancelled before that, and abandoned then.
        """
        if timeout is None:
            timeout = self.stop_timeout
        self._taskthread.ask_to_end(timeout)
        if not self._taskthread.inside():
            await root.wait_ended(self)

    @final
    async def terminate(self) -> None:
        """Ask the thread to end, and do not wait. From any loop, in any state."""
        self._taskthread.ask_to_end(self.stop_timeout)

    @final
    async def requestTerminate(self) -> None:
        """End oneself: the thread's own wish, told to the parent in ``childExited__``."""
        self._taskthread.life.order_end("normal")

    @final
    async def join(self) -> ExitReason:
        """Wait until the thread has ended, and return why. From any loop.

        :raises Deadlock: called from within the thread or one of its children.
        """
        if self._taskthread.inside():
            raise Deadlock(f"{self} can't wait for its own end; await stop() asks for it")
        await root.wait_ended(self)
        return self._taskthread.life.ended.get()

    @property
    def state(self) -> State:
        """Where the thread is in its life. From any thread."""
        return self._taskthread.life.state

    @property
    def exit_reason(self) -> ExitReason | None:
        """Why it ended; None while it has not. From any thread."""
        return self._taskthread.life.reason

    async def __aenter__(self: Self) -> Self:
        await self._taskthread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if error is None:
            root.raise_outcome(self)

    def __enter__(self: Self) -> Self:
        root.run_blocking(self, self._taskthread.start)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        root.run_blocking(self, self.stop)
        if error is None:
            root.raise_outcome(self)

    # ---- signals --------------------------------------------------------------------------

    @final
    async def insertSignal(self, signal: Signal) -> None:
        """Send `signal` to this thread. From any loop.

        Where the inbox is full this calls ``inputOverflowHandler__`` and waits for room.

        :raises TypeError: `signal` is no Signal.
        :raises ThreadEnded: the thread has ended, or takes no more signals.
        :raises SendTimeout: there was no room within ``send_timeout``. It was not sent.
        :raises Deadlock: both sides' handlers wait for room in each other's inbox.
        """
        if not isinstance(signal, Signal):
            raise no_signal(signal)
        if signal._control:
            self._taskthread.ask_to_end(self.stop_timeout)
            return
        inbox = self._taskthread.inbox
        # The beginning of Inbox.offer() once more: in a burst a call more is a tenth of the way.
        sender = here.exchange
        if sender is not None:
            lane = sender.lanes.get(inbox)
            if lane is not None and len(lane) < lane.limit:
                lane.append(signal)
                return
        if not inbox.offer(signal):
            await self._taskthread.wait_for_room(signal)

    @final
    async def sigFromParentToChild__(
        self, signal: Signal, child: TaskThread | Handle[TaskThread] | None = None
    ) -> None:
        """Send `signal` to one child, or (None) to all of them. From any loop.

        To all: one whose inbox is full does not hold up the others, one that ends meanwhile is
        left out, and one that is being restarted gets it then.

        :raises TypeError: `signal` is no Signal, or `child` no TaskThread.
        :raises ThreadEnded: that one child has ended.
        :raises SendTimeout: a child made no room within its ``send_timeout``.
        :raises Deadlock: as :meth:`insertSignal`.
        """
        if child is not None:
            if not isinstance(child, TaskThread):
                if not isinstance(child, Handle):
                    raise TypeError(f"a child is a TaskThread, or its handle, not {child!r}")
                await child.insertSignal(signal)
                return
            # Not simply child.insertSignal(): a coroutine more is a tenth of a single signal's way.
            if not isinstance(signal, Signal) or signal._control:  # type: ignore[redundant-expr]
                await child.insertSignal(signal)
            elif not child._taskthread.inbox.offer(signal):
                await child._taskthread.wait_for_room(signal)
            return
        if not isinstance(signal, Signal):
            raise no_signal(signal)
        full: list[TaskThread] = []
        for each in self._taskthread.receivers():
            try:
                if signal._control:
                    each._taskthread.ask_to_end(each.stop_timeout)
                elif not each._taskthread.inbox.offer(signal):
                    full.append(each)
            except ThreadEnded:
                continue
        for each in full:
            try:
                await each._taskthread.wait_for_room(signal)
            except ThreadEnded:
                continue

    @final
    async def sigFromChildToParent__(self, signal: Signal) -> None:
        """Send `signal` to the parent, whose ``childsignalHandler__`` gets it. A root, which has
        no parent, sends it nowhere. From any loop.

        Where the parent's inbox is full this calls ``outputOverflowHandler__`` and waits.

        :raises TypeError: `signal` is no Signal.
        :raises ThreadEnded: the parent has ended, or takes no more signals.
        :raises SendTimeout: no room within the parent's ``send_timeout``. It was not sent.
        :raises Deadlock: as :meth:`insertSignal`.
        """
        if not isinstance(signal, Signal):
            raise no_signal(signal)
        parent = self.parent
        if signal._control:
            await self.requestTerminate()
        elif parent is not None and not parent._taskthread.inbox.offer((self, signal)):
            await self.outputOverflowHandler__(InboxView(parent._taskthread.inbox))
            await parent._taskthread.wait_for_room((self, signal))

    @final
    def post(self, signal: Signal) -> None:
        """Send `signal` to this thread at once, without waiting. From any OS thread.

        :raises TypeError: `signal` is no Signal.
        :raises InboxFull: there is no room. It was not sent.
        :raises ThreadEnded: the thread has ended, or takes no more signals.
        """
        if not isinstance(signal, Signal):
            raise no_signal(signal)
        if signal._control:
            self._taskthread.ask_to_end(self.stop_timeout)
        elif not self._taskthread.inbox.offer(signal):
            raise InboxFull(f"the inbox of {self} (max_qsize {self.max_qsize}) is full")

    @final
    async def ask(self, request: Request[R], timeout: float | None = 30.0) -> R:
        """Send `request` and return the handler's ``request.reply(value)``. From any loop.

        :param timeout: seconds to wait for room and reply together; None for no limit.
        :raises TypeError: `request` is no Request.
        :raises ValueError: it was asked before.
        :raises AskTimeout: no reply in time.
        :raises ThreadEnded: the thread has ended, or ended before it replied.
        :raises Deadlock: asked from the thread's own handler, which could never reply.
        :raises BaseException: what the handler gave to ``request.fail(error)``.
        """
        if not isinstance(request, Request):
            raise TypeError(f"{request!r} is no Request: subclass task_thread.signals.Request")
        self._taskthread.claim(request)
        return await self._taskthread.ask(request, timeout)

    # ---- family ---------------------------------------------------------------------------

    @property
    def children(self) -> list[TaskThread]:
        """The children, in the order of their start: a list of one's own, from any thread."""
        return self._taskthread.family.members()

    @property
    def handles(self) -> list[Handle[TaskThread]]:
        """The spawned children, in the order of their spawn: a list of one's own, from any
        thread. One that was stopped by hand, or was transient and ended, is among them."""
        supervisor = self._taskthread.supervisor
        return [] if supervisor is None else supervisor.handles()

    @final
    async def spawn(
        self,
        cls: type[T],
        *args: Any,
        restart: Restart = "permanent",
        stop_timeout: float | None = None,
        backoff: Backoff | None = None,
        significant: bool = False,
        name: Any = None,
        **kwargs: Any,
    ) -> Handle[T]:
        """Make ``cls(*args, **kwargs)`` a child, start it, and look after it from then on.

        Returns when its ``enter__`` has returned. When it ends it is replaced by a fresh instance
        of the same class and arguments, which is given all signals that were accepted and that no
        instance has been given. Each instance is made on this thread's loop; a constructor that
        has a parameter ``parent`` is given this thread. From any loop.

        :param restart: ``"permanent"``: always, ``"transient"``: when it has failed,
            ``"temporary"``: never.
        :param stop_timeout: seconds that a stop of it may take; by default, if it is stopped
            alone, its own ``stop_timeout``, and with this thread what is left of that one's. With
            0 it is cut off at once, and that is no failure of the stop.
        :param backoff: the pauses before it is restarted; None for none.
        :param significant: this thread ends when it has ended for good.
        :param name: its id, for a class that has no ``getId`` of its own.
        :raises TypeError: `cls` is no class of TaskThreads, or does not take these arguments.
        :raises ValueError: a word or a number makes no sense.
        :raises NotRunning: this thread was not started yet.
        :raises ThreadEnded: this thread takes no more children.
        :raises StartCancelled: it was stopped before its ``enter__`` had returned.
        :raises BaseException: what its constructor or ``enter__`` raised; it is then no child.
        """
        recipe: Recipe[T] = Recipe(self, cls, args, kwargs, name, stop_timeout)
        return await self._taskthread.spawn(recipe, ChildRule(restart, significant, backoff))

    @final
    async def addChild(self, child: TaskThread) -> None:
        """Make `child` a child of this thread. ``child.run()`` does so too. From any loop.

        :raises TypeError: `child` is no TaskThread.
        :raises FamilyError: it has another parent, or is an ancestor of this thread.
        :raises NotRunning: this thread was not started yet.
        :raises ThreadEnded: this thread takes no more children, or the child has ended.
        """
        if not isinstance(child, TaskThread):
            raise TypeError(f"a child is a TaskThread, not {child!r}")
        if child not in self._taskthread.family:
            self._taskthread.family.adopt(child)

    @final
    async def delChild(self, child: TaskThread | Handle[TaskThread]) -> None:
        """Stop `child` and forget it. What is no child of this thread is left alone.

        Asked from within the child it does not wait for the child's end. From any loop.
        """
        handle = child._taskthread.handle if isinstance(child, TaskThread) else child
        supervisor = self._taskthread.supervisor
        if handle is not None and supervisor is not None and handle in supervisor.handles():
            supervisor.order_removal(handle)
            if not handle.thread._taskthread.inside():
                await handle.wait_forgotten()
        elif isinstance(child, TaskThread) and child in self._taskthread.family:
            await child.stop()

    @final
    def findChild(
        self, _id: Any = None, _class: type[TaskThread] | None = None
    ) -> TaskThread | None:
        """The first child with that id, of that class, or both; None where there is none.

        From any thread; ``getId()`` of the children is called.
        """
        return self._taskthread.family.find(_id, _class)

    @final
    def getChildIds(self, _class: type[TaskThread] | None = None) -> list[Any]:
        """The ids of all children, or of those of one class. From any thread."""
        return [
            child.getId() for child in self.children if _class is None or isinstance(child, _class)
        ]

    # ---- seeing ---------------------------------------------------------------------------

    @final
    def statistics(self) -> ThreadStatistics:
        """A frozen snapshot of the thread. From any thread; it does not wake the thread."""
        refs = sorted(
            (ref.statistics() for ref in list(self._taskthread.crew.refs)), key=lambda t: t.name
        )
        handle, noted = self._taskthread.handle, self._taskthread.failure
        return ThreadStatistics(
            id=self._taskthread.id(),
            class_name=type(self).__name__,
            state=self._taskthread.life.state,
            uptime=self._taskthread.life.uptime,
            tasks=tuple(refs),
            inbox=InboxStatistics(*self._taskthread.inbox.count()),
            loop_lag=self._taskthread.life.lag,
            children=tuple(child._taskthread.id() for child in self.children),
            exit_reason=self._taskthread.life.reason,
            virtual=not self.own_loop,
            generation=1 if handle is None else handle.generation,
            restarts=0 if handle is None else handle.restarts,
            restart_type=None if handle is None else handle.restart_type,
            last_error=None if noted is None else noted.failure(),
        )

    def __str__(self) -> str:
        return self._taskthread.name()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self} {self._taskthread.life.state.value}>"


class VirtualThread(TaskThread):
    """A TaskThread without an OS thread of its own: it lives on its parent's loop, or, as a root,
    on the loop that awaits its ``run()``. The same API and semantics; thousands cost little.

    Choose it for what mostly waits, or shares asyncio objects with its parent; a TaskThread for
    what computes or blocks.
    """

    own_loop: ClassVar[bool] = False
