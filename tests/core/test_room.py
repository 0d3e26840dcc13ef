"""Full inboxes: senders wait, are told, and are never blocked for ever."""

from __future__ import annotations

import asyncio
import threading

import pytest

from task_thread import InboxView, TaskThread, reCreate
from task_thread.errors import InboxFull, SendTimeout, ThreadEnded, WrongLoop
from task_thread.signals import Signal
from tests.support.inboxes import Tight, fill, handled
from tests.support.journal import Journal
from tests.support.threads import Held, Place, Plain, Recorder, message, payload


async def test_full_inbox_makes_the_sender_wait_without_blocking_its_loop(
    place: Place, journal: Journal
) -> None:
    async with place(Tight)(journal) as thread:
        await fill(thread)
        waiting = asyncio.create_task(thread.insertSignal(message("late")))
        await journal.seen(("thread", "overflow"))
        assert not waiting.done()
        turned = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turned.set_result, None)
        await turned  # this loop goes on
        assert not waiting.done()
        assert thread.statistics().inbox.accepted == 3
        thread.gate.open()
        await waiting
    assert handled(journal) == ["held", 0, 1, "late"]


async def test_input_overflow_hook_runs_on_the_receivers_loop_with_a_view(
    place: Place, journal: Journal
) -> None:
    class Receiver(Tight):
        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            self.saw = (
                threading.get_ident(),
                (queue.maxsize, queue.qsize(), queue.full(), queue.empty()),
            )
            dropped = queue.get_nowait()
            journal(("dropped", payload(dropped)))  # and the late one is let in

        async def enter__(self) -> None:
            self.ident = threading.get_ident()

    async with place(Receiver)(journal) as thread:
        await fill(thread)
        await thread.insertSignal(message("late"))
        await journal.seen(("dropped", 0))
        assert thread.saw == (thread.ident, (2, 2, True, False))
        thread.gate.open()
    assert handled(journal) == ["held", 1, "late"]
    inbox = thread.statistics().inbox
    assert (inbox.accepted, inbox.handled, inbox.dead) == (4, 3, 1)


async def test_only_the_owner_takes_out_of_its_inbox(journal: Journal) -> None:
    class Receiver(Tight):
        view: InboxView

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            self.view = queue
            journal("viewed")

    async with Receiver(journal) as thread:
        await fill(thread)
        waiting = asyncio.create_task(thread.insertSignal(message("late")))
        await journal.seen("viewed")
        with pytest.raises(WrongLoop, match="thread"):
            thread.view.get_nowait()
        thread.gate.open()
        await waiting


async def test_output_overflow_hook_runs_in_the_child(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(Recorder):
        max_qsize = 1

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            await journal.seen(("child", "overflow"))
            await super().childsignalHandler__(signal, child)

    class Child(Recorder):
        async def enter__(self) -> None:
            self.ident = threading.get_ident()
            self.tasks.send = await reCreate(None, self.send)

        async def send(self) -> None:
            for number in range(4):
                await self.sigFromChildToParent__(message(number))
            self.note("sent")

        async def outputOverflowHandler__(self, queue: InboxView) -> None:
            assert threading.get_ident() == self.ident
            assert queue.maxsize == 1
            self.note("overflow")

    async with home(Parent)(journal, "parent") as parent:
        await place(Child)(journal, "child", parent=parent).run()
        await journal.seen(("child", "sent"))
    assert handled(journal, "parent")[:4] == [("child", number) for number in range(4)]


async def test_send_timeout_and_the_signal_was_not_sent(place: Place, journal: Journal) -> None:
    class Receiver(Tight):
        send_timeout = 0.05

    async with place(Receiver)(journal) as thread:
        await fill(thread)
        with pytest.raises(SendTimeout, match=r"thread .*max_qsize 2.* 0\.05 s"):
            await thread.insertSignal(message("late"))
        with pytest.raises(TimeoutError):
            await thread.insertSignal(message("late"))
        thread.gate.open()
    assert handled(journal) == ["held", 0, 1]
    assert thread.statistics().inbox.accepted == 3


async def test_cancelled_sender_has_not_sent(place: Place, journal: Journal) -> None:
    async with place(Tight)(journal) as thread:
        await fill(thread)
        waiting = asyncio.create_task(thread.insertSignal(message("cancelled")))
        behind = asyncio.create_task(thread.insertSignal(message("behind")))
        await journal.seen(("thread", "overflow"))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        thread.gate.open()
        await behind
    assert handled(journal) == ["held", 0, 1, "behind"]


async def test_waiting_sender_is_told_when_the_receiver_ends(
    place: Place, journal: Journal
) -> None:
    class Receiver(Tight):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await super().signalHandler__(signal)
            raise ValueError("crash")

    async with Plain() as root:
        thread = place(Receiver)(journal, parent=root)
        await thread.run()
        await fill(thread)
        waiting = asyncio.create_task(thread.insertSignal(message("late")))
        await journal.seen(("thread", "overflow"))
        thread.gate.open()
        with pytest.raises(ThreadEnded, match="thread"):
            await waiting
    inbox = thread.statistics().inbox
    assert (inbox.accepted, inbox.handled, inbox.dead) == (3, 1, 2)


async def test_to_all_children_a_full_one_holds_up_no_other(
    home: Place, place: Place, journal: Journal
) -> None:
    async with home(Plain)() as root:
        full = place(Tight)(journal, "full", parent=root)
        await full.run()
        await place(Recorder)(journal, "free", parent=root).run()
        await fill(full)
        sending = asyncio.create_task(root.sigFromParentToChild__(message("all")))
        await journal.seen(("free", "all"))
        assert not sending.done()
        full.gate.open()
        await sending
    assert handled(journal, "full") == ["held", 0, 1, "all"]


async def test_post_finds_no_room(place: Place, journal: Journal) -> None:
    async with place(Tight)(journal) as thread:
        await fill(thread)

        def from_a_plain_thread() -> None:
            with pytest.raises(InboxFull, match="thread"):
                thread.post(message("late"))

        await asyncio.to_thread(from_a_plain_thread)
        thread.gate.open()
    assert handled(journal) == ["held", 0, 1]


async def test_max_qsize_zero_is_no_limit(place: Place, journal: Journal) -> None:
    class Roomy(Held):
        max_qsize = 0

    async with place(Roomy)(journal) as thread:
        for number in range(5000):
            thread.post(message(number))
        assert thread.statistics().inbox.capacity == 0
        thread.gate.open()
    assert thread.statistics().inbox.handled == 5000
