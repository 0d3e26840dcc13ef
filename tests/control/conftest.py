"""No OS thread is left after any test; sockets live in a folder of the test's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.conftest import no_thread_is_left

__all__ = ["folder", "no_thread_is_left"]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder where control sockets live. Not tmp_path, which may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="tt-") as made:
        monkeypatch.setenv("TASK_THREAD_RUN_DIR", made)
        yield Path(made)
        assert os.listdir(made) == [], "a socket was left behind"
