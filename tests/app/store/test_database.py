"""The records in a SQLite database, compared with a dict."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_thread.app.sqlite_database import Database
from task_thread.app.store import Change

KINDS = ("run", "schedule")
KEYS = [f"k{number}" for number in range(6)]

changes = st.builds(
    Change,
    st.sampled_from(KINDS),
    st.sampled_from(KEYS),
    st.none() | st.binary(max_size=20),
    st.booleans(),
    st.none(),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "mail.db"), "normal")
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(changes, max_size=40), max_size=12))
def test_it_is_a_dict_that_knows_the_order(groups: list[list[Change]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mail.db")
        database = Database(path, "normal")
        model: dict[tuple[str, str], Change] = {}
        for number, group in enumerate(groups):
            database.apply(group)
            # As one step: what is deleted and put again in one group was there all the time.
            last = {change[:2]: change for change in group}
            for place, change in last.items():
                if change.value is None:
                    model.pop(place, None)
            model |= {place: each for place, each in last.items() if each.value is not None}
            if number == len(groups) // 2:
                database.close()
                database = Database(path, "normal")
        for kind in KINDS:
            live = [
                (key, each.value)
                for (each_kind, key), each in model.items()
                if each_kind == kind and each.live
            ]
            assert database.live(kind) == live
            for key in KEYS:
                known = model.get((kind, key))
                assert database.get(kind, key) == (None if known is None else known.value)
        database.close()


@pytest.mark.parametrize("count", [1, 15, 16, 17, 127, 128, 129, 128 * 3 + 16 * 2 + 5])
def test_groups_of_any_size(database: Database, count: int) -> None:
    keys = [f"k{number}" for number in range(count)]
    database.apply([Change("run", key, key.encode()) for key in keys])
    assert database.live("run") == [(key, key.encode()) for key in keys]
    database.apply([Change("run", key, None) for key in keys[1:]])
    assert database.live("run") == [("k0", b"k0")]


def test_what_is_put_again_keeps_its_place(database: Database) -> None:
    database.apply([Change("run", key, b"1") for key in "abc"])
    database.apply([Change("run", "a", b"2", live=False)])
    database.apply([Change("run", "a", b"3")])
    assert database.live("run") == [("a", b"3"), ("b", b"1"), ("c", b"1")]


def test_deleting_many_looks_at_no_other_records(database: Database) -> None:
    database.apply([Change("run", f"k{number}", b"x") for number in range(2000)])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    database._connection.set_progress_handler(count, 100)
    database.apply([Change("run", f"k{number}", None) for number in range(128)])
    assert steps < 150  # of 100 instructions: some 60 for a record, not 2000 times 16


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize(
    ("prefix", "bounds"), [("k1", "kind=? AND key>? AND key<?"), ("", "kind=? AND key>?")]
)
def test_what_is_under_a_prefix_is_found_by_the_index(
    database: Database, prefix: str, bounds: str, limit: int | None, reverse: bool
) -> None:
    statements: list[str] = []
    database._connection.set_trace_callback(statements.append)
    database.under("run", prefix, limit, reverse)
    (statement,) = statements
    plan = database._connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    # One step: a search by the index of (kind, key), and no sorting after it.
    assert [f"{row[-1]}".replace(" TABLE", "") for row in plan] == [
        f"SEARCH record USING INDEX sqlite_autoindex_record_1 ({bounds})"
    ]


def test_the_order_of_keys_is_asked_for_and_no_accident(database: Database) -> None:
    database._connection.execute("PRAGMA reverse_unordered_selects = ON")
    database.apply([Change("run", key, b"x") for key in "bca"])
    assert [key for key, _ in database.under("run", "")] == ["a", "b", "c"]
    assert [key for key, _ in database.under("run", "", reverse=True)] == ["c", "b", "a"]


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_under_a_prefix_is_found_without_a_look_at_others(
    database: Database, reverse: bool
) -> None:
    keys = [f"{flow:03d}/{step:02d}" for flow in range(100) for step in range(20)]
    database.apply([Change("flow-step", key, b"x", live=False) for key in keys])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    database._connection.set_progress_handler(count, 10)
    assert len(database.under("flow-step", "050/", reverse=reverse)) == 20
    assert len(database.under("flow-step", "", 20, reverse)) == 20
    assert steps < 60  # of 10 instructions: some 10 for a record


def test_expired_records_are_dropped_in_passing(tmp_path: Path) -> None:
    now = 1000.0
    database = Database(str(tmp_path / "mail.db"), "normal", lambda: now)
    database.apply([Change("run", f"r{n}", b"x", False, 1010.0 + n) for n in range(10)])
    database.apply([Change("run", "kept", b"x", False)])
    now = 1009.9
    database.apply([Change("run", "other", b"x")])
    assert all(database.get("run", f"r{n}") == b"x" for n in range(10))
    now = 1014.0
    database.apply([Change("run", "other", b"x")])
    there = [n for n in range(10) if database.get("run", f"r{n}") is not None]
    assert there == [5, 6, 7, 8, 9]
    assert database.get("run", "kept") == b"x"
    database.close()


def test_a_group_drops_only_so_many_but_all_go_in_the_end(tmp_path: Path) -> None:
    now = 1000.0
    database = Database(str(tmp_path / "mail.db"), "normal", lambda: now)
    database.apply([Change("run", f"r{n}", b"x", False, 1001.0) for n in range(1000)])
    now = 2000.0

    def count() -> int:
        return int(database._connection.execute("SELECT count(*) FROM record").fetchone()[0])

    counts = []
    while count() > 1:
        database.apply([Change("run", "other", b"x")])
        counts.append(count())
    assert counts == [1000 + 1 - 102 * n for n in range(1, 10)] + [1]
    database.close()


def test_what_expired_while_nobody_was_there_is_dropped(tmp_path: Path) -> None:
    path = str(tmp_path / "mail.db")
    database = Database(path, "normal", lambda: 1000.0)
    database.apply([Change("run", "old", b"x", False, 1001.0)])
    database.close()
    database = Database(path, "normal", lambda: 1002.0)
    database.apply([Change("run", "new", b"x")])
    assert database.get("run", "old") is None
    database.close()


def test_a_record_that_no_longer_expires_stays(tmp_path: Path) -> None:
    now = 1000.0
    database = Database(str(tmp_path / "mail.db"), "normal", lambda: now)
    database.apply([Change("run", "1", b"x", False, 1001.0)])
    database.apply([Change("run", "1", b"y")])
    now = 2000.0
    database.apply([Change("run", "2", b"x")])
    assert database.live("run") == [("1", b"y"), ("2", b"x")]
    database.close()


def test_the_log_is_synced_with_each_commit_by_default(tmp_path: Path) -> None:
    for words, number in ((("full",), 2), (("normal",), 1), ((), 2)):
        database = Database(str(tmp_path / f"{number}{len(words)}.db"), *words)
        assert database._connection.execute("PRAGMA synchronous").fetchone() == (number,)
        assert database._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        database.close()
