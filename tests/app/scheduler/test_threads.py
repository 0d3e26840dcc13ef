"""The scheduler on real loops, asked from other threads."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from task_thread import TaskThread
from task_thread.app.scheduler import Due, Entry, Scheduler
from task_thread.app.triggers import Date, Interval
from task_thread.errors import DuplicateTask, UnknownTask
from task_thread.testing import StartThread, ThreadClock


def now() -> datetime:
    return datetime.now(UTC)


def fails(entry: Entry, error: Exception) -> None:
    raise error


class Timetable(TaskThread):
    """A thread that has a scheduler, and writes down what it fires."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        super().__init__()
        self.fired: list[tuple[str, datetime]] = []
        self.seen = threading.Semaphore(0)
        self.scheduler = Scheduler(clock, self._fire, fails)
        self.clock = clock

    async def enter__(self) -> None:
        self.scheduler.start(asyncio.get_running_loop())

    async def exit__(self) -> None:
        self.scheduler.stop()

    def _fire(self, entry: Entry, due: Due) -> None:
        self.fired.append((entry.key, self.clock()))
        self.seen.release()


def test_an_entry_from_another_thread_wakes_the_loop(start_thread: StartThread) -> None:
    table = start_thread(Timetable())
    table.scheduler.add(Entry("late", Interval(hours=1)))
    table.scheduler.add(Entry("soon", Date(now() + timedelta(milliseconds=20))))
    assert table.seen.acquire(timeout=10)
    assert [key for key, _ in table.fired] == ["soon"]


def test_an_entry_from_the_loop_itself_is_fired(start_thread: StartThread) -> None:
    table = start_thread(Timetable())

    async def add() -> None:
        table.scheduler.add(Entry("a", Interval(seconds=0.01)))

    loop = table._taskthread.life.loop
    assert loop is not None
    asyncio.run_coroutine_threadsafe(add(), loop).result(10)
    for _ in range(3):
        assert table.seen.acquire(timeout=10)


def test_it_lives_in_the_time_of_a_manual_clock(
    manual_clock: ThreadClock, start_thread: StartThread
) -> None:
    table = start_thread(Timetable(manual_clock.now))
    begin = manual_clock.now()
    table.scheduler.add(Entry("a", Interval(minutes=7)))
    manual_clock.advance(3600)
    assert [time - begin for _, time in table.fired] == [
        timedelta(minutes=7 * tick) for tick in range(1, 9)
    ]


def test_an_entry_for_a_loop_that_has_closed_waits_for_the_next_start() -> None:
    scheduler = Scheduler(now, lambda entry, due: None, fails)

    async def main() -> None:
        scheduler.start(asyncio.get_running_loop())

    asyncio.run(main())
    scheduler.add(Entry("a", Interval(seconds=1)))  # nobody to ring, and no error
    scheduler.stop()
    assert len(scheduler) == 1


@pytest.mark.parametrize("turn", range(3))
def test_whatever_threads_ask_for_at_once_nothing_is_lost(
    start_thread: StartThread, turn: int
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    threads, turns, keys = 4, 3000, [str(number) for number in range(12)]
    table = start_thread(Timetable())
    scheduler = table.scheduler
    scheduler.add(Entry("steady", Interval(seconds=0.002), coalesce=False))
    start = threading.Barrier(threads)
    problems: list[BaseException] = []

    def ask(dice: random.Random) -> None:
        try:
            start.wait(10)
            for _ in range(turns):
                key = dice.choice(keys)
                period = Interval(seconds=dice.choice([0.0005, 0.003, 5]))
                asks: list[Callable[[], object]] = [
                    partial(scheduler.add, Entry(key, period)),
                    partial(scheduler.replace, Entry(key, period)),
                    partial(scheduler.remove, key),
                    partial(scheduler.pause, key),
                    partial(scheduler.resume, key),
                    partial(scheduler.reschedule, key, period),
                    partial(scheduler.next_of, key),
                ]
                try:
                    dice.choice(asks)()
                except (DuplicateTask, UnknownTask):
                    pass
        except BaseException as error:
            problems.append(error)

    workers = [
        threading.Thread(target=ask, args=(random.Random(seed + number),))
        for number in range(threads)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join(30)
    assert problems == []
    with scheduler._lock:
        entries = list(scheduler._agenda.entries.values())
        waiting = sum(entry.waits for entry in entries)
        assert len(scheduler._agenda) == waiting, seed
    for entry in entries:
        scheduler.replace(Entry(entry.key, Interval(seconds=0.001)))
    wanted = {entry.key for entry in entries}
    table.fired.clear()
    while wanted:  # each of them is still fired
        assert table.seen.acquire(timeout=10), (seed, wanted)
        wanted -= {key for key, _ in table.fired}


def test_each_time_is_fired_once_while_others_pause_and_resume(start_thread: StartThread) -> None:
    table = start_thread(Timetable())
    begin = now()
    trigger = Interval(seconds=0.001, start=begin, end=begin + timedelta(seconds=0.5))
    due_times: Counter[datetime] = Counter()
    over = threading.Event()

    def fire(entry: Entry, due: Due) -> None:
        due_times.update(run.at for run in due.runs)
        if due.next is None:
            over.set()

    table.scheduler._fire = fire
    table.scheduler.add(Entry("a", trigger, after=begin - timedelta(seconds=1), coalesce=False))

    def meddle() -> None:
        while not over.is_set():
            table.scheduler.pause("a")
            table.scheduler.resume("a")

    others = [threading.Thread(target=meddle) for _ in range(2)]
    for each in others:
        each.start()
    assert over.wait(30)
    for each in others:
        each.join(10)
    assert sorted(due_times) == list(trigger.times(begin - timedelta(seconds=1)))
    assert set(due_times.values()) == {1}
