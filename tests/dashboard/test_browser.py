"""Where there is no browser: skipped with a reason that helps, or failed where one is demanded."""

from __future__ import annotations

import pytest

from tests.dashboard import browser


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a browser."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(browser.NEEDED, raising=False)


@pytest.mark.usefixtures("bare")
def test_skipped_with_a_reason_that_helps() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium chromium-driver"):
        browser.need_browser()


@pytest.mark.usefixtures("bare")
def test_failed_where_one_is_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browser.NEEDED, "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium chromium-driver"):
        browser.need_browser()


@pytest.mark.usefixtures("bare")
def test_no_browser_is_one_clear_line() -> None:
    with pytest.raises(FileNotFoundError, match="no browser") as caught, browser.browser():
        pass
    assert "\n" not in str(caught.value)
