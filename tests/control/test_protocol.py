"""What a line may be: pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_thread.monitor import protocol
from task_thread.monitor.protocol import COMMANDS, Refusal, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


def refused(line: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse(line)
    text = str(caught.value)
    assert text
    assert len(text) < 300
    assert text.isprintable()
    return caught.value


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not JSON"),
        (b"\n", "not JSON"),
        (b"hello", "not JSON"),
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"\xff\xfe", "not UTF-8: byte 0"),
        (b'{"v":1,"do":"\xc3"}', "not UTF-8"),
        (b'{"v":1,\x00"do":"hello"}', "not JSON"),
        (b'{"v":1,"do":"hel\x00lo"}', "not JSON"),
        (b"[]", "a JSON object, not []"),
        (b"null", "a JSON object, not null"),
        (b'"hello"', "a JSON object"),
        (b"[" * 60000, "nested too deeply"),
        (b'{"a":' * 12000, "nested too deeply"),
        (b'{"v":1,"id":' + b"9" * 60000 + b"}", "not read: Exceeds the limit"),
        (b'{"v":1,"id":1e999,"do":"hello"}', "too large"),
        (b'{"v":1,"id":NaN,"do":"hello"}', "NaN is no JSON"),
        (b'{"v":1,"id":-Infinity,"do":"hello"}', "-Infinity is no JSON"),
        (b'{"v":1,"do":"hello","do":"stop"}', 'the key "do" is there twice'),
        (b'{"v":1,"do":"hello","id":{"a":1,"a":2}}', 'the key "a" is there twice'),
        (b"{}", 'no version ("v"): this daemon speaks version 1'),
        (b'{"v":2,"do":"hello"}', "version 2: this daemon speaks version 1"),
        (b'{"v":"1","do":"hello"}', 'version "1"'),
        (b'{"v":true,"do":"hello"}', "version true"),
        (b'{"v":1.0,"do":"hello"}', "version 1.0"),
        (b'{"v":1}', "nothing to do"),
        (b'{"v":1,"do":"dance"}', 'can\'t do "dance": there is hello, snapshot'),
        (b'{"v":1,"do":["hello"]}', "can't do"),
        (b'{"v":1,"do":{}}', "can't do"),
        (b'{"v":1,"do":"hello","x":1}', 'hello has no argument "x" (it has: none)'),
        (b'{"v":1,"do":"stop","now":true}', "it has: timeout, thread"),
        (b'{"v":1,"do":"stop","timeout":"5"}', "timeout of stop is a number of seconds"),
        (b'{"v":1,"do":"stop","timeout":true}', "timeout of stop"),
        (b'{"v":1,"do":"stop","timeout":-1}', "timeout of stop"),
        (b'{"v":1,"do":"stop","timeout":1' + b"0" * 400 + b"}", "timeout of stop"),
        (b'{"v":1,"do":"stop","thread":7}', "thread of stop is a string, not 7"),
        (b'{"v":1,"do":"log-level","level":10}', "level of log-level is a string"),
        (b'{"v":1,"do":"stacks","thread":["a"]}', "thread of stacks is a string"),
    ],
)  # fmt: skip
def test_refused(line: bytes, says: str) -> None:
    assert says in str(refused(line))


def test_a_refusal_gives_the_id_back_where_it_could_be_read() -> None:
    assert refused(b'{"v":1,"id":[1,"a"],"do":"dance"}').id == [1, "a"]
    assert refused(b'{"v":1,"id":4,"do":"stop","x":0}').id == 4
    assert refused(b'{"v":3,"id":"x"}').id == "x"
    assert refused(b'{"v":1,"id":4,').id is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(line: bytes) -> None:
    try:
        request = parse(line)
    except Refusal as refusal:
        text = str(refusal)
    else:
        text = request.do
    assert text.isprintable()


@given(st.dictionaries(st.sampled_from(["v", "id", "do", "thread", "timeout", "x"]), JSON))
def test_any_object_is_a_request_or_refused(whole: dict[str, Any]) -> None:
    line = json.dumps(whole).encode()
    try:
        request = parse(line)
    except Refusal as refusal:
        # And what it says can always be sent back, in one line.
        reply = protocol.failure(refusal.id, str(refusal))
        assert reply.count(b"\n") == 1
        assert json.loads(reply)["id"] == whole.get("id")
    else:
        assert request.do in COMMANDS


@given(st.sampled_from(["v", "do", "id"]), JSON)
def test_one_wrong_value_is_refused_or_means_nothing(key: str, value: Any) -> None:
    whole = {"v": 1, "id": 1, "do": "hello", key: value}
    try:
        request = parse(json.dumps(whole).encode())
    except Refusal:
        assert key != "id"
    else:
        assert (request.do, request.arguments) == ("hello", {})
        assert request.id == whole["id"]


def test_arguments() -> None:
    request = parse(b'{"v":1,"do":"stop","id":0,"timeout":2,"thread":"a/b"}\r\n')
    assert (request.do, request.id) == ("stop", 0)
    assert request.arguments == {"timeout": 2.0, "thread": "a/b"}
    assert isinstance(request.arguments["timeout"], float)
    zero = parse(b'{"v":1,"do":"stop","timeout":0,"thread":""}')
    assert zero.arguments == {"timeout": 0.0, "thread": ""}
    assert parse(b'{"v":1,"do":"stop","timeout":null}').arguments == {}


def test_replies_are_single_lines_of_ascii() -> None:
    line = protocol.success("é\ud800", {"text": "ü\n\x1b"})
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert json.loads(line)["result"] == {"text": "ü\n\x1b"}
    assert json.loads(protocol.failure(1, "two\nlines"))["error"] == "two lines"


def test_an_id_that_can_be_read_and_not_be_written_does_no_harm() -> None:
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    assert json.loads(protocol.failure(deep, "no"))["id"] is None
    with pytest.raises(ValueError, match="too deep"):
        protocol.success(1, deep)
    while deep:  # or its end would be as deep
        deep = deep[0]


def test_what_is_no_number_is_not_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        protocol.success(1, float("nan"))
