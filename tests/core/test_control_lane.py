"""Stop, close and crash travel past full inboxes."""

from __future__ import annotations

import asyncio

from task_thread.signals import CloseSignal, Signal, TerminateSignal
from tests.support.inboxes import Tight, fill, handled
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, Recorder, message, payload


async def test_stop_travels_past_a_full_inbox(place: Place, journal: Journal) -> None:
    async with Plain() as root:
        for control in (TerminateSignal(), CloseSignal()):
            thread = place(Tight)(journal, type(control).__name__, parent=root)
            await thread.run()
            await fill(thread)
            await asyncio.wait_for(thread.insertSignal(control), 1)
            await journal.seen((str(thread), "stopping__"))
            assert thread.statistics().inbox.depth == 2
            thread.gate.open()
            assert (await thread.join()).kind == "shutdown"
            assert (str(thread), "overflow") not in journal.entries


async def test_post_of_a_terminate_signal_travels_past_a_full_inbox(
    place: Place, journal: Journal
) -> None:
    async with Plain() as root:
        thread = place(Tight)(journal, parent=root)
        await thread.run()
        await fill(thread)
        await asyncio.to_thread(thread.post, TerminateSignal())
        await journal.seen(("thread", "stopping__"))
        thread.gate.open()
        await thread.join()


async def test_close_and_crash_travel_past_the_parents_full_inbox(
    place: Place, journal: Journal
) -> None:
    class Child(Recorder):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "close":
                await self.sigFromChildToParent__(CloseSignal())
                return None
            raise ValueError

    parent = place(Tight)(journal, "parent")
    async with parent:
        children = {what: place(Child)(journal, what, parent=parent) for what in ("close", "crash")}
        for child in children.values():
            await child.run()
        await fill(parent)
        for what, child in children.items():
            await child.insertSignal(message(what))
        assert (await children["close"].join()).kind == "normal"
        assert (await children["crash"].join()).kind == "crash"
        assert parent.children == []
        parent.gate.open()
        await journal.seen(("parent", ("childExited__", "close", "normal")))
        await journal.seen(("parent", ("childExited__", "crash", "crash")))


async def test_control_signals_reach_no_handler(place: Place, journal: Journal) -> None:
    async with Plain() as root:
        thread = place(Recorder)(journal, parent=root)
        await thread.run()
        await thread.insertSignal(TerminateSignal())
        await thread.join()
    assert handled(journal) == []
