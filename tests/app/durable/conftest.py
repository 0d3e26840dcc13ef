"""A store's file for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.durable.hands import File


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Where the store of this test is."""
    return File(tmp_path / "mail.db")
