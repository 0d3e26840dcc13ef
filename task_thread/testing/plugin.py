"""The pytest plugin: fixtures ``start_thread``, ``signal_probe``, ``manual_clock``,
``thread_logs``, and the marker ``task_thread`` for tests that are coroutines.

pytest imports this module in every run, so it imports nothing of the library before a test uses it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from task_thread.core.thread import TaskThread
    from task_thread.testing.bench import Bench, StartThread
    from task_thread.testing.clock import ThreadClock
    from task_thread.testing.logs import ThreadLogs
    from task_thread.testing.probe import SignalProbe

__all__ = ["manual_clock", "signal_probe", "start_thread", "thread_logs"]

_TIMEOUT = 30.0  # seconds that a coroutine test may take unless its marker says otherwise


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"task_thread(timeout={_TIMEOUT}): run this coroutine test on a loop of its own; "
        "it may take so many seconds",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test that has the marker; leave all others to whoever runs them."""
    marker = pyfuncitem.get_closest_marker("task_thread")
    if marker is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    from task_thread.testing.coroutines import run_coroutine

    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run_coroutine(pyfuncitem.obj, arguments, _timeout_of(marker))
    return True


def _timeout_of(marker: pytest.Mark) -> float:
    timeout = marker.kwargs.get("timeout", _TIMEOUT)
    if marker.args or marker.kwargs.keys() - {"timeout"} or not isinstance(timeout, int | float):
        raise pytest.UsageError(
            f"the marker task_thread takes timeout=seconds alone, not {marker.args or ''}"
            f"{marker.kwargs or ''}"
        )
    return float(timeout)


@pytest.fixture
def _task_thread_bench() -> Iterator[Bench]:
    """All that one test starts; the other fixtures share it, so that it ends in order."""
    from task_thread.testing.bench import Bench
    from task_thread.testing.leaks import LeakError

    bench = Bench()
    yield bench
    problems = bench.finish()
    if problems:
        raise LeakError(problems)


@pytest.fixture
def start_thread(_task_thread_bench: Bench) -> StartThread:
    """Start threads that are stopped at the end of the test: ``thread = start_thread(MyThread())``.

    The test fails if it leaves anything behind; see :class:`task_thread.testing.StartThread`.
    """
    from task_thread.testing.bench import StartThread

    return StartThread(_task_thread_bench)


@pytest.fixture
def signal_probe(start_thread: StartThread) -> Callable[..., SignalProbe]:
    """A thread that records signals and ends: ``signal_probe()`` as a parent,
    ``signal_probe(parent=thread)`` as a child; see :class:`task_thread.testing.SignalProbe`."""
    from task_thread.testing.probe import SignalProbe

    def make(parent: TaskThread | None = None) -> SignalProbe:
        return start_thread(SignalProbe(parent=parent))

    return make


@pytest.fixture
def manual_clock(_task_thread_bench: Bench) -> ThreadClock:
    """Time in threads that passes when the test says so: ``manual_clock.advance(10)``.

    For the threads that start from then on; see :class:`task_thread.testing.ThreadClock`.
    """
    from task_thread.testing.clock import ThreadClock

    clock = ThreadClock()
    _task_thread_bench.clock = clock
    clock.install()
    return clock


@pytest.fixture
def thread_logs() -> Iterator[ThreadLogs]:
    """What threads log during the test, by structlog or logging, down to debug; nothing is printed.

    See :class:`task_thread.testing.ThreadLogs`.
    """
    from task_thread.testing.logs import capturing

    with capturing() as logs:
        yield logs
