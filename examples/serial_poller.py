"""A poller for a serial instrument, which begins anew when the line breaks.

The instrument is simulated on a pseudo-terminal, so the poller does what it would do with
/dev/ttyUSB0: open it raw, ask, and wait a limited time for a line. After every third answer the
instrument is unplugged, and a little later plugged in again.

Run it with ``python -m examples.serial_poller``: it ends after a few readings.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import termios
import tty
from pathlib import Path

from task_thread import ExitReason, TaskThread, reCreate, reSchedule, run

READINGS = 7
POLL_SECONDS = 0.05
ANSWER_SECONDS = 1.0
RETRY_SECONDS = 0.05
UNPLUGGED_SECONDS = 0.2


class Poller(TaskThread):
    """Reads the device again and again, and reconnects after any failure."""

    def __init__(self, device: Path, parent: TaskThread) -> None:
        self.device = device
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        self.tasks.poll = None
        self.line: asyncio.ReadTransport | None = None
        self.readings = 0

    async def enter__(self) -> None:
        self.tasks.poll = await reCreate(self.tasks.poll, self.poll)

    async def poll(self) -> None:
        """Task: one reading, or one more try to connect."""
        pause = POLL_SECONDS
        try:
            if self.line is None:
                await self._connect()
            os.write(self.port, b"READ?\n")
            answer = await asyncio.wait_for(self.reader.readline(), ANSWER_SECONDS)
            print(f"reading {float(answer)}", flush=True)
            self.readings += 1
        except (OSError, ValueError, termios.error) as error:  # a TimeoutError is an OSError
            if self.line is not None:
                print(f"line lost: {type(error).__name__}", flush=True)
            self._disconnect()
            pause = RETRY_SECONDS
        if self.readings == READINGS:
            await self.requestTerminate()
            return
        await asyncio.sleep(pause)
        self.tasks.poll = await reSchedule(self.poll)

    async def _connect(self) -> None:
        # O_NOCTTY: it is not to become the terminal that controls this process.
        file = os.fdopen(os.open(self.device, os.O_RDWR | os.O_NOCTTY), "r+b", buffering=0)
        self.port = file.fileno()
        self.reader = asyncio.StreamReader()
        self.line, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.reader), file
        )
        tty.setraw(self.port)
        print("connected", flush=True)

    def _disconnect(self) -> None:
        if self.line is not None:
            self.line.close()  # closes the port as well
            self.line = None

    async def exit__(self) -> None:
        self._disconnect()


class Instrument(TaskThread):
    """Answers every question with a number, while it is plugged in.

    :ivar device: the path at which it appears.
    """

    def __init__(self, device: Path, parent: TaskThread) -> None:
        self.device = device
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        self.tasks.work = None

    async def enter__(self) -> None:
        self.tasks.work = await reCreate(self.tasks.work, self.work, 20.0)

    async def work(self, value: float) -> None:
        """Task: be plugged in for three answers, and then away for a while."""
        master, slave = os.openpty()
        tty.setraw(slave)
        questions: asyncio.Queue[bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        loop.add_reader(master, lambda: questions.put_nowait(os.read(master, 100)))
        self.device.symlink_to(os.ttyname(slave))
        try:
            for tenths in range(3):
                await questions.get()
                os.write(master, f"{value + tenths / 10:.1f}\n".encode())
            await questions.get()  # the fourth question stays without an answer
        finally:
            loop.remove_reader(master)
            self.device.unlink()
            os.close(slave)
            os.close(master)
        await asyncio.sleep(UNPLUGGED_SECONDS)
        self.tasks.work = await reSchedule(self.work, value + 1)


class Bench(TaskThread):
    """The instrument and its poller, side by side; over when one of them is."""

    def initVars__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        device = Path(self.folder.name, "instrument")
        self.pair = Instrument(device, parent=self), Poller(device, parent=self)

    async def enter__(self) -> None:
        for thread in self.pair:
            await thread.run()

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        await self.stop()

    async def exit__(self) -> None:
        self.folder.cleanup()


if __name__ == "__main__":
    sys.exit(run(Bench()))
