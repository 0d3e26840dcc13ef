"""A store that fails for a while: flows go on when it works again, and no step runs twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from task_thread.errors import StoreFailed, ThreadEnded, WaitTimeout
from task_thread.flows.words import spawn, wait
from tests.app.durable.hands import File, in_store
from tests.app.durable.test_full_disk import full_disk
from tests.flows.hands import WITHIN, Trouble, Watched, app_of, outcome, routine_of
from tests.flows.stage import Loops, Stage

pytestmark = pytest.mark.usefixtures("quiet_logs")


@pytest.fixture
def store() -> Trouble:
    return Trouble()


def test_no_flow_begins_while_it_cant_be_written(store: Trouble, stage: Stage) -> None:
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a", "b")
        flows.flush()
        store.full()
        run_ids = [flows.app.submit(name) for _ in range(20)]
        store.was_tried(2)
        assert {str(info.state) for info in flows.app.list()} == {"RUNNING"}
        with pytest.raises(StoreFailed):
            flows.flush()
        assert stage.calls() == []
        store.works()
        assert {flows.app.wait(run_id, WITHIN) for run_id in run_ids} == {"b"}
        for run_id in run_ids:
            assert stage.order(run_id) == ["perform a", "perform b"]
            assert flows.states(run_id) == ["RUNNING", "RUNNING", "DONE"]


def test_no_step_begins_before_the_one_before_it_is_written(store: Trouble, stage: Stage) -> None:
    """And it does not run again when that succeeds at last."""
    stage.performs(a=lambda task: store.full())
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        store.was_tried(2)
        with pytest.raises(WaitTimeout):
            flows.app.wait(run_id, 0.02)
        assert stage.order() == ["perform a"]
        store.works()
        assert flows.app.wait(run_id, WITHIN) == "b"
        assert stage.order() == ["perform a", "perform b"]


def test_nobody_is_told_of_an_end_that_is_not_written(store: Trouble, stage: Stage) -> None:
    stage.performs(a=lambda task: store.full("a"))
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a"))
        store.was_tried()
        with pytest.raises(WaitTimeout):
            flows.app.wait(run_id, 0.02)
        assert [str(info.state) for info in flows.told] == ["RUNNING"]
        store.works()
        assert flows.app.wait(run_id, WITHIN) == "a"


def test_a_resume_and_a_cancel_while_it_fails(store: Trouble, stage: Stage) -> None:
    """They count at once, and are acted upon when they are written."""
    stage.performs(a=lambda task: wait())
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a", "b")
        resumed, cancelled = flows.app.submit(name), flows.app.submit(name)
        for run_id in (resumed, cancelled):
            flows.until(run_id, "WAIT")
        store.full()
        flows.app.resume(resumed, go=True)
        flows.app.cancel(cancelled)
        store.was_tried(2)
        assert flows.app.status(resumed).state == "CHECK"
        assert flows.app.status(cancelled).state == "CANCELLED"
        assert stage.order() == ["perform a", "perform a"]
        store.works()
        assert flows.app.wait(resumed, WITHIN) == "b"
        assert stage.order(resumed) == ["perform a", "check a", "perform b"]
        flows.quiet()
        assert flows.states(cancelled) == ["RUNNING", "WAIT", "CANCELLED"]


def test_a_child_is_begun_once(store: Trouble, stage: Stage) -> None:
    stage.performs(a=lambda task: store.full(spawn(("c", Loops))))
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        store.was_tried(2)
        store.works()
        assert flows.app.wait(run_id, WITHIN) == "b"
        assert stage.order() == ["perform a", "perform c", "perform b"]


def test_a_poll_goes_on(store: Trouble, stage: Stage) -> None:
    stage.performs(a=lambda task: wait(check_every=0.002))
    passes = False
    stage.checks(a=lambda task: passes)
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        flows.until(run_id, "WAIT")
        store.full()
        passes = True
        store.was_tried(2)
        assert stage.order()[-1] == "check a"
        asked = len(stage.calls())
        store.was_tried(1)
        assert len(stage.calls()) == asked, "it has passed: nobody asks again"
        store.works()
        assert flows.app.wait(run_id, WITHIN) == "b"


def test_a_resume_while_it_cant_be_read_is_kept(store: Trouble, stage: Stage) -> None:
    """What its tasks take is read when it goes on: a failure of the disk is none of the flow's."""
    stage.performs(a=lambda task: wait())
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        flows.until(run_id, "WAIT")
        store.read_error = StoreFailed("the disk hiccups")
        reads = store.reads
        flows.app.resume(run_id, go=True)
        flows.settled(lambda: store.reads > reads or flows.told[-1].state == "CHECK", lambda: "")
        with pytest.raises(WaitTimeout):
            flows.app.wait(run_id, 0.05)
        store.works()
        assert flows.app.wait(run_id, WITHIN) == "b"
        assert stage.order() == ["perform a", "check a", "perform b"]


def test_a_key_is_looked_up_when_it_can_be_read(store: Trouble, stage: Stage) -> None:
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a")
        store.read_error = StoreFailed("the disk hiccups")
        run_id = flows.app.submit(name, idempotency_key="k")
        with pytest.raises(WaitTimeout):
            flows.app.wait(run_id, 0.02)
        assert stage.calls() == []
        store.works()
        assert flows.app.submit(name, idempotency_key="k") == run_id
        assert flows.app.wait(run_id, WITHIN) == "a"
        assert stage.order() == ["perform a"]


def test_what_is_asked_of_a_store_that_fails_raises(store: Trouble, stage: Stage) -> None:
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a"))
        flows.app.wait(run_id, WITHIN)
        store.read_error = StoreFailed("the disk hiccups")
        for ask in (flows.history, lambda _: flows.ended(), lambda _: flows.stored_status("x")):
            with pytest.raises(StoreFailed, match="hiccups"):
                ask(run_id)
        assert flows.app.status(run_id).state == "DONE"
        store.works()
        assert flows.states(run_id) == ["RUNNING", "DONE"]


def test_a_stop_while_it_fails_says_so_and_what_is_written_goes_on(
    store: Trouble, stage: Stage
) -> None:
    """What was not runs again."""
    stage.performs(b=lambda task: store.full("b"))
    app = app_of(store)
    with pytest.raises(StoreFailed, match="lost"), Watched(app) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b", "c"))
        store.was_tried()
        asyncio.run(app.stop(timeout=1.0))
    with pytest.raises(ThreadEnded):
        app.wait(run_id)
    store.works()
    stage.performs(b=lambda task: "b")
    with Watched(app_of(store)) as flows:
        assert flows.app.wait(run_id, WITHIN) == "c"
        assert flows.states(run_id) == ["RUNNING", "RUNNING", "RUNNING", "DONE"]
    assert stage.order() == ["perform a", "perform b", "perform b", "perform c"]


def test_a_stop_while_a_key_cant_be_looked_up_says_so(store: Trouble, stage: Stage) -> None:
    """Nobody knows whether that flow is new: it is not written, and not lost in silence."""
    app = app_of(store)
    with pytest.raises(StoreFailed, match="lost"), Watched(app) as flows:
        name = routine_of(flows, "a")
        flows.flush()
        store.read_error = StoreFailed("the disk hiccups")
        run_id = flows.app.submit(name, idempotency_key="k")
        asyncio.run(app.stop(timeout=1.0))
    with pytest.raises(ThreadEnded):
        app.wait(run_id)
    store.works()
    with Watched(app_of(store)) as flows:
        assert flows.app.submit(name, idempotency_key="k") == run_id
        assert flows.app.wait(run_id, WITHIN) == "a"


def test_an_app_whose_store_cant_be_read_does_not_start(store: Trouble, stage: Stage) -> None:
    class Unreadable(Trouble):
        async def live(self, kind: str) -> Any:
            if kind == "flow":
                raise StoreFailed("the disk hiccups")
            return await super().live(kind)

    with pytest.raises(StoreFailed, match="hiccups"), Watched(app_of(Unreadable())):
        pass


def test_a_disk_that_is_full_for_a_while(file: File, stage: Stage) -> None:
    """On a real file, with many flows under way."""
    stage.performs(a=lambda task: wait(), p=lambda task: spawn(("c", Loops)))
    with Watched(app_of(file.url)) as flows:
        names = [routine_of(flows, *keys) for keys in ("xyz", "xaz", "xpz")]
        waits = [flows.app.submit(names[1]) for _ in range(20)]
        for run_id in waits:
            flows.until(run_id, "WAIT")
        with full_disk(flows.app):
            run_ids = [flows.app.submit(names[number % 3]) for number in range(30)]
            for run_id in waits:
                flows.app.resume(run_id, go=True)
            for _ in range(2):
                with pytest.raises(StoreFailed):
                    flows.flush()
            on_disk = in_store(
                flows.app,
                lambda base: base._connection.execute(
                    "SELECT count(*) FROM record WHERE kind = 'flow'"
                ).fetchone(),
            )
            begun = len(stage.calls())
            assert begun == 2 * len(waits)
            assert on_disk is not None
        for run_id in run_ids[1::3]:
            flows.until(run_id, "WAIT")
            flows.app.resume(run_id, go=True)
        for run_id in [*waits, *run_ids]:
            assert flows.app.wait(run_id, WITHIN) == "z"
            order = stage.order(run_id)
            assert len(order) == len(set(order)), order


def test_ended_flows_are_not_dropped_in_a_hurry_while_it_fails(
    store: Trouble, stage: Stage
) -> None:
    """The store is not asked again and again what is due."""
    with Watched(app_of(store, flow_retention=0.05)) as flows:
        name = routine_of(flows, "a")
        for _ in range(3):
            flows.app.wait(flows.app.submit(name), WITHIN)
        store.full()
        store.was_tried()
        reads = store.reads
        store.was_tried(3)
        assert store.reads - reads < 10
        store.works()
        assert outcome(lambda: flows.app.wait(flows.app.submit(name), WITHIN)) == "a"
