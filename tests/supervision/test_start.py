"""spawn(): what it returns and what it raises. A child that does not start is not kept."""

from __future__ import annotations

import asyncio

import pytest

from task_thread import State, TaskThread
from task_thread.errors import NotRunning, StartCancelled, ThreadEnded, WrongLoop
from tests.supervision.parts import (
    RESTART_TYPES,
    Parent,
    Part,
    Planned,
    RestartType,
    Script,
    crash,
    exits,
    hooks,
    instance,
    lives,
    parent_class,
    spawn_all,
    supervisor,
)
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, Recorder, forever, own_thread


async def test_a_parent_without_children_starts_and_stops(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        assert sup.handles == []
        await sup.stop()
        assert (await sup.join()).kind == "shutdown"


async def test_the_child_runs_when_spawn_returns(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        assert handle.thread.state is handle.state is State.RUNNING
        assert journal.count(("a", "enter__")) == 1
        assert handle.thread.parent is sup
        assert sup.handles == [handle]
        assert sup.children == [handle.thread]
        assert await instance(handle) is handle.thread


async def test_what_a_handle_says_by_default(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        assert handle.name == "a"
        assert handle.restart_type == "permanent"
        assert handle.significant is False
        assert handle.generation == 1
        assert handle.restarts == 0
        assert handle.restarting is False
        assert handle.last_exit is None


async def test_what_was_agreed_can_be_read_back(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(
            place(Part), journal, "a", restart="transient", significant=True, name="db"
        )
        assert (handle.name, handle.restart_type, handle.significant) == ("db", "transient", True)
        assert handle.thread.getId() == "a"


async def test_an_agreed_time_to_stop_holds_for_each_instance(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        usual = await sup.spawn(place(Part), journal, "a")
        agreed = await sup.spawn(place(Part), journal, "b", stop_timeout=2.5)
        for _ in range(2):
            assert usual.thread.stop_timeout == Part.stop_timeout
            assert agreed.thread.stop_timeout == 2.5
            await usual.restart()
            await agreed.restart()


async def test_the_handle_gives_whatever_the_instance_has(
    home: Place, place: Place, journal: Journal
) -> None:
    class Rich(Part):
        async def enter__(self) -> None:
            self.extra = len(hooks(journal, "constructed"))

    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Rich), journal, "a")
        assert handle.thread.extra == 1
        assert await crash(handle) is handle.thread
        assert handle.thread.extra == 2
        await handle.restart()
        assert handle.thread.extra == 3


async def test_spawned_in_the_parents_own_enter(
    home: Place, place: Place, journal: Journal
) -> None:
    class Own(Parent):
        async def enter__(self) -> None:
            self.part = await self.spawn(place(Part), journal, "a")

    async with home(Own)(journal, "sup") as sup:
        assert sup.handles == [sup.part]
        assert sup.part.state is State.RUNNING


async def test_spawned_from_a_foreign_loop(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        handle = await asyncio.to_thread(lambda: asyncio.run(sup.spawn(place(Part), journal, "a")))
        assert sup.handles == [handle]
        assert await instance(handle) is handle.thread


async def test_the_parent_is_given_only_to_constructors_that_want_one(
    home: Place, place: Place, journal: Journal
) -> None:
    class Bare(TaskThread):
        def __init__(self, *, size: int) -> None:
            super().__init__()
            self.size = size

    async with supervisor(home, journal) as sup:
        bare = await sup.spawn(place(Bare), size=3)
        assert bare.thread.size == 3
        assert bare.thread.parent is sup
        given = await sup.spawn(place(Part), journal, "a", parent=sup)
        assert given.thread.parent is sup


# ---- starts that fail ---------------------------------------------------------------------


@pytest.mark.parametrize("restart", RESTART_TYPES)
@pytest.mark.parametrize(("word", "match"), [("unmade", "can't be made"), ("fails", "can't start")])
async def test_what_the_start_raised_comes_out_of_spawn_and_the_child_is_not_kept(
    home: Place, place: Place, journal: Journal, restart: RestartType, word: str, match: str
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        with pytest.raises(Planned, match=match):
            await sup.spawn(place(Part), journal, "a", Script(word), restart=restart)
        assert sup.handles == []
        assert sup.children == []
        assert sup.state is State.RUNNING
    assert journal.count(("a", "constructed")) == 1
    assert exits(journal) == []


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_a_child_that_ends_itself_in_its_enter_is_not_kept(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    async with supervisor(home, journal, max_restarts=0) as sup:
        with pytest.raises(StartCancelled):
            await sup.spawn(place(Part), journal, "a", Script("ends"), restart=restart)
        other = await sup.spawn(place(Part), journal, "b", restart=restart)
        assert sup.handles == [other]
        assert sup.children == [other.thread]
    assert journal.count(("a", "begins")) == 1
    assert exits(journal, "top") == [("sup", "shutdown")]


@pytest.mark.parametrize("restart", RESTART_TYPES)
async def test_nor_in_the_parents_own_enter(
    home: Place, place: Place, journal: Journal, restart: RestartType
) -> None:
    class Own(Parent):
        async def enter__(self) -> None:
            with pytest.raises(StartCancelled):
                await self.spawn(place(Part), journal, "a", Script("ends"), restart=restart)
            await self.spawn(place(Part), journal, "b", restart=restart)

    async with home(Own)(journal, "sup") as sup:
        assert [handle.name for handle in sup.handles] == ["b"]
        assert len(sup.children) == 1


async def test_one_that_returns_from_enter_after_its_own_end_is_not_kept_either(
    home: Place, place: Place, journal: Journal
) -> None:
    class Brief(Part):
        async def enter__(self) -> None:
            await self.requestTerminate()

    async with supervisor(home, journal) as sup:
        with pytest.raises(StartCancelled):
            await sup.spawn(place(Brief), journal, "a")
        assert sup.handles == []


async def test_after_a_start_that_failed_the_next_one_can_go_well(
    home: Place, place: Place, journal: Journal
) -> None:
    script = Script("fails", "unmade", "ends")
    async with supervisor(home, journal) as sup:
        for error in (Planned, Planned, StartCancelled):
            with pytest.raises(error):
                await sup.spawn(place(Part), journal, "a", script, name="a")
        handle = await sup.spawn(place(Part), journal, "a", script, name="a")
        assert handle.generation == 1
        assert sup.handles == [handle]


async def test_siblings_do_not_notice_a_start_that_fails(
    home: Place, place: Place, journal: Journal
) -> None:
    for strategy in ("one_for_one", "one_for_all", "rest_for_one"):
        async with supervisor(home, journal, strategy=strategy, max_restarts=0) as sup:
            (other,) = await spawn_all(sup, place(Part), journal, "a")
            with pytest.raises(Planned):
                await sup.spawn(place(Part), journal, "b", Script("fails"))
            assert await instance(other) is other.thread
            assert other.generation == 1
    assert lives(journal) == "+a -a +a -a +a -a"


async def test_wrong_arguments_of_the_constructor(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        with pytest.raises(TypeError, match="no_such_argument"):
            await sup.spawn(place(Part), journal, "a", no_such_argument=1)
        assert sup.handles == []


async def test_a_child_that_holds_a_stream_of_another_loop_is_refused(
    home: Place, journal: Journal
) -> None:
    class Holder(Part):
        def __init__(
            self, reader: asyncio.StreamReader, journal: Journal, name: str, parent: TaskThread
        ) -> None:
            self.reader = reader
            super().__init__(journal, name, parent=parent)

    async with supervisor(home, journal) as sup:
        with pytest.raises(WrongLoop):
            await sup.spawn(own_thread(Holder), asyncio.StreamReader(), journal, "a")
        other = await sup.spawn(own_thread(Part), journal, "b")
        assert sup.handles == [other]
        assert sup.children == [other.thread]
    assert hooks(journal, "begins", of="a") == []


async def test_a_child_that_is_stopped_while_it_starts(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        spawning = asyncio.create_task(sup.spawn(place(Part), journal, "a", Script("held")))
        await journal.seen(("a", "begins"))
        await sup.children[0].stop()
        with pytest.raises(StartCancelled):
            await spawning
        assert sup.handles == []
    assert journal.count(("a", "constructed")) == 1


async def test_a_spawn_that_is_cancelled_leaves_nothing_behind(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        spawning = asyncio.create_task(sup.spawn(place(Part), journal, "a", Script("held")))
        await journal.seen(("a", "begins"))
        (child,) = sup.children
        spawning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spawning
        assert (await child.join()).kind == "shutdown"
        other = await sup.spawn(place(Part), journal, "b")  # behind whatever is still to be done
        assert sup.handles == [other]
    assert journal.count(("a", "constructed")) == 1


async def test_a_parent_that_stops_while_a_child_starts(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        spawning = asyncio.create_task(sup.spawn(place(Part), journal, "a", Script("held")))
        await journal.seen(("a", "begins"))
        await sup.stop()
        with pytest.raises((StartCancelled, ThreadEnded)):
            await spawning
    assert exits(journal, "top") == [("sup", "shutdown")]
    assert journal.count(("a", "constructed")) == 1


async def test_not_in_a_parent_that_was_not_started(
    home: Place, place: Place, journal: Journal
) -> None:
    sup = parent_class(home)(journal, "sup")
    with pytest.raises(NotRunning):
        await sup.spawn(place(Part), journal, "a")
    assert hooks(journal, "begins") == []


async def test_not_in_a_parent_that_has_ended(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        await sup.stop()
        with pytest.raises(ThreadEnded):
            await sup.spawn(place(Part), journal, "a")
    assert hooks(journal, "begins") == []


async def test_not_in_a_parent_that_stops(home: Place, place: Place, journal: Journal) -> None:
    class Late(Parent):
        async def stopping__(self) -> None:
            with pytest.raises(ThreadEnded):
                await self.spawn(place(Part), journal, "a")
            self.note("refused")

    async with home(Late)(journal, "sup"):
        pass
    assert ("sup", "refused") in journal.entries
    assert hooks(journal, "begins") == []


# ---- parents as children ------------------------------------------------------------------


def house(home: Place, place: Place, journal: Journal, *scripts: Script) -> type[Parent]:
    """A class of parents that spawn a child for each script in their enter__."""

    class House(Parent):
        async def enter__(self) -> None:
            for name, script in zip("abcdefgh", scripts, strict=False):
                await self.spawn(place(Part), journal, name, script)
            await super().enter__()

    return home(House)


async def test_the_failing_start_of_a_grandchild_comes_out_at_the_top(
    home: Place, place: Place, journal: Journal
) -> None:
    async with home(Recorder)(journal, "top") as top:
        middle = house(home, place, journal, Script(), Script("fails"))
        with pytest.raises(Planned, match="b can't start"):
            await top.spawn(middle, journal, "sup")
        assert top.handles == top.children == []
    assert lives(journal) == "+a -a"


async def test_a_parent_that_ends_itself_in_its_enter_takes_its_children_along(
    home: Place, place: Place, journal: Journal
) -> None:
    class Brief(Parent):
        async def enter__(self) -> None:
            await self.spawn(place(Part), journal, "a")
            await self.requestTerminate()
            await forever()

    async with home(Recorder)(journal, "top") as top:
        with pytest.raises(StartCancelled):
            await top.spawn(home(Brief), journal, "sup")
        assert top.handles == top.children == []
        assert top.state is State.RUNNING
    assert lives(journal) == "+a -a"


async def test_a_parent_whose_constructor_raises(home: Place, journal: Journal) -> None:
    class Unmade(Parent):
        def initVars__(self) -> None:
            raise Planned("no parent today")

    async with home(Recorder)(journal, "top") as top:
        with pytest.raises(Planned, match="no parent today"):
            await top.spawn(home(Unmade), journal, "sup")
        assert top.handles == []


async def test_a_resource_that_is_held_elsewhere(
    home: Place, place: Place, journal: Journal
) -> None:
    held: set[str] = set()

    class Holder(Part):
        async def enter__(self) -> None:
            if "port" in held:
                raise OSError("address already in use")
            held.add("port")

        async def exit__(self) -> None:
            held.discard("port")

    async with Plain() as outside:
        first = place(Holder)(journal, "first", parent=outside)
        await first.run()
        async with supervisor(home, journal) as sup:
            with pytest.raises(OSError, match="address already in use"):
                await sup.spawn(place(Holder), journal, "a")
            assert sup.handles == []
            await first.stop()
            assert (await sup.spawn(place(Holder), journal, "a")).state is State.RUNNING
