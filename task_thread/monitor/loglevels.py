"""The levels of the standard library's loggers, asked for and set by name.

The loggers of a tree are the root logger and those that are named after its threads' classes
(see :mod:`task_thread.log`). Loggers and levels that nobody knows are refused: getLogger() would
make a logger of any name, and a slip of the pen would seem to have worked.

From any thread: logging has its own lock.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection
from typing import Final

__all__ = ["ROOT", "level_number", "levels", "logger_names", "set_level"]

ROOT: Final = "root"
"""What the root logger is called."""


def levels(classes: Collection[str], logger: str | None = None) -> dict[str, str]:
    """The effective level of `logger`; of the root logger and those of `classes` where it is None.

    :param classes: the names of a tree's classes.
    :raises ValueError: nobody uses a logger of that name.
    """
    names = logger_names(classes) if logger is None else [_known(logger, classes)]
    return {name: logging.getLevelName(_logger(name).getEffectiveLevel()).lower() for name in names}


def set_level(classes: Collection[str], level: str, logger: str | None = None) -> dict[str, str]:
    """Set the level of `logger`, or of all of a tree's loggers; returns what :func:`levels` does.

    Of all: a class's logger that has no level of its own goes with the root logger's, as before.

    :param level: the name of a level, in any case; "notset" for as the logger above it.
    :raises ValueError: there is no such level, or nobody uses a logger of that name.
    """
    number = level_number(level)
    if logger is not None:
        _logger(_known(logger, classes)).setLevel(number)
        return levels(classes, logger)
    for name in logger_names(classes):
        each = _logger(name)
        if name == ROOT or each.level != logging.NOTSET:
            each.setLevel(number)
    return levels(classes)


def logger_names(classes: Collection[str]) -> list[str]:
    """The names of a tree's loggers: the root logger's, then the others by name."""
    return [ROOT, *sorted(set(classes) - {ROOT})]


def level_number(level: str) -> int:
    """The number of the level with that name.

    :raises ValueError: there is none.
    """
    known = logging.getLevelNamesMapping()
    number = known.get(level.upper(), known.get(level))
    if number is None:
        # One name for each number: WARN and FATAL are other words for what is there already.
        by_number = {value: logging.getLevelName(value).lower() for value in known.values()}
        there = ", ".join(by_number[value] for value in sorted(by_number))
        raise ValueError(f"no level {level!a}: there is {there}")
    return number


def _logger(name: str) -> logging.Logger:
    return logging.getLogger() if name == ROOT else logging.getLogger(name)


def _known(logger: str, classes: Collection[str]) -> str:
    existing = logging.Logger.manager.loggerDict
    if logger == ROOT or logger in classes or logger in existing:
        return logger
    near = difflib.get_close_matches(logger, {*logger_names(classes), *list(existing)}, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"no logger {logger!a} here{hint}")
