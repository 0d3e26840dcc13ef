"""Keys in their order, compared with a sorted list."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_thread.flows import sorted_keys
from task_thread.flows.sorted_keys import SortedKeys

keys = st.text("abc/", max_size=4)
steps = st.lists(st.tuples(st.sampled_from(["turn", "since", "back"]), keys), max_size=200)


def check_rows(tree: SortedKeys, most: int) -> None:
    assert all(0 < len(row) <= most for row in tree._rows)
    assert tree._last == [row[-1] for row in tree._rows]


@settings(max_examples=300, deadline=None)
@given(steps)
def test_it_is_a_sorted_list(script: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_keys, "_MOST", 6)  # so that rows are split and joined
        patch.setattr(sorted_keys, "_LEAST", 2)
        tree, model = SortedKeys(), set[str]()
        for what, key in script:
            match what:
                case "turn" if key in model:
                    tree.remove(key)
                    model.remove(key)
                case "turn":
                    tree.add(key)
                    model.add(key)
                case "since":
                    assert list(tree.since(key)) == sorted(each for each in model if each >= key)
                case _:
                    found = sorted((each for each in model if each < key), reverse=True)
                    assert list(tree.back_from(key)) == found
            check_rows(tree, 6)
        assert list(tree.since("")) == sorted(model)
        assert list(tree.back_from(None)) == sorted(model, reverse=True)


@pytest.mark.parametrize("key", ["", "b", "d", "z"])
def test_what_is_not_there_can_not_be_removed(key: str) -> None:
    tree = SortedKeys()
    with pytest.raises(KeyError):
        tree.remove(key)
    for each in "ace":
        tree.add(each)
    with pytest.raises(KeyError):
        tree.remove(key)
    assert list(tree.since("")) == ["a", "c", "e"]


class Counted(str):
    """Counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __lt__(self, other: Any) -> bool:
        Counted.compared += 1
        return str.__lt__(self, other)


@pytest.mark.parametrize("order", ["growing", "shrinking", "any"])
def test_a_key_finds_its_place_without_a_look_at_all(order: str) -> None:
    count = 30_000
    names = [Counted(f"{number:08d}") for number in range(count)]
    if order == "shrinking":
        names.reverse()
    elif order == "any":
        random.Random(7).shuffle(names)
    tree = SortedKeys()
    Counted.compared = 0
    for name in names:
        tree.add(name)
    assert Counted.compared < 20 * count
    check_rows(tree, sorted_keys._MOST)
    assert len(tree._rows) < 2 * count / sorted_keys._MOST + 2
    Counted.compared = 0
    for name in names[: count // 2]:
        tree.remove(name)
    assert Counted.compared < 20 * count
    check_rows(tree, sorted_keys._MOST)
    assert list(tree.since("")) == sorted(names[count // 2 :])
    for name in names[count // 2 :]:
        tree.remove(name)
    assert tree._rows == tree._last == []


def test_rows_of_which_little_is_left_are_joined() -> None:
    tree = SortedKeys()
    names = [f"{number:08d}" for number in range(30_000)]
    for name in names:
        tree.add(name)
    for number, name in enumerate(names):
        if number % 100:
            tree.remove(name)
    assert list(tree.since("")) == names[::100]
    assert len(tree._rows) <= 4
    check_rows(tree, sorted_keys._MOST)


def test_what_is_asked_for_is_all_that_is_looked_at() -> None:
    tree = SortedKeys()
    for number in range(20_000):
        tree.add(Counted(f"{number:08d}"))
    Counted.compared = 0
    assert next(tree.since("00012345")) == "00012345"
    assert next(tree.back_from("00012345")) == "00012344"
    assert Counted.compared < 50
