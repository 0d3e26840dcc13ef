"""Two things at the same moment, hundreds of times, from OS threads let go by a barrier."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest

from task_thread import ExitReason, State, TaskThread, delete, reCreate, reSchedule
from task_thread.errors import (
    AlreadyStarted,
    Deadlock,
    InboxFull,
    SendTimeout,
    StartCancelled,
    ThreadEnded,
)
from task_thread.signals import Request, Signal
from tests.proof.trees import (
    FINAL,
    PATIENCE,
    Bookkeeper,
    Numbered,
    Planned,
    VirtualBookkeeper,
    at_once,
    awaiting,
    check_sums,
    only,
    placed,
)

pytestmark = pytest.mark.usefixtures("switching")

kinds = pytest.mark.parametrize("kind", ["os", "virtual"])


def leftovers() -> list[str]:
    """OS threads of ours that are still there."""
    return [each.name for each in threading.enumerate() if "Bookkeeper-" in each.name]


@kinds
def test_stop_against_run(rng: random.Random, kind: str) -> None:
    """The root never runs, or is stopped in its start, or runs and stops: it never hangs."""
    ways: Counter[str] = Counter()
    for _ in range(100):
        root = placed(Bookkeeper, kind)()
        only(at_once(rng, awaiting(root.run), awaiting(root.stop)))
        assert root.exit_reason == ExitReason("shutdown")
        assert root.state is State.STOPPED
        assert root.books.hooks in ([], ["enter__", "stopping__", "exit__"])
        ways["ran" if root.books.hooks else "never ran"] += 1
        assert not leftovers()
    assert sum(ways.values()) == 100


@kinds
def test_run_against_run(rng: random.Random, kind: str) -> None:
    for _ in range(40):
        with Bookkeeper() as parent:
            child = placed(Bookkeeper, kind)(parent)
            outcomes = at_once(rng, *[awaiting(child.run)] * 3)
            only(outcomes, AlreadyStarted)
            assert sum(outcome is None for outcome in outcomes) == 1
            assert parent.children == [child]
            assert child.state is State.RUNNING
        assert child.books.hooks == ["enter__", "stopping__", "exit__"]


@kinds
def test_the_parents_stop_against_a_childs_run(rng: random.Random, kind: str) -> None:
    """The child runs and ends before its parent, or is refused and never runs."""
    for _ in range(60):
        parent = Bookkeeper()
        with parent:
            children = [placed(Bookkeeper, kind)(parent) for _ in range(2)]
            outcomes = at_once(rng, awaiting(parent.stop), *(awaiting(c.run) for c in children))
            only(outcomes, ThreadEnded, StartCancelled)
        assert parent.exit_reason == ExitReason("shutdown")
        assert parent.children == []
        for child, outcome in zip(children, outcomes[1:], strict=True):
            if isinstance(outcome, ThreadEnded):
                assert child.state is State.NEW
                assert child.books.hooks == []
                continue
            assert child.exit_reason == ExitReason("shutdown")
            entered = "enter__" in child.books.hooks
            assert entered is (outcome is None) or isinstance(outcome, StartCancelled)
            told = [each for each, _ in parent.books.exited]
            assert told.count(child) == (1 if outcome is None else 0)
        assert not leftovers()


@kinds
def test_the_parents_stop_against_addchild(rng: random.Random, kind: str) -> None:
    """A child that was adopted ends with its parent though it was never run."""
    for _ in range(100):
        parent = Bookkeeper()
        with parent:
            child = placed(Bookkeeper, kind)()
            outcomes = at_once(
                rng, awaiting(parent.stop), awaiting(partial(parent.addChild, child))
            )
            only(outcomes, ThreadEnded)
        if outcomes[1] is None:
            assert child.exit_reason == ExitReason("shutdown")
        else:
            assert child.state is State.NEW
            assert child.parent is None
        assert parent.children == []


@kinds
@pytest.mark.parametrize("end", ["stop", "crash", "own"])
def test_sends_against_the_end(rng: random.Random, kind: str, end: str) -> None:
    """What was accepted is handled or dead, what was refused is neither; nobody hangs."""

    class Receiver(Bookkeeper):
        max_qsize = 5

        async def signalHandler__(self, signal: Signal) -> bool | None:
            self.books.note(signal)
            if isinstance(signal, End):
                if end == "crash":
                    raise Planned
                return False
            return None

    class End(Signal):
        pass

    with Bookkeeper() as parent:
        for _ in range(25):
            receiver = placed(Receiver, kind)(parent)
            asyncio.run(receiver.run())

            async def finish(receiver: TaskThread = receiver) -> int:
                if end == "stop":
                    await receiver.stop()
                    return 0
                await receiver.insertSignal(End())
                return 1

            async def insert(name: str, receiver: TaskThread = receiver) -> int:
                for number in range(40):
                    try:
                        await receiver.insertSignal(Numbered(name, number))
                    except ThreadEnded:
                        return number
                return 40

            def post(receiver: TaskThread = receiver) -> int:
                accepted = 0
                for number in range(40):
                    try:
                        receiver.post(Numbered("post", number))
                    except InboxFull:
                        continue
                    except ThreadEnded:
                        break
                    accepted += 1
                return accepted

            outcomes = at_once(
                rng,
                awaiting(finish),
                awaiting(lambda: insert("one")),
                awaiting(lambda: insert("two")),
                post,
            )
            only(outcomes)
            asyncio.run(receiver.join())
            check_sums(receiver)
            assert receiver.statistics().inbox.accepted == sum(outcomes)  # type: ignore[arg-type]
            wanted = {"stop": "shutdown", "crash": "crash", "own": "normal"}[end]
            assert receiver.exit_reason is not None
            assert receiver.exit_reason.kind == wanted


class Question(Request[int]):
    """Answered late, or never."""


@kinds
@pytest.mark.parametrize("end", ["stop", "crash", "own"])
def test_ask_against_the_end(rng: random.Random, kind: str, end: str) -> None:
    """An answer or ThreadEnded, at once: nobody waits for his timeout."""

    class Oracle(Bookkeeper):
        max_qsize = 3

        async def signalHandler__(self, signal: Signal) -> bool | None:
            await super().signalHandler__(signal)
            if isinstance(signal, Question):
                if rng.random() < 0.5:
                    await asyncio.sleep(0)
                if rng.random() < 0.7:  # else who asks shall hear of the end instead
                    signal.reply(42)
                return None
            if end == "crash":
                raise Planned
            return False

    ways: Counter[str] = Counter()
    with Bookkeeper() as parent:
        for _ in range(40):
            oracle = placed(Oracle, kind)(parent)
            asyncio.run(oracle.run())

            async def finish(oracle: TaskThread = oracle) -> int:
                if end == "stop":
                    await oracle.stop()
                else:
                    await oracle.insertSignal(Numbered("end", 1))
                return 42

            async def ask(oracle: TaskThread = oracle) -> int:
                return await oracle.ask(Question(), timeout=PATIENCE)

            outcomes = at_once(rng, awaiting(finish), *[awaiting(ask)] * 3)
            only(outcomes, ThreadEnded)
            assert all(o == 42 for o in outcomes if not isinstance(o, ThreadEnded))
            ways.update(type(outcome).__name__ for outcome in outcomes[1:])
            asyncio.run(oracle.join())
            check_sums(oracle)
    assert sum(ways.values()) == 120


@kinds
@pytest.mark.parametrize("end", ["stop", "crash"])
def test_many_wait_for_room_when_it_ends(rng: random.Random, kind: str, end: str) -> None:
    """All of them come home, with an acceptance or with ThreadEnded."""

    class Wanted(Signal):
        pass

    class Narrow(Bookkeeper):
        max_qsize = 2

        def initVars__(self) -> None:
            super().initVars__()
            self.free = asyncio.Event()

        async def enter__(self) -> None:
            self.loop = asyncio.get_running_loop()

        async def signalHandler__(self, signal: Signal) -> bool | None:
            self.books.note(signal)
            await self.free.wait()
            if end == "crash":
                raise Planned
            return None

        async def stopping__(self) -> None:
            self.free.set()

    async def send(narrow: Narrow, lined_up: asyncio.Semaphore) -> int:
        try:
            lined_up.release()
            await narrow.insertSignal(Wanted())
        except ThreadEnded:
            return 0
        return 1

    async def program() -> None:
        async with Bookkeeper() as parent:
            for _ in range(25):
                narrow = placed(Narrow, kind)(parent)
                await narrow.run()
                lined_up = asyncio.Semaphore(0)

                senders = [asyncio.create_task(send(narrow, lined_up)) for _ in range(20)]
                for _ in senders:
                    await lined_up.acquire()
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                if end == "stop" or rng.random() < 0.5:
                    await narrow.stop()
                else:
                    narrow.loop.call_soon_threadsafe(narrow.free.set)
                async with asyncio.timeout(PATIENCE):
                    accepted = sum(await asyncio.gather(*senders))
                    await narrow.join()
                check_sums(narrow)
                assert narrow.statistics().inbox.accepted == accepted
                if end == "stop":
                    assert accepted >= 3 or narrow.statistics().inbox.dead == 0

    asyncio.run(program())


@kinds
def test_stop_against_crash_and_own_end(rng: random.Random, kind: str) -> None:
    """Several ends at once come to one reason, told once."""

    class Ending(Bookkeeper):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            self.books.note(signal)
            if isinstance(signal, Numbered) and signal.sender == "crash":
                raise Planned
            return False

    with Bookkeeper() as parent:
        for _ in range(60):
            child = placed(Ending, kind)(parent)
            grandchild = VirtualBookkeeper(child)
            asyncio.run(child.run())
            asyncio.run(grandchild.run())

            async def signal(name: str, child: TaskThread = child) -> None:
                await child.insertSignal(Numbered(name, 1))

            outcomes = at_once(
                rng,
                awaiting(child.stop),
                awaiting(lambda: signal("crash")),
                awaiting(lambda: signal("quit")),
                awaiting(grandchild.stop),
            )
            only(outcomes, ThreadEnded)
            reason = asyncio.run(child.join())
            assert reason.kind in ("shutdown", "crash", "normal")
            assert reason is child.exit_reason
            assert (reason.kind == "crash") == (child.state is State.CRASHED)
            assert child.books.hooks == ["enter__", "stopping__", "exit__"]
            assert grandchild.exit_reason == ExitReason("shutdown")
            check_sums(child)
    told = [child for child, _ in parent.books.exited]
    assert len(told) == len(set(told)) == 60


@kinds
def test_a_childs_own_end_against_its_parents_stop(rng: random.Random, kind: str) -> None:
    for _ in range(50):
        parent = Bookkeeper()
        with parent:
            child = placed(Bookkeeper, kind)(parent)
            asyncio.run(child.run())
            only(
                at_once(
                    rng,
                    awaiting(parent.stop),
                    awaiting(child.requestTerminate),
                    awaiting(child.join),
                    awaiting(parent.join),
                )
            )
        assert child.exit_reason is not None
        assert child.exit_reason.kind in ("normal", "shutdown")
        assert parent.books.exited == [(child, child.exit_reason)]
        assert parent.exit_reason == ExitReason("shutdown")


@kinds
def test_two_full_inboxes_against_each_other(rng: random.Random, kind: str) -> None:
    """Handlers of two threads fill each other up: one gets Deadlock, and both go on."""

    class Pair(Bookkeeper):
        max_qsize = 1
        send_timeout = PATIENCE
        other: TaskThread
        deadlocks = 0

        async def signalHandler__(self, signal: Signal) -> bool | None:
            self.books.note(signal)
            if isinstance(signal, Numbered) and signal.sender == "go":
                for number in range(20):
                    try:
                        await self.other.insertSignal(Numbered(str(self), number))
                    except Deadlock:
                        self.deadlocks += 1
            return None

    with Bookkeeper() as parent:
        for _ in range(30):
            one, two = placed(Pair, kind)(parent), placed(Pair, kind)(parent)
            one.other, two.other = two, one
            asyncio.run(one.run())
            asyncio.run(two.run())

            async def go(pair: TaskThread) -> None:
                await pair.insertSignal(Numbered("go", 1))

            only(at_once(rng, awaiting(lambda: go(one)), awaiting(lambda: go(two))))  # noqa: B023
            # Each handles the last of the other's before it ends, or it is dead.
            only(at_once(rng, awaiting(one.stop), awaiting(two.stop)), SendTimeout)
            for each in (one, two):
                check_sums(each)
                assert each.exit_reason is not None
                assert each.exit_reason.kind in ("shutdown", "crash"), each.exit_reason
                if each.exit_reason.kind == "crash":  # the other had ended: no deadlock, an end
                    assert isinstance(each.exit_reason.exception, ThreadEnded)


# ---- tasks against their own end ----------------------------------------------------------


class Turning(Bookkeeper):
    """Its task ends by itself at about the moment at which it is deleted or made anew."""

    def __init__(self, rng: random.Random, end: str, times: int) -> None:
        self.rng, self.end, self.times = rng, end, times
        super().__init__()
        self.errors: list[str] = []
        self.runs = self.rounds = 0

    async def enter__(self) -> None:
        await super().enter__()
        self.tasks.drive = await reCreate(None, self.drive)

    async def some_turns(self, number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    async def work(self, turns: int, again: int) -> None:
        await self.some_turns(turns)
        self.runs += 1
        if again:
            self.tasks.work = await reSchedule(self.work, turns, again - 1)

    async def drive(self) -> None:
        for _ in range(self.times):
            work = await reCreate(None, self.work, self.rng.randrange(4), self.rng.randrange(3))
            self.tasks.work = work
            await self.some_turns(self.rng.randrange(12))
            if self.end == "delete":
                self.tasks.work = await self.unhurt(delete(work))
                self.expect(work.done(), "deleted, and not done")
            elif self.end == "twice":
                await asyncio.gather(self.unhurt(delete(work)), self.unhurt(delete(work)))
                self.expect(work.done(), "deleted twice, and not done")
            elif self.end == "cancel":
                work.cancel()
                await self.unhurt(delete(work))
                self.expect(work.done(), "cancelled, deleted, and not done")
            else:
                again = await self.unhurt(reCreate(work, self.work, 1, 0))
                self.expect(work.done(), "re-created, and the old one not done")
                await self.unhurt(delete(again))
            runs = self.runs
            await self.some_turns(4)
            self.expect(self.runs == runs, "ran after it was deleted")
            self.rounds += 1
        await self.requestTerminate()

    async def unhurt(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await coroutine
        except BaseException as error:
            self.errors.append(repr(error))
            raise

    def expect(self, fact: bool, otherwise: str) -> None:
        if not fact:
            self.errors.append(otherwise)


@kinds
@pytest.mark.parametrize("end", ["delete", "twice", "cancel", "reCreate"])
def test_a_tasks_own_end_against(rng: random.Random, kind: str, end: str) -> None:
    root = placed(Turning, kind)(rng, end, 300)
    asyncio.run(root.run())
    assert root.errors == []
    assert root.rounds == 300
    assert root.exit_reason == ExitReason("normal")


class SelfDeleter(Bookkeeper):
    """Tasks that delete and re-create themselves and one another, while the thread is stopped."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        super().__init__()
        self.runs = 0

    async def enter__(self) -> None:
        await super().enter__()
        for slot in ("a", "b", "c"):
            setattr(self.tasks, slot, await reCreate(None, self.work, slot))

    async def work(self, slot: str) -> None:
        self.runs += 1
        await asyncio.sleep(0)
        other = self.rng.choice(("a", "b", "c"))
        ref = getattr(self.tasks, other)
        if self.rng.random() < 0.3:
            setattr(self.tasks, other, await delete(ref))
        if other == slot or self.rng.random() < 0.5:
            setattr(self.tasks, other, await reCreate(ref, self.work, other))
        else:
            setattr(self.tasks, slot, await reSchedule(self.work, slot))


@kinds
def test_stop_against_tasks_that_end_each_other(rng: random.Random, kind: str) -> None:
    async def program() -> None:
        seen: list[tuple[SelfDeleter, int]] = []
        for _ in range(40):
            root = placed(SelfDeleter, kind)(rng)
            running = asyncio.create_task(root.run())
            await asyncio.sleep(rng.choice((0, rng.uniform(0, 0.01))))
            async with asyncio.timeout(PATIENCE):
                await root.stop()
                await running
            assert root.exit_reason == ExitReason("shutdown")
            assert root.state in FINAL
            seen.append((root, root.runs))
        assert all(root.runs == runs for root, runs in seen)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(program())
