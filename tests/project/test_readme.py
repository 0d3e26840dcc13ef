"""README promises things: they are tried as printed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.cases import SECTIONS
from tests.benchmarks.measuring import FREE_PYTHON_VARIABLE
from tests.project.places import REPOSITORY, fenced, read

PROGRAM = fenced(read("README.md"), "python")[0]
SHOWN = fenced(read("README.md"), "console")[0]


def test_program_is_small_and_complete() -> None:
    lines = [line for line in PROGRAM.splitlines() if line.strip()]
    assert len(lines) <= 15
    assert 'if __name__ == "__main__":' in PROGRAM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_program_runs_as_printed(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "hello.py"
    script.write_text(PROGRAM, encoding="utf-8")
    promised = [line for line in SHOWN.splitlines() if line.startswith("Hello")]
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        try:
            said = [process.stderr.readline().rstrip("\n") for _ in promised[:2]]
            process.send_signal(number)
            _, rest = process.communicate(timeout=20)
        finally:
            process.kill()
    assert said == promised[:2]
    assert rest.splitlines() == promised[2:]
    assert process.returncode == 0


def test_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", read(page))
        missing = [target for target in targets if not (REPOSITORY / target).exists()]
        assert missing == [], page


@pytest.mark.skipif(shutil.which("make") is None, reason="make isn't there")
def test_help_tells_of_every_target_that_the_pages_name() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    pages = read("README.md") + read("CONTRIBUTING.md") + read("docs/performance.md")
    targets = set(re.findall(r"(?:^ *|`)make ([a-z-]+)", pages, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert {"demo", "test", "check", "bench"} <= targets <= set(phony.split())
    assert set(re.findall(r"^  make ([a-z-]+)", told, re.MULTILINE)) == {*phony.split()} - {"help"}


def test_performance_page_has_a_place_for_each_table() -> None:
    page = read("docs/performance.md")
    for section in SECTIONS:
        first, last = report.BEGIN.format(section.name), report.END.format(section.name)
        assert page.count(first) == page.count(last) == 1
        assert page.index(first) < page.index(last)
    assert f"`{FREE_PYTHON_VARIABLE}`" in page
