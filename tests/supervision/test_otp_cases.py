"""docs/explanation/otp-cases.md has each of OTP's cases once, and names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "otp-cases.md"

_CASES = """
sup_start_normal sup_start_ignore_init sup_start_ignore_child sup_start_ignore_temporary_child
sup_start_ignore_temporary_child_start_child sup_start_ignore_temporary_child_start_child_simple
sup_start_ignore_permanent_child_start_child_simple sup_start_error_return sup_start_fail
sup_start_child_returns_error sup_start_restart_child_returns_error
sup_start_child_returns_error_simple sup_start_map sup_start_map_simple sup_start_map_faulty_specs
sup_stop_infinity sup_stop_timeout sup_stop_timeout_dynamic sup_stop_brutal_kill
sup_stop_brutal_kill_dynamic sup_stop_race sup_stop_non_shutdown_exit_dynamic
child_adm child_adm_simple extra_return child_specs child_specs_map sup_flags
external_start_no_progress_log permanent_normal transient_normal temporary_normal
permanent_shutdown transient_shutdown temporary_shutdown faulty_application_shutdown
permanent_abnormal transient_abnormal temporary_abnormal temporary_bystander
multiple_restarts one_for_one one_for_one_escalation one_for_all one_for_all_escalation
one_for_all_other_child_fails_restart simple_one_for_one simple_one_for_one_shutdown
simple_one_for_one_extra simple_one_for_one_escalation simple_one_for_one_corruption
simple_one_for_one_restart_ignore rest_for_one rest_for_one_escalation
rest_for_one_other_child_fails_restart
child_unlink tree
nonsignificant_temporary nonsignificant_transient significant_temporary significant_transient
significant_simple significant_bystander significant_escalation significant_upgrade_never_any
significant_upgrade_any_never significant_upgrade_never_all significant_upgrade_all_never
significant_upgrade_any_all significant_upgrade_all_any significant_upgrade_child
count_children count_children_supervisor count_restarting_children get_callback_module
do_not_save_start_parameters_for_temporary_children do_not_save_child_specs_for_temporary_children
simple_one_for_one_scale_many_temporary_children simple_global_supervisor hanging_restart_loop
hanging_restart_loop_rest_for_one hanging_restart_loop_simple code_change code_change_map
code_change_simple code_change_simple_map order_of_children scale_start_stop_many_children
format_log_1 format_log_2 already_started_outside_supervisor which_children
which_children_simple_one_for_one
"""
CASES = _CASES.split()

ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
NONE = "none: does not apply"


def rows() -> list[tuple[str, str, str]]:
    """(case, what it establishes, tests)."""
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def names_in(module: Path) -> set[str]:
    """The names of the tests in a module."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    }


def test_the_list_is_complete() -> None:
    assert len(CASES) == len(set(CASES)) == 93


def test_each_case_is_there_once() -> None:
    assert sorted(case for case, _, _ in rows()) == sorted(CASES)


def test_the_page_says_how_many() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"has {len(CASES)} cases" in text
    left_out = [case for case, _, tests in rows() if tests == NONE]
    assert f"{len(left_out)} have no counterpart" in text


def test_each_row_says_something() -> None:
    for case, what, tests in rows():
        assert len(what) > 15, case
        assert tests == NONE or TEST.fullmatch(tests.split(", ")[0]), case


def test_each_test_that_is_named_is_there() -> None:
    known = {module.name: names_in(module) for module in HERE.glob("test_*.py")}
    for case, _, tests in rows():
        if tests == NONE:
            continue
        for name in tests.split(", "):
            found = TEST.fullmatch(name)
            assert found is not None, (case, name)
            module, test = found.groups()
            assert test in known.get(module, ()), (case, name)


def test_the_modules_of_the_last_section_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for module in re.findall(r"`(test_\w+\.py)`", text):
        assert (HERE / module).exists(), module
