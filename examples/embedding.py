"""A tree inside a synchronous program: no loop of its own, no ``async`` outside the threads.

Run it with ``python -m examples.embedding``.
"""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass

from task_thread import TaskThread
from task_thread.signals import Request, Signal


@dataclass(frozen=True)
class Sample(Signal):
    """One measured value."""

    value: float


@dataclass(frozen=True, eq=False)
class Mean(Request[float]):
    """Asks for the mean of the last so many samples."""

    last: int


class Recorder(TaskThread):
    """Keeps samples and answers questions about them."""

    def initVars__(self) -> None:
        self.samples: list[float] = []

    async def signalHandler__(self, signal: Signal) -> None:
        if isinstance(signal, Sample):
            self.samples.append(signal.value)
        elif isinstance(signal, Mean):
            if self.samples:
                signal.reply(statistics.fmean(self.samples[-signal.last :]))
            else:
                signal.fail(ValueError("nothing was recorded yet"))


def main() -> None:
    """The synchronous program."""
    with Recorder() as recorder:  # entered: it runs
        try:
            asyncio.run(recorder.ask(Mean(last=3)))
        except ValueError as error:
            print(f"too early: {error}")
        for value in (1.0, 2.0, 3.0, 4.0):
            recorder.post(Sample(value))  # from any OS thread, at once
        # Signals are handled in the order in which one sender sent them, so all four count.
        mean = asyncio.run(recorder.ask(Mean(last=3), timeout=5.0))
        print(f"mean of the last 3: {mean}")
    # left: it has stopped, and everything that it had taken was handled
    print(f"recorded {len(recorder.samples)}, ended: {recorder.exit_reason}")


if __name__ == "__main__":
    main()
