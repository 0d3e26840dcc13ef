"""What a TaskThread is made of, behind its one private attribute.

The class that one subclasses holds hooks and public calls only; everything that must not be met
by an attribute of a subclass is here: the life, the family, the crew of tasks and the inbox, and
what needs several of them at once.
"""

from __future__ import annotations

import asyncio
import itertools
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from task_thread.core import judge
from task_thread.core.ending import is_forced_close
from task_thread.core.errands import Errands
from task_thread.core.family import Family, is_within
from task_thread.core.inbox import Inbox
from task_thread.core.inboxview import InboxView
from task_thread.core.life import Life
from task_thread.core.lifecycle import State
from task_thread.core.noted import Noted
from task_thread.core.questions import Asked, Questions, signal_of
from task_thread.core.taskref import TaskRef, current_crew
from task_thread.core.tasks import Crew
from task_thread.core.waits import waiting
from task_thread.errors import Deadlock
from task_thread.log import class_logger, is_off, log_safely, show
from task_thread.signals import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from task_thread.core.handle import Handle
    from task_thread.core.recipe import Recipe
    from task_thread.core.spare import Spare
    from task_thread.core.strategy import ChildRule
    from task_thread.core.supervisor import Supervisor
    from task_thread.core.thread import TaskThread

__all__ = ["Engine"]

R = TypeVar("R")
T = TypeVar("T", bound="TaskThread")

_numbers: Final[dict[str, Iterator[int]]] = {}  # setdefault() and next() are atomic each


class Engine:
    """The inside of one thread.

    Ownership: ``_overflowing`` is changed from any thread, by single operations; ``failure`` is
    replaced by the thread's own loop; ``handle`` is set before the thread runs.

    :ivar handle: the supervised place in its parent that it fills; None where it has none.
    :ivar supervisor: what looks after the children that it spawned; None until it spawns one.
    :ivar spare: what the next restart in the tree goes to, where this is its root; see spare.py.
    :ivar failure: the last error that it had, or that the instance before it had.
    """

    __slots__ = (
        "_own_logger",
        "_overflowing",
        "crew",
        "default_id",
        "errands",
        "failure",
        "family",
        "handle",
        "inbox",
        "life",
        "rank",
        "spare",
        "supervisor",
        "thread",
    )

    def __init__(self, thread: TaskThread) -> None:
        self.thread = thread
        kind = type(thread).__name__
        self.default_id = f"{kind}-{next(_numbers.setdefault(kind, itertools.count(1)))}"
        self._own_logger = thread.logger
        self._overflowing = False
        self.rank = 0  # its place among its parent's children
        self.handle: Handle[Any] | None = None
        self.supervisor: Supervisor | None = None
        self.spare: Spare | None = None
        self.failure: Noted | None = None
        self.life = Life(thread)
        self.family = Family(thread)
        self.errands = Errands(thread)
        self.crew = Crew(thread, self.name, self._task_failed, self.log, self.note_failure)
        self.inbox = Inbox(thread, self.name, thread.max_qsize, self._report_dead)

    def id(self) -> Any:
        """The id, whatever getId() of a half-made or broken subclass does."""
        try:
            return self.thread.getId()
        except Exception:
            return self.default_id

    def name(self) -> str:
        """The id as a string."""
        try:
            return str(self.id())
        except Exception:
            return self.default_id

    def log(self, level: str, event: str, *args: Any, **values: Any) -> None:
        """Log something about the thread, with its logger. From any thread."""
        logger = self.thread.logger
        if logger is self._own_logger and is_off(type(self.thread).__name__, level):
            return  # a line that nobody sees costs as much as one that somebody does
        log_safely(logger, level, event, *args, **values)

    def bind_logger(self) -> None:
        """Bind the id, which a subclass may only now be able to tell, unless it set a logger."""
        thread = self.thread
        if thread.logger is self._own_logger:
            bound = class_logger(type(thread).__name__, thread=self.name())
            thread.logger = self._own_logger = bound

    def note_failure(self, error: BaseException, where: str) -> None:
        """Remember an error, for whoever looks. On its own loop."""
        self.failure = Noted(error, where)

    # ---- life -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it, in its family where it has a parent. See Life.start for what it raises."""
        parent = self.thread.parent
        if parent is not None and self.life.state is State.NEW:
            parent._taskthread.family.adopt(self.thread)
        await self.life.start()

    def inside(self) -> bool:
        """Whether this code runs in the thread, or in one of its descendants."""
        crew = current_crew.get()
        return crew is not None and is_within(cast("TaskThread", crew.owner), self.thread)

    def is_listener(self) -> bool:
        """Whether this code runs in the task that handles the thread's signals."""
        try:
            return self.life.main is not None and self.life.main is asyncio.current_task()
        except RuntimeError:  # no loop runs here
            return False

    def ask_to_end(self, timeout: float) -> None:
        """Order the stop, and leave a tenth of the time to who waits for it. From any thread."""
        self.life.order_end("normal" if self.inside() else "shutdown", timeout)

    def _task_failed(self, ref: TaskRef, error: BaseException) -> None:
        self.life.fail(error, f"task {ref.name}")

    # ---- signals --------------------------------------------------------------------------

    def claim(self, request: Request[Any]) -> None:
        """:raises Deadlock: the thread's own handler asks, which could never reply.
        :raises ValueError: it was asked before.
        """
        if self.is_listener():
            raise Deadlock(f"{self.name()} asks itself in its own handler, and would never reply")
        if not request._claim():
            raise ValueError(f"{show(request)} was asked before: make another one")

    async def ask(self, request: Request[R], timeout: float | None) -> R:
        """Send a claimed `request` and wait for its answer; see TaskThread.ask."""
        begun = monotonic()
        asked, questions = Asked(request), self._questions()
        questions.add(asked)
        try:
            if not self.inbox.offer(asked):
                await self.wait_for_room(asked, timeout)
            left = None if timeout is None else max(0.0, timeout - (monotonic() - begun))
            return await request._answer(left, timeout, self.name())
        finally:
            questions.drop(asked)

    def _questions(self) -> Questions:
        inbox = self.inbox
        if inbox.questions is None:
            with self.life.lock:  # two loops may ask for the first time at once
                if inbox.questions is None:
                    inbox.questions = Questions()
        return inbox.questions

    async def wait_for_room(self, item: Any, timeout: float | None = None) -> None:
        """Wait until the full inbox takes `item`: a signal, or a pair (child, signal).

        :raises Deadlock: the sender's handler and others wait for room in a circle.
        """
        if not isinstance(item, tuple):
            self._call_overflow_hook()
        limits = [each for each in (timeout, self.thread.send_timeout) if each is not None]
        limit = min(limits, default=None)
        crew = current_crew.get()
        sender = None if crew is None else cast("TaskThread", crew.owner)
        if sender is None or not sender._taskthread.is_listener():
            await self.inbox.put(item, limit)
            return
        with waiting(sender._taskthread, self):
            await self.inbox.put(item, limit)

    def _call_overflow_hook(self) -> None:
        """Run the overflow hook on this thread's own loop, once at a time. From any thread."""
        loop = self.life.loop
        if loop is None or self._overflowing:
            return
        self._overflowing = True
        try:
            loop.call_soon_threadsafe(self._start_overflow_hook)
        except RuntimeError:  # its loop was closed: the sender will be told so
            self._overflowing = False

    def _start_overflow_hook(self) -> None:
        if self.crew.closed:
            self._overflowing = False
        else:
            self.life.create_task(self._overflow_hook(), "overflow")

    async def _overflow_hook(self) -> None:
        try:
            await self.thread.inputOverflowHandler__(InboxView(self.inbox))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if is_forced_close(error):
                raise
            self.life.fail(error, "inputOverflowHandler__")
        finally:
            self._overflowing = False

    def receivers(self) -> list[TaskThread]:
        """Whom a signal to all children is for: those who live, and those who will again."""
        receivers = self.family.members()
        if self.supervisor is not None:
            living = {id(child) for child in receivers}
            for handle in self.supervisor.handles():
                if handle.restarting and id(handle.thread) not in living:
                    receivers.append(handle.thread)
        return receivers

    async def spawn(self, recipe: Recipe[T], rule: ChildRule) -> Handle[T]:
        """See TaskThread.spawn."""
        with self.life.accepting():
            context = copy_context()
        if self.life.loop is None:
            await judge.wait(self.life, self.life.started)
            self.life.check_not_ended()

        async def begin() -> Handle[T]:
            if self.supervisor is None:
                from task_thread.core.supervisor import Supervisor

                self.supervisor = Supervisor(self.thread)
            return await self.supervisor.spawn(recipe, rule, context)

        return await self.errands.run(begin)

    def inherit(self, before: Engine) -> None:
        """Go on where the instance `before` has ended, which this one replaces. Before this one
        runs."""
        if self.failure is None:
            self.failure = before.failure
        old = before.inbox
        if old.sealed:
            self.inbox.count_on(old)
        elif before.life.state is State.ABANDONED:
            old.pass_on(self.inbox)
        else:
            before.inbox = old.remains()
            old.take_over(self.thread, self.inbox)
            self.inbox = old

    def end_inbox(self) -> None:
        """Nothing in the inbox is handled any more, by nobody. From any thread."""
        self.inbox.seal()
        self.inbox.fail_questions(taken_only=False)

    def end_supervision(self) -> None:
        """Nothing is restarted any more, and nothing is: the thread ends. From any thread."""
        if self.supervisor is not None:
            self.supervisor.conclude()

    def _report_dead(self, items: list[Any]) -> None:
        """Accepted signals that nobody will handle. From any thread."""
        for item in items:
            signal = signal_of(item)
            if isinstance(signal, Request):
                signal._receiver_ended(self.name())
        self.log(
            "warning",
            "%d dead letter(s): accepted, and not handled before the end",
            len(items),
            first=show(items[0]),
        )
