"""A next instance that can't be made or can't start: tried again, counted, given up in the end."""

from __future__ import annotations

import pytest

from task_thread import State
from task_thread.errors import RestartLimitReached, ThreadEnded
from tests.supervision.parts import (
    LONG,
    STRATEGIES,
    Part,
    Planned,
    RestartType,
    Script,
    Strategy,
    crash,
    hooks,
    instance,
    lives,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message

WORDS = ["fails", "unmade"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_tried_again_until_it_starts(
    home: Place, place: Place, journal: Journal, word: str, strategy: Strategy,
    restart: RestartType,
) -> None:  # fmt: skip
    async with supervisor(
        home, journal, strategy=strategy, max_restarts=3, restart_window=LONG
    ) as sup:
        script = Script("well", word, word)
        handle = await sup.spawn(place(Part), journal, "a", script, restart=restart)
        second = await crash(handle)
        assert second is handle.thread
        assert handle.state is State.RUNNING
        assert handle.restarts == 3
        assert journal.count(("a", "constructed")) == 4
        assert sup.handles == [handle]
        assert sup.children == [second]
        assert sup.state is State.RUNNING
    assert lives(journal) == "+a -a +a -a"


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_one_that_never_starts_again_is_given_up(
    home: Place, place: Place, journal: Journal, word: str, strategy: Strategy
) -> None:
    async with supervisor(
        home, journal, strategy=strategy, max_restarts=4, restart_window=LONG
    ) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script("well", then=word))
        (b,) = await spawn_all(sup, place(Part), journal, "b")
        a.post(message("crash"))
        reason = await sup.join()
        assert reason.kind == "crash"
        assert isinstance(reason.exception, RestartLimitReached)
        assert isinstance(reason.exception.__cause__, Planned)
        assert "a can't" in str(reason.exception.__cause__)
        assert journal.count(("a", "constructed")) == 1 + 4
        assert (await b.join()).kind == "shutdown"
        assert b.state is State.STOPPED
        assert a.restarting is False
        with pytest.raises(ThreadEnded):
            a.post(message(1))
    assert lives(journal, of="a") == "+a -a"


@pytest.mark.parametrize("word", WORDS)
async def test_all_for_one_other_child_fails_restart(
    home: Place, place: Place, journal: Journal, word: str
) -> None:
    """one_for_all: those that had been started again are stopped, and all begin once more."""
    async with supervisor(home, journal, strategy="one_for_all", max_restarts=3) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        (b,) = await spawn_all(sup, place(Part), journal, "b", script=Script("well", word))
        (c,) = await spawn_all(sup, place(Part), journal, "c")
        a.post(message("crash"))
        await journal.seen(("c", "enter__"), 2)
        await instance(c)
        assert await instance(a) is a.thread
        assert a.generation == 3
        assert (a.restarts, b.restarts) == (2, 2)
        assert sup.state is State.RUNNING
    assert lives(journal) == "+a +b +c -a -c -b +a -a +a +b +c -c -b -a"


@pytest.mark.parametrize("word", WORDS)
async def test_rest_for_one_other_child_fails_restart(
    home: Place, place: Place, journal: Journal, word: str
) -> None:
    """rest_for_one: those before the one that fails have been restarted, and stay."""
    async with supervisor(home, journal, strategy="rest_for_one", max_restarts=3) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        (_b,) = await spawn_all(sup, place(Part), journal, "b", script=Script("well", word))
        (c,) = await spawn_all(sup, place(Part), journal, "c")
        second = await crash(a)
        await instance(c)
        assert await instance(a) is second
        assert a.generation == 2
        assert sup.state is State.RUNNING
    assert lives(journal) == "+a +b +c -a -c -b +a +b +c -c -b -a"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_sibling_that_never_starts_again_escalates(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    async with supervisor(
        home, journal, strategy=strategy, max_restarts=4, restart_window=LONG
    ) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        script = Script("well", then="fails")
        (b,) = await spawn_all(sup, place(Part), journal, "b", script=script)
        a.post(message("crash"))
        reason = await sup.join()
        assert isinstance(reason.exception, RestartLimitReached)
        assert str(reason.exception.__cause__) == "b can't start"
        assert (await a.join()).kind == "shutdown"
        assert (await b.join()).kind == "crash"
        # The crash of a is the first restart; three failing starts of b are the others.
        assert journal.count(("b", "begins")) == 1 + 4
    again = "+a -a " * 4 if strategy == "one_for_all" else "+a -a "
    assert lives(journal) == f"+a +b -a -b {again}".rstrip()


async def test_one_that_fails_its_restart_leaves_its_siblings_alone(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=3) as sup:
        (other,) = await spawn_all(sup, place(Part), journal, "b")
        first = other.thread
        handle = await sup.spawn(place(Part), journal, "a", Script("well", "fails", "unmade"))
        await crash(handle)
        assert await instance(other) is first
        assert other.restarts == 0


async def test_a_failed_start_was_no_instance_that_had_entered(
    home: Place, place: Place, journal: Journal
) -> None:
    """childExited__ speaks of those that had been up only."""
    async with supervisor(home, journal, max_restarts=3) as sup:
        handle = await sup.spawn(place(Part), journal, "a", Script("well", "fails", "unmade"))
        await crash(handle)
        told = [what for name, what in journal.entries if name == "sup" and what != "enter__"]
        assert told == [("childExited__", "a", "crash")]
        assert len(hooks(journal, "begins")) == 3


async def test_the_reason_of_a_failed_start_is_the_last_exit(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=3) as sup:
        handle = await sup.spawn(place(Part), journal, "a", Script("well", "fails"))
        await crash(handle)
        assert handle.last_exit is not None
        assert str(handle.last_exit.exception) == "a can't start"
