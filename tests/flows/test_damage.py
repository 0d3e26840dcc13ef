"""Records that are damaged: the app starts, says so, and other flows are unharmed."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from task_thread.app.store import Change
from task_thread.errors import NotStorable, StoreTooNew, TaskThreadError, UnknownFlow
from task_thread.flows.words import FlowState, spawn, wait
from tests.flows.hands import WITHIN, Paper, Watched, app_of, outcome, routine_of
from tests.flows.stage import Loops, Stage

pytestmark = pytest.mark.usefixtures("quiet_logs")

ROUNDS = 60
KINDS = ("flow", "flow-step", "flow-ended", "routine", "routine-now", "flow-task")
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 10**9, 10**30, 1e300, float("nan"), "", "x", "WAIT", "DONE", "SPAWN",
    "RUNNING", "CHECK", "FAIL", "INIT", "CANCELLED", [], {}, [1], {"a": 1}, [[]], "\0", "\ud800",
)  # fmt: skip


class Scene:
    """A store with flows in all states; one family is the victim's, and two others are not.

    :ivar store: as it was left by an app that was stopped.
    """

    def __init__(self, stage: Stage) -> None:
        self.store = Paper()
        stage.performs(
            a=lambda task: wait("for you", check_every=3600.0),
            p=lambda task: spawn(("c", Loops)), c=lambda task: wait(), f=fail,
        )  # fmt: skip
        with Watched(app_of(self.store)) as flows:
            declare(flows)
            self.victims = [flows.app.submit(name) for name in ("a-b", "p-b", "f-b")]
            self.victims.append(flows.app.flow("a-b").id)
            self.done = flows.app.submit("b")
            self.good = [flows.app.submit(name) for name in ("z-a-b", "z-p-b")]
            child = flows.until(self.victims[1], "SPAWN").child
            self.victims.append(child)
            flows.quiet()
        stage.performs(f=lambda task: "mended")

    def records(self) -> dict[tuple[str, str], bytes]:
        """What is in the store."""
        found: dict[tuple[str, str], bytes] = {}
        for group in self.store.groups:
            for kind, key, value, *_ in group:
                if value is None:
                    found.pop((kind, key), None)
                else:
                    found[kind, key] = value
        return found

    def victim_keys(self) -> list[tuple[str, str]]:
        """The records that are damaged: those of the victims, and of routines and tasks, which are
        declared; but not that of the routine of one task that was spawned, which is nowhere else.
        """
        spared = (*self.all_good(), "c@")
        return [
            (kind, key) for kind, key in self.records()
            if kind in KINDS and not any(each in key for each in spared)
        ]  # fmt: skip

    def all_good(self) -> list[str]:
        """The others, and their children."""
        rows = {key: json.loads(v) for (kind, key), v in self.records().items() if kind == "flow"}
        return [key for key, row in rows.items() if {key, row.get("parent")} & {*self.good}]

    def damaged(self, place: tuple[str, str], value: bytes) -> Paper:
        """A copy in which one record is another one."""
        copy = self.store.as_killed()

        async def put() -> None:
            await copy.open()
            kind, key = place
            live = kind not in ("flow-step", "flow-ended") and key != self.done
            await copy.write([Change(kind, key, value, live)])
            await copy.close()

        asyncio.run(put())
        return copy


def fail(task: Any) -> None:
    raise OSError


def declare(flows: Watched) -> None:
    for keys in ("ab", "pb", "fb", "b", "zab", "zpb"):
        routine_of(flows, *keys)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


def others_are_unharmed(flows: Watched, scene: Scene) -> None:
    """They go on to their ends."""
    waits, parent = scene.good
    flows.app.resume(waits, go=True)
    assert flows.app.wait(waits, WITHIN) == "b"
    child = flows.app.status(parent).child
    flows.app.resume(child, go=True)
    assert flows.app.wait(parent, WITHIN) == "b"
    assert flows.states(parent) == ["RUNNING", "RUNNING", "SPAWN", "RUNNING", "DONE"]


def victims_are_asked(flows: Watched, scene: Scene) -> None:
    """Everything that can be asked is answered, or refused with an error of ours."""
    app = flows.app
    for run_id in [*scene.victims, scene.done]:
        for ask in (
            app.status,
            flows.stored_status,
            flows.history,
            lambda i: app.submit(i) if app.status(i).state == "INIT" else None,
            lambda i: app.resume(i, go=True) if app.status(i).state == "WAIT" else app.resume(i),
            lambda i: app.wait(i, 0.0),
        ):
            error = outcome(lambda i=run_id, ask=ask: ask(i))  # type: ignore[misc]
            if isinstance(error, Exception):
                assert isinstance(error, TaskThreadError | ValueError), repr(error)
    app.list()
    app.flow_statistics()
    flows.ended()
    flows.quiet()
    for info in app.list():
        app.cancel(info.id)
    flows.quiet()
    assert all(info.state.is_final for info in app.list())


def hold(scene: Scene, place: tuple[str, str], value: bytes) -> None:
    """A life with one damaged record, and one more."""
    store = scene.damaged(place, value)
    for number in range(2):
        flows = Watched(app_of(store))
        try:
            flows.__enter__()
        except StoreTooNew:
            assert b'"v"' in value
            return
        try:
            declare(flows)
            if number == 0:
                others_are_unharmed(flows, scene)
                victims_are_asked(flows, scene)
        finally:
            flows.__exit__(None, None, None)
        assert flows.app.exit_reason is not None
        assert flows.app.exit_reason.kind == "shutdown"


def test_undamaged_it_goes_as_it_should(scene: Scene) -> None:
    """That the other tests would see something else."""
    place = ("flow", scene.victims[0])
    store = scene.damaged(place, scene.records()[place])
    with Watched(app_of(store)) as flows:
        others_are_unharmed(flows, scene)
        states = [str(flows.app.status(run_id).state) for run_id in scene.victims]
        assert states == ["WAIT", "SPAWN", "FAIL", "INIT", "WAIT"]
        assert flows.app.wait(scene.done, WITHIN) == "b"


def test_flipped_bytes(scene: Scene, rng: random.Random) -> None:
    places = scene.victim_keys()
    for _ in range(ROUNDS):
        place = rng.choice(places)
        value = bytearray(scene.records()[place])
        for _ in range(rng.randint(1, 3)):
            value[rng.randrange(len(value))] = rng.randrange(256)
        print(place, bytes(value))
        hold(scene, place, bytes(value))


def test_fields_that_are_something_else(scene: Scene, rng: random.Random) -> None:
    places = scene.victim_keys()
    for _ in range(ROUNDS):
        place = rng.choice(places)
        record = json.loads(scene.records()[place])
        names = {"asked", "check", "parent", "child", "reason", "error", "result", "given"}
        for _ in range(rng.randint(1, 2)):
            record[rng.choice([*record, *sorted(names)])] = rng.choice(ODD)
        print(place, record)
        hold(scene, place, json.dumps(record).encode())


@pytest.mark.parametrize("value", [b"", b"\0", b"null", b"[]", b"{}", b'{"v":1}', b'"x"', b"\xff"])
@pytest.mark.parametrize("kind", KINDS)
def test_records_that_are_nothing(scene: Scene, kind: str, value: bytes) -> None:
    for place in scene.victim_keys():
        if place[0] == kind:
            hold(scene, place, value)


def test_a_damaged_flow_is_named_in_an_error(scene: Scene) -> None:
    run_id = scene.victims[0]
    store = scene.damaged(("flow", run_id), b"nonsense")
    with Watched(app_of(store)) as flows:
        with pytest.raises(UnknownFlow, match=run_id):
            flows.app.status(run_id)
        for ask in (flows.stored_status, flows.history):
            with pytest.raises(NotStorable, match=f"flow {run_id} can't be read"):
                ask(run_id)


def test_a_damaged_history_fails_its_flow_when_it_is_to_go_on(scene: Scene) -> None:
    """It rests until then; and says why."""
    run_id = scene.victims[0]
    store = scene.damaged(("flow-step", f"{run_id}/00000000"), b"nonsense")
    with Watched(app_of(store)) as flows:
        assert flows.app.status(run_id).state == "WAIT"
        flows.app.resume(run_id, go=True)
        info = flows.until(run_id, "FAIL")
        assert f"flow-step {run_id}/00000000 can't be read" in info.error


def test_a_child_that_is_damaged_fails_its_parent(scene: Scene) -> None:
    parent, child = scene.victims[1], scene.victims[4]
    store = scene.damaged(("flow", child), b"nonsense")
    with Watched(app_of(store)) as flows:
        info = flows.app.status(parent)
        assert info.state is FlowState.FAIL
        assert child in info.error
        flows.app.resume(parent)  # it spawns anew
        assert flows.until(parent, "SPAWN").child != child


def test_a_routine_that_is_damaged_is_taken_from_the_program(scene: Scene) -> None:
    """Or its flows fail, and say why."""
    (place,) = (
        each for each in scene.records() if each[0] == "routine" and each[1].startswith("a-b@")
    )
    for declared in (True, False):
        store = scene.damaged(place, b"nonsense")
        with Watched(app_of(store)) as flows:
            if declared:
                declare(flows)
            run_id = next(i.id for i in flows.app.list("WAIT") if i.routine == "a-b")
            flows.app.resume(run_id, go=True)
            if declared:
                assert flows.app.wait(run_id, WITHIN) == "b"
            else:
                assert "a-b@" in flows.until(run_id, "FAIL").error
