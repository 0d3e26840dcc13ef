"""A one-shot event with a value, from any thread, for any loop."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

import pytest

from task_thread.latch import Latch
from tests.support.journal import PATIENCE


def test_it_has_its_value_once_set() -> None:
    latch: Latch[int] = Latch()
    assert not latch.is_set()
    with pytest.raises(LookupError):
        latch.get()
    assert latch.set(0)
    assert latch.is_set()
    assert latch.get() == 0


def test_none_is_a_value() -> None:
    latch: Latch[None] = Latch()
    latch.set(None)
    assert latch.is_set()
    assert latch.get() is None


def test_the_first_value_counts() -> None:
    latch: Latch[int] = Latch()
    assert latch.set(1)
    assert not latch.set(2)
    assert latch.get() == 1


def test_of_many_threads_that_set_it_one_is_first() -> None:
    latch: Latch[int] = Latch()
    barrier = threading.Barrier(8)
    first: list[int] = []

    def race(number: int) -> None:
        barrier.wait(PATIENCE)
        if latch.set(number):
            first.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert first == [latch.get()]


async def test_wait_returns_at_once_when_it_is_set() -> None:
    latch: Latch[int] = Latch()
    latch.set(1)
    assert await latch.wait(0)
    assert await latch.wait()


async def test_wait_on_this_loop_for_another_thread() -> None:
    latch: Latch[int] = Latch()
    waiting = asyncio.create_task(latch.wait())
    await asyncio.sleep(0)
    thread = threading.Thread(target=latch.set, args=(7,))
    thread.start()
    assert await waiting
    assert latch.get() == 7
    thread.join()


async def test_wait_on_many_loops() -> None:
    latch: Latch[int] = Latch()
    there = [asyncio.to_thread(lambda: asyncio.run(latch.wait(PATIENCE))) for _ in range(3)]
    tasks = [asyncio.create_task(each) for each in there]
    here = asyncio.create_task(latch.wait(PATIENCE))
    await asyncio.sleep(0)
    latch.set(1)
    assert await asyncio.gather(here, *tasks) == [True] * 4


async def test_wait_times_out_and_leaves_nothing_behind() -> None:
    latch: Latch[int] = Latch()
    begun = monotonic()
    assert not await latch.wait(0.02)
    assert 0.02 <= monotonic() - begun < 1
    assert not await latch.wait(0)
    latch.set(1)
    assert await latch.wait(0)


async def test_cancelled_wait_cancels_nobody_else() -> None:
    latch: Latch[int] = Latch()
    impatient, patient = (asyncio.create_task(latch.wait()) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    latch.set(1)
    assert await patient


async def test_poke_wakes_without_a_value() -> None:
    latch: Latch[int] = Latch()
    once = asyncio.create_task(latch.wait_once())
    until = asyncio.create_task(latch.wait(PATIENCE))
    await asyncio.sleep(0)
    latch.poke()
    await once
    assert not latch.is_set()
    assert not until.done()
    latch.set(1)
    assert await until


def test_setting_it_is_no_error_when_a_waiting_loop_was_closed() -> None:
    latch: Latch[int] = Latch()
    loop = asyncio.new_event_loop()
    task = loop.create_task(latch.wait())
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert latch.set(1)
