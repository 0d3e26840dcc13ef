"""A stage for each test of flows, and seeds for those that throw dice."""

from __future__ import annotations

import logging
import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.durable.hands import File
from tests.flows import stage as stages
from tests.flows.hands import Watched, app_of
from tests.flows.stage import Stage

_GIVEN = os.environ.get("TASK_THREAD_SEED", "")
SEED = int(_GIVEN) if _GIVEN else secrets.randbelow(2**32)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """What the tasks of this test do, and who was called."""
    made = Stage()
    monkeypatch.setattr(stages, "STAGE", [made])
    return made


@pytest.fixture
def flows(stage: Stage) -> Iterator[Watched]:
    """An app without a store, that runs."""
    with Watched(app_of()) as watched:
        yield watched


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The random numbers of one test; the seed is printed."""
    print(f"TASK_THREAD_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.originalname}")


@pytest.fixture
def quiet_logs() -> Iterator[None]:
    """Hundreds of intended failures are no news."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A store that is a file, for tests that look at it from outside."""
    return File(tmp_path / "flows.db")
