"""The fixtures of the core's tests, and quiet logs: hundreds of intended crashes are no news."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.core.conftest import (
    home,
    journal,
    no_thread_is_left,
    place,
    pytest_pyfunc_call,
)

__all__ = ["home", "journal", "no_thread_is_left", "place", "pytest_pyfunc_call"]


@pytest.fixture(autouse=True)
def _quiet_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is logged, but in tests that look at the log (they ask for `caplog`)."""
    before = logging.root.manager.disable
    if "caplog" not in request.fixturenames:
        logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
