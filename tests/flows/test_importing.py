"""Classes by their import strings."""

from __future__ import annotations

import importlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from task_thread.errors import NotImportable, RegistryError
from task_thread.flows.flowtask import FlowTask
from task_thread.flows.importing import class_of, import_class, normal_script, script_of
from tests.flows import media
from tests.support.programs import run_program

MEDIA = "tests.flows.media"
TASK = "from task_thread.flows.flowtask import FlowTask\n"
DOWNLOAD = TASK + "class Download(FlowTask):\n    def perform(self): ...\n"

_numbers = itertools.count()
begun, go = threading.Event(), threading.Event()  # for a module that a test writes

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module, or package, of a name that was never imported before; its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    base = f"flow_module_{next(_numbers)}_"

    def write(source: str, name: str = "alone", **inner: str) -> str:
        name = base + name
        source = source.replace("BASE_", base)
        if inner:
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(source)
            for each, text in inner.items():
                (tmp_path / name / f"{each}.py").write_text(text.replace("BASE_", base))
        else:
            (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return name

    yield write
    for name in set(sys.modules) - before:
        if name.startswith(base):
            del sys.modules[name]


# ---- what leads to a class --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "cls"),
    [
        (f"{MEDIA}.Download", media.Download),
        (f"{MEDIA}:Download", media.Download),
        (f"{MEDIA}.Outer.Inner", media.Outer.Inner),
        (f"{MEDIA}:Outer.Inner", media.Outer.Inner),
        (f"{MEDIA}.Mixed", media.Mixed),
    ],
)
def test_a_class_is_found(script: str, cls: type[FlowTask]) -> None:
    assert import_class(script) is cls
    assert class_of(script) is cls
    assert script_of(cls) == normal_script(script)


def test_a_module_is_imported_that_was_not(write: Write) -> None:
    name = write(DOWNLOAD)
    assert name not in sys.modules
    assert import_class(f"{name}.Download").__module__ == name


def test_a_module_and_a_class_of_the_same_name(write: Write) -> None:
    """A folder with one module for each class, whose package names them all."""
    inner = "    class Inner(FlowTask):\n        def perform(self): ...\n"
    name = write("from .Download import Download", Download=DOWNLOAD + inner)
    cls = import_class(f"{name}.Download")
    assert import_class(f"{name}.Download.Download") is cls
    found = import_class(f"{name}.Download.Inner")
    assert import_class(f"{name}.Download.Download.Inner") is found
    assert script_of(found) == f"{name}.Download.Download.Inner"


def test_a_name_given_in_a_package_leads_to_the_class(write: Write) -> None:
    name = write("from .work import Download", work=DOWNLOAD)
    assert import_class(f"{name}.Download") is import_class(f"{name}.work.Download")


def test_a_module_under_another_name_is_one_too(write: Write) -> None:
    name = write("import BASE_other as work", "alone")
    write(DOWNLOAD, "other")
    assert import_class(f"{name}.work.Download").__name__ == "Download"


def test_a_class_of_a_program_is_in_main(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    exec(DOWNLOAD, main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    cls = main.Download
    assert script_of(cls) == "__main__.Download"
    assert import_class("__main__.Download") is cls


def test_a_class_that_a_module_makes_when_it_is_asked_for(write: Write) -> None:
    lazy = "def __getattr__(name):\n    from BASE_other import Download as it\n    return it\n"
    name = write(lazy)
    write(DOWNLOAD, "other")
    assert import_class(f"{name}.Download").__name__ == "Download"


# ---- what does not ----------------------------------------------------------------------------


def refused(script: str) -> NotImportable:
    with pytest.raises(NotImportable) as caught:
        import_class(script)
    assert isinstance(caught.value, RegistryError)
    assert isinstance(caught.value, ImportError)
    return caught.value


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("no_such_module_at_all.Download", "there is no module 'no_such_module_at_all'"),
        ("no_such_module_at_all.inner.Download", "PYTHONPATH"),
        (f"{MEDIA}.Downlod", "Did you mean 'Download'"),
        (f"{MEDIA}.Outer.Iner", "Outer has no class 'Iner'. Did you mean 'Inner'"),
        (f"{MEDIA}.Xyzzy", "There are Download, Transcode, Notify, "),
        ("tests.flows.medai.Download", "no module and no class 'medai'. Did you mean 'media'"),
        (f"{MEDIA}.Doing", "is no FlowTask"),
        (f"{MEDIA}.make_local", "is no class but a function"),
        (f"{MEDIA}.an_instance", "is no class but a Download: name its class"),
        (f"{MEDIA}.Unfinished", "has no perform()"),
        (f"{MEDIA}.FlowTask", "has no perform()"),
        ("os.path", "is no class but a module"),
        ("os.path.join", "is no class but a function"),
        ("sys.Download", "sys has no class 'Download'"),
    ],
)
def test_the_message_says_what_is_missing(script: str, words: str) -> None:
    message = str(refused(script))
    assert message.startswith(repr(script))
    assert words in message


def test_an_error_of_the_module_is_the_cause(write: Write) -> None:
    name = write("1 / 0")
    error = refused(f"{name}.Download")
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert f"importing {name} raised ZeroDivisionError" in str(error)


def test_a_module_that_misses_another_is_not_missing_itself(write: Write) -> None:
    name = write("import no_such_module_at_all")
    error = refused(f"{name}.Download")
    assert isinstance(error.__cause__, ModuleNotFoundError)
    assert "raised ModuleNotFoundError: No module named 'no_such_module_at_all'" in str(error)
    assert "there is no module" not in str(error)


def test_a_package_that_misses_its_own_module_is_not_missing_itself(write: Write) -> None:
    name = write("from . import gone", other="")
    assert f"importing {name} raised ImportError" in str(refused(f"{name}.gone.Download"))
    name = write("import BASE_second.gone", "second", other="")
    assert f"importing {name} raised ModuleNotFound" in str(refused(f"{name}.gone.Download"))


def test_an_error_of_an_inner_module_is_the_cause(write: Write) -> None:
    name = write("", work="raise LookupError('where?')")
    error = refused(f"{name}.work.Download")
    assert isinstance(error.__cause__, LookupError)
    assert f"importing {name}.work raised LookupError: where?" in str(error)


def test_an_error_of_a_lazy_module_is_the_cause(write: Write) -> None:
    name = write("def __getattr__(name):\n    raise ImportError('install the extra')\n")
    error = refused(f"{name}.Download")
    assert "install the extra" in str(error)
    assert isinstance(error.__cause__, ImportError)


def test_a_module_that_is_being_imported_is_told_from_one_without_the_class(write: Write) -> None:
    name = write(
        "from task_thread.flows.importing import import_class\n"
        "from task_thread.errors import NotImportable\n"
        "try:\n    import_class(__name__ + '.Download')\n"
        "except NotImportable as error:\n    said = str(error)\n" + DOWNLOAD
    )
    module = importlib.import_module(name)
    assert f"{name} has no 'Download' yet" in module.said
    assert "circular" in module.said
    assert import_class(f"{name}.Download") is module.Download


def test_a_class_is_found_in_the_module_that_declares_below_it(write: Write) -> None:
    name = write(
        "from task_thread.flows.importing import import_class\n"
        + DOWNLOAD
        + "found = import_class(__name__ + '.Download')\n"
    )
    module = importlib.import_module(name)
    assert module.found is module.Download


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_comes_through(write: Write, error: type[BaseException]) -> None:
    name = write(f"raise {error.__name__}")
    with pytest.raises(error):
        class_of(f"{name}.Download")


def test_a_module_that_is_locked_out_is_missing(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write(DOWNLOAD)
    monkeypatch.setitem(sys.modules, name, None)
    assert f"there is no module {name!r}" in str(refused(f"{name}.Download"))


# ---- import strings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "", "Download", ".", ".Download", "media.", "media..Download", "media Download",
        " media.Download", "media.Download ", "media/Download", "media.Download()", "a:b:c",
        "media:", ":Download", "a.b:c:d", "media.2", "media.\ud800", "media.\n", "media.Download\n",
    ],
)  # fmt: skip
def test_what_is_no_import_string(script: str) -> None:
    for each in (normal_script, import_class, class_of):
        with pytest.raises(ValueError, match=r"'media\.Download'"):
            each(script)


def test_an_import_string_is_text_of_some_length() -> None:
    with pytest.raises(TypeError, match="int"):
        normal_script(5)
    assert len(normal_script("m." + "C" * 498)) == 500
    with pytest.raises(ValueError, match="500"):
        normal_script("m." + "C" * 499)


def test_an_import_string_is_plain_text() -> None:
    class Text(str):
        __slots__ = ()

    assert type(normal_script(Text("m.C"))) is str


# ---- the import string of a class -------------------------------------------------------------


def test_a_class_local_to_a_function_has_none() -> None:
    with pytest.raises(NotImportable, match="local to a function"):
        script_of(media.make_local())


def test_a_class_whose_name_is_anothers_has_none() -> None:
    with pytest.raises(NotImportable, match="is another thing by now"):
        script_of(media.FirstRenamed)
    assert script_of(media.Renamed) == f"{MEDIA}.Renamed"


@pytest.mark.parametrize("cls", [media.Doing, media.Unfinished, FlowTask, int])
def test_a_class_that_no_flow_can_run_has_none(cls: Any) -> None:
    with pytest.raises(NotImportable, match=r"is no FlowTask|has no perform"):
        script_of(cls)


def test_what_is_no_class_has_none() -> None:
    with pytest.raises(TypeError, match="not a Download"):
        script_of(media.an_instance)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [None, 5, "no_such_module_at_all", "sys", ""])
def test_a_class_with_a_wrong_module_has_none(module: object) -> None:
    made = type("Made", (media.Download,), {"__module__": module})
    with pytest.raises(NotImportable):
        script_of(made)


def test_a_class_that_is_still_without_a_name_has_none(write: Write) -> None:
    name = write(
        "from task_thread.flows.importing import script_of\n"
        "from task_thread.errors import NotImportable\n"
        + DOWNLOAD
        + "def early(cls):\n    try:\n        script_of(cls)\n"
        "    except NotImportable as error:\n        cls.said = str(error)\n    return cls\n"
        "@early\nclass Early(Download): ...\n"
    )
    assert "or not yet" in importlib.import_module(name).Early.said


# ---- remembered -------------------------------------------------------------------------------


def test_a_class_is_looked_for_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(DOWNLOAD)
    first = class_of(f"{name}.Download")
    monkeypatch.delattr(sys.modules[name], "Download")
    assert class_of(f"{name}.Download") is first


def test_a_class_that_was_defined_anew_is_found_where_that_is_asked_for(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write(DOWNLOAD)
    first = class_of(f"{name}.Download")
    second = type("Download", (media.Download,), {"__module__": name})
    monkeypatch.setattr(sys.modules[name], "Download", second)
    assert class_of(f"{name}.Download") is first
    assert class_of(f"{name}.Download", fresh=True) is second
    assert class_of(f"{name}.Download") is second


def test_a_class_that_could_not_be_imported_is_tried_again(write: Write, tmp_path: Path) -> None:
    name = write("raise OSError('not mounted yet')")
    with pytest.raises(NotImportable, match="not mounted yet"):
        class_of(f"{name}.Download")
    (tmp_path / f"{name}.py").write_text(DOWNLOAD + "# another length\n")
    importlib.invalidate_caches()
    assert class_of(f"{name}.Download").__module__ == name


def test_threads_find_the_same_class(write: Write) -> None:
    name = write("made = []\n" + DOWNLOAD + "made.append(Download)\n")
    together = threading.Barrier(8)
    found: list[type[FlowTask]] = []

    def look() -> None:
        together.wait()
        found.append(class_of(f"{name}.Download"))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == set(sys.modules[name].made)


def test_another_thread_waits_for_a_module_that_is_being_imported(write: Write) -> None:
    """What one thread has half imported is no circular import for another."""
    name = write(
        "import tests.flows.test_importing as gate\n"
        "gate.begun.set()\nassert gate.go.wait(10)\n" + DOWNLOAD
    )
    begun.clear()
    go.clear()
    found: list[type[FlowTask]] = []
    importer = threading.Thread(target=importlib.import_module, args=(name,))
    importer.start()
    assert begun.wait(10)
    looker = threading.Thread(target=lambda: found.append(import_class(f"{name}.Download")))
    looker.start()
    go.set()
    importer.join()
    looker.join()
    assert [each.__name__ for each in found] == ["Download"]


def test_a_program_names_its_own_class() -> None:
    done = run_program(
        """
        from task_thread.flows.flowtask import FlowTask
        from task_thread.flows.importing import import_class, script_of

        class Mine(FlowTask):
            def perform(self): ...

        assert script_of(Mine) == "__main__.Mine"
        assert import_class("__main__.Mine") is Mine
        """
    )
    assert done.returncode == 0, done.stderr
