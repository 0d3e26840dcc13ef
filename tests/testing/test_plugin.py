"""What the plugin makes pytest do: whole test runs, in a folder of their own."""

from __future__ import annotations

import os

import pytest

# Loaded before the runs within this process, which forget what they have loaded themselves.
from task_thread.testing import bench, clock, coroutines, logs, probe

LOADED = (bench, clock, coroutines, logs, probe)

pytest_plugins = ("pytester",)

HEAD = """
import asyncio, os, threading
import pytest
from task_thread import *
from task_thread.errors import *
from tests.testing.threads import *
"""

needs_descriptors = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="descriptors are not checked on this system"
)


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    """Run `source` as a test module with the plugin."""
    pytester.makepyfile(HEAD + source)
    return pytester.runpytest_inprocess(
        "-p", "task_thread", "-p", "no:cacheprovider", "--strict-markers", *arguments
    )


def test_everything_is_stopped_youngest_first(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
ended = []

class Named(TaskThread):
    async def exit__(self):
        ended.append(self.name)

def test_starts(start_thread):
    for name in ("first", "second", "third"):
        thread = Named()
        thread.name = name
        start_thread(thread)

def test_were_stopped():
    assert ended == ["third", "second", "first"]
""",
    )
    result.assert_outcomes(passed=2)


def test_a_crash_that_nobody_looked_at_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_ignores_it(start_thread):
    counter = start_thread(Counter())
    counter.post(Note("crash"))
    start_thread.wait(counter._taskthread.life.ended.wait(5))
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E *LeakError: left behind:",
            "E * - Counter-* crashed, and the test has not looked at its exit_reason "
            "(start_thread(..., crashes=True) if it may):",
            "E * RuntimeError: broken on purpose",
        ]
    )


def test_a_crash_that_was_looked_at_is_none_of_the_kits_business(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
def test_looks(start_thread):
    counter = start_thread(Counter())
    counter.post(Note("crash"))
    start_thread.wait(counter._taskthread.life.ended.wait(5))
    assert counter.exit_reason.kind == "crash"

def test_joins(start_thread):
    counter = start_thread(Counter())
    counter.post(Note("crash"))
    assert start_thread.wait(counter.join()).kind == "crash"

def test_stops(start_thread):
    counter = start_thread(Counter())
    counter.post(Note("crash"))
    assert start_thread.stop(counter).kind == "crash"

def test_allows(start_thread):
    start_thread(Counter(), crashes=True).post(Note("crash"))

def test_looks_too_early(start_thread):
    counter = start_thread(Counter())
    assert counter.exit_reason is None
    counter.post(Note("crash"))
""",
    )
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_looks_too_early*"])


def test_a_stop_that_times_out_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
class Hangs(TaskThread):
    stop_timeout = 0.2

    async def exit__(self):
        await asyncio.Event().wait()

def test_hangs(start_thread):
    start_thread(Hangs())
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E * - the stop of Hangs-* timed out: *exit__ was cut off*"])


def test_a_stop_is_timed_out_in_real_time_under_a_clock_that_stands(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
class Hangs(TaskThread):
    stop_timeout = 0.2

    async def exit__(self):
        await asyncio.Event().wait()

def test_hangs(manual_clock, start_thread):
    start_thread(Hangs())

def test_hangs_with_the_fixtures_the_other_way_round(start_thread, manual_clock):
    start_thread(Hangs())
""",
    )
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["E * - the stop of Hangs-* timed out: *exit__ was cut off*"])


LEAKS = [
    pytest.param(
        """
done = threading.Event()

def test_leaks(start_thread):
    threading.Thread(target=done.wait, args=(8,), name="forgotten", daemon=True).start()

def test_tidies_up():
    done.set()
""",
        "the OS thread 'forgotten' still runs, it is in",
        id="os-thread",
    ),
    pytest.param(
        """
def test_leaks(start_thread):
    global loop
    loop = asyncio.new_event_loop()

def test_tidies_up():
    loop.close()
""",
        "an event loop was not closed: *",
        id="loop",
    ),
    pytest.param(
        """
def test_leaks(start_thread):
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(1), name="sleepy")
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    task._log_destroy_pending = True
""",
        "a loop was closed with pending tasks: sleepy",
        id="pending-task",
    ),
    pytest.param(
        """
async def forgotten():
    pass

def test_leaks(start_thread):
    forgotten()
""",
        "a coroutine was never awaited: forgotten",
        id="never-awaited",
    ),
    pytest.param(
        """
def test_leaks(start_thread):
    global opened
    opened = open(os.devnull)

def test_tidies_up():
    opened.close()  # else it is collected, with a warning, in the middle of another test
""",
        "descriptor * is open: /dev/null",
        id="descriptor",
        marks=needs_descriptors,
    ),
    pytest.param(
        """
@pytest.mark.task_thread
async def test_leaks(start_thread):
    global task
    task = asyncio.create_task(asyncio.sleep(30), name="sleepy")
""",
        "the test returned with pending tasks: sleepy",
        id="pending-task-of-a-coroutine-test",
    ),
]


@pytest.mark.parametrize(("source", "leak"), LEAKS)
def test_a_leak_fails_the_test_and_says_what_it_is(
    pytester: pytest.Pytester, source: str, leak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("task_thread.testing.bench._THREADS_END_WITHIN", 0.1)
    result = run(pytester, source, "-W", "ignore")
    outcomes = result.parseoutcomes()
    assert outcomes.get("error", 0) + outcomes.get("errors", 0) + outcomes.get("failed", 0) == 1
    result.stdout.fnmatch_lines([f"E * - {leak}"])
    result.stdout.no_fnmatch_line("E * - *\nE * - *")


def test_a_test_that_fails_is_reported_with_its_own_error(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_fails(start_thread, manual_clock):
    start_thread(Counter())
    assert 1 == 2
""",
    )
    result.assert_outcomes(failed=1)


COROUTINES = """
async def test_plain():
    await asyncio.sleep(0)

@pytest.mark.task_thread
async def test_marked():
    await asyncio.sleep(0)
    asyncio.get_running_loop()

@pytest.mark.task_thread(timeout=0.05)
async def test_too_slow():
    await asyncio.sleep(30)

class TestMethods:
    @pytest.mark.task_thread
    @pytest.mark.parametrize("number", [1, 2])
    async def test_method(self, number, tmp_path):
        assert number in (1, 2)
"""


def test_the_marker_runs_coroutines_and_nothing_else_does(pytester: pytest.Pytester) -> None:
    result = run(pytester, COROUTINES)
    # A coroutine without the marker is refused by pytest itself, as without this plugin.
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])
    result.stdout.fnmatch_lines(["E * TimeoutError: the test took longer than 0.05 s"])


def test_another_plugins_coroutines_are_left_to_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import asyncio, inspect, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj) and "ours" in pyfuncitem.keywords:
        asyncio.run(pyfuncitem.obj(**{n: pyfuncitem.funcargs[n] for n in pyfuncitem.fixturenames
                                      if n == "start_thread"}))
        return True

def pytest_configure(config):
    config.addinivalue_line("markers", "ours: run by this conftest")
"""
    )
    result = run(
        pytester,
        """
@pytest.mark.ours
async def test_theirs(start_thread):
    counter = start_thread(Counter())
    assert await counter.ask(Count()) == 0
""",
    )
    result.assert_outcomes(passed=1)


def test_a_wrong_marker_is_one_clear_line(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.task_thread(5)
async def test_it():
    pass
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the marker task_thread takes timeout=seconds alone, not (5,)*"])


def test_fixtures_tell_what_they_are_for(pytester: pytest.Pytester) -> None:
    result = run(pytester, "", "--fixtures")
    result.stdout.fnmatch_lines_random(
        [
            "start_thread*",
            "*Start threads that are stopped at the end of the test*",
            "signal_probe*",
            "manual_clock*",
            "thread_logs*",
        ]
    )
    assert "task_thread_bench" not in result.stdout.str()


def test_nothing_is_printed_while_logs_are_captured(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import logging, structlog

def test_logs(start_thread, thread_logs, capfd):
    logging.basicConfig(force=False)
    counter = start_thread(Counter(), crashes=True)
    counter.logger.warning("careful", depth=3)
    structlog.get_logger().info("from nowhere")
    counter.post(Note("crash"))
    thread_logs.wait_for("crashed in")
    assert capfd.readouterr() == ("", "")
    assert False
""",
    )
    result.assert_outcomes(failed=1)
    # ... but pytest tells it, where a test fails.
    result.stdout.fnmatch_lines(["*Captured log call*", "*WARNING *careful depth=3*"])


@pytest.mark.parametrize("fixtures", ["start_thread", "start_thread, manual_clock"])
def test_a_thread_that_blocks_its_loop_is_given_up(
    pytester: pytest.Pytester, fixtures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("task_thread.testing.bench._THREADS_END_WITHIN", 0.1)
    result = run(
        pytester,
        f"""

let_go = threading.Event()

class Gone(TaskThread):
    stop_timeout = 0.2

    async def signalHandler__(self, signal):
        let_go.wait()

def test_blocks({fixtures}):
    start_thread(Gone()).post(Note(1))

def test_goes_on_later(start_thread):
    let_go.set()
""",
        "-p",
        "no:unraisableexception",  # what pytest itself leaves behind is not what this is about
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E * - the stop of Gone-* timed out: Gone-* was abandoned, it hangs in:",
            "E * let_go.wait()*",
            "E * - the OS thread 'Gone-*' still runs, it is in",
        ]
    )
