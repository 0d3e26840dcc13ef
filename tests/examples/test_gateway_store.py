"""The SQLite file."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from examples.gateway.store import ROWS_PER_STATEMENT, RowStore, count_rows

if TYPE_CHECKING:
    from pathlib import Path

    from examples.gateway.readings import Row


def rows(count: int) -> list[Row]:
    return [(f"sensor {n % 3}", 1_767_225_600.25 + n, n / 2) for n in range(count)]


def read(path: Path) -> list[Row]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT sensor, time, value FROM readings ORDER BY id").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "count", [0, 1, ROWS_PER_STATEMENT, ROWS_PER_STATEMENT + 1, 2 * ROWS_PER_STATEMENT + 7]
)
def test_all_rows_are_there_in_their_order(tmp_path: Path, count: int) -> None:
    path = tmp_path / "readings.db"
    store = RowStore(path)
    store.write(rows(count))
    assert store.count() == count
    store.close()
    assert read(path) == rows(count)


def test_a_file_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    for _ in range(2):
        store = RowStore(path)
        store.write(rows(3))
        store.close()
    assert count_rows(path) == 6


def test_a_batch_is_visible_to_others_at_once(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    store = RowStore(path)
    store.write(rows(5))
    assert count_rows(path) == 5
    store.close()


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    store = RowStore(path)
    store.write(rows(2))
    broken = rows(ROWS_PER_STATEMENT + 1)
    broken[-1] = ("s", 1.0, None)  # type: ignore[assignment]
    with pytest.raises(sqlite3.IntegrityError):
        store.write(broken)
    assert store.count() == 2
    store.write(rows(1))  # the store is of use after the failure
    assert store.count() == 3
    store.close()


def test_another_kind_of_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, and long enough to be looked at " * 10)
    with pytest.raises(sqlite3.DatabaseError):
        RowStore(path)
    assert path.read_text().startswith("no database")
