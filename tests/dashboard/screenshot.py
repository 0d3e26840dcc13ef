"""Makes docs/images/dashboard.png: ``python -m tests.dashboard.screenshot``; with ``--flows``
docs/images/flows.png.

It runs a lively station for some two minutes, so that the charts are full, lets a port of it
crash, opens that port's row in a real browser and takes the picture. With ``--flows`` it is a
studio with flows, one of which is opened. The tracebacks in it tell where the source lies: so all
of it runs from a copy in a place that any machine has.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.dashboard.browser import browser
from tests.dashboard.lively import Station
from tests.dashboard.lively_flows import Studio

HERE = Path(__file__).resolve().parents[2]
COPY = Path(tempfile.gettempdir()).resolve() / "station"
PICTURES = HERE / "docs" / "images"


def main() -> None:
    """Take the picture that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Take a picture of the dashboard.")
    parser.add_argument("--to", type=Path, help="the PNG file to write")
    parser.add_argument("--flows", action="store_true", help="the panel of an app's flows")
    parser.add_argument("--seconds", type=float, default=125, help="how long it is watched before")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, help="900; with flows 1,900")
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    if given.to is None:
        given.to = PICTURES / ("flows.png" if given.flows else "dashboard.png")
    if given.height is None:
        given.height = 1900 if given.flows else 900
    if HERE != COPY:
        given.to.parent.mkdir(parents=True, exist_ok=True)
        run_the_copy([*sys.argv[1:], "--to", str(given.to.resolve())])
        return
    logging.disable(logging.CRITICAL)
    with browser(given.width, given.height, dark=given.dark) as chrome:
        if given.flows:
            picture_of_flows(chrome, given)
        else:
            picture_of_a_tree(chrome, given)


def picture_of_a_tree(chrome: Chrome, given: argparse.Namespace) -> None:
    """A crash at four fifths of the time, and the row of what has crashed."""
    station = Station()
    with station:
        chrome.get(station.url)
        time.sleep(given.seconds * 0.8)
        station.break_port(1)
        time.sleep(given.seconds * 0.2)
        press(chrome, "Station/ttyS0", ".fold")
        press(chrome, "Station/ttyS1", ".open")
        time.sleep(1.5)  # one more picture of the tree, now with the row open
        chrome.save_screenshot(str(given.to))


def picture_of_flows(chrome: Chrome, given: argparse.Namespace) -> None:
    """One that waits, opened."""
    studio = Studio()
    with studio:
        chrome.get(studio.url)
        time.sleep(given.seconds)
        find = WebDriverWait(chrome, 10).until
        selector = ".flow-list tr:has(.state[data-state=WAIT]) .link"
        find(lambda it: it.find_element(By.CSS_SELECTOR, selector)).click()
        time.sleep(1.5)  # its history, and one more picture
        chrome.execute_script("scrollTo(0, 0); document.activeElement.blur()")
        panel = chrome.find_element(By.ID, "flows")
        given.to.write_bytes(panel.screenshot_as_png)


def press(chrome: Chrome, path: str, button: str) -> None:
    """Press a button in the row of the thread with that path."""
    selector = f'.row[data-path="{path}"] {button}'
    WebDriverWait(chrome, 10).until(lambda it: it.find_element(By.CSS_SELECTOR, selector)).click()


def run_the_copy(arguments: list[str]) -> None:
    """Do it all in another process, from a copy of the source."""
    shutil.rmtree(COPY, ignore_errors=True)
    try:
        for package in ("task_thread", "tests"):
            shutil.copytree(
                HERE / package, COPY / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        command = [sys.executable, "-m", "tests.dashboard.screenshot", *arguments]
        subprocess.run(command, cwd=COPY, env={**os.environ, "PYTHONPATH": str(COPY)}, check=True)
    finally:
        shutil.rmtree(COPY, ignore_errors=True)


if __name__ == "__main__":
    main()
