"""Loops that one call holds up are found, from outside, and the others are left alone."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from time import monotonic

import pytest

from task_thread import TaskThread, VirtualThread, reCreate, reSchedule
from task_thread.core.turns import TurnSelector
from task_thread.latch import Latch
from task_thread.monitor.watch import Watch, loops
from tests.monitor.support import LogJournal, logged
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Plain, forever, message, overdue

HELD = ("WARNING", "a loop is held up by one call")
TURNS = ("INFO", "a loop that was held up turns again")
SECONDS = 0.5


class Blocks(TaskThread):
    """Each signal holds its loop up until the gate is opened for it."""

    lag_limit = 2.0

    def __init__(self, journal: Journal, parent: TaskThread | None = None) -> None:
        self.journal = journal
        self.gate = threading.Semaphore(0)
        super().__init__(parent=parent)

    async def signalHandler__(self, signal: object) -> None:
        self.journal("blocking")
        self.gate.acquire(timeout=PATIENCE)  # the blocking line
        self.journal("went on")


class Parent(Plain):
    """Answers all the time, whatever its child does."""

    def __init__(self, child: type[Blocks], journal: Journal) -> None:
        self.make = child, journal
        super().__init__()

    async def enter__(self) -> None:
        cls, journal = self.make
        self.child = cls(journal, parent=self)
        await self.child.run()


def told(log: LogJournal, text: str) -> list[tuple[float, str]]:
    return [line for line in log.lines if text in line[1]]


async def block_once(child: Blocks, log: LogJournal, times: int) -> None:
    """Hold the child up until the watch has noticed, then let it go, and wait for that too."""
    child.post(message("block"))
    await log.journal.seen(HELD, times)
    child.gate.release()
    await log.journal.seen(TURNS, times)


async def test_each_blockage_is_logged_once_with_the_blocking_line(journal: Journal) -> None:
    with logged("Watch") as log:
        async with Parent(Blocks, journal) as root, Watch(root) as watch:
            for times in (1, 2):
                begun = monotonic()
                child = root.child
                child.post(message("block"))
                await log.journal.seen(HELD, times)
                assert told(log, HELD[1])[-1][0] - begun < child.lag_limit
                (stuck,) = watch.stuck()
                assert stuck.path == f"{root}/{child}"
                assert 0 < stuck.since < monotonic() - begun
                child.gate.release()
                await log.journal.seen(TURNS, times)
                assert watch.stuck() == []
    assert [each for each in log.journal.entries if each in (HELD, TURNS)] == [HELD, TURNS] * 2
    for _, line in told(log, HELD[1]):
        assert f"path={root}/{root.child}" in line
        assert "# the blocking line" in line


async def test_one_that_stays_held_up_is_told_once(journal: Journal) -> None:
    with logged("Watch") as log:
        async with Plain() as root:
            first, second = Blocks(journal, parent=root), Blocks(journal, parent=root)
            await first.run()
            await second.run()
            async with Watch(root) as watch:
                first.post(message("block"))
                await log.journal.seen(HELD)
                second.post(message("block"))
                await log.journal.seen(HELD, 2)  # until then the first was looked at many times
                assert {stuck.path for stuck in watch.stuck()} == {
                    f"{root}/{first}",
                    f"{root}/{second}",
                }
                first.gate.release()
                second.gate.release()
                await log.journal.seen(TURNS, 2)
    paths = [line.split(" path=")[1].split()[0] for _, line in told(log, HELD[1])]
    assert paths == [f"{root}/{first}", f"{root}/{second}"]


async def test_what_stays_below_the_limit_is_no_blockage(journal: Journal) -> None:
    class Patient(Blocks):
        lag_limit = 30.0

    with logged("Watch") as log:
        async with Plain() as root:
            patient, other = Patient(journal, parent=root), Blocks(journal, parent=root)
            await patient.run()
            await other.run()
            async with Watch(root):
                patient.post(message("block"))
                await journal.seen("blocking")
                await block_once(other, log, 1)
                patient.gate.release()
                await journal.seen("went on", 2)
    assert len(told(log, HELD[1])) == 1
    assert str(other) in told(log, HELD[1])[0][1]


async def test_a_loop_that_is_busy_all_the_time_is_not_held_up(journal: Journal) -> None:
    class Busy(Plain):
        lag_limit = 0.5

        async def enter__(self) -> None:
            self.tasks.spin = await reCreate(None, self.spin)

        async def spin(self) -> None:
            self.tasks.spin = await reSchedule(self.spin)

    with logged("Watch") as log:
        async with Parent(Blocks, journal) as root, Watch(root):
            busy = Busy(parent=root)
            await busy.run()
            await block_once(root.child, log, 1)
    assert str(busy) not in str(log.lines)


async def test_infinite_limit_is_never_reported(journal: Journal) -> None:
    class AtWill(Blocks):
        lag_limit = math.inf

    with logged("Watch") as log:
        async with Plain() as root:
            free, bound = AtWill(journal, parent=root), Blocks(journal, parent=root)
            await free.run()
            await bound.run()
            async with Watch(root) as watch:
                free.post(message("block"))
                await journal.seen("blocking")
                await block_once(bound, log, 1)  # takes longer than any limit but that one
                assert watch.stuck() == []
                assert await watch.check() == []
                assert await watch.check(timeout=0.1) == []
                free.gate.release()
    assert all(str(free) not in line for _, line in log.lines)


async def test_virtual_threads_are_named_by_their_carrier(journal: Journal) -> None:
    class Guest(Blocks, VirtualThread):
        lag_limit = 0.001

    class Carrier(Plain):
        async def enter__(self) -> None:
            self.guest = Guest(journal, parent=self)
            await self.guest.run()

    with logged("Watch") as log:
        async with Carrier() as root, Watch(root):
            assert [thread for thread, _ in loops(root)] == [root]
            root.guest.post(message("block"))
            begun = monotonic()
            await log.journal.seen(HELD)
            assert monotonic() - begun > 0.5  # the carrier's limit counts: a second
            root.guest.gate.release()
            await log.journal.seen(TURNS)
    assert f"path={root} " in told(log, HELD[1])[0][1]


async def test_uvloop_is_probed(journal: Journal) -> None:
    uvloop = pytest.importorskip("uvloop")

    class OnUvloop(Blocks):
        loop_factory = staticmethod(uvloop.new_event_loop)

    with logged("Watch") as log:
        async with Parent(OnUvloop, journal) as root, Watch(root):
            await block_once(root.child, log, 1)
            await block_once(root.child, log, 2)
    assert "# the blocking line" in told(log, HELD[1])[0][1]


async def test_one_that_is_given_up_is_forgotten(journal: Journal) -> None:
    with logged("Watch") as log:
        async with overdue(Parent(Blocks, journal), "Blocks") as root, Watch(root) as watch:
            child = root.child
            child.post(message("block"))
            await log.journal.seen(HELD)
            await child.stop(timeout=0.2)  # abandons it
            await log.journal.seen(("INFO", "a loop that was held up ended"))
            assert watch.stuck() == []
            child.gate.release()
            await journal.seen("went on")


async def test_check_asks_every_loop(journal: Journal) -> None:
    async with Parent(Blocks, journal) as root, Watch(root) as watch:
        assert await watch.check() == []
        root.child.post(message("block"))
        await journal.seen("blocking")
        (silent,) = await watch.check(timeout=0.05)
        assert silent.path == f"{root}/{root.child}"
        assert 0.05 <= silent.since < PATIENCE
        assert "# the blocking line" in silent.stack
        root.child.gate.release()
        assert await watch.check(timeout=PATIENCE) == []


async def test_check_waits_as_long_as_the_limit_says(journal: Journal) -> None:
    class Soon(Blocks):
        lag_limit = 0.1

    async with Parent(Soon, journal) as root, Watch(root) as watch:
        root.child.post(message("block"))
        await journal.seen("blocking")
        begun = monotonic()
        assert len(await watch.check()) == 1
        assert 0.1 <= monotonic() - begun < 1.0
        root.child.gate.release()


async def test_check_of_a_tree_that_ends(journal: Journal) -> None:
    root, watch = Plain(), None
    async with root:
        watch = Watch(root)
        checking = [asyncio.create_task(watch.check(timeout=5.0)) for _ in range(10)]
    begun = monotonic()
    assert await asyncio.gather(*checking) == [[]] * 10
    assert await watch.check() == []
    assert monotonic() - begun < PATIENCE


async def test_a_watch_in_its_own_tree_does_not_look_at_itself(journal: Journal) -> None:
    class Root(Plain):
        async def enter__(self) -> None:
            self.watch = (await self.spawn(Watch, self)).thread

    async with Root() as root:
        assert await root.watch.check() == []
        (own,) = [loop for thread, loop in loops(root) if thread is root.watch]
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(looked(root.watch), own))
        assert own not in root.watch._looks
        assert len(root.watch._looks) == 1


async def looked(watch: Watch) -> None:
    """Let it look, on its own loop."""
    watch._look_around(0.1, monotonic())


async def test_a_process_that_stood_still_accuses_nobody(journal: Journal) -> None:
    """After a long stop of the whole process a single look has passed, and counts as one."""

    class Stopped(Watch):
        async def enter__(self) -> None:
            await super().enter__()
            self._looked_at -= 3600.0

        def _look_around(self, elapsed: float, now: float) -> None:
            journal(elapsed <= 2 * self._period)

    async with Plain() as root, Stopped(root):
        await journal.seen(True, 3)
    assert journal.count(False) == 0


async def test_a_watch_that_stumbles_goes_on(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Hostile(Blocks):
        armed = True

        @property
        def lag_limit(self) -> float:  # type: ignore[override]
            if self.armed:
                self.armed = False
                raise ValueError("on purpose")
            return 0.5

    with logged("Watch") as log:
        async with Parent(Hostile, journal) as root, Watch(root):
            await log.journal.seen(("ERROR", "task failed and is restarted"))
            await block_once(root.child, log, 1)
    caplog.clear()  # the traceback's frames hold the loops


def idle_turns(root: TaskThread) -> list[int]:
    counts: list[int] = []
    for _, loop in loops(root):
        selector = getattr(loop, "_selector", None)
        assert isinstance(selector, TurnSelector)
        counts.append(selector.turn)
    return counts


def test_watched_loops_are_not_woken() -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            for _ in range(10):
                await Plain(parent=self).run()
                await VirtualThread(parent=self).run()
            self.tasks.wait = await reCreate(None, forever)

    with Root() as root, Watch(root):
        time.sleep(SECONDS / 10)  # the last ones to start lie down
        before = idle_turns(root)
        time.sleep(SECONDS)  # the time that is measured
        assert len(before) == 11
        assert idle_turns(root) == before


def test_wrong_root() -> None:
    with pytest.raises(TypeError, match=r"Watch\(\) takes the root of a tree"):
        Watch("root")  # type: ignore[arg-type]


async def test_a_watch_that_has_ended_holds_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """However its last look and its end meet; it looks in each turn of its loop here."""
    monkeypatch.setattr("task_thread.monitor.watch._LONGEST", 0.0)
    monkeypatch.setattr("task_thread.monitor.watch._SHORTEST", 0.0)

    class Looks(Watch):
        def _look_around(self, elapsed: float, now: float) -> None:
            super()._look_around(elapsed, now)
            if self._looks:
                seen.set(None)

    for _ in range(20):
        seen: Latch[None] = Latch()
        async with Plain() as root, Looks(root) as watch:
            assert await seen.wait(PATIENCE)
        assert watch._looks == {}
