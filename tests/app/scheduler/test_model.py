"""The scheduler against a naive one, which looks through a list of all entries each time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from task_thread.app.schedule import LISTED, due
from task_thread.app.scheduler import Entry
from task_thread.app.triggers import AnyOf, Date, Interval, Trigger, luck_of
from task_thread.app.triggers.base import COUNTED
from tests.app.scheduler.desk import Desk, Fired
from tests.app.triggers.moments import EPOCH, at

KEYS = st.sampled_from("abcde")
PERIODS = st.integers(1, 40).map(lambda number: number / 2)
TRIGGERS: st.SearchStrategy[Trigger] = st.one_of(
    st.builds(lambda period: Interval(seconds=period), PERIODS),
    st.builds(lambda period: Interval(seconds=period, jitter=period / 4), PERIODS),
    st.builds(lambda start: Date(at(start)), st.integers(0, 300)),
    st.builds(
        lambda start, period: AnyOf(Date(at(start)), Interval(seconds=period, end=at(200))),
        st.integers(0, 300),
        st.integers(1, 20),
    ),
)
GRACES = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 7.5]))


@dataclass
class Naive:
    """One entry of the model."""

    trigger: Trigger
    after: datetime
    coalesce: bool
    grace: float | None
    paused: bool = False


class Model(RuleBasedStateMachine):
    """What is asked of both, and a comparison of what they tell."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.entries: dict[str, Naive] = {}
        self.fired: list[Fired] = []

    @rule(
        key=KEYS,
        trigger=TRIGGERS,
        coalesce=st.booleans(),
        grace=GRACES,
        back=st.sampled_from([0, 0, 0, 30]),
    )
    def add(
        self, key: str, trigger: Trigger, coalesce: bool, grace: float | None, back: int
    ) -> None:
        after = at(self.desk.seconds() - back)
        try:
            anchored = trigger.anchored(after)
        except ValueError:
            return
        self.desk.scheduler.replace(
            Entry(key, trigger, after=after, coalesce=coalesce, grace=grace)
        )
        self.entries[key] = Naive(anchored, after, coalesce, grace)

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        assert (self.desk.scheduler.remove(key) is None) == (key not in self.entries)
        self.entries.pop(key, None)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.entries)))
        self.desk.scheduler.pause(key)
        self.entries[key].paused = True

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.entries)))
        self.desk.scheduler.resume(key)
        self.entries[key].paused = False

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), trigger=TRIGGERS)
    def reschedule(self, data: st.DataObject, trigger: Trigger) -> None:
        key = data.draw(st.sampled_from(sorted(self.entries)))
        try:
            anchored = trigger.anchored(self.desk.now())
        except ValueError:
            return
        self.desk.scheduler.reschedule(key, trigger)
        self.entries[key].trigger = anchored
        self.entries[key].after = self.desk.now()

    @rule(tenths=st.integers(0, 600))
    def advance(self, tenths: int) -> None:
        until = at(self.desk.seconds() + tenths / 10)
        now = self.desk.now()
        self.desk.advance(tenths / 10)
        while (now := max(now, self._earliest())) <= until:
            self._look(now)

    def _next(self, key: str) -> datetime:
        one = self.entries[key]
        coming = None if one.paused else one.trigger.next(one.after, luck_of(key))
        return at(1e9) if coming is None else coming

    def _earliest(self) -> datetime:
        return min(map(self._next, self.entries), default=at(1e9))

    def _look(self, now: datetime) -> None:
        for key, one in self.entries.items():
            if self._next(key) > now:
                continue
            found = due(
                one.trigger,
                one.after,
                now,
                coalesce=one.coalesce,
                grace=one.grace,
                luck=luck_of(key),
                limit=COUNTED if one.coalesce else LISTED,
            )
            one.after = found.until
            runs = [((run.at - EPOCH).total_seconds(), run.stands_for) for run in found.runs]
            self.fired.append(Fired((now - EPOCH).total_seconds(), key, runs, found.missed_count))

    @invariant()
    def they_agree(self) -> None:
        if hasattr(self, "desk"):
            assert sorted(self.desk.fired) == sorted(self.fired)
            assert self.desk.failed == []
            assert self.desk.loop.errors == []


Model.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestModel = Model.TestCase
