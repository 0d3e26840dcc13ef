"""The machine's clock and the manual one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_thread.clock import SYSTEM_CLOCK, Clock, ManualClock, SystemClock


def test_system_clock_does_not_go_back() -> None:
    readings = [SYSTEM_CLOCK.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


def test_system_clock_tells_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_manual_clock_stands_still() -> None:
    clock: Clock = ManualClock()
    assert clock.monotonic() == clock.monotonic() == 0.0
    assert clock.now() == clock.now() == datetime(2000, 1, 1, tzinfo=UTC)


def test_manual_clock_advances_both_readings() -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    clock.advance(1.5)
    clock.advance(0)
    assert clock.monotonic() == 1.5
    assert clock.now() == datetime(2026, 3, 1, 12, 0, 1, 500_000, tzinfo=UTC)


def test_manual_clock_tells_utc_whatever_zone_it_began_in() -> None:
    tokyo = timezone(timedelta(hours=9))
    clock = ManualClock(datetime(2026, 3, 1, 9, tzinfo=tokyo))
    assert clock.now() == datetime(2026, 3, 1, 0, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def test_manual_clock_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(datetime(2026, 3, 1))  # noqa: DTZ001


def test_manual_clock_does_not_go_back() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-0.1)
    assert clock.monotonic() == 0.0


@given(st.lists(st.floats(min_value=0, max_value=10_000)))
def test_manual_clock_never_goes_back(steps: list[float]) -> None:
    clock = ManualClock()
    readings = []
    for step in steps:
        clock.advance(step)
        readings.append(clock.monotonic())
    assert readings == sorted(readings)
    assert clock.monotonic() == pytest.approx(sum(steps))


def test_manual_clock_is_advanced_from_many_threads() -> None:
    clock = ManualClock()

    def advance() -> None:
        for _ in range(1000):
            clock.advance(1)

    threads = [threading.Thread(target=advance) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 4000
