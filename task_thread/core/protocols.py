"""What the core's modules ask of each other, for type checkers only.

Nothing imports this at run time: making a Protocol class costs as much as importing a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from task_thread.core.exchange import Exchange
    from task_thread.core.supervision import Backoff, TaskErrorAction
    from task_thread.core.tasks import Namespace

__all__ = ["Bell", "LoopFactory", "Named", "Owner", "Resident"]


class LoopFactory(Protocol):
    """Makes an event loop."""

    def __call__(self) -> AbstractEventLoop:
        """A new loop. Called in the OS thread that will run it."""
        ...


class Resident(Protocol):
    """What a carrier asks of the thread that it carries; called in the carrier's OS thread."""

    def on_loop(self, exchange: Exchange) -> None:
        """The loop is there, and will run as soon as this returns."""

    def off_loop(self, error: BaseException | None) -> bool:
        """The loop has stopped for good, it and the OS thread are about to end; `error`: it never
        came to be. Whether another thread is about to be started in its place."""
        ...

    def loop_stopped(self, error: BaseException | None) -> bool:
        """The loop has stopped, through `error` or a stop(). Whether the thread has ended: if not,
        the loop is run again."""
        ...


class Named(Protocol):
    """What can wait and be waited for."""

    def name(self) -> str:
        """For the error's message."""
        ...


class Bell(Protocol):
    """How an exchange hears of its loop's turns and is rung for from outside.

    :ivar asked: whether it must be asked for each turn's end.
    """

    asked: bool

    def want_turn_end(self) -> None:
        """Call the exchange's flush when this turn ends. On the loop only."""

    def ring(self) -> None:
        """Call the exchange's drain soon. From any thread."""

    def close(self) -> None:
        """Call nothing any more. On the loop only."""


class Owner(Protocol):
    """What a crew asks of its thread."""

    on_task_error: TaskErrorAction
    task_backoff: Backoff
    stop_timeout: float
    tasks: Namespace
