"""What the neighbours get wrong: a test for each, named after it."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from task_thread import (
    ExitReason,
    InboxView,
    State,
    TaskThread,
    delete,
    reCreate,
    reSchedule,
    verbose,
)
from task_thread.errors import SendTimeout, ThreadEnded
from task_thread.signals import Signal
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Held, Place, Plain, Recorder, forever, message, overdue

# ---- the original single-loop task_thread, 0.0.3 ----------------------------------------------


class Ticking(TaskThread):
    """Ticks every 2 ms, re-scheduling itself from within a try, as its programs do."""

    def initVars__(self) -> None:
        self.ticks = 0
        self.tasks.tick = None

    async def enter__(self) -> None:
        self.tasks.tick = await reCreate(self.tasks.tick, self.tick)

    async def tick(self) -> None:
        try:
            await asyncio.sleep(0.002)
            self.ticks += 1
            self.tasks.tick = await reSchedule(self.tick)
        except asyncio.CancelledError:
            pass

    async def exit__(self) -> None:
        self.tasks.tick = await delete(self.tasks.tick)


async def test_original_cancel_before_the_first_step_of_a_rescheduled_task(place: Place) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    luck = random.Random(seed)
    ended: list[tuple[Ticking, int]] = []
    async with Plain() as root:
        for _ in range(50):
            thread = place(Ticking)(parent=root)
            await thread.run()
            await asyncio.sleep(luck.uniform(0, 0.006))  # the phase, three periods of the tick
            begun = monotonic()
            await thread.terminate()
            await thread.join()
            assert monotonic() - begun < 1
            assert thread.exit_reason == ExitReason("shutdown")
            ended.append((thread, thread.ticks))
        await asyncio.sleep(0.006)  # time enough for three ticks more
    assert [thread.ticks for thread, _ in ended] == [ticks for _, ticks in ended]


async def test_original_cancelled_error_of_the_old_task_leaks_into_the_caller(
    place: Place, journal: Journal
) -> None:
    class Thread(TaskThread):
        async def enter__(self) -> None:
            self.tasks.old = await reCreate(None, forever)
            self.tasks.old = await reCreate(self.tasks.old, forever)
            self.tasks.old = await delete(self.tasks.old)
            self.tasks.myself = await reCreate(None, self.ends_itself)

        async def ends_itself(self) -> None:
            self.tasks.myself = await delete(self.tasks.myself)
            journal("went on")

    async with place(Thread)() as thread:
        await journal.seen("went on")
        assert thread.state is State.RUNNING


async def test_original_task_in_a_misnamed_slot_runs_on_after_exit(
    place: Place, journal: Journal
) -> None:
    class Thread(TaskThread):
        ticks = 0

        async def enter__(self) -> None:
            self.tasks.tick = await reCreate(None, self.tick)

        async def tick(self) -> None:
            self.ticks += 1
            journal("tick")
            await asyncio.sleep(0.001)
            self.tasks.tik = await reSchedule(self.tick)

        async def exit__(self) -> None:
            self.tasks.tick = await delete(self.tasks.tick)

    async with place(Thread)() as thread:
        await journal.seen("tick", 3)
    ticks = thread.ticks
    await asyncio.sleep(0.005)  # time enough for five more
    assert thread.ticks == ticks


async def test_original_handler_that_returns_none_ends_the_thread(
    place: Place, journal: Journal
) -> None:
    async with place(Recorder)(journal) as thread:
        for number in range(3):
            await thread.insertSignal(message(number))
        await journal.seen(("thread", 2))
        assert thread.state is State.RUNNING


async def test_original_terminate_right_after_run_is_lost(place: Place) -> None:
    async with Plain() as root:
        for _ in range(20):
            child = place(Ticking)(parent=root)
            await child.run()
            await child.terminate()
            assert await asyncio.wait_for(child.join(), PATIENCE) == ExitReason("shutdown")


async def test_original_exception_in_exit_orphans_the_children(
    home: Place, place: Place, journal: Journal
) -> None:
    class Parent(TaskThread):
        async def enter__(self) -> None:
            await place(Recorder)(journal, "child", parent=self).run()

        async def exit__(self) -> None:
            raise ValueError("in exit__")

    async with Plain() as root:
        parent = home(Parent)(parent=root)
        await parent.run()
        await parent.stop()
        assert parent.exit_reason is not None
        assert parent.exit_reason.kind == "crash"
    assert journal.entries[-1] == ("child", "exit__")


async def test_original_exception_in_childsignalhandler_kills_the_listener_silently(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Parent(TaskThread):
        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            raise ValueError("in childsignalHandler__")

    async with Recorder(journal, "root") as root:
        parent = home(Parent)(parent=root)
        await parent.run()
        child = place(Plain)(parent=parent)
        await child.run()
        await child.sigFromChildToParent__(message(1))
        await journal.seen(("root", ("childExited__", str(parent), "crash")))
        with pytest.raises(ThreadEnded):
            await child.sigFromChildToParent__(message(2))
    assert "in childsignalHandler__" in caplog.text


async def test_original_full_queue_blocks_the_sender_for_ever(
    place: Place, journal: Journal
) -> None:
    class Tight(Held):
        max_qsize = 1
        send_timeout = 0.05

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            self.note("overflow")

    async with place(Tight)(journal) as thread:
        await thread.insertSignal(message(1))
        await journal.seen(("thread", "handling"))
        await thread.insertSignal(message(2))
        with pytest.raises(SendTimeout):
            await thread.insertSignal(message(3))
        assert ("thread", "overflow") in journal.entries
        thread.gate.open()


async def test_original_task_that_swallows_cancel_hangs_the_exit(
    place: Place, journal: Journal
) -> None:
    class Thread(TaskThread):
        stop_timeout = 0.4

        async def enter__(self) -> None:
            self.tasks.stubborn = await reCreate(None, self.stubborn)
            await journal.seen("waiting")

        async def stubborn(self) -> None:
            while True:
                try:
                    journal("waiting")
                    await forever()
                except asyncio.CancelledError:
                    pass

    async with overdue(Plain(), "stubborn") as root:
        child = place(Thread)(parent=root)
        await child.run()
        begun = monotonic()
        await child.stop()
        assert monotonic() - begun < PATIENCE / 2
        assert child.exit_reason is not None
        assert child.exit_reason.kind == "timeout"


async def test_original_verbose_ends_the_process(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Thread(TaskThread):
        @verbose
        async def signalHandler__(self, signal: Signal) -> None:
            raise ValueError("a handler's bug")

    async with Recorder(journal, "root") as root:
        child = place(Thread)(parent=root)
        await child.run()
        await child.insertSignal(message(1))
        reason = await child.join()
        assert reason.kind == "crash"
        assert isinstance(reason.exception, ValueError)
        assert root.state is State.RUNNING
    assert "a handler's bug" in caplog.text


async def test_original_findchild_of_an_unknown_id_raises(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        await place(Plain)(parent=root).run()
        assert root.findChild("unknown") is None
        assert root.findChild(_id="unknown", _class=Recorder) is None


def test_original_every_root_instance_installs_os_signal_handlers(place: Place) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    kept = [place(Plain)() for _ in range(3)]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert all(root.state is State.NEW for root in kept)


# ---- janus ------------------------------------------------------------------------------------


async def test_janus_is_bound_to_one_loop(place: Place, journal: Journal) -> None:
    class Tight(Recorder):
        max_qsize = 1

        async def inputOverflowHandler__(self, queue: InboxView) -> None:
            pass

    async def send(sender: int) -> None:
        for number in range(50):
            await thread.insertSignal(message((sender, number)))

    thread = place(Tight)(journal)
    async with thread:
        elsewhere = [
            asyncio.to_thread(lambda sender=sender: asyncio.run(send(sender)))  # type: ignore[misc]
            for sender in (1, 2)
        ]
        await asyncio.gather(send(0), *elsewhere)
    for sender in range(3):
        told = [w[1] for _, w in journal.entries if isinstance(w, tuple) and w[0] == sender]
        assert told == list(range(50))


async def test_janus_accepts_puts_after_the_consumers_loop_has_closed(place: Place) -> None:
    async with place(Plain)() as thread:
        pass
    sends: list[Callable[[], Any]] = [
        lambda: asyncio.run(thread.insertSignal(message(1))),
        lambda: thread.post(message(1)),
    ]
    for send in sends:
        with pytest.raises(ThreadEnded, match=str(thread)):
            await asyncio.to_thread(send)
    assert thread.statistics().inbox.accepted == 0


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often it is woken from outside."""

    woken = 0

    def _write_to_self(self) -> None:
        self.woken += 1
        super()._write_to_self()  # type: ignore[misc]


async def test_janus_wakes_up_once_for_every_put(journal: Journal) -> None:
    class Receiver(Recorder):
        loop_factory = staticmethod(CountingLoop)
        max_qsize = 0

        async def enter__(self) -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, CountingLoop)
            self.loop = loop

    class Sender(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            for number in range(1000):
                await receiver.insertSignal(message(number))
            journal("sent")

    async with Plain() as root:
        receiver = Receiver(journal, parent=root)
        await receiver.run()
        sender = Sender(parent=root)
        await sender.run()
        before = receiver.loop.woken
        await sender.insertSignal(message("go"))
        await journal.seen("sent")
        await journal.seen(("thread", 999))
        assert receiver.loop.woken - before <= 10  # one for each turn of the sender's loop


# ---- pykka 4.5 --------------------------------------------------------------------------------


async def test_pykka_hands_back_a_dead_actor_when_its_start_raised(
    home: Place, place: Place
) -> None:
    class Bad(TaskThread):
        async def enter__(self) -> None:
            raise OSError("no such port")

    async with home(Plain)() as root:
        child = place(Bad)(parent=root)
        with pytest.raises(OSError, match="no such port"):
            await child.run()
        assert root.children == []
        with pytest.raises(ThreadEnded):
            await child.insertSignal(message(1))


async def test_pykka_has_no_supervision(home: Place, place: Place, journal: Journal) -> None:
    class Bad(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            raise ValueError("bad")

    class Parent(TaskThread):
        async def enter__(self) -> None:
            await place(Bad)(parent=self).run()

        async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
            if isinstance(reason.exception, ValueError):
                await place(Bad)(parent=self).run()
                journal("replaced")

    async with home(Parent)() as parent:
        (first,) = parent.children
        await first.insertSignal(message(1))
        await journal.seen("replaced")
        (second,) = parent.children
        assert second is not first
        assert second.state is State.RUNNING


async def test_pykka_drops_the_messages_left_at_a_stop(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    async with Plain() as root:
        thread = place(Held)(journal, parent=root)
        await thread.run()
        for number in range(10):
            await thread.insertSignal(message(number))
        await journal.seen(("thread", "handling"))
        await thread.terminate()
        thread.gate.open()
        await thread.join()
        inbox = thread.statistics().inbox
        assert (inbox.handled, inbox.dead) == (10, 0)

        class Crashes(Held):
            async def signalHandler__(self, signal: Signal) -> bool | None:
                await super().signalHandler__(signal)
                raise ValueError

        crashes = place(Crashes)(journal, "crashes", parent=root)
        await crashes.run()
        for number in range(10):
            crashes.post(message(number))
        await journal.seen(("crashes", "handling"))
        crashes.gate.open()
        await crashes.join()
        inbox = crashes.statistics().inbox
        assert (inbox.handled, inbox.dead) == (1, 9)
    assert "9 dead letter" in caplog.text
