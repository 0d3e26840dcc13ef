"""A program with runs in processes: ``python -m tests.app.durable.pooled STORE``.

Into the pipe STORE.pipe each of the processes says who it is. It hangs until it is killed.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from task_thread.app import TaskApp
from task_thread.latch import Latch


def say_and_hang(pipe: str, seconds: float) -> None:
    """Say who one is, and stay for so long."""
    with open(pipe, "w") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)


def main() -> None:
    """Two processes in a call, one of which was idle before."""
    logging.basicConfig(level=logging.CRITICAL)
    path = sys.argv[1]
    app = TaskApp("pooled", processes=3, store=f"sqlite:///{path}")
    hang = app.task(say_and_hang, executor="process")
    with app:
        hang.add_task(f"{path}.pipe", 0.0).wait(30)
        for _ in range(2):
            hang.add_task(f"{path}.pipe", 600.0)
        Latch[None]().wait_blocking(None)


if __name__ == "__main__":
    main()
