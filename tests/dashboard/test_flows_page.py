"""The page's panels of flows, in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from task_thread.flows import FlowState
from tests.dashboard.browser import browser, need_browser, resize, theme, until
from tests.dashboard.flows import APP, HERE, Studio
from tests.dashboard.test_page import HOSTILE, LIVE
from tests.dashboard.trees import Shop
from tests.support.journal import PATIENCE

PANEL = f"document.querySelector('.flow-app[data-app=\"{APP}\"]')"
ROWS = f"{PANEL}.querySelectorAll('.flow-list tbody tr')"
DETAIL = f"{PANEL}.querySelector('.flow-detail')"
STATE = f"{DETAIL}.querySelector('.detail-head .state')"


@pytest.fixture(scope="module")
def _chrome() -> Iterator[Chrome]:
    need_browser()
    with browser() as chrome:
        yield chrome


@pytest.fixture
def chrome(_chrome: Chrome) -> Iterator[Chrome]:
    """The browser, as new; in the end the page has complained about nothing."""
    _chrome.get("about:blank")
    resize(_chrome, 1280, 1400)
    theme(_chrome, dark=False)
    _chrome.get_log("browser")  # type: ignore[no-untyped-call]
    yield _chrome
    said: list[dict[str, Any]] = _chrome.get_log("browser")  # type: ignore[no-untyped-call]
    # What the server refuses is what some tests are about, and the browser notes it itself.
    expected = ("net::ERR_", "the server responded with a status of")
    assert [line for line in said if not any(each in line["message"] for each in expected)] == []


@pytest.fixture
def studio() -> Iterator[Studio]:
    """A tree with flows, and with actions on."""
    with Studio(actions=True) as tree:
        yield tree


def visit(chrome: Chrome, tree: Shop, flows: int = 0) -> None:
    """Open the page, and wait until it lists so many flows."""
    chrome.get(tree.dashboard.url)
    until(chrome, f"{LIVE} && {PANEL} && {ROWS}.length === args[0]", flows)


def panel(chrome: Chrome) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, f".flow-app[data-app='{APP}']")


def part(chrome: Chrome, selector: str) -> WebElement:
    return panel(chrome).find_element(By.CSS_SELECTOR, selector)


def texts(chrome: Chrome, selector: str) -> list[str]:
    """The texts of those parts of the panel that are shown."""
    found: list[str] = chrome.execute_script(
        "return [...arguments[0].querySelectorAll(arguments[1])]"
        ".filter(it => !it.closest('[hidden]')).map(it => it.textContent)",
        panel(chrome),
        selector,
    )
    return found


def opened(chrome: Chrome, run_id: str) -> WebElement:
    """The flow's detail, once it is fetched."""
    part(chrome, f"tr[data-id='{run_id}'] button").click()
    return shown(chrome, run_id)


def shown(chrome: Chrome, run_id: str) -> WebElement:
    until(
        chrome,
        f"!{DETAIL}.hidden && {DETAIL}.querySelector('.detail-head .mono').textContent === args[0]"
        f" && {DETAIL}.querySelectorAll('.history tbody tr').length > 0",
        run_id,
    )
    return part(chrome, ".flow-detail")


def marked(chrome: Chrome) -> str:
    """The name of the place that is marked in the routine of the flow that is open."""
    (name,) = texts(chrome, ".flow-detail .place[aria-current='step'] .place-name")
    return name


# ---- what is shown ------------------------------------------------------------------------------


def test_no_panel_without_flows(chrome: Chrome) -> None:
    with Shop() as shop:
        chrome.get(shop.dashboard.url)
        until(chrome, f"{LIVE} && document.querySelectorAll('#rows .row').length > 1")
        assert not chrome.find_element(By.ID, "flows").is_displayed()


def test_flows_stand_at_their_places(chrome: Chrome, studio: Studio) -> None:
    for n in range(3):
        studio.begin("ingest", f"{n}.mp4")
    studio.begin("broken", until=FlowState.FAIL)
    visit(chrome, studio, 4)
    assert texts(chrome, ".flow-head .state") == ["3 waiting", "1 failed"]
    routine = "article[aria-label^='Routine ingest']"
    assert texts(chrome, f"{routine} .place-name") == [
        "1 · fetch it", "2 · ask a person", "3 · put it away", "end",
    ]  # fmt: skip
    assert texts(chrome, f"{routine} .place-key") == ["fetch", "confirm", "archive", ""]
    assert texts(chrome, f"{routine} .place:nth-child(2) .state") == ["3 waiting"]
    assert texts(chrome, f"{routine} .place:not(:nth-child(2)) .state") == []
    assert texts(chrome, f"{routine} .routine-head")[0].endswith("today3 tasks · 3 flows")
    assert texts(chrome, "article[aria-label^='Routine broken'] .state") == ["1 failed"]


def test_a_flow_that_moves_is_seen_to(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    visit(chrome, studio, 1)
    studio.flows.resume(run_id, confirmed=True)
    studio.flows.wait(run_id, PATIENCE)
    until(chrome, f"{ROWS}[0].querySelector('.state').textContent === 'done'")
    done = (
        "[...document.querySelectorAll('.place[data-kind=end] .state')].map(it => it.textContent)"
    )
    assert until(chrome, f"{done}.join() === '1 done'")


def test_an_earlier_version_says_so(chrome: Chrome, studio: Studio) -> None:
    studio.begin("ingest", "a")
    tasks = [*studio.flows.routines["ingest"].tasks[:2]]
    studio.flows.routine("ingest", tasks, replace=True)
    visit(chrome, studio, 1)
    heads = texts(chrome, "article[aria-label^='Routine ingest'] .routine-head")
    assert len(heads) == 2
    assert "not the one of today" not in heads[0]
    assert "not the one of today" in heads[1]


def test_a_routine_of_a_thousand_tasks(chrome: Chrome, studio: Studio) -> None:
    keys = [(f"k{n:04d}", f"{HERE}.{'Confirm' if n == 500 else 'Fetch'}") for n in range(1000)]
    studio.flows.routine("thousand", keys)
    run_id = studio.begin("thousand", "a")
    visit(chrome, studio, 1)
    assert texts(chrome, "article[aria-label^='Routine thousand'] .place-name") == [
        "1 · k0000", "499 tasks", "501 · k0500", "498 tasks", "1,000 · k0999", "end",
    ]  # fmt: skip
    opened(chrome, run_id)
    assert marked(chrome) == "501 · k0500"
    assert len(texts(chrome, ".flow-detail .place")) < 15
    assert texts(chrome, ".history tbody td:first-child")[-1] == "502"
    assert len(texts(chrome, ".history tbody tr")) == 200
    part(chrome, ".earlier").click()
    until(chrome, f"{DETAIL}.querySelectorAll('.history tbody tr').length === 400")
    assert texts(chrome, ".history tbody td:first-child")[0] == "103"


def test_ten_thousand_flows_are_paged(chrome: Chrome, studio: Studio) -> None:
    for _ in range(10_000):
        last = studio.flows.flow("ingest").id
    waiting = studio.begin("strict")
    visit(chrome, studio, 100)
    assert texts(chrome, ".flow-tools .status") == ["1 to 100 of 10,001 flows"]
    assert not part(chrome, ".newer").is_enabled()
    part(chrome, ".older").click()
    status = f"{PANEL}.querySelector('.flow-tools .status').textContent"
    until(chrome, f"{status} === '101 to 200 of 10,001 flows'")
    Select(part(chrome, ".by-state")).select_by_visible_text("waiting")
    until(chrome, f"{status} === '1 to 1 of 1 flows'")
    assert texts(chrome, "tbody tr .link") == [waiting]
    Select(part(chrome, ".by-state")).select_by_visible_text("all states")
    part(chrome, ".by-id").send_keys(last)
    until(chrome, f"{status} === '1 to 1 of 1 flows'")
    assert texts(chrome, "tbody tr .link") == [last]
    part(chrome, ".by-id").send_keys("no")
    until(chrome, f"{status} === 'no flows'")
    assert part(chrome, ".flow-list .none").is_displayed()


def test_a_place_lists_its_flows(chrome: Chrome, studio: Studio) -> None:
    waiting = studio.begin("ingest", "a")
    studio.begin("strict")
    studio.begin("broken", until=FlowState.FAIL)
    visit(chrome, studio, 3)
    count = part(chrome, "article[aria-label^='Routine ingest'] button.state")
    assert count.get_attribute("aria-label") == "1 waiting at task 2, ask a person: list them"
    count.click()
    until(chrome, f"{ROWS}.length === 1")
    assert texts(chrome, "tbody tr .link") == [waiting]
    place = part(chrome, ".placed")
    assert place.text == "at task 2 ✕"
    place.click()
    Select(part(chrome, ".by-state")).select_by_visible_text("all states")
    Select(part(chrome, ".by-routine")).select_by_visible_text("all routines")
    until(chrome, f"{ROWS}.length === 3")
    assert not place.is_displayed()


def test_flows_that_ended_come_from_the_store(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    studio.begin("ingest", "b")
    studio.flows.cancel(run_id, "not wanted")
    studio.moved.wait((run_id, FlowState.CANCELLED))
    visit(chrome, studio, 2)
    Select(part(chrome, ".by-state")).select_by_visible_text("ended, in the store")
    until(chrome, f"{ROWS}.length === 1")
    assert texts(chrome, "tbody tr td")[:1] == [run_id]
    assert texts(chrome, "tbody tr .state") == ["cancelled"]
    assert texts(chrome, "tbody tr td")[4] == "not wanted"


def test_a_failure_has_a_folded_traceback(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("broken", "a", until=FlowState.FAIL)
    visit(chrome, studio, 1)
    assert texts(chrome, "tbody tr .wrong") == ["ValueError: no room for a"]
    detail = opened(chrome, run_id)
    trace = detail.find_element(By.CSS_SELECTOR, "details pre")
    assert not trace.is_displayed()
    detail.find_element(By.CSS_SELECTOR, "summary").send_keys(Keys.ENTER)
    assert trace.is_displayed()
    assert "no room for a" in trace.text


def test_parent_and_child_lead_to_each_other(chrome: Chrome, studio: Studio) -> None:
    parent = studio.begin("parents", "a", until=FlowState.SPAWN)
    child = studio.flows.status(parent).child
    studio.moved.wait((child, FlowState.WAIT))
    visit(chrome, studio, 2)
    part(chrome, f"tr[data-id='{parent}'] td:last-child .link").click()
    shown(chrome, child)
    assert "offloaded" in texts(chrome, ".flow-detail dd")[0]
    part(chrome, ".flow-detail .link").click()
    shown(chrome, parent)
    assert marked(chrome) == "1 · offload"


# ---- what can be done ---------------------------------------------------------------------------


def test_a_flow_that_waits_is_resumed_and_done(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "clip.mp4")
    visit(chrome, studio, 1)
    opened(chrome, run_id)
    assert marked(chrome) == "2 · ask a person"
    assert texts(chrome, ".detail-head .state") == ["waiting"]
    part(chrome, ".keywords").send_keys("confirmed=true", Keys.ENTER, "note=looks good")
    part(chrome, ".resume").click()
    studio.moved.wait((run_id, FlowState.DONE))
    until(chrome, f"{STATE}.textContent === 'done'")
    assert marked(chrome) == "end"
    said = " ".join(texts(chrome, ".history tbody td:last-child"))
    assert 'confirmed=true, note="looks good"' in said
    assert 'gave "archived clip.mp4"' in said
    assert texts(chrome, ".act .answer") == ["Resumed."]
    assert texts(chrome, ".flow-detail :is(.resume, .cancel)") == []  # nothing is left to be done
    until(chrome, f"{ROWS}[0].querySelector('.state').textContent === 'done'")


def test_a_check_that_says_no_rests_again(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    visit(chrome, studio, 1)
    opened(chrome, run_id)
    part(chrome, ".keywords").send_keys('{"confirmed": false}')
    part(chrome, ".resume").click()
    until(chrome, f"{DETAIL}.querySelectorAll('.history tbody tr').length === 5")
    assert texts(chrome, ".detail-head .state") == ["waiting"]
    assert texts(chrome, ".act .answer:not(.hint)") == ["Resumed."]


def test_a_refusal_is_shown(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    visit(chrome, studio, 1)
    opened(chrome, run_id)
    part(chrome, ".keywords").send_keys("confirmed")
    part(chrome, ".resume").click()
    until(chrome, f"{DETAIL}.querySelector('.answer.wrong')")
    answer = part(chrome, ".answer.wrong")
    assert "a line is key=value" in answer.text
    assert answer.get_attribute("role") == "status"
    assert part(chrome, ".keywords").get_attribute("value") == "confirmed"
    assert studio.flows.status(run_id).state is FlowState.WAIT


def test_a_flow_that_failed_is_run_again(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("broken", "a", until=FlowState.FAIL)
    visit(chrome, studio, 1)
    opened(chrome, run_id)
    assert not part(chrome, ".keywords").is_displayed()
    button = part(chrome, ".resume")
    assert button.text == "Resume: run it again"
    button.click()
    studio.moved.wait((run_id, FlowState.FAIL), 2)
    until(chrome, f"{DETAIL}.querySelectorAll('.history tbody tr').length === 5")


def test_to_cancel_has_to_be_confirmed(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    visit(chrome, studio, 1)
    opened(chrome, run_id)
    part(chrome, ".act > .cancel").click()
    dialog = chrome.find_element(By.ID, "cancel")
    assert dialog.is_displayed()
    assert run_id in dialog.text
    assert chrome.switch_to.active_element.text == "Keep it"
    chrome.switch_to.active_element.send_keys(Keys.ENTER)
    assert not dialog.is_displayed()
    part(chrome, ".act > .cancel").click()
    chrome.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert studio.flows.status(run_id).state is FlowState.WAIT
    part(chrome, ".act > .cancel").click()
    chrome.find_element(By.ID, "cancel-reason").send_keys("the <b>wrong</b> one", Keys.ENTER)
    until(chrome, f"{STATE}.textContent === 'cancelled'")
    assert studio.flows.status(run_id).reason == "the <b>wrong</b> one"
    assert not part(chrome, ".act > .cancel").is_displayed()
    assert "the <b>wrong</b> one" in texts(chrome, ".flow-detail dd")


def test_without_actions_the_command_is_shown(chrome: Chrome) -> None:
    with Studio() as studio:
        run_id = studio.begin("ingest", "a")
        visit(chrome, studio, 1)
        opened(chrome, run_id)
        until(chrome, f"!{DETAIL}.querySelector('.hint').hidden")
        assert part(chrome, ".command").text.splitlines() == [
            f"task-thread flows resume PLACE {run_id} key=value",
            f"task-thread flows cancel PLACE {run_id}",
        ]
        for each in (".resume", ".act > .cancel", ".keywords"):
            assert not part(chrome, each).is_displayed()


def test_a_dashboard_that_was_restarted_is_asked_anew(chrome: Chrome) -> None:
    """Its token is another one: the page fetches that by itself."""
    with Studio(actions=True) as studio:
        run_id = studio.begin("ingest", "a")
        visit(chrome, studio, 1)
        opened(chrome, run_id)
        until(chrome, f"{DETAIL}.querySelector('.resume').checkVisibility()")
        studio.dashboard._flow_actions._token = "another one"
        part(chrome, ".keywords").send_keys("confirmed=true")
        part(chrome, ".resume").click()
        studio.moved.wait((run_id, FlowState.DONE))
        until(chrome, f"{STATE}.textContent === 'done'")


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another server on this machine, which allows itself everything."""

    timeout = 0.5  # seconds: the browser opens connections that it may need, and keeps them

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,>")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of such a page."""
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_from_elsewhere_can_not_act(chrome: Chrome, studio: Studio, elsewhere: str) -> None:
    run_id = studio.begin("ingest", "a")
    chrome.get(elsewhere)
    body = json.dumps({"app": APP, "id": run_id})
    found = chrome.execute_async_script(
        """
        const [url, body, done] = arguments;
        const json = { "Content-Type": "application/json", "X-Task-Thread-Token": "?" };
        const tries = [
          fetch(`${url}api/actions`).then(answer => answer.text()),
          fetch(`${url}api/flows/cancel`, { method: "POST", headers: json, body }),
          fetch(`${url}api/flows/cancel`, { method: "POST", mode: "no-cors", body }),
        ];
        Promise.allSettled(tries).then(all => done(all.map(each => each.status)));
        """,
        studio.dashboard.url,
        body,
    )
    assert found == ["rejected"] * 3  # the last one did arrive, and can't see its answer
    assert studio.flows.status(run_id).state is FlowState.WAIT
    chrome.get_log("browser")  # type: ignore[no-untyped-call]  # it says what it has held back


# ---- for everybody ------------------------------------------------------------------------------


def test_hostile_text_stays_text(chrome: Chrome, studio: Studio) -> None:
    names = [name.replace("\n", " ") for name in HOSTILE if "\u202e" not in name]
    studio.flows.routine(
        "<img src=x onerror=alert(0)>",
        [(name, f"{HERE}.Confirm", f"{name} friendly") for name in names],
    )
    runs = [
        studio.begin("<img src=x onerror=alert(0)>", path, reason=path or "-") for path in HOSTILE
    ]
    studio.begin("broken", "<script>alert(1)</script>", until=FlowState.FAIL)
    visit(chrome, studio, len(HOSTILE) + 1)
    assert "ValueError: no room for <script>alert(1)</script>" in texts(
        chrome, "tbody td:nth-child(5)"
    )
    for name in HOSTILE:
        assert name in texts(chrome, "tbody td:nth-child(5)")
    for run_id, path in zip(runs[:3], HOSTILE[:3], strict=True):
        opened(chrome, run_id)
        assert path in texts(chrome, ".flow-detail dd")
        assert any(path in text for text in texts(chrome, ".history td"))
        part(chrome, ".shut").click()
    assert f"1 · {names[0]} friendly" in texts(chrome, ".place-name")
    made = chrome.execute_script(
        "return document.querySelectorAll('#flows :is(img, script, a, b, i, svg, template)').length"
    )
    assert made == 0
    assert chrome.execute_script("return document.scrollingElement.scrollWidth") <= 1280


def test_by_keyboard_and_by_ear(chrome: Chrome, studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    visit(chrome, studio, 1)
    assert panel(chrome).get_attribute("aria-label") == "Flows of media"
    row = part(chrome, f"tr[data-id='{run_id}'] button")
    assert row.get_attribute("aria-expanded") == "false"
    row.send_keys(Keys.ENTER)
    shown(chrome, run_id)
    assert row.get_attribute("aria-expanded") == "true"
    assert chrome.switch_to.active_element.text == f"Flow {run_id}"
    for table in panel(chrome).find_elements(By.CSS_SELECTOR, "table"):
        heads = table.find_elements(By.CSS_SELECTOR, "thead th")
        assert heads
        assert {head.get_attribute("scope") for head in heads} == {"col"}
    for scroll in panel(chrome).find_elements(By.CSS_SELECTOR, "[tabindex='0'][role]"):
        assert scroll.get_attribute("aria-label")
    unnamed = chrome.execute_script(
        "return [...arguments[0].querySelectorAll('button, select, input, textarea')]"
        ".filter(it => !(it.textContent || it.ariaLabel || it.labels?.length)"
        " && !it.closest('[hidden]')).map(it => it.className)",
        panel(chrome),
    )
    assert unnamed == []
    part(chrome, ".keywords").send_keys("a/b")  # "/" leads to the filter elsewhere
    assert part(chrome, ".keywords").get_attribute("value") == "a/b"
    part(chrome, ".shut").send_keys(Keys.ENTER)
    assert not part(chrome, ".flow-detail").is_displayed()
    assert chrome.switch_to.active_element == row


@pytest.mark.parametrize("dark", [False, True])
def test_states_can_be_read(chrome: Chrome, studio: Studio, dark: bool) -> None:
    """Contrast of the words on their ground, 4.5 at least, in both themes."""
    theme(chrome, dark=dark)
    for routine, state in (("ingest", FlowState.WAIT), ("broken", FlowState.FAIL)):
        studio.begin(routine, until=state)
    studio.begin("parents", until=FlowState.SPAWN)
    studio.flows.cancel(studio.begin("strict"))
    visit(chrome, studio, 5)
    worst = chrome.execute_script(
        """
        const channel = value => value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
        const light = color => {
          const [r, g, b] = color.match(/[\\d.]+/g).map(each => channel(each / 255));
          return .2126 * r + .7152 * g + .0722 * b;
        };
        const ground = light(getComputedStyle(arguments[0]).backgroundColor);
        return [...arguments[0].querySelectorAll('.state, .soft, .wrong, .place-key, .link')]
          .filter(it => it.checkVisibility())
          .map(it => {
            const ink = light(getComputedStyle(it).color);
            return [(Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05), it.className];
          }).sort((one, other) => one[0] - other[0])[0];
        """,
        panel(chrome),
    )
    assert worst[0] >= 4.5, worst


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280])
def test_widths(chrome: Chrome, studio: Studio, width: int) -> None:
    run_id = studio.begin("ingest", "x" * 300, reason="y" * 300)
    studio.begin("broken", until=FlowState.FAIL)
    resize(chrome, width, 2400)
    visit(chrome, studio, 2)
    opened(chrome, run_id)
    assert chrome.execute_script("return document.scrollingElement.scrollWidth") <= width
    out = chrome.execute_script(
        "return [...arguments[0].querySelectorAll('button, select, input, textarea, h2, h3, td')]"
        ".filter(it => it.checkVisibility())"
        ".filter(it => it.getBoundingClientRect().right > innerWidth).map(it => it.className)",
        panel(chrome),
    )
    assert out == []
