"""The load of the benchmarks of runs: a trivial function, called so many times."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
WARM_UP = 1_000  # runs ahead of the measured ones
THREADS = 8  # for runs of a plain function


async def same(number: int) -> int:
    """What is run: as little as can be."""
    return number


def same_now(number: int) -> int:
    """The same for those that take no coroutine."""
    return number


async def rate_of_runs(
    add: Callable[[int], Awaitable[T]],
    results: Callable[[Sequence[T]], Awaitable[Sequence[int]]],
    size: int,
) -> float:
    """Runs per second, from the first one added to the result of the last one, on one loop.

    :param add: adds the run of a number.
    :param results: waits for all of them.
    """
    for count in (WARM_UP, size):
        began = perf_counter()
        runs = [await add(number) for number in range(count)]
        found = await results(runs)
        took = perf_counter() - began
        check(found, count)
    return size / took


def rate_of_calls(
    add: Callable[[int], T],
    results: Callable[[Sequence[T]], Sequence[int]],
    size: int,
    warm_up: int = WARM_UP,
) -> float:
    """The same where runs are added and waited for by plain calls, from a thread of their own."""
    for count in (warm_up, size):
        began = perf_counter()
        runs = [add(number) for number in range(count)]
        found = results(runs)
        took = perf_counter() - began
        check(found, count)
    return size / took


async def gathered(runs: Sequence[Awaitable[int]]) -> list[int]:
    """The results of runs, one awaited after the other."""
    return [await run for run in runs]


def check(found: Sequence[int], count: int) -> None:
    """Hold it to its word.

    :raises AssertionError: a run gave another result than it had to.
    """
    assert list(found) == list(range(count)), "a run gave another result than it had to"
