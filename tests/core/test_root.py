"""What stands around a tree: run(), with, async with."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from task_thread import ExitReason, State, TaskThread, VirtualThread, reCreate, run
from task_thread.errors import AlreadyStarted, FamilyError, StopTimeout, WrongLoop
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import Place, Plain, Recorder, forever


class Ends(TaskThread):
    """Ends by itself, in the way that the constructor says."""

    stop_timeout = 0.3

    def __init__(self, how: str, parent: TaskThread | None = None) -> None:
        self.how = how
        super().__init__(parent=parent)

    async def enter__(self) -> None:
        if self.how == "enter__ raises":
            raise ValueError(self.how)
        self.tasks.end = await reCreate(None, self.end)

    async def end(self) -> None:
        if self.how == "task raises":
            raise ValueError(self.how)
        if self.how == "sys.exit":
            raise SystemExit(5)
        await self.requestTerminate()

    async def exit__(self) -> None:
        if self.how == "hangs":
            await forever()


CODES = [
    ("normally", 0),
    ("enter__ raises", 1),
    ("task raises", 1),
    ("sys.exit", 1),
    ("hangs", 70),
]


@pytest.mark.parametrize(("how", "code"), CODES)
def test_run_returns_the_exit_code(place: Place, how: str, code: int) -> None:
    root = place(Ends)(how)
    assert run(root) == code
    assert root.exit_reason is not None


def test_run_logs_the_crash_with_its_traceback(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(place(Ends)("task raises")) == 1
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.name == "Ends"


def test_run_takes_a_root_that_was_not_run_before(place: Place) -> None:
    wrong: Any = Ends
    with pytest.raises(TypeError, match="an instance"):
        run(wrong)
    with pytest.raises(FamilyError):
        run(place(Ends)("normally", parent=Plain()))
    root = place(Ends)("normally")
    assert run(root) == 0
    with pytest.raises(AlreadyStarted):
        run(root)


async def test_run_where_a_loop_runs_says_what_to_do(place: Place) -> None:
    root = place(Plain)()
    with pytest.raises(WrongLoop, match="await"):
        run(root)
    assert root.state is State.NEW


def test_run_in_another_thread_than_the_main_one(place: Place) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(place(Ends)("normally"))))
    thread.start()
    thread.join(PATIENCE)
    assert codes == [0]


def test_run_leaves_the_main_threads_loop_setting_alone(place: Place) -> None:
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        run(place(Ends)("normally"))
        assert asyncio.get_event_loop() is mine
    finally:
        asyncio.set_event_loop(None)
        mine.close()


def test_with_entered_means_running_left_means_stopped(journal: Journal) -> None:
    with Recorder(journal, "root") as root:
        assert root.state is State.RUNNING
        assert journal.entries == [("root", "enter__")]
    state: State = root.state
    assert state is State.STOPPED
    assert root.exit_reason == ExitReason("shutdown")
    assert journal.entries[-1] == ("root", "exit__")


async def test_async_with_entered_means_running_left_means_stopped(
    place: Place, journal: Journal
) -> None:
    async with place(Recorder)(journal, "root") as root:
        assert root.state is State.RUNNING
        assert journal.entries == [("root", "enter__")]
    state: State = root.state
    assert state is State.STOPPED
    assert root.exit_reason == ExitReason("shutdown")


def test_with_raises_what_enter_raised() -> None:
    root = Ends("enter__ raises")
    with pytest.raises(ValueError, match="enter__ raises"), root:
        pytest.fail("was entered")
    assert root.state is State.CRASHED


async def test_async_with_raises_what_enter_raised(place: Place) -> None:
    root = place(Ends)("enter__ raises")
    with pytest.raises(ValueError, match="enter__ raises"):
        async with root:
            pytest.fail("was entered")
    assert root.state is State.CRASHED


async def test_async_with_raises_what_crashed_it_meanwhile(place: Place) -> None:
    with pytest.raises(ValueError, match="task raises"):
        async with place(Ends)("task raises") as root:
            await root.join()


async def test_async_with_does_not_hide_the_bodys_own_error(place: Place) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with place(Ends)("task raises") as root:
            await root.join()
            raise KeyError("mine")


def test_with_says_when_the_stop_was_cut_off() -> None:
    class Hangs(TaskThread):
        stop_timeout = 0.2

        async def exit__(self) -> None:
            await forever()

    with pytest.raises(StopTimeout, match="exit__"), Hangs():
        pass


def test_with_needs_a_loop_of_its_own() -> None:
    with pytest.raises(WrongLoop, match="async with"), VirtualThread():
        pytest.fail("was entered")


async def test_with_where_a_loop_runs_says_what_to_do() -> None:
    with pytest.raises(WrongLoop, match="async with"), Plain():
        pytest.fail("was entered")


def test_with_goes_on_while_the_main_thread_works(journal: Journal) -> None:
    class Ticks(TaskThread):
        async def enter__(self) -> None:
            self.tasks.tick = await reCreate(None, self.tick)

        async def tick(self) -> None:
            journal("tick")

    with Ticks():
        journal.wait("tick")


# ---- a cancelled run() ------------------------------------------------------------------------


async def test_cancelled_root_run_stops_the_tree(
    home: Place, place: Place, journal: Journal
) -> None:
    class Root(Recorder):
        async def enter__(self) -> None:
            await place(Recorder)(journal, "child", parent=self).run()
            self.note("entered")

    root = home(Root)(journal, "root")
    running = asyncio.create_task(root.run())
    await journal.seen(("root", "entered"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert root.state is State.STOPPED
    assert ("child", "exit__") in journal.entries
    assert journal.entries[-1] == ("root", "exit__")


async def test_timed_out_root_run_stops_the_tree(place: Place, journal: Journal) -> None:
    root = place(Recorder)(journal, "root")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(root.run(), 0.05)
    assert root.state is State.STOPPED
    assert journal.entries[-1] == ("root", "exit__")


async def test_cancelled_start_of_a_root_stops_it(place: Place, journal: Journal) -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            journal("enter__")
            await forever()

    root = place(Root)()
    running = asyncio.create_task(root.run())
    await journal.seen("enter__")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await root.join()).kind == "shutdown"


def test_virtual_root_lives_on_the_loop_that_runs_it() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    class Root(VirtualThread):
        async def enter__(self) -> None:
            loops.append(asyncio.get_running_loop())
            await self.stop()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await Root().run()

    asyncio.run(main())
    assert len(set(loops)) == 1
