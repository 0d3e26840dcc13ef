"""What the log tells of supervision: each restart once, nothing of what goes well."""

from __future__ import annotations

import logging

import pytest

from task_thread import Backoff
from tests.supervision.parts import LONG, Part, Script, crash, instance, spawn_all, supervisor
from tests.support.journal import Journal
from tests.support.threads import Place, message


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What the parent has logged at that level or above, apart from the children's own crashes."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= level and "crashed in" not in record.getMessage()
    ]


async def test_what_goes_well_is_not_logged(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with supervisor(home, journal) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        await instance(a)
        await b.stop()
    assert lines(caplog, logging.INFO) == []


async def test_a_restart_is_one_warning_with_name_and_reason(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "the-child")
        await crash(a)
    (line,) = lines(caplog, logging.WARNING)
    assert "the-child" in line
    assert "Planned: the-child was told to crash" in line
    assert "\n" not in line


async def test_a_start_that_fails_again_is_an_error_with_its_traceback(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script("well", "unmade"))
        await crash(a)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert any("could not restart a" in record.getMessage() for record in errors)


async def test_giving_up_is_one_error_that_says_the_limit(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with supervisor(home, journal, max_restarts=0, restart_window=7.5) as sup:
        a = await sup.spawn(place(Part), journal, "a")
        a.post(message("crash"))
        await sup.join()
    own = [record for record in caplog.records if "supervision of a" in record.getMessage()]
    assert len(own) == 1
    assert own[0].levelno == logging.ERROR
    text = caplog.text
    assert "RestartLimitReached" in text
    assert "7.5" in text


async def test_a_restart_by_hand_is_no_warning(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=Backoff(LONG, maximum=LONG))
        await a.restart()
        await a.stop()
        await a.restart()
    assert lines(caplog, logging.WARNING) == []


async def test_wrong_settings_set_while_it_runs_are_told_and_the_old_ones_hold(
    home: Place, place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        (b,) = await spawn_all(sup, place(Part), journal, "b")
        sup.strategy = "none_for_one"  # type: ignore[assignment]
        await crash(a)
        assert (a.generation, b.generation) == (2, 1)
    assert any("none_for_one" in line for line in lines(caplog, logging.ERROR))
