"""Every public class, function, method and property of the package says what it is for."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from task_thread import errors
from tests.project.places import modules

RAISES = re.compile(r":raises ([\w.]+):")


def own(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The public classes and functions that a module defines, and their public members."""
    for name, value in vars(module).items():
        is_code = inspect.isclass(value) or inspect.isfunction(value)
        if name.startswith("_") or not is_code or value.__module__ != module.__name__:
            continue
        yield name, value
        if inspect.isclass(value):
            yield from ((f"{name}.{member}", code) for member, code in members(value))


def members(cls: type) -> Iterator[tuple[str, object]]:
    for name, value in vars(cls).items():
        code = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and (inspect.isfunction(code) or isinstance(code, property)):
            yield name, code


def text_of(value: object) -> str:
    """A docstring of its own, or for a method the one that it inherits."""
    if not inspect.isclass(value):
        return inspect.getdoc(value) or ""
    text = vars(value).get("__doc__") or ""
    made_by_dataclass = text.startswith(f"{value.__name__}(")
    made_by_tuple = bool(re.fullmatch(rf"{value.__name__}\(.*\)", text))
    return "" if made_by_dataclass or made_by_tuple else text


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_public_names_have_docstrings(module: ModuleType) -> None:
    assert (module.__doc__ or "").strip(), "the module itself"
    silent = [name for name, value in own(module) if not text_of(value).strip()]
    assert silent == []


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_promised_errors_exist(module: ModuleType) -> None:
    unknown = [
        (name, error)
        for name, value in own(module)
        for error in RAISES.findall(text_of(value))
        if not hasattr(errors, error)
        and not hasattr(builtins, error)
        and not hasattr(module, error)
        and error != "asyncio.QueueEmpty"
    ]
    assert unknown == []


def test_silence_is_noticed() -> None:
    module = ModuleType("example")
    exec(
        "def silent(): pass\n"
        "def telling():\n    'It does.'\n"
        "class Silent:\n    def member(self): pass\n",
        vars(module),
    )
    assert [n for n, v in own(module) if not text_of(v)] == ["silent", "Silent", "Silent.member"]
