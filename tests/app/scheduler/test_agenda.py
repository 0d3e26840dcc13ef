"""The heap: in order, and without much that is dead."""

from __future__ import annotations

import random

from task_thread.app.agenda import NEVER, Agenda, Entry
from task_thread.app.triggers import Interval

SECOND = Interval(seconds=1)


def entries(number: int) -> list[Entry]:
    return [Entry(str(index), SECOND) for index in range(number)]


def test_the_earliest_first_and_of_equals_the_one_planned_first() -> None:
    agenda = Agenda()
    a, b, c, d = entries(4)
    for entry, stamp in ((a, 2.0), (b, 1.0), (c, 2.0), (d, 3.0)):
        agenda.plan(entry, stamp)
    assert agenda.earliest() == 1.0
    assert [agenda.take(2.5) for _ in range(4)] == [b, a, c, None]
    assert agenda.earliest() == 3.0
    assert len(agenda) == 1


def test_planned_anew_it_comes_up_once() -> None:
    agenda = Agenda()
    (a,) = entries(1)
    agenda.plan(a, 1.0)
    agenda.plan(a, 5.0)
    assert agenda.take(4.0) is None
    assert agenda.take(5.0) is a
    assert agenda.take(9.0) is None
    assert len(agenda) == 0


def test_what_is_postponed_comes_up_later_and_once() -> None:
    agenda = Agenda()
    a, b = entries(2)
    agenda.plan(a, 1.0)
    agenda.plan(b, 2.0)
    ticket = a.ticket
    assert agenda.first(0.5) is None
    assert agenda.first(1.0) is a
    agenda.postpone(a, 3.0)
    assert a.ticket != ticket
    assert [agenda.take(9.0) for _ in range(3)] == [b, a, None]


def test_what_never_comes_and_what_is_paused_does_not_come_up() -> None:
    agenda = Agenda()
    a, b = entries(2)
    b.paused = True
    agenda.plan(a, NEVER)
    agenda.plan(b, 1.0)
    assert agenda.earliest() == NEVER
    assert agenda.take(1e300) is None


def test_what_is_taken_out_does_not_pile_up() -> None:
    agenda = Agenda()
    many = entries(1000)
    for entry in many:
        agenda.plan(entry, 1e9)
    for stamp in range(50):
        for entry in many:
            agenda.plan(entry, float(stamp))
        assert len(agenda) == 1000
        assert agenda.weight <= 2 * len(agenda) + 64
    for entry in many:
        agenda.withdraw(entry)
    assert len(agenda) == 0
    assert agenda.weight <= 64


def test_like_a_sorted_list() -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    agenda, many = Agenda(), entries(30)
    known: dict[str, tuple[float, int]] = {}
    for turn in range(5000):
        entry = dice.choice(many)
        match dice.randrange(4):
            case 0 | 1:
                stamp = float(dice.randrange(100))
                agenda.plan(entry, stamp)
                known[entry.key] = (stamp, turn)
            case 2 if dice.random() < 0.5 and (up := agenda.first(NEVER)) is not None:
                stamp = float(dice.randrange(100))
                agenda.postpone(up, stamp)
                known[up.key] = (stamp, turn)
            case 2:
                agenda.withdraw(entry)
                known.pop(entry.key, None)
            case _:
                limit = dice.randrange(100)
                first = min(known, key=known.__getitem__, default=None)
                taken = agenda.take(limit)
                if first is not None and known[first][0] <= limit:
                    assert taken is not None, seed
                    assert taken.key == first, seed
                    del known[first]
                else:
                    assert taken is None, seed
        assert len(agenda) == len(known), seed
        assert agenda.earliest() == min(known.values(), default=(NEVER, 0))[0], seed
