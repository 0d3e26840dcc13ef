"""Many at once: others on the loop have their turns, and a hundred thousand are no trouble."""

from __future__ import annotations

from task_thread.app.scheduler import SLICE, Due, Entry
from task_thread.app.triggers import Interval
from tests.app.scheduler.desk import Desk
from tests.app.triggers.moments import at

MANY = 100_000


def test_when_thousands_are_due_others_have_their_turn() -> None:
    desk = Desk(start=False)
    for number in range(5000):
        desk.every(10, str(number))
    gaps: list[float] = []
    last = 0.0

    def fire(entry: Entry, due: Due) -> None:
        desk.loop.micros += 100  # what a fire takes

    def other() -> None:
        nonlocal last
        gaps.append(desk.loop.time() - last)
        last = desk.loop.time()
        if len(desk.fired) < 5000:
            desk.loop.call_soon(other)

    desk.on_fire = fire
    desk.loop.micros = 10_000_000
    last = desk.loop.time()
    desk.loop.call_soon(other)
    desk.scheduler.start(desk.loop)
    desk.loop.settle()
    assert len(desk.fired) == 5000
    assert max(gaps) <= SLICE + 0.0001 + 1e-9


def test_a_backlog_does_not_hold_up_what_is_due_meanwhile() -> None:
    desk = Desk(start=False)
    desk.every(0.001, "backlog", coalesce=False)
    desk.loop.micros = 10_000_000
    desk.every(0.5, "other")

    def fire(entry: Entry, due: Due) -> None:
        desk.loop.micros += 10_000 * len(due.runs)

    desk.on_fire = fire
    desk.scheduler.start(desk.loop)
    for _ in range(4):
        desk.loop.one_turn()
    assert [fired.key for fired in desk.fired[:4]] == ["backlog", "backlog", "other", "backlog"]
    desk.scheduler.stop()


def test_a_hundred_thousand_each_fire_at_their_time() -> None:
    desk = Desk()
    scheduler = desk.scheduler
    for number in range(MANY):
        trigger = Interval(seconds=100, start=at(1 + (number * 7919 % MANY) / 1000))
        scheduler.add(Entry(str(number), trigger))
    assert len(scheduler) == MANY
    for number in range(MANY):
        if number % 10:
            scheduler.remove(str(number))
    desk.advance(102)
    assert len(scheduler) == MANY // 10
    assert len({fired.key for fired in desk.fired}) == MANY // 10
    assert all(fired.now == fired.runs[0][0] for fired in desk.fired)
    assert all(number == 1 for fired in desk.fired for _, number in fired.runs)
