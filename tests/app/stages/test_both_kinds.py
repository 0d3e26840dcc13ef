"""What holds for sync and async generators alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest

from task_thread.app.stages import Advance, Stage, is_lifecycle
from task_thread.app.steps import Call
from task_thread.testing import ThreadLogs
from tests.app.stages.hands import os_threads

Journal = list[object]


def sync_steps(journal: Journal, start: int = 0) -> Generator[int, bool, str]:
    journal.append("set up")
    number = start
    try:
        while True:
            word = yield number
            journal.append(word)
            if not word:
                break
            number += 1
    finally:
        journal.append("cleaned up")
    return "done"


async def async_steps(journal: Journal, start: int = 0) -> AsyncGenerator[int, bool]:
    journal.append("set up")
    number = start
    try:
        while True:
            await asyncio.sleep(0)
            word = yield number
            journal.append(word)
            if not word:
                break
            number += 1
    finally:
        await asyncio.sleep(0)
        journal.append("cleaned up")


def sync_short(journal: Journal) -> Generator[int, bool, str]:
    journal.append("set up")
    yield 1
    return "value"


async def async_short(journal: Journal) -> AsyncGenerator[int, bool]:
    journal.append("set up")
    yield 1


def sync_failing(journal: Journal) -> Generator[int, bool, None]:
    journal.append("set up")
    yield 1
    raise LookupError("on the second tick")


async def async_failing(journal: Journal) -> AsyncGenerator[int, bool]:
    journal.append("set up")
    yield 1
    raise LookupError("on the second tick")


def sync_stubborn(journal: Journal) -> Generator[int, bool, None]:
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        journal.append("closed")


async def async_stubborn(journal: Journal) -> AsyncGenerator[int, bool]:
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        await asyncio.sleep(0)
        journal.append("closed")


def sync_bad_end(journal: Journal) -> Generator[int, bool, None]:
    yield 1
    raise LookupError("at the stop")


async def async_bad_end(journal: Journal) -> AsyncGenerator[int, bool]:
    yield 1
    raise LookupError("at the stop")


@pytest.fixture
def call() -> Iterator[Call]:
    with os_threads() as call:
        yield call


KINDS = pytest.mark.parametrize("kind", [{"sync": True}, {"sync": False}], ids=["sync", "async"])


def pick(kind: dict[str, bool], sync: Any, other: Any) -> Callable[..., Any]:
    chosen: Callable[..., Any] = sync if kind["sync"] else other
    return chosen


@KINDS
def test_set_up_once_advanced_by_each_tick_and_told_false_once(
    kind: dict[str, bool], call: Call
) -> None:
    journal: Journal = []

    async def main() -> None:
        stage = Stage(pick(kind, sync_steps, async_steps), (journal,), {"start": 5}, call)
        assert journal == []
        assert [await stage.tick() for _ in range(3)] == [Advance(5), Advance(6), Advance(7)]
        await stage.stop()
        await stage.stop()

    asyncio.run(main())
    assert journal == ["set up", True, True, False, "cleaned up"]


@KINDS
def test_stopped_before_its_first_tick_it_was_never_set_up(
    kind: dict[str, bool], call: Call
) -> None:
    journal: Journal = []

    async def main() -> None:
        stage = Stage(pick(kind, sync_steps, async_steps), (journal,), call=call)
        await stage.stop()
        assert await stage.tick() == Advance(None, ended=True)
        assert stage.over

    asyncio.run(main())
    assert journal == []


@KINDS
def test_one_that_returns_has_ended(kind: dict[str, bool], call: Call) -> None:
    journal: Journal = []

    async def main() -> None:
        stage = Stage(pick(kind, sync_short, async_short), (journal,), call=call)
        assert await stage.tick() == Advance(1)
        assert not stage.over
        assert await stage.tick() == Advance("value" if kind["sync"] else None, ended=True)
        assert stage.over
        assert await stage.tick() == Advance(None, ended=True)
        await stage.stop()

    asyncio.run(main())
    assert journal == ["set up"]


@KINDS
def test_after_an_error_the_next_tick_begins_a_fresh_one(kind: dict[str, bool], call: Call) -> None:
    journal: Journal = []

    async def main() -> None:
        stage = Stage(pick(kind, sync_failing, async_failing), (journal,), call=call)
        for _ in range(2):
            assert await stage.tick() == Advance(1)
            with pytest.raises(LookupError, match="second tick"):
                await stage.tick()
        await stage.stop()  # there is none to be told

    asyncio.run(main())
    assert journal == ["set up", "set up"]


@KINDS
def test_one_that_yields_again_after_false_is_closed_and_that_is_logged(
    kind: dict[str, bool], call: Call, thread_logs: ThreadLogs
) -> None:
    journal: Journal = []

    async def main() -> None:
        fn = pick(kind, sync_stubborn, async_stubborn)
        stage = Stage(fn, (journal,), call=call, name="polling")
        await stage.tick()
        kept = stage._steps  # or the end of its last reference would close it
        await stage.stop()
        assert kept is not None
        assert journal == ["closed"]

    asyncio.run(main())
    (line,) = [each for each in thread_logs.entries if "yielded again" in str(each)]
    assert "polling" in str(line)


@KINDS
def test_what_it_raises_at_the_stop_comes_out_of_stop(kind: dict[str, bool], call: Call) -> None:
    async def main() -> None:
        stage = Stage(pick(kind, sync_bad_end, async_bad_end), ([],), call=call)
        await stage.tick()
        with pytest.raises(LookupError, match="at the stop"):
            await stage.stop()
        assert await stage.tick() == Advance(None, ended=True)
        await stage.stop()

    asyncio.run(main())


@KINDS
def test_ticks_and_stops_at_once_take_turns(kind: dict[str, bool], call: Call) -> None:
    """ "generator already executing" is what a race of them would end with."""
    journal: Journal = []

    async def main() -> None:
        stage = Stage(pick(kind, sync_steps, async_steps), (journal,), call=call)
        ticks = [asyncio.create_task(stage.tick()) for _ in range(5)]
        stops = [asyncio.create_task(stage.stop()) for _ in range(2)]
        late = [asyncio.create_task(stage.tick()) for _ in range(3)]
        assert [await each for each in ticks] == [Advance(number) for number in range(5)]
        await asyncio.gather(*stops)
        assert [await each for each in late] == [Advance(None, ended=True)] * 3

    asyncio.run(main())
    assert journal == ["set up", True, True, True, True, False, "cleaned up"]


def test_what_is_a_lifecycle_and_what_is_none() -> None:
    class Own:
        def method(self) -> Iterator[None]:
            yield

    def plain() -> None:
        """No generator."""

    assert is_lifecycle(sync_steps)
    assert is_lifecycle(async_steps)
    assert is_lifecycle(partial(sync_steps, []))
    assert is_lifecycle(Own().method)
    assert not is_lifecycle(plain)
    assert not is_lifecycle(Own)
    with pytest.raises(TypeError, match="generator function"):
        Stage(plain)
    with pytest.raises(TypeError, match="needs a call"):
        Stage(sync_steps, ([],))
