"""A trigger that fails, or gives nonsense: its entry ends with an error, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from task_thread.app.scheduler import Entry
from task_thread.app.triggers import AllOf, Cron, Date, Interval, Luck, Trigger
from task_thread.errors import TriggerNeverAgrees
from tests.app.scheduler.desk import Desk
from tests.app.triggers.moments import EPOCH, at, seconds

NEVER_AGAIN = AllOf(
    Interval(seconds=2, start=at(2), end=at(4)),
    Interval(seconds=2, start=at(2), end=at(4)),
)


class Own(Trigger):
    """A trigger of the user's own: `answer` gives the time after a moment."""

    def __init__(self, answer: Callable[[datetime], datetime | None]) -> None:
        self.answer = answer

    def times(self, after: datetime, luck: Luck | None = None) -> Iterator[datetime]:
        while (time := self.answer(after)) is not None:
            yield time
            after = time


def agreeing_until(last: float) -> Trigger:
    """Each second, and from `last` on it searches in vain."""

    def answer(after: datetime) -> datetime:
        if after >= at(last):
            raise TriggerNeverAgrees("in vain")
        return after + seconds(1)

    return Own(answer)


def test_a_trigger_that_never_agrees_is_refused_when_it_is_added() -> None:
    desk = Desk()
    odd_and_even = AllOf(Cron("1-59/2 * * * *"), Cron("*/2 * * * *"), max_tries=100)
    with pytest.raises(TriggerNeverAgrees):
        desk.scheduler.add(Entry("a", odd_and_even))
    assert len(desk.scheduler) == 0
    desk.every(5)
    with pytest.raises(TriggerNeverAgrees):
        desk.scheduler.reschedule("a", odd_and_even)
    with pytest.raises(TriggerNeverAgrees):
        desk.scheduler.replace(Entry("a", odd_and_even))
    desk.advance(5)
    assert desk.runs() == [(5, 1)]


@pytest.mark.parametrize("late", [False, True])
def test_a_trigger_that_never_agrees_again_ends_with_an_error_and_does_not_spin(
    late: bool,
) -> None:
    desk = Desk(start=not late)
    desk.scheduler.add(Entry("a", agreeing_until(3)))
    desk.every(1, "b")
    if late:
        desk.loop.micros = 3_000_000
        desk.scheduler.start(desk.loop)
    desk.advance(10 - desk.seconds())
    assert sum(number for _, number in desk.runs("a")) == 3
    assert [(key, type(error)) for key, error in desk.failed] == [("a", TriggerNeverAgrees)]
    assert sum(number for _, number in desk.runs("b")) == 10
    assert desk.scheduler.next_of("a") is None


def test_an_all_of_that_ends_ends_without_an_error() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", NEVER_AGAIN))
    desk.advance(100)
    assert desk.runs() == [(2, 1), (4, 1)]
    assert desk.failed == []


@pytest.mark.parametrize(
    ("late", "grace", "runs", "missed"),
    [(0.0, None, [(1, 1)], 0), (5.0, None, [(1, 1)], 0), (5.0, 1.0, [], 1)],
)
def test_what_was_due_before_it_failed_is_fired(
    late: float, grace: float | None, runs: list[tuple[float, int]], missed: int
) -> None:
    def answer(after: datetime) -> datetime:
        if after > EPOCH:
            raise ZeroDivisionError
        return at(1)

    desk = Desk(start=False)
    desk.scheduler.add(Entry("a", Own(answer), grace=grace))
    desk.loop.micros = round((1 + late) * 1e6)
    desk.scheduler.start(desk.loop)
    desk.advance(0)
    assert (desk.runs(), desk.missed()) == (runs, missed)
    assert [(key, type(error)) for key, error in desk.failed] == [("a", ZeroDivisionError)]


@pytest.mark.parametrize("back", [0, 5])
def test_a_trigger_that_does_not_get_on_ends_with_an_error(back: float) -> None:
    """It gives the same time, or an earlier one, again and again."""
    desk = Desk()
    desk.scheduler.add(Entry("a", Own(lambda after: max(at(10), after - seconds(back)))))
    desk.advance(60)
    assert desk.runs() == [(10, 1)]
    assert [(key, type(error)) for key, error in desk.failed] == [("a", ValueError)]


def test_a_trigger_whose_first_time_is_none_it_may_give_is_refused() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="what comes after"):
        desk.scheduler.add(Entry("a", Own(lambda after: after)))
    with pytest.raises(ValueError, match="no time zone"):
        desk.scheduler.add(Entry("a", Own(lambda after: datetime(2030, 1, 1))))  # noqa: DTZ001
    assert len(desk.scheduler) == 0


def test_one_that_failed_can_be_rescheduled() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", agreeing_until(1)))
    desk.advance(5)
    desk.scheduler.reschedule("a", Date(at(7)))
    desk.advance(5)
    assert desk.runs() == [(1, 1), (7, 1)]
    assert len(desk.failed) == 1


def test_that_a_fire_raises_hides_no_failed_trigger() -> None:
    desk = Desk()
    desk.scheduler.add(Entry("a", agreeing_until(1)))

    def fire(*_: object) -> None:
        raise ZeroDivisionError

    desk.on_fire = fire
    desk.advance(5)
    assert len(desk.failed) == len(desk.loop.errors) == 1
