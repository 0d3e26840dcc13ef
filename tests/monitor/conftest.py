"""Async tests, journals and leak checks as for the core, and a systemd that tests can read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.conftest import journal, no_thread_is_left, pytest_pyfunc_call
from tests.monitor.support import FakeSystemd

__all__ = ["fake_systemd", "journal", "no_thread_is_left", "pytest_pyfunc_call"]


@pytest.fixture(params=["file", "abstract"])
def fake_systemd(request: pytest.FixtureRequest) -> Iterator[FakeSystemd]:
    """A systemd, on a socket with a file and on one without."""
    with FakeSystemd(abstract=request.param == "abstract") as systemd:
        yield systemd
