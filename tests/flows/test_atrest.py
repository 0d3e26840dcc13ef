"""A store that no app has open: what is done there goes on as if it had been done in the app."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import Change
from task_thread.errors import (
    FlowError,
    FlowStateError,
    NotStorable,
    StoreFailed,
    StoreInUse,
    StoreTooNew,
    UnknownFlow,
    UnknownRoutine,
)
from task_thread.flows import records
from task_thread.flows.atrest import StoreAtRest
from task_thread.flows.history import Step
from task_thread.flows.reading import StoreReader
from task_thread.flows.selection import Selection, selection
from task_thread.flows.words import FlowState, spawn, wait
from tests.flows.hands import Watched, app_of, routine_of
from tests.flows.stage import Stage


def raises(task: Any, *args: Any, **kwargs: Any) -> Any:
    raise OSError("the disk is gone")


def waits(task: Any, *args: Any, **kwargs: Any) -> Any:
    return wait("for a word")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The file of a store."""
    return str(tmp_path / "flows.db")


def opened(path: str) -> Watched:
    return Watched(app_of(f"sqlite:///{path}"))


class Rest:
    """Flows that were left in a file: one that waits, one that failed, and a parent with a child
    that waits, and one whose child failed."""

    def __init__(self, path: str, stage: Stage) -> None:
        self.path = path
        stage.performs(b=waits, bad=raises, spawns=_spawns("b"), fails=_spawns("bad"))
        with opened(path) as flows:
            for keys in ("a b c", "a bad c", "spawns c", "fails c", "b", "bad"):
                routine_of(flows, *keys.split())
            self.waiting = flows.app.submit("a-b-c", "x", n=1)
            self.failed = flows.app.submit("a-bad-c")
            self.parent = flows.app.submit("spawns-c")
            self.broken = flows.app.submit("fails-c")
            self.made = flows.app.flow("a-b-c").id
            flows.until(self.waiting, "WAIT")
            flows.until(self.failed, "FAIL")
            flows.until(self.broken, "FAIL")
            self.child = flows.until(self.parent, "SPAWN").child
            flows.until(self.child, "WAIT")
            self.broken_child = flows.app.status(self.broken).child
        stage.performs(b=waits, bad=lambda *_, **__: "mended")


def _spawns(routine: str) -> Callable[..., Any]:
    return lambda *_args, **_kwargs: spawn(routine=routine, args=("of parent",), reason="apart")


@pytest.fixture
def rest(path: str, stage: Stage) -> Rest:
    """The same."""
    return Rest(path, stage)


def told(step: Any) -> tuple[Any, ...]:
    """A row of a history, but for its time."""
    return (
        step.number, step.state, step.position, step.reason, step.result, dict(step.arguments),
        step.child, step.error,
    )  # fmt: skip


def everything(flows: Watched) -> dict[str, Any]:
    """Each flow, and its history, without times. Run ids that were given since are left out."""
    flows.quiet()
    found: dict[str, Any] = {}
    for key in sqlite_keys(flows):
        info = asyncio.run(flows.app.stored_status(key))
        found[key] = (
            info.state, info.position, info.reason, info.error, info.child, info.parent,
            [told(step) for step in flows.history(key)],
        )  # fmt: skip
    return found


def sqlite_keys(flows: Watched) -> list[str]:
    store = flows.app._app.store
    assert store is not None
    return [key for key, _ in asyncio.run(store.under(records.FLOW, ""))]


# ---- the same as alive ----------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[Any, Rest], Any]] = {
    "it passes": lambda it, rest: it.resume(rest.waiting, go=True, note="ä"),
    "it rests on": lambda it, rest: it.resume(rest.waiting),
    "what failed runs again": lambda it, rest: it.resume(rest.failed),
    "the child of one that rests on it": lambda it, rest: it.resume(rest.child, go=True),
    "the child that failed": lambda it, rest: it.resume(rest.broken_child),
    "the parent of a child that failed": lambda it, rest: it.cancel(rest.broken, "enough"),
    "a parent and its child": lambda it, rest: it.cancel(rest.parent, "enough"),
    "the child of a parent": lambda it, rest: it.cancel(rest.child),
    "one that was made": lambda it, rest: it.cancel(rest.made),
}


@pytest.mark.parametrize("what", OPERATIONS)
def test_at_rest_is_as_alive(what: str, rest: Rest, tmp_path: Path) -> None:
    act = OPERATIONS[what]
    alive = str(tmp_path / "alive.db")
    shutil.copy(rest.path, alive)
    with opened(alive) as flows:
        act(flows.app, rest)
        wanted = everything(flows)
    with StoreAtRest(rest.path) as store:
        act(store, rest)
    with opened(rest.path) as flows:
        assert everything(flows) == wanted


def test_submitted_at_rest_begins_at_the_next_start(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        one = store.submit("a-b-c", ["y"], {"n": 2})
        two = store.submit(rest.made, ["z"])
        assert store.view(one).info.state is FlowState.RUNNING
        with pytest.raises(FlowStateError):
            store.submit(rest.waiting)
    assert two == rest.made
    with opened(rest.path) as flows:
        flows.quiet()
        assert flows.states(one) == ["RUNNING", "RUNNING", "WAIT"]
        assert flows.history(one)[0].arguments == {"args": ["y"], "kwargs": {"n": 2}}
        assert flows.states(two) == ["INIT", "RUNNING", "RUNNING", "WAIT"]


def test_a_resumed_child_brings_its_failed_parents_back(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        assert store.resume(rest.broken_child).state is FlowState.RUNNING
        assert store.view(rest.broken).info.state is FlowState.SPAWN
        assert rest.broken not in [each.id for each in store.list(Selection(ended=True)).flows]
    with opened(rest.path) as flows:
        assert flows.app.wait(rest.broken, timeout=10) == "c"


def test_a_parent_that_is_resumed_at_rest_spawns_anew(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        assert store.resume(rest.broken).state is FlowState.RUNNING
        assert store.view(rest.broken_child).info.state is FlowState.FAIL
    with opened(rest.path) as flows:
        assert flows.app.wait(rest.broken, timeout=10) == "c"
        assert flows.states(rest.broken)[-4:] == ["RUNNING", "SPAWN", "RUNNING", "DONE"]
        assert flows.app.status(rest.broken_child).state is FlowState.FAIL


def test_one_that_was_resumed_at_rest_can_not_be_resumed_again(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        assert store.resume(rest.waiting, go=True).state is FlowState.CHECK
        with pytest.raises(FlowStateError, match="is in CHECK"):
            store.resume(rest.waiting)
        with pytest.raises(ValueError, match="without keywords"):
            store.resume(rest.failed, go=True)
        assert store.cancel(rest.waiting) is True
        assert store.cancel(rest.waiting) is False


def test_a_key_is_for_one_flow_at_rest_and_alive(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        one = store.submit("b", [1], idempotency_key="k")
        assert store.submit("b", [1], idempotency_key="k") == one
        with pytest.raises(ValueError, match="under the key 'k' before"):
            store.submit("b", [2], idempotency_key="k")
        with pytest.raises(ValueError, match="takes no idempotency_key"):
            store.submit(rest.made, idempotency_key="k")
        steps = store.view(one).info.steps
    with opened(rest.path) as flows:
        assert flows.app.submit("b", 1, idempotency_key="k") == one
        flows.quiet()
        other = flows.app.submit("b", 7, idempotency_key="alive")
        flows.until(other, "WAIT")
    assert steps == 1
    with StoreAtRest(rest.path) as store:
        assert store.submit("b", [7], idempotency_key="alive") == other


def test_a_flow_that_was_under_way_when_its_process_was_killed(rest: Rest) -> None:
    """It is RUNNING in the file, and can be cancelled there."""
    with StoreAtRest(rest.path) as store:
        id = store.submit("b")
        assert store.cancel(id, "no more") is True
    with opened(rest.path) as flows:
        flows.quiet()
        assert flows.states(id) == ["RUNNING", "CANCELLED"]


# ---- what is seen ---------------------------------------------------------------------------


def test_what_is_listed(rest: Rest) -> None:
    with StoreReader(rest.path) as store:
        found = store.list()
        assert [each.id for each in found.flows][:3] == [rest.waiting, rest.failed, rest.parent]
        assert found.counts == {"WAIT": 2, "SPAWN": 1, "FAIL": 3, "INIT": 1}
        assert found.total == len(found.flows) == 7
        waiting = store.list(selection(["wait"]))
        assert {each.id for each in waiting.flows} == {rest.waiting, rest.child}
        assert waiting.counts == found.counts
        both = store.list(selection(["WAIT", "FAIL"], "a-b-c"))
        assert [each.id for each in both.flows] == [rest.waiting]
        assert both.counts == {"WAIT": 1, "INIT": 1}
        assert [each.id for each in store.list(limit=1, skip=1).flows] == [rest.failed]
        assert store.list(limit=0).total == 7


def test_what_has_ended_is_listed_the_latest_first(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        store.cancel(rest.waiting)
        store.cancel(rest.failed)
        ended = store.list(selection(ended=True)).flows
        assert [each.id for each in ended][:2] == [rest.failed, rest.waiting]
        assert {each.id for each in ended[2:]} == {rest.broken, rest.broken_child}
        assert not store.list(selection(["DONE"])).flows
        several = [each.id for each in store.list(selection(["CANCELLED", "FAIL"])).flows]
        assert several == [rest.broken, rest.broken_child, rest.failed, rest.waiting]
        cancelled = store.list(selection(["CANCELLED"])).flows
        assert [each.id for each in cancelled] == [rest.failed, rest.waiting]
        assert [each.id for each in store.list(selection(["FAIL"], "bad", ended=True)).flows] == [
            rest.broken_child
        ]
    with pytest.raises(ValueError, match="there is no state 'SLEEP': there is INIT"):
        selection(["SLEEP"])


def test_one_flow(rest: Rest) -> None:
    with StoreReader(rest.path) as store:
        view = store.view(rest.waiting)
        assert (view.info.key, view.info.position, view.info.reason) == ("b", 1, "for a word")
        assert view.routine is not None
        assert [row.key for row in view.routine] == ["a", "b", "c"]
        assert view.current == view.info.version
        steps = list(store.steps(rest.waiting))
        assert [type(step) for step in steps] == [Step] * 3
        assert [step.number for step in store.steps(rest.waiting, 2)] == [2]
        assert steps[1].result == '"a"'


def test_a_flow_keeps_its_version_when_the_routine_is_another_one_today(
    rest: Rest,
) -> None:
    with opened(rest.path) as flows:
        routine_of(flows, "a", "c", name="a-b-c")
        flows.flush()
    with StoreAtRest(rest.path) as store:
        view = store.view(rest.waiting)
        assert view.info.length == 3
        assert view.current not in ("", view.info.version)
        assert store.view(store.submit("a-b-c")).info.length == 2


def test_a_run_id_may_be_cut_short(rest: Rest) -> None:
    begin = rest.waiting.partition("-")[0]
    with StoreAtRest(rest.path) as store:
        assert store.find(rest.waiting) == rest.waiting
        key = store.submit("b", idempotency_key="k")
        assert store.find(key[:9]) == key
        with pytest.raises(FlowError, match=r"several run ids begin with .*, \.\.\.$"):
            store.find(begin)
        for nobody in ("zz", "", "%", "\0", rest.waiting + "0"):
            with pytest.raises(UnknownFlow, match="there is no flow"):
                store.find(nobody)


def test_no_class_is_imported(rest: Rest) -> None:
    before = {name for name in sys.modules if name.startswith("tests")}
    hidden = {name: sys.modules.pop(name) for name in ["tests.flows.stage"]}
    try:
        with StoreAtRest(rest.path) as store:
            store.list()
            list(store.steps(rest.waiting))
            store.resume(rest.waiting, go=True)
            store.submit("b")
        assert "tests.flows.stage" not in sys.modules
    finally:
        sys.modules.update(hidden)
    assert before <= set(sys.modules)


# ---- who has the file -----------------------------------------------------------------------


def test_it_is_taken_as_an_app_takes_it(rest: Rest) -> None:
    with StoreAtRest(rest.path):
        with pytest.raises(StoreInUse), opened(rest.path):
            pass
        with pytest.raises(StoreInUse, match=f"pid {os.getpid()}"), StoreAtRest(rest.path):
            pass
    with opened(rest.path) as flows:
        with pytest.raises(StoreInUse), StoreAtRest(rest.path):
            pass
        flows.app.resume(rest.waiting, go=True)
        flows.app.wait(rest.waiting, timeout=10)
        flows.flush()
        with StoreReader(rest.path) as store:  # readers are nobody's trouble
            assert store.view(rest.waiting).info.state is FlowState.DONE


def test_a_reader_changes_nothing_and_keeps_nobody_out(rest: Rest) -> None:
    with StoreReader(rest.path) as store:
        assert store.list().total == 7
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store._database.apply([Change(records.FLOW, "x", b"{}")])
        with opened(rest.path) as flows:
            flows.app.cancel(rest.waiting)
            flows.flush()
            assert store.view(rest.waiting).info.state is FlowState.CANCELLED


# ---- files that are something else ----------------------------------------------------------


@pytest.mark.parametrize("way", [StoreReader, StoreAtRest])
def test_no_store(way: type[StoreReader], tmp_path: Path) -> None:
    def refused(path: Path, error: type[Exception], says: str) -> None:
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(error, match=says), way(str(path)):
            pass
        assert (path.read_bytes() if path.is_file() else None) == before

    refused(tmp_path / "none.db", StoreFailed, "there is no store .*: no such file")
    refused(tmp_path, StoreFailed, "no such file")
    (tmp_path / "empty.db").touch()
    refused(tmp_path / "empty.db", StoreFailed, "it is empty")
    (tmp_path / "text.db").write_text("not a database at all\n" * 100)
    refused(tmp_path / "text.db", StoreFailed, "damaged, or no database")
    (tmp_path / "short.db").write_text("short")
    refused(tmp_path / "short.db", StoreFailed, "damaged, or no database")
    assert not list(tmp_path.glob("*.lock"))
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (a)")
    other.close()
    refused(tmp_path / "other.db", StoreFailed, "database of another program")


@pytest.mark.parametrize("way", [StoreReader, StoreAtRest])
def test_a_store_of_a_later_version(way: type[StoreReader], rest: Rest) -> None:
    connection = sqlite3.connect(rest.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match="written by a later version"), way(rest.path):
        pass


def put(path: str, *changes: Change) -> None:
    async def do() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.write(changes)
        await store.close()

    asyncio.run(do())


@pytest.fixture
def damaged(rest: Rest) -> Rest:
    """A store in which one flow and one row of another's history can't be read."""
    put(
        rest.path,
        Change(records.FLOW, rest.failed, b'{"v": 1, "routine": 7}'),
        Change(records.STEP, records.step_key(rest.parent, 1), b"\xff"),
        Change(records.ENDED, "9/x", b"[]", False),
        Change(records.ROUTINE, "gone@1", b"{}"),
        Change(records.ROUTINE_NOW, "gone", b'{"v": 1, "version": "1"}'),
    )
    return rest


def test_a_record_that_can_not_be_read_is_told_and_the_others_are_there(damaged: Rest) -> None:
    with StoreAtRest(damaged.path) as store:
        assert store.list().total == 6
        assert len(store.problems) == 1
        assert damaged.failed in store.problems[0]
        for call in (store.view, store.resume, store.cancel):
            with pytest.raises(NotStorable, match=damaged.failed):
                call(damaged.failed)
        steps = store.steps(damaged.parent)
        assert next(steps).number == 0
        with pytest.raises(NotStorable, match=damaged.parent):
            next(steps)
        with pytest.raises(UnknownRoutine, match="knows no routine 'gone'"):
            store.submit("gone")
        store.list(Selection(ended=True))
        assert any("9/x" in problem for problem in store.problems)


def test_a_record_of_a_later_version_is_refused(rest: Rest) -> None:
    put(rest.path, Change(records.FLOW, rest.failed, b'{"v": 2}'))
    with StoreAtRest(rest.path) as store:
        for call in (store.view, store.resume, store.cancel):
            with pytest.raises(StoreTooNew):
                call(rest.failed)
        with pytest.raises(StoreTooNew):
            store.list()


def test_what_is_wrong_changes_nothing(rest: Rest) -> None:
    with StoreAtRest(rest.path) as store:
        before = rows_of(store)
        with pytest.raises(UnknownRoutine, match="Did you mean 'a-b-c'"):
            store.submit("a-b-")
        with pytest.raises(NotStorable):
            store.submit("b", [object()])
        with pytest.raises(NotStorable):
            store.resume(rest.waiting, go={1: 2})
        with pytest.raises(FlowStateError, match="is in SPAWN"):
            store.resume(rest.parent)
        with pytest.raises(UnknownFlow):
            store.cancel("nobody")
        with pytest.raises(TypeError):
            store.cancel(rest.waiting, 7)  # type: ignore[arg-type]
        assert rows_of(store) == before


def rows_of(store: StoreReader) -> list[Any]:
    return store._database._connection.execute("SELECT * FROM record").fetchall()


def test_a_flow_and_its_child_are_cancelled_in_one_transaction(rest: Rest) -> None:
    """The disk fails at the second record: nothing has changed."""
    with StoreAtRest(rest.path) as store:
        before = rows_of(store)
        store._database._connection.execute(
            "CREATE TEMP TRIGGER no BEFORE UPDATE ON main.record"
            f" WHEN new.key = '{rest.child}' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(NotStorable, match="no"):
            store.cancel(rest.parent)
        assert rows_of(store) == before
