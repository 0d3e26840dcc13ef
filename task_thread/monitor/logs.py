"""The logging of a daemon: one handler on stderr, for people or for machines.

- ``"console"``: one line an event (``time LEVEL logger: event key=value``), tracebacks below it.
- ``"json"``: one object a line, whatever it holds: ``time`` (ISO 8601, UTC), ``level``, ``logger``,
  ``event``, all key-value pairs, and ``exception`` and ``stack`` as text where there are any. A
  pair that is called like one of these gets a ``_`` behind its name.

Both take in what the standard library's loggers, ``warnings`` and uncaught exceptions of threads
say. A program that configures structlog or logging itself, later, has the last word.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

import structlog

from task_thread.log import show
from task_thread.monitor.loglevels import level_number

__all__ = ["LogFormat", "held_back", "set_up"]

LogFormat = Literal["console", "json"]

_OURS: Final = ("time", "level", "logger", "event", "exception", "stack")
_PAIRS: Final = "task_thread_pairs"  # the attribute of a record that holds its key-value pairs
_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", _PAIRS}


def set_up(format: LogFormat = "console", level: str = "info") -> None:  # noqa: A002
    """Let all logging of the process go to stderr. Before the first thread is constructed.

    What an earlier call has set up is replaced; handlers of others stay.

    :param level: what is logged from: debug, info, warning, error or critical.
    :raises ValueError: there is no such format or level.
    """
    if format not in get_args(LogFormat):
        raise ValueError(f"a log format is console or json, not {format!r}")
    number = level_number(level)
    handler = _StderrHandler()
    handler.setFormatter(_Json() if format == "json" else _Console())
    for earlier in logging.root.handlers[:]:
        if isinstance(earlier, _StderrHandler):
            logging.root.removeHandler(earlier)
    logging.root.addHandler(handler)
    logging.root.setLevel(number)
    logging.captureWarnings(True)
    threading.excepthook = _log_uncaught
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _to_record,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


@contextmanager
def held_back(*names: str) -> Iterator[None]:
    """While inside, the errors that the loggers of these names tell are dropped."""

    def passes(record: logging.LogRecord) -> bool:
        return record.name not in names or record.levelno < logging.ERROR

    handlers = logging.root.handlers[:]
    for handler in handlers:
        handler.addFilter(passes)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(passes)


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to the stderr of the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Looked up each time, as in logging's own handler of last resort."""
        return sys.stderr


def _log_uncaught(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit:
        return
    name = "a thread" if args.thread is None else args.thread.name
    error = args.exc_value or args.exc_type()
    logging.getLogger("threading").error("uncaught exception in %s", name, exc_info=error)


# ---- on the way in ----------------------------------------------------------------------------


def _to_record(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> tuple[tuple[str], dict[str, Any]]:
    """structlog's last processor: a record that every handler understands, ours and others'."""
    kwargs: dict[str, Any] = {
        "exc_info": event.pop("exc_info", None),
        "stack_info": bool(event.pop("stack_info", None)),
    }
    text = str(event.pop("event", ""))
    # Without arguments logging leaves a "%" in the text alone.
    return (text,), {**kwargs, "extra": {_PAIRS: event}}


def _pairs(record: logging.LogRecord) -> dict[str, Any]:
    """The key-value pairs of a record: structlog's, or what a standard logger got as `extra`."""
    found: dict[str, Any] | None = getattr(record, _PAIRS, None)
    if found is not None:
        return found
    return {key: value for key, value in vars(record).items() if key not in _RECORD}


def _utc(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


# ---- on the way out ---------------------------------------------------------------------------


class _Console(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; texts of several lines and the traceback below it."""
        pairs = dict(_pairs(record))
        below = [str(pairs.pop(key)) for key in list(pairs) if _is_long(pairs[key])]
        words = [record.getMessage(), *(f"{key}={_word(value)}" for key, value in pairs.items())]
        lines = [f"{_utc(record)} {record.levelname} {record.name}: {' '.join(words)}", *below]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        if record.stack_info:
            lines.append(self.formatStack(record.stack_info))
        return "\n".join(lines)


def _is_long(value: object) -> bool:
    return isinstance(value, str) and "\n" in value


def _word(value: object) -> str:
    if isinstance(value, str) and value and not set(value) & set(" \t='\""):
        return value
    return show(value)


class _Json(logging.Formatter):
    """For machines."""

    def format(self, record: logging.LogRecord) -> str:
        """One object, in one line."""
        data: dict[str, Any] = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        pairs = dict(_pairs(record))
        stack = pairs.pop("stack", None)
        for key, value in pairs.items():
            data[f"{key}_" if key in _OURS else key] = value
        if stack is not None or record.stack_info:
            data["stack"] = stack if stack is not None else record.stack_info
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        return _dump(data)


def _dump(data: dict[str, Any]) -> str:
    try:
        return json.dumps(data, default=show, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        # A float that JSON has no word for, a key that is no string, a circle.
        return json.dumps({str(key): _plain(value) for key, value in data.items()})


def _plain(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value):
        return value
    return value if isinstance(value, str | int | None) else show(value)
