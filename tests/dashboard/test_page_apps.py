"""The page's panels of TaskApps, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from task_thread.app import TaskApp
from tests.dashboard.browser import browser, need_browser, resize, theme, until
from tests.dashboard.test_page import HOSTILE, LIVE, MODEL
from tests.dashboard.trees import Post, Shop
from tests.support.journal import PATIENCE

PANEL = "document.querySelector(`.app[data-path='${args[0]}']`)"
MAIL = "shop/mail"
UNKNOWN = "\u2013"


@pytest.fixture(scope="module")
def _chrome() -> Iterator[Chrome]:
    need_browser()
    with browser() as chrome:
        yield chrome


@pytest.fixture
def chrome(_chrome: Chrome) -> Iterator[Chrome]:
    """The browser, as new; in the end the page has complained about nothing."""
    _chrome.get("about:blank")
    resize(_chrome, 1280, 900)
    theme(_chrome, dark=False)
    _chrome.get_log("browser")  # type: ignore[no-untyped-call]
    yield _chrome
    said: list[dict[str, Any]] = _chrome.get_log("browser")  # type: ignore[no-untyped-call]
    assert [line for line in said if "net::ERR_" not in line["message"]] == []


@pytest.fixture
def post() -> Iterator[Post]:
    """A shop with one app."""
    with Post() as tree:
        yield tree


def visit(chrome: Chrome, tree: Shop) -> None:
    """Open the page, and wait until it shows the tree."""
    chrome.get(tree.dashboard.url)
    until(chrome, f"{LIVE} && document.querySelectorAll('#rows .row').length > 1")


def panel(chrome: Chrome, path: str = MAIL) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, f".app[data-path='{path}']")


def said(chrome: Chrome, selector: str, path: str = MAIL) -> list[str]:
    """The texts of those parts of the panel."""
    found: list[str] = chrome.execute_script(
        "return [...arguments[0].querySelectorAll(arguments[1])].map(it => it.textContent)",
        panel(chrome, path),
        selector,
    )
    return found


def facts(chrome: Chrome) -> dict[str, str]:
    return dict(zip(said(chrome, "dt"), said(chrome, "dd"), strict=True))


def busy(post: Post) -> None:
    """Three runs under way, two queued, one delayed, one failed."""
    mail = post.mail
    mail.under_way("to ann")
    mail.under_way("to bob", done=37, total=None)
    mail.under_way("to cy", done=float("nan"), total=3)
    for _ in range(2):
        mail.send.add_task(priority=200)
    mail.note.add_task(delay=3600)
    with pytest.raises(ValueError, match="on purpose"):
        mail.fail.add_task(priority=0).wait(PATIENCE)
    mail.note.add_task().wait(PATIENCE)


def test_a_panel_for_each_app_and_none_without(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    assert not chrome.find_element(By.ID, "apps").is_displayed()
    with Post("mail", "bill") as post:
        visit(chrome, post)
        paths = "return [...document.querySelectorAll('.app')].map(it => it.dataset.path)"
        assert chrome.execute_script(paths) == ["shop/mail", "shop/bill"]
        assert said(chrome, ".app-name", "shop/bill") == ["bill"]
        assert panel(chrome, "shop/bill").is_displayed()
        asyncio.run(post.offices[0].stop())
        until(chrome, f"{PANEL}.querySelector('.chip').textContent === 'stopped'", MAIL)


def test_a_panel_goes_with_its_app(chrome: Chrome, shop: Shop) -> None:
    async def come() -> Any:
        return await shop.spawn(TaskApp, "late", threads=1, name="late", restart="temporary")

    visit(chrome, shop)
    handle = asyncio.run(come())
    until(chrome, PANEL, "shop/late")
    assert chrome.find_element(By.ID, "apps").is_displayed()
    asyncio.run(handle.stop())
    until(chrome, f"!{PANEL}", "shop/late")
    assert not chrome.find_element(By.ID, "apps").is_displayed()


def test_queues_runs_and_counts(chrome: Chrome, post: Post) -> None:
    busy(post)
    visit(chrome, post)
    until(chrome, f"{PANEL}.querySelectorAll('.run').length === 3", MAIL)
    assert said(chrome, ".lane-name") == ["loop", "thread", "process"]
    assert said(chrome, ".lane .number") == ["0 / 1,000", "3 / 2", "0 / 1"]
    assert said(chrome, ".queued") == ["0 queued", "2 queued", "0 queued"]
    assert facts(chrome) == {
        "Delayed": "1", "Scheduled": "0", "Failed": "1", "Missed": "0", "Skipped": "0",
        "Cancelled": "0",
    }  # fmt: skip
    assert said(chrome, ".below") == ["2 in all · 3 tasks"]
    assert said(chrome, ".run-task") == ["send mail"] * 3
    assert said(chrome, ".run-note") == ["to ann", "to bob", "to cy"]
    assert said(chrome, ".run-share") == ["30%", UNKNOWN, UNKNOWN]
    assert said(chrome, ".run-done") == ["3 / 10", "37", ""]
    bars = panel(chrome).find_elements(By.CSS_SELECTOR, ".run .bar")
    assert [bar.get_attribute("aria-valuenow") for bar in bars] == ["30", None, None]
    assert [bar.get_attribute("role") for bar in bars] == ["progressbar"] * 3
    fill = bars[0].find_element(By.CSS_SELECTOR, ".fill").rect["width"]
    assert fill == pytest.approx(bars[0].rect["width"] * 0.3, abs=1)
    post.mail.let_go()
    until(chrome, f"{PANEL}.querySelectorAll('.run').length === 0", MAIL)
    assert panel(chrome).find_element(By.CSS_SELECTOR, ".run-scroll .none").is_displayed()


def test_the_rate_of_ended_runs_moves(chrome: Chrome, post: Post) -> None:
    visit(chrome, post)
    value = f"{PANEL}.querySelector('.value').textContent"
    until(chrome, f"{value} === '0'", MAIL)
    for _ in range(300):
        post.mail.note.add_task()
    until(chrome, f"Number({value}) > 20", MAIL)
    assert "L" in until(chrome, f"{PANEL}.querySelector('.chart .line').getAttribute('d')", MAIL)
    until(chrome, f"{value} === '0'", MAIL)
    assert said(chrome, ".below") == ["300 in all · 3 tasks"]


def test_a_run_goes_on_and_its_bar_grows(chrome: Chrome, post: Post) -> None:
    (run,) = post.mail.under_way("to ann")
    visit(chrome, post)
    share = f"{PANEL}.querySelector('.run-share')?.textContent"
    until(chrome, f"{share} === '30%'", MAIL)
    run.progress(9, 10, "nearly")
    until(chrome, f"{share} === '90%'", MAIL)
    assert said(chrome, ".run-note") == ["nearly"]


def test_an_app_that_is_restarted_counts_anew(chrome: Chrome, post: Post) -> None:
    visit(chrome, post)
    post.mail.note.add_task().wait(PATIENCE)
    below = f"{PANEL}.querySelector('.below').textContent"
    until(chrome, f"{below}.startsWith('1 in all')", MAIL)
    asyncio.run(post.offices[0].restart())
    until(chrome, f"{below}.startsWith('0 in all')", MAIL)


def test_hostile_text_stays_text(chrome: Chrome) -> None:
    with Post(*HOSTILE) as post:
        for mail, name in zip(post.mails, HOSTILE, strict=True):
            mail.send.update(name=name.strip() or "x")
            mail.under_way(name)
        visit(chrome, post)
        until(chrome, "document.querySelectorAll('.run').length === args[0]", len(HOSTILE))
        texts = "return [...document.querySelectorAll(arguments[0])].map(it => it.textContent)"
        for selector in (".app-name", ".run-task", ".run-note"):
            assert chrome.execute_script(texts, selector) == HOSTILE
        made = chrome.execute_script(
            "return document.querySelectorAll('#apps :is(img, script, a, template), "
            "#apps b:not(.value), #apps svg:not(.chart)').length"
        )
        assert made == 0
        wide = chrome.execute_script("return document.scrollingElement.scrollWidth")
        assert wide <= 1280


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280])
def test_widths(chrome: Chrome, post: Post, width: int) -> None:
    busy(post)
    resize(chrome, width, 844)
    visit(chrome, post)
    until(chrome, f"{PANEL}.querySelectorAll('.run').length === 3", MAIL)
    assert chrome.execute_script("return document.scrollingElement.scrollWidth") <= width
    cut = chrome.execute_script(
        """
        return [...arguments[0].querySelectorAll('.lane > *, dt, dd, .run-share, .run-done, '
                                                 + '.run-time, .value, .run-task')]
          .filter(it => it.checkVisibility())
          .filter(it => it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0
                        || it.getBoundingClientRect().right > innerWidth)
          .map(it => `${it.className} ${it.textContent}`);
        """,
        panel(chrome),
    )
    assert cut == []


def test_runs_that_come_and_go_move_nothing_else(chrome: Chrome, post: Post) -> None:
    visit(chrome, post)
    until(chrome, f"{PANEL}.querySelector('.value').textContent === '0'", MAIL)
    place = "return document.getElementById('tree').getBoundingClientRect().top"
    before = chrome.execute_script(place)
    post.mail.under_way(*(f"customer {n}" for n in range(25)), priority=0)
    until(chrome, f"{PANEL}.querySelectorAll('.run').length === 20", MAIL)
    assert said(chrome, ".run-scroll .none")[-1] == "and 5 more"
    assert chrome.execute_script(place) == before
    post.mail.let_go()
    until(chrome, f"{PANEL}.querySelectorAll('.run').length === 0", MAIL)
    assert chrome.execute_script(place) == before


def test_what_can_be_scrolled_has_a_name(chrome: Chrome, post: Post) -> None:
    visit(chrome, post)
    scroll = panel(chrome).find_element(By.CSS_SELECTOR, ".run-scroll")
    assert scroll.get_attribute("aria-label") == "Runs of mail that are under way"
    assert scroll.get_attribute("tabindex") == "0"
    assert panel(chrome).get_attribute("aria-label") == "App mail"


# ---- the model ----------------------------------------------------------------------------------

APP = """
  const seen = (clock, ended, failed = 0, pid = 1) => {
    const tree = { ...node(0, clock, 0), app: { ended: { succeeded: ended - failed, failed } } };
    model.take({ clock, pid, health: { stuck: [] }, tree });
    return model.threads.get("t");
  };
"""


def in_model(chrome: Chrome, shop: Shop, script: str) -> Any:
    visit(chrome, shop)
    return chrome.execute_async_script(MODEL % (APP + script))


def test_rates_of_runs_are_differences(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome,
        shop,
        """
        seen(100, 10); seen(101, 14); seen(105, 34, 3);
        const t = seen(106, 2);  // another one in its place
        done([numbers(t.ended), numbers(t.failed), t.endedCount, t.failedLately]);
        """,
    ) == [[None, 4, None, None, None, 5, None], [0, 0, None, None, None, 3, 0], 2, 3]


def test_the_history_of_an_app_is_bounded(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome,
        shop,
        """
        for (let n = 0; n < 500; n += 1) seen(100 + n, 10 * n);
        const t = seen(600, 5000);
        done([t.ended.length, t.failed.length, t.endedRate]);
        """,
    ) == [120, 120, 10]
