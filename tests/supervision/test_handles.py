"""What a handle says over the lives of its instances, and what statistics tell of them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

import pytest

from task_thread import Backoff, Handle, State, reCreate
from task_thread.errors import Deadlock
from task_thread.signals import Signal
from tests.supervision.parts import (
    LONG,
    Part,
    Script,
    crash,
    crash_for_good,
    exits,
    instance,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, message, on_parents_loop, payload

FOR_EVER = Backoff(initial=LONG, maximum=LONG, jitter=0)


async def test_generations_and_restarts(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal, max_restarts=3) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        seen = [(a.generation, a.restarts)]
        for step in ("crash", "by hand", "crash", "by hand"):
            await (crash(a) if step == "crash" else a.restart())
            seen.append((a.generation, a.restarts))
        assert seen == [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)]


async def test_the_handle_is_the_same_over_restarts(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        instances = {id(a.thread): a.thread}
        for _ in range(3):
            second = await crash(a)
            assert sup.handles == [a]
            assert a.thread is second
            instances[id(second)] = second
        assert len(instances) == 4
        ended = [each for each in instances.values() if each is not a.thread]
        assert {each.state for each in ended} == {State.CRASHED}


async def test_the_name_stays(home: Place, place: Place, journal: Journal) -> None:
    class Numbered(place(Part)):  # type: ignore[misc]
        """Its id is the one of the class's next number."""

        def getId(self) -> str:
            return str(self._taskthread.default_id)

    async with supervisor(home, journal) as sup:
        unnamed = await sup.spawn(Numbered, journal, "a")
        named = await sup.spawn(Numbered, journal, "b", name="db")
        name = unnamed.name
        assert name == unnamed.thread.getId()
        await crash(unnamed)
        await crash(named)
        assert unnamed.name == name == unnamed.thread.getId()
        assert named.name == "db" == named.thread.getId()


async def test_a_new_instance_that_handles_its_first_signal_is_seen_as_up(
    home: Place, place: Place, journal: Journal
) -> None:
    class Looking(Part):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "look":
                looks.append((a.thread is self, a.generation, a.restarts, a.state, a.restarting))
            return await super().signalHandler__(signal)

    looks: list[tuple[bool, int, int, State, bool]] = []
    async with supervisor(home, journal, max_restarts=30) as sup:
        a = await sup.spawn(place(Looking), journal, "a")
        for _ in range(20):
            a.post(message("crash"))
            a.post(message("look"))
            await instance(a)
    assert looks == [(True, n, n - 1, State.RUNNING, False) for n in range(2, 22)]


async def test_all_instances_see_the_context_of_the_spawn(
    home: Place, place: Place, journal: Journal
) -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    class Looking(Part):
        async def enter__(self) -> None:
            self.note(whose.get())
            await super().enter__()

    async with supervisor(home, journal) as sup:
        whose.set("the spawn's")
        a = await sup.spawn(place(Looking), journal, "a")
        whose.set("another one's")
        await crash(a)
        await a.restart()
    assert journal.count(("a", "the spawn's")) == 3


# ---- join ---------------------------------------------------------------------------------


async def test_join_waits_over_restarts(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        joining = asyncio.create_task(a.join())
        await crash(a)
        await crash(a)
        assert not joining.done()
        await a.stop()
        assert (await joining).kind == "shutdown"
        assert (await a.join()).kind == "shutdown"


async def test_join_from_several_loops(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", restart="temporary")
        joining = asyncio.gather(
            a.join(), *(asyncio.to_thread(lambda: asyncio.run(a.join())) for _ in range(3))
        )
        await crash_for_good(a)
        assert {reason.kind for reason in await joining} == {"crash"}


async def test_join_waits_again_after_a_restart_by_hand(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        await a.stop()
        await a.restart()
        joining = asyncio.create_task(a.join())
        await crash(a)
        assert not joining.done()
        await a.stop()
        await joining


async def test_join_through_a_pause(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", backoff=FOR_EVER)
        a.post(message("crash"))
        await journal.seen(("sup", ("childExited__", "a", "crash")))
        joining = asyncio.create_task(a.join())
        await instance(await sup.spawn(place(Part), journal, "b"))
        assert not joining.done()
        await sup.stop()
        assert (await joining).kind == "crash"


async def test_nobody_joins_himself(home: Place, place: Place, journal: Journal) -> None:
    class Own(Part):
        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "join":
                with pytest.raises(Deadlock):
                    await a.join()
                self.note("refused")
                return None
            return await super().signalHandler__(signal)

    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Own), journal, "a")
        a.post(message("join"))
        await journal.seen(("a", "refused"))


# ---- exits --------------------------------------------------------------------------------


async def test_the_last_exit(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        assert a.last_exit is None
        first = a.thread
        await crash(a)
        assert a.last_exit is first.exit_reason
        assert a.last_exit is not None
        assert a.last_exit.kind == "crash"
        await a.stop()
        assert a.last_exit.kind == "shutdown"
        await a.restart()
        assert a.last_exit.kind == "shutdown"


async def test_the_parent_is_told_of_each_instance_that_had_entered(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, strategy="one_for_all", max_restarts=10) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        (b,) = await spawn_all(sup, place(Part), journal, "b", script=Script("well", "fails"))
        await crash(a)
        await journal.seen(("b", "enter__"), 2)
        await instance(b)
        await a.restart()
        await b.stop()
        await sup.delChild(a)
    assert exits(journal) == [
        ("a", "crash"),  # the first one
        ("b", "shutdown"),  # with it
        ("a", "shutdown"),  # the second one, since b had failed to start
        ("a", "shutdown"),  # by hand
        ("b", "shutdown"),
        ("a", "shutdown"),
    ]


# ---- statistics ---------------------------------------------------------------------------


async def test_statistics_of_a_supervised_child(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal, max_restarts=3) as sup:
        a = await sup.spawn(place(Part), journal, "a", restart="transient")
        await crash(a)
        await crash(a)
        told = a.statistics()
        assert told == a.thread.statistics() or told.uptime != a.thread.statistics().uptime
        assert (told.generation, told.restarts, told.restart_type) == (3, 2, "transient")
        assert told.virtual is (place is on_parents_loop)
        assert told.state is State.RUNNING
        assert told.id == "a"


async def test_statistics_of_others(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        loner = place(Part)(journal, "x", parent=sup)
        assert loner.statistics().restart_type is None
        await loner.run()
        for thread in (sup, loner):
            told = thread.statistics()
            assert (told.generation, told.restarts, told.restart_type) == (1, 0, None)
            assert told.last_error is None
        assert loner.statistics().virtual is (place is on_parents_loop)
        assert sup.statistics().virtual is (home is on_parents_loop)


async def test_the_last_error_is_that_of_the_instance_before(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        (a,) = await spawn_all(sup, place(Part), journal, "a")
        before = datetime.now(UTC)
        assert a.statistics().last_error is None
        first = a.thread
        await crash(a)
        error = a.statistics().last_error
        assert error is not None
        assert error.summary == "Planned: a was told to crash"
        assert "signalHandler__" in error.where
        assert before <= error.at <= datetime.now(UTC)
        assert error.at.utcoffset() == timedelta(0)
        assert "Traceback" in error.traceback
        assert "parts.py" in error.traceback
        assert first.statistics().last_error == error
        await a.restart()
        assert a.statistics().last_error == error
        await crash(a)
        newer = a.statistics().last_error
        assert newer is not None
        assert newer.at >= error.at


@pytest.mark.parametrize("place_of_error", ["task", "enter__", "exit__", "constructor"])
async def test_where_the_last_error_was(
    home: Place, place: Place, journal: Journal, place_of_error: str
) -> None:
    class Failing(Part):
        def initVars__(self) -> None:
            self.tasks.poll = None
            if place_of_error == "constructor" and journal.count(("a", "constructed")) == 2:
                raise ValueError("in constructor")

        async def enter__(self) -> None:
            await super().enter__()
            if place_of_error == "enter__" and journal.count(("a", "enter__")) == 2:
                raise ValueError("in enter__")

        async def exit__(self) -> None:
            if place_of_error == "exit__":
                raise ValueError("in exit__")

        async def signalHandler__(self, signal: Signal) -> bool | None:
            if payload(signal) == "fail":
                if place_of_error == "task":
                    self.tasks.poll = await reCreate(self.tasks.poll, self.poll)
                    return None
                return False
            return await super().signalHandler__(signal)

        async def poll(self) -> None:
            raise ValueError("in task")

    async with supervisor(home, journal) as sup:
        a: Handle[Part] = await sup.spawn(place(Failing), journal, "a")
        a.post(message("fail"))
        failing = place_of_error in ("enter__", "constructor")
        await journal.seen(("a", "constructed"), 3 if failing else 2)
        await instance(a)
        error = a.statistics().last_error
        assert error is not None
        assert error.summary == f"ValueError: in {place_of_error}"
        assert {"task": "poll"}.get(place_of_error, place_of_error) in error.where


async def test_text_for_people(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(place(Part), journal, "a", name="db")
        assert str(a) == "db"
        assert "db" in repr(a)
        assert "Part" in repr(a)
        assert "running" in repr(a)
        assert "\n" not in repr(a)
