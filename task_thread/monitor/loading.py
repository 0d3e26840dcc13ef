"""From the text "package.module:Root" to the class, or to one clear line that says why not."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from task_thread.core.thread import TaskThread
from task_thread.log import show

__all__ = ["check_arguments", "load_root"]


def load_root(target: str) -> type[TaskThread]:
    """The class of TaskThreads that `target`, ``package.module:Class``, names.

    Modules in the current folder are found, before others, as with ``python -m``.

    :raises ValueError: it names none: no such module, one that can't be imported, no such name
        in it, or something else; the message is one line.
    """
    module_name, colon, path = target.partition(":")
    if not colon or not _is_dotted(module_name) or not _is_dotted(path):
        raise ValueError(f"{target!a} is no package.module:Class")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found: Any = _import(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise ValueError(f"{module_name} has no {path}{_others(found, name)}")
        found = getattr(found, name)
    if not isinstance(found, type):
        raise ValueError(f"{target} is no class but {_one_line(show(found))}")
    if not issubclass(found, TaskThread):
        raise ValueError(f"{target} is no TaskThread: its class does not derive from it")
    return found


def check_arguments(cls: type[TaskThread], args: Sequence[str]) -> None:
    """Check that the class's constructor takes `args`.

    :raises ValueError: it does not; the message is one line.
    """
    try:
        signature = inspect.signature(cls)
    except (TypeError, ValueError):  # of a kind that does not tell: calling it will
        return
    try:
        bound = signature.bind(*args)
    except TypeError as error:
        raise ValueError(f"{cls.__name__}{signature}: {error}") from None
    if "parent" in bound.arguments:
        raise ValueError(f"{cls.__name__}{signature}: too many arguments (a root has no parent)")


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"no module {error.name}, neither here nor installed") from None
        raise ValueError(f"can't import {name}: {_told(error)}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a module may raise anything
        raise ValueError(f"can't import {name}: {_told(error)}") from None


def _told(error: BaseException) -> str:
    """Type, text and place of what a module raised."""
    text = _one_line(f"{type(error).__name__}: {error}".rstrip(": "))
    if isinstance(error, SyntaxError):  # its text says where
        return text
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text} ({last.filename}:{last.lineno})"


def _others(found: object, name: str) -> str:
    """What somebody may have meant."""
    names = [
        key
        for key, value in vars(found).items()
        if isinstance(value, type) and issubclass(value, TaskThread)
    ]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
