"""What the dashboard says about flows, and what it lets be done to them, spoken to by hand."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from task_thread.flows import FlowApp, FlowState
from task_thread.monitor import Dashboard, flow_page
from task_thread.monitor.flow_actions import Actions, keywords_of
from task_thread.monitor.flow_json import MOST_PLACES
from task_thread.monitor.flow_page import FlowPage
from task_thread.monitor.http_limits import HttpLimits
from task_thread.monitor.http_messages import Request
from task_thread.monitor.operator import Operator
from tests.dashboard.flows import ACTIONS, APP, HERE, Studio, act, ask, routines, token
from tests.dashboard.http import connect, exchange, get, post, read_all, request, statuses
from tests.dashboard.test_metrics import samples
from tests.support.journal import PATIENCE


@pytest.fixture
def studio() -> Iterator[Studio]:
    """A tree with flows, and with actions on."""
    with Studio(actions=True) as tree:
        yield tree


@pytest.fixture(scope="module")
def quiet() -> Iterator[Studio]:
    """The same for tests that change nothing; its bodies must come quickly."""
    limits = HttpLimits(head_timeout=0.2, linger=0.5)
    with Studio(actions=True, limits=limits) as tree:
        tree.begin("ingest", "clip.mp4")
        yield tree


@pytest.fixture(autouse=True)
def _all_have_left(quiet: Studio) -> Iterator[None]:
    """What a test leaves to the server is cleared away before it ends."""
    yield
    assert quiet.all_have_left()


def ids(answer: Any) -> list[str]:
    return [flow["id"] for flow in answer["flows"]]


# ---- looking ------------------------------------------------------------------------------------


def test_the_list_has_the_newest_first(studio: Studio) -> None:
    waiting = studio.begin("ingest", "a.mp4")
    failed = studio.begin("broken", "b.mp4", until=FlowState.FAIL)
    answer = ask(studio)
    assert answer["total"] == 2
    assert ids(answer) == [failed, waiting]
    first, second = answer["flows"]
    assert second["state"] == "WAIT"
    assert (second["position"], second["length"], second["key"]) == (1, 3, "confirm")
    assert second["task"] == "ask a person"
    assert second["reason"] == "is a.mp4 the right one?"
    assert first["error"] == "ValueError: no room for b.mp4"
    assert second["version"] == studio.flows.routines["ingest"].version


def test_the_list_can_be_sifted_and_paged(studio: Studio) -> None:
    waiting = [studio.begin("ingest", str(n)) for n in range(3)]
    failed = studio.begin("broken", until=FlowState.FAIL)
    version = studio.flows.routines["ingest"].version
    assert ids(ask(studio, state="FAIL")) == [failed]
    assert ids(ask(studio, routine="ingest")) == waiting[::-1]
    assert ids(ask(studio, routine=f"ingest@{version}")) == waiting[::-1]
    assert ids(ask(studio, routine="ingest@other")) == []
    assert ids(ask(studio, routine="ingest", position=0)) == []
    assert ids(ask(studio, routine="ingest", position=1)) == waiting[::-1]
    assert ids(ask(studio, id=waiting[1])) == [waiting[1]]
    assert ids(ask(studio, id="no such")) == []
    page = ask(studio, limit=2, offset=1)
    assert (ids(page), page["total"]) == ([waiting[2], waiting[1]], 4)
    assert ids(ask(studio, offset=4)) == []


def test_those_that_ended_are_in_the_store(studio: Studio) -> None:
    done = studio.begin("ingest", "a")
    studio.flows.resume(done, confirmed=True)
    assert studio.flows.wait(done, PATIENCE) == "archived a"
    studio.begin("ingest", "b")
    answer = ask(studio, ended=1)
    assert [(flow["id"], flow["state"]) for flow in answer["flows"]] == [(done, "DONE")]


def test_a_flow_has_its_history(studio: Studio) -> None:
    run_id = studio.begin("ingest", "a.mp4", note="x=1")
    studio.flows.resume(run_id, confirmed=True)
    studio.flows.wait(run_id, PATIENCE)
    answer = ask(studio, "/api/flow", id=run_id)
    steps = answer["steps"]
    assert [step["state"] for step in steps] == [
        "RUNNING", "RUNNING", "WAIT", "CHECK", "RUNNING", "DONE",
    ]  # fmt: skip
    assert [step["number"] for step in steps] == list(range(6))
    assert steps[0]["arguments"] == '"a.mp4", note="x=1"'
    assert steps[1]["result"] == '{"fetched": "a.mp4"}'
    assert steps[3]["arguments"] == "confirmed=true"
    assert steps[5]["result"] == '"archived a.mp4"'
    assert steps[0]["result"] is None
    assert [place["key"] for place in answer["path"]] == ["fetch", "confirm", "archive"]
    assert answer["flow"]["position"] == 3


def test_a_failure_has_its_traceback(studio: Studio) -> None:
    run_id = studio.begin("broken", "b", until=FlowState.FAIL)
    last = ask(studio, "/api/flow", id=run_id)["steps"][-1]
    assert last["error"] == "ValueError: no room for b"
    assert "in perform" in last["traceback"]


def test_parent_and_child_name_each_other(studio: Studio) -> None:
    parent = studio.begin("parents", "p", until=FlowState.SPAWN)
    info = ask(studio, "/api/flow", id=parent)["flow"]
    child = ask(studio, "/api/flow", id=info["child"])["flow"]
    assert (info["state"], info["reason"]) == ("SPAWN", "somewhere else")
    assert child["parent"] == parent


def test_long_texts_are_cut(studio: Studio) -> None:
    long = "x" * 50_000
    run_id = studio.begin("ingest", long, reason=long[:9000])
    reply = get(studio.address, f"/api/flow?app={APP}&id={run_id}")
    assert len(reply.body) < 20_000
    data = json.loads(reply.body)
    assert data["flow"]["reason"].endswith("… (9000 characters)")
    assert data["steps"][1]["result"].endswith("… (50015 characters)")


def test_a_long_history_comes_in_pieces(studio: Studio) -> None:
    keys = [(f"step {n:03d}", f"{HERE}.Fetch") for n in range(300)]
    studio.flows.routine("long", keys)
    run_id = studio.flows.submit("long", "a")
    studio.flows.wait(run_id, 30.0)
    answer = ask(studio, "/api/flow", id=run_id)
    numbers = [step["number"] for step in answer["steps"]]
    assert numbers == list(range(101, 301))
    assert answer["earlier"] == 101
    before = ask(studio, "/api/flow", id=run_id, before=numbers[0])
    assert [step["number"] for step in before["steps"]] == list(range(101))
    assert before["earlier"] == 0


def test_a_long_routine_is_told_where_flows_are(studio: Studio) -> None:
    middle = 500
    keys = [(f"k{n:04d}", f"{HERE}.{'Confirm' if n == middle else 'Fetch'}") for n in range(1000)]
    studio.flows.routine("thousand", keys)
    studio.begin("thousand", "a")
    (app,) = FlowPage(studio).picture()
    (routine,) = (each for each in app["routines"] if each["name"] == "thousand")
    assert [
        (each["position"], each.get("skipped"), each.get("states")) for each in routine["places"]
    ] == [
        (0, None, {}),
        (1, 499, None),
        (500, None, {"WAIT": 1}),
        (501, 498, None),
        (999, None, {}),
    ]
    assert routine["length"] == 1000
    assert len(routine["places"]) <= MOST_PLACES


def test_flows_left_out_of_a_long_routine_are_counted() -> None:
    from task_thread.flows.spec import Routine, TaskRow
    from task_thread.flows.statistics import RoutineStatistics
    from task_thread.monitor.flow_json import routine_to_json

    rows = tuple(TaskRow(f"k{n}", "media.Fetch") for n in range(1000))
    places = {(n, FlowState.WAIT): 1 + n % 7 for n in range(1000)} | {(1000, FlowState.DONE): 9}
    data = routine_to_json(RoutineStatistics(Routine("r", rows), True, places))
    assert len(data["places"]) < 60
    told = sum(
        each["flows"] if "skipped" in each else sum(each["states"].values())
        for each in data["places"]
    )
    assert told == sum(places.values()) - 9
    assert data["done"] == 9
    tasks = sum(each.get("skipped", 1) for each in data["places"])
    assert tasks == 1000


def test_earlier_versions_are_told_apart(studio: Studio) -> None:
    studio.begin("ingest", "a")
    tasks = [*studio.flows.routines["ingest"].tasks[:2]]
    studio.flows.routine("ingest", tasks, replace=True)
    studio.begin("ingest", "b")
    (app,) = FlowPage(studio).picture()
    told = [
        (each["current"], each["length"], each["flows"])
        for each in app["routines"]
        if each["name"] == "ingest"
    ]
    assert told == [(True, 2, 1), (False, 3, 1)]


def test_the_stamp_changes_when_a_flow_moves(studio: Studio) -> None:
    page = FlowPage(studio)
    stamps = [page.picture()[0]["stamp"]]
    run_id = studio.begin("ingest", "a")
    stamps.append(page.picture()[0]["stamp"])
    assert page.picture()[0]["stamp"] == stamps[-1]
    studio.flows.cancel(run_id)
    stamps.append(page.picture()[0]["stamp"])
    assert len(set(stamps)) == 3


def test_apps_of_one_path_are_told_apart() -> None:
    class Two(Studio):
        async def enter__(self) -> None:
            await super().enter__()
            self.other = FlowApp("media", parent=self)
            await self.other.run()

    with Two() as tree:
        tree.other.routine("own", [f"{HERE}.Fetch"])
        tree.other.flow("own")
        assert [app["app"] for app in FlowPage(tree).picture()] == [APP, f"{APP}#2"]
        assert ask(tree)["total"] == 0
        assert ask(tree, app=f"{APP}#2")["total"] == 1


def test_ten_thousand_flows_stay_quick(studio: Studio) -> None:
    for _ in range(10_000):
        studio.flows.flow("ingest")
    begun = time.process_time()
    answer = ask(studio, state="INIT", offset=5000)
    took = time.process_time() - begun
    assert (answer["total"], len(answer["flows"])) == (10_000, 100)
    assert took < 0.5
    begun = time.process_time()
    picture = FlowPage(studio).picture()
    assert time.process_time() - begun < 0.5
    assert len(json.dumps(picture)) < 10_000


def test_an_app_that_has_ended_says_so(studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    asyncio.run(studio.office.stop())
    assert FlowPage(studio).picture()[0]["states"] == {"WAIT": 1}
    reply = get(studio.address, f"/api/flow?app={APP}&id={run_id}")
    assert reply.status == 503
    assert b"media" in reply.body
    assert act(studio, "resume", id=run_id, keywords="").status == 503


def test_an_app_that_hangs_is_not_waited_for(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_page, "PATIENCE", 0.1)
    run_id = studio.begin("ingest", "a")
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert let_go.wait(PATIENCE)

    studio.flows._app._on_loop(hold)
    assert held.wait(PATIENCE)
    reply = get(studio.address, f"/api/flow?app={APP}&id={run_id}")
    assert (reply.status, b"has not answered" in reply.body) == (504, True)
    assert ask(studio)["total"] == 1  # the list needs no loop
    let_go.set()
    monkeypatch.undo()
    assert ask(studio, "/api/flow", id=run_id)["flow"]["state"] == "WAIT"


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("/api/flows", 400, "say which app"),
        ("/api/flows?app=", 400, "say which app"),
        ("/api/flows?app=shop/till", 404, "no app 'shop/till' with flows"),
        ("/api/flows?app=shop/media&state=waiting", 400, "a state is one of INIT"),
        ("/api/flows?app=shop/media&offset=-1", 400, "offset is a whole number"),
        ("/api/flows?app=shop/media&offset=1e3", 400, "offset is a whole number"),
        ("/api/flows?app=shop/media&limit=201", 400, "from 0 to 200"),
        ("/api/flows?app=shop/media&limit=%D9%A3", 400, "limit is a whole number"),
        ("/api/flows?app=shop/media&app=shop/media", 400, "said once"),
        ("/api/flows?app=" + "x" * 1001, 400, "1000 characters"),
        ("/api/flows?app=%ff", 400, "no query"),
        ("/api/flows?" + "&".join(f"a{n}=1" for n in range(20)), 400, "no query"),
        ("/api/flow?app=shop/media", 400, "say which flow"),
        ("/api/flow?app=shop/media&id=nobody", 404, "no flow 'nobody'"),
        ("/api/flow?app=shop/media&id=nobody%0A%00%2F", 404, "no flow"),
    ],
)
def test_a_question_that_makes_no_sense(quiet: Studio, path: str, status: int, part: str) -> None:
    reply = get(quiet.address, path)
    assert reply.status == status
    assert part in reply.body.decode()
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.body.count(b"\n") == 1


# ---- acting -------------------------------------------------------------------------------------


def test_a_flow_that_waits_is_resumed(studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    reply = act(studio, "resume", id=run_id, keywords="confirmed=true\nnote = all is well")
    assert (reply.status, json.loads(reply.body)) == (200, {"ok": True})
    assert studio.flows.wait(run_id, PATIENCE) == "archived a"
    steps = ask(studio, "/api/flow", id=run_id)["steps"]
    assert steps[3]["arguments"] == 'confirmed=true, note="all is well"'


def test_a_flow_that_failed_is_run_again(studio: Studio) -> None:
    run_id = studio.begin("broken", "a", until=FlowState.FAIL)
    assert act(studio, "resume", id=run_id, keywords="").status == 200
    studio.moved.wait((run_id, FlowState.FAIL), 2)


def test_a_flow_is_cancelled(studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    assert act(studio, "cancel", id=run_id, reason="not <b>this</b> one").status == 200
    info = studio.flows.status(run_id)
    assert (info.state, info.reason) == (FlowState.CANCELLED, "not <b>this</b> one")


@pytest.mark.parametrize(
    ("what", "data", "status", "part"),
    [
        ("resume", {"id": "nobody"}, 404, "no flow 'nobody'"),
        ("cancel", {"id": "nobody"}, 404, "no flow 'nobody'"),
        ("resume", {}, 400, "say which flow"),
        ("resume", {"app": "shop/till", "id": "x"}, 404, "no app 'shop/till'"),
        ("resume", {"app": "", "id": "x"}, 400, "say which app"),
        ("resume", {"id": 3}, 400, "id is text"),
        ("resume", {"id": "x", "reason": "y"}, 400, "there is no 'reason' here"),
        ("cancel", {"id": "x", "keywords": "y"}, 400, "there is no 'keywords' here"),
    ],
)
def test_an_order_that_makes_no_sense(
    quiet: Studio, what: str, data: dict[str, Any], status: int, part: str
) -> None:
    reply = act(quiet, what, **data)
    assert (reply.status, part in reply.body.decode()) == (status, True)


@pytest.mark.parametrize(
    ("routine", "until", "keywords", "status", "part"),
    [
        ("parents", FlowState.SPAWN, "", 409, "is in SPAWN"),
        ("broken", FlowState.FAIL, "confirmed=true", 400, "resume it without keywords"),
        ("strict", FlowState.WAIT, "other=1", 400, "other"),
        ("ingest", FlowState.WAIT, "confirmed", 400, "a line is key=value"),
        ("ingest", FlowState.WAIT, '{"confirmed": true', 400, "no JSON"),
    ],
)
def test_a_refusal_says_why_and_harms_nothing(
    studio: Studio, routine: str, until: FlowState, keywords: str, status: int, part: str
) -> None:
    run_id = studio.begin(routine, "a", until=until)
    before = studio.flows.status(run_id)
    reply = act(studio, "resume", id=run_id, keywords=keywords)
    assert (reply.status, part in reply.body.decode()) == (status, True), reply.body
    assert studio.flows.status(run_id) == before


def test_what_has_ended_is_not_cancelled_again(studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    studio.flows.cancel(run_id)
    reply = act(studio, "cancel", id=run_id)
    assert (reply.status, b"has ended already" in reply.body) == (400, True)


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("", {}),
        ("  \n \n", {}),
        ("confirmed=true", {"confirmed": True}),
        ("confirmed = true\r\nnote=a=b", {"confirmed": True, "note": "a=b"}),
        (
            "n=3\nx=[1, 2]\nnothing=null\nempty=",
            {"n": 3, "x": [1, 2], "nothing": None, "empty": ""},
        ),
        ('quoted="true"', {"quoted": "true"}),
        ("number=NaN", {"number": "NaN"}),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        (' {"two words": 1} ', {"two words": 1}),
        ("grün=ja", {"grün": "ja"}),
    ],
)
def test_keywords(text: str, keywords: dict[str, Any]) -> None:
    assert keywords_of(text) == keywords


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("confirmed", "key=value"),
        ("=1", "key=value"),
        ("two words=1", "key=value"),
        ("a=1\na=2", "twice"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ("{" * 5000, "no JSON"),
        ('{"a":' * 5000, "no JSON"),
        ('{"a": ' + "9" * 5000 + "}", "no JSON"),
    ],
)
def test_what_is_no_keywords(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        keywords_of(text)


# ---- who may ------------------------------------------------------------------------------------


def test_actions_are_off_unless_the_program_turns_them_on() -> None:
    with Studio() as tree:
        run_id = tree.begin("ingest", "a")
        assert json.loads(get(tree.address, "/api/actions").body) == {"actions": False, "token": ""}
        for what in ("resume", "cancel"):
            reply = act(tree, what, id=run_id)
            assert reply.status == 403
            assert b"Dashboard(actions=True)" in reply.body
        assert tree.flows.status(run_id).state is FlowState.WAIT


@pytest.mark.parametrize("allowed", [True, False])
def test_a_daemon_turns_them_on(studio: Studio, allowed: bool) -> None:
    with Operator(studio, "studio", None, ("127.0.0.1", 0), actions=allowed) as operator:
        (dashboard,) = (
            handle.thread for handle in operator.handles if isinstance(handle.thread, Dashboard)
        )
        offered = json.loads(get(dashboard.address, "/api/actions").body)
    assert offered["actions"] is allowed


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({"X-Task-Thread-Token": ""}, 403, "token"),
        ({"X-Task-Thread-Token": "wrong"}, 403, "token"),
        ({"X-Task-Thread-Token": "\xff"}, 403, "token"),
        ({"Origin": "http://evil.example"}, 403, "evil.example"),
        ({"Origin": "null"}, 403, "'null'"),
        ({"Origin": "http://localhost:1"}, 403, "localhost:1"),
        ({"Origin": "http://["}, 403, "own page"),
        ({"Origin": "file://"}, 403, "own page"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "own page"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "own page"),
        ({"Host": "evil.example"}, 421, "that host"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421, "that host"),
        ({"Content-Type": "text/plain"}, 415, "application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ({"Content-Type": ""}, 415, "application/json"),
    ],
)
def test_other_pages_can_not_act(
    quiet: Studio, path: str, headers: dict[str, str], status: int, part: str
) -> None:
    (flow,) = ask(quiet, state="WAIT")["flows"]
    body = json.dumps({"app": APP, "id": flow["id"]}).encode()
    given = {"X-Task-Thread-Token": token(quiet.address), **headers}
    reply = post(quiet.address, path, body, **given)
    assert (reply.status, part in reply.body.decode()) == (status, True), reply.body
    assert ask(quiet, state="WAIT")["flows"] == [flow]


def test_another_page_gets_no_token(quiet: Studio) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        offered = json.loads(get(quiet.address, "/api/actions", **headers).body)
        assert offered == {"actions": False, "token": ""}
    assert get(quiet.address, "/api/actions", Host="evil.example").status == 421
    reply = get(quiet.address, "/api/actions")
    assert "access-control-allow-origin" not in reply.headers
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_itself_can_act(studio: Studio) -> None:
    run_id = studio.begin("ingest", "a")
    host, port = studio.address
    own = {
        "Host": f"{host}:{port}",
        "Origin": f"http://{host}:{port}",
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json; charset=utf-8",
    }
    assert act(studio, "cancel", headers=own, id=run_id).status == 200


def refusal(host: str, origin: str = "", *, bound: str = "0.0.0.0", hosts: Any = ()) -> int:
    """The status with which a dashboard that is bound like that answers, 200: none."""
    actions = Actions(
        cast("FlowPage", None), allowed=True, bound=bound, hosts=hosts, log=lambda *_: None
    )
    offered = actions.offer(Request("GET", "/api/actions", headers={"host": "127.0.0.1"}))
    headers = {"host": host, "content-type": "application/json"}
    headers["x-task-thread-token"] = offered["token"]
    if origin:
        headers["origin"] = origin
    answer = actions.check(Request("POST", "/", headers=headers))
    return 200 if answer is None else answer.status


@pytest.mark.parametrize(
    ("status", "host", "origin", "hosts"),
    [
        (200, "10.0.0.7:8080", "http://10.0.0.7:8080", ()),
        (200, "[fe80::1]:8080", "http://[fe80::1]:8080", ()),
        (200, "localhost:8080", "http://localhost:8080", ()),
        (403, "evil.example:8080", "http://evil.example:8080", ()),  # DNS rebinding
        (403, "10.0.0.7.evil.example", "http://10.0.0.7.evil.example", ()),
        (403, "10.0.0.7:8080", "http://10.0.0.7:9090", ()),
        (200, "tools.example", "https://tools.example", ("tools.example",)),
        (200, "localhost", "https://tools.example", ("tools.example",)),
        (403, "localhost", "https://tools.example:444", ("tools.example",)),
        (200, "localhost", "https://tools.example:444", ("tools.example:444",)),
        (403, "", "", ()),
        (403, "a b", "", ()),
    ],
)
def test_names_that_may_act(status: int, host: str, origin: str, hosts: tuple[str, ...]) -> None:
    assert refusal(host, origin, hosts=hosts) == status


def test_more_names_are_answered_on_loopback() -> None:
    with Studio(actions=True, hosts=["Tools.example", "other.example:8443"]) as tree:
        for host in ("tools.example", "tools.example:80", "other.example:8443", "localhost"):
            assert get(tree.address, Host=host).status == 200
        assert get(tree.address, Host="evil.example").status == 421
        run_id = tree.begin("ingest", "a")
        proxied = {"Host": "tools.example", "Origin": "https://tools.example"}
        assert act(tree, "cancel", headers=proxied, id=run_id).status == 200


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"actions": 1}, TypeError),
        ({"actions": "yes"}, TypeError),
        ({"hosts": "tools.example"}, TypeError),
        ({"hosts": ["http://tools.example"]}, ValueError),
        ({"hosts": [""]}, ValueError),
        ({"hosts": [3]}, ValueError),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Dashboard(**arguments)


# ---- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_an_action_is_a_post(quiet: Studio, path: str, method: str) -> None:
    reply = get(quiet.address, path, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/api/flows", "/api/flow", "/api/actions", "/", "/events"])
def test_nothing_else_is(quiet: Studio, path: str) -> None:
    assert post(quiet.address, path, b"{}").status == 405


def raw(*headers: str) -> bytes:
    return request(ACTIONS[0], "Host: localhost", *headers, method="POST")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (raw("Content-Length: 65537"), 413),
        (raw("Content-Length: 99999999999999999999"), 413),
        (raw("Content-Length: 70000", "Expect: 100-continue"), 413),
        (raw("Transfer-Encoding: chunked") + b"11000\r\n" + b"x" * 0x11000 + b"\r\n0\r\n\r\n", 413),
        (raw("Content-Length: -1"), 400),
        (raw("Content-Length: 5", "Content-Length: 6") + b"hello", 400),
        (raw("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
        (raw("Transfer-Encoding: chunked") + b"nonsense\r\n", 400),
        (raw("Content-Length: 10") + b"half", 408),
        (raw("Transfer-Encoding: chunked") + b"5\r\nhel", 408),
        (raw("Content-Length: 5", "Connection: close") + b"hello", 415),
        (raw("Connection: close"), 415),
    ],
)
def test_bodies_are_bounded(quiet: Studio, data: bytes, status: int) -> None:
    assert statuses(exchange(quiet.address, data)) == [status]


def test_a_body_that_ends_before_its_end(quiet: Studio) -> None:
    data = raw("Content-Length: 10") + b"half"
    assert statuses(exchange(quiet.address, data, end=True)) == [400]


def test_a_client_that_asks_first_may_go_on(quiet: Studio) -> None:
    with connect(quiet.address) as sock:
        sock.sendall(raw("Content-Length: 2", "Expect: 100-continue", "Connection: close"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"{}")
        assert statuses(read_all(sock)) == [415]


def test_a_connection_goes_on_after_a_post(quiet: Studio) -> None:
    first = raw("Content-Length: 2") + b"{}"
    assert statuses(exchange(quiet.address, first + request("/healthz"))) == [415, 200]


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(max_size=40)
jsons = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
orders = st.fixed_dictionaries(
    {},
    optional={
        "app": st.sampled_from([APP, "", "shop"]) | jsons,
        "id": texts | jsons,
        "keywords": texts | jsons,
        "reason": texts | jsons,
    },
)
bodies = st.one_of(
    st.binary(max_size=200),
    orders.map(lambda data: json.dumps(data).encode()),
    jsons.map(lambda data: json.dumps(data).encode()),
    st.sampled_from(
        [b"[" * 60_000, b'{"id":' * 9000, b"9" * 60_000, b"\xff\xfe", b"", b'"\\ud800"']
    ),
)


@FUZZ
@given(path=st.sampled_from(ACTIONS), body=bodies)
def test_junk_with_the_right_token(quiet: Studio, path: str, body: bytes) -> None:
    given = {"X-Task-Thread-Token": token(quiet.address)}
    reply = post(quiet.address, path, body, **given)
    assert reply.status in (400, 404)
    assert reply.body.strip()
    assert ask(quiet, state="WAIT")["total"] == 1


queries = st.lists(
    st.tuples(
        st.sampled_from(["app", "id", "state", "routine", "position", "offset", "limit", "ended"])
        | st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=5),
        st.sampled_from([APP, "WAIT", "1", "0", "200", "%00", "%F0%9F%98%80", "%ff", "+", "ingest"])
        | st.text(st.sampled_from("%&=+;#?/0123456789abcxyz"), max_size=20),
    ),
    max_size=8,
)


@FUZZ
@given(path=st.sampled_from(["/api/flows", "/api/flow"]), query=queries)
def test_junk_in_a_query(quiet: Studio, path: str, query: list[tuple[str, str]]) -> None:
    text = "&".join(f"{name}={value}" for name, value in query)
    reply = get(quiet.address, f"{path}?{text}")
    assert reply.status in (200, 400, 404)
    assert reply.body.strip()


# ---- metrics ------------------------------------------------------------------------------------


def test_metrics_count_flows_by_routine_and_state(studio: Studio) -> None:
    studio.begin("ingest", "a")
    tasks = [*studio.flows.routines["ingest"].tasks[:2]]
    studio.flows.routine("ingest", tasks, replace=True)
    studio.begin("ingest", "b")
    done = studio.begin("ingest", "c")
    studio.flows.cancel(done)
    studio.begin("broken", until=FlowState.FAIL)
    found = {
        (dict(labels)["routine"], dict(labels)["state"]): value
        for (name, labels), value in samples(get(studio.address, "/metrics").body).items()
        if name == "task_thread_app_flows"
        and {("path", APP), ("app", "media"), ("class", "FlowApp")} <= labels
    }
    assert found["ingest", "WAIT"] == 2  # both versions
    assert found["broken", "FAIL"] == 1
    assert found["broken", "WAIT"] == 0
    assert {state for _, state in found} == {"INIT", "RUNNING", "CHECK", "WAIT", "SPAWN", "FAIL"}


def test_metrics_are_bounded_however_many_routines_there_are(studio: Studio) -> None:
    for n in range(150):
        studio.flows.flow(studio.flows.routine(f"routine {n:03d}", [f"{HERE}.Fetch"]))
    found = {
        (dict(labels)["routine"], dict(labels)["state"]): value
        for (name, labels), value in samples(get(studio.address, "/metrics").body).items()
        if name == "task_thread_app_flows"
    }
    assert len({routine for routine, _ in found}) == 101
    assert found["(others)", "INIT"] > 0
    assert sum(found.values()) == 150


def test_a_tree_without_flows_has_no_such_metric() -> None:
    from tests.dashboard.trees import Post

    with Post() as tree:
        assert b"task_thread_app_flows" not in get(tree.address, "/metrics").body


def test_one_that_is_stored_says_where_the_command_finds_it(tmp_path: Path) -> None:
    store = tmp_path / "the flows.db"

    class Stored(Studio):
        async def enter__(self) -> None:
            await super().enter__()
            self.stored = await self.spawn(
                FlowApp, "stored", routines=routines(), store=f"sqlite:///{store}", name="stored"
            )

    with Stored() as tree:
        run_id = tree.stored.thread.submit("ingest", "a")
        app = APP.replace("media", "stored")
        assert ask(tree, "/api/flow", app, id=run_id)["flow"]["place"] == f"'{store}'"
        here = tree.begin("ingest", "a")
        assert ask(tree, "/api/flow", id=here)["flow"]["place"] == "PLACE"
