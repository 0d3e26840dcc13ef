"""What stands around each attempt of a run: an onion of objects with three methods."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from task_thread.log import log_safely

if TYPE_CHECKING:
    from task_thread.app.run import Run

__all__ = ["Middleware", "Onion", "check_middleware"]


class Middleware:
    """Around each attempt of a run. Override what you need; each may be ``async`` or not, and runs
    on the app's loop.

    Give the class, and each attempt gets an instance of its own: what it notes on itself can't
    reach another run. Give an instance, and it is shared by all runs on purpose.
    """

    def before(self, run: Run[Any]) -> Awaitable[None] | None:
        """The attempt is about to begin. What it raises is the attempt's error."""

    def after(self, run: Run[Any]) -> Awaitable[None] | None:
        """The attempt gave ``run.value``. What it raises makes it a failed one."""

    def on_error(self, run: Run[Any]) -> Awaitable[None] | None:
        """The attempt raised ``run.exception``. What this raises is logged, and changes nothing."""


def check_middleware(middleware: Any) -> Middleware | type[Middleware]:
    """`middleware`, if it is one.

    :raises TypeError: it has none of the three methods, or is a class that needs arguments.
    """
    if not any(callable(getattr(middleware, name, None)) for name in _METHODS):
        raise TypeError(f"a middleware has before(), after() or on_error(), {middleware!r} none")
    if isinstance(middleware, type):
        try:
            inspect.signature(middleware).bind()
        except TypeError as error:
            raise TypeError(
                f"{middleware.__name__} is made anew for each run, without arguments ({error}): "
                "give an instance, or a class that needs none"
            ) from None
        except ValueError:  # no signature to be had: we shall see
            pass
    return middleware  # type: ignore[no-any-return]


_METHODS = ("before", "after", "on_error")


class Onion:
    """The middlewares of one attempt, the first outermost. On the app's loop."""

    __slots__ = ("_entered", "_layers")

    def __init__(self, layers: Sequence[Middleware | type[Middleware]]) -> None:
        self._layers = layers
        self._entered: list[Any] = []

    async def before(self, run: Run[Any]) -> None:
        """From the outside in. Those after the one that raised are not entered."""
        for layer in self._layers:
            middleware = layer() if isinstance(layer, type) else layer
            self._entered.append(middleware)
            await _call(middleware, "before", run)

    async def after(self, run: Run[Any]) -> None:
        """From the inside out."""
        for middleware in reversed(self._entered):
            await _call(middleware, "after", run)

    async def on_error(self, run: Run[Any]) -> None:
        """From the inside out, whatever they raise: those that were entered."""
        for middleware in reversed(self._entered):
            try:
                await _call(middleware, "on_error", run)
            except Exception as error:
                log_safely(
                    run.logger,
                    "error",
                    "a middleware's on_error raised",
                    middleware=middleware,
                    exc_info=error,
                )


async def _call(middleware: Any, name: str, run: Run[Any]) -> None:
    method = getattr(middleware, name, None)
    if method is not None:
        answer = method(run)
        if inspect.isawaitable(answer):
            await answer
