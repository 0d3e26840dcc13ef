"""Sets of routines: what is declared, by whom, and who is told."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_thread.errors import (
    DuplicateRoutine,
    DuplicateTask,
    NotImportable,
    RegistryError,
    UnknownRoutine,
)
from task_thread.flows.routines import RoutineSet, create_script, create_task
from task_thread.flows.spec import Routine, TaskRow
from tests.flows import media

MEDIA = "tests.flows.media"
DOWNLOAD = f"{MEDIA}.Download"
NOTIFY = f"{MEDIA}.Notify"
ARCHIVE = f"{MEDIA}.Archive"
GONE = "tests.flows.no_such_module.Gone"


class App:
    """Notes what it is told."""

    def __init__(self, *sets: RoutineSet) -> None:
        self.told: list[TaskRow | Routine] = []
        for each in sets:
            each.attach(self)

    def task_declared(self, row: TaskRow) -> None:
        self.told.append(row)

    def routine_declared(self, routine: Routine) -> None:
        self.told.append(routine)

    def take(self) -> list[TaskRow | Routine]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write a module that was not imported yet."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> None:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()

    return write


@pytest.fixture
def routines() -> RoutineSet:
    return RoutineSet()


@pytest.fixture
def app(routines: RoutineSet) -> App:
    return App(routines)


def content(routines: RoutineSet) -> tuple[Any, ...]:
    return dict(routines.tasks), list(routines)


# ---- rows without a set -----------------------------------------------------------------------


def test_rows_that_belong_to_no_set() -> None:
    row = TaskRow("unique-foo-long", "example.Long", "foo")
    assert create_script("unique-foo-long", "example.Long", "foo") == row
    assert create_task(("unique-foo-long", "example.Long", "foo")) == row
    assert create_task(("unique-foo-long", "example.Long")).name == "unique-foo-long"
    assert create_script("fetch", media.Download) == TaskRow("fetch", DOWNLOAD)
    assert "example" not in sys.modules  # nothing is imported
    with pytest.raises(ValueError, match="no task was created with that key"):
        create_task("unique-foo-long")
    with pytest.raises(ValueError, match="not empty"):
        create_script("", "example.Long")


# ---- declaring --------------------------------------------------------------------------------


def test_a_routine_is_declared_with_its_rows(routines: RoutineSet, app: App) -> None:
    routine = routines.routine(
        "my routine",
        [
            DOWNLOAD,
            (f"{MEDIA}.Transcode",),
            ("tell", NOTIFY),
            ("store", ARCHIVE, "friendly name"),
            {"key": "ask", "script": f"{MEDIA}.Confirm", "name": "are you sure?"},
            {"key": "inner", "script": f"{MEDIA}:Outer.Inner"},
            {"script": f"{MEDIA}.Offload"},
            {"key": f"{MEDIA}.Apart"},
            ("last", media.Broken),
        ],
    )
    assert routine.task_at(3) == TaskRow("store", ARCHIVE, "friendly name")
    assert routine.task_at(5).script == f"{MEDIA}.Outer.Inner"
    assert routine.task_at(-1) == TaskRow("last", f"{MEDIA}.Broken")
    assert routines["my routine"] is routine
    assert dict(routines.tasks) == {row.key: row for row in routine}
    assert app.take() == [*routine, routine]


def test_the_same_once_more_gives_the_same(routines: RoutineSet, app: App) -> None:
    row = routines.create_task(("fetch", DOWNLOAD))
    routine = routines.routine("ingest", ["fetch", NOTIFY])
    app.take()
    assert routines.create_task(("fetch", media.Download)) is row
    assert routines.create_script("fetch", f"{MEDIA}:Download") is row
    again: list[Any] = [row, media.Notify]
    assert routines.routine("ingest", iter(again)) is routine
    assert routines.routine("ingest", routine) is routine
    assert app.take() == []


def test_a_routine_names_rows_by_their_keys(routines: RoutineSet) -> None:
    routines.create_script("fetch", DOWNLOAD, "Fetch it")
    routines.create_task({"script": NOTIFY, "name": "Tell them"})
    routine = routines.routine("ingest", ["fetch", NOTIFY])
    assert [row.name for row in routine] == ["Fetch it", "Tell them"]


def test_an_error_is_told_to_the_caller_and_changes_nothing(routines: RoutineSet, app: App) -> None:
    routines.routine("ingest", [("fetch", DOWNLOAD)])
    before = content(routines)
    app.take()
    cases: list[tuple[Any, type[Exception], str]] = [
        ([NOTIFY, ARCHIVE, 5], TypeError, r"tasks\[2\]: .* not 5"),
        ([NOTIFY, ARCHIVE, ""], ValueError, r"tasks\[2\]: "),
        ([NOTIFY, ARCHIVE, GONE], NotImportable, r"tasks\[2\]: '.*no class 'no_such_module'"),
        ([NOTIFY, media.make_local()], NotImportable, r"tasks\[1\]: .*local"),
        ([NOTIFY, f"{MEDIA}.Doing"], NotImportable, r"tasks\[1\]: .*no FlowTask"),
        ([NOTIFY, f"{MEDIA}.Impatient"], ValueError, r"tasks\[1\]: .*max_time"),
        ([NOTIFY, "fetsch"], ValueError, r"tasks\[1\]: .*Did you mean 'fetch'"),
        ([NOTIFY, ("fetch", ARCHIVE)], DuplicateTask, r"'fetch' already"),
        ([NOTIFY, NOTIFY], ValueError, r"give it a key"),
        ([], ValueError, "one task at least"),
        (DOWNLOAD, TypeError, "a list of tasks"),
    ]
    for specs, kind, words in cases:
        with pytest.raises(kind, match=words):
            routines.routine("other", specs)
    for name in ("", "a\nb", 5, "n" * 201):
        with pytest.raises((TypeError, ValueError), match="a routine's name"):
            routines.routine(name, [NOTIFY])  # type: ignore[arg-type]
    with pytest.raises(DuplicateRoutine):
        routines.routine("ingest", [NOTIFY])
    for spec in (GONE, f"{MEDIA}.Impatient", ("fetch", NOTIFY), None):
        with pytest.raises((TypeError, ValueError, NotImportable)):
            routines.create_task(spec)  # type: ignore[arg-type]
    assert content(routines) == before
    assert app.take() == []


def test_the_cause_of_a_failed_import_is_kept(
    routines: RoutineSet, write: Callable[[str, str], None]
) -> None:
    write("flow_routines_raises", "1 / 0")
    with pytest.raises(NotImportable, match=r"tasks\[1\]: .*ZeroDivisionError") as caught:
        routines.routine("ingest", [DOWNLOAD, "flow_routines_raises.Download"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


# ---- another content --------------------------------------------------------------------------


def test_another_row_with_that_key_has_to_say_so(routines: RoutineSet, app: App) -> None:
    routines.create_task(("fetch", DOWNLOAD))
    with pytest.raises(DuplicateTask, match=r"'fetch' already.*Download.*Archive.*replace=True"):
        routines.create_task(("fetch", ARCHIVE))
    with pytest.raises(DuplicateTask, match=r"and this is \('fetch', .*, 'Fetch'\)"):
        routines.create_script("fetch", DOWNLOAD, "Fetch")
    with pytest.raises(DuplicateTask):
        routines.create_task({"key": "fetch", "name": "Fetch"})
    app.take()
    row = routines.create_task(("fetch", ARCHIVE), replace=True)
    assert routines.tasks["fetch"] is row
    assert app.take() == [row]


def test_another_routine_of_that_name_has_to_say_so(routines: RoutineSet, app: App) -> None:
    first = routines.routine("ingest", [DOWNLOAD, NOTIFY])
    with pytest.raises(DuplicateRoutine, match=r"its tasks\[1\] is .*Notify.*, and not .*Archive"):
        routines.routine("ingest", [DOWNLOAD, ARCHIVE])
    with pytest.raises(DuplicateRoutine, match="it has 2 tasks, and not 3"):
        routines.routine("ingest", [DOWNLOAD, NOTIFY, ARCHIVE])
    app.take()
    second = routines.routine("ingest", [DOWNLOAD, ARCHIVE], replace=True)
    assert routines["ingest"] is second
    assert [row.key for row in first] == [DOWNLOAD, NOTIFY]
    assert app.take() == [second.task_at(1), second]


def test_a_routine_keeps_its_row_when_another_one_has_its_key(routines: RoutineSet) -> None:
    routine = routines.routine("ingest", [("fetch", DOWNLOAD)])
    routines.create_task(("fetch", ARCHIVE), replace=True)
    assert routines["ingest"].task_at(0).script == DOWNLOAD
    assert routines.routine("ingest", [("fetch", DOWNLOAD)]) is routine  # the program says it again
    with pytest.raises(DuplicateRoutine):
        routines.routine("ingest", ["fetch"])
    assert routines.routine("ingest", ["fetch"], replace=True).task_at(0).script == ARCHIVE


def test_a_routine_that_gives_way_does_not_take_rows_with_it(routines: RoutineSet) -> None:
    routines.routine("ingest", [("fetch", DOWNLOAD)])
    with pytest.raises(DuplicateTask):
        routines.routine("other", [("fetch", ARCHIVE)])
    routines.routine("other", [("fetch", ARCHIVE)], replace=True)
    assert routines.tasks["fetch"].script == ARCHIVE


# ---- seeing -----------------------------------------------------------------------------------


def test_what_is_there(routines: RoutineSet) -> None:
    ingest = routines.routine("ingest", [DOWNLOAD])
    publish = routines.routine("publish", [NOTIFY])
    assert list(routines) == [ingest, publish]
    assert len(routines) == 2
    assert "ingest" in routines
    assert "download" not in routines
    assert routines.get("publish") is publish
    assert routines.get("download") is None


def test_a_routine_that_is_not_there(routines: RoutineSet) -> None:
    routines.routine("ingest", [DOWNLOAD])
    with pytest.raises(UnknownRoutine, match=r"no routine 'injest'\. Did you mean 'ingest'\?"):
        routines["injest"]
    with pytest.raises(UnknownRoutine, match=r"^there is no routine 'xyzzy'\.$"):
        routines["xyzzy"]
    with pytest.raises(UnknownRoutine):
        routines[5]  # type: ignore[index]


def test_what_was_seen_stays_as_it_was(routines: RoutineSet) -> None:
    routines.routine("ingest", [DOWNLOAD])
    tasks, names = routines.tasks, iter(routines)
    routines.routine("publish", [NOTIFY])
    assert list(tasks) == [DOWNLOAD]
    assert [each.name for each in names] == ["ingest"]
    with pytest.raises(TypeError):
        tasks["other"] = tasks[DOWNLOAD]  # type: ignore[index]


# ---- what a store knows -----------------------------------------------------------------------

OLD = Routine("ingest", (TaskRow("fetch", GONE), TaskRow("notify", NOTIFY, "Old")))


def test_what_a_store_knows_is_there(routines: RoutineSet, app: App) -> None:
    """Its classes may be gone: a flow that has ended may have been the last one."""
    routines.restore_task(TaskRow("alone", GONE))
    routines.restore_routine(OLD)
    assert routines["ingest"] is OLD
    assert list(routines.tasks) == ["alone", "fetch", "notify"]
    assert app.take() == []
    assert App(routines).take() == []  # nobody has declared it


def test_a_declaration_takes_the_place_of_what_a_store_knows(
    routines: RoutineSet, app: App
) -> None:
    routines.restore_task(TaskRow("fetch", GONE))
    routines.restore_routine(OLD)
    routine = routines.routine("ingest", [("fetch", DOWNLOAD)])
    assert routines["ingest"] is routine
    assert routines.tasks["fetch"].script == DOWNLOAD
    assert app.take() == [routine.task_at(0), routine]
    with pytest.raises(DuplicateRoutine):
        routines.routine("ingest", [("fetch", DOWNLOAD), NOTIFY])


def test_what_a_store_knows_gives_way_to_a_declaration(routines: RoutineSet) -> None:
    routine = routines.routine("ingest", [("fetch", DOWNLOAD)])
    before = content(routines)
    routines.restore_task(TaskRow("fetch", GONE))
    routines.restore_routine(OLD)
    assert content(routines) == before
    assert routines["ingest"] is routine


def test_a_declaration_that_a_store_knows_already_is_told(routines: RoutineSet, app: App) -> None:
    """Another app of the set may have another store, which does not know it."""
    row = TaskRow("fetch", DOWNLOAD)
    routines.restore_routine(Routine("ingest", (row,)))
    routine = routines.routine("ingest", [("fetch", DOWNLOAD)])
    assert app.take() == [row, routine]
    with pytest.raises(DuplicateTask):
        routines.create_task(("fetch", ARCHIVE))


def test_a_row_of_an_earlier_life_is_meant_by_its_key(routines: RoutineSet) -> None:
    routines.restore_task(TaskRow("fetch", DOWNLOAD, "Fetch it"))
    routines.restore_task(TaskRow("gone", GONE))
    assert routines.routine("ingest", ["fetch"]).task_at(0).name == "Fetch it"
    with pytest.raises(NotImportable, match=r"tasks\[0\]"):
        routines.routine("other", ["gone"])


def test_an_import_string_means_the_same_whatever_a_store_knows(routines: RoutineSet) -> None:
    """Else the same program would declare another version where it ran before."""
    version = RoutineSet().routine("ingest", [DOWNLOAD]).version
    routines.restore_task(TaskRow(DOWNLOAD, DOWNLOAD, "As it was called last year"))
    assert routines.routine("ingest", [DOWNLOAD]).version == version


def test_what_a_store_knows_last_counts(routines: RoutineSet) -> None:
    newer = Routine("ingest", (TaskRow("fetch", DOWNLOAD),))
    routines.restore_routine(OLD)
    routines.restore_routine(newer)
    assert routines["ingest"] is newer
    routines.restore_task(TaskRow("fetch", DOWNLOAD, "later"))
    assert routines.tasks["fetch"].name == "later"


# ---- who is told ------------------------------------------------------------------------------


def test_an_app_is_told_of_what_was_declared_before_it_came(routines: RoutineSet) -> None:
    row = routines.create_task(("alone", ARCHIVE))
    routine = routines.routine("ingest", [DOWNLOAD])
    routines.restore_routine(Routine("old", (TaskRow("k", GONE),)))
    assert App(routines).take() == [row, routine.task_at(0), routine]


def test_several_apps_share_a_set(routines: RoutineSet) -> None:
    first, second = App(routines), App(routines)
    routines.attach(first)  # once more
    routine = routines.routine("ingest", [DOWNLOAD])
    assert first.take() == second.take() == [routine.task_at(0), routine]
    routines.detach(first)
    routines.detach(first)
    row = routines.create_task(NOTIFY)
    assert (first.take(), second.take()) == ([], [row])


def test_an_app_may_look_at_the_set_while_it_is_told(routines: RoutineSet) -> None:
    class Looking(App):
        def routine_declared(self, routine: Routine) -> None:
            assert routines[routine.name] is routine
            super().routine_declared(routine)

    app = Looking(routines)
    routine = routines.routine("ingest", [DOWNLOAD])
    assert app.take() == [routine.task_at(0), routine]


# ---- threads ----------------------------------------------------------------------------------


def at_once(*works: Callable[[], object]) -> list[BaseException]:
    """Do it all at the same time; what was raised."""
    together = threading.Barrier(len(works))
    raised: list[BaseException] = []

    def work_in_thread(work: Callable[[], object]) -> None:
        together.wait(10)
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=work_in_thread, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_one_of_several_threads_declares_a_routine(routines: RoutineSet, app: App) -> None:
    for number in range(50):
        made: list[Routine] = []

        def declare(number: int = number, made: list[Routine] = made) -> None:
            made.append(routines.routine(f"r{number}", [(f"k{number}", DOWNLOAD), NOTIFY]))

        assert at_once(*[declare] * 4) == []
        assert len({id(each) for each in made}) == 1
        rows = [routines.tasks[f"k{number}"], routines.tasks[NOTIFY]]
        assert app.take() == [*(rows if number == 0 else rows[:1]), made[0]]


def test_of_threads_that_contradict_each_other_one_wins(routines: RoutineSet, app: App) -> None:
    for number in range(50):
        raised = at_once(
            *[
                lambda script=script, number=number: routines.routine(
                    f"r{number}", [(f"k{number}", script), f"{MEDIA}.Transcode"]
                )
                for script in (DOWNLOAD, NOTIFY, ARCHIVE)
            ]
        )
        assert [type(each) for each in raised] == [DuplicateRoutine] * 2
        assert routines[f"r{number}"].task_at(0) == routines.tasks[f"k{number}"]
    last: dict[str, TaskRow | Routine] = {}
    for each in app.take():
        name = each.key if isinstance(each, TaskRow) else each.name
        assert name not in last
        last[name] = each
    assert {name: last[name] for name in routines.tasks} == dict(routines.tasks)


def test_apps_hear_in_the_order_in_which_it_happened(routines: RoutineSet) -> None:
    first, second = App(routines), App(routines)

    def replace(number: int) -> None:
        for script in (DOWNLOAD, NOTIFY, ARCHIVE) * 20:
            routines.create_script("k", script, f"by {number}", replace=True)

    assert at_once(*[lambda number=number: replace(number) for number in range(4)]) == []
    told = first.take()
    assert told == second.take()
    assert told[-1] is routines.tasks["k"]


def test_a_key_means_the_row_that_there_is_when_the_routine_is_declared(
    routines: RoutineSet,
    write: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While its classes were imported, another one has got the key."""
    write(
        "flow_routines_slow",
        "from tests.flows import test_routines\n"
        "test_routines.in_the_meantime()\n"
        "from tests.flows.media import Download\n",
    )
    monkeypatch.setattr(
        sys.modules[__name__],
        "in_the_meantime",
        lambda: routines.create_task(("fetch", ARCHIVE), replace=True),
    )
    routines.create_task(("fetch", DOWNLOAD))
    specs = iter(["fetch", "flow_routines_slow.Download"])  # it can be read once
    routine = routines.routine("ingest", specs)
    assert routine.task_at(0).script == ARCHIVE


def in_the_meantime() -> object: ...


def test_a_module_that_declares_is_imported_by_one_thread_and_named_by_another(
    routines: RoutineSet,
    write: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The importer has the module's lock and asks for the set's, the other one the reverse."""
    write(
        "flow_routines_declares",
        "from tests.flows import test_routines\n"
        "from tests.flows.media import Download, Notify\n"
        "test_routines.in_the_meantime()\n",
    )
    importing, naming = threading.Event(), threading.Event()

    def declare() -> None:
        importing.set()
        assert naming.wait(10)
        routines.routine("theirs", [NOTIFY])

    def name() -> None:
        assert importing.wait(10)
        naming.set()
        routines.routine("ours", ["flow_routines_declares.Download"])

    monkeypatch.setattr(sys.modules[__name__], "in_the_meantime", declare)
    assert at_once(lambda: importlib.import_module("flow_routines_declares"), name) == []
    assert {each.name for each in routines} == {"ours", "theirs"}


# ---- anything ---------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c", DOWNLOAD, NOTIFY])
SCRIPTS = st.sampled_from([DOWNLOAD, NOTIFY, ARCHIVE, GONE])
SPECS = (
    KEYS
    | st.tuples(KEYS, SCRIPTS)
    | st.tuples(KEYS, SCRIPTS, st.sampled_from(["x", "y"]))
    | st.sampled_from([5, "", media.Doing, media.Notify])
)
ROWS = st.builds(TaskRow, KEYS, SCRIPTS)
NAMES = st.sampled_from(["r", "s"])
STEPS = st.one_of(
    st.tuples(st.just("create_task"), st.tuples(SPECS), st.booleans()),
    st.tuples(st.just("routine"), st.tuples(NAMES, st.lists(SPECS, max_size=3)), st.booleans()),
    st.tuples(st.just("restore_task"), st.tuples(ROWS), st.none()),
    st.tuples(
        st.just("restore_routine"),
        st.tuples(
            st.builds(
                lambda name, rows: Routine(name, tuple(rows)),
                NAMES,
                st.lists(ROWS, min_size=1, max_size=3, unique_by=lambda row: row.key),
            )
        ),
        st.none(),
    ),
)


def outcome(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
    try:
        return fn(*args, **kwargs), None
    except (TypeError, ValueError, NotImportable) as error:
        return None, error


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_whatever_is_declared(steps: list[tuple[str, tuple[Any, ...], bool | None]]) -> None:
    routines = RoutineSet()
    app = App(routines)
    rows: dict[str, TaskRow] = {}  # what was declared, as the app has heard it
    known: dict[str, Routine] = {}
    for name, args, replace in steps:
        before = content(routines)
        options = {} if replace is None else {"replace": replace}
        made, error = outcome(getattr(routines, name), *args, **options)
        if error is not None:
            assert content(routines) == before
            assert app.take() == []
            assert not replace or not isinstance(error, DuplicateRoutine | DuplicateTask)
            assert isinstance(error, RegistryError) == isinstance(
                error, NotImportable | DuplicateRoutine | DuplicateTask
            )
            continue
        for told in app.take():
            assert made is not None  # of what was restored nobody is told
            if isinstance(told, TaskRow):
                assert replace or rows.get(told.key, told) == told
                rows[told.key] = told
            else:
                assert replace or known.get(told.name, told) == told
                known[told.name] = told
        if isinstance(made, TaskRow):
            assert rows[made.key] is made
        elif made is not None:
            assert known[made.name] is made
        tasks = routines.tasks
        assert rows == {key: tasks[key] for key in rows}
        assert known == {each.name: each for each in routines if each.name in known}
        for each in routines:
            assert {row.key for row in each} <= set(tasks)
