"""The driver of supervision: does what a thread's :class:`Plan` says with its spawned children.

Each living child has a keeper, a task of the parent's that starts it and waits for its end. So a
crash is dealt with whatever the parent's handlers do, and the keeper judges a child that hangs
past its deadline. Nothing here waits for one child while another needs something: each event
(a child is up, has ended, a pause is over, somebody asks by hand) goes through the plan, which says
what follows from it.

All of it belongs to the parent's loop, but for what says otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from task_thread.core import judge, spare
from task_thread.core.handle import Handle
from task_thread.core.lifecycle import ExitReason, State
from task_thread.core.plan import Action, Forget, GiveUp, Phase, Plan, Shut, Start, Stop, Wait
from task_thread.core.strategy import AutoShutdown, ChildRule, Strategy
from task_thread.errors import RestartLimitReached, ThreadEnded

if TYPE_CHECKING:
    from task_thread.core.recipe import Recipe
    from task_thread.core.thread import TaskThread

__all__ = ["Supervisor"]

T = TypeVar("T", bound="TaskThread")


def _settings_of(thread: TaskThread) -> tuple[Strategy, int, float, AutoShutdown]:
    return thread.strategy, thread.max_restarts, thread.restart_window, thread.auto_shutdown


class Supervisor:
    """Looks after the children that one thread has spawned."""

    def __init__(self, thread: TaskThread) -> None:
        self._thread = thread
        self._engine = thread._taskthread
        self._settings = _settings_of(thread)
        self._plan: Plan[int] = Plan(*self._settings)
        self._handles: dict[int, Handle[Any]] = {}
        self._next_key = 0
        self._first: dict[int, asyncio.Future[None]] = {}  # those who wait in spawn()
        self._errors: dict[int, BaseException] = {}  # what their child's start raised
        self._removed: set[int] = set()
        self._timeouts: dict[int, float] = {}  # of stops by hand
        self._timer: asyncio.TimerHandle | None = None
        self._tick_at = 0.0
        self._due: deque[Action[int]] = deque()
        self._doing = False

    # ---- from any thread ------------------------------------------------------------------

    def handles(self) -> list[Handle[Any]]:
        """The handles, in the order of their spawn."""
        return list(self._handles.values())

    def is_coming(self, key: int) -> bool:
        """See :meth:`Plan.is_coming`."""
        return self._plan.is_coming(key) and not self._engine.life.is_ordered

    def expects_next(self, key: int, reason: ExitReason, *, entered: bool) -> bool:
        """Whether a next instance of that child may come after an end for `reason`."""
        if self._engine.life.is_ordered:
            return False
        return self._plan.expects_next(key, reason, entered=entered)

    def order_stop(self, handle: Handle[Any], timeout: float | None) -> None:
        """By hand: let it end, and stay down."""
        self._call(lambda: self._stop_by_hand(handle, timeout))

    async def restart(self, handle: Handle[Any]) -> None:
        """By hand: let a new instance come, and wait until it is up, unless it is asked for from
        within the child. From any loop.

        :raises ThreadEnded: none can come any more.
        """
        inside = handle.thread._taskthread.inside()
        await self._engine.errands.run(lambda: self._restart_by_hand(handle, inside))

    def holds(self, handle: Handle[Any]) -> bool:
        """Whether that child has its place here: not after it was forgotten, or all has ended."""
        return handle.key in self._handles and not (self._plan.closed and handle.is_over)

    def order_removal(self, handle: Handle[Any]) -> None:
        """By hand: let it end, and forget it."""
        self._call(lambda: self._remove_by_hand(handle))

    def _call(self, callback: Callable[[], None]) -> None:
        loop = self._engine.life.loop
        assert loop is not None  # a thread that has spawned has one
        try:
            running: Any = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is loop:
            callback()
        else:
            with contextlib.suppress(RuntimeError):  # closed: the parent has ended, and they
                loop.call_soon_threadsafe(callback)

    # ---- spawning -------------------------------------------------------------------------

    async def spawn(self, recipe: Recipe[T], rule: ChildRule, context: Context) -> Handle[T]:
        """Start a child and look after it from then on; see TaskThread.spawn.

        :param context: whose variables all its instances shall see.
        """
        if self._plan.closed:
            raise ThreadEnded(f"{self._thread} is ending: no new children", self._thread)
        self._check(recipe, rule)
        key = self._next_key
        self._next_key += 1
        handle: Handle[T] = Handle(self, key, recipe, rule, context)
        self._handles[key] = handle
        entered = self._first[key] = asyncio.get_running_loop().create_future()
        self._follow(self._plan.add(key, rule, monotonic()))
        try:
            await entered
        except asyncio.CancelledError:
            if key in self._plan:
                self._remove_by_hand(handle)
            raise
        finally:
            self._first.pop(key, None)
            self._errors.pop(key, None)
        return handle

    def _check(self, recipe: Recipe[Any], rule: ChildRule) -> None:
        thread = self._thread
        if recipe.name is not None and any(
            each.name == recipe.name for each in self._handles.values()
        ):
            raise ValueError(f"{thread} has a child named {recipe.name!r} already")
        if rule.significant and thread.auto_shutdown == "never":
            raise ValueError(
                f"{thread} has auto_shutdown = 'never': no child of it can be significant"
            )

    # ---- by hand --------------------------------------------------------------------------

    def _stop_by_hand(self, handle: Handle[Any], timeout: float | None) -> None:
        key = handle.key
        if key not in self._plan:
            return
        if timeout is not None:
            self._timeouts[key] = timeout
            if self._plan.phase(key) is Phase.STOPPING:
                handle.thread._taskthread.life.order_end("shutdown", timeout)
        self._follow(self._plan.stop(key, monotonic()))
        self._settle(key)

    async def _restart_by_hand(self, handle: Handle[Any], inside: bool) -> None:
        if handle.key not in self._plan or self._plan.closed or self._engine.life.is_ordered:
            raise ThreadEnded(
                f"{handle} can't be restarted: {self._thread} has forgotten it or is ending",
                self._thread,
            )
        before = handle.generation
        handle.revive()
        self._errors.pop(handle.key, None)
        if self._plan.phase(handle.key) is Phase.STARTING:
            if handle.state is State.RUNNING:  # its keeper is about to say so
                self._plan.started(handle.key, monotonic())
            else:
                before -= 1  # the one that starts just now is a fresh one
        self._follow(self._plan.restart(handle.key, monotonic()))
        if inside or await handle.wait_up(before):
            return
        error = self._errors.pop(handle.key, None)
        if error is not None:
            raise error
        raise ThreadEnded(f"{handle} did not come back: {handle.last_exit}", handle.thread)

    def _remove_by_hand(self, handle: Handle[Any]) -> None:
        self._removed.add(handle.key)
        self._stop_by_hand(handle, None)

    # ---- doing what the plan says ---------------------------------------------------------

    def _follow(self, actions: list[Action[int]]) -> None:
        """Do `actions`, and what follows from them, one after the other."""
        self._due.extend(actions)
        if self._doing:
            return
        self._doing = True
        try:
            while self._due:
                self._do(self._due.popleft())
        finally:
            self._doing = False

    def _do(self, action: Action[int]) -> None:
        if isinstance(action, Wait):
            self._wait(action.until)
            return
        if isinstance(action, Shut):
            self._close_plan()
            self._engine.log("info", "ends with a significant child that has ended")
            self._engine.life.order_end("shutdown")
            return
        handle = self._handles[action.key]
        if isinstance(action, Start):
            self._start(handle)
        elif isinstance(action, Stop):
            timeout = self._timeouts.pop(action.key, handle.stop_timeout)
            if handle.thread is not None:  # else its constructor has failed this moment
                handle.thread._taskthread.life.order_end("shutdown", timeout)
        elif isinstance(action, Forget):
            self._forget(handle)
        else:
            assert isinstance(action, GiveUp)
            self._give_up(handle)

    def _wait(self, until: float) -> None:
        if self._timer is not None:
            if self._tick_at <= until:
                return  # what is due later is said again then
            self._timer.cancel()
        self._tick_at = until
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, until - monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._follow(self._plan.tick(monotonic()))

    def _start(self, handle: Handle[Any]) -> None:
        """Make the next instance and set it going."""
        if self._engine.life.is_ordered:  # its winding down is just about to close the plan
            self._drop(handle, self._refusal(handle))
            return
        if handle.generation:
            self._tell_restart(handle)
        thread: TaskThread | None = None
        context = handle.context.copy()
        try:
            thread = handle.make()
            self._engine.family.adopt(thread)
            handle.take(thread)
            context.run(thread._taskthread.life.begin)
        except BaseException as error:
            self._could_not_start(handle, thread, error)
        else:
            keeper = self._keep(handle, thread)
            self._engine.life.create_task(keeper, f"keeper of {handle}", context)

    def _tell_restart(self, handle: Handle[Any]) -> None:
        counted = not self._plan.was_by_hand(handle.key)
        if counted:
            handle.count_restart()
        level = "warning" if counted else "info"
        self._engine.log(level, "restarting %s, which ended: %s", handle, handle.last_exit)

    def _could_not_start(
        self, handle: Handle[Any], thread: TaskThread | None, error: BaseException
    ) -> None:
        """Its constructor raised `error`, or it was refused before it ran."""
        if self._is_ending(error):
            self._drop(handle, error)
            return
        where = "its constructor"
        if thread is not None:  # streams of another loop, say: it will not run any more
            where = "start"
            thread._taskthread.life.order_end("shutdown")
        if handle.key not in self._first:  # else spawn() raises it
            self._engine.log("error", "could not restart %s", handle, exc_info=error)
            handle.thread._taskthread.note_failure(error, where)
        # In a turn of its own: with no pause between them the failures would hold up the loop.
        reason = ExitReason("crash", error, where)
        asyncio.get_running_loop().call_soon(self._ended, handle, reason, error)

    def _drop(self, handle: Handle[Any], error: BaseException) -> None:
        """This thread is ending: that start was one too many, and no exit of the child."""
        self._close_plan()
        handle.conclude()
        self._settle_first(handle.key, error)

    def _is_ending(self, error: BaseException) -> bool:
        """Whether `error` is how this thread, which is ending, refuses to have another child."""
        return isinstance(error, ThreadEnded) and error.thread is self._thread

    async def _keep(self, handle: Handle[Any], thread: TaskThread) -> None:
        """Wait for one instance's start and for its end, and tell the plan of both."""
        try:
            await self._look_after(handle, thread)
        except Exception as error:  # a bug in here must not leave a child without its keeper
            self._engine.life.fail(error, f"the supervision of {handle}")

    async def _look_after(self, handle: Handle[Any], thread: TaskThread) -> None:
        life = thread._taskthread.life
        error: BaseException | None = None
        try:
            try:
                await life.wait_started()
            finally:
                handle.reap_before()
        except asyncio.CancelledError:
            if not life.ended.is_set():
                raise
            error = life.started.get()
        except BaseException as raised:
            error = raised
        else:
            handle.set_up(True)
            if handle.key in self._plan:
                self._follow(self._plan.started(handle.key, monotonic()))
                self._settle_first(handle.key, None)
            spare.prepare(thread)
            await judge.wait(life, life.ended)
        self._ended(handle, life.ended.get(), error)
        if handle.thread is thread:  # no next one will do it
            life.reap()

    def _ended(self, handle: Handle[Any], reason: ExitReason, error: BaseException | None) -> None:
        """An instance has ended, or has never come to be."""
        handle.set_exit(reason)
        key = handle.key
        if key not in self._plan:
            return
        if error is not None and (key in self._first or self._plan.was_by_hand(key)):
            self._errors[key] = error
        self._configure()
        if self._engine.life.is_ordered:
            self._close_plan()
        self._follow(self._plan.ended(key, reason, monotonic(), random.random()))
        self._settle(key)

    def _configure(self) -> None:
        """Go by what the thread's attributes say now: they may be set while it runs."""
        settings = _settings_of(self._thread)
        if settings == self._settings:
            return
        self._settings = settings
        try:
            self._plan.configure(*settings)
        except (TypeError, ValueError) as error:
            self._engine.log("error", "goes on as before: %s", error)

    def _settle(self, key: int) -> None:
        """Draw the last line under a child that has ended for good."""
        if key not in self._plan:
            return
        phase = self._plan.phase(key)
        if phase is Phase.GONE or (phase is Phase.DOWN and self._plan.closed):
            self._handles[key].conclude()
            self._settle_first(key, self._refusal(self._handles[key]))
        if phase is Phase.GONE and key in self._removed:
            self._follow(self._plan.remove(key))

    def _settle_first(self, key: int, error: BaseException | None) -> None:
        entered = self._first.get(key)
        if entered is None or entered.done():
            return
        if error is None:
            entered.set_result(None)
        else:
            entered.set_exception(error)
            entered.exception()  # who waited may have been cancelled meanwhile

    def _forget(self, handle: Handle[Any]) -> None:
        key = handle.key
        del self._handles[key]
        self._removed.discard(key)
        handle.conclude()
        error = self._errors.get(key)
        self._settle_first(key, error if error is not None else self._refusal(handle))

    def _refusal(self, handle: Handle[Any]) -> ThreadEnded:
        return ThreadEnded(f"{handle} was ended before it had started", self._thread)

    def _give_up(self, handle: Handle[Any]) -> None:
        thread = self._thread
        reason = handle.last_exit
        error = RestartLimitReached(
            f"{thread} gives up: more than {thread.max_restarts} restarts within "
            f"{thread.restart_window:g} s; the last one needed was of {handle}, "
            f"which ended: {reason}",
            thread,
        )
        error.__cause__ = None if reason is None else reason.exception
        handle.conclude()
        self._close_plan()
        self._engine.life.fail(error, f"the supervision of {handle}")

    # ---- the end --------------------------------------------------------------------------

    def close(self) -> None:
        """The thread ends: start nothing any more. Its family stops those who live."""
        self._close_plan()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_plan(self) -> None:
        """Start nothing any more, and tell those whose child's turn will not come."""
        self._plan.close()
        for key in list(self._first):
            if key in self._plan and self._plan.phase(key) in (Phase.DOWN, Phase.GONE):
                self._settle_first(key, self._refusal(self._handles[key]))

    def conclude(self) -> None:
        """All children have ended, and none comes any more. From any thread."""
        self._plan.close()
        for handle in self.handles():
            latest = handle.thread
            if latest is not None and latest.state is not State.NEW:
                reason = latest.exit_reason
                if reason is not None and handle.last_exit is not reason:
                    handle.set_exit(reason)
                    latest._taskthread.life.reap()  # in place of its keeper, who comes too late
            handle.conclude()
