"""With a backoff a restart waits: the pause grows, is over when somebody says so, and starts over
after a healthy time."""

from __future__ import annotations

from time import monotonic

import pytest

from task_thread import Backoff, State
from task_thread.errors import RestartLimitReached, ThreadEnded
from task_thread.signals import Signal
from tests.supervision.parts import (
    LONG,
    STRATEGIES,
    Part,
    Script,
    Strategy,
    crash,
    crash_for_good,
    instance,
    lives,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message, on_parents_loop

FOR_EVER = Backoff(initial=LONG, maximum=LONG, jitter=0)


class Clocked(Part):
    """Writes down when its instances began and ended, in seconds."""

    times: list[tuple[str, float]]

    async def enter__(self) -> None:
        self.times.append(("begins", monotonic()))
        await super().enter__()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        try:
            return await super().signalHandler__(signal)
        finally:
            self.times.append(("ends", monotonic()))


def pauses(cls: type[Clocked]) -> list[float]:
    """How long each instance was awaited after the last word of the one before."""
    found: list[float] = []
    last = 0.0
    for what, when in cls.times:
        if what == "begins" and last:
            found.append(when - last)
        last = when
    return found


def clocked(place: Place) -> type[Clocked]:
    """A class of its own, with times of its own."""
    placed = place(Clocked)
    made: type[Clocked] = type("Clocked", (placed,), {"times": []})
    return made


async def down(journal: Journal, times: int = 1) -> None:
    """The child has ended for the nth time, and its parent knows."""
    await journal.seen(("sup", ("childExited__", "a", "crash")), times)


async def test_it_waits_and_says_so(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        first = a.thread
        a.post(message("crash"))
        await down(journal)
        assert a.restarting is True
        assert a.state is State.CRASHED
        assert a.thread is first
        assert a.generation == 1
        assert sup.handles == [a]
        assert sup.children == []
        assert sup.state is State.RUNNING
    assert lives(journal) == "+a -a"


async def test_others_do_not_wait(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        (b,) = await spawn_all(sup, place(Part), journal, "b")
        a.post(message("crash"))
        await down(journal)
        await crash(b)
        await spawn_all(sup, place(Part), journal, "c")
        assert a.restarting is True


async def test_the_pause_is_kept_and_grows(home: Place, place: Place, journal: Journal) -> None:
    backoff = Backoff(initial=0.05, factor=2, maximum=0.1, jitter=0, healthy=LONG)
    cls = clocked(place)
    async with supervisor(home, journal, max_restarts=3) as sup:
        a = await sup.spawn(cls, journal, "a", backoff=backoff)
        for _ in range(3):
            await crash(a)
    first, second, third = pauses(cls)
    assert first >= 0.05
    assert second >= 0.1
    assert third >= 0.1
    assert max(first, second, third) < 5


async def test_no_backoff_no_pause(home: Place, place: Place, journal: Journal) -> None:
    cls = clocked(place)
    async with supervisor(home, journal, max_restarts=20) as sup:
        a = await sup.spawn(cls, journal, "a")
        for _ in range(20):
            await crash(a)
    assert min(pauses(cls)) < 0.05


async def test_after_a_healthy_time_the_pauses_start_over(
    home: Place, place: Place, journal: Journal
) -> None:
    at_once = Backoff(initial=1e-6, factor=1e12, maximum=LONG, jitter=0, healthy=0)
    never = Backoff(initial=1e-6, factor=1e12, maximum=LONG, jitter=0, healthy=LONG)
    async with supervisor(home, journal, max_restarts=10) as sup:
        a = await sup.spawn(place(Part), journal, "x", backoff=at_once)
        for _ in range(4):
            await crash(a)
        b = await sup.spawn(place(Part), journal, "a", backoff=never)
        await crash(b)
        b.post(message("crash"))
        await down(journal, times=2)
        assert b.restarting is True


async def test_a_start_that_fails_is_not_healthy(
    home: Place, place: Place, journal: Journal
) -> None:
    backoff = Backoff(initial=1e-6, factor=1e12, maximum=LONG, jitter=0, healthy=1e-9)
    async with supervisor(home, journal, max_restarts=10) as sup:
        a = await sup.spawn(place(Part), journal, "a", Script("well", "fails"), backoff=backoff)
        a.post(message("crash"))
        await journal.seen(("a", "begins"), 2)
        failed = a.thread
        await failed.join()
        b = await sup.spawn(place(Part), journal, "b")
        await crash(b)  # what was to come at once would have come by now
        assert a.restarting is True
        assert journal.count(("a", "begins")) == 2


async def test_the_jitter_spreads_those_that_failed_together(home: Place, journal: Journal) -> None:
    backoff = Backoff(initial=0.05, maximum=0.05, jitter=1)
    cls = clocked(on_parents_loop)
    async with supervisor(home, journal, max_restarts=100) as sup:
        handles = [await sup.spawn(cls, journal, str(n), backoff=backoff) for n in range(20)]
        for handle in handles:
            handle.post(message("crash"))
        for handle in handles:
            await instance(handle)
    begun = [when for what, when in cls.times if what == "begins"][20:]
    # Without jitter all of them begin within a few milliseconds of each other. Twenty at random
    # within 0.1 s lie less than 0.01 s apart once in 10**17 runs.
    assert max(begun) - min(begun) > 0.01


# ---- the pause ends by hand ---------------------------------------------------------------


async def test_a_restart_by_hand_ends_the_pause(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=1) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        a.post(message("crash"))
        await down(journal)
        await a.restart()
        assert a.restarting is False
        assert await instance(a) is a.thread
        assert a.generation == 2
        assert sup.state is State.RUNNING
    assert lives(journal) == "+a -a +a -a"


async def test_a_stop_by_hand_ends_the_pause_and_it_stays_down(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        a.post(message("crash"))
        await down(journal)
        await a.stop()
        assert a.restarting is False
        assert (await a.join()).kind == "crash"
        assert sup.handles == [a]
        with pytest.raises(ThreadEnded):
            a.post(message(1))
        await a.restart()
        assert await instance(a) is a.thread


async def test_deleted_in_the_pause(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        a.post(message("crash"))
        await down(journal)
        for number in range(3):
            a.post(message(number))
        await sup.delChild(a)
        assert sup.handles == []
        assert a.restarting is False
        assert (await a.join()).kind == "crash"
        inbox = a.statistics().inbox
        assert (inbox.depth, inbox.dead) == (0, 3)


async def test_the_parents_stop_does_not_wait_for_the_pause(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        a.post(message("crash"))
        await down(journal)
        a.post(message(1))
        begun = monotonic()
        await sup.stop()
        assert monotonic() - begun < 5
        assert a.restarting is False
        assert (await a.join()).kind == "crash"
        assert a.statistics().inbox.dead == 1
    assert lives(journal) == "+a -a"


# ---- with the strategies and the limit ----------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_group_waits_with_the_one_that_failed(
    home: Place, place: Place, journal: Journal, strategy: Strategy
) -> None:
    """Those that were spawned before it start at once, those after it behind it."""
    async with supervisor(home, journal, strategy=strategy) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "b")
        b = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        (c,) = await spawn_all(sup, place(Part), journal, "c")
        b.post(message("crash"))
        await down(journal)
        await journal.seen(("b", "enter__"), 2 if strategy == "one_for_all" else 1)
        await instance(a)
        assert a.generation == (2 if strategy == "one_for_all" else 1)
        assert b.restarting is True
        if strategy == "one_for_one":
            assert await instance(c) is c.thread
            assert c.generation == 1
        else:
            if c.thread.state is not State.STOPPED:
                await c.thread.join()
            assert c.restarting is True
            await b.restart()
            await instance(c)
            assert (b.generation, c.generation) == (2, 2)


async def test_pauses_do_not_save_from_the_limit(
    home: Place, place: Place, journal: Journal
) -> None:
    backoff = Backoff(initial=1e-6, maximum=1e-6)
    async with supervisor(home, journal, max_restarts=2, restart_window=LONG) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=backoff)
        await crash(a)
        await crash(a)
        a.post(message("crash"))
        assert isinstance((await sup.join()).exception, RestartLimitReached)


async def test_a_pause_can_be_longer_than_the_window(
    home: Place, place: Place, journal: Journal
) -> None:
    """Then the limit is never reached: the child is tried again and again."""
    backoff = Backoff(initial=0.002, maximum=0.002, jitter=0)
    async with supervisor(home, journal, max_restarts=1, restart_window=0.001) as sup:
        words = ["well", *["fails"] * 10]
        a = await sup.spawn(place(Part), journal, "a", Script(*words), backoff=backoff)
        await crash(a)
        assert a.restarts == 11
        assert sup.state is State.RUNNING


async def test_a_temporary_one_has_no_use_for_it(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", restart="temporary", backoff=FOR_EVER)
        await crash_for_good(a)
        assert sup.handles == []
