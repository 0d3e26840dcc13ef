"""Whatever is wrong in the agreement about a child is said at once, in one clear line."""

from __future__ import annotations

import math
from typing import Any

import pytest

from task_thread import Backoff, TaskThread, VirtualThread
from task_thread.signals import Signal
from tests.supervision.parts import Parent, Part, hooks, instance, parent_class, supervisor
from tests.support.journal import Journal
from tests.support.threads import Place


def one_line(error: BaseException) -> str:
    text = str(error)
    assert text
    assert "\n" not in text
    return text


# ---- what a class says --------------------------------------------------------------------

WRONG_SETTINGS: list[tuple[str, Any, str]] = [
    ("strategy", "none_for_one", "one_for_one, one_for_all, rest_for_one.*'none_for_one'"),
    ("strategy", "One_For_One", "one_for_one"),
    ("strategy", None, "one_for_one"),
    ("strategy", 1, "one_for_one"),
    ("strategy", ["one_for_one"], "one_for_one"),
    ("max_restarts", -1, "max_restarts.*-1"),
    ("max_restarts", 2.5, "max_restarts.*2.5"),
    ("max_restarts", math.inf, "max_restarts.*inf"),
    ("max_restarts", "3", "max_restarts.*'3'"),
    ("max_restarts", None, "max_restarts.*None"),
    ("restart_window", 0, "restart_window.*0"),
    ("restart_window", -5.0, "restart_window.*-5.0"),
    ("restart_window", math.nan, "restart_window.*nan"),
    ("restart_window", "5", "restart_window.*'5'"),
    ("restart_window", None, "restart_window.*None"),
    ("auto_shutdown", "sometimes", "any_significant, all_significant, never.*'sometimes'"),
    ("auto_shutdown", None, "any_significant"),
    ("auto_shutdown", True, "any_significant"),
]


@pytest.mark.parametrize(("name", "value", "match"), WRONG_SETTINGS)
def test_wrong_settings_of_a_class(name: str, value: Any, match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=match) as caught:
        type("Wrong", (Parent,), {name: value})
    assert name in one_line(caught.value)


@pytest.mark.parametrize(("name", "value", "match"), WRONG_SETTINGS)
async def test_wrong_settings_of_an_instance(
    journal: Journal, name: str, value: Any, match: str
) -> None:
    class Wrong(Parent):
        def initVars__(self) -> None:
            setattr(self, name, value)

    async with Wrong(journal, "sup") as sup:
        with pytest.raises((TypeError, ValueError), match=match) as caught:
            await sup.spawn(Part, journal, "a")
        assert name in one_line(caught.value)
        assert sup.handles == []
    assert hooks(journal, "constructed", "begins") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("strategy", word) for word in ("one_for_one", "one_for_all", "rest_for_one")),
        *(("max_restarts", number) for number in (0, 1, 10_000)),
        *(("restart_window", seconds) for seconds in (1e-9, 1, 5.0, 1e9)),
        *(("auto_shutdown", word) for word in ("any_significant", "all_significant", "never")),
        ("a_setting_of_the_users_own", object()),
    ],
)
async def test_good_settings(home: Place, journal: Journal, name: str, value: Any) -> None:
    async with supervisor(home, journal, **{name: value}) as sup:
        handle = await sup.spawn(VirtualPart, journal, "a", restart="transient")
        assert sup.handles == [handle]


class VirtualPart(Part, VirtualThread):
    """Cheap enough to be spawned hundreds of times."""


def test_the_defaults() -> None:
    assert TaskThread.strategy == "one_for_one"
    assert TaskThread.max_restarts == 3
    assert TaskThread.restart_window == 5.0
    assert TaskThread.auto_shutdown == "any_significant"


# ---- what spawn is given ------------------------------------------------------------------

WRONG_OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"restart": "prmanent"}, ValueError, "permanent, transient, temporary.*'prmanent'"),
    ({"restart": None}, ValueError, "permanent"),
    ({"restart": True}, ValueError, "permanent"),
    ({"restart": ["permanent"]}, ValueError, "permanent"),
    ({"stop_timeout": -10}, ValueError, "stop_timeout.*-10"),
    ({"stop_timeout": math.nan}, ValueError, "stop_timeout.*nan"),
    ({"stop_timeout": "10"}, TypeError, "stop_timeout.*'10'"),
    ({"significant": True}, ValueError, "significant"),
    ({"significant": True, "restart": "permanent"}, ValueError, "significant"),
    ({"backoff": 1.0}, TypeError, "backoff.*1.0"),
    ({"backoff": Backoff}, TypeError, "backoff"),
]


@pytest.mark.parametrize(("options", "error", "match"), WRONG_OPTIONS)
async def test_wrong_options_of_spawn(
    home: Place, journal: Journal, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    async with supervisor(home, journal) as sup:
        with pytest.raises(error, match=match) as caught:
            await sup.spawn(Part, journal, "a", **options)
        one_line(caught.value)
        assert sup.handles == sup.children == []
    assert hooks(journal, "constructed", "begins") == []


class NoThread:
    """Anything but a TaskThread."""


WRONG_CLASSES: list[Any] = [NoThread, object, int, "Part", None, 3, Part.enter__, lambda: None]


@pytest.mark.parametrize("wrong", WRONG_CLASSES)
async def test_what_is_no_class_of_task_threads(home: Place, journal: Journal, wrong: Any) -> None:
    async with supervisor(home, journal) as sup:
        with pytest.raises(TypeError, match="TaskThread") as caught:
            await sup.spawn(wrong)
        one_line(caught.value)
        assert sup.handles == []


async def test_an_instance_in_place_of_a_class(home: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        fresh = Part(journal, "a")
        with pytest.raises(TypeError, match="class") as caught:
            await sup.spawn(fresh)  # type: ignore[arg-type]
        one_line(caught.value)
        assert sup.handles == []
        assert fresh.parent is None


class Single(type):
    """Classes that make one instance, and hand it out again and again."""

    made: TaskThread | None = None

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls.made is None:
            cls.made = super().__call__(*args, **kwargs)
        return cls.made


async def test_a_class_that_hands_out_an_instance_that_runs(
    home: Place, place: Place, journal: Journal
) -> None:
    class Only(place(Part), metaclass=Single):  # type: ignore[misc]
        pass

    async with supervisor(home, journal) as one, supervisor(home, journal) as two:
        first = await one.spawn(Only, journal, "a", parent=None)
        with pytest.raises(TypeError, match="new instance") as caught:
            await two.spawn(Only, journal, "a")
        one_line(caught.value)
        assert two.handles == []
        assert await instance(first) is first.thread


RESTARTS = ("permanent", "transient", "temporary")
TIMEOUTS = (None, 0, 0.5, 1000, math.inf)


@pytest.mark.parametrize("restart", RESTARTS)
@pytest.mark.parametrize("significant", [False, True])
@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant", "never"])
async def test_which_of_the_combinations_are_good(
    journal: Journal, restart: Any, significant: bool, auto_shutdown: str
) -> None:
    good = not significant or (restart != "permanent" and auto_shutdown != "never")
    made = parent_class(lambda cls: cls, auto_shutdown=auto_shutdown)
    for backoff in (None, Backoff()):
        for timeout in TIMEOUTS:
            async with made(journal, "sup") as sup:
                spawning = sup.spawn(
                    VirtualPart, journal, "a", restart=restart, stop_timeout=timeout,
                    significant=significant, backoff=backoff,
                )  # fmt: skip
                if good:
                    handle = await spawning
                    assert sup.handles == [handle]
                else:
                    with pytest.raises(ValueError, match="significant"):
                        await spawning
                    assert sup.handles == []


# ---- names --------------------------------------------------------------------------------


async def test_a_name_is_given_once(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        first = await sup.spawn(place(Part), journal, "a", name="db")
        with pytest.raises(ValueError, match="'db'") as caught:
            await sup.spawn(place(Part), journal, "b", name="db")
        one_line(caught.value)
        await first.stop()  # it is down, and its name is still its own
        with pytest.raises(ValueError, match="'db'"):
            await sup.spawn(place(Part), journal, "c", name="db")
        assert sup.handles == [first]
        await sup.delChild(first)
        second = await sup.spawn(place(Part), journal, "d", name="db")
        assert sup.handles == [second]
    assert hooks(journal, "constructed", of="bc") == []


async def test_ids_may_repeat(home: Place, place: Place, journal: Journal) -> None:
    async with supervisor(home, journal) as sup:
        first = await sup.spawn(place(Part), journal, "a")
        second = await sup.spawn(place(Part), journal, "a")
        assert sup.handles == [first, second]
        assert sup.findChild("a") is first.thread


async def test_two_parents_may_use_the_same_name(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as one, supervisor(home, journal) as two:
        first = await one.spawn(place(Part), journal, "a", name="db")
        second = await two.spawn(place(Part), journal, "b", name="db")
        assert first.name == second.name == "db"


# ---- what handles are given ---------------------------------------------------------------


async def test_what_is_no_signal_is_refused_by_the_handle(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as sup:
        handle = await sup.spawn(place(Part), journal, "a")
        for wrong in ("text", None, Part, handle):
            anything: Any = wrong
            with pytest.raises(TypeError):
                handle.post(anything)
            with pytest.raises(TypeError):
                await handle.insertSignal(anything)
            with pytest.raises(TypeError):
                await handle.ask(anything)
        assert handle.statistics().inbox.accepted == 0


@pytest.mark.parametrize("wrong", ["a", None, 3, Part])
async def test_what_is_no_child_is_refused(home: Place, journal: Journal, wrong: Any) -> None:
    async with supervisor(home, journal) as sup:
        if wrong is not None:
            with pytest.raises(TypeError):
                await sup.sigFromParentToChild__(Signal(), wrong)
        await sup.delChild(wrong)


async def test_a_handle_of_other_parents_is_left_alone(
    home: Place, place: Place, journal: Journal
) -> None:
    async with supervisor(home, journal) as one, supervisor(home, journal) as two:
        handle = await one.spawn(place(Part), journal, "a")
        await two.delChild(handle)
        await two.delChild(handle.thread)
        assert one.handles == [handle]
        assert handle.generation == 1
        assert await instance(handle) is handle.thread
