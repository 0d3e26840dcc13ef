"""Circles of full inboxes end in an error that names the threads in them."""

from __future__ import annotations

import pytest

from task_thread import InboxView, State, TaskThread, reCreate
from task_thread.errors import Deadlock
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Gate, Place, Plain, message, payload


class Link(TaskThread):
    """Its handler sends to the next one in the circle for as long as there is room, and more."""

    max_qsize = 2
    send_timeout = 8.0
    next: Link

    def __init__(self, journal: Journal, name: str, start: Gate, parent: TaskThread) -> None:
        self.journal = journal
        self.name = name
        self.start = start
        super().__init__(parent=parent)

    def getId(self) -> str:
        return self.name

    async def signalHandler__(self, signal: Signal) -> None:
        if payload(signal) != "start":
            return
        self.journal((self.name, "ready"))
        await self.start.passed()
        try:
            for number in range(10):
                await self.next.insertSignal(message(number))
        except Deadlock as error:
            self.journal(("deadlock", str(error)))
        self.journal((self.name, "done"))

    async def inputOverflowHandler__(self, queue: InboxView) -> None:
        pass


@pytest.mark.parametrize("size", [2, 3])
async def test_circle_of_full_inboxes_names_the_threads(
    place: Place, journal: Journal, size: int
) -> None:
    names = ["anna", "bert", "carl"][:size]
    start = Gate()
    async with Plain() as root:
        links = [place(Link)(journal, name, start, parent=root) for name in names]
        for link, following in zip(links, [*links[1:], links[0]], strict=True):
            link.next = following
            await link.run()
        for link in links:
            await link.insertSignal(message("start"))
        for name in names:
            await journal.seen((name, "ready"))
        start.open()
        for name in names:
            await journal.seen((name, "done"))
        assert all(link.state is State.RUNNING for link in links)
    told = [entry[1] for entry in journal.entries if entry[0] == "deadlock"]
    assert told
    for text in told:
        assert all(name in text for name in names)


async def test_circle_of_parent_and_child(home: Place, place: Place, journal: Journal) -> None:
    class Parent(TaskThread):
        max_qsize = 1
        stop_timeout = 2.0

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            for number in range(5):
                await self.sigFromParentToChild__(message(number), child)

        def getId(self) -> str:
            return "the parent"

    class Child(TaskThread):
        max_qsize = 1

        async def signalHandler__(self, signal: Signal) -> None:
            for number in range(5):
                await self.sigFromChildToParent__(message(number))

        def getId(self) -> str:
            return "the child"

    async with Plain() as root:
        parent = home(Parent)(parent=root)
        await parent.run()
        child = place(Child)(parent=parent)
        await child.run()
        await child.insertSignal(message("go"))
        await child.join()  # crashed by it, or ended with its parent
        await parent.stop()
        reasons = [thread.exit_reason for thread in (parent, child)]
    assert all(reason is not None and reason.kind != "timeout" for reason in reasons)
    crashes = [r.exception for r in reasons if r is not None and r.exception is not None]
    deadlocks = [error for error in crashes if isinstance(error, Deadlock)]
    assert deadlocks
    assert "the parent" in str(deadlocks[0])
    assert "the child" in str(deadlocks[0])


async def test_handler_that_sends_to_its_own_full_inbox(place: Place, journal: Journal) -> None:
    class Thread(TaskThread):
        max_qsize = 2

        async def signalHandler__(self, signal: Signal) -> None:
            if payload(signal) == "go":
                with pytest.raises(Deadlock, match=str(self)):
                    for number in range(5):
                        await self.insertSignal(message(number))
                journal("refused")

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    async with place(Thread)() as thread:
        await thread.insertSignal(message("go"))
        await journal.seen("refused")


async def test_a_task_that_waits_for_room_makes_no_circle(place: Place, journal: Journal) -> None:
    class Pair(TaskThread):
        max_qsize = 1
        other: Pair

        async def enter__(self) -> None:
            self.tasks.send = None

        async def signalHandler__(self, signal: Signal) -> None:
            if payload(signal) == "go":
                self.tasks.send = await reCreate(None, self.send)

        async def send(self) -> None:
            for number in range(200):
                await self.other.insertSignal(message(number))
            journal("sent")

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    async with Plain() as root:
        pair = [place(Pair)(parent=root) for _ in range(2)]
        pair[0].other, pair[1].other = pair[1], pair[0]
        for thread in pair:
            await thread.run()
        for thread in pair:
            await thread.insertSignal(message("go"))
        await journal.seen("sent", 2)
