"""Going through a generator: each value through a handler, and what it returns at its end."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Final

__all__ = ["through_handler"]

_END: Final = object()

InThread = Callable[..., Awaitable[Any]]


async def through_handler(
    values: Iterator[Any] | AsyncGenerator[Any, None],
    handler: Callable[[Any], Any] | None,
    in_thread: InThread,
) -> tuple[list[Any], Any]:
    """Go through `values` and give each to `handler`.

    A synchronous generator is stepped with `in_thread`, and a synchronous handler of its values is
    called there too; everything else happens on the running loop. However it ends, the generator is
    closed.

    :param handler: sync or async; None: the values are left as they are.
    :returns: what the handler gave, in order, and what the generator returned.
    """
    if isinstance(values, AsyncGenerator):
        return await _async(values, handler), None
    return await _sync(values, handler, in_thread)


async def _async(
    values: AsyncGenerator[Any, None], handler: Callable[[Any], Any] | None
) -> list[Any]:
    made: list[Any] = []
    try:
        async for value in values:
            if handler is not None:
                value = await _awaited(handler(value))
            made.append(value)
    finally:
        await values.aclose()
    return made


async def _sync(
    values: Iterator[Any], handler: Callable[[Any], Any] | None, in_thread: InThread
) -> tuple[list[Any], Any]:
    walk = _Walk(values, handler)
    made: list[Any] = []
    try:
        while (value := await walk.next(in_thread)) is not _END:
            made.append(await _awaited(value) if handler is not None else value)
    except BaseException:
        if walk.leave():
            await in_thread(walk.close)
        raise
    return made, walk.returned


class _Walk:
    """A synchronous generator, stepped in threads, which is closed however the walk ends.

    A step that nobody waits for any more, since the run was cancelled, goes on in its thread: it
    closes the generator itself when it has come to its yield.

    Ownership: ``_under_way`` and ``_left`` are shared, and guarded by ``_lock``; the generator
    belongs to whoever steps it.
    """

    def __init__(self, values: Iterator[Any], handler: Callable[[Any], Any] | None) -> None:
        self.returned: Any = None
        self._values = values
        self._handler = handler
        self._lock = threading.Lock()
        self._under_way = self._left = False

    async def next(self, in_thread: InThread) -> Any:
        """The next value, or ``_END``. On the loop."""
        with self._lock:
            self._under_way = True
        return await in_thread(self._step)

    def _step(self) -> Any:
        try:
            if self._left:
                return _END
            try:
                value = next(self._values)
            except StopIteration as stop:
                self.returned = stop.value
                return _END
            return value if self._handler is None else self._handler(value)
        finally:
            with self._lock:
                self._under_way, left = False, self._left
            if left:
                self.close()

    def leave(self) -> bool:
        """The walk is over. On the loop.

        :returns: whether the generator is to be closed by the caller: no step is under way.
        """
        with self._lock:
            self._left = True
            return not self._under_way

    def close(self) -> None:
        """Close the generator, in whatever thread."""
        close = getattr(self._values, "close", None)
        if close is not None:
            close()


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
