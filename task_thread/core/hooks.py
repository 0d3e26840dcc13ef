"""The hooks of a TaskThread: what one overrides, and what each does where nobody has.

All but the first and the last two run on the thread's own loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from task_thread.core.winding import does_nothing

if TYPE_CHECKING:
    import structlog

    from task_thread.core.engine import Engine
    from task_thread.core.inboxview import InboxView
    from task_thread.core.lifecycle import ExitReason
    from task_thread.core.thread import TaskThread
    from task_thread.signals import Signal

__all__ = ["Hooks"]


class Hooks:
    """What a subclass of TaskThread may override."""

    if TYPE_CHECKING:
        logger: structlog.stdlib.BoundLogger
        _taskthread: Engine

    def initVars__(self) -> None:
        """Set one's variables: ``self.tasks.x = None``. Called by the constructor, in the
        constructing thread; there is no loop yet."""

    async def enter__(self) -> None:
        """The beginning: open what is needed, create tasks, run children. ``run()`` returns when
        this has returned; what it raises ends the thread and is raised there."""

    @does_nothing
    async def stopping__(self) -> None:
        """A stop begins: take no new work from outside. Children still run and are stopped next;
        from here on no child can be added."""

    @does_nothing
    async def exit__(self) -> None:
        """The end: close what ``enter__`` opened. Children have ended and the inbox is empty;
        tasks still run. Called on every way out, after a crash too, if ``enter__`` had returned."""

    async def signalHandler__(self, signal: Signal) -> bool | None:
        """Handle a signal sent to this thread. Return False to end the thread."""
        self.logger.info("signal not handled", signal=signal)
        return None

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        """Handle a signal that `child` has sent with ``sigFromChildToParent__``."""
        self.logger.info("child's signal not handled", signal=signal, child=child)

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        """`child` has ended, after all its signals were handled. Raise here to end with it.

        Not called for a child whose ``enter__`` did not return: ``run()`` raises for that one."""

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        """This thread's inbox is full and somebody waits to send. Runs on this thread's own loop,
        beside its handlers, once at a time. ``queue.get_nowait()`` drops the oldest signal."""
        self.logger.warning("inbox is full", max_qsize=queue.maxsize)

    async def outputOverflowHandler__(self, queue: InboxView) -> None:
        """The parent's inbox is full and this thread is about to wait for room in it. Runs where
        ``sigFromChildToParent__`` was awaited."""
        self.logger.warning("the parent's inbox is full", max_qsize=queue.maxsize)

    def getId(self) -> Any:
        """The thread's id: the class's name and a number by default. May be called from any
        thread, so it should only read what never changes."""
        return self._taskthread.default_id

    def getInfo(self) -> str:
        """One line about the thread, for people. From any thread."""
        return repr(self)
