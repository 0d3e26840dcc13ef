"""What a routine is made of, in all the ways in which that can be said."""

from __future__ import annotations

import dataclasses
import enum
import pickle
import types
import unicodedata
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task_thread.errors import NotImportable, RegistryError
from task_thread.flows.forms import check_line
from task_thread.flows.spec import Routine, TaskRow, listed, row_of, rows_of
from tests.flows import media

MEDIA = "tests.flows.media"
DOWNLOAD = f"{MEDIA}.Download"
NOTIFY = TaskRow("notify", f"{MEDIA}.Notify", "tell people")
KNOWN = {"notify": NOTIFY, "a:b": TaskRow("a:b", "other.Class")}


def row(spec: Any, known: Any = KNOWN) -> TaskRow:
    made = row_of(spec, known)
    assert type(made) is TaskRow
    assert {type(each) for each in (made.key, made.script, made.name)} == {str}
    return made


def refuse(spec: Any, kind: type[Exception], words: str) -> str:
    with pytest.raises(kind) as caught:
        row_of(spec, KNOWN)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    return str(caught.value)


# ---- the forms --------------------------------------------------------------------------------

SELF = TaskRow("example.Class", "example.Class", "example.Class")


class Key(enum.StrEnum):
    FETCH = "fetch"


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("example.Class", SELF),
        (("example.Class",), SELF),
        (("key", "example.Class"), TaskRow("key", "example.Class", "key")),
        (("key", "example.Class", "friendly"), TaskRow("key", "example.Class", "friendly")),
        (("key", "example.Class", ""), TaskRow("key", "example.Class", "key")),
        (
            {"key": "key", "script": "example.Class", "name": "friendly"},
            TaskRow("key", "example.Class", "friendly"),
        ),
        ({"key": "key", "script": "example.Class"}, TaskRow("key", "example.Class", "key")),
        ({"script": "example.Class"}, SELF),
        ({"key": "example.Class"}, SELF),
        (
            {"script": "example.Class", "name": "friendly"},
            TaskRow("example.Class", "example.Class", "friendly"),
        ),
        (
            {"key": "example.Class", "name": "friendly"},
            TaskRow("example.Class", "example.Class", "friendly"),
        ),
        (types.MappingProxyType({"script": "example.Class"}), SELF),
        (media.Download, TaskRow(DOWNLOAD, DOWNLOAD)),
        ((media.Download,), TaskRow(DOWNLOAD, DOWNLOAD)),
        (("fetch", media.Download), TaskRow("fetch", DOWNLOAD)),
        ({"script": media.Download, "name": "Fetch"}, TaskRow(DOWNLOAD, DOWNLOAD, "Fetch")),
        (media.Outer.Inner, TaskRow(f"{MEDIA}.Outer.Inner", f"{MEDIA}.Outer.Inner")),
        ((Key.FETCH, "example.Class"), TaskRow("fetch", "example.Class")),
        (TaskRow("k", "example.Class", "n"), TaskRow("k", "example.Class", "n")),
        # A colon says where the module ends. It is stored as a dot: the same class, the same text.
        ("pkg.mod:Outer.Inner", TaskRow("pkg.mod.Outer.Inner", "pkg.mod.Outer.Inner")),
        ("example:Class", SELF),
        ({"key": "example:Class"}, SELF),
        (("key", "pkg.mod:Outer.Inner"), TaskRow("key", "pkg.mod.Outer.Inner")),
        # What was created before, by its key.
        ("notify", NOTIFY),
        (("notify",), NOTIFY),
        ({"key": "notify"}, NOTIFY),
        ({"script": "notify"}, NOTIFY),
        (("notify", "notify"), NOTIFY),
        ({"key": "notify", "name": "shout"}, TaskRow("notify", f"{MEDIA}.Notify", "shout")),
        ("a:b", TaskRow("a:b", "other.Class")),
        # A key that is an import string too stands for itself, unless that is what was created.
        (("notify", f"{MEDIA}.Broken"), TaskRow("notify", f"{MEDIA}.Broken")),
    ],
)
def test_a_task_is_said(spec: Any, meant: TaskRow) -> None:
    assert row(spec) == meant
    assert rows_of([spec], KNOWN) == (meant,)


def test_a_row_whose_key_is_its_import_string_keeps_its_name() -> None:
    known = {DOWNLOAD: TaskRow(DOWNLOAD, DOWNLOAD, "Fetch")}
    assert row(DOWNLOAD, known).name == "Fetch"
    assert row(media.Download, known).name == "Fetch"
    assert row({"script": DOWNLOAD, "name": "Get"}, known).name == "Get"


def test_an_import_string_is_no_key_of_another_class() -> None:
    known = {DOWNLOAD: TaskRow(DOWNLOAD, "other.Class")}
    assert row(DOWNLOAD, known).script == DOWNLOAD


# ---- slips ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("", ValueError, "a task is text, and not empty"),
        ((), ValueError, "not a tuple of 0"),
        (("a", "b.C", "d", "e"), ValueError, "not a tuple of 4"),
        ({}, ValueError, "says its script, or its key"),
        ({"name": "friendly"}, ValueError, "says its script, or its key"),
        ({"kee": "a", "script": "b.C"}, ValueError, "'kee'. Did you mean 'key'?"),
        ({"script": "b.C", 5: 6}, TypeError, "not 5"),
        ({"script": 5}, TypeError, "a task's script is text, not 5"),
        ({"script": "b.C", "name": None}, TypeError, "a task's name is text, not None"),
        ({"key": None, "script": "b.C"}, TypeError, "a task's key is text, not None"),
        (("", "b.C"), ValueError, "a task's key is text, and not empty"),
        (("a", ""), ValueError, "a task's script is text, and not empty"),
        ((5, "b.C"), TypeError, "a task's key is text, not 5"),
        (["b.C"], TypeError, "is a tuple, not a list: ['b.C']"),
        (["key", "b.C"], TypeError, "is a tuple, not a list"),
        (b"b.C", TypeError, "a FlowTask class; not b'b.C'"),
        (None, TypeError, "not None"),
        (5, TypeError, "not 5"),
        (("key", 10**10_000), TypeError, "text, not <int>"),
        ({"b.C"}, TypeError, "not {'b.C'}"),
        (media, TypeError, "not <module"),
        (media.make_local, TypeError, "not <function make_local"),
        (media.an_instance, TypeError, "a task is given as its class, Download"),
        (("a", media.an_instance), TypeError, "a task's script is text"),
        ("notfy", ValueError, "Did you mean 'notify'?"),
        ("Download", ValueError, "no task was created with that key"),
        (("key", "notify"), ValueError, "A task that was created is named by its key alone"),
        ("media.Download()", ValueError, "'media.Download()' is none"),
        ("media..Download", ValueError, "such as 'media.Download'"),
        (("media.Download ",), ValueError, "no blank at its ends"),
        (("key\n", "b.C"), ValueError, "no blank at its ends"),
        (("k\ney", "b.C"), ValueError, "without '\\n'"),
        (("k\u2028y", "b.C"), ValueError, "without '\\u2028'"),
        (("k\ud800", "b.C"), ValueError, "without '\\ud800'"),
        (("k\x00", "b.C"), ValueError, "without '\\x00'"),
        (("key", "b.C", "na\tme"), ValueError, "a task's name is a line of text"),
        (("k" * 201, "b.C"), ValueError, "200 characters at most, not 201"),
        (("k", "b.C", "n" * 201), ValueError, "200 characters at most, not 201"),
        (("k", "b." + "C" * 499), ValueError, "500 characters at most, not 501"),
        ("b." + "C" * 200, ValueError, "a task's key has 200 characters at most"),
        (media.Doing, NotImportable, "is no FlowTask"),
        (("key", media.Doing), NotImportable, "is no FlowTask"),
        ({"script": media.Doing}, NotImportable, "is no FlowTask"),
        (int, NotImportable, "'builtins.int' is no FlowTask"),
        (media.make_local(), NotImportable, "local to a function"),
        (media.FirstRenamed, NotImportable, "another thing by now"),
    ],
)
def test_a_slip_is_told(spec: Any, kind: type[Exception], words: str) -> None:
    refuse(spec, kind, words)
    with pytest.raises(kind) as caught:
        rows_of([DOWNLOAD, DOWNLOAD.replace("Down", "Up"), spec], KNOWN)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("tasks[2]: ")
    assert words in str(caught.value)


def test_a_message_is_short() -> None:
    assert len(refuse(["x" * 10_000], TypeError, "list")) < 300
    assert len(refuse({"y" * 10_000: 1}, ValueError, "key, script, name")) < 300


class Hostile:
    """Whose text can't be had."""

    def __repr__(self) -> str:
        raise KeyError("no text")


@pytest.mark.parametrize(
    "spec",
    [
        Hostile(),
        (Hostile(),),
        ("key", Hostile()),
        [Hostile()],
        {"script": Hostile()},
        {Hostile(): 1},
    ],
)
def test_what_has_no_text_is_told_all_the_same(spec: Any) -> None:
    assert refuse(spec, TypeError, "Hostile")


def test_a_length_that_is_allowed() -> None:
    made = row(("k" * 200, "b." + "C" * 498, "n" * 200))
    assert (len(made.key), len(made.script), len(made.name)) == (200, 500, 200)


@pytest.mark.parametrize("text", ["ключ", "ключ: шаг 2/3", "👩‍👩‍👧 family", "a@b#c"])
def test_what_a_line_may_have(text: str) -> None:
    assert row((text, "b.C", text)) == TaskRow(text, "b.C", text)
    assert check_line("it", text) == text


# ---- lists of them ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "specs",
    [
        ["a.B", "c.D"],
        ("a.B", "c.D"),
        iter(["a.B", "c.D"]),
        (each for each in ("a.B", "c.D")),
        {"x": "a.B", "y": "c.D"}.values(),
        Routine("r", (TaskRow("a.B", "a.B"), TaskRow("c.D", "c.D"))),
    ],
)
def test_any_list_in_an_order_will_do(specs: Iterable[Any]) -> None:
    assert [each.key for each in rows_of(specs, {})] == ["a.B", "c.D"]


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (DOWNLOAD, f"also for one: ['{DOWNLOAD}']"),
        (b"a.B", "also for one"),
        ({"key": "a", "script": "b.C"}, "also for one"),
        (media.Download, "also for one: [<class"),
        (media.an_instance, "also for one"),
        (NOTIFY, "also for one"),
        (None, "in their order, not None"),
        (5, "in their order, not 5"),
        ({"a.B", "c.D"}, "in their order, not {'a.B', 'c.D'}"),
        (frozenset({"a.B"}), "in their order"),
        ({"a.B": 1}.keys(), "in their order"),
    ],
)
def test_what_is_no_list_of_tasks(specs: Any, words: str) -> None:
    for each in (listed, lambda it: rows_of(it, {})):
        with pytest.raises(TypeError, match="a routine takes a list of tasks") as caught:
            each(specs)
        assert words in str(caught.value)


def test_a_routine_without_tasks() -> None:
    with pytest.raises(ValueError, match="one task at least"):
        rows_of([], {})


@pytest.mark.parametrize(
    "specs",
    [
        ["a.B", "c.D", "a.B"],
        ["a.B", "c.D", "a:B"],
        ["a.B", "c.D", {"key": "a.B", "script": "e.F"}],
        [("k", "a.B"), "c.D", ("k", "e.F")],
    ],
)
def test_keys_are_unique_in_a_routine(specs: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"tasks\[2\] has the key .* as tasks\[0\] has: give it"):
        rows_of(specs, {})


def test_what_the_message_proposes_for_the_same_task_twice_will_do() -> None:
    with pytest.raises(ValueError, match=r"such as \('a.B-2', 'a.B'\)"):
        rows_of(["a.B", "a.B"], {})
    assert [each.script for each in rows_of(["a.B", ("a.B-2", "a.B")], {})] == ["a.B", "a.B"]


def test_one_tuple_in_the_place_of_a_list() -> None:
    with pytest.raises(ValueError, match=r"\(A routine of one task is \[\('key', 'a.B'\)\]\.\)"):
        rows_of(("key", "a.B"), {})
    with pytest.raises(ValueError, match=r"tasks\[1\]: 'key'") as caught:
        rows_of(("a.B", "key"), {})
    assert "A routine of one" not in str(caught.value)


# ---- rows and routines ------------------------------------------------------------------------


def test_a_row_is_data() -> None:
    made = TaskRow("key", "pkg:Class")
    assert (made.key, made.script, made.name) == ("key", "pkg.Class", "key")
    assert pickle.loads(pickle.dumps(made)) == made
    assert len({made, TaskRow("key", "pkg.Class", "key")}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.key = "other"  # type: ignore[misc]


@pytest.mark.parametrize("fields", [("", "a.B"), ("k", "a"), ("k", "a.B", "\n"), (5, "a.B")])
def test_a_row_can_not_be_wrong(fields: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        TaskRow(*fields)


A, B, C = (TaskRow(key, f"m.{key.upper()}") for key in "abc")


def test_a_routine_is_data() -> None:
    routine = Routine("r", (A, B, C))
    assert len(routine) == 3
    assert list(routine) == [A, B, C]
    assert pickle.loads(pickle.dumps(routine)) == routine
    assert hash(routine) == hash(Routine("r", (A, B, C)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        routine.name = "other"  # type: ignore[misc]


def test_a_task_at_a_place() -> None:
    routine = Routine("r", (A, B, C))
    assert [routine.task_at(each) for each in (0, 2, -1, -3)] == [A, C, C, A]
    for index in (3, -4, 10**30):
        with pytest.raises(IndexError, match=f"'r' has 3 tasks, from 0 to 2, and none at {index}"):
            routine.task_at(index)
    with pytest.raises(TypeError):
        routine.task_at("0")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("", (A,)), (5, (A,)), ("r\n", (A,)), ("r", ()), ("r", (A, A)), ("r", ("a.B",)),
        ("r", "a.B"), ("r", None),
    ],
)  # fmt: skip
def test_a_routine_can_not_be_wrong(name: Any, tasks: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Routine(name, tasks)


def test_a_version_stands_for_the_content() -> None:
    routine = Routine("r", (A, B))
    assert (
        routine.version == Routine("r", (A, B)).version == "cfae49f2d44d"
    )  # in later releases too
    others = [
        Routine("s", (A, B)), Routine("r", (B, A)), Routine("r", (A,)), Routine("r", (A, C)),
        Routine("r", (A, TaskRow("b", "m.B", "friendly"))), Routine("r", (A, TaskRow("b", "n.B"))),
        Routine("r", (TaskRow("a", "m.A", "a"), TaskRow("b", "m.B", "ü"))),
    ]  # fmt: skip
    assert len({each.version for each in [routine, *others]}) == 8


def test_a_version_that_is_given_stays() -> None:
    assert Routine("r", (A,), "of old").version == "of old"
    with pytest.raises(TypeError, match="version"):
        Routine("r", (A,), 5)  # type: ignore[arg-type]


# ---- anything ---------------------------------------------------------------------------------


class Named(tuple[Any, ...]):
    __slots__ = ()


words = st.sampled_from(
    [
        "key",
        "script",
        "name",
        "notify",
        "a.B",
        "a:B",
        DOWNLOAD,
        "",
        " ",
        "m.",
        ".C",
        "a:b",
        "\ud800",
    ]
)
things = st.sampled_from(
    [media.Download, media.Doing, media.an_instance, media.make_local(), NOTIFY, media,
     list[int], list[media.Download], Any, ..., NotImplemented, Key.FETCH, Key]
)  # fmt: skip
texts = words | st.text(max_size=12) | st.text(alphabet=".:aB", max_size=8)
leaves = (
    texts
    | things
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=3)
    | st.dates()
)
keys = texts | st.none() | st.integers() | st.tuples(texts)
junk = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=5).map(tuple),
        st.lists(inner, max_size=5).map(Named),
        st.dictionaries(words | keys, inner, max_size=4),
        st.frozensets(keys, max_size=3),
        st.lists(inner, max_size=3).map(iter),
    ),
    max_leaves=8,
)


def check_error(error: Exception) -> None:
    assert isinstance(error, TypeError | ValueError | NotImportable | RegistryError)
    assert not isinstance(error, LookupError | AttributeError | UnicodeError)
    assert len(str(error)) > 10
    assert str(error).isprintable()


@settings(max_examples=1000, deadline=None)
@given(junk)
def test_anything_is_a_row_or_told(spec: Any) -> None:
    try:
        made = row(spec)
    except Exception as error:
        check_error(error)
    else:
        assert row_of(made, {}) is made
        assert row_of((made.key, made.script, made.name), {}) == made
        made.key.encode()
        assert not any(unicodedata.category(each) in ("Cc", "Cs") for each in made.name)
        made.name.encode()


@settings(max_examples=500, deadline=None)
@given(st.lists(junk, max_size=3) | junk)
def test_anything_is_a_routine_or_told(specs: Any) -> None:
    try:
        rows = rows_of(specs, KNOWN)
    except Exception as error:
        check_error(error)
    else:
        assert Routine("r", rows).tasks == rows
        assert len({each.key for each in rows}) == len(rows) > 0
