"""Trees as processes: their exit codes, SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
from time import monotonic

import pytest

from task_thread import ExitReason, TaskThread, run
from tests.support.journal import PATIENCE, Journal
from tests.support.programs import run_program, start_program
from tests.support.threads import Place, Recorder

PROGRAM = """
    import asyncio, sys, threading
    from task_thread import TaskThread, VirtualThread, reCreate, run

    class Root({base}):
        stop_timeout = {timeout}

        async def enter__(self):
            child = {base}(parent=self)
            await child.run()
            self.tasks.work = await reCreate(None, self.work)

        async def work(self):
            print("ready", flush=True)
            {work}

        async def stopping__(self):
            print("stopping", flush=True)

        async def exit__(self):
            {exit}
            print("closed", flush=True)

    code = run(Root())
    print("code", code, flush=True)
    raise SystemExit(code)
"""

BASES = ["TaskThread", "VirtualThread"]
WAIT = "await asyncio.get_running_loop().create_future()"


def program(
    base: str = "TaskThread", work: str = WAIT, last: str = "pass", timeout: float = 10.0
) -> str:
    return PROGRAM.format(base=base, work=work, exit=last, timeout=timeout)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("work", "code"),
    [
        ("await self.requestTerminate()", 0),
        ("await self.stop()", 0),
        ("raise ValueError('boom')", 1),
    ],
)
def test_exit_code_of_a_process(base: str, work: str, code: int) -> None:
    done = run_program(program(base, work))
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-1] == f"code {code}"
    assert "closed" in done.stdout
    assert ("ValueError: boom" in done.stderr) == (code == 1)


def test_exit_code_of_a_process_whose_tree_hangs_in_a_blocking_call() -> None:
    source = program(work="await self.stop(); threading.Event().wait()", timeout=0.3)
    begun = monotonic()
    done = run_program(source)
    assert done.returncode == 70, done.stderr
    assert monotonic() - begun < PATIENCE
    assert "abandoned" in done.stderr
    assert "in work" in done.stderr  # the stack that it hangs in


def test_exit_code_of_a_process_whose_stop_was_cut_off() -> None:
    done = run_program(program(work="await self.stop()", last=WAIT, timeout=0.3))
    assert done.returncode == 70, done.stderr
    assert "exit__" in done.stderr


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for told in process.stdout:
        if told.strip() == line:
            return
    raise AssertionError(f"{line!r} was not said")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_os_signal_stops_a_process_in_order(base: str, number: signal.Signals) -> None:
    with start_program(program(base)) as process:
        wait_for_line(process, "ready")
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert out.split() == ["stopping", "closed", "code", "0"]
    assert "Traceback" not in err


@pytest.mark.parametrize("base", BASES)
def test_second_os_signal_cuts_the_stop_short(base: str) -> None:
    with start_program(program(base, last=WAIT, timeout=60.0)) as process:
        wait_for_line(process, "ready")
        process.send_signal(signal.SIGTERM)
        wait_for_line(process, "stopping")
        begun = monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 70, err
    assert monotonic() - begun < 5
    assert "exit__" in err


BUSY_PROGRAM = """
    from task_thread import TaskThread, reCreate, reSchedule, run

    class Root(TaskThread):
        async def enter__(self):
            self.tasks.spin = await reCreate(None, self.spin)
            print("ready", flush=True)

        async def spin(self):
            self.tasks.spin = await reSchedule(self.spin)

        async def exit__(self):
            print("closed", flush=True)

    raise SystemExit(run(Root()))
"""


def test_os_signal_stops_a_busy_process() -> None:
    with start_program(BUSY_PROGRAM) as process:
        wait_for_line(process, "ready")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "closed" in out


# ---- OS signals in this process ---------------------------------------------------------------


class Watches(TaskThread):
    """Notes the SIGTERM handler of the moment, then sends that signal to its own process."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        super().__init__()

    async def enter__(self) -> None:
        self.journal(signal.getsignal(signal.SIGTERM))
        signal.raise_signal(signal.SIGTERM)


def test_handlers_are_installed_by_a_root_that_runs_in_main_and_restored(
    place: Place, journal: Journal
) -> None:
    heard: list[int] = []
    earlier = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    mine = signal.getsignal(signal.SIGTERM)
    try:
        place(Watches)(journal)  # constructing one installs nothing
        assert signal.getsignal(signal.SIGTERM) is mine
        root = place(Watches)(journal)
        assert run(root) == 0
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert journal.entries != [mine]
    assert heard == []
    assert root.exit_reason is not None
    assert not root.exit_reason.failed


class Crashes(TaskThread):
    async def enter__(self) -> None:
        raise ValueError("crash")


def test_handlers_are_restored_after_a_crash(place: Place) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    assert run(place(Crashes)()) == 1
    assert {number: signal.getsignal(number) for number in before} == before


def test_ignored_signal_stays_ignored(place: Place, journal: Journal) -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            journal(signal.getsignal(signal.SIGTERM))
            await self.stop()

    earlier = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        run(place(Root)())
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert journal.entries == [signal.SIG_IGN]


def test_no_handler_is_installed_from_another_thread(place: Place, journal: Journal) -> None:
    class Root(TaskThread):
        async def enter__(self) -> None:
            journal(signal.getsignal(signal.SIGTERM))
            await self.stop()

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: run(place(Root)()))
    thread.start()
    thread.join(PATIENCE)
    assert journal.entries == [before]


async def test_two_roots_in_main_both_stop_and_restore_once(place: Place, journal: Journal) -> None:
    before = signal.getsignal(signal.SIGTERM)
    roots = [place(Recorder)(journal, name) for name in ("first", "second")]
    running = [asyncio.create_task(root.run()) for root in roots]
    for root in roots:
        await journal.seen((str(root), "enter__"))
    assert signal.getsignal(signal.SIGTERM) != before
    signal.raise_signal(signal.SIGTERM)
    await asyncio.gather(*running)
    assert signal.getsignal(signal.SIGTERM) == before
    assert [root.exit_reason for root in roots] == [ExitReason("shutdown")] * 2
