"""The plugin costs nothing in a run that does not use it."""

from __future__ import annotations

import json
import subprocess
import sys

LOADS = """
import json, sys
import pytest, inspect
{before}
known = set(sys.modules)
import task_thread.testing.plugin
print(json.dumps(sorted(set(sys.modules) - known)))
"""


def loaded_by_plugin(before: str = "") -> list[str]:
    """What the plugin loads in a fresh interpreter, beside what `before` has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LOADS.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
    )
    names: list[str] = json.loads(done.stdout)
    return names


def test_the_plugin_loads_nothing_of_its_own() -> None:
    # The package itself loads the core when it is imported, whoever does so.
    assert loaded_by_plugin("import task_thread") == [
        "task_thread.testing",
        "task_thread.testing.plugin",
    ]
