"""Task classes by their import strings: ``media.Download`` is the class Download of media.

``pkg.mod.Outer.Inner`` and ``pkg.mod:Outer.Inner`` are the same, and the first is how it is stored:
the colon is for people. What stands before the class is taken for modules as far as there are some.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
import types
from collections.abc import Iterable
from typing import Any, Final

from task_thread.errors import NotImportable
from task_thread.flows.flowtask import FlowTask

__all__ = ["class_of", "close_to", "import_class", "normal_script", "script_of"]

SCRIPT_LENGTH: Final = 500
"""How many characters an import string may have."""

_FORM: Final = "a module and a class in it, such as 'media.Download'"
_NOTHING: Final = object()

_classes: Final[dict[str, type[FlowTask]]] = {}
"""Ownership: no thread's. It is read and written a key at a time, and what two threads find for one
key is the same."""


def class_of(script: str, *, fresh: bool = False) -> type[FlowTask]:
    """The class of that import string, which is imported once. From any thread; it may block it for
    as long as the module takes.

    :param fresh: look again, and remember what is there now: a class that was defined anew in an
        interactive session. What could not be imported is tried again in any case.
    :raises NotImportable: as :func:`import_class`.
    """
    found = None if fresh else _classes.get(script)
    if found is None:
        found = _classes[script] = import_class(script)
    return found


def import_class(script: str) -> type[FlowTask]:
    """Import the class of that import string. From any thread; it may block it for as long as the
    module takes. What is no Exception (KeyboardInterrupt, SystemExit) comes through as it is.

    :raises TypeError, ValueError: it is no import string.
    :raises NotImportable: there is no such module or class, its module raised (that error is the
        cause), it is still being imported, or the class is none that a flow can run.
    """
    script = normal_script(script)
    parts = script.split(".")
    modules = _import_modules(script, parts)
    if not modules:
        raise NotImportable(
            f"{script!r}: there is no module {parts[0]!r}: is it spelled so, and is its folder in "
            "sys.path (PYTHONPATH)?"
        )
    for count in range(len(modules), 0, -1):
        found = _walk(script, modules[count - 1], parts[count:])
        if found is not _NOTHING:
            return _checked(script, found)
    raise NotImportable(f"{script!r}: {_what_is_missing(modules[-1], parts[len(modules) :])}")


def script_of(cls: type[FlowTask]) -> str:
    """The import string of a class. From any thread.

    :raises TypeError: it is no class.
    :raises NotImportable: it is no FlowTask or has no ``perform``, is local to a function, or its
        name leads to something else.
    """
    if not isinstance(cls, type):
        raise TypeError(f"a class is expected, not a {type(cls).__qualname__}")
    module, name = _text_of(cls, "__module__"), _text_of(cls, "__qualname__")
    script = f"{module}.{name}"
    _checked(script, cls)
    if "<locals>" in name:
        raise NotImportable(
            f"{script!r} is local to a function: no import leads to it. Define it in a module"
        )
    found: Any = sys.modules.get(module, _NOTHING)
    if found is _NOTHING:
        raise NotImportable(f"{script!r}: its module {module!r} is none that can be imported")
    for part in name.split("."):
        found = _attribute(script, found, part)
        if found is _NOTHING:
            raise NotImportable(
                f"{script!r}: {module} has nothing of that name, or not yet: name the class after "
                "it is defined, and define it at the top of its module"
            )
    if found is not cls:
        raise NotImportable(
            f"{script!r} is another thing by now, so its name does not lead to the class: it was "
            "defined twice, decorated, or its module was imported again"
        )
    return script


def normal_script(script: object) -> str:
    """The import string as it is stored: with dots alone.

    :raises TypeError: it is no text.
    :raises ValueError: it is not the name of a module and a class, or longer than 500 characters.
    """
    if not isinstance(script, str):
        raise TypeError(f"an import string is text, not a {type(script).__qualname__}")
    text = str.__str__(script)  # the text itself where it is a subclass
    if len(text) > SCRIPT_LENGTH:
        raise ValueError(
            f"an import string has {SCRIPT_LENGTH} characters at most, not {len(text)}"
        )
    parts = text.replace(":", ".").split(".")
    fits = len(parts) > 1 and text.count(":") <= 1 and all(part.isidentifier() for part in parts)
    if not fits:
        raise ValueError(f"an import string is {_FORM}; {text!r} is none")
    return ".".join(parts)


def close_to(name: str, names: Iterable[str]) -> str:
    """A question for the end of a message: which of the names was meant; "" where none is close."""
    close = difflib.get_close_matches(name, names, n=3)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


# ---- the steps of an import -------------------------------------------------------------------


def _import_modules(script: str, parts: list[str]) -> list[types.ModuleType]:
    """What can be imported of ``a``, ``a.b``, ``a.b.c``, without the last part: that is a class."""
    modules: list[types.ModuleType] = []
    for end in range(1, len(parts)):
        name = ".".join(parts[:end])
        try:
            modules.append(importlib.import_module(name))
        except Exception as error:  # whatever a module raises
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                break  # this one is not there; of any other name, one that it imports is not
            raise NotImportable(
                f"{script!r}: importing {name} raised {type(error).__qualname__}: {error}"
            ) from error
    return modules


def _walk(script: str, module: types.ModuleType, parts: list[str]) -> object:
    """What the names lead to, from the module on."""
    found: object = module
    for part in parts:
        found = _attribute(script, found, part)
        if found is _NOTHING:
            break
    return found


def _attribute(script: str, holder: object, name: str) -> object:
    try:
        return getattr(holder, name, _NOTHING)
    except Exception as error:  # a module may load its names on their first use
        raise NotImportable(
            f"{script!r}: asking for {name!r} raised {type(error).__qualname__}: {error}"
        ) from error


def _checked(script: str, found: object) -> type[FlowTask]:
    """:raises NotImportable: it is no class that a flow can run."""
    if not isinstance(found, type):
        hint = ": name its class" if isinstance(found, FlowTask) else ""
        raise NotImportable(f"{script!r} is no class but a {type(found).__qualname__}{hint}")
    if not issubclass(found, FlowTask):
        raise NotImportable(f"{script!r} is no FlowTask: let the class inherit from FlowTask")
    if getattr(found, "perform", None) is FlowTask.perform:
        raise NotImportable(f"{script!r} has no perform(): define what it does")
    return found


def _what_is_missing(module: types.ModuleType, parts: list[str]) -> str:
    """Why the names lead to nothing from the last module on, for people."""
    holder: object = module
    title = module.__name__
    missing = parts[0]
    for part in parts:
        missing = part
        inner = getattr(holder, part, _NOTHING)
        if inner is _NOTHING:
            break
        holder, title = inner, f"{title}.{part}"
    if getattr(module.__spec__, "_initializing", False):
        return (
            f"{title} has no {missing!r} yet, for {module.__name__} is still being imported "
            "(a circular import?): name the class after it is defined"
        )
    names = _names_in(holder)
    said = close_to(missing, names)
    kind = "no module and no class" if hasattr(holder, "__path__") else "no class"
    if not said and names:
        said = f" There are {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}."
    return f"{title} has {kind} {missing!r}.{said}"


def _names_in(holder: object) -> list[str]:
    """The classes, FlowTasks first, and modules that are in there."""
    classes = {
        name: each for name, each in getattr(holder, "__dict__", {}).items()
        if isinstance(each, type) and each is not FlowTask and not name.startswith("_")
    }  # fmt: skip
    tasks = [name for name, each in classes.items() if issubclass(each, FlowTask)]
    others = [name for name in classes if name not in tasks]
    try:
        inner = [each.name for each in pkgutil.iter_modules(getattr(holder, "__path__", ()))]
    except (OSError, TypeError):  # a path that is none: it is only for a hint
        inner = []
    return tasks + [name for name in inner if not name.startswith("_")] + others


def _text_of(cls: type, name: str) -> str:
    """Its attribute, which may be anything where somebody has set it."""
    value = getattr(cls, name, None)
    return value if isinstance(value, str) else repr(value)
