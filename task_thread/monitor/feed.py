"""The newest picture of the tree, for everybody who looks.

The rules:

- A picture is made once for all viewers, and only while there are any.
- Each viewer has room for one piece that it has not taken. A newer one replaces it: a slow viewer
  skips pictures and never makes anybody keep them.

Everything here belongs to the loop of the dashboard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Feed", "Subscription"]


class Subscription:
    """A viewer's place: the newest piece that it has not taken yet."""

    def __init__(self, left: Callable[[Subscription], None]) -> None:
        self._left = left
        self._piece: bytes | None = None
        self._last: bytes | None = None
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, piece: bytes) -> None:
        """Offer `piece` in place of the one that is there."""
        self._piece = piece
        self._changed.set()

    async def get(self) -> bytes | None:
        """The newest piece, when there is one; None after the close."""
        await self._changed.wait()
        piece, self._piece = self._piece, None
        if self._closed:
            piece, self._last = self._last, None
            return piece
        self._changed.clear()
        return piece

    def close(self, last: bytes | None = None) -> None:
        """End it; what waits is dropped.

        :param last: a farewell, which is still given out.
        """
        if self._closed:
            return
        self._closed = True
        self._last = last
        self._changed.set()
        self._left(self)


class Feed:
    """Who looks, and what all of them see."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    @property
    def viewers(self) -> int:
        """How many look now."""
        return len(self._subscriptions)

    def subscribe(self) -> Subscription:
        """A place for one more viewer, who leaves by closing it."""
        subscription = Subscription(self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, piece: bytes) -> None:
        """Offer `piece` to all."""
        for subscription in self._subscriptions:
            subscription.put(piece)

    def close(self, last: bytes) -> None:
        """Say farewell to all."""
        for subscription in list(self._subscriptions):
            subscription.close(last)
