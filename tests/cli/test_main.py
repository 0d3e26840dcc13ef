"""The script's entry point, and what is loaded for it."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from tests.project.places import pyproject
from tests.support.programs import ROOT, run_program


def test_the_script_is_there() -> None:
    module, _, name = pyproject()["project"]["scripts"]["task-thread"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "task_thread.cli", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.startswith("task-thread ")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_clear_line(missing: str) -> None:
    done = run_program(
        f"""
        import sys
        sys.modules[{missing!r}] = None
        from task_thread.cli import main
        main()
        """
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"task-thread: {missing} is not installed; the command needs: "
        "pip install 'task-thread[cli]'\n"
    )


def test_another_error_of_import_is_not_hidden() -> None:
    done = run_program(
        """
        import sys
        sys.modules["task_thread.cli.app"] = None
        from task_thread.cli import main
        main()
        """
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_looking_loads_no_web_server() -> None:
    done = run_program(
        """
        import sys
        import task_thread.cli.app
        print(sorted({"h11", "prometheus_client"} & set(sys.modules)))
        """
    )
    assert done.stdout == "[]\n", done.stderr
