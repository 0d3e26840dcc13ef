"""Apps that have one set of routines, and a store each."""

from __future__ import annotations

import asyncio
from pathlib import Path

from task_thread.flows import FlowApp, RoutineSet
from tests.flows import media


def test_a_flow_keeps_a_routine_that_another_app_has_restored(tmp_path: Path) -> None:
    def app(name: str, routines: RoutineSet) -> FlowApp:
        return FlowApp(name, store=f"sqlite:///{tmp_path}/{name}.db", routines=routines)

    declared = RoutineSet()
    declared.routine("ask", [("first", media.Confirm), ("second", media.Notify)])
    with app("one", declared):
        pass
    shared = RoutineSet()  # nobody declares anything in this life
    with app("one", shared), app("two", shared) as two:
        run_id = two.flow("ask").id
        asyncio.run(two.flush())
    with app("two", RoutineSet()) as two:
        assert two.status(run_id).key == "first"
        assert two.submit(run_id) == run_id


def test_a_routine_is_declared_for_apps_that_run_already() -> None:
    shared = RoutineSet()
    with FlowApp("one", routines=shared) as one, FlowApp("two", routines=shared) as two:
        shared.routine("tell", [media.Notify])
        for each in (one, two):
            assert each.wait(each.submit("tell"), timeout=30)[1] == "tell"
