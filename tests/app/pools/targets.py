"""Functions that worker processes import."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

MARK = "as imported"


def give(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    return args, kwargs


def pid() -> int:
    return os.getpid()


def add(one: int, two: int) -> int:
    return one + two


def mark_and_threads() -> tuple[str, int]:
    return MARK, threading.active_count()


def count(limit: int) -> Iterator[int]:
    """A generator, as far as a type checker cares."""
    yield from range(limit)
    return "the end"  # type: ignore[return-value]


def fail_after(limit: int) -> Iterator[int]:
    yield from range(limit)
    raise ValueError("in the midst")


# ---- errors -----------------------------------------------------------------------------------


class Odd(Exception):
    """Its class wants more than it keeps: it can be pickled, but not be read back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd one")


class Specific(KeyError):
    """A class of ours, with something to carry."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code


def raise_it(error: BaseException) -> None:
    raise error


def raise_specific(code: int) -> None:
    raise Specific("specific", code)


def raise_odd() -> None:
    raise Odd(1, 2)


def raise_lambda() -> None:
    raise ValueError(lambda: 1)


class UnreadableThere:
    """Raises when a worker reads it, with a lot more to come."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (refuse, ("x" * 100_000, os.getpid()))


def refuse(_: str, home: int) -> str:
    if os.getpid() != home:
        raise LookupError("can't be read here")
    return "at home"


class UnreadableHere:
    """Raises when it comes back."""

    def __init__(self, home: int) -> None:
        self.home = home

    def __reduce__(self) -> tuple[Any, ...]:
        return (refuse_at, (self.home,))


def refuse_at(home: int) -> None:
    if os.getpid() == home:
        raise LookupError("can't be read at home")


def give_unreadable(home: int) -> UnreadableHere:
    return UnreadableHere(home)


def give_lock() -> Any:
    return threading.Lock()


# ---- ends -------------------------------------------------------------------------------------


def exit_hard(code: int) -> None:
    os._exit(code)


def kill_me(number: int) -> None:
    os.kill(os.getpid(), number)
    signal.pause()


def interrupt_me() -> str:
    """What Ctrl-C does to all processes of a terminal."""
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def read_all(path: str) -> str:
    """Return what is written to that pipe, when its other end is closed."""
    with open(path) as pipe:
        return pipe.read()


def write(path: str, text: str) -> None:
    """Write that to that pipe, as soon as somebody reads there."""
    with open(path, "w") as pipe:
        pipe.write(text)


def forever(path: str) -> None:
    """Say one's pid in that pipe, and stay."""
    with open(path, "w") as pipe:
        pipe.write(str(os.getpid()))
    while True:
        time.sleep(1000)


# ---- standard streams -------------------------------------------------------------------------


def print_everywhere() -> str:
    """As programs and libraries in C do, past sys.stdout."""
    print("to sys.stdout")
    os.write(1, b"RETURN 5\nto descriptor 1\n")
    os.write(2, b"x" * 1_000_000)
    subprocess.run([sys.executable, "-c", "print('a program')"], check=True)
    read = subprocess.run(["cat"], check=True, stdout=subprocess.PIPE)
    return read.stdout.decode()


# ---- decorated --------------------------------------------------------------------------------


class Wrapped:
    """What a decorator makes of a function, as app.task does."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn


@Wrapped
def decorated(number: int) -> int:
    return 3 * number


def doubled(fn: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(fn)
    def wrapper(*args: Any) -> int:
        return 2 * fn(*args)

    return wrapper


@doubled
def one_more(number: int) -> int:
    return number + 1


@Wrapped
@doubled
def twice_decorated(number: int) -> int:
    return number + 1


class Cup:
    """Has methods of each kind."""

    def __init__(self, size: int) -> None:
        self.size = size

    def fill(self, times: int) -> int:
        return self.size * times

    @classmethod
    def named(cls, text: str) -> str:
        return f"{cls.__name__} {text}"

    @staticmethod
    def empty() -> int:
        return 0

    def __call__(self, times: int) -> int:
        return self.size + times


def _first() -> str:
    return "first"


def _second() -> str:
    return "second"


first = _first
_first.__qualname__ = _first.__name__ = "replaced"
replaced = _second
