"""Bare SQLite, as durable as the store: WAL, synchronous=FULL, so a sync to disk each commit."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from .disk import database
from .runs import rate_of_calls, same_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

TABLE = "create table run (id integer primary key, args text not null, value text) strict"
ADD = "insert into run (args, value) values (?, ?)"
END = "update run set value = ? where id = ?"
WARM_UP = 100


def one_commit(size: int) -> float:
    """Runs per second in a loop: the run is made, then written in a transaction of its own."""
    with database() as path:
        connection = connected(path)

        def run(number: int) -> int:
            row = json.dumps([number]), json.dumps(same_now(number))
            with transaction(connection):
                connection.execute(ADD, row)
            return number

        return _rate(connection, run, size)


def ten_commits(size: int) -> float:
    """Ten times as many runs, for what has ten steps."""
    return one_commit(10 * size)


def two_commits(size: int) -> float:
    """The same where it is written before it begins too, so that it isn't lost if that is all."""
    with database() as path:
        connection = connected(path)

        def run(number: int) -> int:
            with transaction(connection):
                key = connection.execute(ADD, (json.dumps([number]), None)).lastrowid
            value = json.dumps(same_now(number))
            with transaction(connection):
                connection.execute(END, (value, key))
            return number

        return _rate(connection, run, size)


def commit_time(size: int) -> float:
    """Milliseconds for one commit: the median."""
    with database() as path:
        connection = connected(path)
        times = []
        for number in range(size):
            began = perf_counter()
            with transaction(connection):
                connection.execute(ADD, (json.dumps([number]), None))
            times.append((perf_counter() - began) * 1e3)
        connection.close()
        return median(times)


def connected(path: Path) -> sqlite3.Connection:
    """A new database."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(TABLE)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside: on disk at the end."""
    connection.execute("begin immediate")
    yield
    connection.execute("commit")


def _rate(connection: sqlite3.Connection, run: Callable[[int], int], size: int) -> float:
    def results(numbers: Sequence[int]) -> list[int]:
        first = connection.execute("select max(id) from run").fetchone()[0] - len(numbers)
        found = connection.execute("select value from run where id > ? order by id", (first,))
        return [json.loads(value) for (value,) in found]

    rate = rate_of_calls(run, results, size, WARM_UP)
    connection.close()
    return rate
