"""Idempotency keys against what the store has from before."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from task_thread.errors import FlowFailed, StoreTooNew, UnknownFlow
from task_thread.flows import FlowApp
from tests.flows import media

WITHIN = 30.0


def app_on(store: Path) -> FlowApp:
    app = FlowApp("keys", store=f"sqlite:///{store}")
    app.routine("tell", [("tell", media.Notify)])
    return app


def test_the_same_key_is_the_same_flow_in_a_later_life(tmp_path: Path) -> None:
    store = tmp_path / "keys.db"
    with app_on(store) as app:
        run_id = app.submit("tell", idempotency_key="a")
        first = app.wait(run_id, WITHIN)
    with app_on(store) as app:
        assert app.submit("tell", idempotency_key="a") == run_id
        assert app.wait(run_id, WITHIN) == first
        assert app.status(run_id).steps == 2


def test_a_flow_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    store = tmp_path / "keys.db"
    with app_on(store) as app:
        run_id = app.submit("tell", idempotency_key="a")
        app.wait(run_id, WITHIN)
    with closing(sqlite3.connect(store)) as database:
        of_flow = "kind = 'flow' AND key = ?"
        query = f"SELECT value FROM record WHERE {of_flow}"
        (value,) = database.execute(query, (run_id,)).fetchone()
        newer = json.dumps({**json.loads(value), "v": 99}).encode()
        with database:
            database.execute(f"UPDATE record SET value = ? WHERE {of_flow}", (newer, run_id))
    with app_on(store) as app:
        assert app.submit("tell", idempotency_key="a") == run_id
        with pytest.raises((FlowFailed, StoreTooNew), match="later version"):
            app.wait(run_id, WITHIN)
        with pytest.raises(UnknownFlow):
            app.resume(run_id)
        assert app.wait(app.submit("tell"), WITHIN)[2] == "tell"
    with closing(sqlite3.connect(store)) as database:
        assert database.execute(query, (run_id,)).fetchone() == (newer,)
