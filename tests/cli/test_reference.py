"""The page about the command says what the command says."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from task_thread.cli.app import app
from tests.cli import reference
from tests.project.places import PACKAGE

COMMANDS = list(reference.commands())
CONTRACT = [
    "run", "ps", "tree", "top", "stacks", "log-level", "stop",
    "flows ls", "flows show", "flows submit", "flows resume", "flows cancel",
]  # fmt: skip


def test_the_page_is_in_step() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "write it anew: python -m tests.cli.reference"
    )


def test_the_commands() -> None:
    assert COMMANDS == CONTRACT


@pytest.mark.parametrize("command", CONTRACT)
def test_help_teaches_with_examples(command: str) -> None:
    result = CliRunner().invoke(
        app,
        [*command.split(), "--help"],
        env={"COLUMNS": "120", "TERM": "dumb"},
        prog_name="task-thread",
    )
    assert result.exit_code == 0
    assert "Examples" in result.output
    assert f"$ task-thread {command}" in result.output
    page = reference.PAGE.read_text(encoding="utf-8").partition(f"\n## {command}\n")[2]
    section = page.partition("\n## ")[0]
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", result.output.partition("─ Options")[2]))
    for option in options - {"--help"}:
        assert f"`{option}" in section, option


@pytest.mark.parametrize("command", CONTRACT)
def test_examples_are_calls_that_would_be_understood(command: str) -> None:
    """Each option in an example is one that the command has."""
    made = reference.commands()[command]
    known = {name for parameter in made.params for name in parameter.opts} | {"--"}
    for line in re.findall(r"^ +\$ task-thread (.*)$", made.help, re.MULTILINE):
        words = line.partition(" | ")[0].split()
        assert words[: len(command.split())] == command.split()
        assert {word for word in words if word.startswith("--")} <= known


def test_every_module_of_the_command_is_on_the_page() -> None:
    there = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - {"__init__", "__main__"}
    assert set(reference.MODULES) == there
