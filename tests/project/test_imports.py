"""Who imports whom: the contracts hold, and each of them bites."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.places import PACKAGE, REPOSITORY

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

NEW_MODULES = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in `folder`."""
    pytest.importorskip("importlinter", reason="the contracts need import-linter")
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter loads for a statement."""
    done = subprocess.run(
        [sys.executable, "-c", NEW_MODULES.format(statement=statement)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def third_party(modules: set[str]) -> set[str]:
    """The top-level names among them that are neither Python's nor ours."""
    names = {name.partition(".")[0] for name in modules}
    return names - set(sys.stdlib_module_names) - {"task_thread"}


def test_contracts_hold() -> None:
    done = lint_imports(REPOSITORY)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("errors.py", "from task_thread import core", "cli -> monitor"),
        ("signals.py", "from task_thread.core import thread", "cli -> monitor"),
        ("core/tasks.py", "import janus", "imports janus"),
        ("core/lifecycle.py", "import asyncio", "pure modules"),
        ("core/supervision.py", "import time", "pure modules"),
        ("core/family.py", "import task_thread", "public face"),
        ("stranger.py", "", "cli -> monitor"),
    ],
)
def test_contract_bites(tmp_path: Path, module: str, line: str, contract: str) -> None:
    copy = tmp_path / "task_thread"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    path = copy / module
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode != 0, done.stdout
    # The broken contract, and it alone: a failure for another reason is no proof.
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert len(broken) == 1, done.stdout
    assert contract in broken[0]


def test_import_loads_the_core_alone() -> None:
    loaded = loaded_by("import task_thread")
    assert "task_thread.core.thread" in loaded
    layers = ("app", "cli", "flows", "monitor", "testing")
    above = {name for name in loaded if name.startswith(tuple(f"task_thread.{x}" for x in layers))}
    assert above == set()


def test_import_loads_janus_and_structlog_and_no_other_package() -> None:
    # structlog loads what it finds to render tracebacks with: that is its own affair.
    theirs = third_party(loaded_by("import asyncio, janus, structlog"))
    assert third_party(loaded_by("import task_thread")) == theirs
    assert {"janus", "structlog"} <= theirs
