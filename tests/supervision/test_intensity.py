"""max_restarts within restart_window: so many are well, and one more ends the parent."""

from __future__ import annotations

import pytest

from task_thread import State
from task_thread.errors import LifeError, RestartLimitReached
from tests.supervision.parts import (
    LONG,
    STRATEGIES,
    Part,
    Planned,
    Strategy,
    crash,
    exits,
    instance,
    lives,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_so_many_are_well_and_one_more_is_not(
    home: Place, place: Place, journal: Journal, strategy: Strategy, limit: int
) -> None:
    async with supervisor(
        home, journal, strategy=strategy, max_restarts=limit, restart_window=LONG
    ) as sup:
        a, b = await spawn_all(sup, place(Part), journal, "ab")
        for _ in range(limit):
            await crash(a)
            await instance(b)
        assert sup.state is State.RUNNING
        a.post(message("crash"))
        reason = await sup.join()
        assert reason.kind == "crash"
        assert isinstance(reason.exception, RestartLimitReached)
        assert sup.state is State.CRASHED
        assert a.generation == 1 + limit
        assert a.state is State.CRASHED
        assert b.state is State.STOPPED
        assert (await a.join()).kind == "crash"
        assert (await b.join()).kind == "shutdown"
    assert exits(journal, "top") == [("sup", "crash")]


async def test_what_the_limit_says(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=1, restart_window=7.5) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        await crash(a)
        a.post(message("crash"))
        error = (await sup.join()).exception
        assert isinstance(error, RestartLimitReached)
        assert isinstance(error, LifeError)
        assert isinstance(error.__cause__, Planned)
        assert str(error.__cause__) == "a was told to crash"
        text = str(error)
        assert "\n" not in text
        for word in ("a", "1", "7.5"):
            assert word in text


async def test_without_an_exception_there_is_no_cause(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        a.post(message("end"))
        error = (await sup.join()).exception
        assert isinstance(error, RestartLimitReached)
        assert error.__cause__ is None


async def test_all_children_share_one_limit(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=2, restart_window=LONG) as sup:
        a, b, c = await spawn_all(sup, place(Part), journal, "abc")
        await crash(a)
        await crash(b)
        assert c.generation == 1
        c.post(message("crash"))
        assert (await sup.join()).kind == "crash"
        assert (a.restarts, b.restarts, c.restarts) == (1, 1, 0)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_group_counts_once(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(
        home, journal, strategy=strategy, max_restarts=2, restart_window=LONG
    ) as sup:
        handles = await spawn_all(sup, place(Part), journal, "abcd")
        for _ in range(2):
            await crash(handles[0])
            await instance(handles[-1])
        assert sup.state is State.RUNNING
        handles[-1].post(message("crash"))
        assert (await sup.join()).kind == "crash"


async def test_old_ones_are_forgotten(home: Place, place: Place, journal: Journal) -> None:
    """A window so short that no two restarts ever fall into it."""
    async with supervisor(home, journal, max_restarts=1, restart_window=1e-9) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        for _ in range(20):
            await crash(a)
        assert a.restarts == 20
        assert sup.state is State.RUNNING


async def test_none_allowed_means_none_in_any_window(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0, restart_window=1e-9) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        a.post(message("crash"))
        assert (await sup.join()).kind == "crash"
        assert a.generation == 1


async def test_the_children_are_stopped_in_reverse_when_it_trips(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        a, b, c, d = await spawn_all(sup, place(Part), journal, "abcd")
        b.post(message("crash"))
        await sup.join()
        assert {each.state for each in (a, c, d)} == {State.STOPPED}
    assert lives(journal) == "+a +b +c +d -b -d -c -a"


async def test_the_last_straw_is_told_before_the_end(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        a.post(message("crash"))
        await sup.join()
    told = [what for name, what in journal.entries if name == "sup"]
    assert told == ["enter__", ("childExited__", "a", "crash"), "stopping__", "exit__"]


async def test_ends_that_nobody_restarts_do_not_count(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        for _ in range(3):
            temporary = await sup.spawn(place(Part), journal, "a", restart="temporary")
            temporary.post(message("crash"))
            await temporary.join()
            transient = await sup.spawn(place(Part), journal, "b", restart="transient")
            transient.post(message("end"))
            await transient.join()
            permanent = await sup.spawn(place(Part), journal, "c")
            await permanent.stop()
        assert sup.state is State.RUNNING


async def test_an_instance_may_have_limits_of_its_own(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        sup.max_restarts = 2
        sup.restart_window = LONG
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        await crash(a)
        await crash(a)
        assert sup.state is State.RUNNING
        a.post(message("crash"))
        assert (await sup.join()).kind == "crash"
