"""The page in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from task_thread import TaskThread
from tests.dashboard.browser import browser, need_browser, resize, theme, until
from tests.dashboard.test_feed import Alarmed
from tests.dashboard.trees import Clerk, Counter, Shop
from tests.support.threads import message

ROW = "document.querySelector(`.row[data-path='${args[0]}']`)"
LIVE = "document.body.dataset.connection === 'live'"


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
    # A server that has gone away is what some tests are about, and the browser notes it itself.
    assert [line for line in said if "net::ERR_" not in line["message"]] == []


def visit(chrome: Chrome, tree: Shop) -> None:
    """Open the page, and wait until it shows the tree."""
    chrome.get(tree.dashboard.url)
    until(chrome, f"{LIVE} && document.querySelectorAll('#rows .row').length > 1")


def row(chrome: Chrome, path: str) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, f".row[data-path='{path}']")


def press(chrome: Chrome, path: str, button: str = ".open") -> None:
    row(chrome, path).find_element(By.CSS_SELECTOR, button).click()


def shown(chrome: Chrome) -> list[str]:
    """The paths of the rows that can be seen, in their order."""
    found: list[str] = chrome.execute_script(
        "return [...document.querySelectorAll('#rows > .row:not(.detail)')]"
        ".filter(row => !row.hidden).map(row => row.dataset.path)"
    )
    return found


# ---- what is shown ------------------------------------------------------------------------------


def test_a_row_for_each_thread(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    dashboard = f"shop/{shop.handle.name}"
    assert shown(chrome) == [
        "shop",
        "shop/till",
        "shop/cellar",
        dashboard,
        f"{dashboard}/watch",
    ]
    till = row(chrome, "shop/till")
    assert till.find_element(By.CSS_SELECTOR, ".chip").text == "running"
    assert till.find_element(By.CSS_SELECTOR, ".class").text == "Clerk"
    assert till.find_element(By.CSS_SELECTOR, ".type").text == "permanent"
    assert till.get_attribute("aria-level") == "2"
    assert chrome.find_element(By.ID, "title").text == "shop"
    assert "5 of 5 threads running" in chrome.find_element(By.ID, "facts").text
    assert chrome.find_element(By.ID, "health").text == "healthy"
    assert chrome.title == "shop"


def test_a_rate_moves_under_load(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    rate = f"{ROW}.querySelector('.rate .number').textContent"
    until(chrome, f"{rate} === '0'", "shop/till")
    for number in range(300):
        shop.tell(0, number)
    until(chrome, f"Number({rate}) > 20", "shop/till")
    line = f"{ROW}.querySelector('.chart .line').getAttribute('d')"
    assert "L" in until(chrome, line, "shop/till")
    assert until(chrome, f"{rate} === '0'", "shop/till")
    assert until(chrome, f"{rate} === '0'", "shop/cellar")
    total = chrome.find_element(By.CSS_SELECTOR, "#tile-handled .below").text
    assert total == "300 in all"


def test_an_inbox_that_fills(chrome: Chrome) -> None:
    from tests.support.threads import Gate

    gate = Gate()

    class Waiting(Counter):
        async def signalHandler__(self, signal: Any) -> bool | None:
            await gate.passed()
            return await super().signalHandler__(signal)

    with Shop("till", kind=Waiting) as shop:
        visit(chrome, shop)
        for number in range(96):
            shop.counters[0].post(message(number))
        inbox = f"{ROW}.querySelector('.inbox .number').textContent"
        assert until(chrome, f"{inbox} === '95 / 100'", "shop/till")
        assert until(chrome, f"{ROW}.querySelector('.bar').dataset.tone === 'bad'", "shop/till")
        width = chrome.execute_script(
            "return document.querySelector('#rows .row:nth-child(2) .fill').style.width"
        )
        assert width == "95%"
        gate.open()
        assert until(chrome, f"{inbox} === '0 / 100'", "shop/till")
        mark = chrome.execute_script(
            "return document.querySelector('#rows .row:nth-child(2) .mark').style.left"
        )
        assert mark in ("95%", "96%")  # the first one may have waited, or been taken at once


def test_a_crash_and_what_is_known_of_it(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    shop.tell(0, ValueError("the drawer is stuck"))
    restarts = f"{ROW}.querySelector('.restarts').textContent"
    until(chrome, f"{restarts} === '1 · gen 2'", "shop/till")
    until(chrome, f"!{ROW}.querySelector('.oops').hidden", "shop/till")
    press(chrome, "shop/till")
    detail = row(chrome, "shop/till").find_element(By.XPATH, "following-sibling::*[1]")
    text = detail.text
    assert "ValueError: the drawer is stuck" in text
    assert "Traceback (most recent call last)" in text
    assert "raise what" in text
    assert " UTC · " in text
    assert "s ago" in text
    facts = dict(
        zip(
            (each.text for each in detail.find_elements(By.TAG_NAME, "dt")),
            (each.text for each in detail.find_elements(By.TAG_NAME, "dd")),
            strict=True,
        )
    )
    assert facts["Generation"] == "2"
    assert facts["Restarts"] == "1"
    assert facts["Accepted"] == facts["Handled"] == "1"
    assert facts["Lives on"] == "its parent's loop"
    assert chrome.find_element(By.CSS_SELECTOR, "#tile-restarts .value").text == "1"
    press(chrome, "shop/till")
    assert not detail.is_displayed()


def test_an_opened_row_has_the_tasks(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    watch = f"shop/{shop.handle.name}/watch"
    press(chrome, watch)
    cells = "document.querySelector('.detail table tbody').innerText"
    assert until(chrome, f"{cells}.startsWith('look')", watch)
    runs = "Number(document.querySelector('.detail tbody td:nth-child(2)').textContent)"
    first = until(chrome, runs)
    assert until(chrome, f"{runs} > args[0]", first)


def test_a_loop_that_is_held_up(chrome: Chrome, shop: Shop) -> None:
    with Shop("till", watch=Alarmed(shop)) as other:
        visit(chrome, other)
        until(chrome, f"{ROW}.querySelector('.chip').textContent === 'stuck'", "shop/till")
        assert chrome.find_element(By.ID, "health").text == "1 loop held up"
        assert chrome.title == "⚠ 1 loop held up · shop"
        press(chrome, "shop/till")
        assert until(chrome, "document.querySelector('.detail pre').textContent === 'File x'")


def test_a_child_that_is_down(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    asyncio.run(shop.counters[0].stop())
    assert until(chrome, "document.title === '⚠ 1 thread down · shop'")
    assert until(chrome, f"{ROW}.querySelector('.chip').textContent === 'stopped'", "shop/till")
    asyncio.run(shop.counters[0].restart())
    assert until(chrome, "document.title === 'shop'")


def test_threads_come_and_go(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)

    async def come() -> Any:
        return await shop.spawn(Clerk, "late", shop.journal, restart="temporary")

    handle = asyncio.run(come())
    until(chrome, ROW, "shop/late")
    assert shown(chrome)[3:5] == [f"shop/{shop.handle.name}", f"shop/{shop.handle.name}/watch"]
    assert shown(chrome)[5] == "shop/late"
    asyncio.run(handle.stop())
    until(chrome, f"!{ROW}", "shop/late")
    assert len(shown(chrome)) == 5


# ---- what a visitor does ------------------------------------------------------------------------


def test_filter(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    field = chrome.find_element(By.ID, "filter")
    field.send_keys("TILL")
    assert shown(chrome) == ["shop", "shop/till"]
    assert chrome.find_element(By.ID, "count").text == "1 of 5 threads"
    field.clear()
    field.send_keys("clerk running")
    assert shown(chrome) == ["shop", "shop/till", "shop/cellar"]
    field.clear()
    field.send_keys("nobody")
    assert shown(chrome) == []
    assert chrome.find_element(By.ID, "nothing").is_displayed()
    field.send_keys(Keys.ESCAPE)
    assert len(shown(chrome)) == 5
    chrome.find_element(By.TAG_NAME, "body").send_keys("/")
    assert chrome.switch_to.active_element == field


def test_filter_by_a_state_that_changes(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    chrome.find_element(By.ID, "filter").send_keys("stopped")
    assert shown(chrome) == []
    asyncio.run(shop.counters[1].stop())
    until(chrome, "document.getElementById('count').textContent === '1 of 5 threads'")
    assert shown(chrome) == ["shop", "shop/cellar"]


def test_collapse_and_expand(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    dashboard = f"shop/{shop.handle.name}"
    press(chrome, dashboard, ".fold")
    assert shown(chrome)[-1] == dashboard
    assert row(chrome, dashboard).get_attribute("aria-expanded") == "false"
    press(chrome, dashboard, ".fold")
    assert shown(chrome)[-1] == f"{dashboard}/watch"
    chrome.find_element(By.ID, "collapse").click()
    assert shown(chrome) == ["shop"]
    chrome.find_element(By.ID, "filter").send_keys("watch")
    assert shown(chrome) == ["shop", dashboard, f"{dashboard}/watch"]
    chrome.find_element(By.ID, "filter").send_keys(Keys.ESCAPE)
    chrome.find_element(By.ID, "expand").click()
    assert len(shown(chrome)) == 5


def test_by_keyboard_alone(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)

    def keys(*each: str) -> str | None:
        ActionChains(chrome).send_keys(*each).perform()
        place = chrome.switch_to.active_element
        return place.find_element(By.XPATH, "./ancestor::*[@data-path]").get_attribute("data-path")

    chrome.find_element(By.ID, "collapse").send_keys("")  # from the last tool before the tree
    chrome.execute_script("document.getElementById('collapse').focus()")
    assert keys(Keys.TAB) == "shop"
    assert keys(Keys.ARROW_DOWN) == "shop/till"
    assert keys(Keys.END) == f"shop/{shop.handle.name}/watch"
    assert keys(Keys.ARROW_LEFT) == f"shop/{shop.handle.name}"
    assert keys(Keys.ARROW_LEFT) == f"shop/{shop.handle.name}"
    assert len(shown(chrome)) == 4
    assert keys(Keys.ARROW_RIGHT) == f"shop/{shop.handle.name}"
    assert len(shown(chrome)) == 5
    assert keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ENTER) == "shop/till"
    assert chrome.find_element(By.CSS_SELECTOR, ".detail").is_displayed()
    opener = chrome.switch_to.active_element
    assert opener.get_attribute("aria-expanded") == "true"
    outline = chrome.execute_script("return getComputedStyle(arguments[0]).outlineStyle", opener)
    assert outline == "solid"


def test_every_control_has_a_name(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    nameless = chrome.execute_script(
        """
        return [...document.querySelectorAll("button, input")]
          .filter(it => it.checkVisibility({visibilityProperty: true}))
          .filter(it => !it.textContent.trim() && !it.getAttribute("aria-label"))
          .map(it => it.outerHTML);
        """
    )
    assert nameless == []


def test_theme(chrome: Chrome, shop: Shop) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    theme(chrome, dark=True)
    visit(chrome, shop)
    dark = chrome.execute_script(ground)
    button = chrome.find_element(By.ID, "theme")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    light = chrome.execute_script(ground)
    assert light != dark
    assert button.get_attribute("aria-pressed") == "false"
    visit(chrome, shop)  # the choice is kept, whatever the system prefers
    assert chrome.execute_script(ground) == light
    chrome.execute_script("localStorage.clear()")
    theme(chrome, dark=False)
    visit(chrome, shop)
    assert chrome.execute_script(ground) == light
    theme(chrome, dark=True)
    assert until(chrome, "document.documentElement.dataset.theme === 'dark'")


# ---- hostile text -------------------------------------------------------------------------------

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    '"><svg onload=alert(3)>',
    "'; alert(4); //",
    "javascript:alert(5)",
    "</template><b>bold</b>",
    "\u202eesrever",
    "new\nline",
    "&lt;b&gt;",
    "__proto__",
]


def test_hostile_text_stays_text(chrome: Chrome) -> None:
    with Shop(*HOSTILE, title="<b>title</b>") as shop:
        visit(chrome, shop)
        for number, name in enumerate(HOSTILE):
            shop.tell(number, ValueError(f"error {name}"))
        ids = "[...document.querySelectorAll('#rows .id')].map(it => it.textContent)"
        found = chrome.execute_script(f"return {ids}")
        assert found[1 : len(HOSTILE) + 1] == HOSTILE
        until(
            chrome,
            "[...document.querySelectorAll('#rows .oops')].filter(it => !it.hidden)"
            ".length === args[0]",
            len(HOSTILE),
        )
        openers = chrome.find_elements(By.CSS_SELECTOR, "#rows .open")
        for opener in openers:
            chrome.execute_script("arguments[0].click()", opener)
        said = chrome.execute_script(
            "return [...document.querySelectorAll('.trouble h2')].map(it => it.textContent)"
            ".filter(Boolean)"
        )
        assert said == [f"ValueError: error {name}" for name in HOSTILE]
        made = chrome.execute_script(
            "return document.querySelectorAll('#rows :is(img, script, b:not(.caption b), a), "
            "#rows svg:not(.chart):not(.fold svg), h1 *').length"
        )
        assert made == 0
        assert chrome.find_element(By.ID, "title").text == "<b>title</b>"
        assert chrome.title.endswith("<b>title</b>")


# ---- the connection -----------------------------------------------------------------------------


def test_a_server_that_ends_and_comes_back(chrome: Chrome) -> None:
    with Shop() as shop:
        port = shop.address[1]
        visit(chrome, shop)
        assert not chrome.find_element(By.ID, "notice").is_displayed()
    state = until(
        chrome, "document.body.dataset.connection !== 'live' && document.body.dataset.connection"
    )
    assert state in ("ended", "lost")
    assert chrome.title == "⚠ not connected · shop"
    notice = chrome.find_element(By.ID, "notice")
    assert notice.is_displayed()
    assert "What you see is " in notice.text
    assert chrome.find_element(By.ID, "connection").text in ("ended", "not connected")
    look = "return getComputedStyle(document.getElementById('tree')).filter"
    assert chrome.execute_script(look) == "grayscale(1)"
    assert len(shown(chrome)) == 5  # what was known stays
    with Shop("bar", port=port):
        until(chrome, LIVE)
        until(chrome, ROW, "shop/bar")
        assert not chrome.find_element(By.ID, "notice").is_displayed()
        assert chrome.title == "shop"
        assert chrome.execute_script(look) == "none"


def test_a_connection_that_breaks(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    loop = shop.dashboard._taskthread.life.loop
    assert loop is not None
    for connection in list(shop.guests.values()):
        loop.call_soon_threadsafe(connection.abort)
    until(chrome, "document.body.dataset.connection === 'lost'")
    assert chrome.title.startswith("⚠ not connected")
    until(chrome, LIVE)  # it has tried again by itself


def test_news_that_stay_away(chrome: Chrome, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is there, and nothing comes."""
    visit(chrome, shop)
    monkeypatch.setattr(shop.dashboard._feed, "publish", lambda piece: None)
    until(chrome, "document.body.dataset.connection === 'late'")
    assert chrome.find_element(By.ID, "connection").text == "no news"
    monkeypatch.undo()
    until(chrome, LIVE)


def test_nothing_leaves_for_another_host(chrome: Chrome, shop: Shop) -> None:
    visit(chrome, shop)
    names = chrome.execute_script("return performance.getEntries().map(entry => entry.name)")
    asked = [urlsplit(name) for name in names if "://" in name]
    assert {place.netloc for place in asked} == {"{}:{}".format(*shop.address)}
    assert {"/page.js", "/page.css", "/tree.js"} <= {place.path for place in asked}


# ---- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280])
def test_widths(chrome: Chrome, shop: Shop, width: int) -> None:
    resize(chrome, width, 844)
    visit(chrome, shop)
    press(chrome, "shop/till")
    wide = chrome.execute_script("return document.scrollingElement.scrollWidth")
    assert wide <= width
    for selector in ("#theme", "#filter", "#collapse", "#health", "#connection"):
        place = chrome.find_element(By.CSS_SELECTOR, selector).rect
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width
    till = row(chrome, "shop/till")
    for part in (".id", ".chip", ".rate .number", ".inbox .number"):
        assert till.find_element(By.CSS_SELECTOR, part).is_displayed()
    overlapping = chrome.execute_script(
        """
        const cells = [...arguments[0].querySelectorAll('.cell')]
          .filter(it => it.checkVisibility());
        const found = [];
        for (const cell of cells) {
          if (cell.classList.contains('name')) continue;
          if (cell.scrollWidth > cell.clientWidth + 1) found.push(cell.className);
        }
        return found;
        """,
        till,
    )
    assert overlapping == []


def test_nothing_jumps(chrome: Chrome, shop: Shop) -> None:
    """After the tree has appeared nothing moves by itself: not with new numbers, not with a lost
    connection."""
    visit(chrome, shop)
    chrome.execute_script(
        """
        window.jumps = [];
        new PerformanceObserver(list => {
          for (const it of list.getEntries()) {
            for (const { node } of it.sources) {
              window.jumps.push(node ? node.id || node.className || node.textContent : "gone");
            }
          }
        }).observe({type: "layout-shift"});
        """
    )
    uptime = f"{ROW}.querySelector('.uptime').textContent"
    before = until(chrome, uptime, "shop")
    shop.tell(0, 1)
    shop.tell(0, ValueError("stuck"))
    until(chrome, f"!{ROW}.querySelector('.oops').hidden", "shop/till")
    until(chrome, f"{uptime} !== args[1]", "shop", before)
    for connection in list(shop.guests.values()):
        loop = shop.dashboard._taskthread.life.loop
        assert loop is not None
        loop.call_soon_threadsafe(connection.abort)
    until(chrome, "document.body.dataset.connection === 'lost'")
    until(chrome, LIVE)
    assert chrome.execute_script("return window.jumps") == []


def test_a_thousand_threads(chrome: Chrome) -> None:
    """All are there, and a new picture touches those that can be seen, and no other."""
    with Shop(*(f"thread {n}" for n in range(1000))) as shop:
        visit(chrome, shop)
        until(chrome, "document.querySelectorAll('#rows .row').length === 1003")
        chrome.execute_script(
            """
            window.touched = new Set();
            new MutationObserver(list => {
              for (const it of list) {
                const at = it.target.nodeType === 1 ? it.target : it.target.parentElement;
                const row = at && at.closest('.row');
                if (row) window.touched.add(row.dataset.path);
              }
            }).observe(document.getElementById('rows'),
                       {subtree: true, childList: true, attributes: true, characterData: true});
            """
        )
        uptime = f"{ROW}.querySelector('.uptime').textContent"
        before = until(chrome, uptime, "shop/thread 0")
        until(chrome, f"{uptime} !== args[1]", "shop/thread 0", before)
        touched = chrome.execute_script("return [...window.touched]")
        assert "shop/thread 0" in touched
        assert len(touched) < 60
        last = row(chrome, "shop/thread 999")
        chrome.execute_script("arguments[0].scrollIntoView()", last)
        until(chrome, f"{uptime} !== ''", "shop/thread 999")
        chrome.find_element(By.ID, "filter").send_keys("thread 999")
        assert shown(chrome) == ["shop", "shop/thread 999"]


# ---- the model ----------------------------------------------------------------------------------

MODEL = """
const done = arguments[arguments.length - 1];
import("/model.js").then(({ Model }) => {
  const node = (handled, uptime, restarts) => ({
    id: "t", path: "t", class: "T", state: "running", restarting: false, virtual: false,
    generation: 1 + restarts, restarts, restart_type: null, uptime, loop_lag: 0, exit_reason: null,
    last_error: null, tasks: [], children: [],
    inbox: { depth: 0, capacity: 0, high_water: 0, accepted: handled, handled, dead: 0 },
  });
  const model = new Model();
  const take = (clock, handled, restarts = 0, pid = 1) => {
    model.take({ clock, pid, health: { stuck: [] }, tree: node(handled, clock, restarts) });
    return model.threads.get("t");
  };
  const numbers = values => values.map(value => Number.isNaN(value) ? null : value);
  %s
}).catch(error => done(String(error)));
"""


def in_model(chrome: Chrome, shop: Shop, script: str) -> Any:
    visit(chrome, shop)
    return chrome.execute_async_script(MODEL % script)


def test_history_is_bounded(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome,
        shop,
        """
        for (let n = 0; n < 500; n += 1) take(100 + n, 10 * n);
        const t = take(600, 5000);
        done([t.handled.length, t.depths.length, t.lags.length, t.handledRate,
              model.totals.handled.length, model.totals.restarts.length]);
        """,
    ) == [120, 120, 120, 10, 120, 120]


def test_a_hole_in_the_news_is_a_hole_in_the_chart(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome,
        shop,
        "take(100, 0); take(101, 5); take(105, 25); done(numbers(take(106, 27).handled));",
    ) == [None, 5, None, None, None, 5, 2]


def test_a_count_that_falls_is_another_thread(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome, shop, "take(100, 50); take(101, 3); done(numbers(take(102, 4).handled));"
    ) == [None, None, 1]


def test_another_process_begins_anew(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome, shop, "take(100, 50); take(101, 60); done(numbers(take(102, 90, 0, 2).handled));"
    ) == [None]


def test_restarts_are_counted_when_they_happen(chrome: Chrome, shop: Shop) -> None:
    assert in_model(
        chrome,
        shop,
        "take(100, 0, 4); take(101, 0, 4); take(102, 0, 7); take(103, 0, 0);"
        "done(model.totals.restarts);",
    ) == [0, 0, 3, 0]


def test_two_of_one_path_have_a_row_each(chrome: Chrome) -> None:
    class Twins(Shop):
        async def enter__(self) -> None:
            await super().enter__()
            for _ in range(2):
                await Clerk("same", self.journal, parent=self).run()

    with Twins("till") as shop:
        visit(chrome, shop)
        assert shown(chrome).count("shop/same") == 2


def test_the_station_of_the_picture(chrome: Chrome) -> None:
    """The tree of docs/images/dashboard.png comes up, and breaks as it is told."""
    from tests.dashboard.lively import Station

    station = Station()
    with station:
        assert isinstance(station, TaskThread)
        chrome.get(station.url)
        until(
            chrome,
            f"{ROW} && {ROW}.querySelector('.rate .number').textContent > 0",
            "Station/database",
        )
        station.break_port(1)
        until(
            chrome, f"{ROW}.querySelector('.restarts').textContent === '1 · gen 2'", "Station/ttyS1"
        )
