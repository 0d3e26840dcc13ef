"""What is exported is documented, and what is documented is there."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import task_thread
from tests.project.places import DOCS, REPOSITORY, modules, pyproject, read

DIRECTIVE = re.compile(
    r"^\.\. auto(?:class|data|exception|function):: (task_thread[\w.]*)", re.MULTILINE
)
WHOLE_MODULE = re.compile(r"^\.\. automodule:: (task_thread[\w.]*)\n   :members:$", re.MULTILINE)

REFERENCE = "\n".join(
    page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md"))
)


@pytest.mark.parametrize("name", sorted(task_thread.__all__))
def test_exported_name_stands_in_the_reference(name: str) -> None:
    documented = set(DIRECTIVE.findall(REFERENCE)) | set(WHOLE_MODULE.findall(REFERENCE))
    assert f"task_thread.{name}" in documented


@pytest.mark.parametrize("path", sorted(DIRECTIVE.findall(REFERENCE)))
def test_documented_name_is_exported(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert name in importlib.import_module(module).__all__


@pytest.mark.parametrize("module", ["task_thread", "task_thread.signals", "task_thread.errors"])
def test_all_is_exact(module: str) -> None:
    loaded = importlib.import_module(module)
    assert len(set(loaded.__all__)) == len(loaded.__all__)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []
    defined = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))
        if value.__module__ == module
    }
    assert defined <= set(loaded.__all__)


def test_import_line_of_the_original_library_works() -> None:
    namespace: dict[str, object] = {}
    exec(
        "from task_thread import TaskThread, reCreate, reSchedule, delete, verbose, signals",
        namespace,
    )
    original = {"Signal", "MessageSignal", "TerminateSignal", "CloseSignal"}
    assert original <= set(dir(namespace["signals"]))


def test_changelog_tells_of_this_version() -> None:
    assert pyproject()["tool"]["hatch"]["version"]["path"] == "task_thread/__init__.py"
    assert re.search(
        rf"^## \[.*\b{re.escape(task_thread.__version__)}\b", read("CHANGELOG.md"), re.MULTILINE
    )


def test_every_small_example_stands_in_the_documentation() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    shown = set(
        re.findall(r"^```\{literalinclude\} \.\./(?:\.\./)?(examples/\S+)$", pages, re.MULTILINE)
    )
    small = {f"examples/{path.name}" for path in (REPOSITORY / "examples").glob("[a-z]*.py")}
    assert small != set()
    assert small <= shown


@pytest.mark.parametrize("module", [module.__name__ for module in modules()])
def test_module_stands_in_the_reference(module: str) -> None:
    assert f".. automodule:: {module}\n" in REFERENCE
