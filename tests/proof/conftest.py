"""The seed of the proofs, and quiet logs: hundreds of intended crashes are no news."""

from __future__ import annotations

import logging
import os
import random
import secrets
import sys
from collections.abc import Iterator

import pytest

_GIVEN = os.environ.get("TASK_THREAD_SEED", "")
SEED = int(_GIVEN) if _GIVEN else secrets.randbelow(2**32)


def pytest_report_header() -> str:
    """Name the seed at the top of the run."""
    return f"TASK_THREAD_SEED={SEED}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the seed to the tests that want it, so that it stands in their names."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", [pytest.param(SEED, id=f"seed={SEED}")])


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """The random numbers of one test: its own row, whichever other tests run before it."""
    print(f"TASK_THREAD_SEED={seed}")
    return random.Random(f"{seed} {request.node.originalname}")


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.fixture(params=["usual", "restless"])
def switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs the test twice: as the interpreter switches between OS threads, and far more often."""
    before = sys.getswitchinterval()
    if request.param == "restless":
        sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)
