"""The rules for payloads, and snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.gateway.readings import (
    MAX_NAME,
    MAX_OPEN,
    MAX_PARTS,
    Assembly,
    PayloadError,
    Place,
    Row,
    encode_payload,
    parse,
)

if TYPE_CHECKING:
    import random

names = st.text(min_size=1, max_size=MAX_NAME).filter(str.isprintable)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.floats(min_value=0, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
fields = st.dictionaries(
    st.sampled_from(["sensor", "time", "value", "snapshot", "part", "parts", "other"]), json_values
)


@given(sensor=names, time=times, value=numbers)
def test_a_reading_comes_back_as_it_was_sent(sensor: str, time: float, value: float) -> None:
    assert parse(encode_payload(sensor, time, value)) == ((sensor, time, value), None)


@given(snapshot=names, parts=st.integers(1, MAX_PARTS), data=st.data())
def test_a_part_comes_back_as_it_was_sent(snapshot: str, parts: int, data: st.DataObject) -> None:
    place = Place(snapshot, data.draw(st.integers(1, parts)), parts)
    assert parse(encode_payload("s", 1.0, 2.0, place)) == (("s", 1.0, 2.0), place)


@given(fields=fields)
def test_what_is_taken_keeps_the_rules(fields: dict[str, object]) -> None:
    try:
        (sensor, time, value), place = parse(json.dumps(fields).encode())
    except PayloadError:
        return
    assert 0 < len(sensor) <= MAX_NAME
    assert sensor.isprintable()
    assert type(time) is type(value) is float
    assert 0 <= time < float("inf")
    assert abs(value) < float("inf")
    if place is not None:
        assert 1 <= place.number <= place.parts <= MAX_PARTS


@given(payload=st.binary(max_size=100))
def test_any_bytes_are_taken_or_refused(payload: bytes) -> None:
    try:
        parse(payload)
    except PayloadError:
        pass  # nothing else may be raised


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"temperature=21",
        b'{"sensor":"s","time":1,"value":1',
        b'{"sensor":"s","time":1,"value":1}{}',
        b'{"sensor":"s","time":1,"value":NaN}',
        b'{"sensor":"s","time":1,"value":Infinity}',
        b'{"sensor":"\xff","time":1,"value":1}',
        b"[" * 60_000,
        b"9" * 60_000,
    ],
)
def test_not_json(payload: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        parse(payload)
    assert caught.value.kind == "not JSON"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensor": None}, "sensor: 1 to 64 printable characters is wanted, not None"),
        ({"sensor": ""}, "sensor"),
        ({"sensor": "x" * 65}, "sensor"),
        ({"sensor": "two\nlines"}, "sensor"),
        ({"sensor": "\ud800"}, "sensor"),
        ({"time": "now"}, "time: a number is wanted, not 'now'"),
        ({"time": -1}, "time is before 1970"),
        ({"time": True}, "time"),
        ({"value": "warm"}, "value: a number is wanted, not 'warm'"),
        ({"value": None}, "value"),
        ({"value": 10**400}, "value: a number that a float can hold"),
        ({"snapshot": "s"}, "no field 'part"),
        ({"snapshot": "s", "part": 1}, "no field 'parts'"),
        ({"part": 1, "parts": 2}, "no field 'snapshot'"),
        ({"snapshot": "s", "part": 0, "parts": 2}, "part: a whole number from 1 to 2"),
        ({"snapshot": "s", "part": 3, "parts": 2}, "part"),
        ({"snapshot": "s", "part": 1.0, "parts": 2}, "part"),
        ({"snapshot": "s", "part": 1, "parts": 257}, "parts: a whole number from 1 to 256"),
        ({"snapshot": 5, "part": 1, "parts": 2}, "snapshot"),
    ],
)
def test_wrong_fields(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"sensor": "s", "time": 1.5, "value": 2}
    assert parse(json.dumps(good).encode()) == (("s", 1.5, 2.0), None)
    with pytest.raises(PayloadError, match=message) as caught:
        parse(json.dumps(good | change).encode())
    assert caught.value.kind == "wrong fields"


@pytest.mark.parametrize("payload", [b"[1]", b"7", b'"text"', b"null", b"{}"])
def test_no_object_or_an_empty_one(payload: bytes) -> None:
    with pytest.raises(PayloadError) as caught:
        parse(payload)
    assert caught.value.kind == "wrong fields"


def test_other_fields_are_ignored() -> None:
    payload = b'{"sensor":"s","time":1,"value":2,"unit":"C"}'
    assert parse(payload) == (("s", 1.0, 2.0), None)


def row(number: int) -> Row:
    return (f"s{number}", 1.0, float(number))


@given(sizes=st.lists(st.integers(1, 8), max_size=MAX_OPEN), random=st.randoms())
def test_snapshots_come_whole_and_in_order(sizes: list[int], random: random.Random) -> None:
    places = [
        Place(str(name), n, size) for name, size in enumerate(sizes) for n in range(1, size + 1)
    ]
    random.shuffle(places)
    assembly = Assembly()
    whole = [rows for place in places if (rows := assembly.add(row(place.number), place))]
    assert sorted(map(len, whole)) == sorted(sizes)
    assert all(rows == [row(n) for n in range(1, len(rows) + 1)] for rows in whole)
    assert assembly.waiting == 0


def test_a_snapshot_waits_for_its_parts_and_its_name_may_be_used_again() -> None:
    assembly = Assembly()
    for _ in range(2):
        assert assembly.add(row(2), Place("a", 2, 2)) == []
        assert assembly.waiting == 1
        assert assembly.add(row(1), Place("a", 1, 2)) == [row(1), row(2)]
        assert assembly.waiting == 0


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (Place("a", 1, 3), "part 1 of 'a' came twice"),
        (Place("a", 2, 4), "'a' has 3 parts, and then 4"),
    ],
)
def test_a_snapshot_that_contradicts_itself(place: Place, message: str) -> None:
    assembly = Assembly()
    assembly.add(row(1), Place("a", 1, 3))
    with pytest.raises(PayloadError, match=message) as caught:
        assembly.add(row(1), place)
    assert caught.value.kind == "snapshot"
    assert assembly.waiting == 1


def test_only_so_many_snapshots_may_be_open() -> None:
    assembly = Assembly()
    for number in range(MAX_OPEN):
        assembly.add(row(1), Place(str(number), 1, 2))
    with pytest.raises(PayloadError, match="more than 16 unfinished"):
        assembly.add(row(1), Place("one more", 1, 2))
    assert len(assembly.add(row(2), Place("0", 2, 2))) == 2
    assert assembly.add(row(1), Place("one more", 1, 2)) == []
