"""Logging: structlog in front, the standard library's logger of the thread's class behind it.

``self.logger`` is a structlog logger bound to the thread's id. What it logs goes to
``logging.getLogger("ClassName")``, so that levels, handlers and filters are set as in any program.
Both styles work: ``logger.info("read %s bytes", n)`` and ``logger.info("read", bytes=n)``.

Who configures structlog (``structlog.configure``) gets his own processors; who configures logging
gets his own handlers. A program that did neither sees its threads' lines, INFO and above, on
stderr as ``Class - LEVEL - event key=value``.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

import structlog

__all__ = ["class_logger", "ensure_visible", "is_off", "log_safely", "show", "verbose"]

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST: Final = 200  # characters that are shown of a thing
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

_render: Final = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)


def _to_stdlib(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> tuple[tuple[str], dict[str, Any]]:
    """The last processor: one readable line, and the exception as logging itself knows it, so
    that handlers which treat exceptions (files, error trackers) still see one."""
    exc_info = event.pop("exc_info", None)
    stack_info = event.pop("stack_info", None)
    kwargs: dict[str, Any] = {"exc_info": exc_info, "stack_info": bool(stack_info)}
    # No arguments go along, so logging leaves a "%" in the line alone.
    return (_render(None, "", event),), kwargs


_PROCESSORS: Final[list[structlog.typing.Processor]] = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.PositionalArgumentsFormatter(),
    _to_stdlib,
]


@functools.cache
def _own_chain(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger


def class_logger(name: str, **bound: Any) -> structlog.stdlib.BoundLogger:
    """A structlog logger over the standard logger `name`, with `bound` key-value pairs.

    From any thread.
    """
    if structlog.is_configured():
        theirs: structlog.stdlib.BoundLogger = structlog.wrap_logger(logging.getLogger(name))
        return theirs.bind(**bound)
    return _own_chain(name).bind(**bound)


class _StderrOfLastResort(logging.Handler):
    """Writes to the stderr of the moment, as long as the program has set up no handler."""

    def emit(self, record: logging.LogRecord) -> None:
        if logging.root.handlers:
            return
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


_last_resort: Final = _StderrOfLastResort()
_last_resort.setFormatter(logging.Formatter("%(name)s - %(levelname)s - %(message)s"))


def ensure_visible(name: str) -> None:
    """Let the lines of logger `name` be seen where the program set up no logging for it.

    Called when a thread is run, since a program may set up logging up to then. From any thread.
    """
    logger = logging.getLogger(name)
    if logger.hasHandlers():
        return
    if logger.level == logging.NOTSET and logging.root.level == logging.WARNING:
        # Both as Python leaves them: nobody has asked for a level.
        logger.setLevel(logging.INFO)
    logger.addHandler(_last_resort)


def is_off(name: str, level: str) -> bool:
    """Whether nobody would see a line of that level from the standard logger `name`. False where
    the program has its own processors, which may do more with it than show it."""
    if structlog.is_configured():
        return False
    # Not by logging.getLogger(): that takes a lock of the whole process.
    logger = logging.root.manager.loggerDict.get(name)
    return isinstance(logger, logging.Logger) and not logger.isEnabledFor(_LEVELS[level])


def log_safely(logger: Any, level: str, event: str, *args: Any, **values: Any) -> None:
    """Log; what the logger itself raises (a full disk, a user's processor) goes to stderr.

    A thread that tells of a crash must not stumble over the telling.
    """
    try:
        getattr(logger, level)(event, *args, **values)
    except Exception:
        with contextlib.suppress(Exception):
            sys.stderr.write(f"logging failed for {level} {event!r}:\n{traceback.format_exc()}")


def show(thing: object) -> str:
    """``repr(thing)``, of things too that can't be shown, and not more than a line of it: a signal
    may carry a megabyte."""
    try:
        text = repr(thing)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
    except Exception as error:
        return f"<{type(thing).__name__}, whose repr() raises {type(error).__name__}>"


def verbose(cofunc: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Decorate a coroutine function so that what it raises is logged, with its traceback, at once.

    The exception goes on to the caller as it was. (In the original library it ended the process.)
    A task's or handler's exception is logged by its thread anyway: use it for what you await
    yourself. CancelledError is no error and passes silently.
    """

    @functools.wraps(cofunc)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await cofunc(*args, **kwargs)
        except Exception as error:
            logger = getattr(args[0], "logger", None) if args else None
            if logger is None:
                logger = class_logger(cofunc.__module__)
            logger.error("%s failed", cofunc.__qualname__, exc_info=error)
            raise

    return wrapper
