"""Waking the main thread's loop for an OS signal, wherever the signal came in.

Python runs the handler of a signal in the main thread, between two of its instructions. A signal
that comes in just before that thread waits for events, or that the system gives to another OS
thread, does not wake it: the handler runs when something else happens, which in an idle tree is
never. So the interpreter is told to write a byte for each signal, and the loop waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket

__all__ = ["SignalBell"]


class SignalBell:
    """Wakes `loop` for each OS signal, from its making to :meth:`close`. In the main thread only.

    Where somebody has made such an arrangement before (uvloop does, and ``add_signal_handler``),
    that one is left alone: it wakes the loop as well.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heard, self._rung = socket.socketpair()
        self._heard.setblocking(False)
        self._rung.setblocking(False)
        earlier = signal.set_wakeup_fd(self._rung.fileno(), warn_on_full_buffer=False)
        self._ours = earlier == -1
        if self._ours:
            loop.add_reader(self._heard, self._listen)
        else:
            signal.set_wakeup_fd(earlier)

    def _listen(self) -> None:
        """The handlers have run by now: only the bytes are left."""
        with contextlib.suppress(BlockingIOError):
            while self._heard.recv(4096):
                pass

    def close(self) -> None:
        """Leave everything as it was."""
        if self._ours:
            current = signal.set_wakeup_fd(-1)
            if current != self._rung.fileno():  # somebody else's, made meanwhile
                signal.set_wakeup_fd(current)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.remove_reader(self._heard)
        self._heard.close()
        self._rung.close()
