"""A shop that counts its sales and writes a report each night, over restarts of the program.

Run it with ``python -m examples.nightly_report``: its nights are 0.2 s long, and it ends after
three. ``--nightly`` makes them real ones, at 02:30, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from task_thread import run
from task_thread.app import Cron, Interval, RunEnded, TaskApp, Trigger

NIGHTS = 3
PRICES = {"tea": 2.5, "cake": 3.0, "jam": 4.2}


def make_shop(folder: Path, night: Trigger) -> TaskApp:
    """The app: a till that is open all the time, and a report on each night."""
    app = TaskApp("shop", threads=2, store=f"sqlite:///{folder / 'shop.db'}")
    sales = folder / "sales.csv"

    @app.task(trigger=Interval(seconds=0.02))
    def till() -> Generator[str, bool, None]:
        """A life-cycle task: opens the file once, writes on each tick, closes it at the stop."""
        with sales.open("a", newline="") as file:
            goods = list(PRICES)
            number, is_open = 0, True
            while is_open:
                number += 1
                sold = goods[number % len(goods)]
                csv.writer(file).writerow([sold, PRICES[sold]])
                file.flush()
                is_open = yield sold

    @app.task(trigger=night, coalesce=True, misfire_grace_time=6 * 3600.0, on_overlap="queue")
    def report() -> float:
        """Sum up what was sold. Nights on which the program did not run become one report."""
        with sales.open(newline="") as file:
            total = sum(float(price) for _, price in csv.reader(file))
        (folder / "report.md").write_text(f"# Sales\n\nAll in all: {total:.2f}\n")
        return total

    return app


def main() -> int:
    """Run the shop until it has had its nights."""
    parser = argparse.ArgumentParser(description="A shop with a report each night.")
    parser.add_argument("--nightly", action="store_true", help="real nights, until Ctrl-C")
    real = parser.parse_args().nightly
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = make_shop(folder, Cron("30 2 * * *") if real else Interval(seconds=0.2))
        report = shop.tasks_by_id["report"]
        nights = 0

        async def count(event: RunEnded) -> None:
            nonlocal nights
            if event.run.task == "report":
                nights += 1
                total = event.run.result
                print(f"night {nights}: {'sold something' if total > 0 else 'sold nothing'}")
                if nights == NIGHTS and not real:
                    await shop.terminate()

        shop.subscribe(RunEnded, callback=count)
        print("a report is due", report.next_run_time if real else "soon", flush=True)
        code = run(shop)
        print((folder / "report.md").read_text().splitlines()[0] if nights else "no report yet")
    return code


if __name__ == "__main__":
    sys.exit(main())
