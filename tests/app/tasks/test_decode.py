"""decode: what the function returned goes through it, and its result is the run's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from task_thread.app import Middleware, Run, RunStatus, TaskApp
from task_thread.testing import StartThread
from tests.app.tasks.hands import WITHIN, Notes, add, fail, outcome


async def add_async(a: int, b: int = 0) -> int:
    return a + b


def text(value: Any) -> str:
    return f"<{value}>"


async def text_async(value: Any) -> str:
    await asyncio.sleep(0)
    return f"<{value}>"


@pytest.mark.parametrize("decode", [text, text_async])
@pytest.mark.parametrize("kind", ["loop", "thread", "process"])
def test_its_result_is_the_runs(start_thread: StartThread, kind: str, decode: Any) -> None:
    app = start_thread(TaskApp("t", processes=1))
    fn: Any = add_async if kind == "loop" else add
    run = app.task(fn, executor=kind, decode=decode).add_task(1, 2)
    assert run.wait(WITHIN) == "<3>"
    assert (run.value, run.info().result) == ("<3>", "<3>")


def test_a_middlewares_after_sees_what_was_decoded(start_thread: StartThread) -> None:
    seen = Notes()

    class Watches(Middleware):
        def after(self, run: Run[Any]) -> None:
            seen.add(run.value)

    app = start_thread(TaskApp("t"))
    app.task(add, decode=text, middlewares=[Watches]).add_task(1).wait(WITHIN)
    assert seen.all == ["<1>"]


def test_what_it_raises_fails_the_attempt(start_thread: StartThread) -> None:
    app, tries = start_thread(TaskApp("t")), Notes()

    def answers() -> str:
        tries.add(1)
        return "no json" if len(tries) < 3 else "[1]"

    task = app.task(answers, decode=json.loads, retry=2, backoff=0)
    run = task.add_task()
    assert run.wait(WITHIN) == [1]
    assert run.attempt == 3
    bad = app.task(add, decode=json.loads).add_task(1)
    assert isinstance(outcome(bad), TypeError)
    assert (bad.status, bad.value) == (RunStatus.FAILED, None)


def test_it_is_not_asked_about_what_failed(start_thread: StartThread) -> None:
    app, seen = start_thread(TaskApp("t")), Notes()
    assert isinstance(outcome(app.task(fail, decode=seen.add).add_task("gone")), LookupError)
    assert len(seen) == 0


def test_none_is_a_value_too(start_thread: StartThread) -> None:
    app = start_thread(TaskApp("t"))

    def nothing() -> None:
        pass

    assert app.task(nothing, decode=lambda value: value is None).add_task().wait(WITHIN) is True
    assert app.task(add, decode=lambda value: None).add_task(1).wait(WITHIN) is None
