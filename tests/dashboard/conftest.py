"""The fixtures of the core's tests, quiet logs, and a small tree with a dashboard."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.core.conftest import journal, no_thread_is_left, pytest_pyfunc_call
from tests.dashboard.trees import Shop

__all__ = ["journal", "no_thread_is_left", "pytest_pyfunc_call"]


@pytest.fixture(autouse=True)
def _quiet_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is logged, but in tests that look at the log (they ask for `caplog`)."""
    before = logging.root.manager.disable
    if "caplog" not in request.fixturenames:
        logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A tree that runs, with a dashboard of ordinary limits."""
    with Shop() as tree:
        yield tree
