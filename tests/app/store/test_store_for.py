"""What names a store, and what can be stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import LARGEST_VALUE, Change, Store, check, store_for
from task_thread.errors import NotStorable


def test_three_slashes_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = store_for("sqlite:///sub/mail.db")
    monkeypatch.chdir("/")
    assert store.address == f"sqlite:///{tmp_path}/sub/mail.db"


def test_four_slashes_are_absolute() -> None:
    assert store_for("sqlite:////var/lib/mail.db").address == "sqlite:////var/lib/mail.db"


def test_an_address_names_the_same_store(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "100%25 what?.db"))
    same = store_for(store.address)
    assert isinstance(same, SqliteStore)
    assert same._path == store._path


def test_the_file_is_not_touched(tmp_path: Path) -> None:
    store_for(f"sqlite:///{tmp_path}/mail.db")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_synchronous(synchronous: str) -> None:
    store = store_for(f"sqlite:///mail.db?synchronous={synchronous}")
    assert isinstance(store, SqliteStore)
    assert store._synchronous == synchronous


def test_the_default_outlives_a_loss_of_power() -> None:
    store = store_for("sqlite:///mail.db")
    assert isinstance(store, SqliteStore)
    assert store._synchronous == "full"


def test_a_store_is_taken_as_it_is(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "mail.db"))
    assert isinstance(store, Store)
    assert store_for(store) is store


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "begins with sqlite:///"),
        ("mail.db", "begins with sqlite:///"),
        ("sqlite:/mail.db", "begins with sqlite:///"),
        ("postgres:///mail", "begins with sqlite:///"),
        ("SQLITE:///mail.db", "begins with sqlite:///"),
        ("sqlite://mail.db", "'mail.db' where a host"),
        ("sqlite://host/mail.db", "'host' where a host"),
        ("sqlite://", "where a host"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a%00b", "names no file"),
        ("sqlite:///mail.db?mode=ro", "no option 'mode', only synchronous"),
        ("sqlite:///mail.db?synchronous=off", "full or normal, not 'off'"),
        ("sqlite:///mail.db?synchronous=", "full or normal, not ''"),
        ("sqlite:///mail.db?synchronous=full&synchronous=normal", "twice"),
        ("sqlite:///mail.db?synchronous=full&", "no option ''"),
    ],
)
def test_what_names_no_store_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        store_for(url)


def test_what_is_no_store_is_refused() -> None:
    with pytest.raises(TypeError, match="as a Store, not 7"):
        store_for(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        Change("run", "1", b""),
        Change("run", "1", None),
        Change("run", "", b"x", False, 0),
        Change("läufe", "日本", b"x", expires=float("inf")),
    ],
)
def test_storable(change: Change) -> None:
    check(change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Change("run", "\ud800", b""), "can't be encoded"),
        (Change("\udfff", "1", b""), "can't be encoded"),
        (Change("run", 7, b""), "kind and key are text"),  # type: ignore[arg-type]
        (Change(None, "1", b""), "kind and key are text"),  # type: ignore[arg-type]
        (Change(b"run", "1", b""), "kind and key are text"),  # type: ignore[arg-type]
        (Change("run", "1", "text"), "is bytes or None"),  # type: ignore[arg-type]
        (Change("run", "1", bytearray(b"x")), "is bytes or None"),  # type: ignore[arg-type]
        (Change("run", "1", bytes(LARGEST_VALUE + 1)), f"a store takes {LARGEST_VALUE}"),
        (Change("run", "1", b"", expires=float("nan")), "expires at nan"),
        (Change("run", "1", b"", expires="soon"), "expires at 'soon'"),  # type: ignore[arg-type]
    ],
)
def test_not_storable(change: Change, says: str) -> None:
    with pytest.raises(NotStorable, match=says):
        check(change)
