"""What can't be: a clear error at the caller, or a flow that fails and says why."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from task_thread.errors import (
    FlowFailed,
    FlowStateError,
    NotImportable,
    NotStorable,
    UnknownFlow,
)
from task_thread.flows import FlowTask
from task_thread.flows.words import Spawn, Wait, spawn, wait
from tests.flows.acts import BAD
from tests.flows.hands import WITHIN, Paper, Watched, app_of, routine_of
from tests.flows.media import make_local
from tests.flows.stage import Does, Loops, Stage, Strict
from tests.support.programs import run_program

pytestmark = pytest.mark.usefixtures("quiet_logs")


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def failed(flows: Watched, run_id: str) -> str:
    """The error of a flow, once it has failed."""
    with pytest.raises(FlowFailed):
        flows.app.wait(run_id, WITHIN)
    return flows.app.status(run_id).error


# ---- what tasks give ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [BAD[name] for name in ("object", "set", "bytes", "number as key", "deep number as key")]
    + [
        BAD["cycle"],
        lambda: nested(100_000),
        lambda: {"a": {True: 1}},
        lambda: iter([1]),
        lambda: [float("nan")],
        lambda: float("inf"),
    ],
)
def test_a_result_that_cant_be_stored_fails_its_task(
    flows: Watched, stage: Stage, bad: Callable[[], Any]
) -> None:
    """It says which; what was before it is kept, and it may be mended."""
    name = routine_of(flows, "a", "b")
    stage.performs(b=lambda task: bad())
    run_id = flows.app.submit(name)
    error = failed(flows, run_id)
    assert "NotStorable" in error
    assert f"the result of b of flow {run_id}" in error
    assert flows.states(run_id) == ["RUNNING", "RUNNING", "FAIL"]
    stage.performs(b=lambda task: "mended")
    flows.app.resume(run_id)
    assert flows.app.wait(run_id, WITHIN) == "mended"
    assert stage.order() == ["perform a", "perform b", "perform b"]


def test_a_result_of_a_hundred_megabytes_fails_its_task(stage: Stage, tmp_path: Path) -> None:
    with Watched(app_of(Paper(tmp_path))) as flows:
        other = flows.app.submit(routine_of(flows, "b", "c"))
        stage.performs(a=lambda task: "x" * 100_000_000)
        run_id = flows.app.submit(routine_of(flows, "a"))
        assert "can be stored" in failed(flows, run_id)
        assert flows.app.wait(other, WITHIN) == "c"


def test_values_that_are_large_or_deep_are_kept(stage: Stage, tmp_path: Path) -> None:
    large, deep = "\u00e9" * 1_000_000, nested(400)
    stage.performs(a=lambda task: [large, deep], b=lambda task: wait())
    store = Paper(tmp_path)
    with Watched(app_of(store)) as flows:
        run_id = flows.app.submit(routine_of(flows, "a", "b", "c"))
        flows.until(run_id, "WAIT")
    with Watched(app_of(store)) as flows:
        flows.app.resume(run_id, go=True)
        flows.app.wait(run_id, WITHIN)
    assert stage.calls()[-1].results["a"] == [large, deep]


def test_words_too_long_for_the_store_fail_the_task(flows: Watched, stage: Stage) -> None:
    """A reason, or what an error says; nothing goes on in memory alone."""

    def shout(task: Any) -> None:
        raise ValueError("x" * 80_000_000)

    stage.performs(a=lambda task: wait("x" * 80_000_000), b=shout)
    for key in ("a", "b"):
        run_id = flows.app.submit(routine_of(flows, key))
        assert len(failed(flows, run_id)) < 200_000
        assert flows.states(run_id) == ["RUNNING", "FAIL"]
    waits = flows.app.flow("a").id
    with pytest.raises((ValueError, NotStorable)):
        flows.app.cancel(waits, "x" * 80_000_000)
    assert flows.app.status(waits).state == "INIT"


class Odd:
    """Raises whatever it is asked."""

    def __bool__(self) -> bool:
        raise ArithmeticError("odd")

    __eq__ = __hash__ = __repr__ = __str__ = __bool__  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value",
    [
        Odd,
        lambda: Wait("x", "no trigger"),  # type: ignore[arg-type]
        lambda: Wait(Odd()),  # type: ignore[arg-type]
        Spawn,
        lambda: Spawn("nodot"),
        lambda: Spawn("tests.flows.stage.Nobody"),
        lambda: Spawn("tests.flows.stage.Strict"),
        lambda: Spawn("tests.flows.stage.Loops", args=5),  # type: ignore[arg-type]
        lambda: Spawn("tests.flows.stage.Loops", kwargs={5: 1}),  # type: ignore[dict-item]
        lambda: Spawn("tests.flows.stage.Loops", args=(object(),)),
        lambda: Spawn("tests.flows.stage.Loops", reason=7),  # type: ignore[arg-type]
        lambda: Spawn(routine="nobody"),
        lambda: Spawn(routine=7),
        lambda: Spawn(Odd()),
    ],
)
@pytest.mark.parametrize("word", ["perform", "check"])
def test_whatever_a_task_returns_the_flow_fails_or_goes_on(
    flows: Watched, stage: Stage, value: Callable[[], Any], word: str
) -> None:
    name = routine_of(flows, "a")
    stage.performs(a=lambda task: value() if word == "perform" else wait())
    stage.checks(a=lambda task: value())
    run_id = flows.app.submit(name)
    if word == "check":
        flows.until(run_id, "WAIT")
        flows.app.resume(run_id)
    assert failed(flows, run_id)
    flows.flush()
    assert flows.states(run_id)[-1] == "FAIL"
    assert len(flows.app.list()) == 1, "a child was begun"
    assert flows.app.wait(flows.app.submit(routine_of(flows, "other")), WITHIN) == "other"


@pytest.mark.parametrize("cls", [Loops, Does])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, Exception]
)
def test_whatever_a_task_raises_the_flow_fails(
    flows: Watched, stage: Stage, cls: type[FlowTask], error: type[BaseException]
) -> None:
    def fail(task: Any) -> None:
        raise error("as planned")

    stage.performs(a=fail)
    run_id = flows.app.submit(routine_of(flows, "a", cls=cls))
    failed(flows, run_id)
    assert flows.app.wait(flows.app.submit(routine_of(flows, "b")), WITHIN) == "b"


class Needy(FlowTask):
    """Can't be made without an argument."""

    def __init__(self, what: str) -> None:
        self.what = what

    def perform(self) -> str:
        return self.what


class Generous(FlowTask):
    """Gives a generator."""

    def perform(self) -> Any:
        yield 1


class Dies(FlowTask):
    """Takes its process with it."""

    executor = "process"

    def perform(self) -> None:
        os._exit(3)


class Slow(FlowTask):
    """Takes too long."""

    max_time = 0.05

    async def perform(self) -> None:
        await asyncio.sleep(60)


class Changes(FlowTask):
    """Changes what is not its own."""

    def perform(self) -> None:
        self.results["b"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Needy, "TypeError"),
        (Generous, "NotStorable"),
        (Dies, "WorkerDied"),
        (Slow, "TimeLimitReached"),
        (Changes, "TypeError"),
    ],
)
def test_tasks_that_cant_work_fail_and_say_why(
    flows: Watched, cls: type[FlowTask], said: str
) -> None:
    run_id = flows.app.submit(routine_of(flows, "a", cls=cls))
    assert said in failed(flows, run_id)


# ---- what callers give -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [object(), {1, 2}, b"x", {1: 2}, [{None: 1}], nested(100_000), float("nan")]
)
def test_arguments_that_cant_be_stored_are_refused(flows: Watched, stage: Stage, bad: Any) -> None:
    name = routine_of(flows, "a")
    stage.performs(a=lambda task: wait())
    made = flows.app.flow(name)
    waits = flows.app.submit(name)
    before = flows.until(waits, "WAIT")
    asked: list[Callable[[], Any]] = [
        lambda: flows.app.submit(name, bad),
        lambda: flows.app.submit(name, x=bad),
        lambda: flows.app.submit(made, bad),
        lambda: flows.app.submit(name, bad, idempotency_key="k"),
        lambda: flows.app.resume(waits, x=bad),
    ]
    for ask in asked:
        with pytest.raises(NotStorable):
            ask()
    assert [info.id for info in flows.app.list()] == [made.id, waits]
    assert flows.app.status(made.id).state == "INIT"
    assert flows.app.status(waits) == before
    assert flows.states(waits) == ["RUNNING", "WAIT"]


class Confirm(FlowTask):
    """Both methods say what they take."""

    async def perform(self, path: str, *, size: int = 0) -> Wait:
        return wait()

    async def check(self, path: str, *, confirmed: bool, size: int = 0) -> bool:
        return confirmed


def test_arguments_that_dont_fit_are_refused(flows: Watched) -> None:
    flows.app.routine("strict", [("loop", Loops), ("strict", Strict)])
    wrong: list[tuple[list[Any], dict[str, Any]]] = [
        ([], {}),
        (["a", 1], {}),
        (["a"], {"color": 1}),
    ]
    for args, kwargs in wrong:
        with pytest.raises(TypeError, match=r"Strict\.perform"):
            flows.app.submit("strict", *args, **kwargs)
        with pytest.raises(TypeError, match=r"Strict\.perform"):
            flows.app.submit(flows.app.flow("strict"), *args, **kwargs)
    assert {info.state for info in flows.app.list()} == {"INIT"}
    assert flows.app.wait(flows.app.submit("strict", "a", size=1), WITHIN) == ["a", 1]


def test_a_resume_that_check_cant_be_called_with_is_refused(stage: Stage) -> None:
    """In this life and the next; the flow waits on, and can be resumed rightly."""
    store = Paper()
    with Watched(app_of(store)) as flows:
        name = routine_of(flows, "a", cls=Confirm)
        run_ids = [flows.app.submit(name, "x"), flows.app.submit(name, path="x", size=2)]
        for run_id in run_ids:
            flows.until(run_id, "WAIT")
            refuse(flows, run_id)
    with Watched(app_of(store)) as flows:
        for run_id in run_ids:
            refuse(flows, run_id)
        with pytest.raises(TypeError):
            flows.app.resume(run_ids[0], path="y", confirmed=True)
        for run_id in run_ids:
            flows.app.resume(run_id, confirmed=True, size=3)
            assert flows.app.wait(run_id, WITHIN) == {"confirmed": True, "size": 3}


def refuse(flows: Watched, run_id: str) -> None:
    for wrong in ({}, {"confirmd": True}, {"confirmed": True, "color": 1}):
        with pytest.raises(TypeError):
            flows.app.resume(run_id, **wrong)
    assert flows.app.status(run_id).state == "WAIT"
    assert flows.states(run_id) == ["RUNNING", "WAIT"]


def test_a_check_that_cant_take_what_was_submitted_is_refused_at_once(flows: Watched) -> None:
    name = routine_of(flows, "a", cls=Forgetful)
    with pytest.raises(TypeError, match="check"):
        flows.app.submit(name, "clip.mp4")


class Forgetful(FlowTask):
    """Its check does not take what its perform does."""

    async def perform(self, path: str) -> Wait:
        return wait()

    async def check(self, confirmed: bool = False) -> bool:
        return confirmed


def test_a_resume_in_a_wrong_state_is_refused(flows: Watched, stage: Stage) -> None:
    stage.performs(a=lambda task: spawn(("c", Loops)), c=lambda task: wait())
    parent = flows.app.submit(routine_of(flows, "a"))
    child = flows.until(parent, "SPAWN").child
    made = flows.app.flow("a").id
    done = flows.app.submit(routine_of(flows, "b"))
    flows.app.wait(done, WITHIN)
    flows.until(child, "WAIT")
    for run_id, state in ((parent, "SPAWN"), (made, "INIT"), (done, "DONE")):
        steps = len(flows.history(run_id))
        with pytest.raises(FlowStateError, match=state) as caught:
            flows.app.resume(run_id, go=True)
        assert caught.value.state == state
        assert flows.app.status(run_id).state == state
        assert len(flows.history(run_id)) == steps
    with pytest.raises(UnknownFlow):
        flows.app.resume("nobody", go=True)
    flows.app.resume(child, go=True)
    assert flows.app.wait(parent, WITHIN) == {"go": True}


def test_names_may_be_odd(stage: Stage, tmp_path: Path) -> None:
    store = Paper(tmp_path)
    names = ["a@b", "a/b", "@", "%", "'; --", "\u00e9\U0001f600", "x" * 198]
    with Watched(app_of(store)) as flows:
        ids = []
        for name in names:
            flows.app.routine(name, [(name, Loops), (f"{name} 2", Loops)])
            ids.append(flows.app.submit(name, idempotency_key=name))
            assert flows.app.wait(ids[-1], WITHIN) == f"{name} 2"
            assert flows.app.status(ids[-1]).routine == name
    with Watched(app_of(store)) as flows:
        for name, run_id in zip(names, ids, strict=True):
            assert flows.app.submit(name, idempotency_key=name) == run_id
            assert flows.stored_status(run_id).routine == name
            assert [step.key for step in flows.history(run_id)][-1] == f"{name} 2"


# ---- classes -----------------------------------------------------------------------------------


def test_classes_that_no_import_leads_to_are_refused(flows: Watched) -> None:
    for wrong in (
        make_local(),
        "tests.flows.stage.Nobody",
        "no_such_module.Task",
        "tests.flows.media.Doing",
        "tests.flows.media.an_instance",
        "tests.flows.media.Unfinished",
    ):
        with pytest.raises(NotImportable):
            flows.app.routine("r", [Loops, ("k", wrong)])
        with pytest.raises(NotImportable):
            flows.app.create_task(("k", wrong))
    assert "r" not in flows.app.routines


PROGRAM = """
    import asyncio, json, logging, sys
    sys.path.insert(0, {folder!r})
    logging.disable(logging.CRITICAL)
    from task_thread.errors import FlowFailed
    from task_thread.flows import FlowApp
    said = {{}}
    with FlowApp("flows", store={store!r}) as flows:
        if {first}:
            flows.routine("frail", ["steady.Waits", "frail.Frail"])
            flows.routine("steady", ["steady.Steady"])
            flows.submit("frail")
        (info,) = flows.list()
        if not {first}:
            flows.resume(info.id)
        try:
            flows.wait(info.id, {patience})
        except Exception as error:
            said["frail"] = f"{{type(error).__name__}}: {{error}}"
        said["states"] = sorted(f"{{info.routine}} {{info.state}}" for info in flows.list())
        said["again"] = flows.wait(flows.submit("steady"), 10)
    print(json.dumps(said))
"""

FRAIL = """
from task_thread.flows import FlowTask
class Frail(FlowTask):
    def perform(self):
        return "frail"
"""

STEADY = """
from task_thread.flows import FlowTask, wait
class Steady(FlowTask):
    def perform(self):
        return "steady"
class Waits(FlowTask):
    def perform(self):
        return wait()
"""


@pytest.mark.parametrize("fate", ["gone", "raise RuntimeError('burnt')", "raise SystemExit(7)"])
def test_a_class_that_is_gone_after_a_restart_fails_its_flows_alone(
    tmp_path: Path, fate: str
) -> None:
    """And they go on when it is back."""

    def live(first: bool, patience: float = 10.0) -> Any:
        store = f"sqlite:///{tmp_path / 'flows.db'}"
        done = run_program(
            PROGRAM.format(folder=str(tmp_path), store=store, first=first, patience=patience)
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    (tmp_path / "steady.py").write_text(STEADY)
    (tmp_path / "frail.py").write_text(FRAIL)
    said = live(True, 0.5)
    assert said["states"] == ["frail WAIT"]
    if fate == "gone":
        (tmp_path / "frail.py").unlink()
    else:
        (tmp_path / "frail.py").write_text(fate)
    said = live(False)
    assert "frail" in said["frail"]
    assert "frail FAIL" in said["states"]
    assert said["again"] == "steady"
    (tmp_path / "frail.py").write_text(FRAIL)
    said = live(False)
    assert "frail" not in said, said
    assert "frail DONE" in said["states"]
