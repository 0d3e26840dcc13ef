"""The ``thread_logs`` fixture: what threads log, caught before anything is printed.

structlog's own ``capture_logs`` empties the list of processors and fills it again, while other
threads walk through that list, and catches nothing of loggers with a list of their own. Here the
first processor alone is exchanged, which is a single step, in the library's list and in the one
that the program has configured. What is logged with the standard library comes by a handler.

Ownership: the settings of logging and structlog are the process's; they are changed at the
beginning and put back at the end, by the test's own thread.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import structlog

from task_thread import log as library_log
from task_thread.log import show
from task_thread.testing.record import Record

__all__ = ["LogEntry", "ThreadLogs", "capturing"]

_LEVELS: Final = {"warn": "warning", "exception": "error", "err": "error", "fatal": "critical"}
_NOWHERE: Final = object()
_OWN_FIELDS: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "asctime",  # these two come with the first formatter
    "message",
}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log.

    :ivar event: what is said, with its arguments put in.
    :ivar level: ``"debug"``, ``"info"``, ``"warning"``, ``"error"`` or ``"critical"``.
    :ivar logger: the logger's name: for ``self.logger`` of a thread its class's name.
    :ivar thread: the id of the TaskThread that logged it, as text; the OS thread's name where the
        logger is bound to none.
    :ivar values: the key-value pairs; of the standard library's logging those of ``extra``.
    :ivar exc_info: the exception that was logged with it, or None.
    """

    event: str
    level: str
    logger: str
    thread: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    exc_info: BaseException | None = None

    def __str__(self) -> str:
        pairs = "".join(f" {key}={show(value)}" for key, value in self.values.items())
        raised = "" if self.exc_info is None else f" ({show(self.exc_info)})"
        return f"{self.level:8} {self.logger} {self.thread}: {self.event}{pairs}{raised}"


class ThreadLogs:
    """The lines that were logged, to look through and to wait for. From any thread.

    In :meth:`filter` and the waits each argument narrows down what is meant:

    - `event`: a part of the text, or a compiled pattern to search for in it;
    - `level`, `logger`, `thread`: exactly that;
    - any other name: a key that has exactly that value.
    """

    def __init__(self) -> None:
        self._entries: Record[LogEntry] = Record()

    @property
    def entries(self) -> list[LogEntry]:
        """All lines, in order."""
        return self._entries.entries

    def clear(self) -> None:
        """Forget the lines until now."""
        self._entries.clear()

    def filter(
        self,
        event: str | re.Pattern[str] | None = None,
        *,
        level: str | None = None,
        logger: str | None = None,
        thread: Any = None,
        **values: Any,
    ) -> list[LogEntry]:
        """The lines that fit, in order."""
        wanted = _Wanted(event, level, logger, thread, values)
        return [entry for entry in self.entries if wanted(entry)]

    def wait_for(
        self,
        event: str | re.Pattern[str] | None = None,
        *,
        level: str | None = None,
        logger: str | None = None,
        thread: Any = None,
        timeout: float = 5.0,
        times: int = 1,
        **values: Any,
    ) -> LogEntry:
        """Block until there is a line that fits, and return it. Those logged before count.

        :param timeout: real seconds to wait at the most.
        :param times: wait until there are so many, and return the last of them.
        :raises TimeoutError: there was none; the error lists what was logged instead.
        """
        wanted = _Wanted(event, level, logger, thread, values)
        return self._entries.wait_for(
            wanted, times, timeout, lambda: self._explain(wanted, timeout, times)
        )

    async def seen(
        self,
        event: str | re.Pattern[str] | None = None,
        *,
        level: str | None = None,
        logger: str | None = None,
        thread: Any = None,
        timeout: float = 5.0,
        times: int = 1,
        **values: Any,
    ) -> LogEntry:
        """:meth:`wait_for`, on the running loop.

        :raises TimeoutError: there was none.
        """
        wanted = _Wanted(event, level, logger, thread, values)
        return await self._entries.seen(
            wanted, times, timeout, lambda: self._explain(wanted, timeout, times)
        )

    def _explain(self, wanted: _Wanted, timeout: float, times: int) -> str:
        what = "line" if times == 1 else f"{times} lines"
        came = "\n".join(f"  {entry}" for entry in self.entries) or "  nothing"
        return f"no {what} with {wanted} within {timeout:g} s; what was logged:\n{came}"

    def _add(self, entry: LogEntry) -> None:
        self._entries.add(entry)


@dataclass(frozen=True, slots=True)
class _Wanted:
    event: str | re.Pattern[str] | None
    level: str | None
    logger: str | None
    thread: Any
    values: Mapping[str, Any]

    def __call__(self, entry: LogEntry) -> bool:
        if isinstance(self.event, re.Pattern):
            if not self.event.search(entry.event):
                return False
        elif self.event is not None and self.event not in entry.event:
            return False
        return (
            (self.level is None or entry.level == self.level)
            and (self.logger is None or entry.logger == self.logger)
            and (self.thread is None or entry.thread == str(self.thread))
            and all(
                key in entry.values and entry.values[key] == v for key, v in self.values.items()
            )
        )

    def __str__(self) -> str:
        given = {
            "event": self.event, "level": self.level, "logger": self.logger, "thread": self.thread
        }  # fmt: skip
        pairs = {key: value for key, value in given.items() if value is not None} | {**self.values}
        return ", ".join(f"{key}={show(value)}" for key, value in pairs.items()) or "any text"


@contextmanager
def capturing() -> Iterator[ThreadLogs]:
    """Catch what is logged in the block, in any thread, at any level, and let none of it through
    to the program's own handlers and processors. pytest's own handlers still get it, for its
    reports."""
    logs = ThreadLogs()
    with ExitStack() as undo:
        _take_handlers(undo)
        undo.enter_context(_handler(_Catch(logs)))
        for processors in (library_log._PROCESSORS, structlog.get_config()["processors"]):
            _take_processors(processors, logs, undo)
        yield logs


def _take_handlers(undo: ExitStack) -> None:
    """Let all loggers pass everything up to the root, and print nothing."""
    root = logging.getLogger()
    loggers = [
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    ]
    undo.callback(logging.disable, root.manager.disable)
    logging.disable(logging.NOTSET)
    for logger in [root, *loggers]:
        undo.callback(_put_back, logger, logger.level, logger.propagate, list(logger.handlers))
        for handler in list(logger.handlers):
            if not _is_pytests(handler):
                logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    root.setLevel(logging.DEBUG)
    asyncio_logger = logging.getLogger("asyncio")  # says "Using selector" for each loop
    undo.callback(asyncio_logger.setLevel, asyncio_logger.level)
    asyncio_logger.setLevel(logging.WARNING)


def _put_back(
    logger: logging.Logger, level: int, propagate: bool, handlers: list[logging.Handler]
) -> None:
    logger.setLevel(level)
    logger.propagate = propagate
    for handler in handlers:
        if not _is_pytests(handler):  # which comes and goes with each phase of a test
            logger.addHandler(handler)


def _is_pytests(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("_pytest.")


@contextmanager
def _handler(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Catch(logging.Handler):
    """Notes what comes by the standard library."""

    def __init__(self, logs: ThreadLogs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = record.getMessage()
        except Exception:  # noqa: BLE001  as any handler: wrong arguments are told on stderr
            self.handleError(record)
            return
        self._logs._add(
            LogEntry(
                event,
                record.levelname.lower(),
                record.name,
                record.threadName or "",
                {key: value for key, value in vars(record).items() if key not in _OWN_FIELDS},
                _exception(record.exc_info),
            )
        )


def _take_processors(
    processors: list[structlog.typing.Processor], logs: ThreadLogs, undo: ExitStack
) -> None:
    """Exchange the first processor for one that notes the line and ends its way."""

    def note(logger: Any, method: str, line: structlog.typing.EventDict) -> Any:
        entry = _entry_of(logger, method, structlog.contextvars.merge_contextvars(None, "", line))
        logs._add(entry)
        _report(entry)
        raise structlog.DropEvent

    if processors:
        first = processors[0]
        processors[0] = note
        undo.callback(processors.__setitem__, 0, first)
    else:
        processors.append(note)
        undo.callback(processors.clear)


def _entry_of(logger: Any, method: str, line: structlog.typing.EventDict) -> LogEntry:
    values = dict(line)
    event, arguments = values.pop("event", ""), values.pop("positional_args", ())
    try:
        event = str(event) % arguments if arguments else str(event)
    except (TypeError, ValueError):  # wrong arguments: better shown as they are than lost
        event = f"{event} {arguments!r}"
    exc_info = _exception(values.pop("exc_info", None))
    if exc_info is None and method == "exception":
        exc_info = sys.exc_info()[1]
    return LogEntry(
        event,
        _LEVELS.get(method, method),
        getattr(logger, "name", "") or "structlog",
        str(values.pop("thread", threading.current_thread().name)),
        values,
        exc_info,
    )


def _exception(exc_info: Any) -> BaseException | None:
    """What was given as exc_info: an exception, True for the one that is handled, or a triple."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        _, error, _ = cast("tuple[Any, BaseException | None, Any]", exc_info)
        return error
    return sys.exc_info()[1] if exc_info else None


def _report(entry: LogEntry) -> None:
    """Let pytest have the line, for the report of a test that fails."""
    number = logging.getLevelNamesMapping().get(entry.level.upper(), logging.INFO)
    pairs = "".join(f" {key}={show(value)}" for key, value in entry.values.items())
    error = entry.exc_info
    record = logging.LogRecord(
        entry.logger, number, "", 0, f"{entry.thread}: {entry.event}{pairs}", None,
        None if error is None else (type(error), error, error.__traceback__),
    )  # fmt: skip
    for handler in list(logging.getLogger().handlers):
        if _is_pytests(handler) and number >= handler.level:
            handler.handle(record)
