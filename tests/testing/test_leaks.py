"""no_leaks(): what a block may not leave behind, without pytest."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import warnings
from asyncio.base_events import BaseEventLoop
from typing import Any

import pytest

from task_thread.testing import LeakError, leaks, no_leaks
from tests.testing.threads import Counter, Ticker

needs_descriptors = pytest.mark.skipif(
    leaks.descriptors() is None, reason="descriptors are not checked on this system"
)


def test_a_tree_that_ends_leaves_nothing() -> None:
    with no_leaks():
        for _ in range(3):
            with Ticker(0.001) as ticker, Counter():
                assert ticker.state.value == "running"


def test_an_executor_is_closed_with_its_loop() -> None:
    with no_leaks():
        asyncio.run(asyncio.to_thread(int))


def test_an_os_thread_is_waited_for() -> None:
    timer = threading.Timer(0.05, int)
    with no_leaks():
        timer.start()
    assert not timer.is_alive()


def test_an_os_thread_that_stays_is_named_with_its_stack() -> None:
    done = threading.Event()
    with pytest.raises(LeakError) as caught, no_leaks(patience=0.02):
        thread = threading.Thread(target=done.wait, name="stays")
        thread.start()
    done.set()
    thread.join()
    assert len(caught.value.leaks) == 1
    assert caught.value.leaks[0].startswith("the OS thread 'stays' still runs, it is in\n")
    assert "self._cond.wait(timeout)" in caught.value.leaks[0]


def test_an_open_loop_is_named_with_its_tasks() -> None:
    async def sleeps() -> None:
        await asyncio.Event().wait()

    with pytest.raises(LeakError) as caught, no_leaks():
        loop = asyncio.new_event_loop()
        task = loop.create_task(sleeps(), name="sleepy")
        loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    open_loop = next(leak for leak in caught.value.leaks if "event loop" in leak)
    assert open_loop.startswith("an event loop was not closed: ")
    assert open_loop.endswith(", and has pending tasks: sleepy")


def test_a_loop_of_the_cores_own_kind_counts_too() -> None:
    from task_thread.core.turns import new_event_loop

    with pytest.raises(LeakError, match="an event loop was not closed"), no_leaks():
        loop = new_event_loop()
    loop.close()


@needs_descriptors
def test_a_descriptor_is_named() -> None:
    with pytest.raises(LeakError, match=r"descriptor \d+ is open: socket:\[\d+\]"), no_leaks():
        sock = socket.socket()
    sock.close()


@needs_descriptors
def test_a_descriptor_that_nobody_holds_any_more_is_no_leak() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with no_leaks():
            circle: list[Any] = [open(os.devnull)]  # noqa: SIM115
            circle.append(circle)
            del circle


def test_where_there_is_no_proc_descriptors_are_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaks, "_DESCRIPTORS", "/nowhere")
    assert leaks.descriptors() is None
    with no_leaks():
        sock = socket.socket()
    sock.close()


def test_what_the_block_raises_goes_on_with_the_leaks_as_a_note() -> None:
    with pytest.raises(ZeroDivisionError) as caught, no_leaks():
        loop = asyncio.new_event_loop()
        raise ZeroDivisionError
    loop.close()
    assert caught.value.__notes__[0].startswith("left behind:\n- an event loop was not closed")


def test_a_coroutine_that_is_not_awaited() -> None:
    async def forgotten() -> None: ...

    with (
        pytest.raises(LeakError, match=r"never awaited: test_a_corou.*<locals>\.forgotten"),
        no_leaks(),
    ):
        forgotten()  # type: ignore[unused-coroutine]


def test_blocks_may_be_nested_and_asyncio_is_put_back() -> None:
    make, close = BaseEventLoop.__init__, BaseEventLoop.close
    with no_leaks():
        watching = BaseEventLoop.__init__
        with pytest.raises(LeakError), no_leaks():
            loop = asyncio.new_event_loop()
        assert BaseEventLoop.__init__ is watching
        loop.close()
    outer_watches = len(leaks._watches)
    if not outer_watches:
        assert BaseEventLoop.__init__ is not watching
    assert (BaseEventLoop.__init__, BaseEventLoop.close) == (make, close)


def test_ten_thousand_loops_are_not_kept() -> None:
    watch = leaks.LeakWatch()
    watch.begin()
    for _ in range(100):
        asyncio.new_event_loop().close()
    assert watch.loops == {}
    assert watch.end(1.0) == []


UVLOOP = """
import uvloop
from task_thread.testing import LeakError, no_leaks
with no_leaks():
    uvloop.new_event_loop().close()
try:
    with no_leaks():
        loop = uvloop.new_event_loop()
except LeakError as error:
    print(error)
"""


@needs_descriptors
@pytest.mark.parametrize("late", [False, True])
def test_uvloops_pipe_for_os_signals_is_no_leak_but_its_loops_are(late: bool) -> None:
    pytest.importorskip("uvloop")
    source = UVLOOP
    if late:  # loaded in the block only
        source = source.replace("import uvloop\n", "", 1).replace(
            "    uvloop", "    import uvloop\n    uvloop", 1
        )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("left behind:\n- descriptor ")
