"""``Store.under``: what is under a prefix, in which order, with each store that there is."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_thread.app.store import Change, Store, end_of
from task_thread.errors import StoreFailed
from tests.app.store.stores import STORES, open_

# A text with each of these next to each: patterns of SQL, upper and lower case, the ends of what
# takes one to four bytes, and both sides of the gap of the surrogates.
CHARACTERS = "\0%*/?A_a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010fffe\U0010ffff"


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store that is not open yet."""
    return STORES[request.param](tmp_path)


def test_prefixes_limits_and_both_ways(store: Store) -> None:
    async def main() -> None:
        async with open_(store):
            keys = ["b/2", "a", "b/10", "ba", "b", "a/1", "b/1", "b0", "B/1", ""]
            await store.write(
                [Change("step", key, key.encode(), live=len(key) < 3) for key in keys]
            )
            await store.write([Change("other", "b/0", b"x")])

            async def under(prefix: str, limit: int | None = None) -> list[str]:
                found = await store.under("step", prefix, limit=limit)
                back = await store.under("step", prefix, limit=limit, reverse=True)
                assert all(value == key.encode() for key, value in (*found, *back))
                assert limit is not None or list(found) == [*reversed(back)]
                return [key for key, _ in (back if limit == 2 else found)]

            assert await under("") == sorted(keys)
            assert await under("b/") == ["b/1", "b/10", "b/2"]
            assert await under("b") == ["b", "b/1", "b/10", "b/2", "b0", "ba"]
            assert await under("b/1") == ["b/1", "b/10"]
            assert await under("c") == await under("B/10") == await under("b/11") == []
            assert await under("b", 1) == ["b"]
            assert await under("b", 2) == ["ba", "b0"]  # the other way
            assert await under("b", 0) == []
            assert await under("a", 100) == ["a", "a/1"]
            assert await store.under("nothing", "") == []

    asyncio.run(main())


def test_every_character_stands_for_itself(store: Store) -> None:
    async def main() -> None:
        async with open_(store):
            keys = sorted(["", *CHARACTERS, *(a + b for a in CHARACTERS for b in CHARACTERS)])
            await store.write([Change("step", key, b"x", live=False) for key in keys])
            for prefix in (*keys, "\U0010ffff" * 3, "é"):
                expected = [(key, b"x") for key in keys if key.startswith(prefix)]
                assert await store.under("step", prefix) == expected
                assert await store.under("step", prefix, reverse=True) == expected[::-1]

    asyncio.run(main())


def test_it_sees_what_was_written_replaced_and_deleted_before(store: Store) -> None:
    async def main() -> None:
        async with open_(store):
            await store.write([Change("step", f"f/{n}", b"1", live=False) for n in range(4)])
            await store.write([Change("step", "f/1", b"2"), Change("step", "f/0", None)])
            await store.write([Change("step", "f/0", b"3"), Change("step", "f/3", None)])
            expected = [("f/0", b"3"), ("f/1", b"2"), ("f/2", b"1")]
            assert await store.under("step", "f/") == expected
            # Asked for at the same time: in the order in which they were begun.
            _, found, _, later = await asyncio.gather(
                store.write([Change("step", "f/9", b"x")]),
                store.under("step", "f/", reverse=True, limit=1),
                store.write([Change("step", "f/9", None)]),
                store.under("step", "f/", reverse=True, limit=1),
            )
            assert found == [("f/9", b"x")]
            assert later == [("f/2", b"1")]

    asyncio.run(main())


def test_a_limit_is_not_negative(store: Store) -> None:
    async def main() -> None:
        async with open_(store):
            with pytest.raises(ValueError, match="at least 0, not -1"):
                await store.under("step", "", limit=-1)

    asyncio.run(main())


def test_a_prefix_that_can_not_be_encoded_is_under_nothing_or_refused(store: Store) -> None:
    async def main() -> None:
        async with open_(store):
            await store.write([Change("step", "\ud7ff", b"x"), Change("step", "\ue000", b"x")])
            try:
                assert await store.under("step", "\ud800") == []
            except StoreFailed:
                assert store.address.startswith("sqlite:")

    asyncio.run(main())


@given(st.text(st.sampled_from(CHARACTERS), max_size=4), st.text(max_size=4))
def test_the_end_of_a_prefix_parts_what_begins_with_it_from_the_rest(prefix: str, key: str) -> None:
    end = end_of(prefix)
    assert (prefix + key) >= prefix
    assert end is None or prefix + key < end
    is_between = key >= prefix and (end is None or key < end)
    assert is_between == key.startswith(prefix)
    if end is not None:
        end.encode()


texts = st.text(st.sampled_from("ab/%" + CHARACTERS), max_size=3)
changes = st.builds(
    Change,
    st.sampled_from(["step", "flow"]),
    texts,
    st.none() | st.binary(max_size=3),
    st.booleans(),
    st.none(),
)
Question = tuple[str, str, int | None, bool]
questions = st.tuples(
    st.sampled_from(["step", "flow"]), texts, st.none() | st.integers(0, 5), st.booleans()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.lists(changes, max_size=30), questions), max_size=15))
def test_all_stores_agree_with_a_dict(script: list[list[Change] | Question]) -> None:
    async def main(store: Store) -> None:
        model: dict[tuple[str, str], bytes] = {}
        async with open_(store):
            for step in script:
                if isinstance(step, list):
                    await store.write(step)
                    for change in step:
                        model.pop(change[:2], None)
                        if change.value is not None:
                            model[change[:2]] = change.value
                    continue
                kind, prefix, limit, reverse = step
                found = await store.under(kind, prefix, limit=limit, reverse=reverse)
                expected = sorted(
                    (
                        (key, value)
                        for (its_kind, key), value in model.items()
                        if its_kind == kind and key.startswith(prefix)
                    ),
                    reverse=reverse,
                )
                assert found == expected[:limit]

    for make in STORES.values():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(main(make(Path(folder))))
