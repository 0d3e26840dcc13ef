"""A real browser for tests: Chromium without a window, driven by selenium, from the system's
packages; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

__all__ = ["HOW", "NEEDED", "browser", "missing", "need_browser", "resize", "theme", "until"]

NEEDED = "TASK_THREAD_NEED_BROWSER"
"""Set to 1 in the environment it makes tests fail where they would be skipped."""
HOW = (
    "no browser: install Chromium and its driver (Debian: apt-get install chromium "
    f"chromium-driver) to run this; with {NEEDED}=1 it fails instead"
)
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


def _programs() -> tuple[str | None, str | None]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    return chromium, shutil.which("chromedriver")


def missing() -> bool:
    """Whether the browser or its driver is not there."""
    return None in _programs()


def need_browser() -> None:
    """Skip the test where there is no browser, or fail if the environment says so."""
    if missing():
        if os.environ.get(NEEDED) == "1":
            pytest.fail(HOW)
        pytest.skip(HOW)


@contextmanager
def browser(width: int = 1280, height: int = 900, *, dark: bool = False) -> Iterator[Chrome]:
    """A browser with an empty profile and a window of that size.

    :raises FileNotFoundError: there is none.
    """
    chromium, driver = _programs()
    if chromium is None or driver is None:
        raise FileNotFoundError(HOW)
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = chromium
        for switch in _SWITCHES:
            options.add_argument(switch)
        options.add_argument(f"--user-data-dir={profile}")
        options.add_argument(f"--window-size={width},{height}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(executable_path=driver, log_output=str(Path(profile) / "driver.log"))
        chrome = Chrome(options=options, service=service)
        try:
            resize(chrome, width, height)
            theme(chrome, dark=dark)
            chrome.set_script_timeout(20)
            yield chrome
        finally:
            chrome.quit()


def until(chrome: Chrome, condition: str, *arguments: Any) -> Any:
    """Wait until a JavaScript expression is true of the page, looking at each change of the page.

    :param condition: may use ``args``, the list of `arguments`.
    :returns: its value.
    :raises TimeoutException: it does not become true.
    """
    return chrome.execute_async_script(
        f"""
        const done = arguments[arguments.length - 1], args = [...arguments].slice(0, -1);
        const check = () => {{
          const value = ({condition});
          if (value) {{ observer.disconnect(); done(value); }}
          return Boolean(value);
        }};
        const observer = new MutationObserver(check);
        if (!check()) observer.observe(document, {{
          subtree: true, childList: true, attributes: true, characterData: true,
        }});
        """,
        *arguments,
    )


def resize(chrome: Chrome, width: int, height: int) -> None:
    """Give the page that many CSS pixels."""
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def theme(chrome: Chrome, *, dark: bool) -> None:
    """Say what the visitor's system prefers."""
    feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
