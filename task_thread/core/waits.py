"""Who waits for whose room: finds circles of full inboxes, which would never resolve.

Only a thread's listener is entered here: a thread whose *task* waits for room still handles
signals, makes room, and so breaks the circle by itself.

Ownership: ``_waits`` belongs to ``_lock``. It is touched on the slow path only, by a sender that
found an inbox full.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from task_thread.errors import Deadlock

if TYPE_CHECKING:
    from task_thread.core.protocols import Named

_lock: Final = threading.Lock()
_waits: Final[dict[Named, Named]] = {}


@contextmanager
def waiting(sender: Named, receiver: Named) -> Iterator[None]:
    """While inside, `sender`'s listener waits for room in `receiver`'s inbox.

    :raises Deadlock: that closes a circle.
    """
    with _lock:
        circle = [sender, receiver]
        while circle[-1] is not sender and circle[-1] in _waits:
            circle.append(_waits[circle[-1]])
        if circle[-1] is not sender:
            _waits[sender] = receiver
            circle = []
    if circle:
        names = " -> ".join(each.name() for each in circle)
        raise Deadlock(f"handlers wait for room in each other's full inboxes: {names}")
    try:
        yield
    finally:
        with _lock:
            del _waits[sender]
