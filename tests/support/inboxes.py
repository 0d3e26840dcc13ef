"""Threads with small inboxes, and what they handled."""

from __future__ import annotations

from typing import Any

from task_thread import InboxView
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Held, message


class Reading(Signal):
    """A signal whose repr can be found in messages."""

    def __repr__(self) -> str:
        return "<Reading 42>"


class Tight(Held):
    """Has room for two, and a handler that waits at a gate."""

    max_qsize = 2
    send_timeout = 10.0

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        self.note("overflow")


async def fill(thread: Tight) -> None:
    """One signal in the handler, and as many in the inbox as there is room for."""
    await thread.insertSignal(message("held"))
    await thread.journal.seen((str(thread), "handling"))
    for number in range(thread.max_qsize):
        thread.post(message(number))
    assert thread.statistics().inbox.depth == thread.max_qsize


def handled(journal: Journal, thread: str = "thread") -> list[Any]:
    """The payloads that `thread` has handled, in order."""
    hooks = ("enter__", "stopping__", "exit__", "handling", "overflow")
    return [what for name, what in journal.entries if name == thread and what not in hooks]
