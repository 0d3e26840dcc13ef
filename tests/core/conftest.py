"""Async tests without a plugin, places for threads, and no leak after any test."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Place, on_parents_loop, own_thread

PLACES = [pytest.param(own_thread, id="os-thread"), pytest.param(on_parents_loop, id="virtual")]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def whole() -> None:
        async with asyncio.timeout(3 * PATIENCE):
            await pyfuncitem.obj(**arguments)

    with asyncio.Runner() as runner:
        runner.run(whole())
    return True


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every OS thread that a test starts has ended soon after it."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread} was left behind"


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    """Where the thread under test lives."""
    return cast(Place, request.param)


@pytest.fixture(params=PLACES)
def home(request: pytest.FixtureRequest) -> Place:
    """Where its parent lives."""
    return cast(Place, request.param)
