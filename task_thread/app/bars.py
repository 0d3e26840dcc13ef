"""Progress bars of runs, on a terminal: drawn by rich from what the runs say of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from task_thread.app.run import Run
from task_thread.app.words import RunStatus

try:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TaskID as BarID
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"progress bars need {error.name}: pip install 'task-thread[cli]'", name=error.name
    ) from error

__all__ = ["RunBars", "show_progress"]

R = TypeVar("R")


class RunBars(Progress):
    """A bar for each run; a context manager: ``with RunBars(run, other): ...``.

    Nobody is asked more often than the terminal is drawn. From any thread but a loop's.

    :param runs: whose bars they are.
    :param console: where; the terminal by default. What is no terminal gets the last state only.
    """

    def __init__(self, *runs: Run[Any], console: Console | None = None) -> None:
        self._bars: list[tuple[Run[Any], BarID]] = []  # rich draws before it is made
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._bars = [(run, self.add_task(run.task.name, total=None, note="")) for run in runs]

    def get_renderables(self) -> Iterable[RenderableType]:
        """What rich draws: each bar as its run is at this moment."""
        for run, bar in self._bars:
            done, total, note = run.progress_made
            if run.status is RunStatus.SUCCEEDED:
                total = done if total is None else total
                done = total
            elif run.ended:
                note = run.status.value
            self.update(bar, completed=done, total=total, note=note)
        return super().get_renderables()


def show_progress(run: Run[R], timeout: float | None = None, console: Console | None = None) -> R:
    """Wait for a run with a progress bar, and return what it gave. From any thread but a loop's.

    :param timeout: seconds; None for no limit.
    :raises BaseException: all that :meth:`Run.wait` raises.
    """
    with RunBars(run, console=console):
        return run.wait(timeout)
