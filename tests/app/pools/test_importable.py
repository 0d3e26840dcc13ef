"""Which functions a process can import, said when they are declared and when they are called."""

from __future__ import annotations

import functools
import math
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from task_thread.app import inworker
from task_thread.app.importable import check_importable, name_of, request_for
from tests.app.pools import targets

HERE = "tests.app.pools.targets"


async def coroutine() -> None:
    """Async."""


async def async_generator() -> AsyncIterator[int]:
    """Async as well."""
    yield 1


class Stuck:
    """Can't be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def go(self) -> None:
        """A method."""


def made(request: bytes) -> Any:
    """What a worker's function replies, made here."""
    target, args, kwargs = inworker._read(request)
    fn = target if callable(target) else inworker._find(target)
    return fn(*args, **kwargs)


@pytest.mark.parametrize(
    ("fn", "args", "result"),
    [
        (targets.add, (1, 2), 3),
        (math.factorial, (4,), 24),
        (int, ("12",), 12),
        (dict.fromkeys, ("a",), {"a": None}),
        (targets.decorated.fn, (5,), 15),
        (targets.one_more, (5,), 12),
        (targets.one_more.__wrapped__, (5,), 6),  # type: ignore[attr-defined]
        (targets.twice_decorated.fn, (5,), 12),
        (targets.Cup.named, ("of tea",), "Cup of tea"),
        (targets.Cup.empty, (), 0),
        (targets.Cup(3).fill, (4,), 12),
        (targets.Cup(3), (4,), 7),
        (functools.partial(targets.add, 10), (1,), 11),
    ],
)
def test_what_can_be_imported(fn: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:
    check_importable(fn)
    assert made(request_for(fn, args, {})) == result


@pytest.mark.parametrize(
    ("fn", "error", "words"),
    [
        (lambda: 1, ValueError, "lambda"),
        (functools.partial(lambda: 1), ValueError, "lambda"),
        (coroutine, TypeError, "coroutine is async"),
        (async_generator, TypeError, "async_generator is async"),
        (functools.partial(coroutine), TypeError, "coroutine is async"),
        (Stuck().go, ValueError, r"Stuck\.go can't go to another process"),
        ("text", TypeError, "can be called"),
        (functools.partial(targets.decorated.fn, 1), ValueError, "can't go to another process"),
    ],
)
def test_what_can_not_be_imported(fn: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_importable(fn)
    with pytest.raises((error, TypeError)):
        request_for(fn, (), {})


def test_a_local_function_can_not_be_imported() -> None:
    def local() -> None: ...

    with pytest.raises(ValueError, match=r"local is local to a function"):
        check_importable(local)
    with pytest.raises(ValueError, match=r"local is local to a function"):
        request_for(local, (), {})


def test_a_name_that_leads_elsewhere_by_now_is_refused_at_the_call() -> None:
    check_importable(targets.first)  # when it is declared, its name leads nowhere yet
    with pytest.raises(ValueError, match=r"replaced of .*targets is something else"):
        request_for(targets.first, (), {})


def test_a_decorated_function_is_found_behind_its_name() -> None:
    assert name_of(targets.decorated.fn) == (HERE, "decorated", "fn")
    assert name_of(targets.one_more) == (HERE, "one_more")
    assert name_of(targets.one_more.__wrapped__) == (  # type: ignore[attr-defined]
        HERE,
        "one_more",
        "__wrapped__",
    )
    assert name_of(targets.twice_decorated.fn) == (HERE, "twice_decorated", "fn")


def test_an_argument_that_can_not_be_pickled_is_named() -> None:
    with pytest.raises(TypeError, match=r"argument 2 of add, a lock, can't go"):
        request_for(targets.add, (1, threading.Lock()), {})
    with pytest.raises(TypeError, match=r"argument 'two' of add, a function, can't go"):
        request_for(targets.add, (1,), {"two": lambda: 1})


def test_a_request_is_a_name_and_not_the_function() -> None:
    target, args, kwargs = pickle.loads(request_for(targets.give, (1,), {"a": 2}))
    assert (target, args, kwargs) == ((HERE, "give"), (1,), {"a": 2})


MAIN = """
from task_thread.app.importable import check_importable
def f(): return 1
check_importable(f)
"""


def test_a_function_of_main_is_refused_where_main_is_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", MAIN]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ValueError: f is in __main__, which is no file here" in done.stderr

    program = tmp_path / "program.py"
    program.write_text(MAIN)
    command = [sys.executable, "-W", "error", str(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
