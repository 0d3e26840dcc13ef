"""How long flows are kept: in memory for `retention`, in the store for `flow_retention` seconds."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import time
from typing import Any

import pytest

from task_thread.app.store import Change
from task_thread.errors import UnknownFlow
from task_thread.flows import books, keeping
from task_thread.flows.words import spawn, wait
from task_thread.testing import ThreadClock
from tests.flows.hands import WITHIN, Paper, Watched, app_of, outcome, routine_of
from tests.flows.stage import Loops, Stage
from tests.proof.trees import at_once, only

pytestmark = pytest.mark.usefixtures("quiet_logs")

SOON = 0.05  # seconds
KINDS = ("flow", "flow-step", "flow-ended")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps may follow on each other at once."""
    monkeypatch.setattr(keeping, "_SOONEST", 0.01)


class Cleared(Paper):
    """A store that says when records are gone.

    :ivar meanwhile: called once, while a history is read.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._gone = threading.Condition()
        self._there: dict[tuple[str, str], bool] = {}
        self.meanwhile: Callable[[], object] | None = None

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> Sequence[tuple[str, bytes]]:
        if kind == "flow-step" and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return await super().under(kind, prefix, limit=limit, reverse=reverse)

    async def write(self, changes: Sequence[Change]) -> None:
        await super().write(changes)
        with self._gone:
            self._there |= {change[:2]: change.value is not None for change in changes}
            self._gone.notify_all()

    def left(self) -> set[tuple[str, str]]:
        """All records of flows."""
        with self._gone:
            return {place for place, there in self._there.items() if there and place[0] in KINDS}

    def wait_gone(self, *but: str) -> None:
        """Wait until all that is left is of these flows."""

        def gone() -> bool:
            return all(any(run_id in key for run_id in but) for _, key in self.left())

        with self._gone:
            assert self._gone.wait_for(gone, WITHIN), self.left()


@pytest.mark.parametrize("on_disk", [False, True])
def test_all_of_a_flow_that_has_ended_is_dropped(
    stage: Stage, tmp_path: Path, on_disk: bool
) -> None:
    """Done, failed or cancelled, its children too; what goes on is kept."""

    def fail(task: Any) -> None:
        raise OSError

    stage.performs(
        a=lambda task: wait(),
        p=lambda task: spawn(("c", Loops)),
        q=lambda task: spawn(("f", Loops)),
        f=fail,
    )
    store = Cleared(tmp_path if on_disk else None)
    with Watched(app_of(store, flow_retention=SOON)) as flows:
        ends = [flows.app.submit(routine_of(flows, key, "z")) for key in "bpfqa"]
        flows.until(ends[-1], "WAIT")
        flows.app.cancel(ends[-1])
        waits = flows.app.submit("a-z")
        flows.until(waits, "WAIT")
        made = flows.app.flow("a-z").id
        store.wait_gone(waits, made)
        assert {key for kind, key in store.left() if kind == "flow"} == {waits, made}
        assert len(store.left()) == 2 + 2 + 1
        for run_id in ends:
            for ask in (flows.history, flows.stored_status):
                with pytest.raises(UnknownFlow):
                    ask(run_id)
        assert flows.ended() == []
        assert {info.id for info in flows.app.list("FAIL")} == set()
        flows.app.resume(waits, go=True)
        assert flows.app.wait(waits, WITHIN) == "z"
        flows.app.cancel(made)
        store.wait_gone()
    assert store.left() == set()


def test_hundreds_of_flows_are_dropped(stage: Stage) -> None:
    store = Cleared()
    with Watched(app_of(store, flow_retention=SOON)) as flows:
        name = routine_of(flows, "a", "b")
        run_ids = [flows.app.submit(name) for _ in range(350)]
        for run_id in run_ids:
            outcome(lambda run_id=run_id: flows.app.wait(run_id, WITHIN))  # type: ignore[misc]
        store.wait_gone()


def test_long_histories_are_dropped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is longer than what is dropped at once too."""
    monkeypatch.setattr(books, "_SWEPT", 20)
    store = Cleared()
    with Watched(app_of(store, flow_retention=SOON)) as flows:
        for length in (8, 9, 50, 18, 19, 20, 21, 39, 1):
            keys = [f"k{number}" for number in range(length)]
            run_id = flows.app.submit(routine_of(flows, *keys, name=f"{length} long"))
            flows.until(run_id, "DONE")
        store.wait_gone()


def test_what_ended_in_an_earlier_life_is_dropped(stage: Stage) -> None:
    store = Cleared()
    with Watched(app_of(store)) as flows:
        flows.app.wait(flows.app.submit(routine_of(flows, "a")), WITHIN)
    assert store.left()
    with Watched(app_of(store, flow_retention=SOON)):
        store.wait_gone()


def test_a_key_is_free_when_its_flow_is_dropped(stage: Stage) -> None:
    store = Cleared()
    with Watched(app_of(store, flow_retention=SOON, retention=SOON)) as flows:
        name = routine_of(flows, "a")
        for number in range(3):
            run_id = flows.app.submit(name, number, idempotency_key="k")
            flows.quiet()
            store.wait_gone()
            assert len(stage.calls(run_id)) == number + 1


def test_a_flow_that_failed_and_is_resumed_is_kept(stage: Stage) -> None:
    def fail(task: Any) -> None:
        raise OSError

    store = Cleared()
    stage.performs(a=fail)
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"))
        flows.until(run_id, "FAIL")
        flows.flush()
        assert "flow-ended" in {kind for kind, _ in store.left()}
        stage.performs(a=lambda task: wait())
        flows.app.resume(run_id)
        flows.until(run_id, "WAIT")
        assert "flow-ended" not in {kind for kind, _ in store.left()}
    with Watched(app_of(store, flow_retention=SOON)) as flows:
        other = flows.app.submit(routine_of(flows, "x"))
        store.wait_gone(run_id)
        assert other != run_id
        flows.app.resume(run_id, go=True)
        assert flows.app.wait(run_id, WITHIN) == "b"


def test_a_resume_against_the_sweep(rng: random.Random, stage: Stage) -> None:
    """The flow is gone, and the resume is told so; or it goes on to its end, with its history."""
    broken = True

    def fail(task: Any) -> str:
        if broken:
            raise OSError
        return "a"

    stage.performs(a=fail)
    store = Cleared()
    ways = set()
    with Watched(app_of(store)) as flows:
        for _ in range(60):
            broken = True
            run_ids = [flows.app.submit(routine_of(flows, "a", "b")) for _ in range(4)]
            for run_id in run_ids:
                flows.until(run_id, "FAIL")
            broken = False
            resumes = [partial(flows.app.resume, run_id) for run_id in run_ids]
            outcomes = at_once(rng, partial(sweep, flows, time()), *resumes)
            only(outcomes, UnknownFlow)
            for run_id, refused in zip(run_ids, outcomes[1:], strict=True):
                ways.add(type(refused))
                if refused is None:
                    flows.until(run_id, "DONE")
                    assert flows.states(run_id) == ["RUNNING", "FAIL", "RUNNING", "RUNNING", "DONE"]
                else:
                    assert isinstance(outcome(partial(flows.history, run_id)), UnknownFlow)
            sweep(flows, time())
            assert store.left() == set()
    print(ways)


def test_a_resume_while_the_sweep_reads(stage: Stage) -> None:
    """What was accepted is not dropped any more."""

    def fail(task: Any) -> None:
        raise OSError

    stage.performs(a=fail)
    store = Cleared()
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b"), "clip.mp4")
        flows.until(run_id, "FAIL")
        stage.performs(a=lambda task, path: path)
        refused: list[Any] = []
        store.meanwhile = lambda: refused.append(outcome(partial(flows.app.resume, run_id)))
        sweep(flows, time())
        if refused == [None]:
            assert flows.until(run_id, "DONE").id == run_id
            assert len(flows.history(run_id)) == 5
        else:
            assert store.left() == set()


def sweep(flows: Watched, until: float) -> None:
    """Drop all that has ended before."""

    async def drop() -> None:
        more = True
        while more:
            _, more = await flows.app._flows._sweep(until)

    asyncio.run(flows.app._ask(drop))
    flows.flush()


def test_memory_lets_go_of_flows_before_the_store_does(
    stage: Stage, manual_clock: ThreadClock
) -> None:
    """One that failed stays: it may be resumed."""

    def fail(task: Any) -> None:
        raise OSError

    stage.performs(f=fail)
    with Watched(app_of(Paper(), retention=60.0)) as flows:
        done = flows.app.submit(routine_of(flows, "a"))
        failed = flows.app.submit(routine_of(flows, "f"))
        manual_clock.advance(59.0)
        assert flows.app.status(done).state == "DONE"
        manual_clock.advance(7.0)  # a tenth of the time later, at most
        with pytest.raises(UnknownFlow):
            flows.app.status(done)
        assert [info.id for info in flows.app.list()] == [failed]
        assert flows.app.status(failed).state == "FAIL"
        assert flows.app.flow_statistics().states == {"FAIL": 1}
    assert done != failed
