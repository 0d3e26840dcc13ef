"""manual_clock: time in threads passes when the test says so, at once and in order."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_thread import Backoff, TaskThread, VirtualThread, reCreate
from task_thread.core.carrier import Carrier
from task_thread.core.lifecycle import ExitReason
from task_thread.core.turns import new_event_loop
from task_thread.errors import AskTimeout
from task_thread.signals import Request, Signal, TerminateSignal
from task_thread.testing import StartThread, ThreadClock
from task_thread.testing.hands import Hands, Patience
from tests.testing.threads import Blocked, Count, Counter, Note, Ticker, VirtualCounter

UNBOUNDED = 10_000.0  # seconds: nobody waits for that


@pytest.fixture
def restless() -> Iterator[None]:
    """Let the interpreter switch between OS threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def test_ten_seconds_are_ten_ticks(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    ticker = start_thread(Ticker())
    for tens in range(1, 21):
        manual_clock.advance(10)
        assert len(ticker.journal) == 10 * tens
    assert [when for when, _ in ticker.journal] == [float(n) for n in range(1, 201)]


@pytest.mark.parametrize("pause", [0.1, 0.3, 1 / 3, 0.7])
def test_sums_of_floats_are_no_trouble(
    manual_clock: ThreadClock, start_thread: StartThread, pause: float
) -> None:
    ticker = start_thread(Ticker(pause))
    manual_clock.advance(100 * pause)
    assert len(ticker.journal) == 100
    for _ in range(100):
        manual_clock.advance(pause)
    assert len(ticker.journal) == 200


def test_time_stands_still_between(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    ticker = start_thread(Ticker())
    manual_clock.advance(0.75)
    assert ticker.journal == []
    assert manual_clock.monotonic() == 0.75
    assert manual_clock.now() == datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=0.75)
    manual_clock.advance(0.25)
    assert ticker.journal == [(1.0, 1.0)]


def test_an_hour_takes_no_hour(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    ticker = start_thread(Ticker(600))
    begun = time.monotonic()
    manual_clock.advance(7 * 24 * 3600)
    assert len(ticker.journal) == 7 * 24 * 6
    assert time.monotonic() - begun < 30


def test_order_across_loops_is_that_of_due_times(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    journal: list[Any] = []
    for pause in (0.5, 0.3, 0.2):
        start_thread(Ticker(pause, journal))
    manual_clock.advance(1.15)
    assert [(round(when, 9), pause) for when, pause in journal] == [
        (0.2, 0.2), (0.3, 0.3), (0.4, 0.2), (0.5, 0.5), (0.6, 0.3), (0.6, 0.2),
        (0.8, 0.2), (0.9, 0.3), (1.0, 0.5), (1.0, 0.2),
    ]  # fmt: skip


class Timers(TaskThread):
    """Uses each way to wait for time."""

    async def enter__(self) -> None:
        self.events: list[Any] = []
        self.tasks.waits = await reCreate(None, self.waits)
        self.tasks.bounds = await reCreate(None, self.bounds)
        asyncio.get_running_loop().call_later(2.5, self.events.append, (2.5, "call_later"))

    def initVars__(self) -> None:
        self.tasks.waits = self.tasks.bounds = None

    def note(self, what: str) -> None:
        self.events.append((asyncio.get_running_loop().time(), what))

    async def waits(self) -> None:
        await asyncio.sleep(1)
        self.note("sleep")
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 2)
        except TimeoutError:
            self.note("wait_for")

    async def bounds(self) -> None:
        try:
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        except TimeoutError:
            self.note("timeout")
        await asyncio.wait([asyncio.create_task(asyncio.sleep(9))], timeout=3)
        self.note("wait")


def test_every_way_to_wait_is_under_the_clock(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    timers = start_thread(Timers())
    manual_clock.advance(10)
    assert timers.events == [
        (1.0, "sleep"),
        (2.0, "timeout"),
        (2.5, "call_later"),
        (3.0, "wait_for"),
        (5.0, "wait"),
    ]


def test_until_quiet_waits_for_all_that_follows(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    top = start_thread(Counter())
    chain = [top]
    for _ in range(4):
        chain.append(start_thread(Passing(parent=chain[-1])))
    chain[-1].post(Note(1))
    manual_clock.until_quiet()
    assert top.count == 0  # it got it from its child
    assert [each.statistics().inbox.handled for each in chain] == [1] * 5


class Passing(Counter):
    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        await self.sigFromChildToParent__(signal)


def test_a_call_in_an_executor_is_waited_for(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Loads(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            loaded.append(await asyncio.to_thread(self.load))
            await asyncio.sleep(1)
            loaded.append(asyncio.get_running_loop().time())
            return None

        def load(self) -> str:
            reached.set()
            may_go.wait(10)
            return "loaded"

    loaded: list[Any] = []
    reached, may_go = threading.Event(), threading.Event()
    thread = start_thread(Loads())
    thread.post(Note(1))
    assert reached.wait(10)
    threading.Timer(0.05, may_go.set).start()
    manual_clock.advance(1)
    assert loaded == ["loaded", 1.0]


@pytest.mark.parametrize("ends_within_the_turn", [False, True])
def test_when_a_quick_call_ends_does_not_matter(
    manual_clock: ThreadClock, start_thread: StartThread, ends_within_the_turn: bool
) -> None:
    class Calls(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            ended = threading.Event()
            await other.insertSignal(signal)
            call = asyncio.get_running_loop().run_in_executor(None, ended.set)
            if ends_within_the_turn:
                assert ended.wait(10)
            await call
            journal.append("is back")
            return None

    class Other(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await asyncio.sleep(0)
            journal.append("has heard")
            return None

    journal: list[str] = []
    other = start_thread(Other())
    calls = start_thread(Calls())
    manual_clock.until_quiet()  # else the post meets their first turns, or does not
    for _ in range(20):
        calls.post(Note(1))
        manual_clock.until_quiet()
    assert journal == ["has heard", "is back"] * 20


def test_a_thread_that_is_started_meanwhile_is_waited_for(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Parent(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await asyncio.sleep(1)
            await asyncio.gather(*(Ticker(0.5, journal, parent=self).run() for _ in range(5)))
            return None

    journal: list[Any] = []
    start_thread(Parent()).post(Note(1))
    manual_clock.advance(1.5)
    assert journal == [(1.5, 0.5)] * 5


def test_a_thread_that_takes_long_to_start_is_waited_for(
    manual_clock: ThreadClock, start_thread: StartThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry = Carrier._carry

    def carry_later(carrier: Carrier) -> None:
        time.sleep(0.05)  # a busy system
        carry(carrier)

    class Parent(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            monkeypatch.setattr(Carrier, "_carry", carry_later)
            await Ticker(0.5, journal, parent=self).run()
            return None

    journal: list[Any] = []
    start_thread(Parent()).post(Note(1))
    manual_clock.advance(1)
    assert journal == [(0.5, 0.5), (1.0, 0.5)]


def test_who_is_woken_is_not_woken_too_early(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Exact(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            loop = asyncio.get_running_loop()
            loop.call_later(1, int)
            await asyncio.sleep(1 + 4e-10)
            woken.append(loop.time())
            return None

    woken: list[float] = []
    start_thread(Exact()).post(Note(1))
    manual_clock.advance(2)
    assert woken == [1 + 4e-10]


def test_a_virtual_root_lives_under_the_clock(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class VirtualTicker(Ticker, VirtualThread):
        pass

    ticker = start_thread(VirtualTicker())
    manual_clock.advance(3)
    assert len(ticker.journal) == 3


@pytest.mark.task_thread
async def test_in_a_coroutine(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    ticker = start_thread(Ticker())
    await asyncio.to_thread(manual_clock.advance, 3)
    assert len(ticker.journal) == 3
    await asyncio.sleep(0.001)  # the test's own time is real
    assert manual_clock.monotonic() == 3.0


# ---- the library's own deadlines --------------------------------------------------------------


class Hangs(TaskThread):
    """Ends only when it is cut off."""

    stop_timeout = 10.0

    async def exit__(self) -> None:
        await asyncio.Event().wait()


def test_a_stop_that_needs_no_time_takes_none(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    ticker = start_thread(Ticker())
    assert start_thread.stop(ticker).kind == "shutdown"
    assert manual_clock.monotonic() == 0.0


def test_advance_past_a_stop_deadline_cuts_off(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    hangs = start_thread(Hangs())
    hangs.post(TerminateSignal())
    manual_clock.advance(7)
    assert hangs.exit_reason is None
    manual_clock.advance(3)
    assert hangs.exit_reason is not None
    assert hangs.exit_reason.kind == "timeout"
    assert manual_clock.monotonic() == 10.0


def test_who_waits_for_a_stop_lets_the_time_pass_that_it_takes(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    hangs = start_thread(Hangs())
    begun = time.monotonic()
    assert start_thread.stop(hangs).kind == "timeout"
    assert time.monotonic() - begun < 5
    assert 7 < manual_clock.monotonic() < 10


@pytest.mark.parametrize("was_stopping", [False, True])
def test_no_time_passes_before_a_thread_is_told_of_its_stop(
    manual_clock: ThreadClock,
    start_thread: StartThread,
    monkeypatch: pytest.MonkeyPatch,
    was_stopping: bool,
) -> None:
    hangs = start_thread(Hangs())
    if was_stopping:
        hangs.post(TerminateSignal())
        manual_clock.until_quiet()
    loop = hangs._taskthread.life.loop
    assert loop is not None
    tell, goal = loop.call_soon_threadsafe, Hands.goal
    has_looked = threading.Event()
    judges: list[Future[ExitReason]] = []

    def look(hands: Hands) -> tuple[float, Patience | None]:
        try:
            return goal(hands)
        finally:
            has_looked.set()

    def tell_late(callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        """The limit is set, and the thread knows nothing of it."""
        monkeypatch.setattr(loop, "call_soon_threadsafe", tell)
        monkeypatch.setattr(Hands, "goal", look)
        judges.append(pool.submit(asyncio.run, hangs.join()))
        assert has_looked.wait(10)
        return tell(callback, *args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", tell_late)
    with ThreadPoolExecutor() as pool:
        hangs._taskthread.ask_to_end(5.0)
        assert judges[0].result(10).kind == "timeout"
    assert 3.5 < manual_clock.monotonic() < 5


def test_a_stop_waits_for_a_handler_that_sleeps(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Sleeps(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await asyncio.sleep(0.5)
            done.append(signal)
            return None

    done: list[Signal] = []
    sleeps = start_thread(Sleeps())
    sleeps.post(Note(1))
    sleeps.post(Note(2))
    assert start_thread.stop(sleeps).kind == "shutdown"
    assert done == [Note(1), Note(2)]
    assert manual_clock.monotonic() == 1.0


def test_a_stop_waits_for_the_executor_and_not_for_the_clock(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Loads(TaskThread):
        async def enter__(self) -> None:
            await asyncio.to_thread(lambda: None)

    for _ in range(20):
        loads = start_thread(Loads())
        loads.post(TerminateSignal())
        manual_clock.advance(60)  # would be past its deadline
        assert loads.exit_reason is not None
        assert loads.exit_reason.kind == "shutdown"


def test_backoff_of_a_task(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    class Fails(TaskThread):
        on_task_error = "restart"
        task_backoff = Backoff(initial=1.0, factor=2.0, maximum=8.0, jitter=0.0)

        def initVars__(self) -> None:
            self.tasks.work = None
            self.runs: list[float] = []

        async def enter__(self) -> None:
            self.tasks.work = await reCreate(None, self.work)

        async def work(self) -> None:
            self.runs.append(asyncio.get_running_loop().time())
            raise OSError("no answer")

    fails = start_thread(Fails())
    manual_clock.advance(24)
    assert fails.runs == [0.0, 1.0, 3.0, 7.0, 15.0, 23.0]
    assert fails.statistics().uptime == 24.0


def test_ask_times_out_by_the_clock(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    class Never(Request[int]):
        pass

    class Asks(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            try:
                await silent.ask(Never(), timeout=5)
            except AskTimeout:
                timed_out.append(asyncio.get_running_loop().time())
            return None

    timed_out: list[float] = []
    silent = start_thread(Counter())
    start_thread(Asks()).post(Note(1))
    manual_clock.advance(4.5)
    assert timed_out == []
    manual_clock.advance(0.5)
    assert timed_out == [5.0]


# ---- what can't be made quiet -----------------------------------------------------------------


def test_a_blocked_loop_is_named_with_its_stack(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    blocked = start_thread(Blocked())
    manual_clock.patience = 0.2
    blocked.post(Note(1))
    with pytest.raises(TimeoutError) as caught:
        manual_clock.advance(1)
    assert str(caught.value).startswith("the threads were not quiet within 0.2 s, at 0 s:")
    assert f"{blocked} runs" in str(caught.value)
    assert "time.sleep(self.seconds)" in str(caught.value)
    manual_clock.patience = 10
    manual_clock.advance(1)
    assert manual_clock.monotonic() == 1.0


def test_a_blocked_loop_holds_nobody_up(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class WaitsForOther(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            loop = other._taskthread.life.loop
            assert loop is not None
            asking = asyncio.run_coroutine_threadsafe(other.ask(Count()), loop)
            counts.append(asking.result(20))  # blocks this loop until the other has run
            return None

    counts: list[int] = []
    other = start_thread(VirtualCounter(parent=start_thread(Counter())))
    start_thread(WaitsForOther()).post(Note(1))
    manual_clock.until_quiet()
    assert counts == [0]


def test_a_busy_loop_is_named(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    class Spins(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            while not enough.is_set():  # noqa: ASYNC110  that is what it is for
                await asyncio.sleep(0)
            return None

    enough = threading.Event()
    spins = start_thread(Spins())
    spins.post(Note(1))
    manual_clock.patience = 0.1
    with pytest.raises(TimeoutError, match=rf"{spins} (runs|always has something to do)"):
        manual_clock.advance(1)
    enough.set()


def test_a_call_in_an_executor_is_named(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Calls(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            await asyncio.get_running_loop().run_in_executor(None, enough.wait, 10)
            return None

    enough = threading.Event()
    calls = start_thread(Calls())
    calls.post(Note(1))
    manual_clock.patience = 0.1
    with pytest.raises(TimeoutError, match=rf"{calls}: Event.wait runs in its executor"):
        manual_clock.advance(1)
    enough.set()


def test_time_does_not_go_back(manual_clock: ThreadClock) -> None:
    for seconds in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="does not go back"):
            manual_clock.advance(seconds)
    assert manual_clock.monotonic() == 0.0


def test_a_thread_under_the_clock_can_not_advance_it(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Advances(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            manual_clock.advance(1)
            return None

    advances = start_thread(Advances())
    advances.post(Note(1))
    reason = start_thread.wait(advances.join())
    assert "would wait for itself" in str(reason)


# ---- what is under the clock, and for how long ------------------------------------------------


def test_a_loop_factory_of_ones_own_stays_in_real_time(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Real(Ticker):
        loop_factory = staticmethod(new_event_loop)

        async def tick(self) -> None:
            await super().tick()
            ticked.set()

    ticked = threading.Event()
    start_thread(Real(0.001))
    assert ticked.wait(10)
    assert manual_clock.monotonic() == 0.0


def readings() -> list[Any]:
    """What the core's modules read the time with."""
    names = ("life", "winding", "ending", "engine", "family", "judge", "taskref", "listener")
    return [vars(sys.modules[f"task_thread.core.{name}"])["monotonic"] for name in names]


def test_everything_is_put_back(start_thread: StartThread) -> None:
    before = TaskThread.__dict__["loop_factory"]
    clock = ThreadClock()
    clock.install()
    replaced = readings()
    assert time.monotonic not in replaced
    assert TaskThread.__dict__["loop_factory"] is not before
    clock.uninstall()
    assert readings() == [time.monotonic] * len(replaced)
    assert TaskThread.__dict__["loop_factory"] is before
    with pytest.raises(RuntimeError, match="time is real again"):
        clock.advance(1)


def test_released_threads_go_on_in_real_time(start_thread: StartThread) -> None:
    clock = ThreadClock()
    clock.install()
    try:
        ticked = threading.Event()

        class Ticks(Ticker):
            async def tick(self) -> None:
                await super().tick()
                ticked.set()

        ticker = start_thread(Ticks(0.02))
        clock.advance(0.01)
        assert not ticked.is_set()
        clock.release()
        assert ticked.wait(10)
        assert clock.monotonic() >= 0.02
        start_thread.stop(ticker)
    finally:
        clock.uninstall()


def test_a_loop_factory_that_is_read_and_not_called_is_forgotten(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    ticker = start_thread(Ticker())
    begun = time.monotonic()
    for _ in range(5):
        assert callable(TaskThread.loop_factory)
        manual_clock.advance(1)
    assert len(ticker.journal) == 5
    assert time.monotonic() - begun < 1  # it would wait a second for each


# ---- the same each time -----------------------------------------------------------------------


class Gossip(TaskThread):
    """Sleeps, tells all the others, and passes on what it hears, in a tree of five."""

    max_qsize = 0

    def __init__(self, number: int, pause: float, parent: Everyone) -> None:
        self.number, self.pause, self.everyone = number, pause, parent
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        self.tasks.talk = None

    def note(self, *what: Any) -> None:
        self.everyone.journal.append((asyncio.get_running_loop().time(), self.number, *what))

    async def enter__(self) -> None:
        self.tasks.talk = await reCreate(None, self.talk)

    async def talk(self) -> None:
        for turn in range(4):
            await asyncio.sleep(self.pause)
            self.note("talks", turn)
            for other in self.everyone.members:
                if other is not self:
                    await other.insertSignal(Note((self.number, turn, 2)))
            if turn == 1:
                await asyncio.to_thread(int)
                self.note("is back")

    async def signalHandler__(self, signal: Signal) -> bool | None:
        assert isinstance(signal, Note)
        number, turn, hops = signal.what
        self.note("hears", number, turn, hops)
        if hops:
            following = self.everyone.members[(self.number + 1) % len(self.everyone.members)]
            await following.insertSignal(Note((number, turn, hops - 1)))
        await self.sigFromChildToParent__(signal)
        return None


class Everyone(TaskThread):
    max_qsize = 0

    def __init__(self) -> None:
        self.journal: list[Any] = []
        self.members: list[Gossip] = []
        super().__init__()

    async def enter__(self) -> None:
        pauses = (0.5, 0.5, 0.25, 0.1, 0.5)
        self.members = [Gossip(n, pause, self) for n, pause in enumerate(pauses)]
        await asyncio.gather(*(member.run() for member in self.members))

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        assert isinstance(child, Gossip)
        assert isinstance(signal, Note)
        self.journal.append((asyncio.get_running_loop().time(), "all", child.number, signal.what))


def gossip(start_thread: StartThread, clock: ThreadClock) -> list[Any]:
    """What happened within three seconds, relative to their beginning."""
    everyone = start_thread(Everyone())
    clock.advance(3)
    start_thread.stop(everyone)
    return everyone.journal


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("restless")
def test_the_order_is_the_same_three_hundred_times(start_thread: StartThread) -> None:
    first: list[Any] = []
    for repetition in range(300):
        clock = ThreadClock()
        clock.install()
        try:
            journal = gossip(start_thread, clock)
        finally:
            clock.uninstall()
        first = first or journal
        assert journal == first, f"repetition {repetition}"
    assert len(first) == 4 * 5 + 5 + 2 * 4 * 5 * 4 * 3


def test_a_hundred_threads(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    journal: list[Any] = []
    for _ in range(100):
        start_thread(Ticker(1.0, journal))
    manual_clock.advance(5)
    assert journal == [(float(second), 1.0) for second in range(1, 6) for _ in range(100)]


def test_sockets_between_threads(manual_clock: ThreadClock, start_thread: StartThread) -> None:
    class Serves(TaskThread):
        async def enter__(self) -> None:
            self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]

        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            await asyncio.sleep(2)
            writer.write(line.upper())
            writer.close()
            await writer.wait_closed()

        async def exit__(self) -> None:
            self.server.close()

    class Asks(TaskThread):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"hello\n")
            answers.append((await reader.readline(), asyncio.get_running_loop().time()))
            writer.close()
            await writer.wait_closed()
            return None

    answers: list[Any] = []
    server = start_thread(Serves())
    start_thread(Asks()).post(Note(1))
    manual_clock.until_quiet()
    manual_clock.advance(2)
    assert answers == [(b"HELLO\n", 2.0)]


def test_supervised_children_are_restarted_by_the_clock(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    class Parent(TaskThread):
        max_restarts = 100

        async def enter__(self) -> None:
            backoff = Backoff(initial=10.0, jitter=0.0, factor=1.0)
            self.child = await self.spawn(Fragile, backoff=backoff)

    class Fragile(TaskThread):
        async def enter__(self) -> None:
            started.append(asyncio.get_running_loop().time())

        async def signalHandler__(self, signal: Signal) -> bool | None:
            raise RuntimeError("broken on purpose")

    started: list[float] = []
    parent = start_thread(Parent())
    for crash in range(3):
        parent.child.post(Note("crash"))
        manual_clock.until_quiet()
        assert parent.child.restarting
        manual_clock.advance(10)
        assert started[-1] == 10.0 * (crash + 1)
    assert parent.child.restarts == 3
