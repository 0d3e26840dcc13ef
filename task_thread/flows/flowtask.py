"""A task of a flow, as its author writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from task_thread.app.words import ExecutorName

if TYPE_CHECKING:
    import structlog

    from task_thread.app.run import Run
    from task_thread.core.supervision import Backoff

__all__ = ["FlowTask"]


class FlowTask:
    """One task of a flow. Subclass it in a module, and override ``perform``, ``check`` too where it
    waits; both may be coroutine functions::

        class Confirm(FlowTask):
            def perform(self, path):
                return wait(f"is {path} the right one?")

            def check(self, path, confirmed=False):
                return confirmed

    An instance is made for each call, without arguments. What shall last goes into results.

    The class says how it is run, with the words that a task of a TaskApp has:

    :cvar executor: ``"loop"``, ``"thread"`` or ``"process"``; None: the loop for a coroutine
        function, a thread for the rest.
    :cvar priority: which goes first, the lower number before the higher; None: NORMAL.
    :cvar max_time: seconds that one attempt may take; None for no limit.
    :cvar retry: so many more attempts after one that raised, before the flow fails.
    :cvar retry_on_exc: only after these errors, their subclasses too; None: after any.
    :cvar backoff: the pauses before them: a Backoff, or seconds that are always the same.
    :cvar description: for people; by default the first line of the docstring.
    :ivar results: what the tasks before it gave, by their keys, in their order. Its own copy.
    :ivar run_id: the flow's.
    :ivar routine: the routine's name.
    :ivar key: under which its result will be stored.
    :ivar run: the Run of this attempt, for its logger and progress; None in a process.
    """

    executor: ClassVar[ExecutorName | None] = None
    priority: ClassVar[int | None] = None
    max_time: ClassVar[float | None] = None
    retry: ClassVar[int] = 0
    retry_on_exc: ClassVar[Sequence[type[BaseException]] | None] = None
    backoff: ClassVar[Backoff | float | None] = None
    description: ClassVar[str | None] = None

    results: Mapping[str, Any]
    run_id: str
    routine: str
    key: str
    run: Run[Any] | None

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        """Do it. Called with what the flow was submitted with, in the place that ``executor`` says.

        :returns: the task's result: what JSON can hold (a tuple becomes a list), for the tasks
            after it. Or ``wait(...)`` or ``spawn(...)``.
        :raises BaseException: the flow fails, and can be resumed with this task.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no perform()")

    def check(self, *args: Any, **kwargs: Any) -> Any:
        """Whether a flow that waits in this task goes on. Called when it is resumed, with what the
        flow was submitted with, and the keywords of the resume in front of those of the same name.
        By default it goes on.

        :returns: True to go on with the next task. False, None: it rests. ``wait(...)``: it rests
            for another reason; ``spawn(...)``: it goes on with the result of that flow.
        :raises BaseException: the flow fails, and can be resumed with this check.
        """
        return True

    # ---- for perform and check ------------------------------------------------------------

    @property
    def logger(self) -> structlog.stdlib.BoundLogger:
        """The app's logger, the flow and the task bound to it; in a process structlog's own."""
        if self.run is not None:
            logger = self.run.logger
        else:
            import structlog

            logger = structlog.stdlib.get_logger("task_thread.flows")
        return logger.bind(flow=self.run_id, key=self.key)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far it is; shown in ``top``, on the page and by ``show_progress``. In a process
        it does nothing.

        :raises RunCancelled: the flow was cancelled, or its time is over: stop working.
        """
        if self.run is not None:
            self.run.progress(done, total, note)
