"""Programs in the style of the original library run unchanged.

``asyncio.get_event_loop().run_until_complete(thread.run())`` with an OS thread for each TaskThread;
those that pass asyncio streams between parent and child after
``from task_thread import VirtualThread as TaskThread``.
"""

from __future__ import annotations

import signal
import subprocess
import textwrap

import pytest

import task_thread
from tests.support.programs import PATIENCE, run_program, start_program

BOTH = [
    pytest.param("from task_thread import TaskThread", id="os-thread"),
    pytest.param("from task_thread import VirtualThread as TaskThread", id="virtual"),
]

START = """
if __name__ == "__main__":
    thread = Root(parent=None)
    loop = asyncio.get_event_loop()
    loop.run_until_complete(thread.run())
    print("over")
"""


def whole(imported: str, body: str) -> str:
    return "\n".join(
        [
            "import asyncio, logging, sys",
            imported,
            "from task_thread import reCreate, reSchedule, delete, verbose, signals",
            textwrap.dedent(body),
            START,
        ]
    )


def output(imported: str, body: str) -> list[str]:
    done = run_program(whole(imported, body))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_names_of_the_original_are_there() -> None:
    for name in ("TaskThread", "reCreate", "reSchedule", "delete", "verbose", "signals"):
        assert hasattr(task_thread, name)
    for name in ("Signal", "MessageSignal", "TerminateSignal", "CloseSignal"):
        assert hasattr(task_thread.signals, name)


TICKING = """
    class Root(TaskThread):
        def initVars__(self):
            self.count = 0
            self.tasks.tick = None
            self.locks.count = asyncio.Lock()

        def getId(self):
            return 1

        def getInfo(self):
            return "<Root>"

        @verbose
        async def enter__(self):
            self.logger.info("enter__ %s", self.getInfo())
            self.tasks.tick = await reCreate(self.tasks.tick, self.tick__)

        @verbose
        async def exit__(self):
            self.tasks.tick = await delete(self.tasks.tick)
            print("exit", self.count, self.tasks.tick)

        async def tick__(self):
            try:
                await asyncio.sleep(0.001)
                async with self.locks.count:
                    self.count += 1
                if self.count >= 20:
                    await self.stop()
                    return
                self.tasks.tick = await reSchedule(self.tick__); return
            except asyncio.CancelledError:
                print("cancelled")
            except Exception as e:
                self.logger.warning("failed with %s", e)
                await self.stop()
"""


@pytest.mark.parametrize("imported", BOTH)
def test_a_ticking_root_that_stops_itself(imported: str) -> None:
    assert output(imported, TICKING) == ["exit 20 None", "over"]


FAMILY = """
    class PingSignal(signals.Signal):
        def __init__(self, number):
            self.number = number

    class PongSignal(PingSignal):
        pass

    class Child(TaskThread):
        def __init__(self, child_id, parent=None):
            super().__init__(parent=parent)
            self.child_id = child_id

        def initVars__(self):
            self.tasks.write = None

        def getId(self):
            return self.child_id

        def getInfo(self):
            return "<Child %s>" % self.child_id

        @verbose
        async def enter__(self):
            self.tasks.write = await reCreate(self.tasks.write, self.write__)

        @verbose
        async def exit__(self):
            self.tasks.write = await delete(self.tasks.write)
            print(f"child {self.child_id} exits\\n", end="")  # one write: two threads print

        @verbose
        async def signalHandler__(self, signal):
            if isinstance(signal, PingSignal):
                await self.sigFromChildToParent__(PongSignal(signal.number))
                if signal.number >= 3:
                    await self.stop()
            return True

        async def write__(self):
            try:
                await asyncio.sleep(0.01)
                self.tasks.write = await reSchedule(self.write__); return
            except asyncio.CancelledError:
                pass

    class Root(TaskThread):
        def initVars__(self):
            self.tasks.ping = None
            self.pongs = {1: 0, 2: 0}

        def getId(self):
            return 0

        def getInfo(self):
            return "<Root>"

        @verbose
        async def enter__(self):
            for child_id in (1, 2):
                child = Child(child_id, parent=self)
                await self.addChild(child)
                await child.run()
            self.tasks.ping = await reCreate(self.tasks.ping, self.ping__, number=1)

        @verbose
        async def childsignalHandler__(self, signal, child):
            if isinstance(signal, PongSignal):
                assert self.findChild(_id=child.getId(), _class=Child) in (child, None)
                self.pongs[child.getId()] += 1
                if sum(self.pongs.values()) == 6:
                    await self.stop()

        async def ping__(self, number=0):
            assert self.findChild(_id=1) is None or self.findChild(_id=1).getInfo() == "<Child 1>"
            await self.sigFromParentToChild__(PingSignal(number))
            if number < 3:
                self.tasks.ping = await reSchedule(self.ping__, number=number + 1); return

        async def exit__(self):
            print("root exits", self.pongs, self.getChildIds())
"""


@pytest.mark.parametrize("imported", BOTH)
def test_parent_and_children_that_exchange_signals(imported: str) -> None:
    lines = output(imported, FAMILY)
    assert sorted(lines[:2]) == ["child 1 exits", "child 2 exits"]
    assert lines[2:] == ["root exits {1: 3, 2: 3} []", "over"]


ADDED_LATER = """
    class Child(TaskThread):
        def initVars__(self):
            pass

        async def enter__(self):
            print("child enters")

        async def exit__(self):
            print("child exits")

    class Root(TaskThread):
        def initVars__(self):
            self.tasks.grow = None

        async def enter__(self):
            self.tasks.grow = await reCreate(self.tasks.grow, self.grow__)

        async def grow__(self):
            child = Child(parent=self)
            await child.run()
            await self.addChild(child)
            print("children", len(self.children))
            await self.delChild(child)
            print("children", len(self.children))
            other = Child(parent=self)
            await other()
            await other.requestTerminate()
            await other.join()
            await self.terminate()
"""


@pytest.mark.parametrize("imported", BOTH)
def test_children_that_come_and_go(imported: str) -> None:
    assert output(imported, ADDED_LATER) == [
        "child enters",
        "children 1",
        "child exits",
        "children 0",
        "child enters",
        "child exits",
        "over",
    ]


MESSAGES = """
    class Child(TaskThread):
        max_qsize = 5

        def initVars__(self):
            self.got = []

        async def enter__(self):
            pass

        async def signalHandler__(self, signal):
            if isinstance(signal, signals.MessageSignal):
                self.got.append(signal.getMessage())
                await asyncio.sleep(0.0001)
            if len(self.got) == 50:
                assert self.got == list(range(50))
                await self.sigFromChildToParent__(signals.CloseSignal())
            return True

        async def inputOverflowHandler__(self, queue):
            assert queue.maxsize == 5

    class Root(TaskThread):
        def initVars__(self):
            self.tasks.send = None

        async def enter__(self):
            self.child = Child(parent=self)
            await self.child.run()
            await self.addChild(self.child)
            self.tasks.send = await reCreate(self.tasks.send, self.send__)

        async def send__(self):
            for number in range(50):
                await self.child.insertSignal(signals.MessageSignal("root", number))
            await self.child.join()
            print("child has", len(self.child.got), "parent has", len(self.children))
            await self.insertSignal(signals.TerminateSignal())
"""


@pytest.mark.parametrize("imported", BOTH)
def test_messages_through_a_small_queue_and_the_known_signals(imported: str) -> None:
    assert output(imported, MESSAGES) == ["child has 50 parent has 0", "over"]


FATAL = """
    class Root(TaskThread):
        def initVars__(self):
            self.tasks.work = None

        async def enter__(self):
            self.tasks.work = await reCreate(self.tasks.work, self.work__)
            await self.insertSignal(signals.MessageSignal("me", "go on"))
            await self.insertSignal(signals.MessageSignal("me", "fatal"))

        async def work__(self):
            await asyncio.sleep(60)

        async def signalHandler__(self, signal):
            print(signal.getMessage())
            return signal.getMessage() != "fatal"

        async def exit__(self):
            print("exit")
"""


@pytest.mark.parametrize("imported", BOTH)
def test_a_handler_that_returns_false_for_a_fatal_error(imported: str) -> None:
    assert output(imported, FATAL) == ["go on", "fatal", "exit", "over"]


STREAMS = """
    class Connection(TaskThread):
        def __init__(self, reader, writer, parent=None):
            super().__init__(parent=parent)
            self.reader = reader
            self.writer = writer

        def initVars__(self):
            self.tasks.read = None

        async def enter__(self):
            self.tasks.read = await reCreate(self.tasks.read, self.read__)

        async def read__(self):
            line = await self.reader.readline()
            if not line:
                await self.stop()
                return
            self.writer.write(line.upper())
            await self.writer.drain()
            self.tasks.read = await reSchedule(self.read__); return

        async def exit__(self):
            self.tasks.read = await delete(self.tasks.read)
            self.writer.close()
            print("connection closed")

    class Root(TaskThread):
        def initVars__(self):
            self.server = None
            self.tasks.client = None

        async def enter__(self):
            self.server = await asyncio.start_server(self.accepted__, "127.0.0.1", 0)
            self.tasks.client = await reCreate(self.tasks.client, self.client__)

        async def accepted__(self, reader, writer):
            child = Connection(reader, writer, parent=self)
            await self.addChild(child)
            await child.run()

        async def client__(self):
            address = self.server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"hello\\n")
            print((await reader.readline()).decode().strip())
            writer.close()
            await writer.wait_closed()
            while self.children:
                await self.children[0].join()
            await self.stop()

        async def exit__(self):
            self.server.close()
            print("server closed")
"""


def test_streams_from_parent_to_child_on_one_loop() -> None:
    assert output(BOTH[1].values[0], STREAMS) == [  # type: ignore[arg-type]
        "HELLO",
        "connection closed",
        "server closed",
        "over",
    ]


LOGGED = """
    logging.getLogger("Root").setLevel(logging.DEBUG)

    class Root(TaskThread):
        def initVars__(self):
            pass

        async def enter__(self):
            self.logger.debug("debug %s", 1)
            self.logger.log(logging.INFO, "log %s", 2)
            self.logger.critical("critical")
            await self.stop()
"""


@pytest.mark.parametrize("imported", BOTH)
def test_its_logging_shows_on_stderr_in_the_originals_form(imported: str) -> None:
    done = run_program(whole(imported, LOGGED))
    for line in ("Root - DEBUG - debug 1", "Root - INFO - log 2", "Root - CRITICAL - critical"):
        assert any(told.startswith(line) for told in done.stderr.splitlines())


FOREVER = """
    class Root(TaskThread):
        def initVars__(self):
            self.tasks.tick = None

        async def enter__(self):
            self.tasks.tick = await reCreate(self.tasks.tick, self.tick__)
            print("ready", flush=True)

        async def tick__(self):
            await asyncio.sleep(0.001)
            self.tasks.tick = await reSchedule(self.tick__)

        async def exit__(self):
            print("exit", flush=True)
"""


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("imported", BOTH)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_os_signal_ends_the_program_in_order(imported: str, number: signal.Signals) -> None:
    with start_program(whole(imported, FOREVER)) as process:
        assert first_line(process) == "ready"
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert out.splitlines() == ["exit", "over"]
