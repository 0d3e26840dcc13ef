"""Children without which their parent has nothing to do: when they end for good, it ends too."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from task_thread import Handle, State
from tests.supervision.parts import (
    STRATEGIES,
    Parent,
    Part,
    RestartType,
    Script,
    Strategy,
    crash,
    exits,
    instance,
    lives,
    parent_class,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.programs import run_program
from tests.support.threads import Place, message

AutoShutdown = Literal["any_significant", "all_significant", "never"]
AUTO: tuple[AutoShutdown, ...] = ("any_significant", "all_significant", "never")
ON: tuple[AutoShutdown, ...] = ("any_significant", "all_significant")


async def family(
    sup: Parent, cls: type[Part], journal: Journal, restart: RestartType
) -> list[Handle[Part]]:
    """Two significant ones and one that is not."""
    return [
        await sup.spawn(cls, journal, name, restart=restart, significant=name != "c")
        for name in "abc"
    ]


async def check_that_it_ended(sup: Parent, journal: Journal, stopped: str) -> None:
    """The parent has ended, as one that was asked to, and stopped those that were left."""
    assert (await sup.join()).kind == "shutdown"
    assert sup.state is State.STOPPED
    assert sup.children == []
    ends = [f"-{name}" for name in reversed(stopped)]
    assert lives(journal).split()[len("abc") + 1 :] == ends


async def check_that_it_lives(sup: Parent, *alive: Handle[Part]) -> None:
    """Whatever was to come because of an end before has come: a fresh child has been through."""
    probe = await sup.spawn(Part, Journal(), "probe", restart="temporary")
    await probe.stop()
    assert sup.state is State.RUNNING
    for handle in alive:
        assert await instance(handle) is handle.thread


@pytest.mark.parametrize("auto", AUTO)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_the_end_of_others_ends_nobody(
    home: Place, place: Place, journal: Journal, auto: AutoShutdown, restart: RestartType
) -> None:
    async with supervisor(home, journal, auto_shutdown=auto, max_restarts=5) as sup:
        for how in ("by hand", "stop", "crash", "end"):
            handle = await sup.spawn(place(Part), journal, "a", restart=restart)
            if how == "by hand":
                await handle.stop()
            elif how == "stop":
                await handle.thread.stop()
            else:
                handle.post(message(how))
            if restart == "transient" and how == "crash":
                assert (await instance(handle)).state is State.RUNNING
            else:
                await handle.join()
            await check_that_it_lives(sup)
            await sup.delChild(handle)


@pytest.mark.parametrize("how", ["crash", "end", "stop"])
async def test_any_temporary_one_ends_its_parent(
    home: Place, place: Place, journal: Journal, how: str
) -> None:
    async with supervisor(home, journal, auto_shutdown="any_significant") as sup:
        a, _b, _c = await family(sup, place(Part), journal, "temporary")
        if how == "stop":
            await a.thread.stop()
        else:
            a.post(message(how))
        await check_that_it_ended(sup, journal, "bc")
    kind = {"crash": "crash", "end": "normal", "stop": "shutdown"}[how]
    assert exits(journal) == [("a", kind), ("c", "shutdown"), ("b", "shutdown")]


@pytest.mark.parametrize("how", ["end", "stop"])
async def test_any_transient_one_that_ends_well_ends_its_parent(
    home: Place, place: Place, journal: Journal, how: str
) -> None:
    async with supervisor(home, journal, auto_shutdown="any_significant") as sup:
        a, _b, _c = await family(sup, place(Part), journal, "transient")
        if how == "stop":
            await a.thread.stop()
        else:
            a.post(message(how))
        await check_that_it_ended(sup, journal, "bc")


@pytest.mark.parametrize("auto", ON)
async def test_a_transient_one_that_is_restarted_ends_nobody(
    home: Place, place: Place, journal: Journal, auto: AutoShutdown
) -> None:
    async with supervisor(home, journal, auto_shutdown=auto, max_restarts=5) as sup:
        a, b, c = await family(sup, place(Part), journal, "transient")
        await crash(a)
        await crash(a)
        await check_that_it_lives(sup, a, b, c)
        assert (a.generation, b.generation, c.generation) == (3, 1, 1)


@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_all_significant_ones_must_have_ended(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal, auto_shutdown="all_significant") as sup:
        a, b, c = await family(sup, place(Part), journal, restart)
        a.post(message("end"))
        await a.join()
        await check_that_it_lives(sup, b, c)
        b.post(message("end"))
        assert (await sup.join()).kind == "shutdown"
        assert (await c.join()).kind == "shutdown"
    assert lives(journal) == "+a +b +c -a -b -c"


@pytest.mark.parametrize("auto", ON)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("by", ["stop", "delete"])
async def test_an_end_by_hand_ends_nobody(
    home: Place, place: Place, journal: Journal, auto: AutoShutdown, restart: RestartType, by: str
) -> None:
    async with supervisor(home, journal, auto_shutdown=auto) as sup:
        a = await sup.spawn(place(Part), journal, "a", restart=restart, significant=True)
        await (a.stop() if by == "stop" else sup.delChild(a))
        await check_that_it_lives(sup)


async def test_brought_back_by_hand_it_is_significant_as_before(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a, _b, _c = await family(sup, place(Part), journal, "transient")
        await a.stop()
        await a.restart()
        a.post(message("end"))
        assert (await sup.join()).kind == "shutdown"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("auto", ON)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_the_end_as_a_bystander_ends_nobody(
    home: Place, place: Place, journal: Journal, strategy: Strategy, auto: AutoShutdown,
    restart: RestartType,
) -> None:  # fmt: skip
    async with supervisor(
        home, journal, strategy=strategy, auto_shutdown=auto, max_restarts=5
    ) as sup:
        a = await sup.spawn(place(Part), journal, "a", restart=restart, significant=True)
        b = await sup.spawn(place(Part), journal, "b")
        c = await sup.spawn(place(Part), journal, "c", restart=restart, significant=True)
        await crash(b)
        await check_that_it_lives(sup, b)
        if restart == "transient":
            await check_that_it_lives(sup, a, b, c)
            stopped = {"one_for_one": "", "one_for_all": "ac", "rest_for_one": "c"}[strategy]
            assert (a.generation == 2) == ("a" in stopped)
            assert (c.generation == 2) == ("c" in stopped)


@pytest.mark.parametrize("significant", [True, False])
async def test_it_goes_up_where_the_parent_is_significant_itself(
    home: Place, place: Place, journal: Journal, significant: bool
) -> None:
    async with supervisor(home, journal) as sup:
        middle = await sup.spawn(
            parent_class(home), journal, "mid", restart="transient", significant=significant
        )
        a = await middle.thread.spawn(
            place(Part), journal, "a", restart="transient", significant=True
        )
        a.post(message("end"))
        assert (await middle.join()).kind == "shutdown"
        if significant:
            assert (await sup.join()).kind == "shutdown"
        else:
            await check_that_it_lives(sup)
            assert sup.handles == [middle]


async def test_a_permanent_parent_that_ended_so_is_restarted(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        middle = await sup.spawn(parent_class(home), journal, "mid")
        first = middle.thread
        a = await first.spawn(place(Part), journal, "a", restart="transient", significant=True)
        a.post(message("end"))
        assert (await first.join()).kind == "shutdown"
        await journal.seen(("mid", "enter__"), 2)
        assert middle.restarts == 1
        assert sup.state is State.RUNNING


async def test_one_that_ends_normally_in_its_restart_has_ended_for_good(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        a = await sup.spawn(
            place(Part), journal, "a", Script("well", "ends"), restart="transient",
            significant=True,
        )  # fmt: skip
        a.post(message("crash"))
        assert (await sup.join()).kind == "shutdown"


def test_the_end_of_the_significant_ones_is_a_good_end_of_a_program() -> None:
    done = run_program("""
        from task_thread import TaskThread, run

        class Job(TaskThread):
            async def enter__(self):
                await self.terminate_soon()

            async def terminate_soon(self):
                from task_thread import reCreate
                self.tasks.work = await reCreate(None, self.work)

            async def work(self):
                print("done")
                await self.requestTerminate()

        class Root(TaskThread):
            async def enter__(self):
                await self.spawn(Job, restart="transient", significant=True)

        raise SystemExit(run(Root()))
    """)
    assert (done.returncode, done.stdout) == (0, "done\n")


# ---- settings that change while it runs ---------------------------------------------------


@pytest.mark.parametrize("changed", AUTO)
@pytest.mark.parametrize("first", AUTO)
async def test_what_counts_is_the_setting_at_the_childs_end(
    home: Place, place: Place, journal: Journal, first: AutoShutdown, changed: AutoShutdown
) -> None:
    class Changing(parent_class(home, auto_shutdown=first)):  # type: ignore[misc]
        pass

    options: dict[str, Any] = {"restart": "transient", "significant": True}
    async with supervisor(home, journal) as top:
        sup = Changing(journal, "changing", parent=top)
        await sup.run()
        if first == "never":
            with pytest.raises(ValueError, match="significant"):
                await sup.spawn(place(Part), journal, "x", **options)
            sup.auto_shutdown = changed
        if sup.auto_shutdown == "never":
            with pytest.raises(ValueError, match="significant"):
                await sup.spawn(place(Part), journal, "x", **options)
            return
        a = await sup.spawn(place(Part), journal, "a", **options)
        b = await sup.spawn(place(Part), journal, "b", **options)
        sup.auto_shutdown = changed
        a.post(message("end"))
        await a.join()
        if changed == "any_significant":
            assert (await sup.join()).kind == "shutdown"
            return
        await check_that_it_lives(sup, b)
        b.post(message("end"))
        if changed == "all_significant":
            assert (await sup.join()).kind == "shutdown"
        else:
            await b.join()
            await check_that_it_lives(sup)
            await a.restart()
            await check_that_it_lives(sup, a)
