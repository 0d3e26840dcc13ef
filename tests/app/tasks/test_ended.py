"""Runs that have ended are kept for their retention, and forgotten together."""

from __future__ import annotations

from task_thread.app.ended import Ended
from tests.app.scheduler.desk import HandLoop

RETENTION = 10.0


class Rig:
    """One Ended, and a loop whose time is the test's to move."""

    def __init__(self) -> None:
        self.loop = HandLoop()  # type: ignore[abstract]  # what Ended asks for is there
        self.runs: dict[str, None] = {}
        self.ended = Ended(self.loop, self.runs.pop, RETENTION)
        self.looks = 0

    def end(self, id: str) -> None:
        """A run of that id ends."""
        self.runs[id] = None
        self.ended.add(id)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.loop.micros + round(seconds * 1e6)
        while self.loop.timers and self.loop.timers[0][0] <= until:
            self.loop.micros = max(self.loop.micros, self.loop.timers[0][0])
            self.looks += 1
            self.loop.one_turn()
        self.loop.micros = until


def test_each_is_kept_for_the_retention_and_not_much_longer() -> None:
    rig = Rig()
    ended: dict[str, float] = {}
    for number in range(300):
        rig.end(f"{number}")
        ended[f"{number}"] = rig.loop.time()
        rig.advance(0.25)
        for id, when in ended.items():
            age = rig.loop.time() - when
            if age < RETENTION:
                assert id in rig.runs
            if age > 1.1 * RETENTION:
                assert id not in rig.runs


def test_it_looks_ten_times_within_a_retention_and_not_at_each_run() -> None:
    rig = Rig()
    for number in range(10_000):
        rig.end(f"{number}")
        rig.advance(0.01)
    # Once for each batch that is complete, and once for each that is to be forgotten.
    assert rig.looks <= 2 * 100


def test_a_single_one_takes_two_looks_and_leaves_no_timer() -> None:
    rig = Rig()
    rig.end("a")
    rig.advance(5 * RETENTION)
    assert rig.runs == {}
    assert rig.looks == 2
    assert rig.loop.timers == []


def test_one_that_ends_while_an_older_one_waits_to_be_forgotten_is_kept_as_long() -> None:
    rig = Rig()
    rig.end("a")
    rig.advance(5)
    rig.end("b")
    rig.advance(6)
    assert set(rig.runs) == {"b"}
    rig.advance(5)
    assert rig.runs == {}


def test_closed_it_looks_no_more() -> None:
    rig = Rig()
    rig.end("a")
    rig.ended.close()
    rig.advance(5 * RETENTION)
    assert set(rig.runs) == {"a"}
    assert rig.loop.timers == []
