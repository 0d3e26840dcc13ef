"""Parents and children."""

from __future__ import annotations

from typing import Any

import pytest

from task_thread import State, TaskThread, VirtualThread
from task_thread.errors import FamilyError, NotRunning, ThreadEnded
from tests.support.journal import Journal
from tests.support.threads import Held, Place, Plain, Recorder, message


class Named(TaskThread):
    def __init__(self, name: Any, parent: TaskThread | None = None) -> None:
        self.name = name
        super().__init__(parent=parent)

    def getId(self) -> Any:
        return self.name


class Other(Named):
    pass


async def test_run_adds_a_child_once(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Plain)(parent=root)
        await root.addChild(child)
        assert root.children == [child]
        await child.run()
        await root.addChild(child)
        assert root.children == [child]


async def test_add_child_gives_it_its_parent(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Plain)()
        await root.addChild(child)
        assert child.parent is root
        await child.run()
        assert child.state is State.RUNNING
    assert child.state is State.STOPPED


async def test_add_child_refuses(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        wrong: Any = "child"
        with pytest.raises(TypeError):
            await root.addChild(wrong)
        with pytest.raises(FamilyError):
            await root.addChild(root)
        parent = place(Plain)(parent=root)
        await parent.run()
        with pytest.raises(FamilyError):
            await parent.addChild(root)
        child = place(Plain)(parent=root)
        with pytest.raises(FamilyError):
            await parent.addChild(child)
        ended = place(Plain)(parent=root)
        await ended.run()
        await ended.stop()
        with pytest.raises(ThreadEnded):
            await root.addChild(ended)
        with pytest.raises(NotRunning):
            await place(Plain)().addChild(place(Plain)())
    with pytest.raises(ThreadEnded):
        await root.addChild(place(Plain)())


async def test_children_is_a_list_of_ones_own_in_the_order_of_their_start(
    home: Place, place: Place
) -> None:
    async with home(Plain)() as root:
        started = [place(Plain)(parent=root) for _ in range(5)]
        for child in reversed(started):
            await child.run()
        assert root.children == list(reversed(started))
        root.children.clear()
        assert len(root.children) == 5


async def test_del_child_stops_and_forgets_it(home: Place, place: Place, journal: Journal) -> None:
    async with home(Plain)() as root:
        child = place(Recorder)(journal, parent=root)
        await child.run()
        await root.delChild(child)
        assert root.children == []
        assert child.state is State.STOPPED
        assert journal.count(("thread", "exit__")) == 1
        await root.delChild(child)  # none of its children any more: left alone


async def test_del_child_leaves_strangers_alone(home: Place, place: Place) -> None:
    async with home(Plain)() as root, VirtualThread() as other:
        stranger = place(Plain)(parent=other)
        await stranger.run()
        await root.delChild(stranger)
        assert stranger.state is State.RUNNING


async def test_del_child_from_within_the_child(home: Place, place: Place, journal: Journal) -> None:
    class Child(Held):
        async def signalHandler__(self, signal: Any) -> None:
            assert self.parent is not None
            await self.parent.delChild(self)
            self.note("went on")

    async with home(Plain)() as root:
        child = place(Child)(journal, parent=root)
        await child.run()
        await child.insertSignal(message(1))
        await child.join()
    assert ("thread", "went on") in journal.entries


async def test_find_child(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        zero, one, text = (
            place(Named)(0, parent=root),
            place(Other)(1, parent=root),
            place(Other)("one", parent=root),
        )
        for child in (zero, one, text):
            await child.run()
        assert root.findChild(0) is zero  # 0 is an id like others
        assert root.findChild(_id=1) is one
        assert root.findChild(_class=Other) is one
        assert root.findChild("one", Other) is text
        assert root.findChild(0, Other) is None
        assert root.findChild("unknown") is None
        assert root.findChild(_class=Recorder) is None
        assert root.findChild() is None
        assert root.getChildIds() == [0, 1, "one"]
        assert root.getChildIds(_class=Other) == [1, "one"]
        assert root.getChildIds(Recorder) == []


async def test_find_child_knows_nobody_who_has_ended(home: Place, place: Place) -> None:
    async with home(Plain)() as root:
        child = place(Named)("gone", parent=root)
        await child.run()
        await child.stop()
        assert root.findChild("gone") is None
        assert root.getChildIds() == []


async def test_default_ids_are_class_and_number(place: Place) -> None:
    first, second = place(Named)("x"), place(Plain)()
    assert first.getId() == "x"
    assert str(second).startswith("Plain-")
    assert str(place(Plain)()) != str(second)
    assert second.getInfo() == repr(second)
    assert "new" in repr(second)


async def test_a_deep_tree_stops_from_below(place: Place, journal: Journal) -> None:
    class Level(Recorder):
        def __init__(self, depth: int, parent: TaskThread | None = None) -> None:
            self.depth = depth
            super().__init__(journal, str(depth), parent=parent)

        async def enter__(self) -> None:
            if self.depth < 6:
                await place(Level)(self.depth + 1, parent=self).run()

    async with place(Level)(0):
        pass
    exits = [name for name, what in journal.entries if what == "exit__"]
    assert exits == ["6", "5", "4", "3", "2", "1", "0"]
