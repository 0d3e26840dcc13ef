"""Questions: a reply, an error, a time-out, a receiver that ended."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from task_thread import State, TaskThread
from task_thread.errors import AskTimeout, Deadlock, SignalError, ThreadEnded
from task_thread.signals import Request, Signal
from tests.support.journal import Journal
from tests.support.threads import Gate, Held, Place, Plain, forever, message


class Double(Request[int]):
    def __init__(self, number: int) -> None:
        self.number = number  # without super().__init__(): nothing is missed

    def __repr__(self) -> str:
        return f"<Double {self.number}>"


@dataclass(frozen=True)
class Name(Request[str]):
    upper: bool = False


class Answers(TaskThread):
    """Answers some questions at once, keeps others."""

    def initVars__(self) -> None:
        self.kept: list[Request[Any]] = []

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Double):
            if signal.number < 0:
                signal.fail(ValueError("negative"))
            else:
                signal.reply(2 * signal.number)
        elif isinstance(signal, Name):
            signal.reply("ANN" if signal.upper else "ann")


class Keeps(Held):
    """Answers nothing."""


async def test_ask_returns_the_reply(place: Place) -> None:
    async with place(Answers)() as thread:
        assert await thread.ask(Double(21)) == 42
        assert await thread.ask(Name(upper=True), timeout=5.0) == "ANN"


async def test_ask_from_any_loop_and_from_threads_of_the_tree(
    home: Place, place: Place, journal: Journal
) -> None:
    class Asks(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            assert isinstance(self.parent, Root)
            journal(await self.parent.answers.ask(Double(4)))

    class Root(TaskThread):
        async def enter__(self) -> None:
            self.answers = place(Answers)(parent=self)
            await self.answers.run()
            self.asks = place(Asks)(parent=self)
            await self.asks.run()

    async with home(Root)() as root:
        await root.asks.insertSignal(message(1))
        await journal.seen(8)
        assert await asyncio.to_thread(lambda: asyncio.run(root.answers.ask(Double(5)))) == 10


async def test_many_questions_at_once_get_their_own_replies(place: Place) -> None:
    class Roomy(Answers):
        max_qsize = 4

    async with place(Roomy)() as thread:
        replies = await asyncio.gather(*(thread.ask(Double(number)) for number in range(100)))
    assert replies == [2 * number for number in range(100)]


async def test_fail_raises_in_the_asking_task(place: Place) -> None:
    async with place(Answers)() as thread:
        with pytest.raises(ValueError, match="negative"):
            await thread.ask(Double(-1))
        assert thread.state is State.RUNNING


async def test_reply_later_and_from_any_os_thread(place: Place) -> None:
    class Later(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            assert isinstance(signal, Double)
            threading.Thread(target=signal.reply, args=(7,)).start()

    async with place(Later)() as thread:
        assert await thread.ask(Double(1)) == 7


async def test_first_answer_counts() -> None:
    request = Double(1)
    assert not request.answered
    assert request.reply(1)
    assert request.answered
    assert not request.reply(2)
    assert not request.fail(ValueError())
    with pytest.raises(TypeError):
        request.fail("text")


async def test_time_out_names_thread_and_request(place: Place, journal: Journal) -> None:
    async with place(Keeps)(journal) as thread:
        with pytest.raises(AskTimeout, match=r"thread .*<Double 3>.* 0\.05 s"):
            await thread.ask(Double(3), timeout=0.05)
        with pytest.raises(TimeoutError):
            await thread.ask(Double(3), timeout=0.0)
        thread.gate.open()


async def test_time_out_counts_the_wait_for_room_too(place: Place, journal: Journal) -> None:
    class Full(Keeps):
        max_qsize = 1
        send_timeout = 60.0

    async with place(Full)(journal) as thread:
        await thread.insertSignal(message(1))
        await journal.seen(("thread", "handling"))
        thread.post(message(2))
        with pytest.raises(TimeoutError):
            await thread.ask(Double(3), timeout=0.05)
        thread.gate.open()


async def test_late_reply_is_ignored(place: Place, journal: Journal) -> None:
    class Late(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            assert isinstance(signal, Double)
            await gate.passed()
            signal.reply(1)
            journal("replied")

    gate = Gate()
    async with place(Late)() as thread:
        with pytest.raises(AskTimeout):
            await thread.ask(Double(1), timeout=0.02)
        gate.open()
        await journal.seen("replied")
        assert thread.state is State.RUNNING


async def test_receiver_that_ends_without_a_reply(place: Place, journal: Journal) -> None:
    async with Plain() as root:
        thread = place(Keeps)(journal, parent=root)
        await thread.run()
        thread.gate.open()
        asking = asyncio.create_task(thread.ask(Double(1), timeout=None))
        await journal.seen(("thread", "handling"))
        await thread.stop()
        with pytest.raises(ThreadEnded, match=r"thread .*<Double 1>"):
            await asking


async def test_receiver_that_crashes_before_it_handles_the_question(
    place: Place, journal: Journal
) -> None:
    class Crashes(Held):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await super().signalHandler__(signal)
            raise ValueError

    async with Plain() as root:
        thread = place(Crashes)(journal, parent=root)
        await thread.run()
        await thread.insertSignal(message(1))
        await journal.seen(("thread", "handling"))
        asking = asyncio.create_task(thread.ask(Double(1)))
        await asyncio.sleep(0)
        thread.gate.open()
        with pytest.raises(ThreadEnded):
            await asking


async def test_receiver_that_has_ended(place: Place) -> None:
    async with place(Answers)() as thread:
        pass
    with pytest.raises(ThreadEnded, match=str(thread)):
        await thread.ask(Double(1))


async def test_no_request_is_a_type_error(place: Place) -> None:
    async with place(Answers)() as thread:
        wrong: Any = message(1)
        with pytest.raises(TypeError, match="Request"):
            await thread.ask(wrong)


async def test_a_request_asks_once(place: Place) -> None:
    async with place(Answers)() as thread:
        request = Double(1)
        await thread.ask(request)
        with pytest.raises(ValueError, match="asked before"):
            await thread.ask(request)


async def test_a_handler_cannot_ask_its_own_thread(place: Place, journal: Journal) -> None:
    class Asks(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            with pytest.raises(Deadlock, match=str(self)):
                await self.ask(Double(1))
            journal("refused")

    async with place(Asks)() as thread:
        await thread.insertSignal(message(1))
        await journal.seen("refused")


async def test_reply_that_was_cancelled_is_no_cancel_of_who_asks(place: Place) -> None:
    class Fails(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            assert isinstance(signal, Double)
            signal.fail(asyncio.CancelledError())

    async with place(Fails)() as thread:
        with pytest.raises(SignalError, match="cancelled"):
            await thread.ask(Double(1))


async def test_cancelled_question_harms_nothing(place: Place, journal: Journal) -> None:
    async with place(Keeps)(journal) as thread:
        asking = asyncio.create_task(thread.ask(Double(1)))
        await journal.seen(("thread", "handling"))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        thread.gate.open()
        assert thread.state is State.RUNNING


async def test_wait_without_limit(place: Place) -> None:
    class Slow(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            assert isinstance(signal, Double)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(forever(), 0.05)
            signal.reply(1)

    async with place(Slow)() as thread:
        assert await thread.ask(Double(1), timeout=None) == 1
