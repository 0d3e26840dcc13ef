"""Logging: structlog over a standard logger named after the class; visible, or left alone."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from task_thread import TaskThread, reCreate
from task_thread.log import show
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.programs import run_program
from tests.support.threads import Place, message


class Chatty(TaskThread):
    async def enter__(self) -> None:
        self.logger.debug("opened")
        self.logger.info("read %s of %d bytes", "half", 10)
        self.logger.warning("slow", seconds=1.5, unit="s")
        self.logger.info("100%")

    def getId(self) -> str:
        return "chatty-1"


def lines(caplog: pytest.LogCaptureFixture, name: str = "Chatty") -> list[tuple[str, str]]:
    return [(r.levelname, r.getMessage()) for r in caplog.records if r.name == name]


@pytest.mark.parametrize(
    ("level", "told"),
    [("DEBUG", 4), ("INFO", 3), ("WARNING", 1), ("ERROR", 0)],
)
async def test_level_of_the_classs_standard_logger_counts(
    place: Place, caplog: pytest.LogCaptureFixture, level: str, told: int
) -> None:
    caplog.set_level(level, logger="Chatty")
    async with place(Chatty)():
        entered = lines(caplog)
    own = [line for line in entered if "running" not in line[1]]
    assert len(own) == told


async def test_printf_style_and_key_values(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="Chatty")
    async with place(Chatty)():
        pass
    assert lines(caplog) == [
        ("INFO", "read half of 10 bytes thread=chatty-1"),
        ("WARNING", "slow seconds=1.5 thread=chatty-1 unit=s"),
        ("INFO", "100% thread=chatty-1"),
    ]


async def test_exception_is_a_record_with_exc_info(
    place: Place, caplog: pytest.LogCaptureFixture, journal: Journal
) -> None:
    class Chatty(TaskThread):
        async def signalHandler__(self, signal: Signal) -> None:
            try:
                raise ValueError("bad frame")
            except ValueError:
                self.logger.exception("dropped", frame=7)
            journal("logged")

    async with place(Chatty)() as thread:
        await thread.insertSignal(message(1))
        await journal.seen("logged")
    (record,) = [r for r in caplog.records if r.name == "Chatty"]
    assert record.exc_info
    assert isinstance(record.exc_info[1], ValueError)
    assert "frame=7" in record.getMessage()


async def test_logger_before_the_run_works_too(caplog: pytest.LogCaptureFixture) -> None:
    thread = Chatty()
    thread.logger.warning("constructed")
    ((_, text),) = lines(caplog)
    assert "constructed" in text


async def test_logger_of_ones_own_is_kept(place: Place) -> None:
    own = structlog.wrap_logger(logging.getLogger("own"))

    class Thread(TaskThread):
        def initVars__(self) -> None:
            self.logger = own

    async with place(Thread)() as thread:
        assert thread.logger is own


async def test_bound_context_variables_of_structlog_are_shown(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.contextvars.bound_contextvars(request="r-7"):
        async with place(Chatty)():
            pass
    assert any("request=r-7" in text for _, text in lines(caplog))


async def test_task_errors_carry_thread_task_and_traceback(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(TaskThread):
        async def enter__(self) -> None:
            self.tasks.poll = await reCreate(None, self.poll)

        async def poll(self) -> None:
            raise ValueError("no answer")

        def getId(self) -> str:
            return "fails-1"

    root = place(Fails)()
    with pytest.raises(ValueError, match="no answer"):
        await root.run()
    ((level, text),) = lines(caplog, "Fails")
    assert level == "ERROR"
    assert "fails-1" in text
    assert "poll" in text
    assert caplog.records[-1].exc_info
    assert "in poll" in caplog.text  # the traceback's line


# ---- programs of their own --------------------------------------------------------------------

PROGRAM = """
    import logging, sys
    import structlog
    from task_thread import TaskThread, run

    class Hello(TaskThread):
        async def enter__(self):
            self.logger.debug("whisper")
            self.logger.info("hello", who=self.getId())
            self.logger.warning("is %s there", "anybody")
            await self.requestTerminate()

    {setup}
    raise SystemExit(run(Hello()))
"""


def output(setup: str = "") -> tuple[str, str]:
    done = run_program(PROGRAM.format(setup=setup))
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_program_without_logging_set_up_shows_its_lines_on_stderr() -> None:
    assert output() == (
        "",
        "Hello - INFO - hello thread=Hello-1 who=Hello-1\n"
        "Hello - WARNING - is anybody there thread=Hello-1\n",
    )


def test_program_that_only_sets_a_level() -> None:
    _, told = output("logging.getLogger('Hello').setLevel('WARNING')")
    assert told == "Hello - WARNING - is anybody there thread=Hello-1\n"
    _, told = output("logging.getLogger('Hello').setLevel('DEBUG')")
    assert "Hello - DEBUG - whisper thread=Hello-1\n" in told


def test_program_with_basic_config_is_left_alone() -> None:
    setup = "logging.basicConfig(level='INFO', format='mine %(name)s %(message)s')"
    assert output(setup) == (
        "",
        "mine Hello hello thread=Hello-1 who=Hello-1\nmine Hello is anybody there thread=Hello-1\n",
    )


def test_program_with_basic_config_keeps_pythons_default_level() -> None:
    _, told = output("logging.basicConfig(format='%(message)s')")
    assert told == "is anybody there thread=Hello-1\n"


def test_program_with_a_handler_on_the_classs_logger_is_left_alone() -> None:
    setup = (
        "logging.getLogger('Hello').addHandler(logging.StreamHandler(sys.stdout)); "
        "logging.getLogger('Hello').setLevel('INFO')"
    )
    out, err = output(setup)
    assert err == ""
    assert out == "hello thread=Hello-1 who=Hello-1\nis anybody there thread=Hello-1\n"


def test_program_with_structlog_configured_has_its_processors() -> None:
    setup = (
        "logging.basicConfig(level='INFO', format='%(message)s', stream=sys.stdout); "
        "structlog.configure(processors=[structlog.stdlib.add_log_level, "
        "structlog.stdlib.PositionalArgumentsFormatter(), "
        "structlog.processors.JSONRenderer(sort_keys=True)], "
        "wrapper_class=structlog.stdlib.BoundLogger, "
        "logger_factory=structlog.stdlib.LoggerFactory())"
    )
    out, err = output(setup)
    assert err == ""
    told = [json.loads(line) for line in out.splitlines()]
    assert {"event": "hello", "level": "info", "thread": "Hello-1", "who": "Hello-1"} in told
    assert {"event": "is anybody there", "level": "warning", "thread": "Hello-1"} in told


def test_what_is_shown_of_a_thing_has_an_end() -> None:
    assert len(show("x" * 10**6)) < 300
    assert "1000002 characters" in show("x" * 10**6)
    assert show([1, 2]) == "[1, 2]"
