"""Where things stand, and the walk through the package that several of these tests take."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import task_thread

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "task_thread"
DOCS = REPOSITORY / "docs"


def modules() -> Iterator[ModuleType]:
    """The package and every module in it, imported."""
    yield task_thread
    for found in pkgutil.walk_packages(task_thread.__path__, "task_thread."):
        yield importlib.import_module(found.name)


def read(path: str) -> str:
    """A file of the repository, as text."""
    return (REPOSITORY / path).read_text(encoding="utf-8")


def pyproject() -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads(read("pyproject.toml"))


def fenced(text: str, language: str) -> list[str]:
    """The contents of a page's fenced blocks of one language."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
