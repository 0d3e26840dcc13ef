"""The scheduler on a loop of the test's: when entries come up, and what may be asked of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from task_thread.app.scheduler import LOOK_AGAIN, Due, Entry, Scheduler
from task_thread.app.triggers import Cron, Date, Interval
from task_thread.errors import DuplicateTask, UnknownTask
from tests.app.scheduler.desk import Desk, HandLoop
from tests.app.triggers.moments import BERLIN, at, seconds


def test_each_comes_up_at_its_moment() -> None:
    desk = Desk()
    desk.every(2, "a")
    desk.every(3, "b")
    desk.advance(6)
    assert [(each.now, each.key) for each in desk.fired] == [
        (2, "a"),
        (3, "b"),
        (4, "a"),
        (6, "b"),  # planned at 3, the other one at 4
        (6, "a"),
    ]


def test_what_was_added_before_the_start_counts_from_then() -> None:
    desk = Desk(start=False)
    desk.every(2)
    desk.loop.micros = 5_000_000
    desk.scheduler.start(desk.loop)
    desk.advance(1)
    assert desk.fired == [(5, "a", [(4, 2)], 0), (6, "a", [(6, 1)], 0)]


def test_a_moment_to_count_from_may_lie_in_the_past() -> None:
    desk = Desk()
    trigger = Interval(seconds=10, start=at(-100))
    desk.scheduler.add(Entry("a", trigger, after=at(-95), coalesce=False, grace=30))
    desk.advance(0)
    assert desk.fired == [(0, "a", [(-30, 1), (-20, 1), (-10, 1), (0, 1)], 6)]


def test_add_says_when_it_is_due_and_anchors_the_trigger() -> None:
    desk = Desk()
    entry = Entry("a", Interval(seconds=7))
    assert desk.scheduler.add(entry) == at(7)
    assert entry.trigger == Interval(seconds=7, start=at(7))
    assert desk.scheduler.next_of("a") == at(7)
    assert desk.scheduler.add(Entry("b", Date(at(-1)))) is None


def test_the_next_time_is_in_the_zone_of_the_trigger() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", Cron("0 3 * * *", "Europe/Berlin")))
    coming = desk.scheduler.next_of("a")
    assert coming is not None
    assert coming.isoformat() == "2025-01-01T03:00:00+01:00"


def test_the_repeated_hour_fires_in_the_order_of_moments() -> None:
    """On the wall 02:30 of the second pass comes before 02:45 of the first."""
    desk = Desk()
    autumn = datetime(2025, 10, 26, 2, 45, tzinfo=BERLIN)
    later = datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=1)
    desk.set_clock((datetime(2025, 10, 26, tzinfo=UTC) - at(0)).total_seconds())
    desk.scheduler.add(Entry("later", Date(later)))
    desk.scheduler.add(Entry("first", Date(autumn)))
    desk.advance(3600 * 3)
    assert [each.key for each in desk.fired] == ["first", "later"]


def test_a_key_is_there_once() -> None:
    desk = Desk()
    before = desk.every(5)
    with pytest.raises(DuplicateTask, match="'a'"):
        desk.every(1)
    assert desk.scheduler.get("a") is before
    desk.advance(5)
    assert desk.runs() == [(5, 1)]


def test_replaced_only_the_new_one_fires() -> None:
    desk = Desk()
    desk.every(5)
    desk.scheduler.replace(Entry("a", Interval(seconds=3), "new"))
    desk.scheduler.replace(Entry("b", Interval(seconds=4)))  # there was none
    desk.advance(6)
    assert desk.runs("a") == [(3, 1), (6, 1)]
    assert desk.runs("b") == [(4, 1)]
    assert len(desk.scheduler) == 2


def test_removed_it_fires_no_more() -> None:
    desk = Desk()
    entry = desk.every(1)
    desk.advance(1)
    assert desk.scheduler.remove("a") is entry
    assert desk.scheduler.remove("a") is None
    desk.advance(5)
    assert desk.runs() == [(1, 1)]
    assert len(desk.scheduler) == 0


def test_whoever_is_unknown_is_an_error() -> None:
    scheduler = Desk().scheduler
    for ask in (scheduler.pause, scheduler.resume, scheduler.next_of):
        with pytest.raises(UnknownTask, match="'nobody'"):
            ask("nobody")
    with pytest.raises(UnknownTask):
        scheduler.reschedule("nobody", Interval(seconds=1))
    with pytest.raises(UnknownTask):
        scheduler.adjust("nobody", coalesce=True, grace=None)
    assert scheduler.get("nobody") is None


def test_what_was_due_while_paused_is_coalesced() -> None:
    desk = Desk()
    desk.every(2)
    desk.advance(3)
    desk.scheduler.pause("a")
    assert desk.scheduler.next_of("a") is None
    desk.advance(8)
    assert desk.runs() == [(2, 1)]
    desk.scheduler.resume("a")
    desk.scheduler.resume("a")  # it is not paused any more
    desk.advance(1)
    assert desk.fired[1:] == [(11, "a", [(10, 4)], 0), (12, "a", [(12, 1)], 0)]


def test_what_was_due_while_paused_is_missed_beyond_the_grace() -> None:
    desk = Desk()
    desk.every(2, grace=0.5)
    desk.scheduler.pause("a")
    desk.advance(11)
    desk.scheduler.resume("a")
    desk.advance(1)
    assert desk.fired == [(11, "a", [], 5), (12, "a", [(12, 1)], 0)]


def test_added_as_paused_it_waits_to_be_resumed() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", Interval(seconds=1), paused=True))
    desk.advance(2)
    assert desk.fired == []
    desk.scheduler.resume("a")
    desk.advance(0)
    assert desk.runs() == [(2, 2)]


def test_rescheduled_it_counts_from_then() -> None:
    desk = Desk()
    desk.every(10)
    desk.advance(4)
    assert desk.scheduler.reschedule("a", Interval(seconds=3)) == at(7)
    desk.advance(3)
    assert desk.runs() == [(7, 1)]


def test_rescheduled_while_paused_it_stays_paused() -> None:
    desk = Desk()
    desk.every(10)
    desk.scheduler.pause("a")
    desk.scheduler.reschedule("a", Interval(seconds=3))
    desk.advance(4)
    assert desk.fired == []
    desk.scheduler.resume("a")
    desk.advance(0)
    assert desk.runs() == [(3, 1)]


def test_one_that_has_ended_can_be_rescheduled() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", Date(at(1))))
    desk.advance(2)
    assert desk.runs() == [(1, 1)]
    assert desk.scheduler.next_of("a") is None
    assert desk.loop.timers == []
    desk.scheduler.reschedule("a", Interval(seconds=1))
    desk.advance(1)
    assert desk.runs() == [(1, 1), (3, 1)]


def test_adjusted_it_is_judged_otherwise() -> None:
    desk = Desk(start=False)
    desk.every(1)
    desk.scheduler.adjust("a", coalesce=False, grace=1.5)
    with pytest.raises(ValueError, match="grace"):
        desk.scheduler.adjust("a", coalesce=False, grace=-1)
    desk.loop.micros = 4_000_000
    desk.scheduler.start(desk.loop)
    desk.advance(0)
    assert desk.fired == [(4, "a", [(3, 1), (4, 1)], 2)]


def test_a_misfire_grace_of_none_lets_any_lateness_run() -> None:
    """The default. A grace of one second by default drops what a busy machine is late with."""
    desk = Desk(start=False)
    entry = Entry("a", Date(at(1)))
    assert entry.grace is None
    desk.scheduler.add(entry)
    desk.loop.micros = 400 * 86_400 * 1_000_000
    desk.scheduler.start(desk.loop)
    desk.advance(0)
    assert desk.runs() == [(1, 1)]
    assert desk.missed() == 0


@pytest.mark.parametrize(("late", "runs"), [(0.5, 1), (0.500001, 0), (0.499999, 1)])
def test_the_grace_is_exact_to_the_microsecond(late: float, runs: int) -> None:
    desk = Desk(start=False)
    desk.scheduler.add(Entry("a", Interval(seconds=10), grace=0.5))
    desk.loop.micros = 10_000_000 + round(late * 1e6)
    desk.scheduler.start(desk.loop)
    desk.advance(0)
    assert (len(desk.runs()), desk.missed()) == (runs, 1 - runs)


def test_a_grace_of_zero_runs_what_is_on_time() -> None:
    desk = Desk()
    desk.every(1, grace=0)
    desk.advance(3)
    assert (len(desk.runs()), desk.missed()) == (3, 0)


@pytest.mark.parametrize("grace", [-1, float("nan")])
def test_a_grace_that_makes_no_sense_is_refused(grace: float) -> None:
    with pytest.raises(ValueError, match="grace"):
        Entry("a", Interval(seconds=1), grace=grace)


def test_it_rings_the_loop_once_for_many_that_are_due_earlier() -> None:
    desk = Desk()
    for number in range(50, 0, -1):
        desk.every(number, str(number))
    assert desk.loop.rings == 1
    desk.advance(0)
    desk.every(60, "late")  # the timer stands at 1
    assert desk.loop.rings == 1
    desk.every(0.5, "early")
    assert desk.loop.rings == 2
    desk.advance(0.5)
    assert desk.runs("early") == [(0.5, 1)]


def test_what_a_fire_adds_needs_no_ring() -> None:
    desk = Desk()
    desk.every(5)
    desk.loop.settle()
    rings = desk.loop.rings

    def fire(entry: Entry, due: Due) -> None:
        desk.loop.micros += 10  # it takes its time
        desk.every(1, f"{entry.key}+")

    desk.on_fire = fire
    desk.advance(5)
    desk.on_fire = None
    desk.advance(1)
    assert desk.runs("a+") == [(6.00001, 1)]
    assert desk.loop.rings == rings


def test_without_anything_to_wait_for_there_is_no_timer() -> None:
    desk = Desk()
    assert desk.loop.timers == []
    desk.every(5)
    desk.scheduler.pause("a")
    desk.advance(0)
    assert desk.loop.timers == []


def test_the_timer_is_never_set_further_ahead_than_it_should() -> None:
    desk = Desk()
    desk.every(1_000_000)
    desk.loop.settle()
    assert [timer[0] for timer in desk.loop.timers] == [LOOK_AGAIN * 1_000_000]
    desk.advance(LOOK_AGAIN)
    assert [timer[0] for timer in desk.loop.timers] == [2 * LOOK_AGAIN * 1_000_000]


def test_stopped_nothing_fires_until_it_is_started_again() -> None:
    desk = Desk()
    desk.every(1)
    desk.advance(1)
    desk.scheduler.stop()
    assert desk.loop.timers == []
    desk.advance(3)
    desk.every(1, "b")  # nobody to ring
    desk.advance(1)
    assert len(desk.fired) == 1
    desk.scheduler.start(desk.loop)
    with pytest.raises(RuntimeError, match="stop it first"):
        desk.scheduler.start(desk.loop)
    desk.advance(0)
    assert desk.fired[1:] == [(5, "a", [(5, 4)], 0), (5, "b", [(5, 1)], 0)]


def test_a_fire_may_stop_it() -> None:
    desk = Desk()
    desk.every(1, "a")
    desk.every(1, "b")
    desk.on_fire = lambda entry, due: desk.scheduler.stop()
    desk.advance(3)
    assert [each.key for each in desk.fired] == ["a"]
    assert desk.loop.timers == []


def test_a_fire_that_stops_it_leaves_no_timer() -> None:
    desk = Desk()
    desk.every(10)
    desk.on_fire = lambda entry, due: desk.scheduler.stop()
    desk.advance(10)
    assert desk.loop.timers == []


def test_started_on_another_loop_it_is_not_disturbed_by_the_one_before() -> None:
    desk = Desk()
    before, desk.loop = desk.loop, Desk(start=False).loop
    desk.every(5)  # rings the loop of before
    desk.scheduler.stop()
    desk.scheduler.start(desk.loop)
    desk.loop.settle()
    before.settle()
    assert before.timers == []
    desk.advance(5)
    assert desk.runs() == [(5, 1)]


def test_a_fire_may_remove_itself_and_others() -> None:
    desk = Desk()
    for key in "abc":
        desk.every(1, key)

    def remove(entry: Entry, due: Due) -> None:
        desk.scheduler.remove("a")
        desk.scheduler.remove("b")

    desk.on_fire = remove
    desk.advance(2)
    assert [each.key for each in desk.fired] == ["a", "c", "c"]


def test_what_a_fire_raises_harms_no_other() -> None:
    desk = Desk()
    for key in "abc":
        desk.every(1, key)

    def fire(entry: Entry, due: Due) -> None:
        if entry.key == "b":
            raise ZeroDivisionError

    desk.on_fire = fire
    desk.advance(2)
    assert [each.key for each in desk.fired] == ["a", "b", "c"] * 2
    assert [type(error) for error in desk.loop.errors] == [ZeroDivisionError] * 2


def test_jitter_differs_by_key_and_not_by_scheduler() -> None:
    def times(key: str) -> list[tuple[float, int]]:
        desk = Desk()
        desk.scheduler.add(Entry(key, Interval(seconds=10, jitter=5)))
        desk.advance(100)
        return desk.runs(key)

    assert times("a") == times("a") != times("b")
    assert all(0 <= (moment - 10 * index) < 5 for index, (moment, _) in enumerate(times("a"), 1))


def test_only_what_has_jitter_has_luck() -> None:
    desk = Desk()
    assert desk.every(1, "a").luck is None
    entry = Entry("b", Interval(seconds=1, jitter=0.5))
    desk.scheduler.add(entry)
    assert entry.luck is not None
    desk.scheduler.reschedule("b", Interval(seconds=1))
    assert entry.luck is None


def test_runs_of_a_backlog_come_in_parts_and_others_in_between() -> None:
    desk = Desk(start=False)
    desk.every(1, "many", coalesce=False)
    desk.every(999, "one")
    desk.loop.micros = 1_000 * 1_000_000
    desk.scheduler.start(desk.loop)
    desk.advance(0)
    assert [moment for moment, _ in desk.runs("many")] == [float(each) for each in range(1, 1001)]
    assert max(len(each.runs) for each in desk.fired) == 100
    assert [each.key for each in desk.fired].index("one") == 1
    desk.advance(1)
    assert desk.runs("many")[-1] == (1001, 1)


def test_entries_say_who_they_are() -> None:
    desk = Desk()
    entry = desk.every(5)
    assert repr(entry) == (
        f"Entry('a', Interval(seconds=5, start={at(5)!r}), next={at(5)}, paused=False)"
    )
    assert entry.next == at(0) + seconds(5)


def test_what_comes_up_soon_after_a_fire_is_fired_together() -> None:
    desk = Desk(gather=0.004)
    for index in range(8):
        desk.every(1, f"{index}")
        desk.advance(0.001)
    desk.advance(1.5)
    moments = sorted({fired.now for fired in desk.fired})
    assert [fired.key for fired in desk.fired] == [f"{index}" for index in range(8)]
    assert moments == [pytest.approx(1.0), pytest.approx(1.004), pytest.approx(1.008)]


def test_what_comes_up_alone_is_fired_on_time() -> None:
    desk = Desk(gather=0.004)
    desk.every(1, "a")
    desk.advance(3.5)
    assert [fired.now for fired in desk.fired] == [1.0, 2.0, 3.0]


def test_a_single_tick_on_time_is_told_apart_from_the_rest() -> None:
    loop = HandLoop()  # type: ignore[abstract]  # what a scheduler asks for is there
    told: list[tuple[str, object]] = []
    scheduler = Scheduler(
        lambda: at(loop.micros / 1e6),
        lambda entry, due: told.append(("fire", [(run.at, run.stands_for) for run in due.runs])),
        lambda entry, error: None,
        tick=lambda entry, time: told.append(("tick", time)),
    )
    scheduler.add(Entry("a", Interval(seconds=1)))
    loop.micros = 1_500_000
    scheduler.start(loop)
    loop.settle()
    loop.micros = 4_000_000
    loop.settle()
    assert told == [("tick", at(1)), ("fire", [(at(4), 3)])]
    entry = scheduler.get("a")
    assert entry is not None
    assert (entry.after, entry.next) == (at(4), at(5))
