"""Daemons to look into: one that many tests share, and ones of a test's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.daemons import Daemon
from tests.core.conftest import no_thread_is_left

__all__ = ["daemon", "fresh", "no_thread_is_left", "sockets_folder"]


@pytest.fixture(scope="package")
def sockets_folder() -> Iterator[Path]:
    """Where control sockets live while these tests run."""
    with tempfile.TemporaryDirectory(prefix="tt-") as made:
        yield Path(made)


@pytest.fixture(autouse=True)
def _there(sockets_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASK_THREAD_RUN_DIR", str(sockets_folder))


@pytest.fixture(scope="package")
def daemon(sockets_folder: Path) -> Iterator[Daemon]:
    """A daemon that tests look into, and leave as it is."""
    with Daemon("shared", sockets_folder) as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of the test's own, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tt-") as made, Daemon("fresh", Path(made)) as running:
        yield running
