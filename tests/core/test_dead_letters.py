"""Each accepted signal is handled once, or counted and reported as a dead letter."""

from __future__ import annotations

import logging
import random

import pytest

from task_thread import InboxView, TaskThread, reCreate
from task_thread.errors import SendTimeout, ThreadEnded
from task_thread.signals import Signal
from tests.support.inboxes import Reading
from tests.support.journal import Journal
from tests.support.threads import Held, Place, Plain, message


async def test_dead_letters_are_counted_and_logged(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Crashes(Held):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await super().signalHandler__(signal)
            raise ValueError

    async with Plain() as root:
        thread = place(Crashes)(journal, parent=root)
        await thread.run()
        await thread.insertSignal(message(0))
        await journal.seen(("thread", "handling"))
        for _ in range(5):
            await thread.insertSignal(Reading())
        thread.gate.open()
        await thread.join()
        inbox = thread.statistics().inbox
        assert (inbox.accepted, inbox.handled, inbox.dead, inbox.depth) == (6, 1, 5, 0)
    (said,) = [r for r in caplog.records if "dead letter" in r.getMessage()]
    assert said.levelno == logging.WARNING
    assert said.name == "Crashes"
    assert "5 dead" in said.getMessage()
    assert "<Reading 42>" in said.getMessage()


async def test_signals_to_a_thread_that_never_runs_are_dead_letters(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    thread = place(Plain)()
    await thread.insertSignal(Reading())
    await thread.stop()
    inbox = thread.statistics().inbox
    assert (inbox.accepted, inbox.handled, inbox.dead) == (1, 0, 1)
    assert any("dead letter" in record.getMessage() for record in caplog.records)


async def test_flood_with_stops_at_random_loses_nothing_silently(
    home: Place, place: Place, journal: Journal
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    luck = random.Random(seed)

    class Child(TaskThread):
        max_qsize = 3
        sent = 0

        async def enter__(self) -> None:
            self.tasks.flood = await reCreate(None, self.flood)

        async def flood(self) -> None:
            while True:
                await self.sigFromChildToParent__(message(1))
                self.sent += 1

        async def outputOverflowHandler__(self, queue: InboxView) -> None:
            pass

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    class Parent(TaskThread):
        max_qsize = 3
        told = 0

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            self.told += 1
            if self.told % 50 == 0:
                journal(self.told)

    sent = 0
    async with home(Parent)() as parent:
        children = [place(Child)(parent=parent) for _ in range(4)]
        for child in children:
            await child.run()
        for child in luck.sample(children, len(children)):
            for number in range(luck.randrange(200)):
                try:
                    await child.insertSignal(message(number))
                    sent += 1
                except (ThreadEnded, SendTimeout):
                    break
            await child.stop()
        await journal.seen(50)
    for thread in (*children, parent):
        inbox = thread.statistics().inbox
        assert inbox.depth == 0
        assert inbox.accepted == inbox.handled + inbox.dead
        assert inbox.high_water <= 3
    assert sum(child.statistics().inbox.accepted for child in children) == sent
    # A cancel may meet a child between the moment when its signal was accepted and its count.
    accepted = parent.statistics().inbox.accepted
    assert 0 <= accepted - sum(child.sent for child in children) <= len(children)
    assert parent.statistics().inbox.handled == parent.told
