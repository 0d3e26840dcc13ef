"""What the control socket's requests about flows answer, and what they do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_thread import TaskThread, reSchedule
from task_thread.app import TaskApp
from task_thread.errors import ControlError
from task_thread.flows import FlowApp, FlowState, records, spawn, wait
from task_thread.flows.history import Step
from task_thread.flows.reading import StoreReader
from task_thread.latch import Latch
from task_thread.monitor import flow_booth
from task_thread.monitor.client import ControlClient
from task_thread.monitor.control import ControlServer
from task_thread.monitor.flow_booth import MOST_ROWS
from task_thread.monitor.flow_forms import step_to_json
from task_thread.monitor.flows import MOST_FLOWS
from tests.control.trees import served
from tests.flows import stage as stages
from tests.flows.hands import Trouble, Watched, routine_of
from tests.flows.stage import Stage
from tests.support.programs import PATIENCE, ROOT


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """What the tasks do."""
    made = Stage()
    made.performs(b=lambda *_, **__: wait("for a word"), bad=raises)
    monkeypatch.setattr(stages, "STAGE", [made])
    return made


def raises(*_args: Any, **_kwargs: Any) -> Any:
    raise OSError("the disk is gone")


@contextmanager
def asked(folder: Path, store: Any = None, **options: Any) -> Iterator[tuple[Watched, Any]]:
    """An app with flows, and what asks about them."""
    app = FlowApp("media", store=store, threads=2, **options)
    with Watched(app) as flows, ControlServer(root=app, path=folder / "a.sock"):
        routine_of(flows, "a", "b", "c")
        routine_of(flows, "a", "bad")
        with ControlClient(folder / "a.sock") as client:
            yield flows, client.call


@pytest.fixture
def here(folder: Path, stage: Stage) -> Iterator[tuple[Watched, Any]]:
    with asked(folder) as both:
        yield both


# ---- one app --------------------------------------------------------------------------------


def test_a_flow_from_its_begin_to_its_end(here: tuple[Watched, Any]) -> None:
    flows, call = here
    begun = call("flows.submit", routine="a-b-c", args=["x"], kwargs={"n": [1, None]})
    id = begun["flow"]["id"]
    assert (begun["app"], begun["stored"]) == ("media", True)
    flows.until(id, "WAIT")
    seen = call("flows.show", flow=id)
    assert seen["flow"] == {
        "id": id, "routine": "a-b-c", "version": seen["routine"]["current"], "state": "WAIT",
        "position": 1, "length": 3, "key": "b", "reason": "for a word", "error": "", "parent": "",
        "child": "", "idempotency_key": "", "steps": 3, "time_made": seen["flow"]["time_made"],
        "time_changed": seen["flow"]["time_changed"],
    }  # fmt: skip
    assert [row["key"] for row in seen["routine"]["tasks"]] == ["a", "b", "c"]
    assert [(row["state"], row["key"]) for row in seen["history"]] == [
        ("RUNNING", "a"), ("RUNNING", "a"), ("WAIT", "b"),
    ]  # fmt: skip
    assert seen["history"][0]["arguments"] == {"args": ["x"], "kwargs": {"n": [1, None]}}
    assert (seen["history"][1]["has_result"], seen["history"][1]["result"]) == (True, "a")
    assert seen["next"] is None
    assert call("flows.resume", flow=id, kwargs={"go": True})["stored"] is True
    flows.until(id, "DONE")
    assert call("flows.show", flow=id)["flow"]["state"] == "DONE"
    assert call("flows.list")["flows"] == []
    (ended,) = call("flows.list", ended=True)["flows"]
    assert ended == call("flows.list", states=["DONE"])["flows"][0]
    assert (ended["id"], ended["position"], ended["key"]) == (id, 3, "")


def test_a_flow_that_failed(here: tuple[Watched, Any], stage: Stage) -> None:
    flows, call = here
    id = call("flows.submit", routine="a-bad")["flow"]["id"]
    flows.until(id, "FAIL")
    last = call("flows.show", flow=id, last=1)["history"]
    assert [row["number"] for row in last] == [2]
    assert last[0]["error"] == "OSError: the disk is gone"
    assert "in raises" in last[0]["traceback"]
    with pytest.raises(ControlError, match="without keywords"):
        call("flows.resume", flow=id, kwargs={"go": True})
    stage.performs(bad=lambda *_, **__: "mended")
    assert call("flows.resume", flow=id)["flow"]["error"] == ""
    assert flows.app.wait(id, timeout=10) == "mended"


def test_cancelling(here: tuple[Watched, Any], stage: Stage) -> None:
    flows, call = here
    stage.performs(up=lambda *_, **__: spawn(routine="a-b-c"))
    routine_of(flows, "up")
    parent = flows.app.submit("up")
    child = flows.until(parent, "SPAWN").child
    answer = call("flows.cancel", flow=parent, reason="enough")
    assert (answer["cancelled"], answer["flow"]["reason"]) == (True, "enough")
    assert flows.app.status(child).state == "CANCELLED"
    again = call("flows.cancel", flow=parent)
    assert (again["cancelled"], again["flow"]["reason"]) == (False, "enough")


def test_a_key_gives_the_same_flow(here: tuple[Watched, Any]) -> None:
    _, call = here
    first = call("flows.submit", routine="a-b-c", args=[1], key="k")["flow"]["id"]
    assert call("flows.submit", routine="a-b-c", args=[1], key="k")["flow"]["id"] == first
    with pytest.raises(ControlError, match="under the key 'k' before"):
        call("flows.submit", routine="a-b-c", args=[2], key="k")


def test_a_flow_that_was_made_is_submitted_by_its_run_id(here: tuple[Watched, Any]) -> None:
    flows, call = here
    id = flows.app.flow("a-b-c").id
    assert call("flows.list", states=["INIT"])["flows"][0]["id"] == id
    assert call("flows.submit", routine=id, args=[1])["flow"]["id"] == id
    with pytest.raises(ControlError, match="was submitted before"):
        call("flows.submit", routine=id)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("flows.show", {}, "flows.show needs flow"),
    ("flows.resume", {}, "flows.resume needs flow"),
    ("flows.cancel", {"reason": "no"}, "flows.cancel needs flow"),
    ("flows.submit", {}, "flows.submit needs routine"),
    ("flows.show", {"flow": ""}, "there is no flow ''"),
    ("flows.show", {"flow": "nobody"}, "there is no flow 'nobody'"),
    ("flows.resume", {"flow": "%"}, "there is no flow '%'"),
    ("flows.cancel", {"flow": "\x00"}, "there is no flow"),
    ("flows.submit", {"routine": "a-b"}, "there is no routine 'a-b'"),
    ("flows.submit", {"routine": "a-b-c", "kwargs": {"idempotency_key": "k"}}, "is given as key"),
    ("flows.submit", {"routine": "a-b-c", "key": ""}, "idempotency_key"),
    ("flows.list", {"states": ["SLEEP"]}, "there is no state 'SLEEP'"),
    ("flows.list", {"app": "mail"}, "no FlowApp 'mail' in this tree: there is media"),
    ("flows.list", {"store": "/nowhere.db"}, "no FlowApp in this tree has the store"),
    ("flows.list", {"limit": -1}, "limit of flows.list is a whole number, 0 or more, not -1"),
    ("flows.list", {"limit": 1.5}, "limit of flows.list is a whole number"),
    ("flows.list", {"limit": True}, "limit of flows.list is a whole number"),
    ("flows.list", {"ended": 1}, "ended of flows.list is true or false, not 1"),
    ("flows.list", {"states": "WAIT"}, "states of flows.list is a list of strings"),
    ("flows.list", {"states": [1]}, "states of flows.list is a list of strings"),
    ("flows.list", {"flow": "x"}, "flows.list has no argument"),
    ("flows.submit", {"routine": "a-b-c", "args": {}}, "args of flows.submit is a list"),
    ("flows.submit", {"routine": "a-b-c", "kwargs": []}, "kwargs of flows.submit is an object"),
    ("flows.show", {"flow": 7}, "flow of flows.show is a string"),
    ("flows.drop", {}, "can't do"),
]


@pytest.mark.parametrize(("do", "arguments", "says"), REFUSED)
def test_refused(here: tuple[Watched, Any], do: str, arguments: Any, says: str) -> None:
    flows, call = here
    with pytest.raises(ControlError) as caught:
        call(do, **arguments)
    assert says in str(caught.value)
    assert flows.app.list() == []


def test_a_task_that_can_not_be_called_so_is_refused(here: tuple[Watched, Any]) -> None:
    flows, call = here
    routine_of(flows, "strict", cls=stages.Strict)
    with pytest.raises(ControlError, match="path"):
        call("flows.submit", routine="strict")
    id = call("flows.submit", routine="strict", args=["x"])["flow"]["id"]
    assert flows.app.wait(id, timeout=10) == ["x", 0]


def test_half_a_surrogate_pair(here: tuple[Watched, Any]) -> None:
    _, call = here
    for do in ("flows.show", "flows.resume", "flows.cancel"):
        with pytest.raises(ControlError):
            call(do, flow="\ud800")
    with pytest.raises(ControlError):
        call("flows.submit", routine="a-b-c", key="\ud800")
    assert call("flows.list", routine="\ud800")["flows"] == []
    id = call("flows.submit", routine="a-b-c", args=["\ud800"])["flow"]["id"]
    assert call("flows.show", flow=id)["history"][0]["arguments"]["args"] == ["\ud800"]


def test_what_json_has_not_is_told_as_text(here: tuple[Watched, Any], stage: Stage) -> None:
    flows, call = here
    stage.performs(a=lambda *_, **__: "x")
    stage.performs(odd=lambda *_, **__: {"é": "\x1b"})
    routine_of(flows, "odd")
    id = flows.app.submit("odd")
    flows.until(id, "DONE")
    assert call("flows.show", flow=id)["history"][-1]["result"] == {"é": "\x1b"}


# ---- much of it -----------------------------------------------------------------------------


def test_many_flows_come_in_several_answers(here: tuple[Watched, Any]) -> None:
    flows, call = here
    ids = [flows.app.flow("a-b-c").id for _ in range(MOST_FLOWS + 20)]
    flows.app.flow("a-bad")
    first = call("flows.list", routine="a-b-c", limit=10_000)
    assert [each["id"] for each in first["flows"]] == ids[:MOST_FLOWS]
    assert (first["total"], first["next"]) == (MOST_FLOWS + 20, MOST_FLOWS)
    assert first["counts"] == {"INIT": MOST_FLOWS + 20}
    rest = call("flows.list", routine="a-b-c", limit=10_000, skip=first["next"])
    assert [each["id"] for each in rest["flows"]] == ids[MOST_FLOWS:]
    assert rest["next"] is None
    none = call("flows.list", limit=0)
    assert (none["flows"], none["next"], none["total"]) == ([], None, MOST_FLOWS + 21)


def test_a_long_history_comes_in_several_answers(here: tuple[Watched, Any]) -> None:
    flows, call = here
    number = MOST_ROWS + 30
    flows.app.routine("long", [(f"t{n}", stages.Loops) for n in range(number)])
    id = flows.app.submit("long")
    flows.until(id, "DONE")
    first = call("flows.show", flow=id)
    assert [row["number"] for row in first["history"]] == list(range(MOST_ROWS))
    rest = call("flows.show", flow=id, first=first["next"])
    assert [row["number"] for row in rest["history"]] == list(range(MOST_ROWS, number + 1))
    assert rest["next"] is None
    last = call("flows.show", flow=id, last=2)["history"]
    assert [row["number"] for row in last] == [number - 1, number]
    assert call("flows.show", flow=id, first=10**6)["history"] == []


def test_large_values_are_left_out_and_their_size_is_told(
    here: tuple[Watched, Any], stage: Stage
) -> None:
    flows, call = here
    stage.performs(
        large=lambda *_, **__: "x" * 100_000,
        huge=lambda *_, **__: {"result": '","result":' * 200_000},
        small=lambda *_, **__: "y" * 60_000,
    )
    routine_of(flows, "large", "huge", *(f"small{n}" for n in range(20)), name="much")
    stage.performs(**{f"small{n}": lambda *_, **__: "y" * 60_000 for n in range(20)})
    id = flows.app.submit("much")
    flows.until(id, "DONE")
    first = call("flows.show", flow=id)
    submitted, large, huge = first["history"][:3]
    assert "left_out" not in submitted
    assert (large["has_result"], large["result"]) == (True, None)
    assert large["left_out"] == {"result": 100_002}
    assert (huge["has_result"], huge["result"], huge["key"]) == (True, None, "huge")
    assert huge["left_out"]["result"] > 2_000_000
    # Nothing of it is lost between the answers, and none of them is large.
    rows = first["history"]
    answers = 1
    while first["next"] is not None:
        assert len(json.dumps(first)) < 1_000_000
        first = call("flows.show", flow=id, first=first["next"])
        rows += first["history"]
        answers += 1
    assert [row["number"] for row in rows] == list(range(23))
    assert answers > 2


TEXTS = st.sampled_from(["", '","result":1', ',"given":{}', '\\",'])
GIVEN = st.none() | st.just('{"given":1,"result":2}')


@given(result=st.none() | TEXTS.map(json.dumps), given_=GIVEN, text=TEXTS)
def test_the_head_of_a_large_row_is_that_of_the_whole(
    result: str | None, given_: str | None, text: str
) -> None:
    step = Step(3, 1.5e9, FlowState.WAIT, 2, text, result, given_, text, text, text)
    value = records.step_change("x", step).value
    assert value is not None
    whole = step_to_json(step, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_booth, "_LARGE", 0)
        told = flow_booth._told("x/00000003", value, None)
    if result is None and given_ is None:
        assert told == whole
    for name in ("number", "time", "state", "position", "has_result"):
        assert told[name] == whole[name]
    if result is not None or given_ is not None:
        assert list(told["left_out"]) == ["arguments" if result is None else "result"]


def test_only_the_head_of_a_large_row_is_read() -> None:
    step = Step(3, 1.5, FlowState.RUNNING, 2, result="1")
    value = records.step_change("x", step).value
    assert value is not None
    told = flow_booth._told("x/00000003", value[:-1] + b"!" * 2**20, None)
    assert (told["has_result"], told["result"]) == (True, None)
    assert told["left_out"]["result"] > 2**20


# ---- which app ------------------------------------------------------------------------------


class Two(TaskThread):
    """A root with three apps, of which two have routines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__()

    def getId(self) -> str:
        return "two"

    async def enter__(self) -> None:
        self.mail = FlowApp("mail", store=f"sqlite:///{self._folder}/mail.db", parent=self)
        self.media = FlowApp("media", parent=self)
        self.idle = FlowApp("idle", parent=self)
        for app in (self.mail, self.media, self.idle):
            await app.run()
        self.media.routine("b", [("b", stages.Loops)])


@pytest.mark.usefixtures("stage")
def test_with_several_apps_one_has_to_be_named(folder: Path, tmp_path: Path) -> None:
    with (
        Two(tmp_path) as root,
        ControlServer(root=root, path=folder / "a.sock"),
        ControlClient(folder / "a.sock") as client,
    ):
        call = client.call
        assert call("flows.list")["app"] == "media"  # the only one that has any
        assert call("flows.submit", routine="b")["app"] == "media"
        root.mail.routine("b", [("b", stages.Loops)])
        with pytest.raises(ControlError, match="say which app: two/mail, two/media"):
            call("flows.list")
        assert call("flows.list", app="mail")["app"] == "mail"
        assert call("flows.list", app="two/media")["app"] == "media"
        assert call("flows.list", store=str(tmp_path / "mail.db"))["app"] == "mail"
        (tmp_path / "link.db").symlink_to(tmp_path / "mail.db")
        assert call("flows.list", store=str(tmp_path / "link.db"))["app"] == "mail"
        with pytest.raises(ControlError, match="there is two/mail"):
            call("flows.list", store=str(tmp_path / "mail.db"), app="media")


def test_a_tree_without_flows(folder: Path) -> None:
    with served(folder / "a.sock") as (_, server), ControlClient(str(server.path)) as client:
        for do in ("flows.list", "flows.show", "flows.submit", "flows.resume", "flows.cancel"):
            with pytest.raises(ControlError, match="there is no FlowApp in this tree"):
                client.call(do)


def test_an_app_without_flows(folder: Path) -> None:
    app = TaskApp("mail")
    path = folder / "a.sock"
    with app, ControlServer(root=app, path=path), ControlClient(path) as client:
        assert client.call("hello")["root"] == "mail"
        with pytest.raises(ControlError, match="there is no FlowApp in this tree"):
            client.call("flows.list")


class Slow(FlowApp):
    """An app that begins when it is told to."""

    def __init__(self, parent: TaskThread) -> None:
        self.at_it = threading.Event()
        self.there = threading.Event()
        self.begin: Latch[None] = Latch()
        super().__init__("media", parent=parent)

    async def enter__(self) -> None:
        self.at_it.set()
        await self.begin.wait()
        await super().enter__()
        self.there.set()


class Around(TaskThread):
    """A root that runs an app beside everything else, and stops it when it is told to."""

    def __init__(self) -> None:
        self.app: Slow
        super().__init__()

    async def enter__(self) -> None:
        self.app = Slow(self)
        await reSchedule(self.run_app)

    async def run_app(self) -> None:
        await self.app.run()


@pytest.mark.usefixtures("stage")
def test_an_app_that_does_not_run_yet_or_no_more(folder: Path) -> None:
    path = folder / "a.sock"
    with Around() as root, ControlServer(root=root, path=path), ControlClient(path) as client:
        assert root.app.at_it.wait(PATIENCE)
        with pytest.raises(ControlError, match="media does not run yet"):
            client.call("flows.list")
        root.app.begin.set(None)
        assert root.app.there.wait(PATIENCE)
        assert client.call("flows.list")["flows"] == []


def test_nothing_of_flows_is_loaded_where_there_are_none() -> None:
    program = (
        "import sys, task_thread.monitor.control\n"
        "sys.exit(any(name.startswith(('task_thread.flows', 'task_thread.app'))"
        " for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


# ---- with a store ---------------------------------------------------------------------------


def test_what_is_answered_is_on_disk(folder: Path, tmp_path: Path, stage: Stage) -> None:
    file = tmp_path / "flows.db"
    with asked(folder, f"sqlite:///{file}") as (flows, call), StoreReader(str(file)) as store:
        id = call("flows.submit", routine="a-b-c")["flow"]["id"]
        assert store.view(id).info.id == id
        flows.until(id, "WAIT")
        call("flows.cancel", flow=id, reason="no")
        assert store.view(id).info.reason == "no"


def test_what_can_not_be_written_is_said(folder: Path, stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr(flow_booth, "_WRITTEN_WITHIN", 0.2)
    store = Trouble()
    with asked(folder, store) as (flows, call):
        flows.flush()
        store.full()
        answer = call("flows.submit", routine="a-b-c")
        assert answer["stored"] is False
        assert answer["flow"]["state"] == "RUNNING"
        store.works()
        flows.until(answer["flow"]["id"], "WAIT")
        store.read_error = store.error
        assert call("flows.list")["counts"] == {"WAIT": 1}


def test_ended_flows_are_found_by_how_they_begin(folder: Path, stage: Stage) -> None:
    with asked(folder) as (flows, call):
        id = call("flows.submit", routine="a-b-c", key="k")["flow"]["id"]
        flows.until(id, "WAIT")
        call("flows.cancel", flow=id[:7])
        flows.until(id, "CANCELLED")
        flows.app._flows.gate.forget(id)  # as the end of its retention does
        assert call("flows.show", flow=id[:7])["flow"]["state"] == "CANCELLED"
        assert call("flows.list", states=["CANCELLED"])["flows"][0]["id"] == id
        assert call("flows.cancel", flow=id[:7])["cancelled"] is False
        with pytest.raises(ControlError, match="has ended: it is in CANCELLED"):
            call("flows.resume", flow=id)
