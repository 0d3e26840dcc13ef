"""Requests on their way: who was asked something, and whoever still waits for the reply.

An inbox and its questions go from one instance of a supervised thread to the next. What an instance
was given and has not answered nobody will answer; what it was not given the next one will.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from task_thread.log import show

if TYPE_CHECKING:
    from task_thread.latch import Latch

__all__ = ["Asked", "Questions", "no_signal", "signal_of"]


class Asked:
    """A request, or another signal, on its way: an item of its own kind, so that it can be told
    whether the owner was given it and has handled it.

    :ivar taken: whether it was given to a handler.
    :ivar handled: set when that handler has returned, for whoever put a latch here.
    """

    __slots__ = ("handled", "request", "taken")

    def __init__(self, request: Any, handled: Latch[None] | None = None) -> None:
        self.request = request
        self.taken = False
        self.handled = handled

    def __repr__(self) -> str:
        return show(self.request)


def signal_of(item: Any) -> Any:
    """The signal that an item is about."""
    if item.__class__ is tuple:
        return item[1]
    return item.request if item.__class__ is Asked else item


def no_signal(thing: object) -> TypeError:
    """The error for whoever sends `thing`, which is no Signal."""
    return TypeError(f"{show(thing)} is no Signal: subclass task_thread.signals.Signal")


class Questions:
    """The requests that were asked of one thread, over all its instances. From any thread.

    Ownership: ``_open`` belongs to ``_lock``.
    """

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Asked] = {}  # by identity: what equals what is the user's business

    def add(self, asked: Asked) -> None:
        """It was asked: whoever asks shall hear of the thread's end."""
        with self._lock:
            self._open[id(asked)] = asked

    def drop(self, asked: Asked) -> None:
        """It was answered, or nobody waits for the answer any more."""
        with self._lock:
            self._open.pop(id(asked), None)

    def fail(self, name: str, *, taken_only: bool) -> None:
        """Tell those who wait that no reply will come.

        :param taken_only: leave those alone that nobody was given yet: a next instance comes.
        """
        with self._lock:
            waiting = list(self._open.values())
        for asked in waiting:
            if asked.taken or not taken_only:
                asked.request._receiver_ended(name)
