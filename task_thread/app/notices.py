"""Who is told of what happens in an app: callbacks, and the parent, in signals."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from task_thread.app.events import AppEvent
from task_thread.errors import SignalError, ThreadEnded
from task_thread.log import log_safely, show

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["Notices"]

Callback = Callable[[Any], Any]


class Notices:
    """The subscriptions of one app.

    Ownership: the subscriptions are replaced as a whole under ``_lock``, and read without it; what
    waits for the parent belongs to the app's loop.
    """

    def __init__(self, thread: TaskThread) -> None:
        self._thread = thread
        self._lock = threading.Lock()
        self._callbacks: tuple[tuple[type[AppEvent], Callback], ...] = ()
        self._for_parent: tuple[type[AppEvent], ...] = ()
        self._waiting: deque[AppEvent] = deque()
        self._bearer: asyncio.Task[None] | None = None
        self._callees: set[asyncio.Task[Any]] = set()

    # ---- from any thread ------------------------------------------------------------------

    def subscribe(self, callback: Callback | None, kinds: tuple[type[AppEvent], ...]) -> None:
        """Tell `callback`, or None: the parent, of events of those kinds.

        :raises TypeError: one of them is no class of events, or the callback can't be called.
        """
        for kind in kinds:
            given: object = kind
            if not (isinstance(given, type) and issubclass(given, AppEvent)):
                raise TypeError(f"{show(kind)} is no class of events: RunEnded, TaskAdded, ...")
        if callback is not None and not callable(callback):
            raise TypeError(f"a callback is called with an event, and {callback!r} can't be")
        with self._lock:
            if callback is None:
                self._for_parent = tuple({*self._for_parent, *kinds})
            else:
                self._callbacks += tuple((kind, callback) for kind in kinds)

    def unsubscribe(self, callback: Callback | None, kinds: tuple[type[AppEvent], ...]) -> None:
        """No more of those kinds; without kinds: of any."""
        with self._lock:
            if callback is None:
                self._for_parent = tuple(
                    kind for kind in self._for_parent if kinds and kind not in kinds
                )
            else:
                self._callbacks = tuple(
                    (kind, each)
                    for kind, each in self._callbacks
                    if each != callback or (kinds and kind not in kinds)
                )

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to be told of anything."""
        return bool(self._callbacks or self._for_parent)

    # ---- on the app's loop ----------------------------------------------------------------

    def tell(self, event: AppEvent) -> None:
        """Tell everyone who wants to know."""
        told: list[Callback] = []
        for kind, callback in self._callbacks:
            if isinstance(event, kind) and callback not in told:
                told.append(callback)
                self.call(callback, event)
        if self._thread.parent is not None and isinstance(event, self._for_parent):
            self._waiting.append(event)
            if self._bearer is None:
                self._bearer = self._begin(self._bear(), "events")

    def call(self, callback: Callback, argument: Any) -> None:
        """Call a user's callback; a coroutine is awaited beside everything else. What it raises is
        logged, and reaches nobody else."""
        try:
            answer = callback(argument)
        except BaseException as error:  # a CancelledError of what it looked at, for example
            self._complain(callback, error)
            return
        if inspect.iscoroutine(answer):
            task = self._begin(self._await(callback, answer), "callback")
            self._callees.add(task)
            task.add_done_callback(self._callees.discard)

    async def _await(self, callback: Callback, answer: Any) -> None:
        try:
            await answer
        except asyncio.CancelledError:  # the app ends
            raise
        except BaseException as error:
            self._complain(callback, error)

    def call_late(self, callback: Callback, argument: Any) -> None:
        """The same when the app's loop is closed: here and now; a coroutine gets a loop of its own.
        From any thread."""
        try:
            answer = callback(argument)
            if inspect.iscoroutine(answer):
                late = threading.Thread(target=asyncio.run, args=(self._await(callback, answer),))
                late.start()
                late.join()
        except BaseException as error:
            self._complain(callback, error)

    def _complain(self, callback: Callback, error: BaseException) -> None:
        log_safely(
            self._thread.logger, "error", "a callback raised", callback=callback, exc_info=error
        )

    def _begin(self, coroutine: Any, name: str) -> asyncio.Task[Any]:
        return self._thread._taskthread.life.create_task(coroutine, name)

    async def _bear(self) -> None:
        """Carry the events to the parent, in order, one at a time: its inbox may be full."""
        try:
            while self._waiting:
                event = self._waiting.popleft()
                try:
                    await self._thread.sigFromChildToParent__(event)
                except ThreadEnded:  # it is on its way out, and wants no more
                    self._waiting.clear()
                except SignalError as error:
                    log_safely(
                        self._thread.logger, "warning", "the parent did not take an event",
                        event_kind=type(event).__name__, exc_info=error,
                    )  # fmt: skip
        finally:
            self._bearer = None

    async def flush(self) -> None:
        """Wait until the parent has what it was to be told, and all callbacks have returned."""
        while waited_for := [*self._callees, *([self._bearer] if self._bearer else [])]:
            await asyncio.wait(waited_for)
