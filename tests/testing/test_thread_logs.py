"""thread_logs: what threads log, however logging is set up."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from task_thread import TaskThread, log
from task_thread.testing import LogEntry, StartThread, ThreadLogs
from task_thread.testing.logs import capturing
from tests.testing.threads import Counter, Note


class Talks(TaskThread):
    async def enter__(self) -> None:
        self.logger.debug("opened %s", "it", depth=3)
        logging.getLogger("plain").info("told by %s", "logging", extra={"pages": 7})
        try:
            raise OSError("gone")
        except OSError:
            self.logger.exception("failed", path="/x")


@pytest.fixture
def configured() -> Iterator[None]:
    """structlog as a program might have configured it."""
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    yield
    structlog.reset_defaults()


def check_talk(logs: ThreadLogs, thread: TaskThread) -> None:
    opened, told, failed = logs.entries[:3]
    assert opened == LogEntry("opened it", "debug", "Talks", str(thread), {"depth": 3})
    assert told == LogEntry("told by logging", "info", "plain", str(thread), {"pages": 7})
    assert isinstance(failed.exc_info, OSError)
    assert (failed.event, failed.level, failed.values) == ("failed", "error", {"path": "/x"})


def test_structlog_unconfigured(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    check_talk(thread_logs, start_thread(Talks()))


@pytest.mark.usefixtures("configured")
def test_structlog_configured(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    check_talk(thread_logs, start_thread(Talks()))


@pytest.mark.usefixtures("configured")
def test_a_logger_of_before_that_is_cached(start_thread: StartThread) -> None:
    cached = structlog.get_logger("before").bind(known=1)
    cached.info("not caught")
    with capturing() as logs:
        cached.info("caught")
    assert [(entry.event, dict(entry.values)) for entry in logs.entries] == [
        ("caught", {"known": 1})
    ]


def test_levels_and_propagation_of_the_program_do_not_matter(thread_logs: ThreadLogs) -> None:
    with capturing():
        pass  # puts everything back
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.ERROR)
    quiet.propagate = False
    try:
        with capturing() as logs:
            quiet.debug("whispers")
        assert [entry.event for entry in logs.entries] == ["whispers"]
        assert (quiet.level, quiet.propagate) == (logging.ERROR, False)
    finally:
        quiet.setLevel(logging.NOTSET)
        quiet.propagate = True


def test_everything_is_put_back() -> None:
    class Mine(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None: ...

    root, mine = logging.getLogger(), Mine()
    root.addHandler(mine)
    try:

        def state() -> list[Any]:
            return [
                root.level,
                set(root.handlers),
                list(log._PROCESSORS),
                list(structlog.get_config()["processors"]),
                root.manager.disable,
                logging.getLogger("asyncio").level,
            ]

        before = state()
        with capturing():
            assert mine not in root.handlers
            assert state() != before
        assert state() == before
    finally:
        root.removeHandler(mine)


def test_filter_and_wait(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    talks = start_thread(Talks())
    assert thread_logs.wait_for("failed", level="error") is thread_logs.filter(level="error")[0]
    assert thread_logs.filter(re.compile("^open")) == thread_logs.filter(depth=3)
    assert thread_logs.filter(thread=talks, logger="plain") == thread_logs.filter("told")
    assert thread_logs.filter(depth=4) == thread_logs.filter(nothing=None) == []
    with pytest.raises(TimeoutError) as caught:
        thread_logs.wait_for("closed", level="info", pages=7, timeout=0.02)
    first, *lines = str(caught.value).splitlines()
    assert first == (
        "no line with event='closed', level='info', pages=7 within 0.02 s; what was logged:"
    )
    assert f"  debug    Talks {talks}: opened it depth=3" in lines
    assert any("failed path='/x' (OSError('gone'))" in line for line in lines)
    thread_logs.clear()
    assert thread_logs.entries == []


def test_a_crash_can_be_waited_for(start_thread: StartThread, thread_logs: ThreadLogs) -> None:
    counter = start_thread(Counter(), crashes=True)
    counter.post(Note("crash"))
    entry = thread_logs.wait_for("crashed in signalHandler__", thread=counter)
    assert str(entry.exc_info) == "broken on purpose"


@pytest.mark.task_thread
async def test_is_awaited_in_a_coroutine(
    start_thread: StartThread, thread_logs: ThreadLogs
) -> None:
    counter = start_thread(Counter(), crashes=True)
    await counter.insertSignal(Note("crash"))
    assert (await thread_logs.seen("crashed in")).level == "error"
    with pytest.raises(TimeoutError, match="no 2 lines with event='crashed in' within"):
        await thread_logs.seen("crashed in", times=2, timeout=0.02)


def test_wrong_arguments_are_shown_and_not_lost(thread_logs: ThreadLogs) -> None:
    log.class_logger("Mine").info("%s and %s", "one")
    assert thread_logs.entries[0].event == "%s and %s ('one',)"


def test_many_threads_log_while_the_capture_begins_and_ends() -> None:
    """structlog.testing.capture_logs empties the list of processors while others walk it."""
    failures: list[BaseException] = []
    enough = threading.Event()

    def talk(number: int) -> None:
        logger = log.class_logger("Talk", thread=number)
        try:
            while not enough.is_set():
                logger.debug("said", number=number)
        except BaseException as error:
            failures.append(error)

    talkers = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for talker in talkers:
        talker.start()
    caught = 0
    try:
        for _ in range(300):
            with capturing() as logs:
                logs.wait_for("said")
            caught += len(logs.entries)
            assert {type(entry.event) for entry in logs.entries} == {str}
    finally:
        enough.set()
        for talker in talkers:
            talker.join()
    assert failures == []
    assert caught >= 300


def test_no_line_of_many_threads_is_lost(thread_logs: ThreadLogs) -> None:
    def talk(number: int) -> None:
        logger = log.class_logger("Talk", thread=number)
        plain = logging.getLogger("plain")
        for line in range(500):
            logger.info("said", line=line)
            plain.info("said %s", line)

    talkers = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join()
    assert len(thread_logs.filter(logger="Talk")) == len(thread_logs.filter(logger="plain")) == 2000
    for number in range(4):
        lines = thread_logs.filter(thread=number, logger="Talk")
        assert [entry.values["line"] for entry in lines] == list(range(500))
