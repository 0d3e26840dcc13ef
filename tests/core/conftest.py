"""Coroutine tests without a marker, places for threads, and no leak after any test."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import cast

import pytest

from task_thread.testing import no_leaks
from task_thread.testing.coroutines import run_coroutine
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Place, on_parents_loop, own_thread

PLACES = [pytest.param(own_thread, id="os-thread"), pytest.param(on_parents_loop, id="virtual")]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run every coroutine test on a loop of its own, without a marker."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run_coroutine(pyfuncitem.obj, arguments, timeout=3 * PATIENCE)
    return True


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """No test leaves an OS thread, a loop, a task or a descriptor behind."""
    with no_leaks(patience=PATIENCE):
        yield


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
