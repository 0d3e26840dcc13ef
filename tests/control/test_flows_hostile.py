"""Random and hostile requests about flows: each gets one clear answer, and no flow is harmed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from task_thread.flows import FlowApp, wait
from task_thread.monitor.client import ControlClient
from task_thread.monitor.control import ControlServer
from task_thread.monitor.protocol import COMMANDS
from tests.control.trees import Raw
from tests.flows import stage as stages
from tests.flows.hands import Watched, routine_of
from tests.flows.stage import Stage

COMMANDS_OF_FLOWS = [do for do in COMMANDS if do.startswith("flows.")]
NAMES = sorted({name for do in COMMANDS_OF_FLOWS for name in COMMANDS[do]} | {"x", "thread"})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
WORDS = st.sampled_from(["rest", "nothing", "", "%", "_", "\x00", "\ud800", "media", "k" * 3_000])
REQUESTS = st.fixed_dictionaries(
    {"do": st.sampled_from(COMMANDS_OF_FLOWS)},
    optional=dict.fromkeys(NAMES, JSON | WORDS),
)


class Lasting:
    """A server that lasts for many examples, and a flow that none of them may harm."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flows: Watched
        self.resting = ""

    def is_unharmed(self) -> bool:
        info = self.flows.app.status(self.resting)
        return info.state == "WAIT" and info.steps == 3


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lasting]:
    made = Stage()
    made.performs(b=lambda *_, **__: wait("for a word"))
    before, stages.STAGE[0] = stages.STAGE[0], made
    lasting = Lasting(tmp_path_factory.mktemp("f") / "a.sock")
    app = FlowApp("media", threads=2)
    with Watched(app) as flows, ControlServer(root=app, path=lasting.path):
        lasting.flows = flows
        routine_of(flows, "a", "b", "c", name="rest")
        lasting.resting = flows.app.submit("rest", "of the test")
        flows.until(lasting.resting, "WAIT")
        yield lasting
    stages.STAGE[0] = before


def answered(raw: Raw, request: dict[str, Any]) -> dict[str, Any] | str:
    """The result, or the error."""
    assert raw.send(json.dumps({"v": 1, "id": 7, **request}).encode() + b"\n")
    reply = raw.reply()
    if reply["ok"]:
        assert reply["id"] == 7
        result = reply["result"]
        assert isinstance(result, dict)
        return result
    text = reply["error"]
    assert isinstance(text, str)
    assert text
    assert "\n" not in text
    assert "see the log" not in text, "nobody has thought of that one"
    return text


@given(st.lists(REQUESTS, min_size=1, max_size=6))
@example([{"do": "flows.submit", "routine": "rest", "args": [[[]]], "kwargs": {"a b": 1, "": 2}}])
@example([{"do": "flows.submit", "routine": "rest", "kwargs": {"self": 1, "what": 2, "key": 3}}])
@example([{"do": "flows.resume", "flow": "rest", "kwargs": {"run_id": 1, "self": 2}}])
@example([{"do": "flows.list", "limit": 2**53 - 1, "skip": 2**53 - 1, "ended": True}])
@example([{"do": "flows.show", "flow": "k", "first": 2**53 - 1, "last": 2**53 - 1}])
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_requests(lasting: Lasting, requests: list[dict[str, Any]]) -> None:
    with Raw(lasting.path) as raw:
        for request in requests:
            answered(raw, request)
        assert raw.ask(id=1, do="hello")["ok"]
    assert lasting.is_unharmed()
    assert lasting.flows.app.statistics().last_error is None


@given(
    st.lists(st.binary(max_size=200) | REQUESTS.map(lambda r: json.dumps(r).encode()), max_size=5)
)
@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_bytes_between_requests(lasting: Lasting, lines: list[bytes]) -> None:
    """None of them has a version: each is an error."""
    with Raw(lasting.path) as raw:
        for line in lines:
            assert raw.send(line.replace(b"\n", b" ") + b"\n")
            assert raw.error()
        assert raw.ask(do="flows.show", flow=lasting.resting)["ok"]
    assert lasting.is_unharmed()


def test_arguments_that_are_nested_deeply(lasting: Lasting) -> None:
    with Raw(lasting.path) as raw:
        for depth in (100, 400, 499, 600, 900, 990, 5000, 20_000):
            line = '{"v":1,"do":"flows.submit","routine":"rest","args":[%s]}'
            assert raw.send((line % ("[" * depth + "]" * depth)).encode() + b"\n")
            reply = raw.reply()
            if reply["ok"]:  # then it can be shown as well
                shown = raw.ask(do="flows.show", flow=reply["result"]["flow"]["id"])
                assert shown["ok"], shown
            else:
                assert "nested" in reply["error"] or "can't be stored" in reply["error"]
    assert lasting.is_unharmed()


def test_a_client_that_goes_while_its_answer_is_on_its_way(lasting: Lasting) -> None:
    before = len(lasting.flows.app.list())
    for _ in range(20):
        with Raw(lasting.path) as raw:
            raw.send(b'{"v":1,"do":"flows.submit","routine":"rest"}\n')
    with ControlClient(lasting.path) as client:
        client.call("flows.submit", routine="rest")
    assert before < len(lasting.flows.app.list()) <= before + 21
    assert lasting.is_unharmed()


def test_ten_thousand_flows_do_not_hold_the_loop_up(lasting: Lasting) -> None:
    app = lasting.flows.app
    number = 10_000 - len(app.list())
    for _ in range(number):
        app.flow("rest")
    lasting.flows.flush()
    done = threading.Event()
    longest = 0.0

    def ask() -> None:
        with ControlClient(lasting.path) as client:
            for skip in range(0, 10_000, 500):
                assert len(client.call("flows.list", limit=500, skip=skip)["flows"]) == 500
            client.call("flows.show", flow=lasting.resting)
        done.set()

    begun = perf_counter()
    asking = threading.Thread(target=ask, name="asking")
    asking.start()
    while not done.is_set():
        asked = perf_counter()
        lasting.flows.flush()  # there and back, by the app's loop
        longest = max(longest, perf_counter() - asked)
    asking.join()
    took = perf_counter() - begun
    print(f"21 answers took {took:.3f} s; meanwhile the app's loop answered within {longest:.3f} s")
    assert longest < 1.0
