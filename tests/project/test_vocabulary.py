"""The family vocabulary is closed: the public names that aren't PEP 8 are exactly that list."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import task_thread
from task_thread import TaskThread, signals
from tests.project.places import PACKAGE, pyproject, read

PAGE = "docs/explanation/vocabulary.md"

FAMILY = {
    "verbs": "reCreate reSchedule delete verbose",
    "attributes": "tasks locks logger parent children max_qsize",
    "lifecycle": "run stop join terminate requestTerminate",
    "signals": "insertSignal sigFromParentToChild__ sigFromChildToParent__ getMessage",
    "family": "addChild delChild findChild getChildIds",
    "hooks": "initVars__ enter__ exit__ signalHandler__ childsignalHandler__ "
    "inputOverflowHandler__ outputOverflowHandler__ getId getInfo",
}
# The hooks that the original library did not have, spelled like their siblings.
NEW_HOOKS = {"stopping__", "childExited__"}

NAMES = {name for line in FAMILY.values() for name in line.split()}
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*_?")
UPPER = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
CAP_WORDS = re.compile(r"([A-Z][a-z0-9]*)+")
TYPE_VARIABLE = re.compile(r"([A-Z][a-z0-9]*)+_(co|contra)")  # PEP 8 wants the suffix for these


def is_public(name: str) -> bool:
    return not name.startswith("_")


def names_in(source: str) -> Iterator[tuple[str, bool]]:
    """Each public name that a module binds, and whether it is PEP 8 for what it names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, bool(SNAKE.fullmatch(node.name))
        elif isinstance(node, ast.ClassDef):
            yield node.name, bool(CAP_WORDS.fullmatch(node.name))
        elif isinstance(node, ast.arg):
            yield node.arg, bool(SNAKE.fullmatch(node.arg))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, bool(SNAKE.fullmatch(node.attr))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            good = (SNAKE, UPPER, CAP_WORDS, TYPE_VARIABLE)  # variables, constants, type aliases
            yield node.id, any(rule.fullmatch(node.id) for rule in good)


def not_pep8(source: str) -> set[str]:
    return {name for name, good in names_in(source) if is_public(name) and not good}


def test_rule_sees_what_is_wrong() -> None:
    source = (
        "class lower: pass\n"
        "def readPort(baudRate): pass\n"
        "async def open__(self): self.lastError = Mixed_Case = 1\n"
        "def fine(self, _id): self.x = CONSTANT = Alias = type_ = 1\n"
    )
    assert not_pep8(source) == {
        "lower", "readPort", "baudRate", "open__", "lastError", "Mixed_Case",
    }  # fmt: skip


def test_list_is_closed() -> None:
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in not_pep8(path.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    allowed = {name for name in NAMES if not SNAKE.fullmatch(name)} | NEW_HOOKS
    strangers = {name: where for name, where in found.items() if name not in allowed}
    assert strangers == {}
    assert set(found) == allowed


@pytest.mark.parametrize("name", sorted((NAMES | NEW_HOOKS) - {"getMessage"}))
def test_name_is_there(name: str) -> None:
    is_verb = name in FAMILY["verbs"].split()
    assert hasattr(task_thread if is_verb else TaskThread(), name)


def test_message_signal_has_get_message() -> None:
    assert signals.MessageSignal("origin", 7).getMessage() == 7


def test_parameters_keep_their_names() -> None:
    def parameters(function: object) -> list[str]:
        assert callable(function)
        return list(inspect.signature(function).parameters)

    assert parameters(TaskThread) == ["parent"]
    assert parameters(TaskThread.findChild) == ["self", "_id", "_class"]
    assert parameters(TaskThread.getChildIds) == ["self", "_class"]
    assert parameters(TaskThread.sigFromParentToChild__) == ["self", "signal", "child"]
    assert parameters(TaskThread.childsignalHandler__) == ["self", "signal", "child"]
    assert parameters(signals.MessageSignal) == ["origin", "message"]


def test_page_lists_the_same_names() -> None:
    rows = re.findall(r"^\| (\w+) \| (`.*`) \|$", read(PAGE), re.MULTILINE)
    assert {kind: names.replace("`", "") for kind, names in rows} == FAMILY
    assert set(re.findall(r"`(\w+__)`", read(PAGE).split("later")[1].split("\n")[0])) == NEW_HOOKS


def test_linter_excepts_the_same_names() -> None:
    excepted = set(pyproject()["tool"]["ruff"]["lint"]["pep8-naming"]["ignore-names"])
    mixed_case = {name for name in NAMES | NEW_HOOKS if name.lower() != name}
    assert excepted == mixed_case


def test_walk_reaches_every_room() -> None:
    assert Path("core/thread.py") in {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
