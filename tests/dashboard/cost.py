"""What a dashboard costs: ``python -m tests.dashboard.cost``.

Three figures, for a tree in which nothing else goes on, each with OS threads for all its threads:

- CPU time in % of one core, without a dashboard, with one that nobody looks at, and with a viewer
  who gets a picture a second. The viewer reads in a process of its own.
- CPU time of one scrape of ``/metrics``, and of one picture, for trees of several sizes.
- CPU time of what an app with 10,000 flows adds to a picture, and of a page of their list.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from task_thread import TaskThread, VirtualThread
from task_thread.monitor import Dashboard
from task_thread.monitor.flow_page import FlowPage
from tests.dashboard.flows import Studio, ask
from tests.dashboard.http import get

VIEWER = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"GET /events HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
while data := sock.recv(1 << 20):
    print(len(data), flush=True)
"""


class Member(TaskThread):
    """Does nothing."""


class VirtualMember(VirtualThread):
    """Does nothing on its parent's loop."""


class Crowd(TaskThread):
    """A root with so many children."""

    def __init__(self, size: int, kind: type[TaskThread]) -> None:
        self.size = size
        self.kind = kind
        super().__init__()

    async def enter__(self) -> None:
        for _ in range(self.size - 1):
            await self.spawn(self.kind)


@contextmanager
def viewer(port: int) -> Iterator[None]:
    """A process that looks, and has got its first picture."""
    process = subprocess.Popen(
        [sys.executable, "-c", VIEWER, str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def percent(seconds: float) -> float:
    """CPU time of this process, in % of one core, over so many seconds from now."""
    cpu, wall = time.process_time(), time.monotonic()
    time.sleep(seconds)
    return 100 * (time.process_time() - cpu) / (time.monotonic() - wall)


def attached(size: int, seconds: float) -> None:
    """Print what a dashboard costs a tree of that size."""
    crowd = Crowd(size, Member)
    with crowd:
        alone = percent(seconds)
        dashboard = Dashboard(root=crowd)
        with dashboard:
            unseen = percent(seconds)
            with viewer(dashboard.address[1]):
                seen = percent(seconds)
    print(
        f"{size} threads, % of a core: alone {alone:.2f}, with a dashboard {unseen:.2f}, "
        f"with a viewer {seen:.2f}: it costs {seen - alone:.2f}"
    )


def one_look(size: int, path: str) -> None:
    """Print what one answer costs for a tree of that size."""
    crowd = Crowd(size, VirtualMember)
    with crowd, Dashboard(root=crowd) as dashboard:
        get(dashboard.address, path)
        times: list[float] = []
        for _ in range(20):
            begun = time.process_time()
            body = get(dashboard.address, path).body
            times.append(time.process_time() - begun)
    times.sort()
    print(f"{path} of {size} threads: {1e3 * times[10]:.1f} ms (median), {len(body):,} bytes")


def of_flows(number: int) -> None:
    """Print what so many flows cost."""
    with Studio() as studio:
        for _ in range(number):
            studio.flows.flow("ingest")
        page = FlowPage(studio)
        times: dict[str, list[float]] = {"a picture": [], "a page of the list": []}
        for _ in range(20):
            begun = time.process_time()
            page.picture()
            between = time.process_time()
            ask(studio, id="9")
            times["a picture"].append(between - begun)
            times["a page of the list"].append(time.process_time() - between)
    for what, each in times.items():
        print(f"{what}, {number:,} flows: {1e3 * sorted(each)[10]:.1f} ms (median)")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Measure what a dashboard costs.")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each interval")
    seconds = parser.parse_args().seconds
    logging.disable(logging.CRITICAL)
    attached(100, seconds)
    for size in (100, 1000):
        for path in ("/api/tree", "/metrics"):
            one_look(size, path)
    of_flows(10_000)


if __name__ == "__main__":
    main()
