"""Signals: their ways and order, what travels, and what handlers make of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from task_thread import ExitReason, InboxView, State, TaskThread, reCreate
from task_thread.errors import ThreadEnded
from task_thread.signals import MessageSignal, Signal
from tests.support.inboxes import Reading, handled
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, Recorder, message


async def test_insert_signal_from_any_loop(place: Place, journal: Journal) -> None:
    async with place(Recorder)(journal) as thread:
        await thread.insertSignal(message("here"))
        await asyncio.to_thread(lambda: asyncio.run(thread.insertSignal(message("there"))))
        await journal.seen(("thread", "here"))
        await journal.seen(("thread", "there"))


async def test_from_parent_to_one_child_and_to_all(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(Plain):
        async def enter__(self) -> None:
            for name in "abc":
                await place(Recorder)(journal, name, parent=self).run()
            await self.sigFromParentToChild__(message("all"))
            await self.sigFromParentToChild__(message("b alone"), self.findChild("b"))

    async with home(Parent)():
        pass
    assert handled(journal, "a") == handled(journal, "c") == ["all"]
    assert handled(journal, "b") == ["all", "b alone"]


async def test_from_child_to_parent(home: Place, place: Place, journal: Journal) -> None:
    class Child(Recorder):
        async def enter__(self) -> None:
            await self.sigFromChildToParent__(message("hello"))

    async with home(Recorder)(journal, "parent") as parent:
        await place(Child)(journal, "child", parent=parent).run()
        await journal.seen(("parent", ("child", "hello")))


async def test_a_root_has_no_parent_to_tell(place: Place) -> None:
    async with place(Plain)() as root:
        await root.sigFromChildToParent__(message("nobody"))
        assert root.statistics().inbox.accepted == 0


async def test_post_from_plain_threads(place: Place, journal: Journal) -> None:
    class Roomy(Recorder):
        max_qsize = 0

    def send(sender: int) -> None:
        for number in range(200):
            thread.post(message((sender, number)))

    thread = place(Roomy)(journal)
    async with thread:
        await asyncio.gather(*(asyncio.to_thread(send, sender) for sender in range(3)))
    for sender in range(3):
        mine = [number for who, number in handled(journal) if who == sender]
        assert mine == list(range(200))


async def test_signals_sent_before_the_start_are_handled(
    home: Place, place: Place, journal: Journal
) -> None:
    async with home(Plain)() as root:
        child = place(Recorder)(journal, parent=root)
        await child.insertSignal(message(1))
        child.post(message(2))
        await child.run()
        await child.stop()
    assert handled(journal) == [1, 2]
    assert journal.index(("thread", "enter__")) == 0


@pytest.mark.parametrize("room", [0, 1, 3])
async def test_fifo_for_each_pair_also_under_waiting_senders(
    home: Place, place: Place, journal: Journal, room: int
) -> None:
    class Receiver(Recorder):
        max_qsize = room

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    class Sender(TaskThread):
        async def enter__(self) -> None:
            self.tasks.flood = await reCreate(None, self.flood)

        async def flood(self) -> None:
            for number in range(300):
                await receiver.insertSignal(message((str(self), number)))
                if number % 7 == 0:
                    await asyncio.sleep(0)
            journal("sent")

        async def outputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    async with home(Plain)() as root:
        receiver = place(Receiver)(journal, parent=root)
        await receiver.run()
        senders = [place(Sender)(parent=root) for _ in range(3)]
        for sender in senders:
            await sender.run()
        await journal.seen("sent", len(senders))
        await receiver.stop()
    told = [entry for entry in journal.entries if entry != "sent"]
    numbers = [what for _, what in told if isinstance(what, tuple)]
    for sender in senders:
        mine = [number for who, number in numbers if who == str(sender)]
        assert mine == list(range(300))
    if room:
        assert receiver.statistics().inbox.high_water <= room


async def test_fifo_from_child_to_parent_under_waiting(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(Recorder):
        max_qsize = 2

    class Child(Recorder):
        async def enter__(self) -> None:
            self.tasks.flood = await reCreate(None, self.flood)

        async def flood(self) -> None:
            for number in range(200):
                await self.sigFromChildToParent__(message(number))
            journal((str(self), "sent"))

        async def outputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    async with home(Parent)(journal, "parent") as parent:
        for name in ("a", "b"):
            await place(Child)(journal, name, parent=parent).run()
        for name in ("a", "b"):
            await journal.seen((name, "sent"))
    told = handled(journal, "parent")
    for name in ("a", "b"):
        assert [each[1] for each in told if each[0] == name] == list(range(200))


@pytest.mark.parametrize("wrong", ["text", None, 42, MessageSignal])
async def test_no_signal_is_a_type_error_at_the_sender(place: Place, wrong: Any) -> None:
    async with place(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.run()
        with pytest.raises(TypeError, match="Signal"):
            await child.insertSignal(wrong)
        with pytest.raises(TypeError, match="Signal"):
            child.post(wrong)
        with pytest.raises(TypeError, match="Signal"):
            await child.sigFromChildToParent__(wrong)
        with pytest.raises(TypeError, match="Signal"):
            await root.sigFromParentToChild__(wrong)
        with pytest.raises(TypeError, match="Signal"):
            await root.sigFromParentToChild__(wrong, child)
        assert child.state is State.RUNNING


async def test_child_to_send_to_is_a_thread(place: Place) -> None:
    async with place(Plain)() as root:
        wrong: Any = "child"
        with pytest.raises(TypeError, match="child"):
            await root.sigFromParentToChild__(message(1), wrong)


async def test_signal_to_a_thread_that_has_ended_fails_at_the_sender(
    home: Place, place: Place
) -> None:
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await child.run()
        await child.stop()
        for sending in (
            child.insertSignal(message(1)),
            root.sigFromParentToChild__(message(1), child),
        ):
            with pytest.raises(ThreadEnded, match=str(child)):
                await sending
        with pytest.raises(ThreadEnded, match=str(child)):
            child.post(message(1))
        await root.sigFromParentToChild__(message(1))  # to all: nobody is no error
    with pytest.raises(ThreadEnded, match=str(root)):
        await child.sigFromChildToParent__(message(1))


async def test_message_signal_tells_origin_and_message() -> None:
    signal = MessageSignal("sensor", {"value": 1})
    assert signal.origin == "sensor"
    assert signal.message == signal.getMessage() == {"value": 1}
    assert "sensor" in str(signal)


# ---- what a handler returns and raises --------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, 0, "", []])
async def test_handler_that_does_not_return_false_goes_on(
    place: Place, journal: Journal, value: Any
) -> None:
    class Thread(Recorder):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await super().signalHandler__(signal)
            returned: bool | None = value
            return returned

    async with place(Thread)(journal) as thread:
        await thread.insertSignal(message(1))
        await thread.insertSignal(message(2))
        await journal.seen(("thread", 2))
        assert thread.state is State.RUNNING


async def test_handler_that_returns_false_ends_its_thread(place: Place, journal: Journal) -> None:
    class Thread(Recorder):
        async def signalHandler__(self, signal: Signal) -> bool:
            await super().signalHandler__(signal)
            return False

    async with Plain() as root:
        child = place(Thread)(journal, parent=root)
        await child.run()
        await child.insertSignal(message(1))
        assert await child.join() == ExitReason("normal")
    assert journal.count(("thread", "exit__")) == 1


async def test_handler_that_raises_names_the_signal(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    class Thread(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            raise ValueError("unreadable")

    async with Plain() as root:
        child = place(Thread)(parent=root)
        await child.run()
        await child.insertSignal(Reading())
        reason = await child.join()
    assert reason.kind == "crash"
    assert "<Reading 42>" in reason.detail
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "<Reading 42>" in record.getMessage()


async def test_child_signal_handler_that_raises_names_signal_and_child(
    home: Place, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    class Parent(TaskThread):
        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            raise ValueError("unreadable")

    async with Plain() as root:
        parent = home(Parent)(parent=root)
        await parent.run()
        child = place(Plain)(parent=parent)
        await child.run()
        await child.sigFromChildToParent__(Reading())
        reason = await parent.join()
    assert reason.kind == "crash"
    assert "<Reading 42>" in reason.detail
    assert str(child) in reason.detail
    assert child.exit_reason == ExitReason("shutdown")
